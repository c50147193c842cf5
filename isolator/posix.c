/* SPDX-License-Identifier: Apache-2.0 */

/*
 * posix/cpu, posix/mem
 *
 * No confinement at all: the names stand for measuring, which is done for every container, by its
 * process tree or by its cgroup where it has one.
 */

#include "isolator/isolator.h"

const IsolatorOps isolator_posix_cpu = { .name = "posix/cpu" };
const IsolatorOps isolator_posix_mem = { .name = "posix/mem" };
