/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Exit codes
 *
 * `holdfast run` exits as its task did, so that it can stand in scripts where the command itself
 * stood. The protocol has no field for an exit status; executors write it into the message of the
 * last update, in words that are the same since the first Mesos. Codes of our own are from 117 on,
 * below those that shells use.
 */

#include <signal.h>

#include "cli/exit_code.h"
#include "common/base/macro.h"
#include "common/base/parse.h"

static int code_of_signal(const char *name) {
        for (int i = 1; i < _NSIG; i++) {
                const char *rest = startswith(name, strsignal(i));

                /* "Segmentation fault (core dumped)", but not "Stopped (signal)" for "Stopped". */
                if (rest && (rest[0] == '\0' || streq(rest, " (core dumped)")))
                        return 128 + i;
        }

        return EXIT_FAILED;
}

static int code_of_message(const char *message) {
        const char *rest;
        uint64_t status;

        rest = startswith(message, "Command exited with status ");
        if (rest && parse_u64(rest, &status) == 0 && status > 0 && status <= 255)
                return (int) status;

        rest = startswith(message, "Command terminated with signal ");
        if (rest)
                return code_of_signal(rest);

        return EXIT_FAILED;
}

/* The status must be the last one of the task. */
int exit_code_of_task(const Mesos__V1__TaskStatus *status) {
        switch ((int) status->state) {
        case MESOS__V1__TASK_STATE__TASK_FINISHED:
                return EXIT_SUCCESS;
        case MESOS__V1__TASK_STATE__TASK_FAILED:
                return code_of_message(status->message ?: "");
        case MESOS__V1__TASK_STATE__TASK_KILLED:
                return EXIT_KILLED;
        case MESOS__V1__TASK_STATE__TASK_ERROR:
                return EXIT_ERROR;
        default:
                return EXIT_LOST;
        }
}
