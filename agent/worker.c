/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Workers
 *
 * The agent's loop waits for nobody: what may take long is done by holdfast-worker, one thing per
 * process. What it prints is passed on line by line; how it ended comes after the last of them.
 *
 * Nothing of ours but standard output and error is passed on: all our descriptors close on exec.
 */

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "agent/worker.h"
#include "common/base/buffer.h"
#include "common/base/fd.h"

/* A path and a few numbers; our own helper prints no longer line. */
#define LINE_MAX_BYTES ((size_t) 16384)

struct Worker {
        int pid_fd, output_fd;
        Buffer output;
        sd_event_source *exit_source, *output_source;
        const WorkerOps *ops;
        void *userdata;
};

int worker_spawn(const char *program, char *const argv[], int output_fd) {
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        pid_t pid;
        int r;

        sigemptyset(&none);
        sigfillset(&all);

        if (posix_spawn_file_actions_init(&actions) != 0)
                return -ENOMEM;
        if (posix_spawnattr_init(&attributes) != 0) {
                (void) posix_spawn_file_actions_destroy(&actions);
                return -ENOMEM;
        }

        (void) posix_spawnattr_setsigmask(&attributes, &none);
        (void) posix_spawnattr_setsigdefault(&attributes, &all);
        (void) posix_spawnattr_setflags(&attributes,
                                        POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
        if (r == 0)
                r = posix_spawn(&pid, program, &actions, &attributes, argv, environ);

        (void) posix_spawnattr_destroy(&attributes);
        (void) posix_spawn_file_actions_destroy(&actions);

        /* Our own child that nobody else reaps: the number is still its. */
        return r == 0 ? process_pidfd_open(pid) : -r;
}

static void tell_lines(Worker *w) {
        char *end;

        while (buffer_size(&w->output) > 0 &&
               (end = memchr(buffer_data(&w->output), '\n', buffer_size(&w->output)))) {
                char *line = buffer_data(&w->output);
                size_t n = (size_t) (end - line) + 1;

                *end = '\0';
                if (w->ops->line)
                        w->ops->line(line, w->userdata);
                buffer_consume(&w->output, n);
        }
}

/* Returns 0 at the end, -EAGAIN when there is no more for now. */
static int read_some(Worker *w) {
        char *p;
        ssize_t n;
        int r;

        r = buffer_reserve(&w->output, 4096, &p);
        if (r < 0)
                return r;

        n = read(w->output_fd, p, 4096);
        if (n <= 0)
                return n < 0 ? -errno : 0;

        buffer_commit(&w->output, (size_t) n);
        tell_lines(w);
        return 1;
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Worker *w = userdata;
        int r = read_some(w);

        (void) source;
        (void) fd;
        (void) events;

        if (r == 0)
                w->output_source = sd_event_source_disable_unref(w->output_source);
        else if (r < 0 && r != -EAGAIN && r != -EINTR)
                (void) process_pidfd_signal(w->pid_fd, SIGKILL);
        return 0;
}

static int on_exit_of_worker(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Worker *w = userdata;
        ExitStatus status;

        (void) events;
        if (process_pidfd_reap(fd, &status) == -EAGAIN)
                return 0;

        /* The pipe holds what is left; nobody writes to it any more. */
        while (read_some(w) > 0)
                ;

        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        w->pid_fd = fd_close(w->pid_fd);
        w->ops->ended(status, w->userdata);
        return 0;
}

static int watch(Worker *w, sd_event *event) {
        int r;

        r = sd_event_add_io(event, &w->output_source, w->output_fd, EPOLLIN, on_output, w);
        if (r < 0)
                return r;

        r = sd_event_add_io(event, &w->exit_source, w->pid_fd, EPOLLIN, on_exit_of_worker, w);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(w->output_source, "worker-output");
        (void) sd_event_source_set_description(w->exit_source, "worker-exit");
        return 0;
}

int worker_start(sd_event *event, const char *program, char *const argv[], const WorkerOps *ops,
                 void *userdata, Worker **ret) {
        _cleanup_(worker_freep) Worker *w = NULL;
        _cleanup_fd_ int write_fd = -EBADF;
        int fds[2], r;

        w = malloc(sizeof(*w));
        if (!w)
                return -ENOMEM;

        *w = (Worker) {
                .pid_fd = -EBADF,
                .output_fd = -EBADF,
                .output = BUFFER_INIT(LINE_MAX_BYTES),
                .ops = ops,
                .userdata = userdata,
        };

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;

        w->output_fd = fds[0];
        write_fd = fds[1];
        r = fd_set_nonblock(w->output_fd, true);
        if (r < 0)
                return r;

        w->pid_fd = worker_spawn(program, argv, write_fd);
        if (w->pid_fd < 0)
                return w->pid_fd;

        r = watch(w, event);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(w);
        return 0;
}

Worker *worker_free(Worker *w) {
        if (!w)
                return NULL;

        sd_event_source_disable_unref(w->output_source);
        sd_event_source_disable_unref(w->exit_source);
        if (w->pid_fd >= 0)
                (void) process_pidfd_signal(w->pid_fd, SIGKILL);

        fd_close(w->pid_fd);
        fd_close(w->output_fd);
        buffer_deinit(&w->output);
        free(w);
        return NULL;
}
