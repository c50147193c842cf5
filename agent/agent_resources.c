/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the agent has
 *
 * The operator configures resources; masters then reserve some, and make persistent volumes of disk.
 * These are kept in the checkpoint, and so is the promise to keep the volumes' data. Changes are
 * accepted at once, so that what follows them can build on them, and carried out one after the other:
 *
 *     change ─▶ staged_resources ─commit─▶ directories made, removed ─▶ resources ─commit─▶ done
 *       └───────────────no volume comes or goes────────────────────────────▲
 *
 * A restarted agent that finds something staged does it again from there; nothing that waited behind
 * it had been promised to anybody. Where a directory cannot be made or removed the change is undone,
 * and those behind it with it, since they were accepted for resources that are not there then.
 *
 * When the disk refuses a record, the step is tried again each second; nothing has been shown.
 */

#include <stdio.h>
#include <utlist.h>

#include "agent/agent_resources.h"
#include "agent/checkpoint.h"
#include "agent/executors.h"
#include "agent/recover.h"
#include "agent/volumes.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "common/net/pbwire.h"
#include "proto/internal.pb-c.h"

#define RECORD_RETRY_USEC USEC_PER_SEC

/* Any text of a bag; it is only for people. */
#define TEXT_MAX_BYTES ((size_t) 16 << 20)

typedef enum ChangeState {
        CHANGE_WAITING,
        CHANGE_STAGING,     /* its record is on the way to the disk */
        CHANGE_WORKING,     /* directories are made and removed */
        CHANGE_COMPLETING,  /* its outcome is on the way to the disk */
} ChangeState;

typedef struct Change {
        ChangeState state;
        Resources *kept;    /* owned; what shall be checkpointed */
        char *error;        /* owned; why it is undone */
        const ResourceChangeOps *ops;
        void *userdata;
        struct Change *prev, *next;
} Change;

struct AgentResources {
        Agent *agent;       /* borrowed */
        Resources *committed;
        Resources *staged;  /* found at recovery; NULL once it is resumed */
        Resources *total, *checkpointed;
        Change *changes;    /* utlist; owned; the first one is being carried out */
        VolumeWork *work;
        sd_event_source *run_source, *retry_source;
};

static Change *change_free(Change *c) {
        if (!c)
                return NULL;

        resources_free(c->kept);
        free(c->error);
        free(c);
        return NULL;
}

DEFINE_CLEANUP(Change *, change_free)

static void run_later(AgentResources *r) {
        (void) sd_event_source_set_enabled(r->run_source, SD_EVENT_ONESHOT);
}

static void retry_soon(AgentResources *r) {
        (void) sd_event_source_set_time_relative(r->retry_source, RECORD_RETRY_USEC);
        (void) sd_event_source_set_enabled(r->retry_source, SD_EVENT_ONESHOT);
}

/* Everybody behind it counted on a change that did not happen. */
static void undo_rest(AgentResources *r, const char *why) {
        _cleanup_(resources_freep) Resources *kept = resources_copy(r->committed), *total = NULL;
        _cleanup_free_ char *message = NULL;
        Change *c;

        if (!kept || resources_from_checkpoint(r->agent->config->resources, kept, &total, &message) != CONVERSION_OK) {
                (void) log_oom();
                return;
        }

        resources_free(r->checkpointed);
        r->checkpointed = TAKE_PTR(kept);
        resources_free(r->total);
        r->total = TAKE_PTR(total);

        DL_FOREACH (r->changes, c)
                if (!c->error && asprintf(&c->error, "An earlier operation failed: %s", why) < 0)
                        c->error = NULL;
}

static void on_completed(int error, void *userdata) {
        AgentResources *r = userdata;
        Change *c = r->changes;
        _cleanup_(change_freep) Change *done = NULL;

        if (error < 0) {
                retry_soon(r);
                return;
        }

        DL_DELETE(r->changes, c);
        done = c;
        if (c->error)
                undo_rest(r, c->error);
        else {
                resources_free(r->committed);
                r->committed = TAKE_PTR(c->kept);
        }

        CRASH_POINT("resources-changed");
        c->ops->done(c->error, c->userdata);
        if (r->changes) {
                run_later(r);
                return;
        }

        executors_volumes_settled(r->agent);
        recovery_executor_settled(r->agent);
}

static void complete(AgentResources *r) {
        Change *c = r->changes;

        CRASH_POINT("resources-commit");
        c->state = CHANGE_COMPLETING;
        r->work = volume_work_free(r->work);
        (void) checkpoint_resources(r->agent->checkpoint, c->error ? r->committed : c->kept);
        c->ops->commit(c->error, c->userdata);
        if (store_after_commit(r->agent->store, on_completed, r) < 0)
                retry_soon(r);
}

static void fail(AgentResources *r, const char *why) {
        log_error("Cannot change the agent's resources: %s", why);
        r->changes->error = strdup(why);
        complete(r);
}

static void on_work_done(const char *error, void *userdata) {
        AgentResources *r = userdata;
        _cleanup_free_ char *why = error ? strdup(error) : NULL;

        if (error)
                fail(r, why ?: "out of memory");
        else
                complete(r);
}

static void on_staged(int error, void *userdata) {
        AgentResources *r = userdata;

        if (error < 0) {
                retry_soon(r);
                return;
        }

        CRASH_POINT("resources-staged");
        r->changes->state = CHANGE_WORKING;
        if (volume_work_start(r->work, r->agent->event, on_work_done, r) < 0)
                fail(r, "cannot start the helper that makes volumes");
}

static void stage(AgentResources *r) {
        Change *c = r->changes;

        c->state = CHANGE_STAGING;
        (void) checkpoint_staged_resources(r->agent->checkpoint, c->kept);
        if (c->ops->stage)
                c->ops->stage(c->userdata);
        if (store_after_commit(r->agent->store, on_staged, r) < 0)
                retry_soon(r);
}

/* Begins with the first change, or goes on where the disk stopped it. */
static void run(AgentResources *r) {
        Change *c = r->changes;

        if (!c)
                return;

        if (c->state == CHANGE_WAITING && !c->error && !r->work &&
            volume_work_new(r->agent->config, r->committed, c->kept, &r->work) < 0) {
                fail(r, "out of memory");
                return;
        }

        if (c->error || !r->work)
                complete(r);
        else
                stage(r);
}

static int on_run(sd_event_source *source, void *userdata) {
        (void) source;
        run(userdata);
        return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        run(userdata);
        return 0;
}

int agent_resources_new(Agent *a, AgentResources **ret) {
        _cleanup_(agent_resources_freep) AgentResources *r = calloc(1, sizeof(*r));
        int k;

        if (!r)
                return -ENOMEM;

        r->agent = a;
        r->committed = resources_new();
        r->checkpointed = resources_new();
        r->total = resources_copy(a->config->resources);
        if (!r->committed || !r->checkpointed || !r->total)
                return -ENOMEM;

        k = sd_event_add_defer(a->event, &r->run_source, on_run, r);
        if (k >= 0)
                k = sd_event_add_time(a->event, &r->retry_source, CLOCK_MONOTONIC, USEC_INFINITY, 0, on_retry, r);
        if (k < 0)
                return k;

        (void) sd_event_source_set_enabled(r->run_source, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(r->retry_source, SD_EVENT_OFF);
        (void) sd_event_source_set_description(r->run_source, "resource-changes");
        (void) sd_event_source_set_description(r->retry_source, "resource-record-retry");

        *ret = TAKE_PTR(r);
        return 0;
}

AgentResources *agent_resources_free(AgentResources *r) {
        Change *c, *tmp;

        if (!r)
                return NULL;

        DL_FOREACH_SAFE (r->changes, c, tmp) {
                DL_DELETE(r->changes, c);
                change_free(c);
        }

        volume_work_free(r->work);
        sd_event_source_disable_unref(r->run_source);
        sd_event_source_disable_unref(r->retry_source);
        resources_free(r->committed);
        resources_free(r->staged);
        resources_free(r->total);
        resources_free(r->checkpointed);
        free(r);
        return NULL;
}

const Resources *agent_resources_total(const AgentResources *r) {
        return r->total;
}

const Resources *agent_resources_checkpointed(const AgentResources *r) {
        return r->checkpointed;
}

bool agent_resources_are_settled(const AgentResources *r) {
        return !r->changes;
}

int agent_resources_change(AgentResources *r, Resources *total, const ResourceChangeOps *ops, void *userdata) {
        _cleanup_(resources_freep) Resources *kept = resources_to_checkpoint(total);
        _cleanup_(change_freep) Change *c = calloc(1, sizeof(*c));

        if (!c || !kept)
                return -ENOMEM;

        c->ops = ops;
        c->userdata = userdata;
        c->kept = resources_copy(kept);
        if (!c->kept)
                return -ENOMEM;

        resources_free(r->total);
        r->total = total;
        resources_free(r->checkpointed);
        r->checkpointed = TAKE_PTR(kept);
        if (!r->changes)
                run_later(r);
        DL_APPEND(r->changes, c);
        TAKE_PTR(c);
        return 0;
}

static int load(const Agent *a, const char *key, Resources **ret) {
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        _cleanup_free_ char *bytes = NULL, *why = NULL;
        const Mesos__Internal__CheckpointResourcesMessage *list;
        size_t n;
        int k;

        *ret = NULL;
        k = checkpoint_load_meta(a->checkpoint, key, &bytes, &n);
        if (k < 0 || !bytes)
                return k;

        k = pb_unpack(&mesos__internal__checkpoint_resources_message__descriptor, bytes, n, PB_LIMITS_DEFAULT, &m,
                      &why);
        if (k == PB_OK) {
                list = (const Mesos__Internal__CheckpointResourcesMessage *) m;
                k = resources_from_pb(list->resources, list->n_resources, ret, &why);
        }
        if (k > 0) {
                log_error("The stored %s cannot be read: %s", key, why ?: "damaged");
                return -EBADMSG;
        }

        return k;
}

/* What the operator took from the configuration is reserved, or holds somebody's data. */
static int fit(const Agent *a, const Resources *checkpointed, Resources **ret) {
        _cleanup_free_ char *why = NULL;
        int k;

        k = resources_from_checkpoint(a->config->resources, checkpointed, ret, &why);
        if (k != CONVERSION_E_INVALID)
                return k;

        log_error("%s. Reservations and persistent volumes of this agent, shown by --inspect, are made of more than "
                  "--resources now says. Give it back to --resources; to do without them, start with it once more, and "
                  "destroy the volumes and undo the reservations through the master.",
                  why);
        return -EINVAL;
}

int agent_resources_recover(AgentResources *r) {
        _cleanup_(resources_freep) Resources *committed = NULL, *staged = NULL, *total = NULL, *kept = NULL;
        int k;

        k = load(r->agent, "resources", &committed);
        if (k == 0)
                k = load(r->agent, "staged_resources", &staged);
        if (k == 0 && committed)
                k = fit(r->agent, committed, &total);
        if (k == 0 && staged) {
                total = resources_free(total);
                k = fit(r->agent, staged, &total);
        }
        if (k < 0 || (!committed && !staged))
                return k;

        kept = resources_copy(staged ?: committed);
        if (!kept)
                return -ENOMEM;

        if (committed) {
                resources_free(r->committed);
                r->committed = TAKE_PTR(committed);
        }
        r->staged = TAKE_PTR(staged);
        resources_free(r->checkpointed);
        r->checkpointed = TAKE_PTR(kept);
        resources_free(r->total);
        r->total = TAKE_PTR(total);
        return 0;
}

bool agent_resources_was_cut_off(const AgentResources *r) {
        return r->staged;
}

int agent_resources_resume(AgentResources *r, const ResourceChangeOps *ops, void *userdata) {
        Resources *total = resources_copy(r->total);
        int k;

        if (!total)
                return -ENOMEM;

        k = agent_resources_change(r, total, ops, userdata);
        if (k < 0) {
                resources_free(total);
                return k;
        }

        r->staged = resources_free(r->staged);
        return 0;
}
