/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Operations
 *
 *     ApplyOperation ─▶ judged ─▶ change of the agent's resources ─commit─▶ FINISHED ─▶ master, again
 *                         └─────────────────────────────commit─▶ DROPPED ─▶ after 10 s, 20 s, …
 *     acknowledgement ─commit─▶ forgotten
 *
 * The master has applied the operation to its own view already: it may offer the outcome before we
 * have heard of it. So one that we cannot carry out means that our views differ. It is dropped with
 * the reason, what was built on it is refused by a new resource version, and we register again, with
 * what we have. The same when a change fails later.
 *
 * An operation is stored from the moment it is staged, or else done, until its last status is
 * acknowledged; of one that was lost with a crash before, the master asks, and hears "dropped".
 */

#include <uthash.h>

#include "agent/agent_resources.h"
#include "agent/checkpoint.h"
#include "agent/drain.h"
#include "agent/master_link.h"
#include "agent/operations.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/model/status_stream.h"
#include "common/net/pbwire.h"

/* A master waits for acknowledgements long before. All of them are told in one message, each time we register. */
#define N_OPERATIONS_MAX 4096
#define OPERATIONS_MAX_BYTES ((size_t) 16 << 20)

typedef struct Operation {
        Operations *owner;
        uint8_t uuid[16];
        Mesos__V1__Operation *pb;       /* owned; as it is known to be */
        size_t n_bytes;                 /* packed, about: its outcome says some of it again */
        Mesos__V1__Operation *outcome;  /* owned; what it becomes once that is durable; NULL: nothing on the way */
        StatusStream *stream;           /* owned; its last status, once that is durable */
        sd_event_source *retry_source;
        UT_hash_handle hh;
} Operation;

struct Operations {
        Agent *agent;                   /* borrowed */
        Operation *operations;          /* uthash by uuid, in order of arrival; owned */
        size_t n_bytes;                 /* of all of them */
};

/* An operation whose record, or the end of it, is on the way to the disk. */
typedef struct Recording {
        Operations *owner;
        uint8_t uuid[16];
} Recording;

static Operation *operation_free(Operation *op) {
        if (!op)
                return NULL;

        sd_event_source_disable_unref(op->retry_source);
        status_stream_free(op->stream);
        if (op->pb)
                pb_free(&op->pb->base);
        if (op->outcome)
                pb_free(&op->outcome->base);
        free(op);
        return NULL;
}

DEFINE_CLEANUP(Operation *, operation_free)

static Operation *find(const Operations *o, const uint8_t uuid[static 16]) {
        Operation *op;

        HASH_FIND(hh, o->operations, uuid, 16, op);
        return op;
}

static void add(Operation *op) {
        Operations *o = op->owner;

        op->n_bytes = 2 * protobuf_c_message_get_packed_size(&op->pb->base);
        o->n_bytes += op->n_bytes;
        HASH_ADD_KEYPTR(hh, o->operations, op->uuid, sizeof(op->uuid), op);
}

static void forget(Operation *op) {
        op->owner->n_bytes -= op->n_bytes;
        HASH_DEL(op->owner->operations, op);
        operation_free(op);
}

static bool is_terminal(const Operation *op) {
        return op->pb->latest_status->state != MESOS__V1__OPERATION_STATE__OPERATION_PENDING;
}

int operations_new(Agent *a, Operations **ret) {
        Operations *o = calloc(1, sizeof(*o));

        if (!o)
                return -ENOMEM;

        o->agent = a;
        *ret = o;
        return 0;
}

Operations *operations_free(Operations *o) {
        Operation *op, *tmp;

        if (!o)
                return NULL;

        HASH_ITER (hh, o->operations, op, tmp)
                forget(op);
        free(o);
        return NULL;
}

/* Sending */

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata);

static void arm_retry(Operation *op) {
        sd_event *event = op->owner->agent->event;
        usec_t due_usec = status_stream_next_due(op->stream);
        int r = 0;

        if (op->retry_source)
                r = sd_event_source_set_time(op->retry_source, due_usec);
        else
                r = sd_event_add_time(event, &op->retry_source, CLOCK_MONOTONIC, due_usec, 0, on_retry, op);
        if (r >= 0)
                r = sd_event_source_set_enabled(op->retry_source, SD_EVENT_ONESHOT);
        if (r < 0)
                (void) log_warning_errno(r, "Cannot repeat the status of an operation: %m");
}

static void forward(Operation *op) {
        Mesos__Internal__UpdateOperationStatusMessage m = MESOS__INTERNAL__UPDATE_OPERATION_STATUS_MESSAGE__INIT;
        Agent *a = op->owner->agent;

        if (!op->stream || !status_stream_head(op->stream) || !master_link_is_registered(a->master))
                return;

        m.framework_id = op->pb->framework_id;
        m.slave_id = a->info->id;
        m.status = op->pb->latest_status;
        m.latest_status = op->pb->latest_status;
        m.operation_uuid = op->pb->uuid;
        CRASH_POINT("operation-forward");
        master_link_send(a->master, "mesos.internal.UpdateOperationStatusMessage", &m.base);

        status_stream_forwarded(op->stream, usec_now(CLOCK_MONOTONIC));
        arm_retry(op);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        forward(userdata);
        return 0;
}

void operations_resume(Operations *o) {
        for (Operation *op = o->operations; op; op = op->hh.next)
                if (op->stream) {
                        status_stream_restart(op->stream);
                        forward(op);
                }
}

/* Its last status is durable. */
static int open_stream(Operation *op) {
        _cleanup_(status_stream_freep) StatusStream *s = status_stream_new();
        int r;

        if (!s)
                return -ENOMEM;

        r = status_stream_update(s, op->pb->latest_status->uuid->value.data, true, NULL, 0);
        if (r < 0)
                return r;

        op->stream = TAKE_PTR(s);
        return 0;
}

static void tell(Operation *op) {
        pb_free(&op->pb->base);
        op->pb = TAKE_PTR(op->outcome);
        if (open_stream(op) < 0)
                (void) log_oom();
        else
                forward(op);
}

/* Making */

static int operation_new(Operations *o, const Mesos__Internal__ApplyOperationMessage *m, Operation **ret) {
        Mesos__V1__OperationStatus status = MESOS__V1__OPERATION_STATUS__INIT;
        Mesos__V1__Operation pb = MESOS__V1__OPERATION__INIT;
        _cleanup_(operation_freep) Operation *op = calloc(1, sizeof(*op));

        if (!op)
                return -ENOMEM;

        status.operation_id = m->operation_info->id;
        status.state = MESOS__V1__OPERATION_STATE__OPERATION_PENDING;
        status.agent_id = o->agent->info->id;
        pb.framework_id = m->framework_id;
        pb.agent_id = o->agent->info->id;
        pb.info = m->operation_info;
        pb.latest_status = &status;
        pb.uuid = m->operation_uuid;

        op->owner = o;
        memcpy(op->uuid, m->operation_uuid->value.data, sizeof(op->uuid));
        op->pb = (Mesos__V1__Operation *) pb_copy(&pb.base);
        if (!op->pb)
                return -ENOMEM;

        *ret = TAKE_PTR(op);
        return 0;
}

/* What became of it, with a uuid to be acknowledged by. */
static int conclude(Operation *op, const char *error) {
        Mesos__V1__OperationStatus status = *op->pb->latest_status, *list[] = { &status };
        Mesos__V1__UUID uuid = MESOS__V1__UUID__INIT;
        Mesos__V1__Operation pb = *op->pb;
        ProtobufCMessage *copy;
        uint8_t bytes[16];
        int r;

        r = uuid_new(bytes);
        if (r < 0)
                return r;

        uuid.value = (ProtobufCBinaryData) { sizeof(bytes), bytes };
        status.uuid = &uuid;
        status.message = (char *) error;
        status.state = error ? MESOS__V1__OPERATION_STATE__OPERATION_DROPPED
                             : MESOS__V1__OPERATION_STATE__OPERATION_FINISHED;
        pb.latest_status = &status;
        pb.n_statuses = 1;
        pb.statuses = list;

        copy = pb_copy(&pb.base);
        if (!copy)
                return -ENOMEM;

        op->outcome = (Mesos__V1__Operation *) copy;
        return 0;
}

static const char *type_name(const Mesos__V1__Operation *pb) {
        const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(
                        &mesos__v1__offer__operation__type__descriptor, (int) pb->info->type);

        return v ? v->name : "UNKNOWN";
}

/* The master believes what is not so: what it does next shall not be built on that. */
static void correct_master(Agent *a) {
        (void) uuid_new(a->resource_version_uuid);
        master_link_resync(a->master, "an operation could not be carried out");
}

static void on_dropped_durable(int error, void *userdata) {
        _cleanup_free_ Recording *r = userdata;
        Operation *op = find(r->owner, r->uuid);

        if (!op)
                return;

        /* Then the master asks for it when we have registered again, and hears the same. */
        if (error < 0)
                forget(op);
        else
                tell(op);
}

static int after_commit(const Operation *op, StoreCommitted callback) {
        Recording *r = malloc(sizeof(*r));
        int k;

        if (!r)
                return -ENOMEM;

        r->owner = op->owner;
        memcpy(r->uuid, op->uuid, sizeof(r->uuid));
        k = store_after_commit(op->owner->agent->store, callback, r);
        if (k < 0)
                free(r);
        return k;
}

static void drop(Operation *op, const char *why) {
        Agent *a = op->owner->agent;

        log_warning("Dropping the operation %s: %s", type_name(op->pb), why);
        if (conclude(op, why) < 0) {
                forget(op);
                return;
        }

        (void) checkpoint_operation(a->checkpoint, op->outcome);
        if (after_commit(op, on_dropped_durable) < 0)
                forget(op);
        correct_master(a);
}

/* Carrying out */

static void stage_operation(void *userdata) {
        Operation *op = userdata;

        (void) checkpoint_operation(op->owner->agent->checkpoint, op->pb);
}

static void commit_operation(const char *error, void *userdata) {
        Operation *op = userdata;
        Agent *a = op->owner->agent;

        if (op->outcome || conclude(op, error) == 0)
                (void) checkpoint_operation(a->checkpoint, op->outcome);
        else
                (void) store_fail(a->store, -ENOMEM);
}

static void operation_done(const char *error, void *userdata) {
        Operation *op = userdata;
        Agent *a = op->owner->agent;

        CRASH_POINT("operation-done");
        log_info("Operation %s is %s.", type_name(op->pb), error ? "dropped" : "finished");
        tell(op);
        if (error)
                correct_master(a);
}

static const ResourceChangeOps operation_change = {
        .stage = stage_operation,
        .commit = commit_operation,
        .done = operation_done,
};

static void commit_nothing(const char *error, void *userdata) {
        (void) error;
        (void) userdata;
}

static void checkpoint_done(const char *error, void *userdata) {
        if (error)
                correct_master(userdata);
}

static const ResourceChangeOps checkpoint_change = { .commit = commit_nothing, .done = checkpoint_done };

static bool is_volume(const ResourceView *v, void *userdata) {
        (void) userdata;
        return v->persistent_volume;
}

/* Whether an executor here has one of the volumes. The master should know, but it is somebody's data. */
static int volumes_are_used(const Agent *a, const Resources *volumes, bool *ret) {
        *ret = false;
        for (const Framework *f = a->frameworks; f; f = f->hh.next)
                for (const Executor *e = f->executors; e; e = e->hh.next) {
                        _cleanup_(resources_freep) Resources *used = executor_used_resources(e), *mounted = NULL,
                                                             *rest = NULL;
                        int r;

                        if (!used || resources_unallocate(used) < 0)
                                return -ENOMEM;

                        mounted = resources_filter(used, is_volume, NULL);
                        rest = mounted ? resources_copy(mounted) : NULL;
                        if (!rest)
                                return -ENOMEM;

                        r = resources_subtract(rest, volumes);
                        if (r < 0)
                                return r;
                        *ret = *ret || !resources_equal(rest, mounted);
                }

        return 0;
}

/* CONVERSION_OK with what there will be. */
static int judge(const Operations *o, const Mesos__V1__Offer__Operation *info, Resources **ret, char **reterr_message) {
        _cleanup_(resources_freep) Resources *total = resources_copy(agent_resources_total(o->agent->resources));
        _cleanup_(conversion_deinit) Conversion c = {};
        bool used = false;
        int r;

        if (!total)
                return -ENOMEM;

        r = conversion_of_operation(info, &c, reterr_message);
        if (r == CONVERSION_OK)
                r = conversion_unallocate(&c);
        if (r == CONVERSION_OK)
                r = conversion_apply(&c, total, reterr_message);
        if (r == CONVERSION_OK && info->type == MESOS__V1__OFFER__OPERATION__TYPE__DESTROY)
                r = volumes_are_used(o->agent, c.consumed, &used);
        if (r != CONVERSION_OK)
                return r;

        if (used) {
                *reterr_message = strdup("A task here uses the persistent volume");
                return CONVERSION_E_INVALID;
        }

        *ret = TAKE_PTR(total);
        return CONVERSION_OK;
}

static bool has_our_version(const Agent *a, const Mesos__Internal__ApplyOperationMessage *m) {
        const ProtobufCBinaryData *uuid = &m->resource_version_uuid->uuid->value;

        return uuid->len == 16 && memcmp(uuid->data, a->resource_version_uuid, 16) == 0;
}

static void carry_out(Operation *op, bool current) {
        _cleanup_(resources_freep) Resources *total = NULL;
        _cleanup_free_ char *why = NULL;
        int r;

        if (!current) {
                drop(op, "The operation is for resources of an older version");
                return;
        }

        r = judge(op->owner, op->pb->info, &total, &why);
        if (r == CONVERSION_OK)
                r = agent_resources_change(op->owner->agent->resources, total, &operation_change, op);
        if (r == CONVERSION_OK)
                TAKE_PTR(total);
        else
                drop(op, why ?: "The agent is out of memory");
}

static void tell_dropped(const Operations *o, const Mesos__V1__UUID *uuid, const char *message) {
        Mesos__Internal__UpdateOperationStatusMessage m = MESOS__INTERNAL__UPDATE_OPERATION_STATUS_MESSAGE__INIT;
        Mesos__V1__OperationStatus status = MESOS__V1__OPERATION_STATUS__INIT;

        status.state = MESOS__V1__OPERATION_STATE__OPERATION_DROPPED;
        status.agent_id = o->agent->info->id;
        status.message = (char *) message;
        m.slave_id = o->agent->info->id;
        m.status = &status;
        m.operation_uuid = (Mesos__V1__UUID *) uuid;
        master_link_send(o->agent->master, "mesos.internal.UpdateOperationStatusMessage", &m.base);
}

static bool has_room(const Operations *o, const Mesos__Internal__ApplyOperationMessage *m) {
        size_t n = protobuf_c_message_get_packed_size(&m->base);

        return HASH_COUNT(o->operations) < N_OPERATIONS_MAX && n <= OPERATIONS_MAX_BYTES &&
               o->n_bytes <= OPERATIONS_MAX_BYTES - n;
}

void operations_apply(Operations *o, const Mesos__Internal__ApplyOperationMessage *m) {
        Operation *op;

        if (m->operation_uuid->value.len != 16 || find(o, m->operation_uuid->value.data)) {
                log_info("Ignoring an operation that is here already, or has no valid uuid.");
                return;
        }

        if (!has_room(o, m) || operation_new(o, m, &op) < 0) {
                log_warning("Dropping an operation: too many are not acknowledged.");
                tell_dropped(o, m->operation_uuid, "Too many operations of this agent are not acknowledged");
                correct_master(o->agent);
                return;
        }

        add(op);
        carry_out(op, has_our_version(o->agent, m));
}

static int take_checkpoint(Agent *a, const Mesos__Internal__CheckpointResourcesMessage *m, char **reterr_message) {
        _cleanup_(resources_freep) Resources *kept = NULL, *total = NULL;
        int r;

        r = resources_from_pb(m->resources, m->n_resources, &kept, reterr_message);
        if (r == RESOURCES_OK)
                r = resources_validate_use(m->resources, m->n_resources, reterr_message);
        if (r == RESOURCES_OK)
                r = resources_unallocate(kept);
        if (r == RESOURCES_OK)
                r = resources_from_checkpoint(a->config->resources, kept, &total, reterr_message);
        if (r != RESOURCES_OK)
                return r;

        r = agent_resources_change(a->resources, total, &checkpoint_change, a);
        if (r == 0)
                TAKE_PTR(total);
        return r;
}

void operations_checkpoint(Operations *o, const Mesos__Internal__CheckpointResourcesMessage *m) {
        _cleanup_free_ char *why = NULL;

        if (take_checkpoint(o->agent, m, &why) == 0)
                return;

        log_error("Cannot take the resources that the master wants checkpointed: %s", why ?: "out of memory");
        correct_master(o->agent);
}

/* Until it is acknowledged */

static void on_forgotten(int error, void *userdata) {
        _cleanup_free_ Recording *r = userdata;
        Operation *op = find(r->owner, r->uuid);
        Agent *a = r->owner->agent;

        /* Not recorded, so it has not happened: the status is sent again, and acknowledged again. */
        if (error < 0 || !op)
                return;

        CRASH_POINT("operation-forgotten");
        forget(op);
        drain_check(a->drain);
}

void operations_acknowledge(Operations *o, const Mesos__Internal__AcknowledgeOperationStatusMessage *m) {
        Operation *op;

        if (m->operation_uuid->value.len != 16 || m->status_uuid->value.len != 16)
                return;

        op = find(o, m->operation_uuid->value.data);
        if (!op || !op->stream || status_stream_ack_check(op->stream, m->status_uuid->value.data) != STATUS_STREAM_OK) {
                log_debug("Ignoring an acknowledgement that fits no operation.");
                return;
        }

        (void) checkpoint_forget_operation(o->agent->checkpoint, op->uuid);
        (void) after_commit(op, on_forgotten);
}

void operations_reconcile(Operations *o, const Mesos__Internal__ReconcileOperationsMessage *m) {
        for (size_t i = 0; i < m->n_operations; i++) {
                const Mesos__V1__UUID *uuid = m->operations[i]->operation_uuid;

                if (uuid && uuid->value.len == 16 && !m->operations[i]->resource_provider_id &&
                    !find(o, uuid->value.data))
                        tell_dropped(o, uuid, "Reconciliation: operation unknown to the agent");
        }
}

int operations_list(const Operations *o, Mesos__V1__Operation ***ret, size_t *ret_n) {
        Mesos__V1__Operation **list = calloc(HASH_COUNT(o->operations) + 1, sizeof(*list));
        size_t n = 0;

        if (!list)
                return -ENOMEM;

        for (const Operation *op = o->operations; op; op = op->hh.next)
                list[n++] = op->pb;

        *ret = list;
        *ret_n = n;
        return 0;
}

bool operations_are_done(const Operations *o) {
        return !o->operations;
}

/* Recovery */

static int load(const void *bytes, size_t n, void *userdata) {
        Operations *o = userdata;
        _cleanup_(operation_freep) Operation *op = calloc(1, sizeof(*op));
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        _cleanup_free_ char *why = NULL;
        int r;

        if (!op)
                return -ENOMEM;

        r = pb_unpack(&mesos__v1__operation__descriptor, bytes, n, PB_LIMITS_DEFAULT, &m, &why);
        if (r != PB_OK)
                return r < 0 ? r : -EBADMSG;

        op->owner = o;
        op->pb = (Mesos__V1__Operation *) TAKE_PTR(m);
        if (op->pb->uuid->value.len != 16 ||
            (is_terminal(op) && (!op->pb->latest_status->uuid || op->pb->latest_status->uuid->value.len != 16)))
                return -EBADMSG;

        memcpy(op->uuid, op->pb->uuid->value.data, sizeof(op->uuid));
        r = is_terminal(op) ? open_stream(op) : 0;
        if (r < 0)
                return r;

        add(TAKE_PTR(op));
        return 0;
}

/* The one that was staged; there is at most one. */
static Operation *find_pending(const Operations *o) {
        for (Operation *op = o->operations; op; op = op->hh.next)
                if (!is_terminal(op))
                        return op;

        return NULL;
}

int operations_recover(Operations *o) {
        Agent *a = o->agent;
        Operation *pending;
        int r;

        r = checkpoint_foreach_operation(a->checkpoint, load, o);
        if (r < 0)
                return r;

        pending = find_pending(o);
        if (agent_resources_was_cut_off(a->resources))
                return pending ? agent_resources_resume(a->resources, &operation_change, pending)
                               : agent_resources_resume(a->resources, &checkpoint_change, a);

        return pending ? -EBADMSG : 0;
}
