#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Verb: what stands after "holdfast". Each has a file of its own; main.c has the list. */

#include "common/base/macro.h"

/* What main.c took from the environment. */
typedef struct CliEnvironment {
        const char *master;       /* HOLDFAST_MASTER or MESOS_MASTER; NULL: neither is set */
        bool no_color;
} CliEnvironment;

/* argv[0] is the verb. They return the exit code. */
typedef int (*VerbRun)(int argc, char **argv, const CliEnvironment *environment);

int verb_agents(int argc, char **argv, const CliEnvironment *environment);
int verb_deactivate(int argc, char **argv, const CliEnvironment *environment);
int verb_drain(int argc, char **argv, const CliEnvironment *environment);
int verb_gone(int argc, char **argv, const CliEnvironment *environment);
int verb_kill(int argc, char **argv, const CliEnvironment *environment);
int verb_logs(int argc, char **argv, const CliEnvironment *environment);
int verb_maintenance(int argc, char **argv, const CliEnvironment *environment);
int verb_reactivate(int argc, char **argv, const CliEnvironment *environment);
int verb_run(int argc, char **argv, const CliEnvironment *environment);
int verb_tasks(int argc, char **argv, const CliEnvironment *environment);
int verb_top(int argc, char **argv, const CliEnvironment *environment);
int verb_version(int argc, char **argv, const CliEnvironment *environment);
