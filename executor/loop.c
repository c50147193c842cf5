/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The executor's event loop
 *
 * The part of sd_event's interface that the executor and its HTTP client use, over poll(). One
 * executor stays in memory beside every task, and what it costs is multiplied by their number:
 * libsystemd with the nine libraries behind it is 200 KiB of private memory in each process, this
 * is one page. The interface stays sd_event's, so that the client is the same code in the daemons.
 *
 * What differs: there are no priorities, a handful of sources at most, and a source that is
 * disabled for good is freed at the end of the turn, so handlers may drop any source, also their own.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <systemd/sd-event.h>
#include <utlist.h>

#include "common/base/fd.h"
#include "common/base/macro.h"
#include "common/base/usec.h"

/* Two connections to the agent, one for each of two checks, and signals. */
#define MAX_FDS 8

/* They are the same bits, which lets callers of sd_event name them either way. */
_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLHUP == POLLHUP && EPOLLERR == POLLERR, "poll flags");

typedef enum SourceKind {
        SOURCE_IO,
        SOURCE_TIME,
        SOURCE_DEFER,
        SOURCE_SIGNAL,
} SourceKind;

struct sd_event_source {
        sd_event *event;
        SourceKind kind;
        int enabled;
        bool dropped;
        union {
                sd_event_io_handler_t io;
                sd_event_time_handler_t time;
                sd_event_handler_t defer;
                sd_event_signal_handler_t signal;
        } handler;
        void *userdata;
        int fd;                  /* SOURCE_IO */
        uint32_t events;
        uint32_t revents;
        usec_t due_usec;         /* SOURCE_TIME */
        int signal_number;       /* SOURCE_SIGNAL */
        sd_event_source *prev, *next;
};

struct sd_event {
        unsigned n_refs;
        int signal_fd;
        sigset_t signals;
        bool exiting;
        int exit_code;
        sd_event_source *sources;
};

int sd_event_new(sd_event **ret) {
        sd_event *e = malloc(sizeof(*e));

        if (!e)
                return -ENOMEM;

        *e = (sd_event) { .n_refs = 1, .signal_fd = -EBADF };
        (void) sigemptyset(&e->signals);
        *ret = e;
        return 0;
}

sd_event *sd_event_ref(sd_event *e) {
        e->n_refs++;
        return e;
}

static void sweep(sd_event *e, bool all) {
        sd_event_source *s, *next;

        DL_FOREACH_SAFE(e->sources, s, next) {
                if (!s->dropped && !all)
                        continue;

                DL_DELETE(e->sources, s);
                free(s);
        }
}

sd_event *sd_event_unref(sd_event *e) {
        if (!e || --e->n_refs > 0)
                return NULL;

        sweep(e, true);
        fd_close(e->signal_fd);
        free(e);
        return NULL;
}

static int add_source(sd_event *e, sd_event_source template, sd_event_source **ret) {
        sd_event_source *s = malloc(sizeof(*s));

        if (!s)
                return -ENOMEM;

        *s = template;
        s->event = e;
        DL_APPEND(e->sources, s);
        *ret = s;
        return 0;
}

int sd_event_add_io(sd_event *e, sd_event_source **ret, int fd, uint32_t events, sd_event_io_handler_t handler,
                    void *userdata) {
        return add_source(e, (sd_event_source) {
                .kind = SOURCE_IO,
                .enabled = SD_EVENT_ON,
                .handler.io = handler,
                .userdata = userdata,
                .fd = fd,
                .events = events,
        }, ret);
}

int sd_event_add_time(sd_event *e, sd_event_source **ret, clockid_t clock, uint64_t usec, uint64_t accuracy,
                      sd_event_time_handler_t handler, void *userdata) {
        (void) accuracy;

        assert(clock == CLOCK_MONOTONIC);
        return add_source(e, (sd_event_source) {
                .kind = SOURCE_TIME,
                .enabled = SD_EVENT_ONESHOT,
                .handler.time = handler,
                .userdata = userdata,
                .due_usec = usec,
        }, ret);
}

int sd_event_add_time_relative(sd_event *e, sd_event_source **ret, clockid_t clock, uint64_t usec, uint64_t accuracy,
                               sd_event_time_handler_t handler, void *userdata) {
        return sd_event_add_time(e, ret, clock, usec_add(usec_now(clock), usec), accuracy, handler, userdata);
}

int sd_event_add_defer(sd_event *e, sd_event_source **ret, sd_event_handler_t handler, void *userdata) {
        return add_source(e, (sd_event_source) {
                .kind = SOURCE_DEFER,
                .enabled = SD_EVENT_ONESHOT,
                .handler.defer = handler,
                .userdata = userdata,
        }, ret);
}

/* The caller has blocked the signal, as with sd_event. */
int sd_event_add_signal(sd_event *e, sd_event_source **ret, int signal_number, sd_event_signal_handler_t handler,
                        void *userdata) {
        int fd;

        (void) sigaddset(&e->signals, signal_number);
        fd = signalfd(e->signal_fd < 0 ? -1 : e->signal_fd, &e->signals, SFD_NONBLOCK | SFD_CLOEXEC);
        if (fd < 0)
                return -errno;

        e->signal_fd = fd;
        return add_source(e, (sd_event_source) {
                .kind = SOURCE_SIGNAL,
                .enabled = SD_EVENT_ON,
                .handler.signal = handler,
                .userdata = userdata,
                .signal_number = signal_number,
        }, ret);
}

sd_event_source *sd_event_source_disable_unref(sd_event_source *s) {
        if (s) {
                s->enabled = SD_EVENT_OFF;
                s->dropped = true;
        }
        return NULL;
}

int sd_event_source_set_enabled(sd_event_source *s, int enabled) {
        s->enabled = enabled;
        return 0;
}

int sd_event_source_get_enabled(sd_event_source *s, int *ret) {
        *ret = s->enabled;
        return s->enabled != SD_EVENT_OFF;
}

int sd_event_source_set_time_relative(sd_event_source *s, uint64_t usec) {
        s->due_usec = usec_add(usec_now(CLOCK_MONOTONIC), usec);
        return 0;
}

int sd_event_source_set_io_events(sd_event_source *s, uint32_t events) {
        s->events = events;
        return 0;
}

/* Descriptions are for debuggers of the daemons. */
int sd_event_source_set_description(sd_event_source *s, const char *description) {
        (void) s;
        (void) description;
        return 0;
}

int sd_event_exit(sd_event *e, int code) {
        e->exiting = true;
        e->exit_code = code;
        return 0;
}

/* How long poll() may wait, in whole milliseconds rounded up: too early would be a turn for nothing. */
static int poll_timeout_msec(const sd_event *e, usec_t now_usec) {
        usec_t next_usec = USEC_INFINITY, wait_usec;
        const sd_event_source *s;

        DL_FOREACH(e->sources, s) {
                if (s->enabled == SD_EVENT_OFF)
                        continue;
                if (s->kind == SOURCE_DEFER)
                        return 0;
                if (s->kind == SOURCE_TIME)
                        next_usec = MIN(next_usec, s->due_usec);
        }

        if (next_usec == USEC_INFINITY)
                return -1;

        wait_usec = usec_sub(next_usec, now_usec);
        return (int) MIN((wait_usec + USEC_PER_MSEC - 1) / USEC_PER_MSEC, (usec_t) INT32_MAX);
}

/* Waits, and notes at each I/O source what happened. Returns whether signals are there. */
static int wait_for_events(sd_event *e, bool *ret_signals) {
        struct pollfd fds[MAX_FDS] = { { .fd = e->signal_fd, .events = POLLIN } };
        sd_event_source *at[MAX_FDS] = {}, *s;
        nfds_t n = 1;

        DL_FOREACH(e->sources, s) {
                s->revents = 0;
                if (s->kind != SOURCE_IO || s->enabled == SD_EVENT_OFF)
                        continue;

                assert(n < MAX_FDS);
                fds[n] = (struct pollfd) { .fd = s->fd, .events = (short) s->events };
                at[n++] = s;
        }

        if (poll(fds, n, poll_timeout_msec(e, usec_now(CLOCK_MONOTONIC))) < 0)
                return errno == EINTR ? 0 : -errno;

        for (nfds_t i = 1; i < n; i++)
                at[i]->revents = (uint32_t) fds[i].revents;
        *ret_signals = fds[0].revents != 0;
        return 0;
}

static int dispatch_signals(sd_event *e) {
        struct signalfd_siginfo si;
        sd_event_source *s;

        while (fd_read_full(e->signal_fd, &si, sizeof(si)) == sizeof(si))
                DL_FOREACH(e->sources, s)
                        if (s->kind == SOURCE_SIGNAL && s->signal_number == (int) si.ssi_signo && !s->dropped)
                                (void) s->handler.signal(s, &si, s->userdata);

        return 0;
}

static bool is_due(const sd_event_source *s, usec_t now_usec) {
        if (s->enabled == SD_EVENT_OFF)
                return false;

        switch (s->kind) {
        case SOURCE_IO:
                return s->revents != 0;
        case SOURCE_TIME:
                return s->due_usec <= now_usec;
        case SOURCE_DEFER:
                return true;
        case SOURCE_SIGNAL:
                break;
        }

        return false;
}

static void dispatch(sd_event_source *s) {
        if (s->enabled == SD_EVENT_ONESHOT)
                s->enabled = SD_EVENT_OFF;

        switch (s->kind) {
        case SOURCE_IO:
                (void) s->handler.io(s, s->fd, s->revents, s->userdata);
                break;
        case SOURCE_TIME:
                (void) s->handler.time(s, s->due_usec, s->userdata);
                break;
        case SOURCE_DEFER:
                (void) s->handler.defer(s, s->userdata);
                break;
        case SOURCE_SIGNAL:
                break;
        }
}

/* Returns the exit code, or negative errno when waiting itself fails. */
int sd_event_loop(sd_event *e) {
        while (!e->exiting) {
                bool signals = false;
                sd_event_source *s;
                usec_t now_usec;
                int r;

                r = wait_for_events(e, &signals);
                if (r < 0)
                        return r;

                if (signals)
                        (void) dispatch_signals(e);

                now_usec = usec_now(CLOCK_MONOTONIC);
                DL_FOREACH(e->sources, s)
                        if (!e->exiting && is_due(s, now_usec))
                                dispatch(s);
                sweep(e, false);
        }

        return e->exit_code;
}
