/* SPDX-License-Identifier: Apache-2.0 */

/*
 * environment_secret
 *
 * Variables whose value is a secret. Always there, whether named or not: a value is put into the
 * environment with the others (agent/launch.c), a reference needs somebody to resolve it, and the
 * launch is refused.
 */

#include "isolator/isolator.h"

const IsolatorOps isolator_environment_secret = { .name = "environment_secret" };
