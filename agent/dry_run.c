/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Dry run
 *
 * Answers "what would this agent do with this task?" without doing any of it: the task takes the
 * same way as one from a master, up to the point where a launcher would be started. The ids that a
 * master and the agent would choose stand as words.
 */

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/command_executor.h"
#include "agent/dry_run.h"
#include "agent/launch.h"
#include "agent/sandbox.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/net/pbjson.h"

#define TASK_MAX_BYTES (4U << 20)
#define PLAN_TEXT_MAX_BYTES (16U << 20)
#define N_GROUPS_MAX 1024

static int read_task(const char *path, Mesos__V1__TaskInfo **ret) {
        _cleanup_free_ char *json = NULL, *message = NULL;
        ProtobufCMessage *m;
        size_t n;
        int r;

        r = file_read_at(AT_FDCWD, streq(path, "-") ? "/dev/stdin" : path, TASK_MAX_BYTES, &json, &n);
        if (r < 0)
                return log_error_errno(r, "Cannot read the task '%s': %m", path);

        r = pbjson_parse(&mesos__v1__task_info__descriptor, json, n, PB_LIMITS_DEFAULT, &m, &message);
        if (r != PB_OK) {
                log_error("'%s' is no TaskInfo: %s", path, message ?: strerror(-r));
                return r < 0 ? r : -EINVAL;
        }

        *ret = (Mesos__V1__TaskInfo *) m;
        return 0;
}

static Mesos__V1__FrameworkInfo *make_framework_info(void) {
        Mesos__V1__FrameworkInfo info = MESOS__V1__FRAMEWORK_INFO__INIT;
        Mesos__V1__FrameworkID id = MESOS__V1__FRAMEWORK_ID__INIT;

        id.value = (char *) "FRAMEWORK";
        info.id = &id;
        info.user = (char *) "root";
        info.name = (char *) "dry run";
        info.has_checkpoint = true;
        info.checkpoint = true;
        return (Mesos__V1__FrameworkInfo *) pb_copy(&info.base);
}

static int make_executor(const AgentConfig *config, Framework *f, const Mesos__V1__TaskInfo *task, Executor **ret) {
        _cleanup_(executor_freep) Executor *e = NULL;
        Mesos__V1__ExecutorInfo *info;
        int r;

        if (!task->executor && !task->command) {
                log_error("The task has neither 'command' nor 'executor'.");
                return -EINVAL;
        }

        info = task->executor ? (Mesos__V1__ExecutorInfo *) pb_copy(&task->executor->base)
                              : command_executor_info(task, f->id, config->launcher_dir);
        if (!info)
                return -ENOMEM;

        r = executor_new(f, info, !task->executor, "CONTAINER", &e);
        if (r < 0) {
                pb_free(&info->base);
                return r;
        }

        e->user = strdup(info->command && info->command->user ? info->command->user : f->info->user);
        e->directory = sandbox_path(config->work_dir, "AGENT", f->id, e->id, e->container_id);
        if (!e->user || !e->directory)
                return -ENOMEM;

        *ret = TAKE_PTR(e);
        return 0;
}

/* Nothing else is going on, so the name service may take its time. */
static int find_identity(const char *user, gid_t groups[static N_GROUPS_MAX], Identity *ret) {
        const struct passwd *account = getpwnam(user);
        int n = N_GROUPS_MAX;

        if (!account) {
                log_error("No such user '%s'", user);
                return -ENOENT;
        }

        if (getgrouplist(user, account->pw_gid, groups, &n) < 0)
                n = N_GROUPS_MAX;

        *ret = (Identity) {
                .uid = account->pw_uid,
                .gid = account->pw_gid,
                .groups = groups,
                .n_groups = (size_t) n,
        };
        return 0;
}

static int print_plan(const AgentConfig *config, Executor *e) {
        _cleanup_(buffer_deinit) Buffer text = BUFFER_INIT(PLAN_TEXT_MAX_BYTES);
        Identity identity = { .uid = geteuid(), .gid = getegid() };
        _cleanup_(launch_freep) Launch *launch = NULL;
        _cleanup_free_ char *why = NULL;
        gid_t groups[N_GROUPS_MAX];
        const Agent agent = { .config = config, .id = (char *) "AGENT" };
        int r;

        if (config->network_subnet) {
                _cleanup_(address_pool_freep) AddressPool *pool = NULL;

                r = address_pool_new(config->network_subnet, &pool);
                if (r < 0)
                        return log_oom();
                (void) address_pool_take(pool, e->address);
        }

        r = config->switch_user ? find_identity(e->user, groups, &identity) : 0;
        if (r < 0)
                return r;

        r = launch_new(&agent, e, &identity, &launch, &why);
        if (r == LAUNCH_E_REFUSED) {
                log_error("Refused: %s", why ?: "out of memory");
                return -EPERM;
        }
        if (r == 0)
                r = launch_plan_print(launch_plan(launch), &text);
        if (r < 0)
                return log_error_errno(r, "Cannot make the plan: %m");

        return fwrite(buffer_data(&text), buffer_size(&text), 1, stdout) == 1 ? 0 : -EIO;
}

int dry_run(const AgentConfig *config, const char *path) {
        _cleanup_(framework_freep) Framework *f = NULL;
        _cleanup_(executor_freep) Executor *e = NULL;
        _cleanup_(pb_freep) ProtobufCMessage *task = NULL;
        Mesos__V1__FrameworkInfo *info;
        int r;

        r = read_task(path, (Mesos__V1__TaskInfo **) &task);
        if (r < 0)
                return r;

        info = make_framework_info();
        if (!info)
                return log_oom();
        r = framework_new(info, "@0.0.0.0:0", &f);
        if (r < 0) {
                pb_free(&info->base);
                return r;
        }

        r = make_executor(config, f, (Mesos__V1__TaskInfo *) task, &e);
        return r < 0 ? r : print_plan(config, e);
}
