#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* LauncherLink: the agent's end of one launcher, new or found again. See link.c. */

#include <systemd/sd-event.h>

#include "common/base/macro.h"
#include "launcher/exit_record.h"
#include "launcher/plan.h"
#include "launcher/wire.h"

typedef struct LauncherLink LauncherLink;

/*
 * What a launcher tells. Everything is borrowed for the call. Callbacks come from the loop, never
 * from within a call of ours; any may free the link as its last act. In order:
 *
 *   hello    once connected, and in answer to launcher_link_check(). A new launcher is WAITING:
 *            place its process (launcher_link_pid()), then launcher_link_go(). One that was found
 *            again may be in any state, with its record when the command has ended.
 *   started  the command has been executed.
 *   failed   it never will be: record->step, error and message say why.
 *   exited   it has ended, and nothing of it is left (left_behind: except what resists SIGKILL).
 *   gone     last: the launcher process has ended, or was killed because it did not answer
 *            (-ETIMEDOUT). Without failed or exited before it, the exit record file says how the
 *            container ended; if there is none, that is unknown and the cgroup may still be
 *            populated.
 *
 *   update_failed   at any time: what launcher_link_update() asked for last was not done.
 *            -EOPNOTSUPP: the launcher is too old for it.
 *
 * `recorded` false: the launcher could not write its record and stays until it can, or until
 * launcher_link_release() says that the agent has it safe. Any may be NULL.
 */
typedef struct LauncherLinkOps {
        void (*hello)(LauncherLink *l, const LauncherHello *hello, void *userdata);
        void (*started)(LauncherLink *l, pid_t pid, uint64_t start_time_ticks, void *userdata);
        void (*failed)(LauncherLink *l, const ExitRecord *record, bool recorded, void *userdata);
        void (*exited)(LauncherLink *l, const ExitRecord *record, bool recorded, bool left_behind,
                       void *userdata);
        void (*gone)(LauncherLink *l, int error, void *userdata);
        void (*update_failed)(LauncherLink *l, int error, void *userdata);
} LauncherLinkOps;

/* Starts a launcher for the plan. `launcher_path` is the holdfast-launcher binary. */
int launcher_link_spawn(sd_event *event, const char *launcher_path, const LaunchPlan *plan,
                        const LauncherLinkOps *ops, void *userdata, LauncherLink **ret);

/*
 * Connects to a launcher of an earlier life of the agent. `runtime_directory` is that of its plan.
 * Returns -ENOENT or -ECONNREFUSED when no launcher is there: then its exit record is the truth.
 */
int launcher_link_connect(sd_event *event, const char *runtime_directory,
                          const LauncherLinkOps *ops, void *userdata, LauncherLink **ret);

/*
 * Closes the connection. A launcher that was not told to go yet ends without starting anything; any
 * other carries on. No callback comes after this.
 */
LauncherLink *launcher_link_free(LauncherLink *l);
DEFINE_CLEANUP(LauncherLink *, launcher_link_free)

/* With the start time and the boot id, these name the process for ever. */
pid_t launcher_link_pid(const LauncherLink *l);
uint64_t launcher_link_start_time_ticks(const LauncherLink *l);

/* Start. `cgroup` is below the cgroup2 mount, delegated, empty but for the launcher; NULL: none.
 * Repeating is harmless. */
int launcher_link_go(LauncherLink *l, const char *cgroup);

/* Signals all processes of the container, or only the main one. */
int launcher_link_kill(LauncherLink *l, int signal_number, bool main_only);

/* Changes limits of the container; borrowed for the call. */
int launcher_link_update(LauncherLink *l, CgroupSetting *const *settings, size_t n);

/* Asks for a hello; a launcher that doesn't answer in time is killed, and gone() follows. */
int launcher_link_check(LauncherLink *l);

/* Before go: start nothing. After the end: the agent has the record safe, don't wait for the
 * disk. */
int launcher_link_release(LauncherLink *l);
