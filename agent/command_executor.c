/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Command executors
 *
 * A task with a command and no executor runs under holdfast-executor. The ExecutorInfo made here
 * carries what the container needs (URIs, environment, user, image, labels) and a little room for the
 * executor itself, which is not charged against the offer: 0.1 cpus and 32 MB, as Mesos adds. It is
 * the agent's own affair: the master is not told of it.
 */

#include <stdio.h>

#include "agent/command_executor.h"
#include "common/base/buffer.h"
#include "common/base/macro.h"
#include "common/base/usec.h"
#include "common/net/pbwire.h"

#define OVERHEAD_CPUS 0.1
#define OVERHEAD_MEM_MB 32.0

/* Between the executor's last SIGKILL and its own end: two reap intervals of Mesos's executor. */
#define SHUTDOWN_MARGIN_NSEC INT64_C(2000000000)

/* Longer commands are cut in the name that operators see. */
#define NAME_COMMAND_MAX 15
#define NAME_COMMAND_CUT 12

static int append_cut(Buffer *b, const char *text) {
        if (strlen(text) <= NAME_COMMAND_MAX)
                return buffer_append_text(b, text);

        return buffer_printf(b, "%.*s...", NAME_COMMAND_CUT, text);
}

static int append_argv(Buffer *b, const Mesos__V1__CommandInfo *command) {
        _cleanup_(buffer_deinit) Buffer joined = BUFFER_INIT(1U << 20);
        int r;

        r = buffer_append_text(&joined, command->value);
        for (size_t i = 0; r == 0 && i < command->n_arguments; i++)
                r = buffer_printf(&joined, ", %s", command->arguments[i]);
        if (r == 0)
                r = buffer_append_char(&joined, '\0');
        if (r < 0)
                return r;

        return append_cut(b, buffer_data(&joined));
}

/* "Command Executor (Task: ID) (Command: sh -c 'sleep 1000')" */
static char *make_name(const Mesos__V1__TaskInfo *task) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(1U << 20);
        const Mesos__V1__CommandInfo *command = task->command;
        bool shell = !command->has_shell || command->shell;
        int r;

        r = buffer_printf(&b, "Command Executor (Task: %s) ", task->task_id->value);
        if (r == 0 && !command->value)
                r = buffer_append_text(&b, shell ? "(Command: NO COMMAND)" : "(Command: NO EXECUTABLE)");
        else if (r == 0) {
                r = buffer_append_text(&b, shell ? "(Command: sh -c '" : "(Command: [");
                if (r == 0)
                        r = shell ? append_cut(&b, command->value) : append_argv(&b, command);
                if (r == 0)
                        r = buffer_append_text(&b, shell ? "')" : "])");
        }

        return r < 0 ? NULL : buffer_take_text(&b);
}

static void init_scalar(Mesos__V1__Resource *r, Mesos__V1__Value__Scalar *scalar, const char *name, double value,
                        Mesos__V1__Resource__AllocationInfo *allocation) {
        mesos__v1__resource__init(r);
        mesos__v1__value__scalar__init(scalar);
        scalar->value = value;
        r->name = (char *) name;
        r->type = MESOS__V1__VALUE__TYPE__SCALAR;
        r->scalar = scalar;
        r->allocation_info = allocation;
}

Mesos__V1__ExecutorInfo *command_executor_info(const Mesos__V1__TaskInfo *task, const char *framework_id,
                                               const char *launcher_dir) {
        _cleanup_free_ char *name = make_name(task), *path = NULL, *dir_argument = NULL;
        Mesos__V1__ExecutorInfo info = MESOS__V1__EXECUTOR_INFO__INIT;
        Mesos__V1__ExecutorID id = MESOS__V1__EXECUTOR_ID__INIT;
        Mesos__V1__FrameworkID framework = MESOS__V1__FRAMEWORK_ID__INIT;
        Mesos__V1__DurationInfo grace = MESOS__V1__DURATION_INFO__INIT;
        Mesos__V1__CommandInfo command = *task->command;
        Mesos__V1__Value__Scalar scalars[2];
        Mesos__V1__Resource resources[2], *list[2] = { &resources[0], &resources[1] };
        Mesos__V1__Resource__AllocationInfo *allocation = NULL;
        char *arguments[2];

        if (!name || asprintf(&path, "%s/holdfast-executor", launcher_dir) < 0 ||
            asprintf(&dir_argument, "--launcher_dir=%s", launcher_dir) < 0)
                return NULL;

        arguments[0] = (char *) "holdfast-executor";
        arguments[1] = dir_argument;
        command.has_shell = true;
        command.shell = false;
        command.value = path;
        command.n_arguments = ELEMENTSOF(arguments);
        command.arguments = arguments;

        if (task->n_resources > 0)
                allocation = task->resources[0]->allocation_info;
        init_scalar(&resources[0], &scalars[0], "cpus", OVERHEAD_CPUS, allocation);
        init_scalar(&resources[1], &scalars[1], "mem", OVERHEAD_MEM_MB, allocation);

        if (task->kill_policy && task->kill_policy->grace_period) {
                grace.nanoseconds = task->kill_policy->grace_period->nanoseconds + SHUTDOWN_MARGIN_NSEC;
                info.shutdown_grace_period = &grace;
        }

        id.value = task->task_id->value;
        framework.value = (char *) framework_id;
        info.executor_id = &id;
        info.framework_id = &framework;
        info.name = name;
        info.source = task->task_id->value;
        info.command = &command;
        info.container = task->container;
        info.labels = task->labels;
        info.discovery = task->discovery;
        info.n_resources = ELEMENTSOF(list);
        info.resources = list;

        return (Mesos__V1__ExecutorInfo *) pb_copy(&info.base);
}
