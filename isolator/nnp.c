/* SPDX-License-Identifier: Apache-2.0 */

/*
 * linux/nnp
 *
 * Nothing in the container gains privileges by executing a file: setuid and setgid bits and file
 * capabilities count for nothing (no_new_privs). The kernel lets anybody give that up, for ever.
 */

#include "isolator/isolator.h"

static int nnp_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                    char **reterr_message) {
        (void) config;
        (void) request;
        (void) reterr_message;
        confinement_set_no_new_privileges(c);
        return ISOLATOR_OK;
}

const IsolatorOps isolator_linux_nnp = {
        .name = "linux/nnp",
        .plan = nnp_plan,
};
