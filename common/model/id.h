#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Ids: names that frameworks, masters and agents give to things. See id.c. */

#include "common/base/macro.h"

/* NAME_MAX of Linux, because ids become directory names. */
#define ID_TEXT_MAX 255

/* Room for "'<id>' contains invalid characters" of every id that is not refused for its length. */
#define ID_MESSAGE_MAX 320

/*
 * Ids are NUL-terminated texts that id_check() has passed at the boundary. They are owned strings
 * in the objects they name and `const char *` in calls; inside nobody doubts them again.
 */

/* NULL when good, else a static text that says what is wrong, as Mesos words it. */
const char *id_check(const char *text);
static inline bool id_is_valid(const char *text) {
        return !id_check(text);
}

/* The same with the id quoted where Mesos quotes it. Returns buf, or NULL when good. */
const char *id_check_message(const char *text, char buf[static ID_MESSAGE_MAX]);

/*
 * "<prefix>-S12", "<prefix>-O7" (kind is the letter), or "<prefix>-0003" (kind '\0': frameworks).
 */
int id_make(const char *prefix, char kind, uint64_t number, char ret[static ID_TEXT_MAX + 1]);

/* A random UUID (version 4) as text. */
int id_random(char ret[static 37]);
