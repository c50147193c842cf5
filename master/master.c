/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Master
 *
 * One object owns everything there is one of: the loop's sources, the HTTP server all comes in by,
 * the connections to agents, the registry, the allocator, and the tables of frameworks, agents and
 * offers. Other files are handed it and work on their part.
 *
 *     start   registry, HTTP server, peers, allocator, routes; it stands for election
 *     lead    the registry is read; agents in it are "recovered": expected back within
 *             --agent_reregister_timeout
 *     end     streams are closed, tables emptied; nothing is told to anybody: agents and frameworks
 *             take a master that ends for one that will be back
 */

#include <arpa/inet.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <utlist.h>

#include "common/base/log.h"
#include "common/model/id.h"
#include "common/model/version.h"
#include "common/net/pbwire.h"
#include "master/agent_link.h"
#include "master/allocation.h"
#include "master/allocation_pause.h"
#include "master/departure.h"
#include "master/drain.h"
#include "master/endpoints.h"
#include "master/executor.h"
#include "master/leadership.h"
#include "master/maintenance.h"
#include "master/master.h"
#include "master/operator_api.h"
#include "master/operator_stream.h"
#include "master/reconciliation.h"
#include "master/registration.h"
#include "master/scheduler_api.h"
#include "master/task.h"
#include "master/weights.h"

/* A re-registration lists all tasks of an agent; ten thousand of them are some 10 MB. */
#define REQUEST_MAX_BYTES (32U << 20)

usec_t master_now(const Master *m) {
        uint64_t now_usec = 0;

        (void) sd_event_now(m->event, CLOCK_MONOTONIC, &now_usec);
        return now_usec;
}

usec_t master_wall_clock(const Master *m _unused_) {
        return usec_now(CLOCK_REALTIME);
}

/* What follows from the end is not worth a line: ten thousand changes fail with their registry. */
void master_fail(Master *m, int error, const char *what) {
        if (m->ending)
                return;

        m->ending = true;
        log_error_errno(error, "%s, giving up: %m", what);
        (void) sd_event_exit(m->event, error < 0 ? error : -EIO);
}

static void on_registry_pruned(int error, void *userdata) {
        Master *m = userdata;

        if (error < 0)
                master_fail(m, error, "Cannot prune the registry");
        else
                departure_forget_pruned(m);
}

static void prune_registry(Master *m) {
        int r;

        r = registry_prune(m->registry,
                           usec_sub(master_wall_clock(m), m->config->registry_max_agent_age_usec),
                           m->config->registry_max_agent_count, on_registry_pruned, m);
        if (r < 0)
                master_fail(m, r, "Cannot prune the registry");
}

static int on_registry_gc(sd_event_source *s, uint64_t usec _unused_, void *userdata) {
        Master *m = userdata;

        if (m->phase == MASTER_LEADING)
                prune_registry(m);

        /* What a busy hour left free in the heap goes back to the system. */
        (void) malloc_trim(0);

        (void) sd_event_source_set_time(
                        s, usec_add(master_now(m), m->config->registry_gc_interval_usec));
        (void) sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
        return 0;
}

static int on_overflow(sd_event_source *s _unused_, void *userdata) {
        scheduler_api_cut_overflowed(userdata);
        (void) malloc_trim(0);
        return 0;
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si,
                     void *userdata _unused_) {
        log_info("Received signal %u, ending", si->ssi_signo);
        return sd_event_exit(sd_event_source_get_event(s), 0);
}

static int start_sources(Master *m) {
        static const int signals[] = { SIGTERM, SIGINT };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                r = sd_event_add_signal(m->event, &m->signal_sources[i],
                                        signals[i] | SD_EVENT_SIGNAL_PROCMASK, on_signal, m);
                if (r < 0)
                        return r;
        }

        r = sd_event_add_defer(m->event, &m->overflow_source, on_overflow, m);
        if (r < 0)
                return r;
        (void) sd_event_source_set_enabled(m->overflow_source, SD_EVENT_OFF);

        return sd_event_add_time(m->event, &m->registry_gc_source, CLOCK_MONOTONIC,
                                 usec_add(master_now(m), m->config->registry_gc_interval_usec), 0,
                                 on_registry_gc, m);
}

static void on_stored(usec_t took_usec, void *userdata) {
        metrics_add_sample(&((Master *) userdata)->metrics.registry_store, took_usec);
}

/* Operators come with --registry=replicated_log from Mesos, and shall know where to look. */
static void say_where_it_is(const Master *m, const RegistryConfig *config) {
        switch (config->storage) {
        case REGISTRY_MEMORY:
                if (m->config->registry_in_memory)
                        log_info("The registry is in memory and ends with this master");
                break;
        case REGISTRY_SQLITE:
                log_info("The registry is a database in --work_dir, %s", config->path);
                break;
        case REGISTRY_ZOOKEEPER:
                log_info("The registry is in ZooKeeper, below %s", m->config->zk->path);
                break;
        }
}

static int open_registry(Master *m, const RegistryConfig *place) {
        RegistryConfig config = *place;
        _cleanup_free_ char *error = NULL;
        int r;

        config.fetch_timeout_usec = m->config->registry_fetch_timeout_usec;
        config.store_timeout_usec = m->config->registry_store_timeout_usec;
        m->registry = registry_free(m->registry);
        r = registry_new(m->event, &config, &m->registry, &error);
        if (r != REGISTRY_OK) {
                log_error("Cannot open the registry: %s", error ?: strerror(r < 0 ? -r : EBADMSG));
                return r < 0 ? r : -EBADMSG;
        }

        say_where_it_is(m, &config);
        registry_observe(m->registry, on_stored, m);
        return 0;
}

/* One in ZooKeeper is the leader's; a standby has an empty one in its place. */
static int open_first_registry(Master *m) {
        RegistryConfig config = { .storage = REGISTRY_MEMORY };
        _cleanup_free_ char *path = NULL;

        if (!m->config->registry_in_memory && !m->config->zk) {
                if (asprintf(&path, "%s/registry.db", m->config->work_dir) < 0)
                        return -ENOMEM;
                config.storage = REGISTRY_SQLITE;
                config.path = path;
        }

        return open_registry(m, &config);
}

static int open_shared_registry(Master *m) {
        const RegistryConfig config = {
                .storage = REGISTRY_ZOOKEEPER,
                .zk = leadership_zk(m->leadership),
                .master_id = m->id,
        };

        return m->config->registry_in_memory || !m->config->zk ? 0 : open_registry(m, &config);
}

static int open_server(Master *m) {
        HttpServerConfig config = {
                .ip = m->config->ip,
                .port = m->config->port,
                .listen_fd = m->config->listen_fd,
                .max_body_bytes = REQUEST_MAX_BYTES,
        };
        int r;

        r = http_server_new(m->event, &config, &m->http);
        if (r < 0)
                return log_error_errno(r, "Cannot listen at %s:%u: %m", m->config->ip ?: "*",
                                       m->config->port);

        return upid_make("master", m->config->advertise_ip,
                         m->config->advertise_port > 0 ? m->config->advertise_port
                                                       : http_server_port(m->http),
                         &m->self);
}

static int add_routes(Master *m) {
        static const struct {
                const char *path;
                HttpHandler handler;
        } routes[] = {
                { "/api/v1/scheduler", scheduler_api_on_request },
                { "/master/api/v1/scheduler", scheduler_api_on_request },
                { "/api/v1", operator_api_on_request },
                { "/master/api/v1", operator_api_on_request },
                { "/master", agent_link_on_request },
        };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(routes); i++) {
                r = http_server_route(m->http, routes[i].path, routes[i].handler, m);
                if (r < 0)
                        return r;
        }

        http_server_set_gate(m->http, leadership_gate, m);
        return endpoints_add_routes(m);
}

/* MasterInfo, built of borrowed parts and copied. Mesos wants the IPv4 address as the number its
 * bytes make. */
static int make_info(Master *m) {
        static const Mesos__V1__MasterInfo__Capability__Type types[] = {
                MESOS__V1__MASTER_INFO__CAPABILITY__TYPE__AGENT_UPDATE,
                MESOS__V1__MASTER_INFO__CAPABILITY__TYPE__AGENT_DRAINING,
                MESOS__V1__MASTER_INFO__CAPABILITY__TYPE__QUOTA_V2,
        };
        Mesos__V1__MasterInfo info = MESOS__V1__MASTER_INFO__INIT;
        Mesos__V1__Address address = MESOS__V1__ADDRESS__INIT;
        Mesos__V1__MasterInfo__Capability capabilities[ELEMENTSOF(types)];
        Mesos__V1__MasterInfo__Capability *list[ELEMENTSOF(types)];
        struct in_addr in = {};

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                mesos__v1__master_info__capability__init(&capabilities[i]);
                capabilities[i].has_type = true;
                capabilities[i].type = types[i];
                list[i] = &capabilities[i];
        }

        (void) inet_pton(AF_INET, m->self.ip, &in);
        address.hostname = (char *) m->config->hostname;
        address.ip = m->self.ip;
        address.port = m->self.port;
        info.id = m->id;
        info.ip = in.s_addr;
        info.port = m->self.port;
        info.pid = m->self.text;
        info.hostname = (char *) m->config->hostname;
        info.version = (char *) MESOS_VERSION;
        info.address = &address;
        info.capabilities = list;
        info.n_capabilities = ELEMENTSOF(list);

        m->info = (Mesos__V1__MasterInfo *) pb_copy(&info.base);
        return m->info ? 0 : -ENOMEM;
}

static void on_registry_loaded(int error, void *userdata) {
        Master *m = userdata;

        if (error >= 0)
                error = maintenance_recover(m->maintenance);
        if (error >= 0)
                error = recovered_start(m);
        if (error >= 0)
                error = weights_start(m);
        if (error >= 0)
                error = allocation_pause_start(m);
        if (error < 0) {
                master_fail(m, error, "Cannot take the lead");
                return;
        }

        m->phase = MASTER_LEADING;
        log_notice("Master %s leads", m->id);
}

void master_elected(Master *m) {
        int r;

        log_notice("Elected as the leading master");
        m->phase = MASTER_RECOVERING;
        m->elected_usec = master_wall_clock(m);

        r = open_shared_registry(m);
        if (r >= 0)
                r = registry_load(m->registry, on_registry_loaded, m);
        if (r < 0)
                master_fail(m, r, "Cannot take the lead");
}

int master_new(sd_event *event, const MasterConfig *config, Master **ret) {
        _cleanup_(master_freep) Master *m = NULL;
        int r;

        assert(event);
        assert(config);
        assert(ret);

        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;

        m->config = config;
        m->event = sd_event_ref(event);
        m->start_usec = master_wall_clock(m);

        r = id_random(m->id);
        if (r >= 0)
                r = open_first_registry(m);
        if (r >= 0)
                r = open_server(m);
        if (r >= 0)
                r = make_info(m);
        if (r >= 0)
                r = peer_pool_new(event, &m->self, agent_link_on_exited, m, &m->peers);
        if (r >= 0)
                r = removal_limiter_new(event, config->agent_removal_interval_usec,
                                        &m->removal_limiter);
        if (r >= 0)
                r = start_sources(m);
        if (r >= 0)
                r = allocation_start(m);
        if (r >= 0)
                r = add_routes(m);
        if (r >= 0)
                r = maintenance_new(m, &m->maintenance);
        if (r >= 0)
                r = leadership_new(m, &m->leadership);
        if (r < 0)
                return r;

        log_notice("Master %s (%s) listening at %s", m->id, m->config->hostname, m->self.text);

        *ret = TAKE_PTR(m);
        return 0;
}

/* Forgets an agent's tasks and offers without telling anybody: they live on, and so does what we
 * know on disk. */
static void abandon_framework(Framework *f) {
        Executor *e, *next;

        while (f->offers)
                offer_free(f->offers);
        while (f->inverse_offers)
                inverse_offer_free(f->inverse_offers);
        DL_FOREACH_SAFE(f->executors, e, next)
                executor_free(e);
        reconciliation_stop(f);
        if (f->stream)
                f->stream = http_stream_close(f->stream);

        framework_free(f);
}

Master *master_free(Master *m) {
        Framework *f, *next;
        Node *n, *next_node;

        if (!m)
                return NULL;

        m->registry = registry_free(m->registry);
        m->leadership = leadership_free(m->leadership);
        allocation_pause_stop(m);
        allocation_stop(m);
        registration_stop(m);
        operator_stream_close_all(m);

        HASH_ITER(hh, m->frameworks.by_id, f, next)
                abandon_framework(f);
        HASH_ITER(hh, m->nodes.by_id, n, next_node)
                node_free(n);
        recovered_stop(m);
        m->removal_limiter = removal_limiter_free(m->removal_limiter);

        framework_table_deinit(&m->frameworks);
        node_table_deinit(&m->nodes);
        operation_table_deinit(&m->operations);
        offer_table_deinit(&m->offers);
        inverse_offer_table_deinit(&m->inverse_offers);
        metrics_deinit(&m->metrics);

        for (size_t i = 0; i < ELEMENTSOF(m->signal_sources); i++)
                sd_event_source_disable_unref(m->signal_sources[i]);
        sd_event_source_disable_unref(m->verbosity_source);
        sd_event_source_disable_unref(m->overflow_source);
        sd_event_source_disable_unref(m->registry_gc_source);

        peer_pool_free(m->peers);
        http_server_free(m->http);
        departure_stop(m);
        drain_stop(m);
        maintenance_free(m->maintenance);
        weights_stop(m);
        if (m->info)
                pb_free(&m->info->base);
        sd_event_unref(m->event);
        free(m);
        return NULL;
}
