/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Registry
 *
 * The master keeps little for good: which agents were admitted, which of them are unreachable and
 * which will never return, what operators said of draining, maintenance, weights and quota. Tasks
 * and frameworks are relearnt from the agents. With this a restarted master, or the next one, knows
 * whom to wait for, and an agent that was declared gone cannot come back by a restart.
 *
 * Order is the point: an agent hears that it is registered only after its admission is durable, and
 * a task is called unreachable only after its agent is recorded as such. So every change takes a
 * callback, and what depends on the change happens there:
 *
 *     registry_put_agent(…)  registry_mark_unreachable(…)       queued; see registry_agents.c
 *                 │ nothing else to do, or 2 ms later
 *           backend commits all that is queued                  at most one commit under way
 *                 │
 *           for each change in its order: the index changes, then its callback is called
 *
 * All records are in memory (registry_record.c). Lookups see what is durable; a change that builds
 * on what a record says sees what is queued, too. Where the records lie is the backend's business
 * (registry_backend.h).
 *
 * When a commit fails or takes too long nobody knows any more what is durable. Then every change
 * fails from there on, and the master ends: the next one reads what there is.
 */

#include <utlist.h>

#include "common/base/crash.h"
#include "common/base/log.h"
#include "master/registry_parts.h"

/* An fsync takes a fraction of this; whoever waits for one hardly notices. */
#define FLUSH_LATEST_USEC (2 * USEC_PER_MSEC)

static int on_flush(sd_event_source *source, void *userdata);
static int on_late(sd_event_source *source, uint64_t usec, void *userdata);
static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata);
static int on_load(sd_event_source *source, void *userdata);
static void flush(Registry *r);

static int add_sources(Registry *r, sd_event *event) {
        int k;

        /* Ahead of everything: who comes in by the network finds it loaded if that can be done at
         * once. */
        k = sd_event_add_defer(event, &r->load_source, on_load, r);
        if (k >= 0)
                k = sd_event_source_set_enabled(r->load_source, SD_EVENT_OFF);
        if (k >= 0)
                k = sd_event_source_set_priority(r->load_source, SD_EVENT_PRIORITY_IMPORTANT);
        if (k < 0)
                return k;

        k = sd_event_add_defer(event, &r->flush_source, on_flush, r);
        if (k >= 0)
                k = sd_event_source_set_enabled(r->flush_source, SD_EVENT_OFF);
        if (k >= 0)
                k = sd_event_source_set_priority(r->flush_source, SD_EVENT_PRIORITY_IDLE);
        if (k < 0)
                return k;

        /* A busy socket is always ready before an idle source; a timer that goes first is not
         * impressed. */
        k = sd_event_add_time(event, &r->late_source, CLOCK_MONOTONIC, USEC_INFINITY, USEC_EXACT,
                              on_late, r);
        if (k >= 0)
                k = sd_event_source_set_priority(r->late_source, SD_EVENT_PRIORITY_IMPORTANT);
        if (k >= 0)
                k = sd_event_source_set_enabled(r->late_source, SD_EVENT_OFF);
        if (k < 0)
                return k;

        k = sd_event_add_time(event, &r->timeout_source, CLOCK_MONOTONIC, USEC_INFINITY, 0,
                              on_timeout, r);
        if (k < 0)
                return k;

        (void) sd_event_source_set_description(r->load_source, "registry-load");
        (void) sd_event_source_set_description(r->flush_source, "registry-flush");
        (void) sd_event_source_set_description(r->late_source, "registry-flush-late");
        (void) sd_event_source_set_description(r->timeout_source, "registry-timeout");
        return sd_event_source_set_enabled(r->timeout_source, SD_EVENT_OFF);
}

static int open_backend(const RegistryConfig *config, RegistryBackend *ret, char **reterr_message) {
        int r = 0;

        switch (config->storage) {
        case REGISTRY_MEMORY:
                return registry_memory_new(ret);
        case REGISTRY_SQLITE:
                r = registry_sqlite_new(config->path, ret, reterr_message);
                break;
        case REGISTRY_ZOOKEEPER:
                return registry_zookeeper_new(config->zk, config->master_id, ret);
        }

        return r > 0 ? REGISTRY_E_UNUSABLE : r;
}

int registry_new(sd_event *event, const RegistryConfig *config, Registry **ret,
                 char **reterr_message) {
        _cleanup_(registry_freep) Registry *r = NULL;
        int k;

        assert(event);
        assert(config);
        assert(ret);

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;

        r->fetch_timeout_usec = config->fetch_timeout_usec;
        r->store_timeout_usec = config->store_timeout_usec;

        k = open_backend(config, &r->backend, reterr_message);
        if (k != REGISTRY_OK)
                return k;

        k = add_sources(r, event);
        if (k < 0)
                return k;

        *ret = TAKE_PTR(r);
        return REGISTRY_OK;
}

static void free_backend(Registry *r) {
        if (r->backend.ops)
                r->backend.ops->free(r->backend.object);
        r->backend = (RegistryBackend){};
}

/* Changes that are not durable yet are lost, as in a crash, and nobody is told. */
Registry *registry_free(Registry *r) {
        if (!r)
                return NULL;

        free_backend(r);
        DL_CONCAT(r->under_way, r->queued);
        while (r->under_way) {
                Change *c = r->under_way;

                DL_DELETE(r->under_way, c);
                change_free(c);
        }
        record_index_deinit(&r->index);
        free(r->writes);

        sd_event_source_disable_unref(r->load_source);
        sd_event_source_disable_unref(r->flush_source);
        sd_event_source_disable_unref(r->late_source);
        sd_event_source_disable_unref(r->timeout_source);
        free(r);
        return NULL;
}

void registry_observe(Registry *r, RegistryStored stored, void *userdata) {
        r->stored = stored;
        r->stored_userdata = userdata;
}

RegistryStats registry_stats(Registry *r) {
        return (RegistryStats){
                .size_bytes = r->backend.ops && r->backend.ops->size
                                              ? r->backend.ops->size(r->backend.object)
                                              : r->index.n_bytes,
                .n_queued = r->n_queued,
                .fetch_usec = r->fetch_usec,
        };
}

bool registry_is_loaded(const Registry *r) {
        return r->loaded;
}

static void arm_timeout(Registry *r, usec_t timeout_usec) {
        if (timeout_usec == 0)
                return;

        (void) sd_event_source_set_time_relative(r->timeout_source, timeout_usec);
        (void) sd_event_source_set_enabled(r->timeout_source, SD_EVENT_ONESHOT);
}

static void disarm_timeout(Registry *r) {
        (void) sd_event_source_set_enabled(r->timeout_source, SD_EVENT_OFF);
}

/* -- Loading -- */

static int take_record(RecordKind kind, const char *id, const void *data, size_t n,
                       void *userdata) {
        _cleanup_free_ char *error = NULL;
        Registry *r = userdata;
        Record *record;
        int k;

        k = record_decode(kind, id, data, n, &record, &error);
        if (k < 0) {
                log_error_errno(k, "Cannot read the registry: %s", error ?: strerror(-k));
                return k;
        }

        record_index_put(&r->index, record);
        return 0;
}

/* What a later version wrote might be misread, and would be lost with the first change. */
static int check_capabilities(const Registry *r) {
        const Mesos__Internal__Registry *list = registry_durable_single(r, RECORD_CAPABILITIES);

        for (size_t i = 0; i < list->n_minimum_capabilities; i++) {
                const char *capability = list->minimum_capabilities[i]->capability;

                if (change_knows(capability))
                        continue;

                log_error("The registry was used by a master with the capability '%s', which this "
                          "version lacks; nothing was changed. Start that version again",
                          capability);
                return -EPROTONOSUPPORT;
        }

        return 0;
}

static void on_loaded(int error, void *userdata) {
        Registry *r = userdata;

        disarm_timeout(r);
        if (error == 0)
                error = check_capabilities(r);

        r->fetch_usec = usec_sub(usec_now(CLOCK_MONOTONIC), r->load_begin_usec);
        if (error < 0) {
                r->error = error;
                record_index_deinit(&r->index);
                r->index = (RecordIndex){};
        } else {
                record_index_sort(&r->index, RECORD_UNREACHABLE);
                record_index_sort(&r->index, RECORD_GONE);
                r->loaded = true;
        }

        r->on_loaded(error, r->loaded_userdata);
}

static int on_load(sd_event_source *source _unused_, void *userdata) {
        Registry *r = userdata;
        int k;

        k = r->backend.ops->load(r->backend.object, take_record, on_loaded, r);
        if (k < 0)
                on_loaded(k, r);

        return 0;
}

int registry_load(Registry *r, RegistryDone loaded, void *userdata) {
        assert(loaded);
        assert(!r->on_loaded);

        r->on_loaded = loaded;
        r->loaded_userdata = userdata;
        r->load_begin_usec = usec_now(CLOCK_MONOTONIC);
        arm_timeout(r, r->fetch_timeout_usec);
        return sd_event_source_set_enabled(r->load_source, SD_EVENT_ONESHOT);
}

/* -- Committing -- */

void registry_arm_commit(Registry *r) {
        if (r->armed || r->under_way || !r->queued)
                return;

        r->armed = true;
        (void) sd_event_source_set_enabled(r->flush_source, SD_EVENT_ONESHOT);
        (void) sd_event_source_set_time_relative(r->late_source, FLUSH_LATEST_USEC);
        (void) sd_event_source_set_enabled(r->late_source, SD_EVENT_ONESHOT);
}

static int on_flush(sd_event_source *source _unused_, void *userdata) {
        flush(userdata);
        return 0;
}

static int on_late(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        flush(userdata);
        return 0;
}

static void finish(Registry *r, Change *c, int error) {
        RegistryDone done = c->done;
        void *userdata = c->userdata;

        if (error == 0) {
                change_apply(c);
                if (r->stored)
                        r->stored(usec_sub(usec_now(CLOCK_MONOTONIC), c->begin_usec),
                                  r->stored_userdata);
        }

        r->n_queued--;
        change_free(c);
        if (done)
                done(error, userdata);
        CRASH_POINT("registry-told");
}

static void finish_all(Registry *r, Change **list, int error) {
        while (*list) {
                Change *c = *list;

                DL_DELETE(*list, c);
                finish(r, c, error);
        }
}

/* Callbacks may queue more: that belongs to the next commit, or fails at once. */
static void on_committed(int error, void *userdata) {
        Registry *r = userdata;

        disarm_timeout(r);
        free(TAKE_PTR(r->writes));
        r->error = error;
        finish_all(r, &r->under_way, error);
        if (error < 0)
                finish_all(r, &r->queued, error);
        else
                registry_arm_commit(r);
}

static int on_timeout(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Registry *r = userdata;

        log_error("The registry does not answer in time");
        free_backend(r);
        if (r->loaded)
                on_committed(-ETIMEDOUT, r);
        else
                on_loaded(-ETIMEDOUT, r);
        return 0;
}

static int start_commit(Registry *r) {
        size_t n = 0, n_writes = 0;
        Change *c;

        DL_FOREACH (r->under_way, c)
                n_writes += c->n_writes;
        if (n_writes == 0) {
                on_committed(0, r);
                return 0;
        }

        r->writes = calloc(n_writes, sizeof(*r->writes));
        if (!r->writes)
                return -ENOMEM;

        DL_FOREACH (r->under_way, c)
                change_list_writes(c, r->writes, &n);
        assert(n == n_writes);

        CRASH_POINT("registry-commit");
        arm_timeout(r, r->store_timeout_usec);
        return r->backend.ops->commit(r->backend.object, r->writes, n, on_committed, r);
}

static void flush(Registry *r) {
        int k;

        (void) sd_event_source_set_enabled(r->flush_source, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(r->late_source, SD_EVENT_OFF);
        r->armed = false;
        if (r->under_way || !r->queued)
                return;

        r->under_way = TAKE_PTR(r->queued);
        k = start_commit(r);
        if (k < 0)
                on_committed(k, r);
}
