/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Registration
 *
 * An agent asks until it is answered, so whatever stands against it (another request of its under
 * way, a description that makes no sense) is dropped with a line in the log, and it asks again.
 *
 *     RegisterSlave ──▶ an id, recorded in the registry ──▶ SlaveRegistered, first ping
 *     ReregisterSlave, by where its id is known:
 *         a node of ours            came back: answered at once, differences reconciled
 *         recovered, unreachable,
 *         or not at all             recorded (again), its tasks taken in ──▶ SlaveReregistered
 *         gone                      Shutdown
 *
 * Nothing is believed before the registry has it: a Registration waits for that with the message it
 * came with. What a returning agent reports of its work is for readmission.c.
 */

#include <stdio.h>
#include <uthash.h>

#include "common/base/log.h"
#include "common/model/id.h"
#include "common/net/pbwire.h"
#include "master/agent_link.h"
#include "master/agent_message.h"
#include "master/allocation.h"
#include "master/departure.h"
#include "master/drain.h"
#include "master/maintenance.h"
#include "master/master.h"
#include "master/node.h"
#include "master/operator_stream.h"
#include "master/readmission.h"
#include "master/registration.h"
#include "master/reject.h"
#include "proto/internal.pb-c.h"

/* What an agent says of itself in either message, borrowed from it. */
typedef struct Introduction {
        const Mesos__V1__AgentInfo *info;
        const char *version;
        Mesos__V1__AgentInfo__Capability *const *capabilities;
        size_t n_capabilities;
        const Mesos__V1__UUID *resource_version;
        Mesos__V1__Resource *const *checkpointed;
        size_t n_checkpointed;
} Introduction;

static Introduction introduction_first(const Mesos__Internal__RegisterSlaveMessage *r) {
        return (Introduction) {
                .info = r->slave,
                .version = r->version,
                .capabilities = r->agent_capabilities,
                .n_capabilities = r->n_agent_capabilities,
                .resource_version = r->resource_version_uuid,
                .checkpointed = r->checkpointed_resources,
                .n_checkpointed = r->n_checkpointed_resources,
        };
}

static Introduction introduction_again(const Mesos__Internal__ReregisterSlaveMessage *r) {
        return (Introduction) {
                .info = r->slave,
                .version = r->version,
                .capabilities = r->agent_capabilities,
                .n_capabilities = r->n_agent_capabilities,
                .resource_version = r->resource_version_uuid,
                .checkpointed = r->checkpointed_resources,
                .n_checkpointed = r->n_checkpointed_resources,
        };
}

/* A request that waits for the registry. */
struct Registration {
        Master *master;
        Upid from;
        PbParcel *message;               /* owned */
        Mesos__V1__AgentInfo *info;      /* owned; with its id */
        bool was_unreachable;
        bool was_recovered;
        usec_t unreachable_usec;         /* since when, if it was */
        UT_hash_handle hh;               /* by from.text */
        UT_hash_handle hh_id;            /* by info->id */
};

static Registration *registration_free(Registration *x) {
        if (!x)
                return NULL;

        if (x->master) {
                HASH_DELETE(hh, x->master->registrations.by_pid, x);
                HASH_DELETE(hh_id, x->master->registrations.by_id, x);
        }
        pb_parcel_free(x->message);
        if (x->info)
                pb_free(&x->info->base);
        free(x);
        return NULL;
}
DEFINE_CLEANUP(Registration *, registration_free)

void registration_stop(Master *m) {
        while (m->registrations.by_pid)
                registration_free(m->registrations.by_pid);
}

bool registration_is_pending(const Master *m, const char *agent_id) {
        Registration *x;

        HASH_FIND(hh_id, m->registrations.by_id, agent_id, strlen(agent_id), x);
        return x;
}

static bool is_under_way(const Master *m, const Upid *from) {
        Registration *x;

        HASH_FIND_STR(m->registrations.by_pid, from->text, x);
        return x;
}

/* Takes the message over on success. */
static int registration_new(Master *m, const Upid *from, PbParcel **message,
                            const Mesos__V1__AgentInfo *info, const char *id, Registration **ret) {
        _cleanup_(registration_freep) Registration *x = NULL;
        Mesos__V1__AgentInfo with_id = *info;
        Mesos__V1__AgentID agent_id = MESOS__V1__AGENT_ID__INIT;

        x = calloc(1, sizeof(*x));
        if (!x)
                return -ENOMEM;

        agent_id.value = (char *) id;
        with_id.id = &agent_id;

        x->from = *from;
        x->info = (Mesos__V1__AgentInfo *) pb_copy(&with_id.base);
        if (!x->info)
                return -ENOMEM;

        x->message = TAKE_PTR(*message);
        x->master = m;
        HASH_ADD_KEYPTR(hh, m->registrations.by_pid, x->from.text, strlen(x->from.text), x);
        HASH_ADD_KEYPTR(hh_id, m->registrations.by_id, x->info->id->value,
                        strlen(x->info->id->value), x);
        *ret = TAKE_PTR(x);
        return 0;
}

/* The request goes on in `done`, which frees what waits, when the registry has the description.
 * A recovered agent that is as the registry knows it need not wait, unless for the end of another at
 * its address, which was recorded just before. */
static void wait_for_registry(Master *m, const Upid *from, PbParcel **message,
                              const Mesos__V1__AgentInfo *info, const char *id, RegistryDone done) {
        const RecoveredAgent *recovered = recovered_find(m, id);
        Registration *x;
        int r;

        r = registration_new(m, from, message, info, id, &x);
        if (r < 0) {
                log_error_errno(r, "Cannot let agent at %s in: %m", from->text);
                return;
        }

        x->was_recovered = recovered;
        x->was_unreachable = registry_is_unreachable(m->registry, id, &x->unreachable_usec);
        if (recovered && !node_find_pid(&m->nodes, from) &&
            agent_info_equal(recovered->info, x->info)) {
                done(0, x);
                return;
        }

        r = registry_put_agent(m->registry, x->info, done, x);
        if (r == REGISTRY_OK)
                return;

        if (r < 0)
                master_fail(m, r, "Cannot record an agent");
        else
                log_warning("Ignoring agent at %s: it is just being declared gone", from->text);
        registration_free(x);
}

/* Agents before 1.0 speak another dialect. */
static bool version_is_supported(const char *version) {
        unsigned major;

        return version && sscanf(version, "%u.", &major) == 1 && major >= 1;
}

/* May it be let in? Everything that can be wrong is found here, before the registry is told. */
static int judge_agent(const Introduction *i, char **reterr_message) {
        _cleanup_(resources_freep) Resources *total = NULL;
        int r;

        if (!*i->info->hostname)
                return reject(reterr_message, "it has no hostname");
        if (!version_is_supported(i->version))
                return reject(reterr_message, "its version is missing or older than 1.0.0");
        if (i->info->domain)
                return reject(reterr_message, "it is in a domain, and this master is in none");
        if (mesos__v1__agent_info__get_packed_size(i->info) > REGISTRY_AGENT_MAX_BYTES)
                return reject(reterr_message, "it says more of itself than the registry takes");

        r = node_work_out_total(i->info, i->checkpointed, i->n_checkpointed, &total,
                                reterr_message);
        return r == RESOURCES_E_INVALID ? REJECTED : r;
}

/* True when it may; otherwise it is ignored with a line in the log, and asks again. `report` is
 * what it has besides itself; NULL: nothing. */
static bool is_acceptable(const Introduction *i,
                          const Mesos__Internal__ReregisterSlaveMessage *report, const Upid *from) {
        _cleanup_free_ char *error = NULL;
        int r;

        r = judge_agent(i, &error);
        if (r == ACCEPTED && report)
                r = readmission_judge(report, &error);
        if (r < 0)
                log_error_errno(r, "Cannot judge agent at %s: %m", from->text);
        else if (r > 0)
                log_warning("Ignoring agent at %s: %s", from->text, error ?: "it is invalid");

        return r == ACCEPTED;
}

/* It is told to end if its machine is down for maintenance, whatever it may have to say. */
static bool is_sent_away(Master *m, const Mesos__V1__AgentInfo *info, const Upid *from) {
        if (!maintenance_is_down(m->maintenance, info->hostname, from->ip))
                return false;

        log_warning("Sending agent at %s (%s) away: its machine is down for maintenance",
                    from->text, info->hostname);
        agent_message_shutdown(m, from, "Machine is `DOWN`");
        return true;
}

/* Enters the node: connected, pinged, offered from the next run on. */
static int admit(Master *m, const Registration *x, const Introduction *i, Node **ret) {
        _cleanup_free_ char *error = NULL;
        Node *n;
        int r;

        r = node_new(&m->nodes, x->info, i->checkpointed, i->n_checkpointed, &x->from, &n, &error);
        if (r > 0) {
                log_warning("Ignoring agent at %s: %s", x->from.text, error);
                return -EBADMSG;
        }
        if (r < 0)
                return r;

        n->master = m;
        n->connected = true;
        n->deactivated = drain_is_deactivated(m, n->id);
        n->active = !n->deactivated;
        n->registered_usec = master_wall_clock(m);

        r = node_set_version(n, i->version, i->capabilities, i->n_capabilities,
                             i->resource_version);
        if (r >= 0)
                r = peer_pool_link(m->peers, &n->pid);
        if (r < 0) {
                node_free(n);
                return r;
        }

        allocation_add_node(n);
        if (!n->active)
                allocation_deactivate_node(n);
        *ret = n;
        return 0;
}

/* What the registry was told of an agent that could not be let in after all is taken back, or every
 * attempt of an agent that is new left a row. A recovered one is in it anyhow, and waits on. Takes
 * `x` over. */
static void take_back(Registration *x) {
        _cleanup_free_ char *id = strdup(x->info->id->value);
        Master *m = x->master;
        int r = 0;

        if (!id)
                r = -ENOMEM;
        else if (x->was_unreachable)
                r = registry_mark_unreachable(m->registry, id, x->unreachable_usec, NULL, NULL);
        else if (!x->was_recovered)
                r = registry_remove_agent(m->registry, id, NULL, NULL);
        if (r < 0)
                master_fail(m, r, "Cannot record an agent");

        registration_free(x);
        if (id)
                recovered_stays_out(m, id);
}

static void on_admitted(int error, void *userdata) {
        _cleanup_(registration_freep) Registration *x = userdata;
        Introduction i = introduction_first((const void *) pb_parcel_message(x->message));
        Master *m = x->master;
        Node *n;
        int r;

        if (error < 0) {
                master_fail(m, error, "Cannot record an agent");
                return;
        }

        r = admit(m, x, &i, &n);
        if (r < 0) {
                log_error_errno(r, "Cannot let agent at %s in: %m", x->from.text);
                take_back(TAKE_PTR(x));
                return;
        }

        metrics_count(m, COUNTER_SLAVE_REGISTRATIONS);
        log_info_ctx(&(LogContext) { .agent_id = n->id }, "Registered agent '%s' at %s (%s)", n->id,
                     n->pid.text, n->info->hostname);

        r = agent_link_start_pings(n);
        if (r < 0)
                master_fail(m, r, "Cannot start a timer");
        agent_message_registered(n);
        operator_stream_node_added(n);
        maintenance_apply(m->maintenance, n);
}

/* The address is known: an answer that got lost, or another agent in the old one's place. True when
 * dealt with. */
static bool register_known_address(Master *m, const Upid *from) {
        Node *n = node_find_pid(&m->nodes, from);

        if (!n)
                return false;

        if (n->leaving)
                return true;

        if (n->connected) {
                log_info("Agent '%s' at %s registers again, telling it again", n->id, from->text);
                agent_message_registered(n);
                return true;
        }

        departure_replace(n);
        return false;
}

void registration_register(Master *m, const Upid *from, PbParcel **message) {
        const Mesos__Internal__RegisterSlaveMessage *r = (const void *) pb_parcel_message(*message);
        Introduction i = introduction_first(r);
        char id[ID_TEXT_MAX + 1];
        int k;

        metrics_count(m, COUNTER_MESSAGES_REGISTER_SLAVE);
        if (is_under_way(m, from) || is_sent_away(m, r->slave, from) ||
            !is_acceptable(&i, NULL, from))
                return;

        if (register_known_address(m, from))
                return;

        k = id_make(m->id, 'S', m->nodes.next_number++, id);
        if (k < 0)
                log_error_errno(k, "Cannot let agent at %s in: %m", from->text);
        else
                wait_for_registry(m, from, message, r->slave, id, on_admitted);
}

static void on_readmitted(int error, void *userdata) {
        _cleanup_(registration_freep) Registration *x = userdata;
        const Mesos__Internal__ReregisterSlaveMessage *message =
                        (const void *) pb_parcel_message(x->message);
        Introduction i = introduction_again(message);
        Master *m = x->master;
        Node *n;
        int r;

        if (error < 0) {
                master_fail(m, error, "Cannot record an agent");
                return;
        }

        r = admit(m, x, &i, &n);
        if (r < 0) {
                log_error_errno(r, "Cannot let agent at %s in again: %m", x->from.text);
                take_back(TAKE_PTR(x));
                return;
        }

        recovered_forget(m, n->id);
        n->reregistered_usec = n->registered_usec;
        metrics_count(m, COUNTER_SLAVE_REREGISTRATIONS);
        log_info_ctx(&(LogContext) { .agent_id = n->id }, "Agent '%s' at %s (%s) is back", n->id,
                     n->pid.text, n->info->hostname);

        r = agent_link_start_pings(n);
        if (r < 0)
                master_fail(m, r, "Cannot start a timer");
        agent_message_reregistered(n, NULL, 0);
        departure_forget_unreachable(m, n->id);
        readmission_learn(n, message,
                          x->was_recovered     ? NULL
                          : x->was_unreachable ? "Unreachable agent re-reregistered"
                                               : "Unknown agent reregistered");
        operator_stream_node_added(n);
        readmission_settle_frameworks(n, message);
        drain_resume(n);
        maintenance_apply(m->maintenance, n);
}

/* An agent comes to this address: whoever we thought there is replaced. False while that one is
 * just leaving, which ends by itself. */
static bool clear_address(Node *n) {
        if (n->leaving)
                return false;

        departure_replace(n);
        return true;
}

/* What it has besides what it is configured with may change without the registry. */
static int take_kept(Node *n, const Introduction *i) {
        _cleanup_(resources_freep) Resources *total = NULL;
        _cleanup_free_ char *error = NULL;
        int k;

        k = node_work_out_total(i->info, i->checkpointed, i->n_checkpointed, &total, &error);
        if (k != RESOURCES_OK)
                return k < 0 ? k : -EBADMSG;

        if (resources_equal(total, n->total))
                return 0;

        node_set_total(n, TAKE_PTR(total));
        allocation_update_node(n);
        return 0;
}

/* It has been judged, and the registry has it. */
static int take_description(Node *n, const Introduction *i) {
        _cleanup_free_ char *error = NULL;
        int k;

        k = node_set_info(n, i->info, i->checkpointed, i->n_checkpointed, &error);
        if (k != RESOURCES_OK)
                return k < 0 ? k : -EBADMSG;

        allocation_update_node(n);
        return 0;
}

/* A node of ours is there again, where and as `r` says. */
static void take_back_in(Node *n, const Upid *from, const Mesos__Internal__ReregisterSlaveMessage *r) {
        Introduction i = introduction_again(r);
        Master *m = n->master;
        int k;

        log_info_ctx(&(LogContext) { .agent_id = n->id }, "Agent '%s' at %s is back", n->id,
                     from->text);
        departure_return_node_offers(n, true);

        /* Who only repeats itself has its answer coming on the connection it has: ended, that would
         * be lost, and ten thousand impatient agents never got one. */
        if (!n->connected || !upid_eq(&n->pid, from) || !peer_pool_reaches(m->peers, from))
                peer_pool_forget(m->peers, &n->pid);
        node_set_pid(n, from);

        k = node_set_version(n, i.version, i.capabilities, i.n_capabilities, i.resource_version);
        if (k >= 0)
                k = take_kept(n, &i);
        if (k < 0) {
                master_fail(m, k, "Cannot take an agent in again");
                return;
        }

        k = peer_pool_link(m->peers, &n->pid);
        if (k < 0) {
                log_warning_errno(k, "Cannot reach agent '%s' at %s, it has to come again: %m",
                                  n->id, from->text);
                agent_link_disconnect(n);
                return;
        }

        n->connected = true;
        n->reregistered_usec = master_wall_clock(m);
        n->reregister_source = sd_event_source_disable_unref(n->reregister_source);
        metrics_count(m, COUNTER_SLAVE_REREGISTRATIONS);

        k = agent_link_start_pings(n);
        if (k < 0)
                master_fail(m, k, "Cannot start a timer");

        readmission_reconcile(n, r);
        readmission_settle_frameworks(n, r);

        if (!n->deactivated) {
                n->active = true;
                allocation_activate_node(n);
        }
        drain_resume(n);
        maintenance_apply(m->maintenance, n);
}

/* Of a node of ours the registry has been told what changed. */
static void on_updated(int error, void *userdata) {
        _cleanup_(registration_freep) Registration *x = userdata;
        const Mesos__Internal__ReregisterSlaveMessage *message =
                        (const void *) pb_parcel_message(x->message);
        Introduction i = introduction_again(message);
        Master *m = x->master;
        Node *n;
        int r;

        if (error < 0) {
                master_fail(m, error, "Cannot record an agent");
                return;
        }

        n = node_find(&m->nodes, x->info->id->value);
        if (!n || n->leaving)
                return;

        r = take_description(n, &i);
        if (r < 0)
                master_fail(m, r, "Cannot take an agent in again");
        else
                take_back_in(n, &x->from, message);
}

static void reregister_known(Master *m, Node *n, const Upid *from, PbParcel **message) {
        const Mesos__Internal__ReregisterSlaveMessage *r =
                        (const void *) pb_parcel_message(*message);
        Node *there = node_find_pid(&m->nodes, from);

        if (n->leaving)
                return;

        if (!streq(n->pid.ip, from->ip) || !streq(n->info->hostname, r->slave->hostname)) {
                log_warning("Agent '%s' comes back from another host (%s, %s), shutting it down",
                            n->id, from->text, r->slave->hostname);
                agent_message_shutdown(
                                m, from,
                                "Agent attempted to re-register from a different IP or hostname");
                return;
        }

        if (there && there != n && !clear_address(there))
                return;

        if ((!there || there == n) && agent_info_equal(n->info, r->slave))
                take_back_in(n, from, r);
        else
                wait_for_registry(m, from, message, r->slave, n->id, on_updated);
}

void registration_reregister(Master *m, const Upid *from, PbParcel **message) {
        const Mesos__Internal__ReregisterSlaveMessage *r =
                        (const void *) pb_parcel_message(*message);
        const char *id = r->slave->id ? r->slave->id->value : "";
        Introduction i = introduction_again(r);
        Node *n;

        metrics_count(m, COUNTER_MESSAGES_REREGISTER_SLAVE);
        if (is_under_way(m, from) || registration_is_pending(m, id) ||
            departure_is_under_way(m, id))
                return;

        if (registry_is_gone(m->registry, id)) {
                agent_message_shutdown(m, from, "Agent has been marked gone");
                return;
        }

        if (!id_is_valid(id)) {
                log_warning("Ignoring agent at %s that wants to be back: its id is invalid",
                            from->text);
                return;
        }

        if (is_sent_away(m, r->slave, from)) {
                if (recovered_find(m, id))
                        departure_recovered_down(m, id);
                return;
        }

        if (!is_acceptable(&i, r, from))
                return;

        n = node_find(&m->nodes, id);
        if (n) {
                reregister_known(m, n, from, message);
                return;
        }

        n = node_find_pid(&m->nodes, from);
        if (!n || clear_address(n))
                wait_for_registry(m, from, message, r->slave, id, on_readmitted);
}

void registration_unregister(Master *m, const Upid *from, PbParcel **message) {
        const Mesos__Internal__UnregisterSlaveMessage *u =
                        (const void *) pb_parcel_message(*message);
        Node *n = node_find(&m->nodes, u->slave_id->value);

        metrics_count(m, COUNTER_MESSAGES_UNREGISTER_SLAVE);

        if (!n || !upid_eq(&n->pid, from)) {
                log_warning("Ignoring farewell of unknown agent '%s' at %s", u->slave_id->value,
                            from->text);
                return;
        }

        departure_unregister(n, "the agent unregistered");
}
