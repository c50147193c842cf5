/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Running one task
 *
 * `holdfast run` is a framework of its own with one task:
 *
 *     waiting ──fitting offer: ACCEPT──→ launched ──last status──→ draining ──output read──→ leaving
 *        ↑                                 │                                                  TEARDOWN
 *        └── the offer was gone by then ───┘
 *
 * It outlives its master: the subscription comes back with the same framework id and RECONCILE tells
 * what happened meanwhile. It ends with TEARDOWN, so nothing of it stays in the cluster but the
 * master's memory. The first interrupt kills the task and waits for its end; the second leaves.
 */

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/run_calls.h"
#include "common/base/fd.h"
#include "common/model/task_state.h"

/* How long a master that was never seen is waited for. */
#define START_TIMEOUT_USEC (5 * USEC_PER_SEC)

/* After which it is worth saying that no offer was big enough. */
#define PATIENCE_USEC (3 * USEC_PER_SEC)
#define RECONCILE_USEC (10 * USEC_PER_SEC)
#define DRAIN_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define LEAVE_TIMEOUT_USEC (5 * USEC_PER_SEC)

/* How long the task outlives us when we die without TEARDOWN. */
#define FAILOVER_TIMEOUT_SECS 3600
#define MAX_LAUNCH_ATTEMPTS 10

typedef enum RunState {
        RUN_WAITING,
        RUN_LAUNCHED,
        RUN_DRAINING,
        RUN_LEAVING,
} RunState;

typedef enum RunTimer {
        TIMER_START,          /* a master must have been found */
        TIMER_PATIENCE,       /* say that we still wait for an offer */
        TIMER_OFFER,          /* give up waiting for one */
        TIMER_RECONCILE,      /* ask again what became of the task */
        TIMER_DRAIN,          /* the output must have been read */
        TIMER_LEAVE,          /* TEARDOWN must have been answered */
        N_TIMERS,
} RunTimer;

typedef struct Run {
        sd_event *event;                /* borrowed, as the next four */
        HttpFetcher *fetcher;
        const TaskSpec *spec;
        const RunOptions *options;
        Progress *progress;
        Scheduler *scheduler;           /* owned */
        Output *output;                 /* owned; NULL before the start and without --follow */
        sd_event_source *timers[N_TIMERS];
        sd_event_source *signals[2];

        RunState state;
        bool ever_subscribed;
        bool away;                      /* there is no master, and it has been said */
        bool kill_wanted;
        bool reconciling;
        unsigned n_interrupts;
        unsigned n_attempts;
        unsigned n_offers;
        char *agent_id;                 /* owned; where the task was sent */
        char *agent_url;                /* owned */
        char *why;                      /* owned; why there is no master */
        uint8_t last_uuid[16];          /* of the newest update; zero: it had none */
        TaskState last_state;
        int exit_code;
} Run;

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void timer_stop(Run *r, RunTimer t) {
        r->timers[t] = sd_event_source_disable_unref(r->timers[t]);
}

static void timer_start(Run *r, RunTimer t, usec_t delay_usec) {
        timer_stop(r, t);
        if (sd_event_add_time_relative(r->event, r->timers + t, CLOCK_MONOTONIC, delay_usec, 0,
                                       on_timer, r) >= 0)
                (void) sd_event_source_set_description(r->timers[t], "run");
}

/* Ending */

static void run_exit(Run *r, int exit_code) {
        r->exit_code = exit_code;
        (void) sd_event_exit(r->event, 0);
}

/* The framework goes, and its task with it if there still is one. */
static void run_leave(Run *r, int exit_code) {
        r->state = RUN_LEAVING;
        r->exit_code = exit_code;
        r->output = output_free(r->output);

        if (call_plain(r->scheduler, MESOS__V1__SCHEDULER__CALL__TYPE__TEARDOWN) < 0)
                run_exit(r, exit_code);    /* a master that is away forgets us by itself, later */
        else
                timer_start(r, TIMER_LEAVE, LEAVE_TIMEOUT_USEC);
}

static void on_output_finished(int error, void *userdata) {
        Run *r = userdata;

        if (error < 0)
                progress_note(r->progress, COLOUR_WARNING, "output",
                              "could not be read to its end: %s", strerror(-error));
        run_leave(r, r->exit_code);
}

/* The task is over: the rest of its output, then the end. */
static void run_drain(Run *r, int exit_code) {
        r->exit_code = exit_code;
        if (!r->output) {
                run_leave(r, exit_code);
                return;
        }

        r->state = RUN_DRAINING;
        timer_start(r, TIMER_DRAIN, DRAIN_TIMEOUT_USEC);
        output_finish(r->output);
}

/* Output */

static int on_output(OutputStream stream, const void *data, size_t n, void *userdata) {
        Run *r = userdata;

        if (r->options->json) {
                progress_output(r->progress, stream == OUTPUT_STDOUT ? "stdout" : "stderr", data,
                                n);
                return 0;
        }

        return fd_write_full(stream == OUTPUT_STDOUT ? STDOUT_FILENO : STDERR_FILENO, data, n);
}

static void run_follow(Run *r, const char *executor_id) {
        static const OutputOps ops = { .data = on_output, .finished = on_output_finished };
        int k;

        if (!r->options->follow || r->output || !r->agent_url)
                return;

        k = output_new(r->event, r->fetcher, r->agent_url, scheduler_framework_id(r->scheduler),
                       executor_id, &ops, r, &r->output);
        if (k < 0)
                progress_note(r->progress, COLOUR_WARNING, "output", "cannot be followed: %s",
                              strerror(-k));
}

/* Offers */

static char *url_of_agent(const Mesos__V1__Offer *offer) {
        const Mesos__V1__Address *a = offer->url ? offer->url->address : NULL;
        const char *host = a && a->ip ? a->ip : a && a->hostname ? a->hostname : offer->hostname;
        bool v6 = strchr(host, ':');
        char *url;

        /* 5051 is where agents are when nobody says otherwise. */
        if (asprintf(&url, "%s://%s%s%s:%i", offer->url ? offer->url->scheme : "http",
                     v6 ? "[" : "", host, v6 ? "]" : "", a ? a->port : 5051) < 0)
                return NULL;

        return url;
}

static int run_launch(Run *r, const Mesos__V1__Offer *offer, Mesos__V1__Resource **resources,
                      size_t n_resources) {
        int k;

        free(r->agent_id);
        free(r->agent_url);
        r->agent_id = strdup(offer->agent_id->value);
        r->agent_url = url_of_agent(offer);
        if (!r->agent_id || !r->agent_url)
                return -ENOMEM;

        k = call_accept(r->scheduler, r->spec, offer, resources, n_resources);
        if (k < 0)
                return k;

        r->state = RUN_LAUNCHED;
        r->n_attempts++;
        timer_stop(r, TIMER_OFFER);
        timer_stop(r, TIMER_PATIENCE);
        progress_launch(r->progress, offer);

        /* One task is all we want. */
        return call_plain(r->scheduler, MESOS__V1__SCHEDULER__CALL__TYPE__SUPPRESS);
}

/* True if the offer became the task's. */
static bool run_try_offer(Run *r, const Mesos__V1__Offer *offer) {
        Mesos__V1__Resource **resources;
        size_t n_resources;
        int k;

        if (r->state != RUN_WAITING)
                return false;

        r->n_offers++;
        if (task_spec_take(r->spec, offer, &resources, &n_resources) != TASK_SPEC_OK)
                return false;

        k = run_launch(r, offer, resources, n_resources);
        resources_free_pb(resources, n_resources);
        if (k < 0)
                progress_note(r->progress, COLOUR_BAD, "launch", "failed: %s", strerror(-k));

        return r->state == RUN_LAUNCHED;
}

static void run_take_offers(Run *r, const Mesos__V1__Scheduler__Event__Offers *offers) {
        _cleanup_free_ Mesos__V1__OfferID **declined = NULL;
        size_t n_declined = 0;

        declined = calloc(offers->n_offers + 1, sizeof(*declined));
        if (!declined)
                return;

        for (size_t i = 0; i < offers->n_offers; i++)
                if (!run_try_offer(r, offers->offers[i]))
                        declined[n_declined++] = offers->offers[i]->id;

        if (n_declined > 0)
                (void) call_decline(r->scheduler, declined, n_declined);
}

/* Updates */

/* Resent because an acknowledgement was lost, or what a reconciliation repeats. */
static bool run_knows(Run *r, const Mesos__V1__TaskStatus *status) {
        if (status->has_uuid && status->uuid.len == sizeof(r->last_uuid)) {
                if (memcmp(r->last_uuid, status->uuid.data, sizeof(r->last_uuid)) == 0)
                        return true;

                memcpy(r->last_uuid, status->uuid.data, sizeof(r->last_uuid));
                return false;
        }

        return status->state == r->last_state && status->has_reason &&
                status->reason == MESOS__V1__TASK_STATUS__REASON__REASON_RECONCILIATION;
}

/* The offer was withdrawn while our ACCEPT was on its way: nobody's fault, so another one is waited for. */
static bool is_lost_offer(const Mesos__V1__TaskStatus *status) {
        return (status->state == MESOS__V1__TASK_STATE__TASK_DROPPED ||
                status->state == MESOS__V1__TASK_STATE__TASK_LOST) &&
               status->has_reason &&
               status->reason == MESOS__V1__TASK_STATUS__REASON__REASON_INVALID_OFFERS;
}

static void run_wait_again(Run *r) {
        r->state = RUN_WAITING;
        (void) call_plain(r->scheduler, MESOS__V1__SCHEDULER__CALL__TYPE__REVIVE);
        timer_start(r, TIMER_PATIENCE, PATIENCE_USEC);
        if (r->options->offer_timeout_usec > 0)
                timer_start(r, TIMER_OFFER, r->options->offer_timeout_usec);
}

/* Nothing was ever started, but what the fetcher said is in the sandbox. */
static bool is_launch_failure(const Mesos__V1__TaskStatus *status) {
        return status->has_reason &&
                status->reason == MESOS__V1__TASK_STATUS__REASON__REASON_CONTAINER_LAUNCH_FAILED;
}

static bool is_end(TaskState state) {
        /* Nobody has heard of it: it will not come back. */
        return task_state_is_terminal(state) || state == MESOS__V1__TASK_STATE__TASK_UNKNOWN;
}

static void run_take_status(Run *r, const Mesos__V1__TaskStatus *status) {
        if (status->has_uuid && status->agent_id)
                (void) call_acknowledge(r->scheduler, status);

        if (r->state != RUN_LAUNCHED || !streq(status->task_id->value, r->spec->task_id))
                return;

        r->reconciling = false;
        timer_stop(r, TIMER_RECONCILE);
        if (run_knows(r, status))
                return;

        r->last_state = status->state;
        progress_status(r->progress, status);

        if (is_lost_offer(status) && !r->kill_wanted && r->n_attempts < MAX_LAUNCH_ATTEMPTS) {
                run_wait_again(r);
                return;
        }

        if (!is_end(status->state) || is_launch_failure(status))
                run_follow(r, status->executor_id ? status->executor_id->value : r->spec->task_id);
        if (is_end(status->state))
                run_drain(r, exit_code_of_task(status));
}

/* What the scheduler tells */

static void run_reconcile(Run *r) {
        (void) call_reconcile(r->scheduler, r->spec->task_id, r->agent_id);
        timer_start(r, TIMER_RECONCILE, RECONCILE_USEC);
}

static void on_subscribed(Scheduler *s, void *userdata) {
        Run *r = userdata;

        r->scheduler = s;
        r->progress->framework_id = scheduler_framework_id(s);
        timer_stop(r, TIMER_START);
        if (!r->ever_subscribed)
                progress_note(r->progress, COLOUR_PLAIN, "task", "%s of framework %s",
                              r->spec->task_id, scheduler_framework_id(s));
        else if (r->away)
                progress_note(r->progress, COLOUR_PLAIN, "master", "is back");
        r->ever_subscribed = true;
        r->away = false;

        if (r->state == RUN_LAUNCHED) {
                run_reconcile(r);
                (void) call_plain(s, MESOS__V1__SCHEDULER__CALL__TYPE__SUPPRESS);
                if (r->kill_wanted)
                        (void) call_kill(s, r->spec->task_id, r->agent_id);
        }
}

static void on_event(const Mesos__V1__Scheduler__Event *event, void *userdata) {
        Run *r = userdata;

        if (event->type == MESOS__V1__SCHEDULER__EVENT__TYPE__OFFERS && event->offers)
                run_take_offers(r, event->offers);
        else if (event->type == MESOS__V1__SCHEDULER__EVENT__TYPE__UPDATE && event->update)
                run_take_status(r, event->update->status);
}

static void on_disconnected(const char *why, void *userdata) {
        Run *r = userdata;

        free(r->why);
        r->why = strdup(why);

        if (r->state == RUN_LEAVING) {
                run_exit(r, r->exit_code);
                return;
        }

        if (r->ever_subscribed && !r->away) {
                progress_note(r->progress, COLOUR_WARNING, "master", "is away (%s); trying again",
                              why);
                r->away = true;
        }
}

static void on_refused(const char *why, void *userdata) {
        Run *r = userdata;

        /* After a TEARDOWN the end of the stream may come as an error: it was what we wanted. */
        if (r->state == RUN_LEAVING) {
                run_exit(r, r->exit_code);
                return;
        }

        progress_note(r->progress, COLOUR_BAD, "refused", "%s", why);
        run_exit(r, EXIT_REFUSED);
}

static void on_call_failed(Mesos__V1__Scheduler__Call__Type type, unsigned status, const char *why,
                           void *userdata) {
        const ProtobufCEnumValue *name;
        Run *r = userdata;

        name = protobuf_c_enum_descriptor_get_value(&mesos__v1__scheduler__call__type__descriptor,
                                                    (int) type);
        progress_note(r->progress, COLOUR_WARNING, "master", "did not take %s: %s",
                      name ? name->name : "a call", why);

        /* Without an answer the stream breaks too, and what was lost is asked for when it is back. */
        if (type == MESOS__V1__SCHEDULER__CALL__TYPE__ACCEPT && status >= 400)
                run_leave(r, EXIT_REFUSED);
}

static void on_idle(void *userdata) {
        Run *r = userdata;

        if (r->state == RUN_LEAVING)
                run_exit(r, r->exit_code);
}

/* Time and people */

static int on_timer(sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        Run *r = userdata;
        RunTimer t = TIMER_START;

        while (r->timers[t] != source)
                t++;
        timer_stop(r, t);

        switch (t) {
        case TIMER_START:
                progress_note(r->progress, COLOUR_BAD, "master", "there is none: %s",
                              r->why ?: "it does not answer");
                run_exit(r, EXIT_NO_MASTER);
                break;
        case TIMER_PATIENCE:
                progress_note(r->progress, COLOUR_PLAIN, "waiting",
                              "for an offer that is big enough; %u seen so far", r->n_offers);
                break;
        case TIMER_OFFER:
                progress_note(r->progress, COLOUR_BAD, "waiting",
                              "no offer was big enough in time; %u seen", r->n_offers);
                run_leave(r, EXIT_NO_OFFER);
                break;
        case TIMER_RECONCILE:
                run_reconcile(r);
                break;
        case TIMER_DRAIN:
                on_output_finished(-ETIMEDOUT, r);
                break;
        case TIMER_LEAVE:
                run_exit(r, r->exit_code);
                break;
        case N_TIMERS:
                break;
        }

        return 0;
}

static int on_signal(_unused_ sd_event_source *source, _unused_ const struct signalfd_siginfo *info,
                     void *userdata) {
        Run *r = userdata;

        if (r->n_interrupts++ > 0) {
                bool over = r->state == RUN_DRAINING || r->state == RUN_LEAVING;

                if (!over)
                        progress_note(r->progress, COLOUR_WARNING, "left",
                                      "the task may still be running");
                run_exit(r, over ? r->exit_code : EXIT_LEFT);
                return 0;
        }

        switch (r->state) {
        case RUN_WAITING:
                run_leave(r, EXIT_KILLED);
                break;
        case RUN_LAUNCHED:
                r->kill_wanted = true;
                progress_note(r->progress, COLOUR_WARNING, "kill",
                              "asked for; interrupt again to leave without waiting");
                /* Without a master it is asked for when that is back. */
                (void) call_kill(r->scheduler, r->spec->task_id, r->agent_id);
                break;
        case RUN_DRAINING:
                run_leave(r, r->exit_code);
                break;
        case RUN_LEAVING:
                break;
        }

        return 0;
}

static int watch_signals(Run *r) {
        static const int numbers[] = { SIGINT, SIGTERM };

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                int k;

                k = sd_event_add_signal(r->event, r->signals + i,
                                        numbers[i] | SD_EVENT_SIGNAL_PROCMASK, on_signal, r);
                if (k < 0)
                        return k;
        }

        return 0;
}

static int subscribe(Run *r, const char *master_url) {
        static const SchedulerOps ops = {
                .subscribed = on_subscribed,
                .event = on_event,
                .disconnected = on_disconnected,
                .refused = on_refused,
                .call_failed = on_call_failed,
                .idle = on_idle,
        };
        static const Mesos__V1__FrameworkInfo__Capability__Type types[] = {
                MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__MULTI_ROLE,
                MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__PARTITION_AWARE,
                MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__TASK_KILLING_STATE,
                MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__RESERVATION_REFINEMENT,
                MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__GPU_RESOURCES,
        };
        Mesos__V1__FrameworkInfo__Capability capabilities[ELEMENTSOF(types)],
                        *pointers[ELEMENTSOF(types)];
        Mesos__V1__FrameworkInfo info = MESOS__V1__FRAMEWORK_INFO__INIT;
        char *roles[] = { (char *) r->spec->role };
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                /* With GPU_RESOURCES machines with GPUs would be offered to tasks that need none. */
                if (types[i] == MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__GPU_RESOURCES &&
                    !resources_has(r->spec->wanted, "gpus"))
                        continue;

                capabilities[n] = (Mesos__V1__FrameworkInfo__Capability)
                                MESOS__V1__FRAMEWORK_INFO__CAPABILITY__INIT;
                capabilities[n].has_type = true;
                capabilities[n].type = types[i];
                pointers[n] = capabilities + n;
                n++;
        }

        info.user = (char *) r->options->user;
        info.name = (char *) r->spec->name;
        info.has_failover_timeout = true;
        info.failover_timeout = FAILOVER_TIMEOUT_SECS;
        info.has_checkpoint = true;
        info.checkpoint = r->options->checkpoint;
        info.roles = roles;
        info.n_roles = ELEMENTSOF(roles);
        info.capabilities = pointers;
        info.n_capabilities = n;
        return scheduler_new(r->event, r->fetcher, master_url, &info, &ops, r, &r->scheduler);
}

static void on_master_changed(const char *url, void *userdata) {
        Run *r = userdata;

        scheduler_follow(r->scheduler, url);
}

static void run_deinit(Run *r) {
        output_free(r->output);
        scheduler_free(r->scheduler);
        for (size_t i = 0; i < N_TIMERS; i++)
                timer_stop(r, (RunTimer) i);
        for (size_t i = 0; i < ELEMENTSOF(r->signals); i++)
                sd_event_source_disable_unref(r->signals[i]);
        free(r->agent_id);
        free(r->agent_url);
        free(r->why);
}

int run_task(Client *client, const TaskSpec *spec, const RunOptions *options, Progress *progress) {
        _cleanup_(run_deinit) Run run = {
                .event = client->event,
                .fetcher = client->fetcher,
                .spec = spec,
                .options = options,
                .progress = progress,
                .last_state = MESOS__V1__TASK_STATE__TASK_STAGING,
                .exit_code = EXIT_FAILURE,
        };
        int r;

        r = watch_signals(&run);
        if (r >= 0)
                r = subscribe(&run, client->master_url);
        if (r >= 0) {
                client->master_changed = on_master_changed;
                client->userdata = &run;
                timer_start(&run, TIMER_START, START_TIMEOUT_USEC);
                timer_start(&run, TIMER_PATIENCE, START_TIMEOUT_USEC + PATIENCE_USEC);
                if (options->offer_timeout_usec > 0)
                        timer_start(&run, TIMER_OFFER, options->offer_timeout_usec);
                r = sd_event_loop(client->event);
                client->master_changed = NULL;
        }
        if (r < 0) {
                fprintf(stderr, "holdfast run: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }

        progress_end(progress, run.exit_code);
        progress->framework_id = NULL;
        return run.exit_code;
}
