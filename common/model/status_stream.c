/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Status update streams
 *
 * A framework learns of its task's states in order, each at least once, whatever crashes meanwhile.
 * The agent keeps one stream per task. Only the head of the queue is in flight; it is forwarded
 * again and again until exactly it is acknowledged, and then the next one is:
 *
 *     executor ──update──▶ [ u3 | u4 | u5 ] ──forward u3──▶ master ──▶ framework
 *                            ▲ head                                        │
 *                            └───────────────acknowledge u3────────────────┘
 *
 * This file is the pure part: no clock, no disk, no messages. The agent writes an update to its
 * store before it enters the stream and before anybody hears of it, and an acknowledgement before
 * the next update is forwarded; at a restart it replays both in order. The updates themselves are
 * bytes here, so that what is sent again is what was stored, bit by bit.
 *
 * Executors repeat what was not acknowledged to them, also what the framework has acknowledged long
 * ago, hence the memory of acknowledged uuids. It is a ring, since a healthy task may report its
 * health for years.
 */

#include <utlist.h>

#include "common/model/status_stream.h"

typedef struct Update {
        StatusUpdate public;   /* first, so that a StatusUpdate * is an Update * */
        struct Update *prev;
        struct Update *next;
        uint8_t bytes[];
} Update;

typedef struct Uuid {
        uint8_t bytes[16];
} Uuid;

struct StatusStream {
        Update *pending;           /* owned, oldest first */
        size_t n_pending;
        size_t n_pending_bytes;

        Uuid *pending_uuids;       /* the same once more, side by side: looked through for every update that comes */
        size_t pending_uuids_begin;
        size_t n_pending_uuids_allocated;

        Uuid *acked;               /* ring of the last STATUS_STREAM_MAX_ACKED, grown as needed */
        size_t n_acked;
        size_t n_acked_allocated;
        size_t next_acked;         /* where the next one goes once the ring is full */

        usec_t due_usec;           /* of the head; 0: at once */
        unsigned n_forwarded;      /* of the head, since it became the head or since the restart */
        bool terminated;
        bool done;
};

StatusStream *status_stream_new(void) {
        return calloc(1, sizeof(StatusStream));
}

static void drop_head(StatusStream *s) {
        Update *u = s->pending;

        DL_DELETE(s->pending, u);
        s->n_pending--;
        s->pending_uuids_begin++;
        s->n_pending_bytes -= u->public.n_bytes;
        free(u);
}

StatusStream *status_stream_free(StatusStream *s) {
        if (!s)
                return NULL;

        while (s->pending)
                drop_head(s);

        free(s->pending_uuids);
        free(s->acked);
        free(s);
        return NULL;
}

static bool uuid_eq(const uint8_t a[static 16], const uint8_t b[static 16]) {
        return memcmp(a, b, 16) == 0;
}

static bool was_acked(const StatusStream *s, const uint8_t uuid[static 16]) {
        for (size_t i = 0; i < s->n_acked; i++)
                if (uuid_eq(s->acked[i].bytes, uuid))
                        return true;

        return false;
}

static bool is_pending(const StatusStream *s, const uint8_t uuid[static 16]) {
        const Uuid *pending = s->pending_uuids + s->pending_uuids_begin;

        for (size_t i = 0; i < s->n_pending; i++)
                if (uuid_eq(pending[i].bytes, uuid))
                        return true;

        return false;
}

/* Makes room behind the last one: where the acknowledged ones were, or in a larger array. */
static int reserve_pending_uuid(StatusStream *s) {
        size_t n = s->n_pending_uuids_allocated;
        Uuid *uuids;

        if (s->pending_uuids_begin + s->n_pending < n)
                return 0;

        if (s->pending_uuids_begin > n / 2) {
                memmove(s->pending_uuids, s->pending_uuids + s->pending_uuids_begin,
                        s->n_pending * sizeof(*s->pending_uuids));
                s->pending_uuids_begin = 0;
                return 0;
        }

        n = n > 0 ? 2 * n : 4;
        uuids = realloc(s->pending_uuids, n * sizeof(*uuids));
        if (!uuids)
                return -ENOMEM;

        s->pending_uuids = uuids;
        s->n_pending_uuids_allocated = n;
        return 0;
}

static bool is_full(const StatusStream *s, bool terminal, size_t n_bytes) {
        if (terminal || !s->pending)
                return false;

        return s->n_pending >= STATUS_STREAM_MAX_PENDING ||
               n_bytes > STATUS_STREAM_MAX_PENDING_BYTES ||
               s->n_pending_bytes > STATUS_STREAM_MAX_PENDING_BYTES - n_bytes;
}

int status_stream_update_check(const StatusStream *s, const uint8_t uuid[static 16], bool terminal,
                               size_t n_bytes) {
        assert(s);

        if (was_acked(s, uuid) || is_pending(s, uuid))
                return STATUS_STREAM_E_DUPLICATE;
        if (s->terminated)
                return STATUS_STREAM_E_TERMINATED;
        if (is_full(s, terminal, n_bytes))
                return STATUS_STREAM_E_FULL;

        return STATUS_STREAM_OK;
}

/*
 * Takes a new update, with a copy of its bytes, behind those that wait. Returns 0, an outcome of
 * status_stream_update_check(), or -ENOMEM.
 */
int status_stream_update(StatusStream *s, const uint8_t uuid[static 16], bool terminal,
                         const void *bytes, size_t n_bytes) {
        Update *u;
        size_t n_allocated;
        int r;

        assert(s);
        assert(bytes || n_bytes == 0);

        r = status_stream_update_check(s, uuid, terminal, n_bytes);
        if (r != STATUS_STREAM_OK)
                return r;

        r = reserve_pending_uuid(s);
        if (r < 0)
                return r;

        if (__builtin_add_overflow(sizeof(*u), n_bytes, &n_allocated))
                return -ENOMEM;

        u = malloc(n_allocated);
        if (!u)
                return -ENOMEM;

        *u = (Update) { .public = { .terminal = terminal, .n_bytes = n_bytes, .bytes = u->bytes } };
        memcpy(u->public.uuid, uuid, sizeof(u->public.uuid));
        if (n_bytes > 0)
                memcpy(u->bytes, bytes, n_bytes);

        DL_APPEND(s->pending, u);
        memcpy(s->pending_uuids[s->pending_uuids_begin + s->n_pending].bytes, uuid, sizeof(Uuid));
        s->n_pending++;
        s->n_pending_bytes += n_bytes;
        s->terminated = terminal;
        return STATUS_STREAM_OK;
}

static int reserve_acked(StatusStream *s) {
        size_t n = s->n_acked_allocated;
        Uuid *acked;

        if (s->n_acked < n || n == STATUS_STREAM_MAX_ACKED)
                return 0;

        n = n > 0 ? 2 * n : 4;
        acked = realloc(s->acked, n * sizeof(*acked));
        if (!acked)
                return -ENOMEM;

        s->acked = acked;
        s->n_acked_allocated = n;
        return 0;
}

static void remember_acked(StatusStream *s, const uint8_t uuid[static 16]) {
        Uuid *slot;

        if (s->n_acked < STATUS_STREAM_MAX_ACKED)
                slot = &s->acked[s->n_acked++];
        else {
                slot = &s->acked[s->next_acked];
                s->next_acked = (s->next_acked + 1) % STATUS_STREAM_MAX_ACKED;
        }

        memcpy(slot->bytes, uuid, sizeof(slot->bytes));
}

/*
 * The head need not have been forwarded by us: after a restart the framework may acknowledge what
 * our predecessor sent.
 */
int status_stream_ack_check(const StatusStream *s, const uint8_t uuid[static 16]) {
        assert(s);

        if (was_acked(s, uuid))
                return STATUS_STREAM_E_DUPLICATE;
        if (!s->pending || !uuid_eq(s->pending->public.uuid, uuid))
                return STATUS_STREAM_E_UNEXPECTED;

        return STATUS_STREAM_OK;
}

/* The update in flight has arrived: forgets it, and the next one is due at once. */
int status_stream_ack(StatusStream *s, const uint8_t uuid[static 16]) {
        int r;

        assert(s);

        r = status_stream_ack_check(s, uuid);
        if (r != STATUS_STREAM_OK)
                return r;

        r = reserve_acked(s);
        if (r < 0)
                return r;

        remember_acked(s, uuid);
        s->done = s->pending->public.terminal;
        drop_head(s);
        status_stream_restart(s);
        return STATUS_STREAM_OK;
}

int status_stream_replay_acked(StatusStream *s, const uint8_t uuid[static 16], bool terminal) {
        int r;

        assert(s);

        if (was_acked(s, uuid) || is_pending(s, uuid))
                return STATUS_STREAM_E_DUPLICATE;
        if (s->terminated)
                return STATUS_STREAM_E_TERMINATED;

        r = reserve_acked(s);
        if (r < 0)
                return r;

        remember_acked(s, uuid);
        s->terminated = s->done = terminal;
        return STATUS_STREAM_OK;
}

const StatusUpdate *status_stream_head(const StatusStream *s) {
        assert(s);

        return s->pending ? &s->pending->public : NULL;
}

const StatusUpdate *status_stream_tail(const StatusStream *s) {
        assert(s);

        /* utlist keeps the last element in the first one's prev. */
        return s->pending ? &s->pending->prev->public : NULL;
}

const StatusUpdate *status_stream_next(const StatusUpdate *u) {
        const Update *next;

        assert(u);

        next = CONTAINER_OF(u, const Update, public)->next;
        return next ? &next->public : NULL;
}

usec_t status_stream_next_due(const StatusStream *s) {
        assert(s);

        return s->pending ? s->due_usec : USEC_INFINITY;
}

void status_stream_forwarded(StatusStream *s, usec_t now_usec) {
        assert(s);
        assert(s->pending);

        s->due_usec = usec_add(now_usec,
                               usec_backoff(STATUS_STREAM_RETRY_MIN_USEC,
                                            STATUS_STREAM_RETRY_MAX_USEC, s->n_forwarded));
        s->n_forwarded++;
}

void status_stream_restart(StatusStream *s) {
        assert(s);

        s->due_usec = 0;
        s->n_forwarded = 0;
}

size_t status_stream_n_pending(const StatusStream *s) {
        assert(s);

        return s->n_pending;
}

bool status_stream_is_terminated(const StatusStream *s) {
        assert(s);

        return s->terminated;
}

bool status_stream_is_done(const StatusStream *s) {
        assert(s);

        return s->done;
}
