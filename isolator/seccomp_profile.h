#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* SeccompProfile: which system calls a container may make, as Docker writes it down. See seccomp_profile.c. */

#include <stdint.h>

#include "common/base/macro.h"

/* Larger ones are no profiles. */
#define SECCOMP_PROFILE_MAX_BYTES (1U << 20)

typedef struct SeccompProfile SeccompProfile;

/* Where it is to hold. */
typedef struct SeccompHost {
        uint32_t arch;               /* SCMP_ARCH_* */
        unsigned kernel[2];          /* 5, 14 */
} SeccompHost;

SeccompHost seccomp_host(void);

enum {
        SECCOMP_PROFILE_OK = 0,
        SECCOMP_PROFILE_E_INVALID,   /* *reterr_message names the field and says what is wrong with it */
};

int seccomp_profile_parse(const char *text, size_t n, const SeccompHost *host, SeccompProfile **ret,
                          char **reterr_message);
SeccompProfile *seccomp_profile_free(SeccompProfile *p);
DEFINE_CLEANUP(SeccompProfile *, seccomp_profile_free)

/* Those of the capabilities that make a difference to it. */
uint64_t seccomp_profile_capabilities(const SeccompProfile *p);

/* Of seccomp(2). */
unsigned seccomp_profile_flags(const SeccompProfile *p);

/* The filter of a container with these capabilities: instructions of the kernel's, malloc'ed. */
int seccomp_profile_compile(const SeccompProfile *p, uint64_t capabilities, void **ret, size_t *ret_n,
                            char **reterr_message);
