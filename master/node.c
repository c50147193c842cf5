/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Nodes
 *
 * A Node is an agent that is registered: it may be cut off for a while (not connected), but the
 * master still counts its tasks as running. An agent that is given up leaves the table and lives on
 * in the registry only, as unreachable or gone.
 *
 * What it has is split three ways, and nothing may be in two of them:
 *
 *     total = used (tasks and executors) + its offers + what the allocator holds as free
 */

#include <utlist.h>

#include "common/model/conversion.h"
#include "common/net/pbwire.h"
#include "master/executor.h"
#include "master/node.h"
#include "master/operation.h"

void node_table_deinit(NodeTable *t) {
        assert(!t->by_id);
        assert(!t->by_pid);
}

int node_work_out_total(const Mesos__V1__AgentInfo *info, Mesos__V1__Resource *const *checkpointed,
                        size_t n_checkpointed, Resources **ret, char **reterr_message) {
        _cleanup_(resources_freep) Resources *configured = NULL, *kept = NULL;
        int r;

        r = resources_from_pb(info->resources, info->n_resources, &configured, reterr_message);
        if (r == RESOURCES_OK)
                r = resources_from_pb(checkpointed, n_checkpointed, &kept, reterr_message);
        if (r != RESOURCES_OK)
                return r;

        r = resources_from_checkpoint(configured, kept, ret, reterr_message);
        return r == CONVERSION_E_INVALID ? RESOURCES_E_INVALID : r;
}

/* Agents may say roles the old way; inside and towards v1 clients only the new one is used. */
static int agent_info_convert(const Mesos__V1__AgentInfo *info, Mesos__V1__AgentInfo **ret,
                              char **reterr_message) {
        _cleanup_(resources_freep) Resources *configured = NULL;
        _cleanup_(pb_freep) ProtobufCMessage *owner = NULL;
        Mesos__V1__AgentInfo *copy;
        Mesos__V1__Resource **list;
        size_t n;
        int r;

        r = resources_from_pb(info->resources, info->n_resources, &configured, reterr_message);
        if (r != RESOURCES_OK)
                return r;

        owner = pb_copy(&info->base);
        if (!owner)
                return -ENOMEM;
        copy = (Mesos__V1__AgentInfo *) owner;

        r = resources_to_pb(configured, RESOURCE_FORMAT_NEW, &list, &n);
        if (r < 0)
                return r;

        for (size_t i = 0; i < copy->n_resources; i++)
                mesos__v1__resource__free_unpacked(copy->resources[i], NULL);
        free(copy->resources);
        copy->resources = list;
        copy->n_resources = n;

        owner = NULL;
        *ret = copy;
        return RESOURCES_OK;
}

static bool message_equal(const ProtobufCMessage *a, const ProtobufCMessage *b) {
        size_t n = protobuf_c_message_get_packed_size(a);
        _cleanup_free_ uint8_t *one = malloc(n), *other = malloc(n);

        if (!one || !other || protobuf_c_message_get_packed_size(b) != n)
                return false;

        (void) protobuf_c_message_pack(a, one);
        (void) protobuf_c_message_pack(b, other);
        return memcmp(one, other, n) == 0;
}

bool agent_info_equal(const Mesos__V1__AgentInfo *a, const Mesos__V1__AgentInfo *b) {
        _cleanup_free_ char *error_a = NULL, *error_b = NULL;
        Mesos__V1__AgentInfo *one = NULL, *other = NULL;
        bool equal;

        if (pb_equal(&a->base, &b->base))
                return true;

        equal = agent_info_convert(a, &one, &error_a) == RESOURCES_OK &&
                agent_info_convert(b, &other, &error_b) == RESOURCES_OK &&
                message_equal(&one->base, &other->base);

        if (one)
                pb_free(&one->base);
        if (other)
                pb_free(&other->base);
        return equal;
}

int node_new(NodeTable *t, const Mesos__V1__AgentInfo *info,
             Mesos__V1__Resource *const *checkpointed, size_t n_checkpointed, const Upid *pid,
             Node **ret, char **reterr_message) {
        _cleanup_(node_freep) Node *n = NULL;
        int r;

        assert(t);
        assert(info && info->id);
        assert(ret);

        n = calloc(1, sizeof(*n));
        if (!n)
                return -ENOMEM;

        n->id = strdup(info->id->value);
        n->used = resources_new();
        if (!n->id || !n->used)
                return -ENOMEM;

        r = agent_info_convert(info, &n->info, reterr_message);
        if (r == RESOURCES_OK)
                r = node_work_out_total(info, checkpointed, n_checkpointed, &n->total,
                                        reterr_message);
        if (r != RESOURCES_OK)
                return r;

        /* Ten thousand agents have the same few kinds of resources. */
        if (t->by_id)
                resources_share(n->total, t->by_id->total);

        n->pid = *pid;
        n->table = t;
        HASH_ADD_KEYPTR(hh, t->by_id, n->id, strlen(n->id), n);
        HASH_ADD_KEYPTR(hh_pid, t->by_pid, n->pid.text, strlen(n->pid.text), n);

        *ret = TAKE_PTR(n);
        return RESOURCES_OK;
}

Node *node_free(Node *n) {
        Executor *e, *next;

        if (!n)
                return NULL;

        assert(!n->tasks);
        assert(!n->offers);
        assert(!n->inverse_offers);

        HASH_ITER(hh, n->executors, e, next)
                executor_free(e);
        operations_forget(n);

        if (n->table) {
                HASH_DELETE(hh, n->table->by_id, n);
                HASH_DELETE(hh_pid, n->table->by_pid, n);
        }

        (void) removal_ticket_cancel(&n->removal);
        sd_event_source_disable_unref(n->ping_source);
        sd_event_source_disable_unref(n->reregister_source);
        resources_free(n->total);
        resources_free(n->used);
        if (n->info)
                pb_free(&n->info->base);
        if (n->unavailability)
                pb_free(&n->unavailability->base);
        buffer_deinit(&n->offer_parts);
        free(n->version);
        free(n->id);
        free(n);
        return NULL;
}

Node *node_find(const NodeTable *t, const char *id) {
        Node *n;

        HASH_FIND_STR(t->by_id, id, n);
        return n;
}

Node *node_find_pid(const NodeTable *t, const Upid *pid) {
        Node *n;

        HASH_FIND(hh_pid, t->by_pid, pid->text, strlen(pid->text), n);
        return n;
}

size_t node_count(const NodeTable *t) {
        return HASH_COUNT(t->by_id);
}

void node_set_pid(Node *n, const Upid *pid) {
        HASH_DELETE(hh_pid, n->table->by_pid, n);
        n->pid = *pid;
        buffer_deinit(&n->offer_parts);
        HASH_ADD_KEYPTR(hh_pid, n->table->by_pid, n->pid.text, strlen(n->pid.text), n);
}

void node_set_total(Node *n, Resources *total) {
        resources_free(n->total);
        n->total = total;
}

int node_set_info(Node *n, const Mesos__V1__AgentInfo *info,
                  Mesos__V1__Resource *const *checkpointed, size_t n_checkpointed,
                  char **reterr_message) {
        _cleanup_(resources_freep) Resources *total = NULL;
        Mesos__V1__AgentInfo *converted;
        int r;

        r = node_work_out_total(info, checkpointed, n_checkpointed, &total, reterr_message);
        if (r == RESOURCES_OK)
                r = agent_info_convert(info, &converted, reterr_message);
        if (r != RESOURCES_OK)
                return r;

        pb_free(&n->info->base);
        n->info = converted;
        buffer_deinit(&n->offer_parts);
        node_set_total(n, TAKE_PTR(total));
        return RESOURCES_OK;
}

int node_set_version(Node *n, const char *version,
                     Mesos__V1__AgentInfo__Capability *const *capabilities, size_t n_capabilities,
                     const Mesos__V1__UUID *resource_version) {
        char *copy;

        copy = strdup(version ?: "");
        if (!copy)
                return -ENOMEM;

        free(n->version);
        n->version = copy;

        n->capabilities = 0;
        for (size_t i = 0; i < n_capabilities; i++)
                if (capabilities[i]->has_type && (unsigned) capabilities[i]->type < 32)
                        n->capabilities |= UINT32_C(1) << capabilities[i]->type;

        n->has_resource_version = resource_version &&
                                  resource_version->value.len == sizeof(n->resource_version);
        if (n->has_resource_version)
                memcpy(n->resource_version, resource_version->value.data,
                       sizeof(n->resource_version));

        return 0;
}

bool node_has_capability(const Node *n, Mesos__V1__AgentInfo__Capability__Type type) {
        return n->capabilities & (UINT32_C(1) << type);
}

ResourceFormat node_resource_format(const Node *n) {
        return node_has_capability(n,
                                   MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__RESERVATION_REFINEMENT)
                               ? RESOURCE_FORMAT_NEW
                               : RESOURCE_FORMAT_OLD;
}
