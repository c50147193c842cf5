#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Upid: where a libprocess process is reached. See upid.c. */

#include "common/base/macro.h"

#define UPID_TEXT_MAX 192

/* A process address, "slave(1)@127.0.0.1:5051". Compared as text, as peers do. */
typedef struct Upid {
        char text[UPID_TEXT_MAX];
        char id[64];
        char ip[64];
        uint16_t port;
} Upid;

int upid_parse(const char *text, Upid *ret);
int upid_make(const char *id, const char *ip, uint16_t port, Upid *ret);
static inline bool upid_eq(const Upid *a, const Upid *b) {
        return streq(a->text, b->text);
}
