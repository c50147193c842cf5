#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* SeccompProfiles: the profiles of a directory, and the filters made of them. See seccomp_profiles.c. */

#include <stdint.h>

#include "common/base/macro.h"

typedef struct SeccompProfiles SeccompProfiles;

/* Instructions of the kernel's; borrowed until the next call. */
typedef struct SeccompFilter {
        const void *program;
        size_t n_program;
        unsigned flags;
} SeccompFilter;

enum {
        SECCOMP_PROFILES_OK = 0,
        SECCOMP_PROFILES_E_REFUSED,  /* *reterr_message names the file and says what is wrong with it */
};

SeccompProfiles *seccomp_profiles_new(const char *directory);
SeccompProfiles *seccomp_profiles_free(SeccompProfiles *p);
DEFINE_CLEANUP(SeccompProfiles *, seccomp_profiles_free)

int seccomp_profiles_get(SeccompProfiles *p, const char *name, uint64_t capabilities, SeccompFilter *ret,
                         char **reterr_message);
