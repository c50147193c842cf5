#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Progress: what `holdfast run` tells while it runs, to people or programs. See progress.c. */

#include "cli/terminal.h"
#include "proto/mesos.pb-c.h"

typedef struct Progress {
        Terminal terminal;
        FILE *file;
        bool json;
        const char *task_id;
        const char *framework_id;     /* NULL until there is one */
} Progress;

/* Something other than a state: "subscribed", "waiting". `event` is for programs, the text for people. */
void progress_note(const Progress *p, Colour colour, const char *event, const char *format, ...)
                _printf_(4, 5);
void progress_launch(const Progress *p, const Mesos__V1__Offer *offer);
void progress_status(const Progress *p, const Mesos__V1__TaskStatus *status);

/* A piece of the task's output, which only programs get here. */
void progress_output(const Progress *p, const char *stream, const void *data, size_t n);
void progress_end(const Progress *p, int exit_code);
