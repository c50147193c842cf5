#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Follow: reads a file of a sandbox as it grows. See follow.c. */

#include "common/net/http_fetch.h"

typedef struct Follow Follow;

typedef struct FollowOps {
        /* Bytes as they come; negative to stop reading for good. */
        int (*data)(const void *data, size_t n, void *userdata);

        /* After follow_finish(), once the end was reached (0) or nothing could be read (<0). May free it as its last act. */
        void (*finished)(int error, void *userdata);
} FollowOps;

/* `ops` is borrowed. path is a path of the agent, such as /…/runs/…/stdout. */
int follow_new(sd_event *event, HttpFetcher *fetcher, const char *agent_url, const char *path,
               const FollowOps *ops, void *userdata, Follow **ret);
Follow *follow_free(Follow *f);
DEFINE_CLEANUP(Follow *, follow_free)

/* Nothing more will be written: read up to the end, then tell. */
void follow_finish(Follow *f);
