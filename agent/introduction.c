/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Introductions
 *
 *     RegisterSlave      a machine that no master has named yet
 *     ReregisterSlave    an agent with its id: frameworks, executors, tasks, and those that ended lately
 *
 * Both say what the machine has, what of it is reserved or a volume, and what this version can do. What a
 * master knows of tasks after it was replaced is from here: so what is listed is what is on the disk.
 */

#include "agent/agent.h"
#include "agent/agent_resources.h"
#include "agent/capability.h"
#include "agent/introduction.h"
#include "agent/inventory.h"
#include "agent/master_link.h"
#include "common/base/log.h"
#include "common/model/version.h"
#include "common/net/pbwire.h"

/* What both messages carry; the arrays live as long as the struct. */
typedef struct Introduction {
        Mesos__V1__AgentInfo info;
        Mesos__V1__AgentInfo__Capability capabilities[8], *capability_list[8];
        Mesos__V1__UUID uuid;
        Mesos__V1__Resource **checkpointed;
        size_t n_checkpointed;
} Introduction;

static void introduction_deinit(Introduction *i) {
        resources_free_pb(i->info.resources, i->info.n_resources);
        resources_free_pb(i->checkpointed, i->n_checkpointed);
}

/* Resources in the form that every master reads, whether it knows refined reservations or not. Also a new
 * agent may have volumes: who it was is forgotten with a reboot, they are not. */
static int introduce_resources(const Agent *a, Introduction *i) {
        int r;

        i->info.resources = NULL;
        i->info.n_resources = 0;
        r = resources_to_pb(a->config->resources, RESOURCE_FORMAT_OLD, &i->info.resources, &i->info.n_resources);
        if (r < 0)
                return r;

        return resources_to_pb(agent_resources_checkpointed(a->resources), RESOURCE_FORMAT_OLD, &i->checkpointed,
                               &i->n_checkpointed);
}

static int introduce(const Agent *a, Introduction *i) {
        assert(n_agent_capabilities <= ELEMENTSOF(i->capabilities));

        i->info = *a->info;

        /* Old masters ask whether tasks survive the agent. They do. */
        i->info.has_checkpoint = true;
        i->info.checkpoint = true;

        for (size_t k = 0; k < n_agent_capabilities; k++) {
                mesos__v1__agent_info__capability__init(&i->capabilities[k]);
                i->capabilities[k].has_type = true;
                i->capabilities[k].type = agent_capabilities[k];
                i->capability_list[k] = &i->capabilities[k];
        }

        mesos__v1__uuid__init(&i->uuid);
        i->uuid.value = (ProtobufCBinaryData) { 16, (uint8_t *) a->resource_version_uuid };
        return introduce_resources(a, i);
}

static void send_register(Agent *a, Introduction *i) {
        Mesos__Internal__RegisterSlaveMessage m = MESOS__INTERNAL__REGISTER_SLAVE_MESSAGE__INIT;

        m.slave = &i->info;
        m.version = (char *) MESOS_VERSION;
        m.n_agent_capabilities = n_agent_capabilities;
        m.agent_capabilities = i->capability_list;
        m.resource_version_uuid = &i->uuid;
        m.n_checkpointed_resources = i->n_checkpointed;
        m.checkpointed_resources = i->checkpointed;
        master_link_send(a->master, "mesos.internal.RegisterSlaveMessage", &m.base);
}

static void send_reregister(Agent *a, Introduction *i, const Inventory *v) {
        Mesos__Internal__ReregisterSlaveMessage m = MESOS__INTERNAL__REREGISTER_SLAVE_MESSAGE__INIT;

        m.slave = &i->info;
        m.version = (char *) MESOS_VERSION;
        m.n_agent_capabilities = n_agent_capabilities;
        m.agent_capabilities = i->capability_list;
        m.resource_version_uuid = &i->uuid;
        m.n_checkpointed_resources = i->n_checkpointed;
        m.checkpointed_resources = i->checkpointed;
        m.n_frameworks = v->n_frameworks;
        m.frameworks = v->frameworks;
        m.n_executor_infos = v->n_executors;
        m.executor_infos = v->executors;
        m.n_tasks = v->n_tasks;
        m.tasks = v->tasks;
        m.n_completed_frameworks = v->n_completed;
        m.completed_frameworks = v->completed;
        master_link_send(a->master, "mesos.internal.ReregisterSlaveMessage", &m.base);
}

void introduction_send(Agent *a) {
        _cleanup_(introduction_deinit) Introduction i = {};
        _cleanup_(inventory_deinit) Inventory v = {};
        int r;

        r = introduce(a, &i);
        if (r >= 0 && a->id)
                r = inventory_take(a, &v);
        if (r < 0)
                (void) log_oom();
        else if (a->id)
                send_reregister(a, &i, &v);
        else
                send_register(a, &i);
}
