/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The agent's v1 operator API
 *
 * One function answers one type of call. Calls that ask build a Response on the stack out of parts
 * borrowed from the agent, encode it and are done within their turn of the loop; WAIT_CONTAINER
 * alone waits. Containers are named by id, whichever framework they belong to.
 */

#include <signal.h>
#include <utlist.h>

#include "agent/account.h"
#include "agent/answer.h"
#include "agent/call.h"
#include "agent/container.h"
#include "agent/container_view.h"
#include "agent/drain.h"
#include "agent/files_api.h"
#include "agent/metrics.h"
#include "agent/operations.h"
#include "agent/operator_call.h"
#include "agent/pb_list.h"
#include "agent/state_json.h"
#include "agent/state_view.h"
#include "common/model/convert.h"
#include "common/model/version.h"

/* An id with all it is nested in. */
#define ID_TEXT_BYTES ((size_t) 16384)

typedef Mesos__V1__Agent__Response Response;

typedef struct Context {
        const OperatorParts *parts;
        HttpRequest *request;
        const Call *call;
} Context;

/* Consumes the request. */
static void answer(const Context *c, Mesos__V1__Agent__Response__Type type, Response *response) {
        response->has_type = true;
        response->type = type;
        answer_message(c->request, c->call->accept, &response->base);
}

static void answer_done(const Context *c) {
        http_request_answer(c->request, 200, NULL, NULL, 0);
}

static void on_get_health(const Context *c) {
        Mesos__V1__Agent__Response__GetHealth health = MESOS__V1__AGENT__RESPONSE__GET_HEALTH__INIT;
        Response response = MESOS__V1__AGENT__RESPONSE__INIT;

        health.healthy = true;
        response.get_health = &health;
        answer(c, MESOS__V1__AGENT__RESPONSE__TYPE__GET_HEALTH, &response);
}

static int add_flag(const char *name, const char *value, void *userdata) {
        Mesos__V1__Agent__Response__GetFlags *flags = userdata;
        Mesos__V1__Flag *f = pb_list_add_new(&flags->flags, &flags->n_flags,
                                             &mesos__v1__flag__descriptor);

        if (!f)
                return -ENOMEM;

        f->name = strdup(name);
        f->value = strdup(value);
        return f->name && f->value ? 0 : -ENOMEM;
}

/* The lists below are owned: a message of their own is freed as a whole. */
static void *new_message(const ProtobufCMessageDescriptor *type) {
        ProtobufCMessage *m = malloc(type->sizeof_message);

        if (m)
                protobuf_c_message_init(type, m);
        return m;
}

static void on_get_flags(const Context *c) {
        _cleanup_(pb_freep) ProtobufCMessage *m =
                        new_message(&mesos__v1__agent__response__get_flags__descriptor);
        Response response = MESOS__V1__AGENT__RESPONSE__INIT;
        int r;

        r = m ? flags_foreach_sorted(c->parts->agent->config->flags, add_flag, m) : -ENOMEM;
        if (r < 0) {
                answer_error(c->request, r);
                return;
        }

        response.get_flags = (Mesos__V1__Agent__Response__GetFlags *) m;
        answer(c, MESOS__V1__AGENT__RESPONSE__TYPE__GET_FLAGS, &response);
}

static void on_get_version(const Context *c) {
        Mesos__V1__Agent__Response__GetVersion version =
                        MESOS__V1__AGENT__RESPONSE__GET_VERSION__INIT;
        Mesos__V1__VersionInfo info = MESOS__V1__VERSION_INFO__INIT;
        Response response = MESOS__V1__AGENT__RESPONSE__INIT;

        info.version = (char *) MESOS_VERSION;
        info.build_date = (char *) BUILD_DATE;
        info.has_build_time = true;
        info.build_time = BUILD_TIME_SECS;
        info.build_user = (char *) BUILD_USER;
        version.version_info = &info;
        response.get_version = &version;
        answer(c, MESOS__V1__AGENT__RESPONSE__TYPE__GET_VERSION, &response);
}

static int add_metric(const char *name, double value, void *userdata) {
        Mesos__V1__Agent__Response__GetMetrics *metrics = userdata;
        Mesos__V1__Metric *m;

        m = pb_list_add_new(&metrics->metrics, &metrics->n_metrics, &mesos__v1__metric__descriptor);
        if (!m)
                return -ENOMEM;

        m->name = strdup(name);
        m->has_value = true;
        m->value = value;
        return m->name ? 0 : -ENOMEM;
}

static void on_get_metrics(const Context *c) {
        _cleanup_(pb_freep) ProtobufCMessage *m =
                        new_message(&mesos__v1__agent__response__get_metrics__descriptor);
        Response response = MESOS__V1__AGENT__RESPONSE__INIT;
        int r;

        r = m ? agent_metrics_foreach(c->parts->agent, usec_now(CLOCK_REALTIME), add_metric, m)
              : -ENOMEM;
        if (r < 0) {
                answer_error(c->request, r);
                return;
        }

        response.get_metrics = (Mesos__V1__Agent__Response__GetMetrics *) m;
        answer(c, MESOS__V1__AGENT__RESPONSE__TYPE__GET_METRICS, &response);
}

static void on_get_logging_level(const Context *c) {
        Mesos__V1__Agent__Response__GetLoggingLevel level =
                        MESOS__V1__AGENT__RESPONSE__GET_LOGGING_LEVEL__INIT;
        Response response = MESOS__V1__AGENT__RESPONSE__INIT;

        level.level = log_level_get(c->parts->log_level);
        response.get_logging_level = &level;
        answer(c, MESOS__V1__AGENT__RESPONSE__TYPE__GET_LOGGING_LEVEL, &response);
}

static void on_set_logging_level(const Context *c) {
        const Mesos__V1__Agent__Call__SetLoggingLevel *call = c->call->message->set_logging_level;
        int r;

        r = log_level_set(c->parts->log_level, call->level, duration_info_to_usec(call->duration));
        if (r < 0)
                answer_error(c->request, r);
        else
                answer_done(c);
}

static int add_file(Mesos__V1__Agent__Response__ListFiles *files, FileEntry *e,
                    AccountOwner *owner) {
        Mesos__V1__FileInfo *f;

        f = pb_list_add_new(&files->file_infos, &files->n_file_infos,
                            &mesos__v1__file_info__descriptor);
        if (!f)
                return -ENOMEM;

        account_owner_update(owner, e->uid, e->gid);
        f->path = TAKE_PTR(e->path);
        f->has_nlink = true;
        f->nlink = (int32_t) e->n_links;
        f->has_size = true;
        f->size = e->size;
        f->has_mode = true;
        f->mode = e->mode;
        f->uid = strdup(owner->user);
        f->gid = strdup(owner->group);
        f->mtime = new_message(&mesos__v1__time_info__descriptor);
        if (!f->uid || !f->gid || !f->mtime)
                return -ENOMEM;

        f->mtime->nanoseconds = usec_to_nsec(e->mtime_usec);
        return 0;
}

static int add_files(Mesos__V1__Agent__Response__ListFiles *files, FileList *l) {
        AccountOwner owner = {};
        int r = 0;

        for (size_t i = 0; r == 0 && i < l->n_entries; i++)
                r = add_file(files, &l->entries[i], &owner);

        return r;
}

static void on_list_files(const Context *c) {
        _cleanup_(pb_freep) ProtobufCMessage *m =
                        new_message(&mesos__v1__agent__response__list_files__descriptor);
        const char *path = c->call->message->list_files->path;
        _cleanup_(file_list_deinit) FileList l = {};
        Response response = MESOS__V1__AGENT__RESPONSE__INIT;
        int r;

        r = m ? files_list(c->parts->files, path, &l) : -ENOMEM;
        if (r == FILES_OK)
                r = add_files((Mesos__V1__Agent__Response__ListFiles *) m, &l);
        if (r != FILES_OK) {
                files_api_refuse(c->request, r, path, "browse");
                return;
        }

        response.list_files = (Mesos__V1__Agent__Response__ListFiles *) m;
        answer(c, MESOS__V1__AGENT__RESPONSE__TYPE__LIST_FILES, &response);
}

static void on_read_file(const Context *c) {
        const Mesos__V1__Agent__Call__ReadFile *call = c->call->message->read_file;
        Mesos__V1__Agent__Response__ReadFile file = MESOS__V1__AGENT__RESPONSE__READ_FILE__INIT;
        Response response = MESOS__V1__AGENT__RESPONSE__INIT;
        _cleanup_free_ char *data = NULL;
        uint64_t size;
        size_t n;
        int r;

        r = files_read(c->parts->files, call->path, call->offset,
                       call->has_length ? call->length : UINT64_MAX, &data, &n, &size);
        if (r != FILES_OK) {
                files_api_refuse(c->request, r, call->path, "read");
                return;
        }

        file.size = size;
        file.data = (ProtobufCBinaryData) { n, (uint8_t *) data };
        response.read_file = &file;
        answer(c, MESOS__V1__AGENT__RESPONSE__TYPE__READ_FILE, &response);
}

/* In JSON, lists of these four are there also when they are empty. */
static void answer_lists(const Context *c, Mesos__V1__Agent__Response__Type type, const char *key,
                         const ProtobufCMessage *part, Response *response) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);
        int r;

        if (c->call->accept != MEDIA_JSON) {
                answer(c, type, response);
                return;
        }

        json_object_begin(&w, NULL);
        json_put_string(&w, "type", call_type_name(c->call->message->type));
        json_put_message_with_lists(&w, key, part);
        json_object_end(&w);

        r = json_finish(&w);
        if (r < 0)
                answer_error(c->request, r);
        else
                http_request_answer_buffer(c->request, 200, media_type_name(MEDIA_JSON), &b);
}

/* False when the request was refused. */
static bool take_state(const Context *c, StateView *ret) {
        int r = state_view_take(c->parts->agent, ret);

        if (r < 0)
                answer_error(c->request, r);
        return r == 0;
}

static void on_get_state(const Context *c) {
        Mesos__V1__Agent__Response__GetState state = MESOS__V1__AGENT__RESPONSE__GET_STATE__INIT;
        Response response = MESOS__V1__AGENT__RESPONSE__INIT;
        _cleanup_(state_view_deinit) StateView v = {};

        if (!take_state(c, &v))
                return;

        state.get_tasks = &v.tasks;
        state.get_executors = &v.executors;
        state.get_frameworks = &v.frameworks;
        response.get_state = &state;
        answer_lists(c, MESOS__V1__AGENT__RESPONSE__TYPE__GET_STATE, "get_state", &state.base,
                     &response);
}

static void on_get_tasks(const Context *c) {
        Response response = MESOS__V1__AGENT__RESPONSE__INIT;
        _cleanup_(state_view_deinit) StateView v = {};

        if (!take_state(c, &v))
                return;

        response.get_tasks = &v.tasks;
        answer_lists(c, MESOS__V1__AGENT__RESPONSE__TYPE__GET_TASKS, "get_tasks", &v.tasks.base,
                     &response);
}

static void on_get_executors(const Context *c) {
        Response response = MESOS__V1__AGENT__RESPONSE__INIT;
        _cleanup_(state_view_deinit) StateView v = {};

        if (!take_state(c, &v))
                return;

        response.get_executors = &v.executors;
        answer_lists(c, MESOS__V1__AGENT__RESPONSE__TYPE__GET_EXECUTORS, "get_executors",
                     &v.executors.base, &response);
}

static void on_get_frameworks(const Context *c) {
        Response response = MESOS__V1__AGENT__RESPONSE__INIT;
        _cleanup_(state_view_deinit) StateView v = {};

        if (!take_state(c, &v))
                return;

        response.get_frameworks = &v.frameworks;
        answer_lists(c, MESOS__V1__AGENT__RESPONSE__TYPE__GET_FRAMEWORKS, "get_frameworks",
                     &v.frameworks.base, &response);
}

/* Without any container there is no list at all. */
static void on_get_containers(const Context *c) {
        Mesos__V1__Agent__Response__GetContainers containers =
                        MESOS__V1__AGENT__RESPONSE__GET_CONTAINERS__INIT;
        Response response = MESOS__V1__AGENT__RESPONSE__INIT;
        _cleanup_(container_view_deinit) ContainerView v = {};
        int r;

        r = container_view_take(c->parts->agent, usec_now(CLOCK_REALTIME), &v);
        if (r < 0) {
                answer_error(c->request, r);
                return;
        }

        containers.n_containers = v.n;
        containers.containers = v.list;
        response.get_containers = v.n > 0 ? &containers : NULL;
        answer(c, MESOS__V1__AGENT__RESPONSE__TYPE__GET_CONTAINERS, &response);
}

static void on_get_agent(const Context *c) {
        Mesos__V1__Agent__Response__GetAgent agent = MESOS__V1__AGENT__RESPONSE__GET_AGENT__INIT;
        Mesos__V1__TimeInfo started = MESOS__V1__TIME_INFO__INIT;
        Response response = MESOS__V1__AGENT__RESPONSE__INIT;

        agent.agent_info = c->parts->agent->info;
        agent.drain_config = (Mesos__V1__DrainConfig *) drain_config(c->parts->agent->drain);
        if (agent.drain_config) {
                started.nanoseconds = usec_to_nsec(drain_started_usec(c->parts->agent->drain));
                agent.estimated_drain_start_time = &started;
        }
        response.get_agent = &agent;
        answer(c, MESOS__V1__AGENT__RESPONSE__TYPE__GET_AGENT, &response);
}

static void on_get_operations(const Context *c) {
        Mesos__V1__Agent__Response__GetOperations list = MESOS__V1__AGENT__RESPONSE__GET_OPERATIONS__INIT;
        Response response = MESOS__V1__AGENT__RESPONSE__INIT;
        int r;

        r = operations_list(c->parts->agent->operations, &list.operations, &list.n_operations);
        if (r < 0) {
                answer_error(c->request, r);
                return;
        }

        response.get_operations = &list;
        answer(c, MESOS__V1__AGENT__RESPONSE__TYPE__GET_OPERATIONS, &response);
        free(list.operations);
}

static void on_get_resource_providers(const Context *c) {
        Mesos__V1__Agent__Response__GetResourceProviders none =
                MESOS__V1__AGENT__RESPONSE__GET_RESOURCE_PROVIDERS__INIT;
        Response response = MESOS__V1__AGENT__RESPONSE__INIT;

        response.get_resource_providers = &none;
        answer(c, MESOS__V1__AGENT__RESPONSE__TYPE__GET_RESOURCE_PROVIDERS, &response);
}

/* The executor whose container it is, live or not; nested containers are not the agent's. */
static Executor *find_executor(const Agent *a, const Mesos__V1__ContainerID *id) {
        const CompletedFramework *old_framework;
        const CompletedExecutor *old;
        const Framework *f;
        Executor *e;

        if (id->parent)
                return NULL;

        for (f = a->frameworks; f; f = f->hh.next) {
                for (e = f->executors; e; e = e->hh.next)
                        if (streq(e->container_id, id->value))
                                return e;
                DL_FOREACH(f->completed, old)
                        if (streq(old->executor->container_id, id->value))
                                return old->executor;
        }

        DL_FOREACH(a->completed, old_framework)
                DL_FOREACH(old_framework->framework->completed, old)
                        if (streq(old->executor->container_id, id->value))
                                return old->executor;

        return NULL;
}

/* Answers with a text around the container's id. */
static void refuse_container(const Context *c, unsigned status, const char *before,
                             const Mesos__V1__ContainerID *id, const char *after) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(ID_TEXT_BYTES);
        int r;

        r = container_id_format(id, &b);
        if (r < 0)
                answer_error(c->request, r);
        else
                http_request_answer_text(c->request, status, "%s%.*s%s", before,
                                         (int) buffer_size(&b), buffer_data(&b), after);
}

static void wait_for(const Context *c, const Mesos__V1__ContainerID *id) {
        const Executor *e = find_executor(c->parts->agent, id);
        int r;

        if (!e) {
                refuse_container(c, 404, "Container ", id, " cannot be found");
                return;
        }

        if (!e->container) {
                wait_calls_answer(c->request, c->call->message->type, c->call->accept,
                                  e->exit_status);
                return;
        }

        r = wait_calls_add(c->parts->waits, c->request, c->call, e->container_id);
        if (r < 0)
                answer_error(c->request, r);
}

static void on_wait_container(const Context *c) {
        wait_for(c, c->call->message->wait_container->container_id);
}

static void on_wait_nested_container(const Context *c) {
        wait_for(c, c->call->message->wait_nested_container->container_id);
}

static void kill_with(const Context *c, const Mesos__V1__ContainerID *id, int signal_number) {
        const Executor *e = find_executor(c->parts->agent, id);
        int r = -ESRCH;

        if (e && e->container)
                r = container_signal(e->container, signal_number);

        if (r == -ESRCH)
                refuse_container(c, 404, "Container '", id,
                                 "' cannot be found (or is already killed)");
        else if (r == -EINVAL)
                http_request_answer_text(c->request, 400, "There is no signal %d", signal_number);
        else if (r < 0)
                answer_error(c->request, r);
        else
                answer_done(c);
}

static void on_kill_container(const Context *c) {
        const Mesos__V1__Agent__Call__KillContainer *call = c->call->message->kill_container;

        kill_with(c, call->container_id, call->has_signal ? call->signal : SIGKILL);
}

static void on_kill_nested_container(const Context *c) {
        const Mesos__V1__Agent__Call__KillNestedContainer *call =
                        c->call->message->kill_nested_container;

        kill_with(c, call->container_id, call->has_signal ? call->signal : SIGKILL);
}

/* What the agent launches for frameworks it also removes; there is nothing else to remove. */
static void remove_container(const Context *c, const Mesos__V1__ContainerID *id) {
        const Executor *e = find_executor(c->parts->agent, id);

        if (!e)
                refuse_container(c, 404, "Container ", id, " cannot be found");
        else if (e->container)
                refuse_container(c, 400, "Container ", id, " has not terminated yet");
        else
                refuse_container(c, 400, "Container ", id,
                                 " belongs to an executor and is kept until its turn comes");
}

static void on_remove_container(const Context *c) {
        remove_container(c, c->call->message->remove_container->container_id);
}

static void on_remove_nested_container(const Context *c) {
        remove_container(c, c->call->message->remove_nested_container->container_id);
}

static void launch_nested(const Context *c, const Mesos__V1__ContainerID *id) {
        if (!find_executor(c->parts->agent, id->parent))
                refuse_container(c, 400, "Parent container ", id->parent, " does not exist");
        else
                refuse_container(c, 400, "Container ", id,
                                 " cannot be launched: this agent has no nested containers");
}

static void on_launch_nested_container(const Context *c) {
        launch_nested(c, c->call->message->launch_nested_container->container_id);
}

static void on_launch_nested_container_session(const Context *c) {
        launch_nested(c, c->call->message->launch_nested_container_session->container_id);
}

static void on_launch_container(const Context *c) {
        const Mesos__V1__ContainerID *id = c->call->message->launch_container->container_id;

        if (id->parent)
                launch_nested(c, id);
        else
                refuse_container(c, 400, "Container ", id,
                                 " cannot be launched: this agent has no standalone containers");
}

static void attach(const Context *c, const Mesos__V1__ContainerID *id) {
        if (!find_executor(c->parts->agent, id))
                refuse_container(c, 404, "Container ", id, " cannot be found");
        else
                refuse_container(c, 400, "Container ", id, " cannot be attached to");
}

static void on_attach_container_output(const Context *c) {
        attach(c, c->call->message->attach_container_output->container_id);
}

static void on_attach_container_input(const Context *c) {
        const Mesos__V1__Agent__Call__AttachContainerInput *call =
                        c->call->message->attach_container_input;

        if (call->container_id)
                attach(c, call->container_id);
        else
                http_request_answer_text(c->request, 400,
                                         "Expecting the first record to name the container");
}

static void on_resource_provider_call(const Context *c) {
        http_request_answer_text(c->request, 400, "This agent has no resource providers");
}

/* There are none, so all that may go are gone. */
static void on_prune_images(const Context *c) {
        answer_done(c);
}

#define CALL(type) MESOS__V1__AGENT__CALL__TYPE__##type

static const struct {
        Mesos__V1__Agent__Call__Type type;
        void (*handle)(const Context *c);
} handlers[] = {
        { CALL(GET_HEALTH), on_get_health },
        { CALL(GET_FLAGS), on_get_flags },
        { CALL(GET_VERSION), on_get_version },
        { CALL(GET_METRICS), on_get_metrics },
        { CALL(GET_LOGGING_LEVEL), on_get_logging_level },
        { CALL(SET_LOGGING_LEVEL), on_set_logging_level },
        { CALL(LIST_FILES), on_list_files },
        { CALL(READ_FILE), on_read_file },
        { CALL(GET_STATE), on_get_state },
        { CALL(GET_CONTAINERS), on_get_containers },
        { CALL(GET_FRAMEWORKS), on_get_frameworks },
        { CALL(GET_EXECUTORS), on_get_executors },
        { CALL(GET_OPERATIONS), on_get_operations },
        { CALL(GET_TASKS), on_get_tasks },
        { CALL(GET_AGENT), on_get_agent },
        { CALL(GET_RESOURCE_PROVIDERS), on_get_resource_providers },
        { CALL(LAUNCH_NESTED_CONTAINER), on_launch_nested_container },
        { CALL(WAIT_NESTED_CONTAINER), on_wait_nested_container },
        { CALL(KILL_NESTED_CONTAINER), on_kill_nested_container },
        { CALL(REMOVE_NESTED_CONTAINER), on_remove_nested_container },
        { CALL(LAUNCH_NESTED_CONTAINER_SESSION), on_launch_nested_container_session },
        { CALL(ATTACH_CONTAINER_INPUT), on_attach_container_input },
        { CALL(ATTACH_CONTAINER_OUTPUT), on_attach_container_output },
        { CALL(LAUNCH_CONTAINER), on_launch_container },
        { CALL(WAIT_CONTAINER), on_wait_container },
        { CALL(KILL_CONTAINER), on_kill_container },
        { CALL(REMOVE_CONTAINER), on_remove_container },
        { CALL(ADD_RESOURCE_PROVIDER_CONFIG), on_resource_provider_call },
        { CALL(UPDATE_RESOURCE_PROVIDER_CONFIG), on_resource_provider_call },
        { CALL(REMOVE_RESOURCE_PROVIDER_CONFIG), on_resource_provider_call },
        { CALL(MARK_RESOURCE_PROVIDER_GONE), on_resource_provider_call },
        { CALL(PRUNE_IMAGES), on_prune_images },
};

void operator_call_handle(const OperatorParts *p, HttpRequest *r) {
        _cleanup_(call_deinit) Call call = {};
        const Context c = { .parts = p, .request = r, .call = &call };

        if (p->agent->state == AGENT_RECOVERING) {
                http_request_answer_text(r, 503, "Agent has not finished recovery");
                return;
        }

        if (call_decode(r, &call) != CALL_OK)
                return;

        for (size_t i = 0; i < ELEMENTSOF(handlers); i++)
                if (handlers[i].type == call.message->type) {
                        handlers[i].handle(&c);
                        return;
                }

        http_request_answer_text(r, 501, "501 Not Implemented.");
}
