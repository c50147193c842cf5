/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The wire between agent and launcher
 *
 * One SOCK_SEQPACKET message is one protobuf message: a Request down, an Event up (launcher.proto).
 *
 *     agent                            launcher
 *       │ ── connect ──────────────────▶ │   or the socket pair it was born with
 *       │ ◀──────────────────── Hello ── │   on each connection, before anything else
 *       │ ── Go {cgroup} ──────────────▶ │
 *       │ ◀──────────────────── Reply ── │   to each request, at once: accepted, or an errno
 *       │ ◀────────────────── Started ── │
 *       │ ── Kill {signal} ────────────▶ │
 *       │ ◀────────────────────── Ended ─│   after its record is on disk and nothing is left
 *
 * A new connection takes the place of the one before: a restarted agent must win against its dead
 * predecessor. Both sides pass over what they do not know, so that each may be older than the
 * other.
 */

#include "launcher/wire.h"
#include "proto/launcher.pb-c.h"

const char *launcher_state_name(LauncherState s) {
        static const char *const names[] = {
                [LAUNCHER_WAITING] = "waiting",
                [LAUNCHER_FETCHING] = "fetching",
                [LAUNCHER_RUNNING] = "running",
                [LAUNCHER_ENDING] = "ending",
                [LAUNCHER_ENDED] = "ended",
        };

        return (size_t) s < ELEMENTSOF(names) ? names[s] : "?";
}

static int pack(const ProtobufCMessage *m, void **ret, size_t *ret_n) {
        size_t n = protobuf_c_message_get_packed_size(m);
        void *data;

        if (n > LAUNCHER_MESSAGE_MAX_BYTES)
                return -EMSGSIZE;

        data = malloc(MAX(n, (size_t) 1));
        if (!data)
                return -ENOMEM;

        *ret_n = protobuf_c_message_pack(m, data);
        *ret = data;
        return 0;
}

int launcher_request_encode(const LauncherRequest *r, void **ret, size_t *ret_n) {
        Holdfast__Launcher__Request m = HOLDFAST__LAUNCHER__REQUEST__INIT;
        Holdfast__Launcher__Request__Go go = HOLDFAST__LAUNCHER__REQUEST__GO__INIT;
        Holdfast__Launcher__Request__Kill kill_message = HOLDFAST__LAUNCHER__REQUEST__KILL__INIT;
        Holdfast__Launcher__Request__Status status = HOLDFAST__LAUNCHER__REQUEST__STATUS__INIT;
        Holdfast__Launcher__Request__Release release = HOLDFAST__LAUNCHER__REQUEST__RELEASE__INIT;
        Holdfast__Launcher__Request__Update update = HOLDFAST__LAUNCHER__REQUEST__UPDATE__INIT;

        m.serial = r->serial;
        switch (r->kind) {
        case LAUNCHER_REQUEST_GO:
                go.cgroup = (char *) r->cgroup;
                m.go = &go;
                break;
        case LAUNCHER_REQUEST_KILL:
                kill_message.signal = r->signal_number;
                kill_message.has_main_only = true;
                kill_message.main_only = r->main_only;
                m.kill = &kill_message;
                break;
        case LAUNCHER_REQUEST_STATUS:
                m.status = &status;
                break;
        case LAUNCHER_REQUEST_RELEASE:
                m.release = &release;
                break;
        case LAUNCHER_REQUEST_UPDATE:
                update.cgroup = r->settings;
                update.n_cgroup = r->n_settings;
                m.update = &update;
                break;
        case LAUNCHER_REQUEST_UNKNOWN:
                break;
        }

        return pack(&m.base, ret, ret_n);
}

int launcher_request_decode(const void *data, size_t n, LauncherRequest *ret) {
        Holdfast__Launcher__Request *m;

        m = n > LAUNCHER_MESSAGE_MAX_BYTES ? NULL
                                           : holdfast__launcher__request__unpack(NULL, n, data);
        if (!m)
                return -EBADMSG;

        *ret = (LauncherRequest) {
                .serial = m->serial,
                .kind = LAUNCHER_REQUEST_UNKNOWN,
                .storage = m,
        };
        if (m->go) {
                ret->kind = LAUNCHER_REQUEST_GO;
                ret->cgroup = m->go->cgroup;
        } else if (m->kill) {
                ret->kind = LAUNCHER_REQUEST_KILL;
                ret->signal_number = m->kill->signal;
                ret->main_only = m->kill->main_only;
        } else if (m->status)
                ret->kind = LAUNCHER_REQUEST_STATUS;
        else if (m->release)
                ret->kind = LAUNCHER_REQUEST_RELEASE;
        else if (m->update) {
                ret->kind = LAUNCHER_REQUEST_UPDATE;
                ret->settings = m->update->cgroup;
                ret->n_settings = m->update->n_cgroup;
        }

        return 0;
}

void launcher_request_deinit(LauncherRequest *r) {
        if (r->storage)
                holdfast__launcher__request__free_unpacked(r->storage, NULL);
        *r = (LauncherRequest) {};
}

static const Holdfast__Launcher__State states[] = {
        [LAUNCHER_WAITING] = HOLDFAST__LAUNCHER__STATE__STATE_WAITING,
        [LAUNCHER_FETCHING] = HOLDFAST__LAUNCHER__STATE__STATE_FETCHING,
        [LAUNCHER_RUNNING] = HOLDFAST__LAUNCHER__STATE__STATE_RUNNING,
        [LAUNCHER_ENDING] = HOLDFAST__LAUNCHER__STATE__STATE_ENDING,
        [LAUNCHER_ENDED] = HOLDFAST__LAUNCHER__STATE__STATE_ENDED,
};

static void hello_to_message(const LauncherHello *h, Holdfast__Launcher__Event__Hello *ret) {
        holdfast__launcher__event__hello__init(ret);
        ret->version = h->version;
        ret->container_id = (char *) h->container_id;
        ret->boot_id = (char *) h->boot_id;
        ret->pid = h->pid;
        ret->start_time_ticks = h->start_time_ticks;
        ret->state = states[h->state];
        ret->has_main_pid = ret->has_main_start_time_ticks = h->main_pid > 0;
        ret->main_pid = h->main_pid;
        ret->main_start_time_ticks = h->main_start_time_ticks;
        ret->cgroup = (char *) h->cgroup;
        ret->address = (char *) h->address;
        ret->has_exit_recorded = h->exit != NULL;
        ret->exit_recorded = h->exit_recorded;
}

int launcher_event_encode(const LauncherEvent *e, void **ret, size_t *ret_n) {
        Holdfast__Launcher__Event m = HOLDFAST__LAUNCHER__EVENT__INIT;
        Holdfast__Launcher__Event__Hello hello;
        Holdfast__Launcher__Event__Started started = HOLDFAST__LAUNCHER__EVENT__STARTED__INIT;
        Holdfast__Launcher__Event__Ended ended = HOLDFAST__LAUNCHER__EVENT__ENDED__INIT;
        Holdfast__Launcher__Event__Reply reply = HOLDFAST__LAUNCHER__EVENT__REPLY__INIT;
        Holdfast__Launcher__ExitRecord record;

        switch (e->kind) {
        case LAUNCHER_EVENT_HELLO:
                hello_to_message(&e->hello, &hello);
                if (e->hello.exit) {
                        exit_record_to_message(e->hello.exit, &record);
                        hello.exit = &record;
                }
                m.hello = &hello;
                break;
        case LAUNCHER_EVENT_STARTED:
                started.pid = e->pid;
                started.start_time_ticks = e->start_time_ticks;
                m.started = &started;
                break;
        case LAUNCHER_EVENT_ENDED:
                exit_record_to_message(&e->exit, &record);
                ended.exit = &record;
                ended.has_recorded = ended.has_left_behind = true;
                ended.recorded = e->recorded;
                ended.left_behind = e->left_behind;
                m.ended = &ended;
                break;
        case LAUNCHER_EVENT_REPLY:
                reply.serial = e->serial;
                reply.has_error = e->error != 0;
                reply.error = e->error;
                m.reply = &reply;
                break;
        case LAUNCHER_EVENT_UNKNOWN:
                break;
        }

        return pack(&m.base, ret, ret_n);
}

static int decode_hello(const Holdfast__Launcher__Event__Hello *m, LauncherEvent *ret) {
        size_t state = 0;
        int r;

        /* A state of a later launcher cannot be acted on. */
        while (state < ELEMENTSOF(states) && states[state] != m->state)
                state++;
        if (state == ELEMENTSOF(states) || strlen(m->boot_id) != sizeof(ret->hello.boot_id) - 1 ||
            m->pid <= 0)
                return -EBADMSG;

        if (m->exit) {
                r = exit_record_from_message(m->exit, &ret->exit);
                if (r < 0)
                        return r;
        }

        ret->kind = LAUNCHER_EVENT_HELLO;
        ret->hello = (LauncherHello) {
                .version = m->version,
                .container_id = m->container_id,
                .pid = m->pid,
                .start_time_ticks = m->start_time_ticks,
                .state = (LauncherState) state,
                .main_pid = m->main_pid,
                .main_start_time_ticks = m->main_start_time_ticks,
                .cgroup = m->cgroup,
                .address = m->address,
                .exit = m->exit ? &ret->exit : NULL,
                .exit_recorded = m->exit_recorded,
        };
        strcpy(ret->hello.boot_id, m->boot_id);
        return 0;
}

static int decode_event(const Holdfast__Launcher__Event *m, LauncherEvent *ret) {
        if (m->hello)
                return decode_hello(m->hello, ret);

        if (m->started) {
                ret->kind = LAUNCHER_EVENT_STARTED;
                ret->pid = m->started->pid;
                ret->start_time_ticks = m->started->start_time_ticks;
        } else if (m->ended) {
                ret->kind = LAUNCHER_EVENT_ENDED;
                ret->recorded = m->ended->recorded;
                ret->left_behind = m->ended->left_behind;
                return exit_record_from_message(m->ended->exit, &ret->exit);
        } else if (m->reply) {
                ret->kind = LAUNCHER_EVENT_REPLY;
                ret->serial = m->reply->serial;
                ret->error = m->reply->error;
        }

        return 0;
}

/* What hello.exit points at is in *ret: it may not be moved. Returns 0, -EBADMSG, -ENOMEM. */
int launcher_event_decode(const void *data, size_t n, LauncherEvent *ret) {
        Holdfast__Launcher__Event *m;
        int r;

        m = n > LAUNCHER_MESSAGE_MAX_BYTES ? NULL
                                           : holdfast__launcher__event__unpack(NULL, n, data);
        if (!m)
                return -EBADMSG;

        *ret = (LauncherEvent) { .kind = LAUNCHER_EVENT_UNKNOWN, .storage = m };
        r = decode_event(m, ret);
        if (r < 0)
                launcher_event_deinit(ret);

        return r;
}

void launcher_event_deinit(LauncherEvent *e) {
        exit_record_deinit(&e->exit);
        if (e->storage)
                holdfast__launcher__event__free_unpacked(e->storage, NULL);
        *e = (LauncherEvent) { .kind = LAUNCHER_EVENT_UNKNOWN };
}
