/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Operator API
 *
 * Calls that ask are answered with a Response; the large ones are written piece by piece
 * (api_view.c). Calls that act are answered when it is done, those this version does not have with
 * 501: after the checks that would refuse them anyway, so that a mistake is told for what it is.
 */

#include <utlist.h>

#include "common/base/log.h"
#include "common/model/convert.h"
#include "common/model/version.h"
#include "common/net/pbwire.h"
#include "master/api_view.h"
#include "master/call.h"
#include "master/departure.h"
#include "master/drain.h"
#include "master/framework.h"
#include "master/maintenance.h"
#include "master/maintenance_view.h"
#include "master/master.h"
#include "master/metrics.h"
#include "master/operator_api.h"
#include "master/operator_stream.h"
#include "master/role_view.h"
#include "master/verbosity.h"
#include "master/weights.h"
#include "proto/master.pb-c.h"

typedef Mesos__V1__Master__Call Call;
typedef Mesos__V1__Master__Response Response;

/* The sub-message a type needs: its name if it is absent, else NULL. */
static const char *missing_part(const Call *c) {
        const struct {
                Mesos__V1__Master__Call__Type type;
                const void *part;
                const char *name;
        } parts[] = {
                { MESOS__V1__MASTER__CALL__TYPE__GET_METRICS, c->get_metrics, "get_metrics" },
                { MESOS__V1__MASTER__CALL__TYPE__SET_LOGGING_LEVEL, c->set_logging_level,
                  "set_logging_level" },
                { MESOS__V1__MASTER__CALL__TYPE__LIST_FILES, c->list_files, "list_files" },
                { MESOS__V1__MASTER__CALL__TYPE__READ_FILE, c->read_file, "read_file" },
                { MESOS__V1__MASTER__CALL__TYPE__UPDATE_WEIGHTS, c->update_weights,
                  "update_weights" },
                { MESOS__V1__MASTER__CALL__TYPE__RESERVE_RESOURCES, c->reserve_resources,
                  "reserve_resources" },
                { MESOS__V1__MASTER__CALL__TYPE__UNRESERVE_RESOURCES, c->unreserve_resources,
                  "unreserve_resources" },
                { MESOS__V1__MASTER__CALL__TYPE__CREATE_VOLUMES, c->create_volumes,
                  "create_volumes" },
                { MESOS__V1__MASTER__CALL__TYPE__DESTROY_VOLUMES, c->destroy_volumes,
                  "destroy_volumes" },
                { MESOS__V1__MASTER__CALL__TYPE__GROW_VOLUME, c->grow_volume, "grow_volume" },
                { MESOS__V1__MASTER__CALL__TYPE__SHRINK_VOLUME, c->shrink_volume, "shrink_volume" },
                { MESOS__V1__MASTER__CALL__TYPE__UPDATE_MAINTENANCE_SCHEDULE,
                  c->update_maintenance_schedule, "update_maintenance_schedule" },
                { MESOS__V1__MASTER__CALL__TYPE__START_MAINTENANCE, c->start_maintenance,
                  "start_maintenance" },
                { MESOS__V1__MASTER__CALL__TYPE__STOP_MAINTENANCE, c->stop_maintenance,
                  "stop_maintenance" },
                { MESOS__V1__MASTER__CALL__TYPE__DRAIN_AGENT, c->drain_agent, "drain_agent" },
                { MESOS__V1__MASTER__CALL__TYPE__DEACTIVATE_AGENT, c->deactivate_agent,
                  "deactivate_agent" },
                { MESOS__V1__MASTER__CALL__TYPE__REACTIVATE_AGENT, c->reactivate_agent,
                  "reactivate_agent" },
                { MESOS__V1__MASTER__CALL__TYPE__UPDATE_QUOTA, c->update_quota, "update_quota" },
                { MESOS__V1__MASTER__CALL__TYPE__SET_QUOTA, c->set_quota, "set_quota" },
                { MESOS__V1__MASTER__CALL__TYPE__REMOVE_QUOTA, c->remove_quota, "remove_quota" },
                { MESOS__V1__MASTER__CALL__TYPE__TEARDOWN, c->teardown, "teardown" },
                { MESOS__V1__MASTER__CALL__TYPE__MARK_AGENT_GONE, c->mark_agent_gone,
                  "mark_agent_gone" },
        };

        for (size_t i = 0; i < ELEMENTSOF(parts); i++)
                if (parts[i].type == c->type && !parts[i].part)
                        return parts[i].name;

        return NULL;
}

static int call_is_complete(HttpRequest *r, const Call *c) {
        const char *missing;

        if (!c->has_type) {
                http_request_answer_text(
                                r, 400,
                                "Failed to validate master::Call: Expecting 'type' to be present");
                return CALL_E_ANSWERED;
        }

        missing = missing_part(c);
        if (!missing)
                return CALL_OK;

        http_request_answer_text(r, 400,
                                 "Failed to validate master::Call: Expecting '%s' to be present",
                                 missing);
        return CALL_E_ANSWERED;
}

static void answer(HttpRequest *r, MediaType type, Response *response,
                   Mesos__V1__Master__Response__Type kind) {
        response->has_type = true;
        response->type = kind;
        call_answer(r, type, &response->base);
}

static void answer_error(HttpRequest *r, int error) {
        http_request_answer_text(r, 500, "%s", strerror(error < 0 ? -error : error));
}

static void get_health(HttpRequest *r, MediaType type) {
        Response response = MESOS__V1__MASTER__RESPONSE__INIT;
        Mesos__V1__Master__Response__GetHealth health =
                        MESOS__V1__MASTER__RESPONSE__GET_HEALTH__INIT;

        health.healthy = true;
        response.get_health = &health;
        answer(r, type, &response, MESOS__V1__MASTER__RESPONSE__TYPE__GET_HEALTH);
}

static void get_version(HttpRequest *r, MediaType type) {
        Response response = MESOS__V1__MASTER__RESPONSE__INIT;
        Mesos__V1__Master__Response__GetVersion version =
                        MESOS__V1__MASTER__RESPONSE__GET_VERSION__INIT;
        Mesos__V1__VersionInfo info = MESOS__V1__VERSION_INFO__INIT;

        info.version = (char *) MESOS_VERSION;
        info.build_date = (char *) BUILD_DATE;
        info.has_build_time = true;
        info.build_time = BUILD_TIME_SECS;
        info.build_user = (char *) BUILD_USER;
        version.version_info = &info;
        response.get_version = &version;
        answer(r, type, &response, MESOS__V1__MASTER__RESPONSE__TYPE__GET_VERSION);
}

/* Flags that have a value, each as the text /flags shows. */
static int fill_flags(const FlagTable *t, Mesos__V1__Master__Response__GetFlags *flags,
                      Mesos__V1__Flag *items) {
        for (size_t i = 0; i < t->n_flags; i++) {
                Mesos__V1__Flag *item = &items[flags->n_flags];
                Buffer b = BUFFER_INIT(1U << 20);

                if (flag_format(&t->flags[i], &b) != 0) {
                        buffer_deinit(&b);
                        continue;
                }

                mesos__v1__flag__init(item);
                item->name = (char *) t->flags[i].name;
                item->value = strndup(buffer_data(&b), buffer_size(&b));
                buffer_deinit(&b);
                if (!item->value)
                        return -ENOMEM;

                flags->flags[flags->n_flags++] = item;
        }

        return 0;
}

static void get_flags(Master *m, HttpRequest *r, MediaType type) {
        const FlagTable *t = m->config->flags;
        Response response = MESOS__V1__MASTER__RESPONSE__INIT;
        Mesos__V1__Master__Response__GetFlags flags = MESOS__V1__MASTER__RESPONSE__GET_FLAGS__INIT;
        _cleanup_free_ Mesos__V1__Flag *items = calloc(t->n_flags, sizeof(*items));
        _cleanup_free_ Mesos__V1__Flag **list = calloc(t->n_flags, sizeof(*list));
        int k = items && list ? 0 : -ENOMEM;

        flags.flags = list;
        if (k >= 0)
                k = fill_flags(t, &flags, items);

        response.get_flags = &flags;
        if (k < 0)
                answer_error(r, k);
        else
                answer(r, type, &response, MESOS__V1__MASTER__RESPONSE__TYPE__GET_FLAGS);

        for (size_t i = 0; i < flags.n_flags; i++)
                free(flags.flags[i]->value);
}

static void put_metric(const char *name, double value, void *userdata) {
        Mesos__V1__Metric metric = MESOS__V1__METRIC__INIT;

        metric.name = (char *) name;
        metric.has_value = true;
        metric.value = value;
        api_writer_item(userdata, &metric.base);
}

static void write_metrics(Master *m, ApiWriter *w) {
        int r;

        api_writer_list_begin(w, "metrics", 1);
        r = metrics_foreach(m, put_metric, w);
        if (r < 0)
                w->error = r;
        api_writer_list_end(w);
}

/* A response whose only part is written by `view`; `name` is that of the part and, in capitals, of
 * the type. */
typedef struct PartView {
        Mesos__V1__Master__Call__Type call;
        Mesos__V1__Master__Response__Type response;
        const char *type_name;
        const char *part_name;
        unsigned part_field;
        void (*view)(Master *m, ApiWriter *w);
} PartView;

static const PartView part_views[] = {
        { MESOS__V1__MASTER__CALL__TYPE__GET_METRICS,
          MESOS__V1__MASTER__RESPONSE__TYPE__GET_METRICS, "GET_METRICS", "get_metrics", 5,
          write_metrics },
        { MESOS__V1__MASTER__CALL__TYPE__GET_STATE, MESOS__V1__MASTER__RESPONSE__TYPE__GET_STATE,
          "GET_STATE", "get_state", 9, api_view_state },
        { MESOS__V1__MASTER__CALL__TYPE__GET_AGENTS, MESOS__V1__MASTER__RESPONSE__TYPE__GET_AGENTS,
          "GET_AGENTS", "get_agents", 10, api_view_agents },
        { MESOS__V1__MASTER__CALL__TYPE__GET_FRAMEWORKS,
          MESOS__V1__MASTER__RESPONSE__TYPE__GET_FRAMEWORKS, "GET_FRAMEWORKS", "get_frameworks", 11,
          api_view_frameworks },
        { MESOS__V1__MASTER__CALL__TYPE__GET_EXECUTORS,
          MESOS__V1__MASTER__RESPONSE__TYPE__GET_EXECUTORS, "GET_EXECUTORS", "get_executors", 12,
          api_view_executors },
        { MESOS__V1__MASTER__CALL__TYPE__GET_TASKS, MESOS__V1__MASTER__RESPONSE__TYPE__GET_TASKS,
          "GET_TASKS", "get_tasks", 13, api_view_tasks },
};

static void answer_part(Master *m, HttpRequest *r, MediaType type, const PartView *v) {
        ApiWriter response, part;
        int k;

        api_writer_init(&part, type);
        v->view(m, &part);

        api_writer_init(&response, type);
        api_writer_enum(&response, "type", 1, v->type_name, v->response);
        api_writer_nested(&response, v->part_name, v->part_field, &part);

        k = api_writer_finish(&response);
        if (k < 0)
                answer_error(r, k);
        else
                http_request_answer_buffer(r, 200, media_type_name(type), &response.buffer);
        api_writer_deinit(&response);
}

static void get_logging_level(Master *m, HttpRequest *r, MediaType type) {
        Response response = MESOS__V1__MASTER__RESPONSE__INIT;
        Mesos__V1__Master__Response__GetLoggingLevel level =
                        MESOS__V1__MASTER__RESPONSE__GET_LOGGING_LEVEL__INIT;

        level.level = verbosity_get(m);
        response.get_logging_level = &level;
        answer(r, type, &response, MESOS__V1__MASTER__RESPONSE__TYPE__GET_LOGGING_LEVEL);
}

static void set_logging_level(Master *m, HttpRequest *r,
                              const Mesos__V1__Master__Call__SetLoggingLevel *s) {
        int k;

        k = verbosity_set(m, s->level, duration_info_to_usec(s->duration));
        if (k < 0)
                answer_error(r, k);
        else
                http_request_answer(r, 200, NULL, NULL, 0);
}

static void get_roles(Master *m, HttpRequest *r, MediaType type) {
        Response response = MESOS__V1__MASTER__RESPONSE__INIT;
        int k;

        k = role_view_api(m, &response.get_roles);
        if (k < 0) {
                answer_error(r, k);
                return;
        }

        answer(r, type, &response, MESOS__V1__MASTER__RESPONSE__TYPE__GET_ROLES);
        pb_free(&response.get_roles->base);
}

static void get_master(Master *m, HttpRequest *r, MediaType type) {
        Response response = MESOS__V1__MASTER__RESPONSE__INIT;
        Mesos__V1__Master__Response__GetMaster master =
                        MESOS__V1__MASTER__RESPONSE__GET_MASTER__INIT;

        master.master_info = m->info;
        master.has_start_time = true;
        master.start_time = usec_to_secs(m->start_usec);
        master.has_elected_time = true;
        master.elected_time = usec_to_secs(m->elected_usec);
        response.get_master = &master;
        answer(r, type, &response, MESOS__V1__MASTER__RESPONSE__TYPE__GET_MASTER);
}

static void get_maintenance_status(Master *m, HttpRequest *r, MediaType type) {
        Response response = MESOS__V1__MASTER__RESPONSE__INIT;
        Mesos__V1__Master__Response__GetMaintenanceStatus status =
                MESOS__V1__MASTER__RESPONSE__GET_MAINTENANCE_STATUS__INIT;
        int k;

        k = maintenance_view_status(m, &status.status);
        if (k < 0) {
                answer_error(r, k);
                return;
        }

        response.get_maintenance_status = &status;
        answer(r, type, &response, MESOS__V1__MASTER__RESPONSE__TYPE__GET_MAINTENANCE_STATUS);
        pb_free(&status.status->base);
}

static void get_maintenance_schedule(Master *m, HttpRequest *r, MediaType type) {
        Response response = MESOS__V1__MASTER__RESPONSE__INIT;
        Mesos__V1__Master__Response__GetMaintenanceSchedule schedule =
                MESOS__V1__MASTER__RESPONSE__GET_MAINTENANCE_SCHEDULE__INIT;
        int k;

        k = maintenance_view_schedule(m, &schedule.schedule);
        if (k < 0) {
                answer_error(r, k);
                return;
        }

        response.get_maintenance_schedule = &schedule;
        answer(r, type, &response, MESOS__V1__MASTER__RESPONSE__TYPE__GET_MAINTENANCE_SCHEDULE);
        pb_free(&schedule.schedule->base);
}

/* Mesos leaves the list out when it is empty. */
static void get_weights(Master *m, HttpRequest *r, MediaType type) {
        Response response = MESOS__V1__MASTER__RESPONSE__INIT;
        Mesos__V1__Master__Response__GetWeights part =
                        MESOS__V1__MASTER__RESPONSE__GET_WEIGHTS__INIT;
        RegistryWeight *const *weights = registry_weights(m->registry, &part.n_weight_infos);
        _cleanup_free_ Mesos__V1__WeightInfo **list =
                        calloc(part.n_weight_infos + 1, sizeof(*list));

        if (!list) {
                answer_error(r, -ENOMEM);
                return;
        }

        for (size_t i = 0; i < part.n_weight_infos; i++)
                list[i] = weights[i]->info;
        part.weight_infos = list;
        if (part.n_weight_infos > 0)
                response.get_weights = &part;
        answer(r, type, &response, MESOS__V1__MASTER__RESPONSE__TYPE__GET_WEIGHTS);
}

static void get_operations(Master *m, HttpRequest *r, MediaType type) {
        _cleanup_free_ Mesos__V1__Operation **list = calloc(m->operations.n + 1, sizeof(*list));
        Mesos__V1__Master__Response__GetOperations part =
                        MESOS__V1__MASTER__RESPONSE__GET_OPERATIONS__INIT;
        Response response = MESOS__V1__MASTER__RESPONSE__INIT;
        Operation *o;
        Node *n;

        if (!list) {
                answer_error(r, -ENOMEM);
                return;
        }

        for (n = m->nodes.by_id; n; n = n->hh.next)
                DL_FOREACH(n->operations, o)
                        list[part.n_operations++] = o->pb;
        part.operations = list;
        response.get_operations = &part;
        answer(r, type, &response, MESOS__V1__MASTER__RESPONSE__TYPE__GET_OPERATIONS);
}

/* What there is none of yet, as Mesos shows it then. */
static bool answer_empty(HttpRequest *r, MediaType type, Mesos__V1__Master__Call__Type call) {
        Response response = MESOS__V1__MASTER__RESPONSE__INIT;
        Mesos__V1__Master__Response__GetQuota quota = MESOS__V1__MASTER__RESPONSE__GET_QUOTA__INIT;
        Mesos__V1__Quota__QuotaStatus quota_status = MESOS__V1__QUOTA__QUOTA_STATUS__INIT;

        quota.status = &quota_status;

        if (call == MESOS__V1__MASTER__CALL__TYPE__GET_QUOTA) {
                response.get_quota = &quota;
                answer(r, type, &response, MESOS__V1__MASTER__RESPONSE__TYPE__GET_QUOTA);
        } else
                return false;

        return true;
}

static void teardown(Master *m, HttpRequest *r, const char *framework_id) {
        Framework *f = framework_find(&m->frameworks, framework_id);

        if (!f) {
                http_request_answer_text(r, 400, "No framework found with specified ID");
                return;
        }

        departure_remove_framework(f, "an operator asked for it");
        http_request_answer(r, 200, NULL, NULL, 0);
}

static void mark_agent_gone(Master *m, HttpRequest *r, const char *agent_id) {
        if (registry_is_gone(m->registry, agent_id))
                http_request_answer(r, 200, NULL, NULL, 0);
        else if (registry_find_agent(m->registry, agent_id) ||
                 registry_find_unreachable(m->registry, agent_id))
                departure_mark_gone(m, agent_id, r);
        else
                http_request_answer_text(r, 404, "Agent '%s' not found", agent_id);
}

/* The agent a call is about that we cannot carry out; NULL when it names none. */
static const char *named_agent(const Call *c) {
        if (c->reserve_resources)
                return c->reserve_resources->agent_id->value;
        if (c->unreserve_resources)
                return c->unreserve_resources->agent_id->value;
        if (c->create_volumes)
                return c->create_volumes->agent_id->value;
        if (c->destroy_volumes)
                return c->destroy_volumes->agent_id->value;

        return NULL;
}

static void answer_not_here(Master *m, HttpRequest *r, const Call *c) {
        const ProtobufCEnumValue *name = protobuf_c_enum_descriptor_get_value(
                        &mesos__v1__master__call__type__descriptor, c->type);
        const char *agent_id = named_agent(c);

        if (agent_id && !node_find(&m->nodes, agent_id))
                http_request_answer_text(r, 400, "No agent found with specified ID");
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__UNKNOWN || !name)
                http_request_answer_text(r, 501, "501 Not Implemented.");
        else
                http_request_answer_text(r, 501,
                                         "501 Not Implemented. This version of Holdfast has no %s.",
                                         name->name);
}

static bool answer_view(Master *m, HttpRequest *r, MediaType type, const Call *c) {
        for (size_t i = 0; i < ELEMENTSOF(part_views); i++)
                if (part_views[i].call == c->type) {
                        answer_part(m, r, type, &part_views[i]);
                        return true;
                }

        return answer_empty(r, type, c->type);
}

/* Operators' verbs on agents and machines; false: it is none of these. */
static bool dispatch_verb(Master *m, HttpRequest *r, const Call *c) {
        if (c->type == MESOS__V1__MASTER__CALL__TYPE__MARK_AGENT_GONE)
                mark_agent_gone(m, r, c->mark_agent_gone->agent_id->value);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__DRAIN_AGENT)
                drain_agent(m, r, c->drain_agent);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__DEACTIVATE_AGENT)
                drain_deactivate_agent(m, r, c->deactivate_agent->agent_id->value);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__REACTIVATE_AGENT)
                drain_reactivate_agent(m, r, c->reactivate_agent->agent_id->value);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__UPDATE_MAINTENANCE_SCHEDULE)
                maintenance_update_schedule(m->maintenance, r,
                                            c->update_maintenance_schedule->schedule);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__START_MAINTENANCE)
                maintenance_start(m->maintenance, r, c->start_maintenance->machines,
                                  c->start_maintenance->n_machines);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__STOP_MAINTENANCE)
                maintenance_stop(m->maintenance, r, c->stop_maintenance->machines,
                                 c->stop_maintenance->n_machines);
        else
                return false;

        return true;
}

static void dispatch(Master *m, HttpRequest *r, MediaType type, const Call *c) {
        if (answer_view(m, r, type, c) || dispatch_verb(m, r, c))
                return;

        if (c->type == MESOS__V1__MASTER__CALL__TYPE__GET_HEALTH)
                get_health(r, type);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__GET_FLAGS)
                get_flags(m, r, type);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__GET_VERSION)
                get_version(r, type);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__GET_LOGGING_LEVEL)
                get_logging_level(m, r, type);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__SET_LOGGING_LEVEL)
                set_logging_level(m, r, c->set_logging_level);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__LIST_FILES ||
                 c->type == MESOS__V1__MASTER__CALL__TYPE__READ_FILE)
                http_request_answer_text(r, 404, "%s", "");
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__GET_ROLES)
                get_roles(m, r, type);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__GET_OPERATIONS)
                get_operations(m, r, type);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__GET_WEIGHTS)
                get_weights(m, r, type);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__UPDATE_WEIGHTS)
                weights_update(m, r, c->update_weights->weight_infos,
                               c->update_weights->n_weight_infos);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__GET_MASTER)
                get_master(m, r, type);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__SUBSCRIBE)
                operator_stream_open(m, r, type);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__TEARDOWN)
                teardown(m, r, c->teardown->framework_id->value);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__GET_MAINTENANCE_STATUS)
                get_maintenance_status(m, r, type);
        else if (c->type == MESOS__V1__MASTER__CALL__TYPE__GET_MAINTENANCE_SCHEDULE)
                get_maintenance_schedule(m, r, type);
        else
                answer_not_here(m, r, c);
}

void operator_api_on_request(HttpRequest *r, void *userdata) {
        _cleanup_(pb_freep) ProtobufCMessage *message = NULL;
        MediaType type;

        if (call_decode(r, &mesos__v1__master__call__descriptor, &message) != CALL_OK)
                return;

        if (call_is_complete(r, (Call *) message) != CALL_OK)
                return;

        if (call_negotiate(r, &type) != CALL_OK)
                return;

        dispatch(userdata, r, type, (Call *) message);
}
