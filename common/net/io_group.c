/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Groups of descriptors
 *
 * sd-event dispatches one source a turn and asks the kernel anew before each, which lists
 * everything that is ready again. With thousands of connections ready at once (all agents of a
 * cluster come to a new master within a second) the time goes as the square of their number, and a
 * listening socket among them hardly ever has its turn.
 *
 * So those that come by the thousand have an epoll of their own. To the loop it is one source; a
 * turn of it serves as many of them as are ready, up to a bound that lets the others have theirs:
 *
 *     sd-event ─┬─ listening socket, timers, …
 *               └─ epoll of the group ─┬─ connection
 *                                      ├─ connection
 *                                      └─ …
 *
 * A callback may end any watch, so events of the same turn that name it are taken back then.
 */

#include <sys/epoll.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/net/io_group.h"

/* Served in one turn. */
#define BATCH_MAX 64

struct IoGroup {
        int epoll_fd;
        sd_event_source *source;
        size_t n_watches;
        struct epoll_event batch[BATCH_MAX]; /* of the turn that runs, if one does */
        int n_batch;
};

static int on_group(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        IoGroup *g = userdata;

        (void) source;
        (void) events;

        g->n_batch = epoll_wait(fd, g->batch, BATCH_MAX, 0);
        for (int i = 0; i < g->n_batch; i++) {
                IoWatch *w = g->batch[i].data.ptr;

                if (w)
                        w->ready(g->batch[i].events, w->userdata);
        }

        g->n_batch = 0;
        return 0;
}

int io_group_new(sd_event *event, IoGroup **ret) {
        _cleanup_(io_group_freep) IoGroup *g = NULL;
        int r;

        assert(event);
        assert(ret);

        g = malloc(sizeof(*g));
        if (!g)
                return -ENOMEM;

        *g = (IoGroup){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
        if (g->epoll_fd < 0)
                return -errno;

        r = sd_event_add_io(event, &g->source, g->epoll_fd, EPOLLIN, on_group, g);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(g->source, "io-group");
        *ret = TAKE_PTR(g);
        return 0;
}

IoGroup *io_group_free(IoGroup *g) {
        if (!g)
                return NULL;

        assert(g->n_watches == 0);
        sd_event_source_disable_unref(g->source);
        fd_close(g->epoll_fd);
        free(g);
        return NULL;
}

static int on_source(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        IoWatch *w = userdata;

        (void) source;
        (void) fd;

        w->ready(events, w->userdata);
        return 0;
}

int io_watch_start(IoWatch *w, sd_event *event, IoGroup *group, int fd, uint32_t events,
                   IoReady ready, void *userdata) {
        struct epoll_event e = { .events = events, .data.ptr = w };

        assert(!w->group && !w->source);

        *w = (IoWatch){ .fd = fd, .ready = ready, .userdata = userdata };
        if (!group)
                return sd_event_add_io(event, &w->source, fd, events, on_source, w);

        if (epoll_ctl(group->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0)
                return -errno;

        w->group = group;
        group->n_watches++;
        return 0;
}

int io_watch_modify(IoWatch *w, uint32_t events) {
        struct epoll_event e = { .events = events, .data.ptr = w };

        if (w->source)
                return sd_event_source_set_io_events(w->source, events);
        if (!w->group)
                return -ENOTCONN;

        return epoll_ctl(w->group->epoll_fd, EPOLL_CTL_MOD, w->fd, &e) < 0 ? -errno : 0;
}

void io_watch_end(IoWatch *w) {
        IoGroup *g = TAKE_PTR(w->group);

        w->source = sd_event_source_disable_unref(w->source);
        if (!g)
                return;

        (void) epoll_ctl(g->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
        g->n_watches--;
        for (int i = 0; i < g->n_batch; i++)
                if (g->batch[i].data.ptr == w)
                        g->batch[i].data.ptr = NULL;
}
