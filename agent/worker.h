#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Worker: one run of holdfast-worker, the helper process for what may take long. See worker.c. */

#include <systemd/sd-event.h>

#include "common/base/macro.h"
#include "common/base/process.h"

typedef struct Worker Worker;

typedef struct WorkerOps {
        /* A line it printed, without the newline; may be NULL when it has nothing to say. */
        void (*line)(char *line, void *userdata);

        /* It has ended and everything it printed was told. The worker may be freed from here. */
        void (*ended)(ExitStatus status, void *userdata);
} WorkerOps;

/* `argv` is NULL-terminated and begins with the program's name. Ops are called from the loop. */
int worker_start(sd_event *event, const char *program, char *const argv[], const WorkerOps *ops,
                 void *userdata, Worker **ret);

/* Ends it if it still runs; no op is called any more. */
Worker *worker_free(Worker *w);
DEFINE_CLEANUP(Worker *, worker_free)

/* Only starts the process, with the descriptor as its standard output. Returns its pidfd. */
int worker_spawn(const char *program, char *const argv[], int output_fd);
