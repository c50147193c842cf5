/* SPDX-License-Identifier: Apache-2.0 */

/*
 * User namespaces
 *
 * Whoever isn't root can make other namespaces only inside of a user namespace, and whether those are
 * to be had is each distribution's own decision, spread over several switches. So it is tried: a
 * child makes one and mounts something in it. Only when that fails are the switches read, to say
 * which of them it was.
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

/* In a process of its own; returns a positive errno. */
static int try_in_child(void) {
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

        return mount("tmpfs", "/proc", "tmpfs", 0, NULL) < 0 ? errno : 0;
}

int user_namespace_explain(int proc_fd, int error, char **reterr_message) {
        static const struct {
                const char *file, *value, *text;
        } switches[] = {
                { "sys/user/max_user_namespaces", "0", "user.max_user_namespaces is 0" },
                { "sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone is 0" },
                { "sys/kernel/apparmor_restrict_unprivileged_userns", "1",
                  "kernel.apparmor_restrict_unprivileged_userns is 1, and no AppArmor profile lets these programs have any" },
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

        return isolator_refuse(reterr_message, "whoever isn't root needs user namespaces for filesystem/linux, which the "
                                               "kernel refuses: %s",
                               strerror(error));
}

int user_namespace_probe(int proc_fd, char **reterr_message) {
        int status;
        pid_t pid;

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                _exit(try_in_child());
        if (waitpid(pid, &status, 0) < 0)
                return -errno;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return ISOLATOR_OK;

        return user_namespace_explain(proc_fd, WIFEXITED(status) ? WEXITSTATUS(status) : EPERM, reterr_message);
}
