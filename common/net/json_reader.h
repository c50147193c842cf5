#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* JSON from strangers as a jansson tree, within bounds. See json_reader.c. */

#include <jansson.h>

#include "common/base/macro.h"

enum {
        JSON_READ_OK = 0,
        JSON_READ_E_BOUNDS, /* too deep, or too much memory */
        JSON_READ_E_SYNTAX,
};

/* A string that begins with this is a number jansson would refuse, in its own digits. */
#define JSON_NUMBER_MARK '\x01'

int json_read(const char *json, size_t n, unsigned max_depth, size_t max_memory_bytes, json_t **ret,
              char **reterr_message);

static inline json_t *json_unref(json_t *json) {
        json_decref(json);
        return NULL;
}
DEFINE_CLEANUP(json_t *, json_unref)
