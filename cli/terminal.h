#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Terminal: an output stream, and whether people with colours read it. See terminal.c. */

#include <stdio.h>

#include "common/base/macro.h"
#include "common/base/usec.h"

/* HH:MM:SS */
#define TERMINAL_TIME_MAX 16

typedef enum Colour {
        COLOUR_PLAIN,
        COLOUR_DIM,
        COLOUR_GOOD,
        COLOUR_WARNING,
        COLOUR_BAD,
} Colour;

typedef struct Terminal {
        FILE *file;
        bool colours;
} Terminal;

Terminal terminal_make(FILE *file, bool no_color);
const char *terminal_begin(const Terminal *t, Colour c);
const char *terminal_end(const Terminal *t, Colour c);

Colour colour_of_state(const char *task_state);
const char *terminal_time(usec_t realtime_usec, char buf[static TERMINAL_TIME_MAX]);
