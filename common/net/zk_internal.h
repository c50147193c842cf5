#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What zk.c and zk_request.c share. Nobody else includes this. */

#include <zookeeper/zookeeper.h>

#include "common/net/zk.h"
#include "common/net/zk_names.h"

/* A request on its way; owned by the Zk, freed by its completion, which libzookeeper always calls. */
typedef struct ZkRequest {
        Zk *zk;
        usec_t sent_usec;              /* CLOCK_BOOTTIME */
        bool is_read;                  /* a server answers it by itself */
        ZkDone done;                   /* NULL: nobody listens any more */
        void *userdata;
        char *ensure_path;             /* owned; zk_ensure_path(): the whole of it … */
        size_t n_ensured;              /* … and how much is there */
        size_t n_results;
        zoo_op_result_t *results;      /* owned; zk_multi() */
        struct ZkRequest *prev, *next;
} ZkRequest;

typedef struct ZkListener {
        const ZkObserver *observer;    /* NULL: forgotten, to be swept */
        void *userdata;
        struct ZkListener *prev, *next;
} ZkListener;

struct Zk {
        sd_event *event;
        ZkUrl url;
        usec_t timeout_usec;           /* wished for, then as negotiated */
        ZkState state;
        zhandle_t *handle;             /* owned; NULL while names are looked up and when it is over */
        ZkNames *names;                /* owned */
        unsigned depth;                /* calls of ours that may call out: nothing is freed below them */
        bool doomed;                   /* zk_free() was called from below */

        sd_event_source *io_source;    /* libzookeeper's socket of the moment */
        sd_event_source *step_source;  /* the time libzookeeper asked for, or now */
        sd_event_source *expiry_source;
        sd_event_source *probe_source;

        bool had_session;
        bool owns_nodes;               /* ephemeral ones: others wait for their end */
        usec_t attempt_usec;           /* since when it has been connecting */
        usec_t lease_usec;             /* until then the session is ours whatever happens */
        bool probing;

        ZkRequest *requests;
        size_t n_requests;
        ZkListener *listeners;
};

/* CLOCK_BOOTTIME as of this turn of the loop: not after whatever is done now. */
usec_t zk_now(const Zk *zk);

/* The server has heard of us after this moment. */
void zk_extend_lease(Zk *zk, usec_t sent_usec);

/* Something may be waiting to be written: look at the socket again this turn. */
void zk_kick(Zk *zk);

/* The cheapest question that renews the lease. */
int zk_probe(Zk *zk);
