/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Terminals
 *
 * Colours only where a person looks (a terminal) and has not said no (NO_COLOR), and never as the
 * only carrier of a meaning.
 */

#include <time.h>
#include <unistd.h>

#include "cli/terminal.h"

Terminal terminal_make(FILE *file, bool no_color) {
        return (Terminal) { .file = file, .colours = !no_color && isatty(fileno(file)) };
}

const char *terminal_begin(const Terminal *t, Colour c) {
        static const char *const codes[] = {
                [COLOUR_PLAIN] = "",
                [COLOUR_DIM] = "\033[2m",
                [COLOUR_GOOD] = "\033[32m",
                [COLOUR_WARNING] = "\033[33m",
                [COLOUR_BAD] = "\033[31m",
        };

        return t->colours ? codes[c] : "";
}

const char *terminal_end(const Terminal *t, Colour c) {
        return t->colours && c != COLOUR_PLAIN ? "\033[0m" : "";
}

Colour colour_of_state(const char *task_state) {
        if (streq(task_state, "TASK_RUNNING") || streq(task_state, "TASK_FINISHED"))
                return COLOUR_GOOD;
        if (streq(task_state, "TASK_STAGING") || streq(task_state, "TASK_STARTING"))
                return COLOUR_PLAIN;
        if (streq(task_state, "TASK_KILLING") || streq(task_state, "TASK_KILLED") ||
            streq(task_state, "TASK_UNREACHABLE"))
                return COLOUR_WARNING;

        return COLOUR_BAD;
}

/* The local time of day. Returns buf. */
const char *terminal_time(usec_t realtime_usec, char buf[static TERMINAL_TIME_MAX]) {
        time_t seconds = (time_t) (realtime_usec / USEC_PER_SEC);
        struct tm tm = {};

        (void) localtime_r(&seconds, &tm);
        if (strftime(buf, TERMINAL_TIME_MAX, "%H:%M:%S", &tm) == 0)
                buf[0] = '\0';
        return buf;
}
