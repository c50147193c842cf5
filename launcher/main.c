/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast-launcher
 *
 * Started by the agent, never by hand: its plan is a sealed memfd at descriptor 3, the agent's end
 * of the wire is at descriptor 4, the container's id is its argument for those who read ps. By hand
 * it shows a stored plan as text (--dry-run).
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/crash.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "launcher/exit_record.h"
#include "launcher/launcher.h"
#include "launcher/plan.h"

#define PLAN_FD 3
#define CONTROL_FD 4

static const char usage[] =
        "Usage: holdfast-launcher [OPTION]\n"
        "\n"
        "Stays by one container from its start to its end. The agent runs it; by hand:\n"
        "\n"
        "  --dry-run   show the launch plan on standard input as text, start nothing\n"
        "  --help      show this\n"
        "  --keep      do nothing until told to end; keeps a scope of systemd while it is empty\n"
        "  --version   show the version\n";

static int load_plan(const void *data, size_t n, LaunchPlan **ret) {
        _cleanup_free_ char *message = NULL;
        int r;

        r = launch_plan_decode(data, n, ret, &message);
        switch (r) {
        case LAUNCH_PLAN_E_INVALID:
                log_error("Invalid launch plan: %s", message);
                return -EBADMSG;
        case LAUNCH_PLAN_E_NEWER:
                log_error("The launch plan was made for a later version of holdfast-launcher");
                return -EPROTONOSUPPORT;
        default:
                return r < 0 ? log_error_errno(r, "Failed to read the launch plan: %m") : 0;
        }
}

static int dry_run(void) {
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        _cleanup_(buffer_deinit) Buffer text = BUFFER_INIT(4 * LAUNCH_PLAN_MAX_BYTES);
        _cleanup_free_ char *data = NULL;
        ssize_t n;
        int r;

        data = malloc(LAUNCH_PLAN_MAX_BYTES + 1);
        if (!data)
                return log_oom();

        n = fd_read_full(STDIN_FILENO, data, LAUNCH_PLAN_MAX_BYTES + 1);
        if (n < 0)
                return log_error_errno((int) n, "Failed to read the launch plan: %m");

        r = load_plan(data, (size_t) n, &plan);
        if (r < 0)
                return r;

        r = launch_plan_print(plan, &text);
        if (r < 0)
                return log_error_errno(r, "Failed to format the launch plan: %m");

        return fd_write_full(STDOUT_FILENO, buffer_data(&text), buffer_size(&text));
}

/* Nothing of ours may end up at descriptors 0 to 2, which the child overwrites. */
static int open_standard_streams(void) {
        int fd;

        do {
                fd = open("/dev/null", O_RDWR);
                if (fd < 0)
                        return -errno;
        } while (fd <= STDERR_FILENO);

        (void) fd_close(fd);
        return 0;
}

static void open_log(const char *path) {
        int fd;

        if (!path) {
                log_open_journal("holdfast-launcher");
                return;
        }

        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
        if (fd >= 0) {
                (void) dup2(fd, STDERR_FILENO);
                (void) fd_close(fd);
        }

        log_open("holdfast-launcher");
}

/* The agent finds this instead of a launcher. That it cannot be written goes with the launcher
 * not working. */
static void record_failure(const char *container_id, const char *path, int error) {
        ExitRecord record = {
                .kind = EXIT_RECORD_FAILED,
                .container_id = (char *) container_id,
                .step = (char *) "set up the launcher",
                .error = -error,
                .ended_usec = usec_now(CLOCK_REALTIME),
        };
        _cleanup_free_ char *message = NULL;

        if (asprintf(&message, "Failed to set up the launcher: %s", strerror(-error)) < 0)
                message = NULL;

        record.message = message;
        if (process_boot_id(record.boot_id) < 0)
                return;

        (void) exit_record_write(AT_FDCWD, path, &record);
}

static int supervise(LaunchPlan *plan) {
        _cleanup_free_ char *container_id = strdup(plan->container_id),
                            *path = strdup(plan->exit_record_path);
        _cleanup_(launcher_freep) Launcher *l = NULL;
        int r;

        if (!container_id || !path) {
                launch_plan_free(plan);
                return log_oom();
        }

        r = launcher_new(plan, CONTROL_FD, &l);
        if (r < 0) {
                record_failure(container_id, path, r);
                return log_error_errno(r, "Failed to set up the launcher of container '%s': %m",
                                       container_id);
        }

        r = launcher_run(l);
        return r < 0 ? log_error_errno(r, "Failed to supervise container '%s': %m", container_id)
                     : 0;
}

/* The agent made us with these; by hand they are not there. */
static int take_inherited(void **ret_plan, size_t *ret_n) {
        int type, r;

        if (getsockopt(CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &(socklen_t) { sizeof(type) }) < 0 ||
            type != SOCK_SEQPACKET)
                return -EINVAL;

        r = fd_set_cloexec(CONTROL_FD, true);
        if (r < 0)
                return r;

        r = fd_memfd_read(PLAN_FD, LAUNCH_PLAN_MAX_BYTES, ret_plan, ret_n);
        if (r < 0)
                return r;

        (void) fd_close(PLAN_FD);
        CRASH_POINT("plan-read");
        return 0;
}

static int run(void) {
        _cleanup_free_ void *data = NULL;
        LaunchPlan *plan;
        size_t n;
        int r;

        r = take_inherited(&data, &n);
        if (r < 0)
                return log_error_errno(r, "The agent starts this program, with a plan; see --help");

        r = open_standard_streams();
        if (r < 0)
                return r;

        (void) umask(0077);
        if (chdir("/") < 0)
                return -errno;

        r = load_plan(data, n, &plan);
        if (r < 0)
                return r;

        free(TAKE_PTR(data));
        open_log(plan->log_path);
        return supervise(plan);
}

/* What it was born with is as it should be; the agent saw to that. */
static int keep(void) {
        if (chdir("/") < 0)
                return -errno;

        for (;;)
                (void) pause();
}

int main(int argc, char **argv) {
        const char *option = argc == 2 ? argv[1] : "";
        int r;

        if (streq(option, "--dry-run"))
                r = dry_run();
        else if (streq(option, "--keep"))
                r = keep();
        else if (streq(option, "--version"))
                r = printf("holdfast-launcher %s\n", PACKAGE_VERSION);
        else if (streq(option, "--help"))
                r = fputs(usage, stdout);
        else if (argc > 2 || startswith(option, "-")) {
                (void) fputs(usage, stderr);
                r = -EINVAL;
        } else
                r = run();

        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
