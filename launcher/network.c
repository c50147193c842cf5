/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The container's network
 *
 * Set up by a helper that is waited for: a launcher has nothing else to do at that moment, its
 * container cannot start without, and nobody has heard of it yet but its agent, which waits too.
 * The deadline is for a kernel that hangs.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/process.h"
#include "common/base/usec.h"
#include "launcher/network.h"

#define TIMEOUT_USEC (20 * USEC_PER_SEC)

/* One line of the helper's. */
#define MESSAGE_MAX_BYTES 512

static int say(char **reterr_message, const char *text) {
        *reterr_message = strdup(text);
        return -EIO;
}

static int spawn_helper(const ConfinementNetwork *n, pid_t child, int stderr_fd, pid_t *ret) {
        static char *const environment[] = { NULL };
        posix_spawn_file_actions_t actions;
        char pid_text[16];
        char *const argv[] = { n->helper, n->bridge, n->gateway, n->host_interface, n->address, pid_text, NULL };
        int r;

        (void) snprintf(pid_text, sizeof(pid_text), "%i", (int) child);
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;

        r = posix_spawn_file_actions_adddup2(&actions, stderr_fd, STDERR_FILENO);
        if (r == 0)
                r = posix_spawn(ret, n->helper, &actions, NULL, argv, environment);
        (void) posix_spawn_file_actions_destroy(&actions);
        return -r;
}

/* What it has to say, until it closes its end or the time is up. */
static void read_message(int fd, usec_t deadline_usec, char ret[static MESSAGE_MAX_BYTES]) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        size_t n = 0;

        while (n < MESSAGE_MAX_BYTES - 1) {
                usec_t now_usec = usec_now(CLOCK_MONOTONIC);
                ssize_t k;

                if (now_usec >= deadline_usec ||
                    poll(&p, 1, (int) ((deadline_usec - now_usec) / USEC_PER_MSEC) + 1) < 0)
                        break;

                k = read(fd, ret + n, MESSAGE_MAX_BYTES - 1 - n);
                if (k <= 0)
                        break;

                n += (size_t) k;
        }

        ret[n] = '\0';
        ret[strcspn(ret, "\n")] = '\0';
}

int network_set_up(const ConfinementNetwork *n, pid_t child, char **reterr_message) {
        usec_t deadline_usec = usec_now(CLOCK_MONOTONIC) + TIMEOUT_USEC;
        _cleanup_fd_ int read_fd = -EBADF, write_fd = -EBADF;
        char message[MESSAGE_MAX_BYTES];
        int fds[2], wait_status, r;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return say(reterr_message, strerror(errno));
        read_fd = fds[0];
        write_fd = fds[1];

        r = spawn_helper(n, child, write_fd, &pid);
        if (r < 0)
                return say(reterr_message, strerror(-r));

        write_fd = fd_close(write_fd);
        read_message(read_fd, deadline_usec, message);

        /* Its end of the pipe is closed, so it is about to end; or it hangs. */
        if (usec_now(CLOCK_MONOTONIC) >= deadline_usec)
                (void) kill(pid, SIGKILL);
        while (waitpid(pid, &wait_status, 0) < 0)
                if (errno != EINTR)
                        return say(reterr_message, strerror(errno));

        if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0)
                return 0;

        return say(reterr_message, *message ? message : "the helper was killed");
}
