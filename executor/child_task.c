/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Child tasks
 *
 * A command becomes a process in a session of its own, with the executor's directory and standard
 * files and an environment made of the executor's and its own. It dies with the executor: whoever
 * supervised it could not tell how it ended, and the kernel keeps this promise even after a SIGKILL.
 *
 * The executor has one thread, so the child of a fork may do what any program may; it only must not
 * return into the loop.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/process.h"
#include "executor/child_task.h"

#define SHELL_PATH "/bin/sh"
/* What real executors exit with when there is nothing to execute; frameworks have seen no other. */
#define EXIT_NO_EXEC 1

static bool same_name(const char *a, const char *b) {
        size_t n = strcspn(a, "=");

        return strncmp(a, b, n) == 0 && b[n] == '=';
}

/* Takes "name=value" into the environment, in the place of a variable of that name if there is one. */
static void put(char **env, size_t *n_env, char *variable) {
        for (size_t i = 0; i < *n_env; i++) {
                if (same_name(env[i], variable)) {
                        free(env[i]);
                        env[i] = variable;
                        return;
                }
        }

        env[(*n_env)++] = variable;
}

static char *assignment(const char *name, const char *value, size_t n) {
        char *text;

        return asprintf(&text, "%s=%.*s", name, (int) n, value) < 0 ? NULL : text;
}

/* The text of a variable; secrets have been resolved by the agent. A name may hold no '='. */
static char *variable_text(const Mesos__V1__Environment__Variable *v) {
        if (v->secret && v->secret->value)
                return assignment(v->name, (const char *) v->secret->value->data.data, v->secret->value->data.len);

        return assignment(v->name, v->value ?: "", v->value ? strlen(v->value) : 0);
}

char **child_task_environment_free(char **env) {
        for (char **p = env; p && *p; p++)
                free(*p);
        free(env);
        return NULL;
}

/* `base`, then the role, then the command's own variables, each overriding what came before. */
int child_task_environment(char *const *base, const Mesos__V1__Environment *own, const char *allocation_role,
                           char ***ret) {
        _cleanup_(child_task_environment_freep) char **env = NULL;
        size_t n_own = own ? own->n_variables : 0, n_base = 0, n = 0;
        char *text;

        while (base[n_base])
                n_base++;

        env = calloc(n_base + n_own + 2, sizeof(*env));
        if (!env)
                return -ENOMEM;

        for (size_t i = 0; i < n_base; i++) {
                text = strdup(base[i]);
                if (!text)
                        return -ENOMEM;
                put(env, &n, text);
        }

        if (allocation_role) {
                text = assignment("MESOS_ALLOCATION_ROLE", allocation_role, strlen(allocation_role));
                if (!text)
                        return -ENOMEM;
                put(env, &n, text);
        }

        for (size_t i = 0; i < n_own; i++) {
                if (*own->variables[i]->name == '\0' || strchr(own->variables[i]->name, '='))
                        continue;
                text = variable_text(own->variables[i]);
                if (!text)
                        return -ENOMEM;
                put(env, &n, text);
        }

        *ret = TAKE_PTR(env);
        return 0;
}

/* argv as execvp() wants it; the texts are borrowed. */
static char **command_argv(const Mesos__V1__CommandInfo *command) {
        bool shell = !command->has_shell || command->shell;
        char **argv;

        argv = calloc(command->n_arguments + 4, sizeof(*argv));
        if (!argv)
                return NULL;

        if (shell) {
                argv[0] = (char *) "sh";
                argv[1] = (char *) "-c";
                argv[2] = command->value;
        } else if (command->n_arguments == 0)
                argv[0] = command->value;
        else
                memcpy(argv, command->arguments, command->n_arguments * sizeof(*argv));

        return argv;
}

/* In the child. */
static _noreturn_ void child_exec(const char *program, char **argv, char *const *env, pid_t parent) {
        (void) process_reset_signals();
        (void) setsid();
        /* A change of user clears this, and by then the parent may be gone: hence both, in this order. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(EXIT_NO_EXEC);

        environ = (char **) env; /* whose PATH counts */
        (void) execvp(program, argv);
        dprintf(STDERR_FILENO, "Failed to execute '%s': %s\n", program, strerror(errno));
        _exit(EXIT_NO_EXEC);
}

/* Starts the command. A program that cannot be executed is a child that ends with status 1, as Mesos has it. */
int child_task_start(const Mesos__V1__CommandInfo *command, char *const *env, pid_t *ret) {
        bool shell = !command->has_shell || command->shell;
        _cleanup_free_ char **argv = NULL;
        pid_t parent = getpid(), pid;

        if (!command->value)
                return -EINVAL;

        argv = command_argv(command);
        if (!argv)
                return -ENOMEM;

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                child_exec(shell ? SHELL_PATH : command->value, argv, env, parent);

        *ret = pid;
        return 0;
}
