/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The agent
 *
 * Owns everything and wires it together:
 *
 *     master ◀──libprocess──▶ master_link ─▶ tasks ─▶ executors ─▶ container ─▶ launcher ─▶ executor
 *                                  ▲           ▲                                               │
 *                            status_manager ◀──┴───────────── executor_api ◀──────v1 HTTP──────┘
 *                                  └──▶ checkpoint ──▶ store
 *                             operations ─▶ agent_resources ─▶ volumes ─▶ worker
 *
 * It starts by recovering what an earlier life left, registers when that is complete, and can go
 * away at any time: nothing that runs depends on it.
 */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <utlist.h>

#include "agent/agent.h"
#include "agent/agent_resources.h"
#include "agent/checkpoint.h"
#include "agent/disk_watch.h"
#include "agent/drain.h"
#include "agent/executor_api.h"
#include "agent/executors.h"
#include "agent/gc.h"
#include "agent/history.h"
#include "agent/history_store.h"
#include "agent/identity.h"
#include "agent/master_link.h"
#include "agent/operations.h"
#include "agent/operator_api.h"
#include "agent/placement.h"
#include "agent/ports_watch.h"
#include "agent/recover.h"
#include "agent/status_manager.h"
#include "agent/tasks.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/store_check.h"
#include "common/net/pbwire.h"

#define LEAVE_DELAY_USEC (200 * USEC_PER_MSEC)

/* Frameworks that listen acknowledge within milliseconds. */
#define FAREWELL_USEC (500 * USEC_PER_MSEC)
#define FAREWELL_POLL_USEC (10 * USEC_PER_MSEC)

static int make_info(Agent *a) {
        Mesos__V1__AgentInfo info = MESOS__V1__AGENT_INFO__INIT;
        int r;

        info.hostname = (char *) a->config->hostname;
        info.has_port = true;
        info.port = a->config->self.port;
        info.n_attributes = a->config->n_attributes;
        info.attributes = (Mesos__V1__Attribute **) a->config->attributes;
        info.domain = (Mesos__V1__DomainInfo *) a->config->domain;

        r = resources_to_pb(a->config->resources, RESOURCE_FORMAT_NEW, &info.resources, &info.n_resources);
        if (r < 0)
                return r;

        a->info = (Mesos__V1__AgentInfo *) pb_copy(&info.base);
        for (size_t i = 0; i < info.n_resources; i++)
                pb_free(&info.resources[i]->base);
        free(info.resources);
        return a->info ? 0 : -ENOMEM;
}

int agent_set_id(Agent *a, const char *id) {
        Mesos__V1__AgentID *pb = malloc(sizeof(*pb));
        char *copy = strdup(id);

        if (pb)
                mesos__v1__agent_id__init(pb);
        if (pb)
                pb->value = strdup(id);
        if (!pb || !pb->value || !copy) {
                free(copy);
                free(pb);
                return -ENOMEM;
        }

        free(a->id);
        a->id = copy;
        if (a->info->id)
                pb_free(&a->info->id->base);
        a->info->id = pb;
        return 0;
}

static int make_directories(const AgentConfig *config) {
        static const char *const work[] = { "slaves", "meta/exits", "volumes" };
        _cleanup_free_ char *containers = NULL;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(work); i++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s/%s", config->work_dir, work[i]) < 0)
                        return -ENOMEM;

                r = file_mkdirs_at(AT_FDCWD, path, 0755);
                if (r < 0)
                        return log_error_errno(r, "Cannot make the directory '%s': %m", path);
        }

        if (asprintf(&containers, "%s/containers", config->runtime_dir) < 0)
                return -ENOMEM;
        r = file_mkdirs_at(AT_FDCWD, containers, 0755);
        return r < 0 ? log_error_errno(r, "Cannot make the directory '%s': %m", containers) : 0;
}

/* What cannot be read is left out; a new file takes the rest, for the damaged one would take no more. */
static int salvage_store(Agent *a, const char *path) {
        _cleanup_free_ char *aside = NULL, *message = NULL;
        uint64_t n_rows = 0;
        int r;

        r = store_salvage(path, checkpoint_migrations, n_checkpoint_migrations, &aside, &n_rows, &message);
        if (r != 0) {
                log_error("Cannot save what is left of the stored state: %s", message ?: strerror(-r));
                return r < 0 ? r : -EBADMSG;
        }

        a->counters.recovery_errors++;
        log_warning("Going on with the %llu records that can be read; the damaged file is now '%s'.",
                    (unsigned long long) n_rows, aside);
        return 0;
}

/* Before it is opened for writing, which would tidy up what is to be looked at. */
static int check_store(Agent *a, const char *path) {
        _cleanup_free_ char *message = NULL;
        int r;

        r = store_check(path, &message);
        if (r == STORE_OK)
                return 0;
        if (r < 0) {
                log_error("Cannot look at the agent's stored state: %s", message ?: strerror(-r));
                return r;
        }

        if (!a->config->strict) {
                log_error("The agent's stored state is damaged: %s", message);
                return salvage_store(a, path);
        }

        log_error("The agent's stored state is damaged: %s. To go on with what can be read, start with --no-strict; to "
                  "begin anew, move '%s' and '%s-wal' away (running tasks are then ended).",
                  message, path, path);
        return -EBADMSG;
}

static int open_store(Agent *a) {
        _cleanup_free_ char *path = NULL, *message = NULL;
        int r;

        if (asprintf(&path, "%s/meta/agent.db", a->config->work_dir) < 0)
                return -ENOMEM;

        /* SQLite would not say why. */
        if (access(path, F_OK) >= 0 && access(path, R_OK | W_OK) < 0)
                return log_error_errno(errno, "Cannot write the agent's stored state '%s': %m", path);

        r = check_store(a, path);
        if (r < 0)
                return r;

        r = store_open(path, checkpoint_migrations, n_checkpoint_migrations, &a->store, &message);
        if (r != STORE_OK) {
                log_error("Cannot open the agent's stored state: %s", message ?: strerror(-r));
                return r < 0 ? r : -EBADMSG;
        }

        r = store_attach_event(a->store, a->event);
        if (r < 0)
                return r;

        r = checkpoint_new(a->store, &a->checkpoint);
        if (r < 0)
                return r;

        return history_store_new(a->store, &a->history);
}

static void on_peer_exited(const Upid *peer, void *userdata) {
        Agent *a = userdata;

        master_link_exited(a->master, peer);
}

static int open_servers(Agent *a) {
        const AgentConfig *config = a->config;
        HttpServerConfig server = { .ip = config->bind_ip, .port = config->port, .listen_fd = config->listen_fd };
        HttpServerConfig domain = { .unix_path = config->domain_socket, .listen_fd = -1 };
        int r;

        r = http_server_new(a->event, &server, &a->server);
        if (r < 0)
                return log_error_errno(r, "Cannot listen on port %u: %m", config->port);

        r = http_server_route(a->server, "/api/v1/executor", executor_api_handle, a->executor_api);
        if (r == 0)
                r = http_server_route(a->server, "/slave(1)/api/v1/executor", executor_api_handle, a->executor_api);
        if (r == 0)
                r = http_server_route(a->server, "/slave(1)", master_link_handle, a->master);
        if (r == 0)
                r = operator_api_new(a, a->server, &a->operator_api);
        if (r < 0 || !config->domain_socket)
                return r;

        r = http_server_new(a->event, &domain, &a->domain_server);
        if (r < 0)
                return log_error_errno(r, "Cannot listen on '%s': %m", config->domain_socket);

        return http_server_route(a->domain_server, "/slave(1)/api/v1/executor", executor_api_handle, a->executor_api);
}

static int make_scope_placement(Agent *a, const PlacementSystemdConfig *systemd) {
        _cleanup_free_ char *launcher = NULL;

        if (asprintf(&launcher, "%s/holdfast-launcher", a->config->launcher_dir) < 0) {
                launcher = NULL;
                return -ENOMEM;
        }

        return placement_new_scope(a->event, systemd, launcher, &a->placement);
}

static int make_placement(Agent *a) {
        PlacementSystemdConfig systemd = { .user = a->config->systemd_user };
        int r;

        if (a->config->systemd && a->config->one_scope)
                r = make_scope_placement(a, &systemd);
        else if (a->config->systemd)
                r = placement_new_systemd(a->event, &systemd, &a->placement);
        else if (a->config->launcher == LAUNCHER_LINUX)
                r = placement_new_subtree(a->event, a->config->cgroups_root, &a->placement);
        else
                r = placement_new_none(a->event, &a->placement);

        if (r < 0)
                return log_error_errno(r, "Cannot place containers with %s: %m",
                                       a->config->systemd ? "systemd scopes (--no-systemd_enable_support does without)"
                                                          : "cgroup directories (--launcher=posix does without)");
        return 0;
}

int agent_new(sd_event *event, const AgentConfig *config, Agent **ret) {
        _cleanup_(agent_freep) Agent *a = NULL;
        int r;

        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;

        a->config = config;
        a->event = sd_event_ref(event);
        a->state = AGENT_RECOVERING;
        a->start_time_usec = usec_now(CLOCK_REALTIME);

        r = process_boot_id(a->boot_id);
        if (r == 0)
                r = uuid_new(a->resource_version_uuid);
        if (r == 0)
                r = make_info(a);
        if (r == 0)
                r = make_directories(config);
        if (r == 0)
                r = open_store(a);
        if (r == 0)
                r = agent_resources_new(a, &a->resources);
        if (r == 0)
                r = operations_new(a, &a->operations);
        if (r == 0)
                r = drain_new(a, &a->drain);
        if (r == 0)
                r = peer_pool_new(event, &config->self, on_peer_exited, a, &a->peers);
        if (r == 0)
                r = make_placement(a);
        if (r == 0)
                r = identities_new(event, config->launcher_dir, &a->identities);
        if (r == 0 && config->network_subnet)
                r = address_pool_new(config->network_subnet, &a->addresses);
        if (r == 0)
                r = gc_new(a, &a->gc);
        if (r == 0 && isolator_set_has(config->isolators, "disk/du"))
                r = disk_watch_new(a, &a->disk_watch);
        if (r == 0 && isolator_set_has(config->isolators, "network/ports"))
                r = ports_watch_new(a, &a->ports_watch);
        if (r == 0)
                r = status_manager_new(event, a->store, a->checkpoint, &tasks_status_ops, a, &a->statuses);
        if (r == 0)
                r = executor_api_new(a, &a->executor_api);
        if (r == 0)
                r = master_link_new(a, &a->master);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(a);
        return 0;
}

int agent_start(Agent *a) {
        int r;

        r = recovery_start(a);
        if (r < 0)
                return r;

        /* Executors are let in only now that we know them. */
        return open_servers(a);
}

static void free_frameworks(Agent *a) {
        CompletedFramework *c, *c_tmp;
        Framework *f, *f_tmp;

        HASH_ITER (hh, a->frameworks, f, f_tmp) {
                HASH_DEL(a->frameworks, f);
                framework_free(f);
        }
        DL_FOREACH_SAFE (a->completed, c, c_tmp) {
                DL_DELETE(a->completed, c);
                framework_free(c->framework);
                free(c);
        }
}

Agent *agent_free(Agent *a) {
        if (!a)
                return NULL;

        /* What waits for the disk waits no longer; those who wait are told. */
        if (a->store)
                (void) store_commit(a->store);

        a->domain_server = http_server_free(a->domain_server);
        operator_api_free(a->operator_api);
        a->server = http_server_free(a->server);
        a->recovery = recovery_free(a->recovery);
        free_frameworks(a);
        sd_event_source_disable_unref(a->leave_source);
        sd_event_source_disable_unref(a->farewell_source);
        a->master = master_link_free(a->master);
        a->executor_api = executor_api_free(a->executor_api);
        a->statuses = status_manager_free(a->statuses);
        a->ports_watch = ports_watch_free(a->ports_watch);
        a->disk_watch = disk_watch_free(a->disk_watch);
        a->gc = gc_free(a->gc);
        a->addresses = address_pool_free(a->addresses);
        a->identities = identities_free(a->identities);
        a->placement = placement_free(a->placement);
        a->peers = peer_pool_free(a->peers);
        a->drain = drain_free(a->drain);
        a->operations = operations_free(a->operations);
        a->resources = agent_resources_free(a->resources);
        a->history = history_store_free(a->history);
        a->checkpoint = checkpoint_free(a->checkpoint);
        a->store = store_free(a->store);
        if (a->info)
                pb_free(&a->info->base);
        free(a->id);
        sd_event_unref(a->event);
        free(a);
        return NULL;
}

static int on_leave(sd_event_source *source, uint64_t usec, void *userdata) {
        Agent *a = userdata;

        (void) source;
        (void) usec;
        return sd_event_exit(a->event, 0);
}

/* Messages to the master are one-way: the last ones get a moment to leave. */
static void leave_soon(Agent *a) {
        if (!a->leave_source && sd_event_add_time_relative(a->event, &a->leave_source, CLOCK_MONOTONIC,
                                                           LEAVE_DELAY_USEC, 0, on_leave, a) < 0)
                (void) sd_event_exit(a->event, 0);
}

static int on_farewell(sd_event_source *source, uint64_t usec, void *userdata) {
        Agent *a = userdata;
        usec_t now_usec = usec_now(CLOCK_MONOTONIC);

        (void) usec;
        if (now_usec >= a->farewell_deadline_usec ||
            !status_manager_has_news(a->statuses, usec_sub(now_usec, FAREWELL_USEC)))
                return sd_event_exit(a->event, 0);

        (void) sd_event_source_set_time_relative(source, FAREWELL_POLL_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/*
 * Whoever stops us may be taking the host down, which ends us as soon as the last container has ended.
 * Its framework would learn of that after the next boot, or never; a moment before it can be told. What
 * has come in is looked at first, hence the priority.
 */
void agent_leave(Agent *a) {
        int r;

        if (a->farewell_source || a->state != AGENT_RUNNING) {
                (void) sd_event_exit(a->event, 0);
                return;
        }

        a->farewell_deadline_usec = usec_add(usec_now(CLOCK_MONOTONIC), FAREWELL_USEC);
        r = sd_event_add_time_relative(a->event, &a->farewell_source, CLOCK_MONOTONIC, 0, 1, on_farewell, a);
        if (r >= 0)
                r = sd_event_source_set_priority(a->farewell_source, SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                (void) sd_event_exit(a->event, 0);
}

bool agent_is_leaving(const Agent *a) {
        return a->farewell_source != NULL;
}

void agent_tidy_framework(Agent *a, Framework *f) {
        if (f->executors)
                return;

        history_add_framework(a, f);
        if (a->state == AGENT_TERMINATING && !a->frameworks)
                leave_soon(a);
        drain_check(a->drain);
}

void agent_terminate(Agent *a, AgentEnd how, const char *why) {
        Framework *f, *tmp;

        if (a->state == AGENT_TERMINATING)
                return;

        log_notice("Ending all containers and the agent: %s", why);
        a->state = AGENT_TERMINATING;
        if (how == AGENT_END_UNREGISTER)
                master_link_unregister(a->master);

        HASH_ITER (hh, a->frameworks, f, tmp)
                executors_shutdown_framework(a, f);

        if (!a->frameworks)
                leave_soon(a);
}
