/* SPDX-License-Identifier: Apache-2.0 */

/* Seccomp profiles are the operator's, and yet nothing that is in one may do worse than be refused. */

#include <seccomp.h>

#include "isolator/seccomp_profile.h"
#include "tests/fuzz/fuzz.h"

/* The library takes its time with thousands of rules, and that is its own affair. */
#define COMPILE_MAX_BYTES 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        const SeccompHost host = { .arch = SCMP_ARCH_X86_64, .kernel = { 5, 14 } };
        _cleanup_(seccomp_profile_freep) SeccompProfile *profile = NULL;
        _cleanup_free_ char *message = NULL, *other = NULL;
        _cleanup_free_ void *program = NULL;
        size_t n_program;

        if (seccomp_profile_parse((const char *) data, n, &host, &profile, &message) != SECCOMP_PROFILE_OK) {
                assert(message);
                return 0;
        }

        if (n <= COMPILE_MAX_BYTES && seccomp_profile_compile(profile, seccomp_profile_capabilities(profile), &program,
                                                               &n_program, &other) == SECCOMP_PROFILE_OK)
                assert(n_program > 0 && n_program % 8 == 0);
        return 0;
}
