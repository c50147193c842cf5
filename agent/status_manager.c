/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Status manager
 *
 * The thin shell around common/model/status_stream: it gives each task's stream its records, its
 * timer and its way out.
 *
 *     executor ──update──▶ stream + record ──commit──▶ recorded(): executor may forget it
 *                                              └─────▶ forward(): to the master, again after 10 s, 20 s, …
 *     scheduler ──ack──▶ record ──commit──▶ stream moves on, next update is forwarded
 *
 * An update enters its stream at once, so that repetitions are recognised, but is neither
 * acknowledged nor forwarded before its record is durable. When the disk refuses the record, the
 * update waits here and the write is tried again each second: the executor keeps it as well, nobody
 * downstream has seen it, and nothing is lost if we die meanwhile.
 *
 * Updates of frameworks that do not checkpoint take the same way without a record.
 */

#include <stdio.h>

#include <uthash.h>
#include <utlist.h>

#include "agent/status_manager.h"
#include "common/base/log.h"
#include "common/base/usec.h"
#include "common/model/status_stream.h"
#include "common/model/task_state.h"
#include "common/net/pbwire.h"

/* How soon a refused record is tried again: operators free space in minutes, not milliseconds. */
#define RECORD_RETRY_USEC USEC_PER_SEC

/* Stored updates were checked when they came; the limits only guard against a damaged file. */
#define STORED_LIMITS PB_LIMITS_DEFAULT

typedef struct TaskStream TaskStream;

/* An update whose record is not durable yet. */
typedef struct Recording {
        TaskStream *stream;          /* NULL once its framework was forgotten */
        StatusManager *manager;
        uint8_t uuid[16];
        bool refused;                /* its commit failed: to be tried again */
        bool reported;               /* the log says so; once is enough */
        uint8_t *bytes;              /* owned: the packed StatusUpdate */
        size_t n_bytes;
        int64_t record;              /* in the checkpoint, once that is durable */
        struct Recording *prev, *next;
} Recording;

/* Where a durable update lies in the checkpoint. */
typedef struct Record {
        uint8_t uuid[16];
        int64_t number;
} Record;

/* An acknowledgement on its way to the disk. */
typedef struct Acknowledgement {
        StatusManager *manager;
        char *framework_id, *task_id;    /* owned */
        uint8_t uuid[16];
        struct Acknowledgement *prev, *next;
} Acknowledgement;

static Acknowledgement *acknowledgement_free(Acknowledgement *a) {
        if (!a)
                return NULL;

        free(a->framework_id);
        free(a->task_id);
        free(a);
        return NULL;
}

DEFINE_CLEANUP(Acknowledgement *, acknowledgement_free)

struct TaskStream {
        char *key;                   /* owned; "<framework id> <task id>" */
        char *framework_id, *task_id;/* owned */
        StatusManager *manager;
        StatusStream *stream;        /* owned */
        Recording *recordings;       /* utlist, in order of arrival; each is freed by its commit callback */
        bool durable;
        Record *records;             /* owned; all there are of this task, in order of arrival */
        size_t n_records, n_allocated_records;
        sd_event_source *retry_source;
        usec_t forwarded_usec;       /* when something was forwarded last */
        UT_hash_handle hh;
};

struct StatusManager {
        sd_event *event;
        Store *store;
        Checkpoint *checkpoint;
        const StatusManagerOps *ops;
        void *userdata;
        TaskStream *streams;         /* uthash by key; owned */
        Acknowledgement *refused;    /* utlist; their commit failed, they are tried again; owned */
        sd_event_source *record_source;
        bool paused;
};

/* The blank cannot be in an id, so that no two pairs share a key. */
static char *make_key(const char *framework_id, const char *task_id) {
        char *key;

        return asprintf(&key, "%s\n%s", framework_id, task_id) < 0 ? NULL : key;
}

static TaskStream *find_stream(const StatusManager *m, const char *framework_id, const char *task_id) {
        _cleanup_free_ char *key = make_key(framework_id, task_id);
        TaskStream *s = NULL;

        if (key)
                HASH_FIND_STR(m->streams, key, s);
        return s;
}

static TaskStream *stream_free(TaskStream *s) {
        Recording *r, *tmp;

        if (!s)
                return NULL;

        /* Those on their way to the disk are freed by their commit, which finds out that nobody waits. */
        DL_FOREACH_SAFE (s->recordings, r, tmp) {
                r->stream = NULL;
                if (r->refused) {
                        free(r->bytes);
                        free(r);
                }
        }

        sd_event_source_disable_unref(s->retry_source);
        status_stream_free(s->stream);
        free(s->records);
        free(s->task_id);
        free(s->framework_id);
        free(s->key);
        free(s);
        return NULL;
}

DEFINE_CLEANUP(TaskStream *, stream_free)

static int stream_get(StatusManager *m, const char *framework_id, const char *task_id, bool durable, TaskStream **ret) {
        _cleanup_(stream_freep) TaskStream *s = NULL;

        *ret = find_stream(m, framework_id, task_id);
        if (*ret)
                return 0;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;

        s->manager = m;
        s->durable = durable;
        s->key = make_key(framework_id, task_id);
        s->framework_id = strdup(framework_id);
        s->task_id = strdup(task_id);
        s->stream = status_stream_new();
        if (!s->key || !s->framework_id || !s->task_id || !s->stream)
                return -ENOMEM;

        HASH_ADD_KEYPTR(hh, m->streams, s->key, strlen(s->key), s);
        *ret = TAKE_PTR(s);
        return 0;
}

static void stream_drop(TaskStream *s) {
        HASH_DEL(s->manager->streams, s);
        stream_free(s);
}

static int add_record(TaskStream *s, const uint8_t uuid[static 16], int64_t number) {
        if (s->n_records == s->n_allocated_records) {
                size_t n = MAX(s->n_allocated_records * 2, (size_t) 4);
                Record *p = reallocarray(s->records, n, sizeof(*p));

                if (!p)
                        return -ENOMEM;

                s->records = p;
                s->n_allocated_records = n;
        }

        memcpy(s->records[s->n_records].uuid, uuid, 16);
        s->records[s->n_records++].number = number;
        return 0;
}

/* From the end: what is acknowledged now came lately. */
static const Record *find_record(const TaskStream *s, const uint8_t uuid[static 16]) {
        for (size_t i = s->n_records; i > 0; i--)
                if (memcmp(s->records[i - 1].uuid, uuid, 16) == 0)
                        return &s->records[i - 1];

        return NULL;
}

static void forget_records(TaskStream *s) {
        for (size_t i = 0; i < s->n_records; i++)
                (void) checkpoint_forget_update(s->manager->checkpoint, s->records[i].number);
        s->n_records = 0;
}

static Recording *find_recording(const TaskStream *s, const uint8_t uuid[static 16]) {
        Recording *r;

        DL_FOREACH (s->recordings, r)
                if (memcmp(r->uuid, uuid, 16) == 0)
                        return r;

        return NULL;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata);

static void arm_retry(TaskStream *s) {
        usec_t due = status_stream_next_due(s->stream);
        int r;

        if (due == USEC_INFINITY || s->manager->paused) {
                (void) sd_event_source_set_enabled(s->retry_source, SD_EVENT_OFF);
                return;
        }

        if (!s->retry_source) {
                r = sd_event_add_time(s->manager->event, &s->retry_source, CLOCK_MONOTONIC, due, 100 * USEC_PER_MSEC,
                                      on_retry, s);
                if (r < 0)
                        log_error_errno(r, "Cannot arm the repetition of updates of task '%s': %m", s->task_id);
                return;
        }

        (void) sd_event_source_set_time(s->retry_source, due);
        (void) sd_event_source_set_enabled(s->retry_source, SD_EVENT_ONESHOT);
}

/* Sends the head if it is durable and due. */
static void forward_head(TaskStream *s) {
        StatusManager *m = s->manager;
        const StatusUpdate *head = status_stream_head(s->stream);
        _cleanup_(pb_freep) ProtobufCMessage *update = NULL;
        _cleanup_free_ char *message = NULL;
        usec_t now_usec = usec_now(CLOCK_MONOTONIC);

        /* Its commit comes back here. */
        if (head && find_recording(s, head->uuid)) {
                (void) sd_event_source_set_enabled(s->retry_source, SD_EVENT_OFF);
                return;
        }

        if (!head || m->paused || status_stream_next_due(s->stream) > now_usec) {
                arm_retry(s);
                return;
        }

        if (pb_unpack(&mesos__internal__status_update__descriptor, head->bytes, head->n_bytes, STORED_LIMITS, &update,
                      &message) != PB_OK) {
                log_error("Cannot read the recorded update of task '%s' again: %s", s->task_id, message ?: "out of memory");
                return;
        }

        status_stream_forwarded(s->stream, now_usec);
        s->forwarded_usec = now_usec;
        arm_retry(s);
        m->ops->forward((Mesos__Internal__StatusUpdate *) update, m->userdata);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        forward_head(userdata);
        return 0;
}

static Recording *recording_free(Recording *r) {
        if (!r)
                return NULL;

        free(r->bytes);
        free(r);
        return NULL;
}

DEFINE_CLEANUP(Recording *, recording_free)

static int on_record_retry(sd_event_source *source, uint64_t usec, void *userdata);

static void tell_recorded(StatusManager *m, const Recording *r) {
        _cleanup_(pb_freep) ProtobufCMessage *update = NULL;
        _cleanup_free_ char *message = NULL;

        if (pb_unpack(&mesos__internal__status_update__descriptor, r->bytes, r->n_bytes, STORED_LIMITS, &update,
                      &message) == PB_OK)
                m->ops->recorded((const Mesos__Internal__StatusUpdate *) update, m->userdata);
}

static void retry_soon(StatusManager *m) {
        (void) sd_event_source_set_time_relative(m->record_source, RECORD_RETRY_USEC);
        (void) sd_event_source_set_enabled(m->record_source, SD_EVENT_ONESHOT);
}

static void on_committed(int error, void *userdata) {
        _cleanup_(recording_freep) Recording *r = userdata;
        StatusManager *m = r->manager;
        TaskStream *s = r->stream;

        if (!s)
                return;

        if (error < 0) {
                if (!r->reported)
                        (void) log_error_errno(error, "Cannot record an update of task '%s', it waits until that works: %m",
                                               s->task_id);
                r->reported = true;
                retry_soon(m);
                r->refused = true;
                TAKE_PTR(r);
                return;
        }

        DL_DELETE(s->recordings, r);
        if (s->durable && add_record(s, r->uuid, r->record) < 0)
                (void) log_oom();
        tell_recorded(m, r);
        forward_head(s);
}

static int record(Recording *r) {
        TaskStream *s = r->stream;
        StatusManager *m = r->manager;

        /* A failure is the store's to remember: the commit fails, and on_committed() sees to it. */
        if (s->durable)
                (void) checkpoint_update(m->checkpoint, s->framework_id, s->task_id, r->uuid, r->bytes, r->n_bytes,
                                         &r->record);

        return store_after_commit(m->store, on_committed, r);
}

static void retry_acknowledgements(StatusManager *m) {
        Acknowledgement *refused = TAKE_PTR(m->refused), *a, *tmp;

        DL_FOREACH_SAFE (refused, a, tmp) {
                DL_DELETE(refused, a);
                (void) status_manager_acknowledge(m, a->framework_id, a->task_id, a->uuid);
                acknowledgement_free(a);
        }
}

static int on_record_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        StatusManager *m = userdata;

        (void) source;
        (void) usec;
        for (TaskStream *s = m->streams; s; s = s->hh.next) {
                Recording *r;

                DL_FOREACH (s->recordings, r)
                        if (r->refused) {
                                r->refused = false;
                                (void) record(r);
                        }
        }

        retry_acknowledgements(m);
        return 0;
}

int status_manager_new(sd_event *event, Store *store, Checkpoint *checkpoint, const StatusManagerOps *ops,
                       void *userdata, StatusManager **ret) {
        _cleanup_(status_manager_freep) StatusManager *m = NULL;
        int r;

        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;

        *m = (StatusManager) {
                .event = event,
                .store = store,
                .checkpoint = checkpoint,
                .ops = ops,
                .userdata = userdata,
                .paused = true,
        };

        r = sd_event_add_time(event, &m->record_source, CLOCK_MONOTONIC, USEC_INFINITY, 0, on_record_retry, m);
        if (r < 0)
                return r;
        (void) sd_event_source_set_enabled(m->record_source, SD_EVENT_OFF);
        (void) sd_event_source_set_description(m->record_source, "status-record-retry");

        *ret = TAKE_PTR(m);
        return 0;
}

StatusManager *status_manager_free(StatusManager *m) {
        Acknowledgement *a, *a_tmp;
        TaskStream *s, *tmp;

        if (!m)
                return NULL;

        HASH_ITER (hh, m->streams, s, tmp) {
                Recording *r, *r_tmp;

                DL_FOREACH_SAFE (s->recordings, r, r_tmp) {
                        DL_DELETE(s->recordings, r);
                        recording_free(r);
                }
                stream_drop(s);
        }

        DL_FOREACH_SAFE (m->refused, a, a_tmp) {
                DL_DELETE(m->refused, a);
                acknowledgement_free(a);
        }

        sd_event_source_disable_unref(m->record_source);
        free(m);
        return NULL;
}

static int recording_new(TaskStream *s, const Mesos__Internal__StatusUpdate *update, Recording **ret) {
        _cleanup_(recording_freep) Recording *r = NULL;

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;

        r->stream = s;
        r->manager = s->manager;
        memcpy(r->uuid, update->status->uuid.data, 16);
        r->n_bytes = protobuf_c_message_get_packed_size(&update->base);
        r->bytes = malloc(r->n_bytes);
        if (!r->bytes)
                return -ENOMEM;

        protobuf_c_message_pack(&update->base, r->bytes);
        *ret = TAKE_PTR(r);
        return 0;
}

static int outcome_of_repetition(const TaskStream *s, int r, const uint8_t uuid[static 16]) {
        switch (r) {
        case STATUS_STREAM_E_DUPLICATE:
                return find_recording(s, uuid) ? STATUS_MANAGER_E_PENDING : STATUS_MANAGER_E_KNOWN;
        case STATUS_STREAM_E_TERMINATED:
                return STATUS_MANAGER_E_TERMINATED;
        case STATUS_STREAM_E_FULL:
                return STATUS_MANAGER_E_FULL;
        default:
                return r;
        }
}

int status_manager_update(StatusManager *m, const Mesos__Internal__StatusUpdate *update, bool durable) {
        _cleanup_(recording_freep) Recording *recording = NULL;
        bool terminal = task_state_is_terminal(update->status->state);
        TaskStream *s;
        int r;

        assert(update->status->has_uuid && update->status->uuid.len == 16);

        r = stream_get(m, update->framework_id->value, update->status->task_id->value, durable, &s);
        if (r < 0)
                return r;

        r = recording_new(s, update, &recording);
        if (r < 0)
                return r;

        r = status_stream_update(s->stream, recording->uuid, terminal, recording->bytes, recording->n_bytes);
        if (r != STATUS_STREAM_OK)
                return outcome_of_repetition(s, r, recording->uuid);

        /* Records keep the order of arrival: behind one that the disk refused, the next ones wait too. */
        if (s->recordings && s->recordings->prev->refused)
                recording->refused = true;
        else {
                r = record(recording);
                if (r < 0)
                        return r;
        }

        DL_APPEND(s->recordings, recording);
        TAKE_PTR(recording);
        return STATUS_MANAGER_OK;
}

/* One for each update, however often it is repeated and acknowledged meanwhile. */
static void keep_refused(Acknowledgement *a) {
        StatusManager *m = a->manager;
        const Acknowledgement *other;

        DL_FOREACH (m->refused, other)
                if (memcmp(other->uuid, a->uuid, 16) == 0) {
                        acknowledgement_free(a);
                        return;
                }

        DL_APPEND(m->refused, a);
        retry_soon(m);
}

static void on_ack_committed(int error, void *userdata) {
        _cleanup_(acknowledgement_freep) Acknowledgement *a = userdata;
        StatusManager *m = a->manager;
        TaskStream *s;
        bool done;

        /* Not recorded, so it has not happened. It is tried again: the repetition of the update, which
         * would be acknowledged again, may be ten minutes away. */
        if (error < 0) {
                keep_refused(TAKE_PTR(a));
                return;
        }

        s = find_stream(m, a->framework_id, a->task_id);
        if (!s || status_stream_ack(s->stream, a->uuid) != STATUS_STREAM_OK)
                return;

        done = status_stream_is_done(s->stream);
        if (done) {
                forget_records(s);
                stream_drop(s);
        } else
                forward_head(s);

        m->ops->acknowledged(a->framework_id, a->task_id, done, m->userdata);
}

int status_manager_acknowledge(StatusManager *m, const char *framework_id, const char *task_id,
                               const uint8_t uuid[static 16]) {
        _cleanup_(acknowledgement_freep) Acknowledgement *a = NULL;
        TaskStream *s = find_stream(m, framework_id, task_id);
        const Record *record;
        int r;

        if (!s || status_stream_ack_check(s->stream, uuid) != STATUS_STREAM_OK) {
                log_debug("Ignoring an acknowledgement for task '%s' that fits no update in flight.", task_id);
                return 0;
        }

        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;

        a->manager = m;
        memcpy(a->uuid, uuid, 16);
        a->framework_id = strdup(framework_id);
        a->task_id = strdup(task_id);
        if (!a->framework_id || !a->task_id)
                return -ENOMEM;

        /* Record first: once the next update is out, this one must never be sent again. */
        record = s->durable ? find_record(s, uuid) : NULL;
        if (record)
                (void) checkpoint_ack(m->checkpoint, record->number);

        r = store_after_commit(m->store, on_ack_committed, a);
        if (r < 0)
                return r;

        TAKE_PTR(a);
        return 0;
}

int status_manager_replay(StatusManager *m, const StoredUpdate *stored) {
        _cleanup_(pb_freep) ProtobufCMessage *message = NULL;
        _cleanup_free_ char *why = NULL;
        Mesos__Internal__StatusUpdate *update;
        TaskStream *s;
        bool terminal;
        int r;

        r = pb_unpack(&mesos__internal__status_update__descriptor, stored->update, stored->n_update, STORED_LIMITS,
                      &message, &why);
        if (r < 0)
                return r;
        if (r != PB_OK) {
                log_error("The recorded update of task '%s' is damaged: %s", stored->task_id, why);
                return -EBADMSG;
        }

        update = (Mesos__Internal__StatusUpdate *) message;
        terminal = task_state_is_terminal(update->status->state);

        r = stream_get(m, stored->framework_id, stored->task_id, true, &s);
        if (r < 0)
                return r;

        r = add_record(s, stored->uuid, stored->record);
        if (r < 0)
                return r;

        if (stored->acknowledged)
                r = status_stream_replay_acked(s->stream, stored->uuid, terminal);
        else
                r = status_stream_update(s->stream, stored->uuid, terminal, stored->update, stored->n_update);
        return r < 0 ? r : 0;
}

void status_manager_pause(StatusManager *m) {
        m->paused = true;
        for (TaskStream *s = m->streams; s; s = s->hh.next)
                arm_retry(s);
}

static void resend(TaskStream *s) {
        status_stream_restart(s->stream);
        forward_head(s);
}

void status_manager_resume(StatusManager *m) {
        m->paused = false;
        for (TaskStream *s = m->streams; s; s = s->hh.next)
                resend(s);
}

void status_manager_resend_framework(StatusManager *m, const char *framework_id) {
        for (TaskStream *s = m->streams; s; s = s->hh.next)
                if (streq(s->framework_id, framework_id))
                        resend(s);
}

void status_manager_forget_framework(StatusManager *m, const char *framework_id) {
        TaskStream *s, *tmp;

        HASH_ITER (hh, m->streams, s, tmp)
                if (streq(s->framework_id, framework_id)) {
                        forget_records(s);
                        stream_drop(s);
                }
}

bool status_manager_knows(StatusManager *m, const char *framework_id, const char *task_id) {
        return find_stream(m, framework_id, task_id);
}

bool status_manager_is_next(const StatusManager *m, const char *framework_id, const char *task_id,
                            const uint8_t uuid[static 16]) {
        const TaskStream *s = find_stream(m, framework_id, task_id);
        const StatusUpdate *head = s ? status_stream_head(s->stream) : NULL;

        return head && memcmp(head->uuid, uuid, sizeof(head->uuid)) == 0;
}

bool status_manager_is_done(StatusManager *m, const char *framework_id, const char *task_id) {
        TaskStream *s = find_stream(m, framework_id, task_id);

        if (!s || !status_stream_is_done(s->stream))
                return false;

        forget_records(s);
        stream_drop(s);
        return true;
}

/* An update that was forwarded earlier than that has a framework that does not listen. */
bool status_manager_has_news(const StatusManager *m, usec_t since_usec) {
        for (const TaskStream *s = m->paused ? NULL : m->streams; s; s = s->hh.next) {
                const StatusUpdate *head = status_stream_head(s->stream);
                const Recording *r = head ? find_recording(s, head->uuid) : NULL;

                if (head && status_stream_is_terminated(s->stream) &&
                    (r ? !r->refused : s->forwarded_usec >= since_usec))
                        return true;
        }

        return false;
}
