/* SPDX-License-Identifier: Apache-2.0 */

/* holdfast-fetcher: reads a FetchPlan from stdin and carries it out. See fetcher.c. */

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/fetch_plan.h"
#include "agent/fetcher.h"
#include "common/base/fd.h"
#include "common/base/flags.h"
#include "common/base/log.h"

static Holdfast__FetchPlan *plan_free(Holdfast__FetchPlan *p) {
        holdfast__fetch_plan__free_unpacked(p, NULL);
        return NULL;
}

DEFINE_CLEANUP(Holdfast__FetchPlan *, plan_free)

static int read_plan(int fd, Holdfast__FetchPlan **ret) {
        _cleanup_free_ uint8_t *data = NULL;
        Holdfast__FetchPlan *plan;
        ssize_t n;

        /* One byte more than allowed, to notice it. */
        data = malloc(FETCH_PLAN_MAX_BYTES + 1);
        if (!data)
                return log_oom();

        n = fd_read_full(fd, data, FETCH_PLAN_MAX_BYTES + 1);
        if (n < 0)
                return log_error_errno((int) n, "Failed to read the plan from stdin: %m");
        if ((size_t) n > FETCH_PLAN_MAX_BYTES)
                return log_error_errno(E2BIG, "The plan on stdin is too long");

        plan = holdfast__fetch_plan__unpack(NULL, (size_t) n, data);
        if (!plan)
                return log_error_errno(EBADMSG, "What stdin has is not a plan of holdfast-agent");

        *ret = plan;
        return 0;
}

static int run(int argc, char **argv) {
        _cleanup_(plan_freep) Holdfast__FetchPlan *plan = NULL;
        _cleanup_free_ char *message = NULL;
        FlagTable table = {
                .program = "holdfast-fetcher",
                .summary = "Fetches URIs into a sandbox. Started by holdfast-launcher with a plan on stdin.",
        };
        int r;

        r = flags_parse(&table, argc, argv, NULL, NULL, &message);
        if (r == FLAGS_DONE)
                return 0;
        if (r != FLAGS_OK) {
                fprintf(stderr, "%s\n", message ?: strerror(-r));
                return -EINVAL;
        }

        r = read_plan(STDIN_FILENO, &plan);
        if (r < 0)
                return r;

        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return log_oom();

        r = fetcher_run(plan);
        curl_global_cleanup();
        return r;
}

int main(int argc, char **argv) {
        log_open("holdfast-fetcher");

        /* Servers that close early are told by write(), not by a signal. */
        (void) signal(SIGPIPE, SIG_IGN);

        return run(argc, argv) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
