/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Updates
 *
 * An update is ours until the agent says that it has stored it: it is repeated, with the same uuid,
 * on every new subscription. The order is that in which things happened.
 */

#include <utlist.h>

#include "common/base/parse.h"
#include "common/net/pbwire.h"
#include "executor/update_queue.h"

static void update_free(Update *u) {
        if (u->message.status)
                pb_free(&u->message.status->base);
        free(u);
}

void update_queue_deinit(UpdateQueue *q) {
        Update *u, *next;

        LL_FOREACH_SAFE(q->first, u, next)
                update_free(u);
        *q = (UpdateQueue) {};
}

/* Copies the status and gives it a uuid. Returns 0, or negative errno when there is no memory or no randomness. */
int update_queue_add(UpdateQueue *q, const Mesos__V1__TaskStatus *status) {
        Mesos__V1__TaskStatus stamped = *status;
        Update *u;
        int r;

        u = malloc(sizeof(*u));
        if (!u)
                return -ENOMEM;

        *u = (Update) { .message = MESOS__V1__EXECUTOR__CALL__UPDATE__INIT };
        r = uuid_new(u->uuid);
        if (r < 0) {
                update_free(u);
                return r;
        }

        stamped.has_uuid = true;
        stamped.uuid = (ProtobufCBinaryData) { .len = sizeof(u->uuid), .data = u->uuid };
        u->message.status = (Mesos__V1__TaskStatus *) pb_copy(&stamped.base);
        if (!u->message.status) {
                update_free(u);
                return -ENOMEM;
        }

        LL_APPEND(q->first, u);
        q->n++;
        return 0;
}

/* Returns false when there is no such update, or no longer. */
bool update_queue_acknowledge(UpdateQueue *q, const void *uuid, size_t n) {
        Update *u;

        LL_FOREACH(q->first, u) {
                if (n != sizeof(u->uuid) || memcmp(u->uuid, uuid, n) != 0)
                        continue;

                LL_DELETE(q->first, u);
                q->n--;
                update_free(u);
                return true;
        }

        return false;
}

Update *update_queue_next_unsent(const UpdateQueue *q) {
        Update *u;

        LL_FOREACH(q->first, u)
                if (!u->sent)
                        return u;

        return NULL;
}
