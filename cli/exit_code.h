#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Exit codes of holdfast: those of the task, and those that say why there is none. See exit_code.c. */

#include "proto/mesos.pb-c.h"

enum {
        EXIT_USAGE = 64,         /* the command line is wrong */
        EXIT_LEFT = 118,         /* interrupted twice: the task may still be running */
        EXIT_REFUSED = 119,      /* the master ended the subscription */
        EXIT_LOST = 120,         /* TASK_LOST, TASK_DROPPED, TASK_GONE…: nobody knows its end */
        EXIT_KILLED = 121,       /* TASK_KILLED */
        EXIT_ERROR = 122,        /* TASK_ERROR: the master did not accept the task */
        EXIT_FAILED = 123,       /* TASK_FAILED without an exit status, as when a URI cannot be fetched */
        EXIT_NO_OFFER = 124,     /* no offer was big enough within --offer_timeout */
        EXIT_NO_MASTER = 125,    /* no master at the address given */
};

int exit_code_of_task(const Mesos__V1__TaskStatus *status);
