/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Capabilities
 *
 * Masters send an agent only what it says it understands, so each entry comes with its feature. The
 * one list serves registration and the endpoints, so that both say the same.
 *
 * RESOURCE_PROVIDER is how an agent says that it takes operations one by one, versions its resources
 * and reports on operations; without it a master gives no feedback on any. That there are providers
 * it does not say: this agent reports that it has none.
 */

#include "agent/capability.h"
#include "common/base/macro.h"

const Mesos__V1__AgentInfo__Capability__Type agent_capabilities[] = {
        MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__MULTI_ROLE,
        MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__HIERARCHICAL_ROLE,
        MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__RESERVATION_REFINEMENT,
        MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__RESOURCE_PROVIDER,
        MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__RESIZE_VOLUME,
        MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__AGENT_OPERATION_FEEDBACK,
        MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__AGENT_DRAINING,
        MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__TASK_RESOURCE_LIMITS,
};
const size_t n_agent_capabilities = ELEMENTSOF(agent_capabilities);

const char *agent_capability_name(Mesos__V1__AgentInfo__Capability__Type type) {
        const ProtobufCEnumValue *v;

        v = protobuf_c_enum_descriptor_get_value(&mesos__v1__agent_info__capability__type__descriptor, (int) type);
        return v ? v->name : "UNKNOWN";
}
