#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Text to numbers: the only strto*() in the tree. See parse.c. */

#include "common/base/macro.h"
#include "common/base/usec.h"

int parse_u64(const char *text, uint64_t *ret);
int parse_i64(const char *text, int64_t *ret);
int parse_double(const char *text, double *ret);
int parse_bool(const char *text, bool *ret);
int parse_duration(const char *text, usec_t *ret);
int parse_bytes(const char *text, uint64_t *ret);
int parse_milli(const char *text, int64_t *ret);
int parse_port(const char *text, uint16_t *ret);
int parse_host_port(const char *text, char **ret_host, uint16_t *ret_port);

int hex_to_bytes(const char *text, void *ret, size_t n);
void uuid_to_text(const uint8_t uuid[static 16], char ret[static 37]);
int uuid_parse(const char *text, uint8_t ret[static 16]);
int uuid_new(uint8_t ret[static 16]);
