/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Containers
 *
 * One launcher and everything under it, seen from the agent:
 *
 *     RESOLVING ─user known, sandbox made─▶ SPAWNED ─hello─▶ PLACING ─in its cgroup─▶ PLACED
 *                                                                                       │ identity durable: go
 *     ENDED ◀─gone─ ENDING ◀─exited, failed─ RUNNING ◀──────────started──────────── STARTING
 *
 * Until "go" nothing of the user's runs, and a launcher whose agent dies before that ends by itself.
 * After it, the launcher is the witness: it outlives us, and says how things ended, over its socket
 * or by the record it left on the disk. Only when it is gone without a word do we touch the cgroup:
 * everything in it is killed, and the exit status is unknown, which is what we then say.
 *
 * A Container pins the agent's end of that. Freeing it lets the launcher carry on.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/agent_resources.h"
#include "agent/container.h"
#include "agent/identity.h"
#include "agent/isolation.h"
#include "agent/launch.h"
#include "agent/placement.h"
#include "agent/sandbox.h"
#include "agent/volume_links.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "launcher/link.h"

/* NGROUPS_MAX of older kernels; the agent itself is in a few. */
#define N_OWN_GROUPS_MAX 1024

typedef enum ContainerState {
        CONTAINER_RESOLVING,
        CONTAINER_SPAWNED,
        CONTAINER_PLACING,
        CONTAINER_PLACED,
        CONTAINER_STARTING,
        CONTAINER_RUNNING,
        CONTAINER_ENDING,      /* the end is known, the launcher is on its way out */
        CONTAINER_ENDED,
} ContainerState;

struct Container {
        Agent *agent;                  /* borrowed */
        Executor *executor;            /* borrowed: our owner */
        const ContainerOps *ops;
        void *userdata;

        ContainerState state;
        bool waits_for_volumes;
        bool destroying;
        bool emptied;                  /* the launcher said that nothing is left */
        bool emptying;                 /* the launcher is gone: we see to it that nothing is left */
        ContainerIdentity identity;
        pid_t executor_pid;

        IdentityQuery *query;
        sd_event_source *identity_source;  /* the same, when it is our own */
        LauncherLink *link;
        sd_event_source *end_source;   /* tells the end from the loop when there is no launcher to wait for */

        ExitRecord record;             /* once has_record */
        bool has_record;
        Confinement *settings;         /* the last update of its limits; NULL: none in this life of the agent */
        char *why;                     /* what went wrong before there was a launcher to say so */
};

void container_identity_deinit(ContainerIdentity *i) {
        free(i->cgroup);
        free(i->unit);
        free(i->invocation_id);
        *i = (ContainerIdentity) {};
}

static LogContext context_of(const Container *c) {
        return (LogContext) { .framework_id = c->executor->framework->id, .container_id = c->executor->container_id };
}

static PlacementResult place_of(const Container *c) {
        return (PlacementResult) { c->identity.cgroup, c->identity.unit, c->identity.invocation_id };
}

/* Tells the end, once; the container may be freed when this returns. */
static void tell_end(Container *c) {
        ContainerEnd end = { .status = EXIT_STATUS_UNKNOWN, .launched = c->state >= CONTAINER_STARTING };
        PlacementResult place = place_of(c);

        CRASH_POINT("container-end");
        placement_remove(c->agent->placement, c->executor->container_id, &place);
        CRASH_POINT("place-removed");

        if (c->has_record) {
                end.launched = c->record.kind == EXIT_RECORD_EXITED;
                end.called_off = c->record.kind == EXIT_RECORD_NEVER_STARTED && !c->why;
                end.status = c->record.status;
                end.message = c->record.kind == EXIT_RECORD_FAILED ? c->record.message : c->why;
                end.limitation = c->record.limitation;
                end.memory_max_bytes = c->record.memory_max_bytes;
        } else
                end.message = c->why ?: end.launched ? "its launcher ended without leaving a record" : NULL;

        c->state = CONTAINER_ENDED;
        c->ops->ended(c, &end, c->userdata);
}

static int on_end(sd_event_source *source, void *userdata) {
        (void) source;
        tell_end(userdata);
        return 0;
}

/* The same from the loop, for callers that must not be called back from within. */
static void tell_end_soon(Container *c, const char *why) {
        if (why && !c->why)
                c->why = strdup(why);

        if (!c->end_source && sd_event_add_defer(c->agent->event, &c->end_source, on_end, c) < 0)
                (void) log_oom();
}

static void take_record(Container *c, const ExitRecord *record) {
        if (c->has_record)
                return;

        c->record = (ExitRecord) {
                .kind = record->kind,
                .status = record->status,
                .error = record->error,
                .oom_killed = record->oom_killed,
                .started_usec = record->started_usec,
                .ended_usec = record->ended_usec,
                .step = record->step ? strdup(record->step) : NULL,
                .message = record->message ? strdup(record->message) : NULL,
                .limitation = record->limitation ? strdup(record->limitation) : NULL,
                .memory_max_bytes = record->memory_max_bytes,
        };
        c->has_record = true;
}

static void read_record(Container *c) {
        _cleanup_free_ char *path = launch_exit_record_path(c->agent->config, c->executor->container_id);
        int r;

        if (!path || c->has_record)
                return;

        CRASH_POINT("exit-record-read");
        r = exit_record_read(AT_FDCWD, path, &c->record);
        c->has_record = r == EXIT_RECORD_OK;
        if (r == EXIT_RECORD_E_CORRUPT)
                log_warning("The exit record '%s' is damaged: how that container ended is not known.", path);
        else if (r < 0 && r != -ENOENT)
                (void) log_warning_errno(r, "Cannot read the exit record '%s': %m", path);
}

static void on_emptied(const char *container_id, int error, void *userdata) {
        if (error < 0)
                (void) log_error_errno(error, "Container '%s' left processes behind that cannot be killed: %m",
                                       container_id);

        tell_end(userdata);
}

/* Nobody is left to say what happened, or to kill what may still be there. */
static void empty_place(Container *c) {
        PlacementResult place = place_of(c);
        int r;

        /* Whether it was launched is told by the state, until a record says better. */
        c->emptying = true;
        r = placement_kill(c->agent->placement, c->executor->container_id, &place, on_emptied, c);
        if (r < 0) {
                (void) log_error_errno(r, "Cannot empty the cgroup of container '%s': %m", c->executor->container_id);
                tell_end_soon(c, NULL);
        }
}

/*
 * What a container asked for counts among its siblings: the payload's is its launcher, the others are
 * the container's. So what the isolators say of it holds there, too, by whoever owns that cgroup.
 */
static void claim_share(Container *c, const Confinement *settings) {
        PlacementResult place = place_of(c);
        PlacementShare share = {};

        for (size_t i = 0; i < settings->n_cgroup; i++) {
                const CgroupSetting *s = settings->cgroup[i];

                if (streq(s->file, "cpu.weight"))
                        (void) parse_u64(s->value, &share.cpu_weight);
                else if (streq(s->file, "memory.low"))
                        (void) parse_u64(s->value, &share.memory_low_bytes);
                else if (streq(s->file, "io.weight"))
                        (void) parse_u64(s->value, &share.io_weight);
                else if (streq(s->file, "io.bfq.weight"))
                        (void) parse_u64(s->value, &share.io_bfq_weight);
        }

        if (share.cpu_weight > 0 || share.memory_low_bytes > 0 || share.io_weight > 0)
                placement_set_share(c->agent->placement, c->executor->container_id, &place, &share);
}

/* What follows the demands of its tasks. */
static int decide_settings(const Container *c, Confinement **ret) {
        IsolatorRequest request;
        int r;

        r = isolation_request(c->executor, NULL, &request);
        return r < 0 ? r : isolator_set_update(c->agent->config->isolators, &request, ret);
}

static void on_placed(const char *container_id, int error, const char *message, const PlacementResult *result,
                      void *userdata) {
        _cleanup_(confinement_freep) Confinement *settings = NULL;
        Container *c = userdata;

        if (error < 0) {
                LogContext context = context_of(c);

                (void) log_error_ctx(&context, error, "Cannot place container '%s': %s", container_id, message);
                c->why = strdup(message);
                (void) launcher_link_release(c->link);
                return;
        }

        c->identity.cgroup = result->cgroup ? strdup(result->cgroup) : NULL;
        c->identity.unit = result->unit ? strdup(result->unit) : NULL;
        c->identity.invocation_id = result->invocation_id ? strdup(result->invocation_id) : NULL;
        if (c->destroying)
                return;

        if (decide_settings(c, &settings) == 0)
                claim_share(c, settings);

        CRASH_POINT("placed");
        c->state = CONTAINER_PLACED;
        c->ops->placed(c, &c->identity, c->userdata);
}

/* What systemctl shows beside the scope. */
static char *make_description(const Container *c) {
        const Executor *e = c->executor;
        char *text;

        if (asprintf(&text, "Holdfast %s %s of framework %s (%s)", e->generated ? "task" : "executor", e->id,
                     e->framework->info->name, e->framework->id) < 0)
                return NULL;

        /* Names come from strangers; a description is one line. */
        for (char *p = text; *p; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        *p = ' ';

        return text;
}

/* What its network was given by an earlier life of the agent. */
static void take_address(Container *c, const char *address) {
        if (!address || strlen(address) >= sizeof(c->executor->address))
                return;

        snprintf(c->executor->address, sizeof(c->executor->address), "%s", address);
        if (c->agent->addresses)
                address_pool_reserve(c->agent->addresses, address);
}

static void on_hello(LauncherLink *l, const LauncherHello *hello, void *userdata) {
        Container *c = userdata;
        _cleanup_free_ char *description = NULL;
        int r;

        c->identity.launcher_pid = launcher_link_pid(l);
        c->identity.launcher_start = launcher_link_start_time_ticks(l);
        c->executor_pid = hello->main_pid;

        if (hello->exit)
                take_record(c, hello->exit);

        if (c->executor->recovered) {
                take_address(c, hello->address);

                /* It was left between its making and "go": nothing of it has run, and nothing will. */
                if (hello->state == LAUNCHER_WAITING)
                        (void) launcher_link_release(l);
                else if (hello->state == LAUNCHER_RUNNING && c->state < CONTAINER_RUNNING)
                        c->state = CONTAINER_RUNNING;
                return;
        }

        if (c->state != CONTAINER_SPAWNED || c->destroying)
                return;

        CRASH_POINT("place");
        c->state = CONTAINER_PLACING;
        description = make_description(c);
        r = description ? placement_place(c->agent->placement, c->executor->container_id, description,
                                          c->identity.launcher_pid, on_placed, c)
                        : -ENOMEM;
        if (r < 0)
                on_placed(c->executor->container_id, r, "no place can be asked for", NULL, c);
}

static void on_started(LauncherLink *l, pid_t pid, uint64_t start_time_ticks, void *userdata) {
        Container *c = userdata;

        (void) l;
        (void) start_time_ticks;
        c->executor_pid = pid;
        c->state = CONTAINER_RUNNING;
        c->ops->started(c, c->userdata);
}

/*
 * The launcher leaves, and gone() comes, once its record is on the disk. Where the disk refuses that
 * takes until there is room: nobody else could tell the status if we died before it is delivered.
 */
static void end_known(Container *c, const ExitRecord *record, bool left_behind) {
        take_record(c, record);
        c->executor_pid = 0;
        c->emptied = !left_behind;
        c->state = CONTAINER_ENDING;
}

static void on_failed(LauncherLink *l, const ExitRecord *record, bool recorded, void *userdata) {
        (void) l;
        (void) recorded;
        end_known(userdata, record, false);
}

static void on_exited(LauncherLink *l, const ExitRecord *record, bool recorded, bool left_behind, void *userdata) {
        Container *c = userdata;

        (void) l;
        (void) recorded;
        if (left_behind)
                log_warning("Container '%s' left processes behind that did not die in time.",
                            c->executor->container_id);
        end_known(c, record, left_behind);
}

static void on_gone(LauncherLink *l, int error, void *userdata) {
        Container *c = userdata;

        (void) l;
        if (error < 0) {
                LogContext context = context_of(c);

                (void) log_error_ctx(&context, error, "Lost the launcher of container '%s': %m",
                                     c->executor->container_id);
        }

        c->link = launcher_link_free(c->link);
        placement_cancel(c->agent->placement, c->executor->container_id);

        /* Its last word was that nothing is left. */
        if (c->emptied) {
                tell_end(c);
                return;
        }

        read_record(c);
        empty_place(c);
}

static void on_update_failed(LauncherLink *l, int error, void *userdata) {
        Container *c = userdata;
        LogContext context = context_of(c);

        (void) l;

        /* Made by an agent that isolated otherwise, or by an older one: it keeps what it was given. */
        if (error == -EOPNOTSUPP || error == -ENOENT)
                (void) log_warning_ctx(&context, error, "The limits of container '%s' stay as they are: %m",
                                       c->executor->container_id);
        else
                c->ops->update_failed(c, error, c->userdata);
}

static const LauncherLinkOps link_ops = {
        .hello = on_hello,
        .started = on_started,
        .failed = on_failed,
        .exited = on_exited,
        .gone = on_gone,
        .update_failed = on_update_failed,
};

static int spawn(Container *c, const Identity *identity, char **reterr_message) {
        _cleanup_(launch_freep) Launch *launch = NULL;
        _cleanup_free_ char *launcher = NULL;
        int r;

        /* Without a free one the isolator says what is missing. */
        if (c->agent->addresses)
                (void) address_pool_take(c->agent->addresses, c->executor->address);

        r = launch_new(c->agent, c->executor, identity, &launch, reterr_message);
        if (r != LAUNCH_OK)
                return r;

        if (asprintf(&launcher, "%s/holdfast-launcher", c->agent->config->launcher_dir) < 0)
                return -ENOMEM;

        return launcher_link_spawn(c->agent->event, launcher, launch_plan(launch), &link_ops, c, &c->link);
}

static void refuse(Container *c, const char *reason) {
        _cleanup_free_ char *message = NULL;

        if (asprintf(&message, "Failed to create executor directory '%s': %s", c->executor->directory, reason) < 0)
                message = NULL;

        c->state = CONTAINER_ENDED;
        c->ops->refused(c, message ?: "Failed to create executor directory", c->userdata);
}

static void on_identity(const Identity *identity, const char *error_text, void *userdata) {
        Container *c = userdata;
        _cleanup_free_ char *refusal = NULL;
        Executor *e = c->executor;
        char why[512];
        int r;

        c->query = NULL;
        if (c->destroying) {
                tell_end(c);
                return;
        }

        if (!identity) {
                snprintf(why, sizeof(why), "Failed to chown directory to '%s': %s", e->user, error_text);
                refuse(c, why);
                return;
        }

        CRASH_POINT("sandbox-make");
        r = sandbox_make(e->directory, identity->uid, identity->gid);
        CRASH_POINT("sandbox-made");
        if (r < 0) {
                refuse(c, strerror(-r));
                return;
        }

        c->state = CONTAINER_SPAWNED;
        r = volume_links_make(c->agent, e, e->info->resources, e->info->n_resources, &refusal);
        if (r != VOLUME_LINKS_OK) {
                tell_end_soon(c, refusal ?: "out of memory");
                return;
        }

        r = spawn(c, identity, &refusal);
        if (r == LAUNCH_E_REFUSED)
                tell_end_soon(c, refusal ?: "out of memory");
        else if (r < 0) {
                snprintf(why, sizeof(why), "cannot start its launcher: %s", strerror(-r));
                tell_end_soon(c, why);
        }
}

static int container_make(Agent *a, Executor *e, const ContainerOps *ops, void *userdata, Container **ret) {
        Container *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;

        *c = (Container) { .agent = a, .executor = e, .ops = ops, .userdata = userdata };
        *ret = c;
        return 0;
}

/* Without --switch_user everything runs as the agent itself, which nobody need be asked about. */
static int on_own_identity(sd_event_source *source, void *userdata) {
        Container *c = userdata;
        gid_t groups[N_OWN_GROUPS_MAX];
        int n = getgroups(N_OWN_GROUPS_MAX, groups);
        Identity identity = { .uid = geteuid(), .gid = getegid(), .groups = groups, .n_groups = (size_t) MAX(n, 0) };

        (void) source;
        c->identity_source = sd_event_source_disable_unref(c->identity_source);
        on_identity(&identity, NULL, c);
        return 0;
}

static int resolve_user(Container *c) {
        Agent *a = c->agent;

        return c->executor->user ? identities_resolve(a->identities, c->executor->user, on_identity, c, &c->query)
                                 : sd_event_add_defer(a->event, &c->identity_source, on_own_identity, c);
}

void container_volumes_settled(Container *c) {
        if (!c->waits_for_volumes || c->destroying)
                return;

        c->waits_for_volumes = false;
        if (resolve_user(c) < 0)
                tell_end_soon(c, "out of memory");
}

int container_new(Agent *a, Executor *e, const ContainerOps *ops, void *userdata, Container **ret) {
        _cleanup_(container_freep) Container *c = NULL;
        int r;

        r = container_make(a, e, ops, userdata, &c);
        if (r < 0)
                return r;

        c->waits_for_volumes = volume_links_are_needed(e->info->resources, e->info->n_resources) &&
                               !agent_resources_are_settled(a->resources);
        r = c->waits_for_volumes ? 0 : resolve_user(c);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(c);
        return 0;
}

static int copy_identity(ContainerIdentity *to, const ContainerIdentity *from) {
        *to = (ContainerIdentity) {
                .launcher_pid = from->launcher_pid,
                .launcher_start = from->launcher_start,
                .cgroup = from->cgroup ? strdup(from->cgroup) : NULL,
                .unit = from->unit ? strdup(from->unit) : NULL,
                .invocation_id = from->invocation_id ? strdup(from->invocation_id) : NULL,
        };

        return (from->cgroup && !to->cgroup) || (from->unit && !to->unit) ? -ENOMEM : 0;
}

int container_adopt(Agent *a, Executor *e, const ContainerIdentity *identity, const ContainerOps *ops, void *userdata,
                    Container **ret) {
        _cleanup_(container_freep) Container *c = NULL;
        _cleanup_free_ char *runtime_directory = launch_runtime_directory(a->config, e->container_id);
        int r;

        if (!runtime_directory)
                return -ENOMEM;

        r = container_make(a, e, ops, userdata, &c);
        if (r < 0)
                return r;
        r = copy_identity(&c->identity, identity);
        if (r < 0)
                return r;

        /* No identity was recorded, so it was never told to go. */
        c->state = identity->launcher_pid > 0 ? CONTAINER_STARTING : CONTAINER_RESOLVING;

        r = launcher_link_connect(a->event, runtime_directory, &link_ops, c, &c->link);
        if (r < 0 && r != -ENOENT && r != -ECONNREFUSED)
                return log_error_errno(r, "Cannot reach the launcher of container '%s': %m", e->container_id);
        if (r < 0) {
                log_info("No launcher answers for container '%s' (%s); looking for its exit record.", e->container_id,
                         strerror(-r));
                read_record(c);
                empty_place(c);
        }

        *ret = TAKE_PTR(c);
        return 0;
}

void container_check(Container *c) {
        if (c->link)
                (void) launcher_link_check(c->link);
}

Container *container_free(Container *c) {
        if (!c)
                return NULL;

        if (c->agent->placement)
                placement_cancel(c->agent->placement, c->executor->container_id);
        identity_query_cancel(c->query);
        sd_event_source_disable_unref(c->identity_source);
        launcher_link_free(c->link);
        sd_event_source_disable_unref(c->end_source);
        if (c->has_record)
                exit_record_deinit(&c->record);
        container_identity_deinit(&c->identity);
        confinement_free(c->settings);
        free(c->why);
        free(c);
        return NULL;
}

void container_go(Container *c) {
        int r;

        if (c->state != CONTAINER_PLACED || c->destroying)
                return;

        c->state = CONTAINER_STARTING;
        r = launcher_link_go(c->link, c->identity.cgroup);
        if (r < 0)
                (void) log_error_errno(r, "Cannot tell the launcher of container '%s' to go: %m",
                                       c->executor->container_id);
}

void container_destroy(Container *c) {
        if (c->destroying || c->emptying || c->state >= CONTAINER_ENDING)
                return;

        c->destroying = true;
        if (!c->link) {
                /* While the user is still being looked up, that answer will end it. */
                if (!c->query && !c->identity_source)
                        tell_end_soon(c, NULL);
                return;
        }

        if (c->state < CONTAINER_STARTING)
                (void) launcher_link_release(c->link);
        else
                (void) launcher_link_kill(c->link, SIGKILL, false);

        /* One that does not react is taken for dead after its deadline. */
        (void) launcher_link_check(c->link);
}

int container_signal(Container *c, int signal_number) {
        if (!c->link || c->state != CONTAINER_RUNNING)
                return -ESRCH;

        return launcher_link_kill(c->link, signal_number, true);
}

static bool same_settings(const Confinement *a, const Confinement *b) {
        if (!a || a->n_cgroup != b->n_cgroup)
                return false;

        for (size_t i = 0; i < a->n_cgroup; i++)
                if (!streq(a->cgroup[i]->file, b->cgroup[i]->file) || !streq(a->cgroup[i]->value, b->cgroup[i]->value))
                        return false;

        return true;
}

int container_update(Container *c) {
        _cleanup_(confinement_freep) Confinement *settings = NULL;
        int r;

        if (!c->link || c->state != CONTAINER_RUNNING || c->destroying)
                return 0;

        r = decide_settings(c, &settings);
        if (r < 0 || settings->n_cgroup == 0 || same_settings(c->settings, settings))
                return r;

        r = launcher_link_update(c->link, settings->cgroup, settings->n_cgroup);
        if (r < 0)
                return r;

        claim_share(c, settings);
        confinement_free(c->settings);
        c->settings = TAKE_PTR(settings);
        return 0;
}

Executor *container_executor(const Container *c) {
        return c->executor;
}

pid_t container_pid(const Container *c) {
        return c->identity.launcher_pid;
}

pid_t container_executor_pid(const Container *c) {
        return c->executor_pid;
}

const char *container_cgroup(const Container *c) {
        return c->identity.cgroup;
}
