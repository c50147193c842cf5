/* SPDX-License-Identifier: Apache-2.0 */

/*
 * User namespaces
 *
 * Whoever isn't root can make other namespaces only inside of a user namespace, and whether those are
 * to be had is each distribution's own decision, spread over several switches. So it is tried: a
 * child makes one and mounts something in it. Only when that fails are the switches read, to say
 * which of them it was.
 *
 * A /proc of one's own is one thing more: there the kernel shows no more than what was visible before,
 * and where a part of /proc is mounted over, as inside of other containers, there is none to be had.
 */

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "isolator/user_namespace.h"

static int write_map(const char *file, unsigned id) {
        char text[64];

        snprintf(text, sizeof(text), "%u %u 1", id, id);
        return file_write_at(AT_FDCWD, file, text);
}

/* These run in a process of their own, and return a positive errno. */
static int child_mount_proc(void) {
        int status;
        pid_t pid;

        /* The pid namespace begins with the next process. */
        pid = fork();
        if (pid < 0)
                return errno;
        if (pid == 0)
                _exit(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ? errno : 0);

        return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
}

static int child_mount_tmpfs(void) {
        return mount("tmpfs", "/proc", "tmpfs", 0, NULL) < 0 ? errno : 0;
}

static int child_try(int (*child_mount)(void)) {
        unsigned uid = geteuid(), gid = getegid();
        int r;

        if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC) < 0)
                return errno;

        r = file_write_at(AT_FDCWD, "/proc/self/setgroups", "deny");
        if (r == 0)
                r = write_map("/proc/self/uid_map", uid);
        if (r == 0)
                r = write_map("/proc/self/gid_map", gid);
        if (r < 0)
                return -r;

        return child_mount();
}

/* Returns a positive errno of what was tried. */
static int try_in_child(int (*child_mount)(void)) {
        int status;
        pid_t pid;

        pid = fork();
        if (pid < 0)
                return errno;
        if (pid == 0)
                _exit(child_try(child_mount));
        if (waitpid(pid, &status, 0) < 0)
                return errno;

        return WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
}

int user_namespace_explain(int proc_fd, int error, char **reterr_message) {
        static const struct {
                const char *file, *value, *text;
        } switches[] = {
                { "sys/user/max_user_namespaces", "0", "user.max_user_namespaces is 0" },
                { "sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone is 0" },
                { "sys/kernel/apparmor_restrict_unprivileged_userns", "1",
                  "kernel.apparmor_restrict_unprivileged_userns is 1, and no AppArmor profile lets these programs have "
                  "any" },
        };

        for (size_t i = 0; i < ELEMENTSOF(switches); i++) {
                _cleanup_free_ char *text = NULL;

                if (file_read_at(proc_fd, switches[i].file, 64, &text, NULL) < 0)
                        continue;

                text[strcspn(text, "\n")] = '\0';
                if (streq(text, switches[i].value))
                        return isolator_refuse(reterr_message,
                                               "whoever isn't root needs user namespaces for filesystem/linux: %s",
                                               switches[i].text);
        }

        return isolator_refuse(reterr_message,
                               "whoever isn't root needs user namespaces for filesystem/linux, which the kernel "
                               "refuses: %s",
                               strerror(error));
}

int user_namespace_probe(int proc_fd, char **reterr_message) {
        int error = try_in_child(child_mount_tmpfs);

        return error == 0 ? ISOLATOR_OK : user_namespace_explain(proc_fd, error, reterr_message);
}

int user_namespace_probe_proc(char **reterr_message) {
        int error = try_in_child(child_mount_proc);

        if (error == 0)
                return ISOLATOR_OK;

        return isolator_refuse(reterr_message,
                               "namespaces/pid needs a /proc of the container's own, which the kernel refuses to "
                               "whoever isn't root where something is mounted over a part of the host's: %s",
                               strerror(error));
}
