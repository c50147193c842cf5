/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Inspection
 *
 * Shows what <work_dir>/meta/agent.db knows, as text or as one JSON object:
 *
 *     file, schema, agent_id, agent_info, boot_id
 *     resources[], staged_resources[]    reservations and volumes; being made; null where there are none
 *     drain_config   null while the agent is not drained
 *     frameworks[]   id, name, pid, info
 *     executors[]    framework_id, id, container_id, directory, user, generated, subscribed,
 *                    launcher_pid, launcher_start, cgroup, unit, invocation_id, info
 *     tasks[]        framework_id, executor_id, id, info
 *     updates[]      framework_id, task_id, uuid, state, acknowledged, update; in order of arrival
 *     operations[]   uuid, framework_id, type, state, operation
 *     completed_frameworks[]   id, name, pid, info; what is over, oldest first
 *     completed_executors[]    framework_id, id, container_id, directory, user, generated, wait_status, info
 *     completed_tasks[]        framework_id, container_id, id, state, task
 *     errors[]       what could not be read
 *
 * It is for the moment when something is wrong, so it makes do with what there is: a section that
 * breaks off is named, and the next one follows.
 */

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/checkpoint.h"
#include "agent/history_store.h"
#include "agent/inspect.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/model/resources.h"
#include "common/model/task_state.h"
#include "common/net/json_writer.h"
#include "common/net/pbjson.h"
#include "proto/internal.pb-c.h"

/* One row; no stored message is larger by far. */
#define ROW_MAX_BYTES ((size_t) 256 << 20)

#define N_ERRORS_MAX 64

typedef struct Inspection {
        char *path; /* owned; the database */
        Store *store;
        Checkpoint *checkpoint;
        HistoryStore *history;
        unsigned version;
        bool json;
        JsonWriter writer;
        Buffer buffer;              /* of the writer; goes out after each row */
        char *errors[N_ERRORS_MAX]; /* owned */
        size_t n_errors;
        char boot_id[37]; /* of now */
} Inspection;

static void inspection_deinit(Inspection *in) {
        for (size_t i = 0; i < in->n_errors; i++)
                free(in->errors[i]);
        history_store_free(in->history);
        checkpoint_free(in->checkpoint);
        store_free(in->store);
        buffer_deinit(&in->buffer);
        free(in->path);
}

/* Names are strangers' and must not drive the reader's terminal. */
static void clean(char *text) {
        for (char *p = text; *p; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        *p = '?';
}

static _printf_(2, 3) void complain(Inspection *in, const char *format, ...) {
        char *text;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0)
                return;

        clean(text);
        log_error("%s: %s", in->path, text);
        if (in->n_errors < N_ERRORS_MAX)
                in->errors[in->n_errors++] = text;
        else
                free(text);
}

/* A line of the text form. */
static _printf_(2, 3) void say(const Inspection *in, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;

        if (in->json)
                return;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                text = NULL;
        va_end(ap);
        if (!text)
                return;

        clean(text);
        puts(text);
}

static void flush(Inspection *in) {
        if (buffer_size(&in->buffer) > 0)
                (void) fwrite(buffer_data(&in->buffer), 1, buffer_size(&in->buffer), stdout);
        buffer_clear(&in->buffer);
}

/* NULL, with a complaint, when it is damaged. */
static ProtobufCMessage *unpack(Inspection *in, const char *what, const char *id,
                                const ProtobufCMessageDescriptor *descriptor, const void *data,
                                size_t n) {
        _cleanup_free_ char *why = NULL;
        ProtobufCMessage *m = NULL;

        if (pb_unpack(descriptor, data, n, PB_LIMITS_DEFAULT, &m, &why) == PB_OK)
                return m;

        complain(in, "the %s '%s' is damaged: %s", what, id ?: "?", why ?: "out of memory");
        return NULL;
}

static void put_info(Inspection *in, const char *key, const ProtobufCMessage *info) {
        if (info)
                json_put_message(&in->writer, key, info);
        else
                json_put_null(&in->writer, key);
}

static int show_framework(const char *pid, const void *info, size_t n, void *userdata) {
        Inspection *in = userdata;
        JsonWriter *w = &in->writer;
        _cleanup_(pb_freep) ProtobufCMessage *m = unpack(
                        in, "framework", pid, &mesos__v1__framework_info__descriptor, info, n);
        const Mesos__V1__FrameworkInfo *f = (const Mesos__V1__FrameworkInfo *) m;
        const char *id = f && f->id ? f->id->value : "?";

        say(in, "  %s  '%s', %s", id, f ? f->name : "?", pid ?: "?");
        if (!in->json)
                return 0;

        json_object_begin(w, NULL);
        json_put_string(w, "id", f && f->id ? id : NULL);
        json_put_string(w, "name", f ? f->name : NULL);
        json_put_string(w, "pid", pid);
        put_info(in, "info", m);
        json_object_end(w);
        flush(in);
        return 0;
}

static void say_executor(const Inspection *in, const StoredExecutor *e) {
        const ContainerIdentity *i = &e->identity;

        say(in, "  %s  of framework %s%s%s", e->id, e->framework_id,
            e->generated ? ", made for a command task" : "",
            e->subscribed ? "" : ", has never subscribed");
        say(in, "      container  %s", e->container_id);
        say(in, "      sandbox    %s%s%s", e->directory, e->user ? ", of " : "", e->user ?: "");
        if (i->launcher_pid > 0)
                say(in, "      launcher   process %d, started at tick %llu", (int) i->launcher_pid,
                    (unsigned long long) i->launcher_start);
        else
                say(in, "      launcher   was never told to go");
        if (i->cgroup)
                say(in, "      cgroup     %s", i->cgroup);
        if (i->unit)
                say(in, "      unit       %s, invocation %s", i->unit, i->invocation_id ?: "?");
}

static int show_executor(const StoredExecutor *e, void *userdata) {
        Inspection *in = userdata;
        JsonWriter *w = &in->writer;
        _cleanup_(pb_freep) ProtobufCMessage *m =
                        unpack(in, "executor", e->id, &mesos__v1__executor_info__descriptor,
                               e->info, e->n_info);

        say_executor(in, e);
        if (!in->json)
                return 0;

        json_object_begin(w, NULL);
        json_put_string(w, "framework_id", e->framework_id);
        json_put_string(w, "id", e->id);
        json_put_string(w, "container_id", e->container_id);
        json_put_string(w, "directory", e->directory);
        json_put_string(w, "user", e->user);
        json_put_bool(w, "generated", e->generated);
        json_put_bool(w, "subscribed", e->subscribed);
        json_put_int(w, "launcher_pid", e->identity.launcher_pid);
        json_put_uint(w, "launcher_start", e->identity.launcher_start);
        json_put_string(w, "cgroup", e->identity.cgroup);
        json_put_string(w, "unit", e->identity.unit);
        json_put_string(w, "invocation_id", e->identity.invocation_id);
        put_info(in, "info", m);
        json_object_end(w);
        flush(in);
        return 0;
}

static int show_task(const StoredTask *t, void *userdata) {
        Inspection *in = userdata;
        JsonWriter *w = &in->writer;
        _cleanup_(pb_freep) ProtobufCMessage *m = unpack(
                        in, "task", t->id, &mesos__v1__task_info__descriptor, t->info, t->n_info);

        say(in, "  %s  of executor %s, framework %s", t->id, t->executor_id, t->framework_id);
        if (!in->json)
                return 0;

        json_object_begin(w, NULL);
        json_put_string(w, "framework_id", t->framework_id);
        json_put_string(w, "executor_id", t->executor_id);
        json_put_string(w, "id", t->id);
        put_info(in, "info", m);
        json_object_end(w);
        flush(in);
        return 0;
}

static int show_update(const StoredUpdate *u, void *userdata) {
        Inspection *in = userdata;
        JsonWriter *w = &in->writer;
        _cleanup_(pb_freep) ProtobufCMessage *m =
                        unpack(in, "update of task", u->task_id,
                               &mesos__internal__status_update__descriptor, u->update, u->n_update);
        const Mesos__Internal__StatusUpdate *update = (const Mesos__Internal__StatusUpdate *) m;
        const char *state = update ? task_state_name(update->status->state) : NULL;
        char uuid[37];

        uuid_to_text(u->uuid, uuid);
        say(in, "  %s  %s  %s, framework %s, %s", uuid, state ?: "?", u->task_id, u->framework_id,
            u->acknowledged ? "acknowledged" : "not acknowledged");
        if (!in->json)
                return 0;

        json_object_begin(w, NULL);
        json_put_string(w, "framework_id", u->framework_id);
        json_put_string(w, "task_id", u->task_id);
        json_put_string(w, "uuid", uuid);
        json_put_string(w, "state", state);
        json_put_bool(w, "acknowledged", u->acknowledged);
        put_info(in, "update", m);
        json_object_end(w);
        flush(in);
        return 0;
}

static int show_completed_framework(const StoredCompletedFramework *f, void *userdata) {
        return show_framework(f->pid, f->info, f->n_info, userdata);
}

static void say_completed_executor(const Inspection *in, const StoredCompletedExecutor *e, const char *id) {
        _cleanup_free_ char *end = exit_status_describe(e->exit_status);

        say(in, "  %s  of framework %s%s, %s", id, e->framework_id, e->generated ? ", made for a command task" : "",
            end ?: "?");
        say(in, "      container  %s", e->container_id);
        say(in, "      sandbox    %s%s%s", e->directory, e->user ? ", of " : "", e->user ?: "");
}

static int show_completed_executor(const StoredCompletedExecutor *e, void *userdata) {
        Inspection *in = userdata;
        JsonWriter *w = &in->writer;
        _cleanup_(pb_freep) ProtobufCMessage *m = unpack(in, "executor of container", e->container_id,
                                                         &mesos__v1__executor_info__descriptor, e->info, e->n_info);
        const Mesos__V1__ExecutorInfo *info = (const Mesos__V1__ExecutorInfo *) m;

        say_completed_executor(in, e, info ? info->executor_id->value : "?");
        if (!in->json)
                return 0;

        json_object_begin(w, NULL);
        json_put_string(w, "framework_id", e->framework_id);
        json_put_string(w, "id", info ? info->executor_id->value : NULL);
        json_put_string(w, "container_id", e->container_id);
        json_put_string(w, "directory", e->directory);
        json_put_string(w, "user", e->user);
        json_put_bool(w, "generated", e->generated);
        if (e->exit_status.known)
                json_put_int(w, "wait_status", e->exit_status.wait_status);
        else
                json_put_null(w, "wait_status");
        put_info(in, "info", m);
        json_object_end(w);
        flush(in);
        return 0;
}

static int show_completed_task(const StoredCompletedTask *t, void *userdata) {
        Inspection *in = userdata;
        JsonWriter *w = &in->writer;
        _cleanup_(pb_freep) ProtobufCMessage *m = unpack(in, "task of container", t->container_id,
                                                         &mesos__v1__task__descriptor, t->task, t->n_task);
        const Mesos__V1__Task *task = (const Mesos__V1__Task *) m;
        const char *state = task ? task_state_name(task->state) : NULL;

        say(in, "  %s  %s, of framework %s, container %s", task ? task->task_id->value : "?", state ?: "?",
            task ? task->framework_id->value : "?", t->container_id);
        if (!in->json)
                return 0;

        json_object_begin(w, NULL);
        json_put_string(w, "framework_id", task ? task->framework_id->value : NULL);
        json_put_string(w, "container_id", t->container_id);
        json_put_string(w, "id", task ? task->task_id->value : NULL);
        json_put_string(w, "state", state);
        put_info(in, "task", m);
        json_object_end(w);
        flush(in);
        return 0;
}

static void show_agent_info(Inspection *in) {
        _cleanup_free_ char *bytes = NULL;
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        const Mesos__V1__AgentInfo *info;
        size_t n = 0;

        if (checkpoint_load_meta(in->checkpoint, "agent_info", &bytes, &n) < 0)
                complain(in, "the agent's id cannot be read");
        if (bytes)
                m = unpack(in, "agent info", "agent_info", &mesos__v1__agent_info__descriptor,
                           bytes, n);

        info = (const Mesos__V1__AgentInfo *) m;
        if (info && info->id)
                say(in, "Agent      %s (%s, port %d)", info->id->value, info->hostname, info->port);
        else
                say(in, "Agent      without an id");

        if (!in->json)
                return;

        json_put_string(&in->writer, "agent_id", info && info->id ? info->id->value : NULL);
        put_info(in, "agent_info", m);
}

static void show_boot_id(Inspection *in) {
        _cleanup_free_ char *boot_id = NULL;
        size_t n;

        if (checkpoint_load_meta(in->checkpoint, "boot_id", &boot_id, &n) < 0)
                complain(in, "the boot id cannot be read");

        if (boot_id)
                say(in, "Boot       %s (%s)", boot_id,
                    streq(boot_id, in->boot_id) ? "the present one" : "an earlier one");
        if (in->json)
                json_put_string(&in->writer, "boot_id", boot_id);
}

static void say_resources(Inspection *in, const char *title, const Mesos__Internal__CheckpointResourcesMessage *m) {
        _cleanup_(resources_freep) Resources *resources = NULL;
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(ROW_MAX_BYTES);
        _cleanup_free_ char *text = NULL, *why = NULL;
        int r;

        r = resources_from_pb(m->resources, m->n_resources, &resources, &why);
        if (r == RESOURCES_OK)
                r = resources_format(resources, &b);
        if (r == RESOURCES_OK)
                text = buffer_take_text(&b);
        if (text)
                say(in, "%s%s", title, text);
        else
                complain(in, "the resources cannot be read: %s", why ?: "out of memory");
}

/* A list of resources among the single values. */
static void show_resources(Inspection *in, const char *key, const char *title) {
        const Mesos__Internal__CheckpointResourcesMessage *list;
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        _cleanup_free_ char *bytes = NULL;
        size_t n;

        if (checkpoint_load_meta(in->checkpoint, key, &bytes, &n) < 0)
                complain(in, "the resources cannot be read");
        if (bytes)
                m = unpack(in, "list", key, &mesos__internal__checkpoint_resources_message__descriptor, bytes, n);

        list = (const Mesos__Internal__CheckpointResourcesMessage *) m;
        if (list && list->n_resources > 0)
                say_resources(in, title, list);
        if (!in->json)
                return;

        if (!list) {
                json_put_null(&in->writer, key);
                return;
        }

        json_array_begin(&in->writer, key);
        for (size_t i = 0; i < list->n_resources; i++)
                json_put_message(&in->writer, NULL, &list->resources[i]->base);
        json_array_end(&in->writer);
}

static void show_drain(Inspection *in) {
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        _cleanup_free_ char *bytes = NULL;
        size_t n;

        if (checkpoint_load_meta(in->checkpoint, "drain_config", &bytes, &n) < 0)
                complain(in, "the command to drain cannot be read");
        if (bytes)
                m = unpack(in, "command to", "drain", &mesos__v1__drain_config__descriptor, bytes, n);

        if (m)
                say(in, "Draining   %s", ((const Mesos__V1__DrainConfig *) m)->mark_gone ? "to be marked gone" : "yes");
        if (in->json)
                put_info(in, "drain_config", m);
}

static const char *enum_name(const ProtobufCEnumDescriptor *descriptor, int value) {
        const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(descriptor, value);

        return v ? v->name : "?";
}

static int show_operation(const void *data, size_t n, void *userdata) {
        Inspection *in = userdata;
        JsonWriter *w = &in->writer;
        _cleanup_(pb_freep) ProtobufCMessage *m = unpack(in, "operation", NULL, &mesos__v1__operation__descriptor,
                                                         data, n);
        const Mesos__V1__Operation *o = (const Mesos__V1__Operation *) m;
        const char *type, *state, *framework_id;
        char uuid[37];

        if (!o || o->uuid->value.len != 16)
                return 0;

        uuid_to_text(o->uuid->value.data, uuid);
        type = enum_name(&mesos__v1__offer__operation__type__descriptor, (int) o->info->type);
        state = enum_name(&mesos__v1__operation_state__descriptor, (int) o->latest_status->state);
        framework_id = o->framework_id ? o->framework_id->value : NULL;
        say(in, "  %s  %s  %s, framework %s", uuid, state, type, framework_id ?: "none");
        if (!in->json)
                return 0;

        json_object_begin(w, NULL);
        json_put_string(w, "uuid", uuid);
        json_put_string(w, "framework_id", framework_id);
        json_put_string(w, "type", type);
        json_put_string(w, "state", state);
        put_info(in, "operation", m);
        json_object_end(w);
        flush(in);
        return 0;
}

static void begin_section(Inspection *in, const char *key, const char *title) {
        if (in->json)
                json_array_begin(&in->writer, key);
        else
                putchar('\n');
        say(in, "%s", title);
}

static void end_section(Inspection *in, const char *title, int r) {
        if (in->json)
                json_array_end(&in->writer);
        if (r < 0)
                complain(in, "%s: cannot all be read: %s", title,
                         r == -EBADMSG ? "the database is damaged" : strerror(-r));
}

static void show_everything(Inspection *in) {
        static const char *const titles[] = { "Frameworks", "Executors", "Tasks", "Updates", "Operations" };
        Checkpoint *c = in->checkpoint;

        begin_section(in, "frameworks", titles[0]);
        end_section(in, titles[0], checkpoint_foreach_framework(c, show_framework, in));
        begin_section(in, "executors", titles[1]);
        end_section(in, titles[1], checkpoint_foreach_executor(c, show_executor, in));
        begin_section(in, "tasks", titles[2]);
        end_section(in, titles[2], checkpoint_foreach_task(c, show_task, in));
        begin_section(in, "updates", titles[3]);
        end_section(in, titles[3], checkpoint_foreach_update(c, show_update, in));
        begin_section(in, "operations", titles[4]);
        end_section(in, titles[4], in->version < CHECKPOINT_SCHEMA_OPERATIONS
                                           ? 0
                                           : checkpoint_foreach_operation(c, show_operation, in));
}

static void show_history(Inspection *in) {
        static const char *const titles[] = { "Completed frameworks", "Completed executors", "Completed tasks" };
        HistoryStore *h = in->history;

        begin_section(in, "completed_frameworks", titles[0]);
        end_section(in, titles[0], history_store_foreach_framework(h, show_completed_framework, in));
        begin_section(in, "completed_executors", titles[1]);
        end_section(in, titles[1], history_store_foreach_executor(h, show_completed_executor, in));
        begin_section(in, "completed_tasks", titles[2]);
        end_section(in, titles[2], history_store_foreach_task(h, show_completed_task, in));
}

static int show(Inspection *in) {
        JsonWriter *w = &in->writer;

        if (in->json) {
                json_object_begin(w, NULL);
                json_put_string(w, "file", in->path);
                json_put_uint(w, "schema", in->version);
        }

        say(in, "File       %s, schema %u", in->path, in->version);
        show_agent_info(in);
        show_boot_id(in);
        show_resources(in, "resources", "Reserved   ");
        show_resources(in, "staged_resources", "Staged     ");
        show_drain(in);
        show_everything(in);
        show_history(in);

        if (in->json) {
                json_array_begin(w, "errors");
                for (size_t i = 0; i < in->n_errors; i++)
                        json_put_string(w, NULL, in->errors[i]);
                json_array_end(w);
                json_object_end(w);
                flush(in);
                putchar('\n');
        }

        if (fflush(stdout) != 0)
                return log_error_errno(errno, "Cannot print: %m");

        return w->error < 0 ? w->error : in->n_errors > 0 ? -EBADMSG : 0;
}

int inspect(const char *work_dir, bool json) {
        _cleanup_(inspection_deinit) Inspection in = { .json = json };
        _cleanup_free_ char *message = NULL;
        int r;

        in.buffer = BUFFER_INIT(ROW_MAX_BYTES);
        in.writer = JSON_WRITER(&in.buffer);
        (void) process_boot_id(in.boot_id);
        if (asprintf(&in.path, "%s/meta/agent.db", work_dir) < 0) {
                in.path = NULL;
                return log_oom();
        }

        if (access(in.path, F_OK) < 0)
                return log_error_errno(errno, "There is no stored state in '%s': %m", in.path);

        r = store_open_read_only(in.path, &in.store, &in.version, &message);
        if (r != STORE_OK) {
                log_error("Cannot read the stored state: %s", message ?: strerror(-r));
                return r < 0 ? r : -EBADMSG;
        }

        r = checkpoint_new_reader(in.store, &in.checkpoint);
        if (r == 0)
                r = history_store_new_reader(in.store, &in.history);
        if (r < 0)
                return r;

        return show(&in);
}
