#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* DeviceProgram: BPF that says which devices a cgroup may use, as bytes. See device_program.c. */

#include <sys/types.h>

#include "common/base/macro.h"

enum {
        DEVICE_READ = 1 << 0,
        DEVICE_WRITE = 1 << 1,
        DEVICE_MKNOD = 1 << 2,
};

#define DEVICE_ANY UINT32_MAX

typedef struct DeviceRule {
        bool block;              /* else character */
        unsigned access;         /* DEVICE_*: what is allowed */
        uint32_t major, minor;   /* DEVICE_ANY: each */
} DeviceRule;

/* What no rule allows is refused. The bytes are instructions as the kernel has them; the caller's. */
int device_program_make(const DeviceRule *rules, size_t n_rules, void **ret, size_t *ret_n);

/* Whether bytes can be instructions at all; what they do is for the kernel to judge. */
bool device_program_is_sane(size_t n_bytes);
size_t device_program_n_instructions(size_t n_bytes);

/* Returns a descriptor of the loaded program. */
int device_program_load(const void *program, size_t n_bytes);

/* From now on, for everything in the cgroup and below it; goes with the cgroup. */
int device_program_attach(int program_fd, int cgroup_fd);
