#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Detector: which master leads. See detector.c. */

#include "common/net/master_address.h"
#include "common/net/zk.h"

typedef struct Detector Detector;

/* NULL: nobody leads, or nobody knows. Borrowed until the next call. It may free the Detector. Called from the loop only. */
typedef void (*DetectorChanged)(const MasterAddress *leader, void *userdata);

/* master: HOST:PORT or zk://…; what file:// names has been read by the flags. */
int detector_new(sd_event *event, const char *master, usec_t session_timeout_usec, DetectorChanged changed,
                 void *userdata, Detector **ret, char **reterr_message);

/* On a session that others use, too, and that outlives it. When that is over, nobody leads, for good. */
int detector_new_shared(Zk *zk, DetectorChanged changed, void *userdata, Detector **ret);

Detector *detector_free(Detector *d);
DEFINE_CLEANUP(Detector *, detector_free)

/* As `changed` was told last; of a master named by its address, from the start. */
const MasterAddress *detector_leader(const Detector *d);

/* The znode that this is from, as CONTENDER_CANDIDATE names it; NULL: none. */
const char *detector_node(const Detector *d);

/* Masters that stand for election, as they were seen last. */
size_t detector_n_candidates(const Detector *d);

/* Whether ZooKeeper has answered: if nobody leads, then nobody does. */
bool detector_has_looked(const Detector *d);
