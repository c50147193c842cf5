/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Capabilities
 *
 * Masters send an agent only what it says it understands, so each entry comes with its feature. The
 * one list serves registration and the endpoints, so that both say the same.
 */

#include "agent/capability.h"
#include "common/base/macro.h"

const Mesos__V1__AgentInfo__Capability__Type agent_capabilities[] = {
        MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__MULTI_ROLE,
        MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__HIERARCHICAL_ROLE,
        MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__RESERVATION_REFINEMENT,
};
const size_t n_agent_capabilities = ELEMENTSOF(agent_capabilities);

const char *agent_capability_name(Mesos__V1__AgentInfo__Capability__Type type) {
        const ProtobufCEnumValue *v;

        v = protobuf_c_enum_descriptor_get_value(&mesos__v1__agent_info__capability__type__descriptor, (int) type);
        return v ? v->name : "UNKNOWN";
}
