/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What simulated agents say of themselves
 *
 * Their registrations are made before anybody registers, so that a round measures the master. Tasks
 * are reported as agents do it that have run for a while: started, running, with labels, a
 * container and an address.
 */

#include <stdio.h>

#include "bench/fleet_internal.h"
#include "common/model/version.h"
#include "proto/internal.pb-c.h"

static const Mesos__V1__AgentInfo__Capability__Type capability_types[] = {
        MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__MULTI_ROLE,
        MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__HIERARCHICAL_ROLE,
        MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__RESERVATION_REFINEMENT,
        MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__AGENT_DRAINING,
};

/* The parts both kinds of registration have; they point to each other. */
typedef struct Description {
        Mesos__V1__AgentInfo info;
        Mesos__V1__AgentID id;
        Mesos__V1__UUID version;
        Mesos__V1__AgentInfo__Capability capabilities[ELEMENTSOF(capability_types)];
        Mesos__V1__AgentInfo__Capability *capability_list[ELEMENTSOF(capability_types)];
} Description;

static Mesos__V1__Resource **resource_list(const Resources *r, size_t *ret_n) {
        Mesos__V1__Resource **list;

        if (resources_to_pb(r, RESOURCE_FORMAT_NEW, &list, ret_n) < 0)
                bench_die("out of memory");
        return list;
}

static void describe(Agent *a, Description *d) {
        static uint8_t version[UUID_BYTES] = "0123456789abcde";

        mesos__v1__agent_info__init(&d->info);
        mesos__v1__agent_id__init(&d->id);
        mesos__v1__uuid__init(&d->version);

        d->id.value = a->id;
        d->info.id = *a->id ? &d->id : NULL;
        d->info.hostname = a->hostname;
        d->info.has_port = true;
        d->info.port = a->fleet->port;
        d->info.has_checkpoint = true;
        d->info.checkpoint = true;
        d->info.resources = resource_list(a->fleet->total, &d->info.n_resources);
        d->version.value = (ProtobufCBinaryData){ sizeof(version), version };

        for (size_t i = 0; i < ELEMENTSOF(capability_types); i++) {
                mesos__v1__agent_info__capability__init(&d->capabilities[i]);
                d->capabilities[i].has_type = true;
                d->capabilities[i].type = capability_types[i];
                d->capability_list[i] = &d->capabilities[i];
        }
}

static void undescribe(Description *d) {
        resources_free_pb(d->info.resources, d->info.n_resources);
}

static void keep_packed(Agent *a, const ProtobufCMessage *message) {
        free(a->packed);
        a->n_packed = protobuf_c_message_get_packed_size(message);
        a->packed = bench_allocate(a->n_packed);
        protobuf_c_message_pack(message, a->packed);
}

void fleet_prepare_registration(Agent *a) {
        Mesos__Internal__RegisterSlaveMessage m = MESOS__INTERNAL__REGISTER_SLAVE_MESSAGE__INIT;
        Description d;

        *a->id = '\0';
        describe(a, &d);
        m.slave = &d.info;
        m.version = (char *) MESOS_VERSION;
        m.agent_capabilities = d.capability_list;
        m.n_agent_capabilities = ELEMENTSOF(d.capability_list);
        m.resource_version_uuid = &d.version;
        keep_packed(a, &m.base);
        undescribe(&d);
}

/* A task that started and runs, as its agent reports it: some seven hundred bytes. */
typedef struct Report {
        Mesos__V1__Task task;
        Mesos__V1__TaskID id;
        Mesos__V1__FrameworkID framework_id;
        Mesos__V1__TaskStatus statuses[2];
        Mesos__V1__TaskStatus *status_list[2];
        Mesos__V1__ContainerStatus container;
        Mesos__V1__ContainerID container_id;
        Mesos__V1__NetworkInfo network;
        Mesos__V1__NetworkInfo *network_list[1];
        Mesos__V1__NetworkInfo__IPAddress address;
        Mesos__V1__NetworkInfo__IPAddress *address_list[1];
        Mesos__V1__Labels labels;
        Mesos__V1__Label label[3];
        Mesos__V1__Label *label_list[3];
        char id_text[48];
        char container_text[40];
        uint8_t uuid[UUID_BYTES];
} Report;

static void report_container(Report *r, Agent *a) {
        mesos__v1__container_status__init(&r->container);
        mesos__v1__container_id__init(&r->container_id);
        mesos__v1__network_info__init(&r->network);
        mesos__v1__network_info__ipaddress__init(&r->address);

        snprintf(r->container_text, sizeof(r->container_text), "5e1f0f4a-0000-4000-8000-%012x",
                 a->number);
        r->container_id.value = r->container_text;
        r->address.ip_address = strchr(a->pid, '@') + 1;
        r->address_list[0] = &r->address;
        r->network.ip_addresses = r->address_list;
        r->network.n_ip_addresses = 1;
        r->network_list[0] = &r->network;
        r->container.container_id = &r->container_id;
        r->container.network_infos = r->network_list;
        r->container.n_network_infos = 1;
}

static void report_statuses(Report *r, Agent *a, Mesos__V1__AgentID *agent_id) {
        static const Mesos__V1__TaskState states[] = { MESOS__V1__TASK_STATE__TASK_STARTING,
                                                       MESOS__V1__TASK_STATE__TASK_RUNNING };

        report_container(r, a);
        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                Mesos__V1__TaskStatus *s = &r->statuses[i];

                mesos__v1__task_status__init(s);
                s->task_id = &r->id;
                s->agent_id = agent_id;
                s->state = states[i];
                s->has_source = true;
                s->source = MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR;
                s->has_timestamp = true;
                s->timestamp = 1700000000.25;
                s->has_uuid = true;
                s->uuid = (ProtobufCBinaryData){ sizeof(r->uuid), r->uuid };
                s->container_status = &r->container;
                r->status_list[i] = s;
        }
}

static void report_labels(Report *r) {
        mesos__v1__labels__init(&r->labels);
        for (size_t i = 0; i < ELEMENTSOF(r->label); i++) {
                static const char *const names[] = { "owner", "service", "revision" };

                mesos__v1__label__init(&r->label[i]);
                r->label[i].key = (char *) names[i];
                r->label[i].value = (char *) "as long as they usually are";
                r->label_list[i] = &r->label[i];
        }
        r->labels.labels = r->label_list;
        r->labels.n_labels = ELEMENTSOF(r->label);
}

static void report_task(Report *r, Agent *a, unsigned number, Mesos__V1__AgentID *agent_id) {
        const Fleet *f = a->fleet;
        Mesos__V1__Task *t = &r->task;

        *r = (Report){};
        mesos__v1__task__init(t);
        mesos__v1__task_id__init(&r->id);
        mesos__v1__framework_id__init(&r->framework_id);

        snprintf(r->id_text, sizeof(r->id_text), "service-%06u.%u", a->number, number);
        memcpy(r->uuid, &number, sizeof(number));
        r->id.value = r->id_text;
        r->framework_id.value = f->framework_ids[number % f->config.n_frameworks];
        report_statuses(r, a, agent_id);
        report_labels(r);

        t->name = r->id_text;
        t->task_id = &r->id;
        t->framework_id = &r->framework_id;
        t->agent_id = agent_id;
        t->state = MESOS__V1__TASK_STATE__TASK_RUNNING;
        t->resources = resource_list(f->of_task, &t->n_resources);
        t->statuses = r->status_list;
        t->n_statuses = ELEMENTSOF(r->status_list);
        t->has_status_update_state = true;
        t->status_update_state = t->state;
        t->has_status_update_uuid = true;
        t->status_update_uuid = r->statuses[1].uuid;
        t->labels = &r->labels;
}

static void describe_framework(Mesos__V1__FrameworkInfo *info, Mesos__V1__FrameworkID *id,
                               char *text) {
        static char *roles[] = { (char *) "*" };
        static Mesos__V1__FrameworkInfo__Capability capability;
        static Mesos__V1__FrameworkInfo__Capability *capabilities[] = { &capability };

        mesos__v1__framework_info__capability__init(&capability);
        capability.has_type = true;
        capability.type = MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__MULTI_ROLE;

        mesos__v1__framework_info__init(info);
        mesos__v1__framework_id__init(id);
        id->value = text;
        info->id = id;
        info->user = (char *) "nobody";
        info->name = (char *) "a framework of the simulation";
        info->has_checkpoint = true;
        info->checkpoint = true;
        info->has_failover_timeout = true;
        info->failover_timeout = 604800;
        info->roles = roles;
        info->n_roles = ELEMENTSOF(roles);
        info->capabilities = capabilities;
        info->n_capabilities = ELEMENTSOF(capabilities);
}

void fleet_prepare_return(Agent *a) {
        const FleetConfig *c = &a->fleet->config;
        unsigned n_frameworks = MIN(c->n_frameworks, c->n_tasks);
        Mesos__Internal__ReregisterSlaveMessage m = MESOS__INTERNAL__REREGISTER_SLAVE_MESSAGE__INIT;
        _cleanup_free_ Report *reports = bench_allocate((c->n_tasks + 1) * sizeof(*reports));
        _cleanup_free_ Mesos__V1__Task **tasks = bench_allocate((c->n_tasks + 1) * sizeof(*tasks));
        _cleanup_free_ Mesos__V1__FrameworkInfo *infos =
                        bench_allocate((n_frameworks + 1) * sizeof(*infos));
        _cleanup_free_ Mesos__V1__FrameworkID *ids =
                        bench_allocate((n_frameworks + 1) * sizeof(*ids));
        _cleanup_free_ Mesos__V1__FrameworkInfo **list =
                        bench_allocate((n_frameworks + 1) * sizeof(*list));
        Description d;

        if (!*a->id)
                bench_die("agent %u has not registered yet", a->number);

        describe(a, &d);
        for (unsigned i = 0; i < c->n_tasks; i++) {
                report_task(&reports[i], a, i, &d.id);
                tasks[i] = &reports[i].task;
        }
        for (unsigned i = 0; i < n_frameworks; i++) {
                describe_framework(&infos[i], &ids[i], a->fleet->framework_ids[i]);
                list[i] = &infos[i];
        }

        m.slave = &d.info;
        m.version = (char *) MESOS_VERSION;
        m.agent_capabilities = d.capability_list;
        m.n_agent_capabilities = ELEMENTSOF(d.capability_list);
        m.resource_version_uuid = &d.version;
        m.tasks = tasks;
        m.n_tasks = c->n_tasks;
        m.frameworks = list;
        m.n_frameworks = n_frameworks;
        keep_packed(a, &m.base);

        for (unsigned i = 0; i < c->n_tasks; i++)
                resources_free_pb(reports[i].task.resources, reports[i].task.n_resources);
        undescribe(&d);
}
