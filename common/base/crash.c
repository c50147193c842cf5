/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Crash points
 *
 * Work outlives the agent only if it does wherever the agent dies. So every durable step and every
 * message has a point before it and one after it, and a test build (--enable-crash-points) dies at
 * the one it is told to:
 *
 *     HOLDFAST_CRASH_PROGRAM=holdfast-agent     which program is meant; the others pass their points
 *     HOLDFAST_CRASH_AT=17                      die at the 17th point
 *     HOLDFAST_CRASH_AT=store-committed:3       or at the third of this name
 *     HOLDFAST_CRASH_LOG=FILE                   append "number name" for each point that is passed
 *
 * A first run with only the log says which points there are, and as many runs as it has lines visit
 * them all. Of one name, the count is the same from run to run where the order of unrelated events
 * is not, hence the second form.
 *
 * Dying is SIGKILL: no handler, no buffer, no destructor. The launcher's child between clone and
 * exec has points, too; there it is the launcher that dies, and the child goes on to find that out.
 * That is why nothing is allocated or locked here after the first point, and why this counter may be
 * the one global variable of the tree: it is in no program that anybody runs.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "common/base/crash.h"
#include "common/base/macro.h"
#include "common/base/parse.h"

static struct {
        pid_t pid;               /* of the program; 0 before its first point */
        const char *log_path;
        char name[64];           /* empty: any */
        uint64_t at;             /* 0: never */
        uint64_t n_passed, n_passed_of_name;
} crash;

static void settle(void) {
        const char *program = getenv("HOLDFAST_CRASH_PROGRAM");
        const char *at = getenv("HOLDFAST_CRASH_AT"), *colon;

        crash.pid = getpid();
        if (!program || !streq(program, program_invocation_short_name))
                return;

        crash.log_path = getenv("HOLDFAST_CRASH_LOG");
        colon = at ? strrchr(at, ':') : NULL;
        if (colon)
                (void) snprintf(crash.name, sizeof(crash.name), "%.*s", (int) (colon - at), at);
        if (at && parse_u64(colon ? colon + 1 : at, &crash.at) < 0) {
                fprintf(stderr, "HOLDFAST_CRASH_AT=%s: expected NUMBER or NAME:NUMBER\n", at);
                exit(EXIT_FAILURE);
        }
}

static void note(const char *name) {
        char line[128];
        int fd, n;

        fd = open(crash.log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (fd < 0)
                return;

        n = snprintf(line, sizeof(line), "%llu %s\n", (unsigned long long) crash.n_passed, name);
        if (write(fd, line, (size_t) n) != n)
                abort();
        (void) close(fd);
}

void crash_point(const char *name) {
        if (crash.pid == 0)
                settle();

        crash.n_passed++;
        if (crash.log_path)
                note(name);
        if (crash.at == 0 || (crash.name[0] && !streq(crash.name, name)))
                return;

        if ((crash.name[0] ? ++crash.n_passed_of_name : crash.n_passed) == crash.at)
                (void) kill(crash.pid, SIGKILL);
}
