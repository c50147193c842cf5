/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Plans for the fetcher
 *
 * URIs are fetched by a process of their own, holdfast-fetcher, which the launcher starts inside the
 * container as the task's user before it starts the command:
 *
 *     agent: fetch_plan_pack() → launch plan → launcher → stdin of holdfast-fetcher
 *
 * So a URI can reach nothing that the task itself could not, neither the agent's memory nor its
 * files. The fetcher exits with 0 when everything is in the sandbox; otherwise the last line of its
 * stderr, which is the sandbox's stderr, says what was wrong.
 */

#include "agent/fetch_plan.h"
#include "common/base/macro.h"
#include "proto/fetcher.pb-c.h"

/*
 * Appends the packed plan. sandbox_directory is the path inside the container; frameworks_home may
 * be NULL. Returns FETCH_PLAN_OK, FETCH_PLAN_NOTHING (nothing was appended), -ENOBUFS when it is
 * more than FETCH_PLAN_MAX_BYTES or than the buffer takes, -ENOMEM.
 */
int fetch_plan_pack(const Mesos__V1__CommandInfo *command, const char *sandbox_directory,
                    const char *frameworks_home, usec_t stall_timeout_usec, Buffer *ret) {
        Holdfast__FetchPlan plan = HOLDFAST__FETCH_PLAN__INIT;
        char *data;
        size_t n;
        int r;

        if (command->n_uris == 0)
                return FETCH_PLAN_NOTHING;

        /* Borrowed for the packing only, hence the casts of what it does not change. */
        plan.sandbox_directory = (char *) sandbox_directory;
        plan.frameworks_home = (char *) frameworks_home;
        plan.uris = command->uris;
        plan.n_uris = command->n_uris;
        plan.has_stall_timeout_usec = true;
        plan.stall_timeout_usec = stall_timeout_usec;

        n = holdfast__fetch_plan__get_packed_size(&plan);
        if (n > FETCH_PLAN_MAX_BYTES)
                return -ENOBUFS;

        r = buffer_reserve(ret, n, &data);
        if (r < 0)
                return r;

        holdfast__fetch_plan__pack(&plan, (uint8_t *) data);
        buffer_commit(ret, n);
        return FETCH_PLAN_OK;
}
