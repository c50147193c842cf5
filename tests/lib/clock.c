/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A clock that tests move
 *
 * Preloaded into a daemon as it is installed, this stands between it and the kernel's clocks, so
 * that ten minutes pass when a test says so. HOLDFAST_TEST_CLOCK names a directory:
 *
 *     state          what the clocks show, read at the start: "frozen <monotonic> <wall> <rate>", or
 *                    "running <ahead> <ahead> <rate>", all in microseconds; tests/lib/clock.py writes
 *                    it. A running clock shows `rate` times what the kernel's does, and so much more.
 *     <pid>.sock     a Unix stream socket, served by a thread here; a line in, a line out:
 *
 *         shift MONOTONIC WALL     moves the clocks by so much, rings what is due, waits until that
 *                                  has been dealt with: "ok", or "busy" when it takes too long
 *         freeze, run              the clocks stand still but for shifts, or go on from where they are
 *         next                     microseconds to the next timer; -1: none
 *         now                      what both clocks show
 *
 * The loops of our daemons are sd_event's, which keeps one absolute timerfd for each clock. Each is
 * recorded here with the time it was set to, and set in the kernel to when that comes by our clocks.
 * Dealt with means: no timerfd is overdue, and the main thread waits in epoll_wait() with nothing to
 * wake up to: what others had sent before is dealt with, too. Relative and repeating timers, and the clocks of CPU time, are left alone.
 *
 * Children see the time as it is: the variables that brought us here are removed at once. In a
 * child that has not executed anything yet only reading the clocks goes through here, and that
 * takes no lock.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/base/macro.h"

#define N_TIMERS_MAX 64
#define SETTLE_TRIES 10000        /* of a millisecond */
#define NSEC_PER_USEC INT64_C(1000)
#define NSEC_PER_SEC INT64_C(1000000000)

typedef struct Timer {
        atomic_int fd;                  /* -1: unused */
        bool wall;
        bool set;
        int64_t due_usec;               /* by our clock */
} Timer;

typedef enum Kind {
        KIND_MONOTONIC,
        KIND_WALL,
        _KIND_MAX,
        KIND_OTHER = _KIND_MAX,
} Kind;

/* What we stand in front of. */
typedef struct Next {
        __typeof__(&clock_gettime) clock_gettime;
        __typeof__(&timerfd_create) timerfd_create;
        __typeof__(&timerfd_settime) timerfd_settime;
        __typeof__(&read) read;
        __typeof__(&close) close;
        __typeof__(&epoll_wait) epoll_wait;
        __typeof__(&epoll_pwait2) epoll_pwait2;
} Next;

/* A preloaded library has no main() to own this. */
static struct {
        Next next;                                     /* empty before start() */
        atomic_bool active, frozen;
        atomic_int_fast64_t value_usec[_KIND_MAX];     /* frozen: what it shows; else how far ahead */
        int64_t rate;                                  /* of running clocks */
        atomic_int waiting_fd;                         /* the main thread waits for it; -1: works */
        pid_t pid;
        pthread_mutex_t lock;                          /* of the timers */
        Timer timers[N_TIMERS_MAX];
} us = { .waiting_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER };

static Kind kind_of(clockid_t clock) {
        switch (clock) {
        case CLOCK_MONOTONIC:
        case CLOCK_MONOTONIC_COARSE:
        case CLOCK_MONOTONIC_RAW:
        case CLOCK_BOOTTIME:
                return KIND_MONOTONIC;
        case CLOCK_REALTIME:
        case CLOCK_REALTIME_COARSE:
                return KIND_WALL;
        default:
                return KIND_OTHER;
        }
}

static int64_t to_usec(const struct timespec *ts) {
        return (int64_t) ts->tv_sec * INT64_C(1000000) + ts->tv_nsec / NSEC_PER_USEC;
}

static struct timespec from_usec(int64_t usec) {
        return (struct timespec) {
                .tv_sec = usec / INT64_C(1000000),
                .tv_nsec = usec % INT64_C(1000000) * NSEC_PER_USEC,
        };
}

static int kernel_gettime(clockid_t clock, struct timespec *ret) {
        if (us.next.clock_gettime)
                return us.next.clock_gettime(clock, ret);

        return (int) syscall(SYS_clock_gettime, clock, ret);
}

static int64_t shown_usec(Kind kind) {
        struct timespec ts;

        if (us.frozen)
                return us.value_usec[kind];

        (void) kernel_gettime(kind == KIND_WALL ? CLOCK_REALTIME : CLOCK_MONOTONIC, &ts);
        return to_usec(&ts) * us.rate + us.value_usec[kind];
}

/* The clocks */

int clock_gettime(clockid_t clock, struct timespec *ret) {
        Kind kind = kind_of(clock);
        struct timespec ts;

        if (!us.active || kind == KIND_OTHER)
                return kernel_gettime(clock, ret);

        if (us.frozen) {
                *ret = from_usec(us.value_usec[kind]);
                return 0;
        }

        if (kernel_gettime(clock, &ts) < 0)
                return -1;

        *ret = from_usec(to_usec(&ts) * us.rate + us.value_usec[kind]);
        return 0;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone _unused_) {
        int64_t usec = shown_usec(KIND_WALL);

        *ret = (struct timeval) {
                .tv_sec = usec / INT64_C(1000000),
                .tv_usec = usec % INT64_C(1000000),
        };
        return 0;
}

time_t time(time_t *ret) {
        time_t t = shown_usec(KIND_WALL) / INT64_C(1000000);

        if (ret)
                *ret = t;
        return t;
}

int timespec_get(struct timespec *ret, int base) {
        *ret = from_usec(shown_usec(KIND_WALL));
        return base;
}

/* Timers */

static bool is_ours(void) {
        return us.active && getpid() == us.pid;
}

static Timer *timer_find(int fd) {
        for (size_t i = 0; i < ELEMENTSOF(us.timers); i++)
                if (us.timers[i].fd == fd)
                        return &us.timers[i];

        return NULL;
}

static bool timer_is_due(const Timer *t) {
        return t->set && t->due_usec <= shown_usec(t->wall ? KIND_WALL : KIND_MONOTONIC);
}

/* Sets it in the kernel to when our clock gets there; one that stands still gets nowhere. */
static int timer_arm(Timer *t) {
        Kind kind = t->wall ? KIND_WALL : KIND_MONOTONIC;
        struct itimerspec when = {};

        if (timer_is_due(t))
                when.it_value.tv_nsec = 1;
        else if (t->set && !us.frozen)
                when.it_value = from_usec((t->due_usec - us.value_usec[kind] + us.rate - 1) / us.rate);

        return us.next.timerfd_settime(t->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

int timerfd_create(int clock, int flags) {
        int fd = us.next.timerfd_create(clock, flags);
        Timer *t;

        if (fd < 0 || !is_ours() || kind_of(clock) == KIND_OTHER)
                return fd;

        pthread_mutex_lock(&us.lock);
        t = timer_find(-1);
        if (!t)
                abort();
        t->wall = kind_of(clock) == KIND_WALL;
        t->set = false;
        t->fd = fd;
        pthread_mutex_unlock(&us.lock);
        return fd;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *ret_old) {
        bool simple = (flags & TFD_TIMER_ABSTIME) && value->it_interval.tv_sec == 0 &&
                      value->it_interval.tv_nsec == 0 && !ret_old;
        Timer *t;
        int r;

        if (!is_ours() || !simple || !(t = timer_find(fd)))
                return us.next.timerfd_settime(fd, flags, value, ret_old);

        pthread_mutex_lock(&us.lock);
        t->due_usec = to_usec(&value->it_value);
        t->set = value->it_value.tv_sec != 0 || value->it_value.tv_nsec != 0;
        r = timer_arm(t);
        pthread_mutex_unlock(&us.lock);
        return r;
}

ssize_t read(int fd, void *buffer, size_t n) {
        ssize_t k = us.next.read ? us.next.read(fd, buffer, n) : syscall(SYS_read, fd, buffer, n);
        Timer *t;

        if (k <= 0 || fd < 0 || !(t = timer_find(fd)) || !is_ours())
                return k;

        pthread_mutex_lock(&us.lock);
        if (timer_is_due(t))
                t->set = false;
        pthread_mutex_unlock(&us.lock);
        return k;
}

int close(int fd) {
        Timer *t;

        if (fd >= 0 && (t = timer_find(fd)) && is_ours()) {
                pthread_mutex_lock(&us.lock);
                t->fd = -1;
                t->set = false;
                pthread_mutex_unlock(&us.lock);
        }

        return us.next.close ? us.next.close(fd) : (int) syscall(SYS_close, fd);
}

/* Waiting */

static bool begin_wait(int fd, bool blocks) {
        bool counts = blocks && is_ours() && gettid() == us.pid;

        if (counts)
                us.waiting_fd = fd;
        return counts;
}

static int end_wait(bool counted, int r) {
        if (counted)
                us.waiting_fd = -1;
        return r;
}

int epoll_wait(int fd, struct epoll_event *events, int n, int timeout) {
        bool counts = begin_wait(fd, timeout != 0);

        return end_wait(counts, us.next.epoll_wait(fd, events, n, timeout));
}

int epoll_pwait2(int fd, struct epoll_event *events, int n, const struct timespec *timeout,
                 const sigset_t *mask) {
        bool counts = begin_wait(fd, !timeout || timeout->tv_sec != 0 || timeout->tv_nsec != 0);

        return end_wait(counts, us.next.epoll_pwait2(fd, events, n, timeout, mask));
}

/* What the test says */

static void arm_all(void) {
        pthread_mutex_lock(&us.lock);
        for (size_t i = 0; i < ELEMENTSOF(us.timers); i++)
                if (us.timers[i].fd >= 0)
                        (void) timer_arm(&us.timers[i]);
        pthread_mutex_unlock(&us.lock);
}

/* It waits, and has nothing to wake up to: what came is level-triggered, and there until it is dealt with. */
static bool is_idle(void) {
        struct pollfd p = { .fd = us.waiting_fd, .events = POLLIN };

        return p.fd >= 0 && poll(&p, 1, 0) == 0 && us.waiting_fd == p.fd;
}

static bool is_settled(void) {
        bool overdue = false;

        pthread_mutex_lock(&us.lock);
        for (size_t i = 0; i < ELEMENTSOF(us.timers); i++)
                overdue |= us.timers[i].fd >= 0 && timer_is_due(&us.timers[i]);
        pthread_mutex_unlock(&us.lock);
        return !overdue && is_idle();
}

static const char *settle(void) {
        for (unsigned i = 0; i < SETTLE_TRIES; i++) {
                if (is_settled())
                        return "ok";
                (void) poll(NULL, 0, 1);
        }

        return "busy";
}

/* What is under way may yet set a timer, so it comes to its end first. */
static const char *shift(int64_t monotonic_usec, int64_t wall_usec) {
        (void) settle();
        us.value_usec[KIND_MONOTONIC] += monotonic_usec;
        us.value_usec[KIND_WALL] += wall_usec;
        arm_all();
        return settle();
}

static void set_frozen(bool frozen) {
        if (frozen == us.frozen)
                return;

        for (Kind k = 0; k < _KIND_MAX; k++) {
                struct timespec ts;

                (void) kernel_gettime(k == KIND_WALL ? CLOCK_REALTIME : CLOCK_MONOTONIC, &ts);
                us.value_usec[k] += us.rate * (frozen ? to_usec(&ts) : -to_usec(&ts));
        }
        us.frozen = frozen;
        arm_all();
}

static int64_t next_usec(void) {
        int64_t next = -1;

        (void) settle();
        pthread_mutex_lock(&us.lock);
        for (size_t i = 0; i < ELEMENTSOF(us.timers); i++) {
                const Timer *t = &us.timers[i];
                int64_t left;

                if (t->fd < 0 || !t->set)
                        continue;

                left = MAX(t->due_usec - shown_usec(t->wall ? KIND_WALL : KIND_MONOTONIC), 0);
                next = next < 0 ? left : MIN(next, left);
        }
        pthread_mutex_unlock(&us.lock);
        return next;
}

static void obey(const char *line, char answer[static 64]) {
        int64_t monotonic_usec, wall_usec;
        const char *text = "ok";

        if (sscanf(line, "shift %" SCNd64 " %" SCNd64, &monotonic_usec, &wall_usec) == 2)
                text = shift(monotonic_usec, wall_usec);
        else if (streq(line, "freeze\n") || streq(line, "run\n"))
                set_frozen(*line == 'f');
        else if (streq(line, "next\n")) {
                snprintf(answer, 64, "%" PRId64 "\n", next_usec());
                return;
        } else if (streq(line, "now\n")) {
                snprintf(answer, 64, "%" PRId64 " %" PRId64 "\n", shown_usec(KIND_MONOTONIC),
                         shown_usec(KIND_WALL));
                return;
        } else
                text = "what?";

        snprintf(answer, 64, "%s\n", text);
}

static void serve_connection(int fd) {
        FILE *f = fdopen(fd, "r");
        char line[128], answer[64];

        if (!f)
                abort();

        while (fgets(line, sizeof(line), f)) {
                obey(line, answer);
                (void) send(fd, answer, strlen(answer), MSG_NOSIGNAL);
        }
        fclose(f);
}

static void *serve(void *userdata) {
        int listen_fd = *(int *) userdata, fd;

        while ((fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
                serve_connection(fd);

        return NULL;
}

static void read_state(const char *directory) {
        char path[4096];
        int64_t monotonic_usec, wall_usec, rate;
        char mode[16];
        FILE *f;

        snprintf(path, sizeof(path), "%s/state", directory);
        f = fopen(path, "re");
        if (!f || fscanf(f, "%15s %" SCNd64 " %" SCNd64 " %" SCNd64, mode, &monotonic_usec, &wall_usec,
                         &rate) != 4)
                abort();
        fclose(f);

        us.frozen = streq(mode, "frozen");
        us.rate = rate;
        us.value_usec[KIND_MONOTONIC] = monotonic_usec;
        us.value_usec[KIND_WALL] = wall_usec;
}

/* Signals are for the main thread, whose signalfd would otherwise not see them. */
static void start_thread(int *listen_fd) {
        pthread_t thread;
        sigset_t all, before;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        if (pthread_create(&thread, NULL, serve, listen_fd) != 0)
                abort();
        pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void find_next(Next *ret) {
        *ret = (Next) {
                .clock_gettime = dlsym(RTLD_NEXT, "clock_gettime"),
                .timerfd_create = dlsym(RTLD_NEXT, "timerfd_create"),
                .timerfd_settime = dlsym(RTLD_NEXT, "timerfd_settime"),
                .read = dlsym(RTLD_NEXT, "read"),
                .close = dlsym(RTLD_NEXT, "close"),
                .epoll_wait = dlsym(RTLD_NEXT, "epoll_wait"),
                .epoll_pwait2 = dlsym(RTLD_NEXT, "epoll_pwait2"),
        };
}

static void __attribute__((constructor)) start(void) {
        static int listen_fd;
        const char *directory = getenv("HOLDFAST_TEST_CLOCK");
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        for (size_t i = 0; i < ELEMENTSOF(us.timers); i++)
                us.timers[i].fd = -1;
        find_next(&us.next);
        if (!directory)
                return;

        us.pid = getpid();
        read_state(directory);
        snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/%d.sock", directory, us.pid);

        (void) unlink(address.sun_path);     /* of another process with our number */
        listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (listen_fd < 0 || bind(listen_fd, (void *) &address, sizeof(address)) < 0 ||
            listen(listen_fd, 16) < 0)
                abort();

        (void) unsetenv("LD_PRELOAD");
        (void) unsetenv("HOLDFAST_TEST_CLOCK");
        us.active = true;
        start_thread(&listen_fd);
}
