/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The command executor
 *
 * Runs one task that is a command, and tells the agent how it goes:
 *
 *     LAUNCH ─▶ STARTING ─▶ (fork) RUNNING ─┬─ exit 0 ───────────────▶ FINISHED
 *                                           ├─ anything else ────────▶ FAILED
 *                                           ├─ max_completion_time ──▶ FAILED (reason)
 *                                           └─ KILL, SHUTDOWN ─▶ (KILLING) ─▶ KILLED
 *
 * With checkpointing it outlives its agent: while nobody is there it goes on, keeps every update, and
 * offers them again on the next subscription. Only when no agent comes back within the recovery
 * timeout it gives up and ends the task. Without checkpointing it does so at once.
 *
 * Its last act is to see its terminal update acknowledged. It waits for that as long as the agent is
 * away and may come back, and for LINGER once it is there. When the container is being stopped, by SIGTERM
 * to all in it, no agent may ever come back: then it waits for one no longer than for a shutdown.
 *
 * What the task leaves running dies when we end: in the cgroup by the launcher, and by us.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/process.h"
#include "common/base/process_tree.h"
#include "common/net/pbwire.h"
#include "executor/agent_link.h"
#include "executor/checker.h"
#include "executor/child_task.h"
#include "executor/executor.h"
#include "executor/health.h"
#include "executor/update_queue.h"

/* From SIGTERM to SIGKILL where neither the kill nor the task says otherwise. */
#define KILL_GRACE_DEFAULT (3 * USEC_PER_SEC)
/* Of the agent's shutdown grace period this much is ours: to notice the end, and to report it. */
#define SHUTDOWN_MARGIN (2 * USEC_PER_SEC)
/* For the acknowledgement of the last update, while the agent is there. */
#define LINGER (60 * USEC_PER_SEC)
/* The same after a shutdown: the agent of a framework that is torn down acknowledges nothing any more. */
#define LINGER_AFTER_SHUTDOWN (500 * USEC_PER_MSEC)
/* Results of checks are dropped while so many updates wait for an agent. */
#define WAITING_MAX 1000U

struct Executor {
        sd_event *event;
        const ExecutorConfig *config;
        AgentLink *link;
        UpdateQueue updates;
        Mesos__V1__Executor__Call__Update **repeated;    /* those of the last subscription, for its message */
        Mesos__V1__TaskInfo *task;       /* owned; NULL before LAUNCH */
        pid_t task_pid;                  /* an unreaped child, or 0 */
        bool has_killing_state;          /* the framework knows TASK_KILLING */
        bool task_acknowledged;          /* the agent has acknowledged an update of the task */
        bool subscribed;
        bool shutting_down;              /* the agent wants us to end */
        bool given_up;                   /* no agent is waited for any more */
        bool killed;                     /* by request, because it is unhealthy, or with its container */
        bool stopped;                    /* somebody on the host ends the container */
        bool overran;                    /* killed because of max_completion_time */
        bool terminated;                 /* the terminal update has been made */
        usec_t kill_deadline_usec;
        char **env;                      /* of the task and its checks */

        Checker *check;
        CheckResult check_result;
        Checker *health_check;
        Health health;
        bool has_health, is_healthy;     /* the last thing told */

        sd_event_source *child_source;
        sd_event_source *term_source;
        sd_event_source *kill_source;        /* SIGKILL is due */
        sd_event_source *completion_source;
        sd_event_source *recovery_source;    /* no agent came back */
        sd_event_source *linger_source;
};

static void arm(sd_event_source *source, usec_t delay_usec) {
        (void) sd_event_source_set_time_relative(source, delay_usec);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void disarm(sd_event_source *source) {
        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

/* Signals the task and whatever it has started: as a subreaper we are the ancestor of all of it. */
static void signal_task(int signal_number) {
        _cleanup_(process_tree_deinit) ProcessTree tree = {};
        _cleanup_fd_ int proc_fd = -EBADF;

        /* Looking through all of /proc is dear, and nearly always nothing is left. */
        if (!process_has_children())
                return;

        proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (proc_fd < 0)
                return;

        if (signal_number == SIGKILL)
                (void) process_tree_kill(proc_fd, getpid());
        else if (process_tree_scan(proc_fd, getpid(), &tree) >= 0)
                (void) process_tree_signal(&tree, signal_number);
}

static void executor_end(Executor *e, int code) {
        signal_task(SIGKILL);
        (void) sd_event_exit(e->event, code);
}

/* Sends what has not been sent. The answer brings us back here. */
static void send_updates(Executor *e) {
        Update *u;

        if (!agent_link_is_ready(e->link))
                return;

        u = update_queue_next_unsent(&e->updates);
        if (u && agent_link_update(e->link, &u->message) >= 0)
                u->sent = true;
}

/* The check's part of a status: of its type always, with a result only while the task runs. */
static void fill_check_status(const Executor *e, Mesos__V1__CheckStatusInfo *info, Mesos__V1__TaskState state,
                              Mesos__V1__CheckStatusInfo__Command *command, Mesos__V1__CheckStatusInfo__Http *http,
                              Mesos__V1__CheckStatusInfo__Tcp *tcp) {
        bool known = e->check_result.completed && state == MESOS__V1__TASK_STATE__TASK_RUNNING;

        info->has_type = true;
        info->type = e->task->check->type;
        if (e->task->check->command) {
                info->command = command;
                command->has_exit_code = known;
                command->exit_code = e->check_result.value;
        } else if (e->task->check->http) {
                info->http = http;
                http->has_status_code = known;
                http->status_code = (uint32_t) e->check_result.value;
        } else if (e->task->check->tcp) {
                info->tcp = tcp;
                tcp->has_succeeded = known;
                tcp->succeeded = e->check_result.value != 0;
        }
}

/* Queues an update; the caller has filled in what is particular about it. */
static void report(Executor *e, const char *task_id, Mesos__V1__TaskStatus *status) {
        Mesos__V1__CheckStatusInfo__Command command = MESOS__V1__CHECK_STATUS_INFO__COMMAND__INIT;
        Mesos__V1__CheckStatusInfo__Http http = MESOS__V1__CHECK_STATUS_INFO__HTTP__INIT;
        Mesos__V1__CheckStatusInfo__Tcp tcp = MESOS__V1__CHECK_STATUS_INFO__TCP__INIT;
        Mesos__V1__CheckStatusInfo check_status = MESOS__V1__CHECK_STATUS_INFO__INIT;
        Mesos__V1__ExecutorID executor_id = MESOS__V1__EXECUTOR_ID__INIT;
        Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;

        id.value = (char *) task_id;
        executor_id.value = (char *) e->config->executor_id;
        status->task_id = &id;
        status->executor_id = &executor_id;
        status->has_source = true;
        status->source = MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR;
        status->has_timestamp = true;
        status->timestamp = usec_to_secs(usec_now(CLOCK_REALTIME));
        if (e->task && e->task->check && streq(task_id, e->task->task_id->value)) {
                fill_check_status(e, &check_status, status->state, &command, &http, &tcp);
                status->check_status = &check_status;
        }

        if (update_queue_add(&e->updates, status) < 0) {
                /* Without this update nobody would know what becomes of the task; the agent does if we fail. */
                fprintf(stderr, "No memory for a status update\n");
                executor_end(e, EXIT_FAILURE);
                return;
        }

        send_updates(e);
}

static void report_state(Executor *e, Mesos__V1__TaskState state) {
        Mesos__V1__TaskStatus status = MESOS__V1__TASK_STATUS__INIT;

        status.state = state;
        report(e, e->task->task_id->value, &status);
}

/* An update that a check caused: the task still runs, the rest is as it was last told. */
static void report_check(Executor *e, Mesos__V1__TaskStatus__Reason reason) {
        Mesos__V1__TaskStatus status = MESOS__V1__TASK_STATUS__INIT;

        if (e->updates.n >= WAITING_MAX)
                return;

        status.state = MESOS__V1__TASK_STATE__TASK_RUNNING;
        status.has_reason = true;
        status.reason = reason;
        status.has_healthy = e->has_health;
        status.healthy = e->is_healthy;
        report(e, e->task->task_id->value, &status);
}

static void stop_checks(Executor *e) {
        e->check = checker_free(e->check);
        e->health_check = checker_free(e->health_check);
}

static void linger(Executor *e) {
        if (e->subscribed)
                arm(e->linger_source, e->shutting_down ? LINGER_AFTER_SHUTDOWN : LINGER);
        else if (e->stopped)
                arm(e->linger_source, e->config->shutdown_grace_usec);
}

/* Nothing is left to do but to see the last update acknowledged. */
static void finish(Executor *e) {
        e->terminated = true;
        disarm(e->kill_source);
        disarm(e->completion_source);
        if (e->given_up)
                executor_end(e, EXIT_FAILURE);
        else
                linger(e);
}

static void report_failure(Executor *e, const char *task_id, const char *message) {
        Mesos__V1__TaskStatus status = MESOS__V1__TASK_STATUS__INIT;

        status.state = MESOS__V1__TASK_STATE__TASK_FAILED;
        status.message = (char *) message;
        report(e, task_id, &status);
}

static void report_end(Executor *e, ExitStatus exit_status) {
        Mesos__V1__TaskStatus status = MESOS__V1__TASK_STATUS__INIT;
        _cleanup_free_ char *how = exit_status_describe(exit_status), *message = NULL;

        if (how && asprintf(&message, "Command %s%s", how, e->stopped ? " after its container was stopped" : "") < 0)
                message = NULL;

        status.message = message;
        if (e->overran) {
                status.state = MESOS__V1__TASK_STATE__TASK_FAILED;
                status.has_reason = true;
                status.reason = MESOS__V1__TASK_STATUS__REASON__REASON_MAX_COMPLETION_TIME_REACHED;
        } else if (e->killed)
                status.state = MESOS__V1__TASK_STATE__TASK_KILLED;
        else if (exit_status_is_success(exit_status))
                status.state = MESOS__V1__TASK_STATE__TASK_FINISHED;
        else
                status.state = MESOS__V1__TASK_STATE__TASK_FAILED;

        /* Of a task that was healthy at the end nobody needs to hear. */
        status.has_healthy = e->killed && e->health.n_failures > 0 && e->health.n_failures >= e->health.max_failures;
        report(e, e->task->task_id->value, &status);
}

static usec_t duration_usec(const Mesos__V1__DurationInfo *d, usec_t otherwise_usec) {
        if (!d)
                return otherwise_usec;

        return d->nanoseconds > 0 ? (usec_t) d->nanoseconds / 1000 : 0;
}

/* SIGTERM to the whole tree now, SIGKILL after the grace period. A second kill may only shorten it. */
static void kill_task(Executor *e, usec_t grace_usec) {
        usec_t deadline_usec = usec_add(usec_now(CLOCK_MONOTONIC), grace_usec);
        bool first = e->kill_deadline_usec == USEC_INFINITY;

        disarm(e->completion_source);
        stop_checks(e);
        if (first)
                signal_task(SIGTERM);

        if (deadline_usec < e->kill_deadline_usec) {
                e->kill_deadline_usec = deadline_usec;
                arm(e->kill_source, grace_usec);
        }
}

static void kill_on_request(Executor *e, usec_t grace_usec) {
        if (e->task_pid == 0)
                return;

        if (!e->overran && !e->killed) {
                e->killed = true;
                if (e->has_killing_state)
                        report_state(e, MESOS__V1__TASK_STATE__TASK_KILLING);
        }

        kill_task(e, grace_usec);
}

static usec_t task_grace_usec(const Executor *e) {
        return e->task->kill_policy ? duration_usec(e->task->kill_policy->grace_period, KILL_GRACE_DEFAULT)
                                    : KILL_GRACE_DEFAULT;
}

/* On request of the agent, or because there is none: the task ends, then we do. */
static void shut_down(Executor *e) {
        if (e->task_pid > 0)
                kill_on_request(e, usec_sub(e->config->shutdown_grace_usec, SHUTDOWN_MARGIN));
        else if (!e->terminated || e->given_up)
                executor_end(e, e->given_up ? EXIT_FAILURE : EXIT_SUCCESS);
}

static void give_up(Executor *e) {
        e->given_up = true;
        shut_down(e);
}

static void on_health(CheckKind kind, CheckResult result, void *userdata) {
        Executor *e = userdata;
        HealthVerdict verdict;
        bool success = false;

        switch (kind) {
        case CHECK_COMMAND:
                success = result.completed && result.value == 0;
                break;
        case CHECK_HTTP:
                success = result.completed && result.value >= 200 && result.value < 400;
                break;
        case CHECK_TCP:
                success = result.completed && result.value;
                break;
        }

        verdict = health_step(&e->health, success, usec_now(CLOCK_MONOTONIC));
        if (verdict.tell) {
                e->has_health = true;
                e->is_healthy = verdict.healthy;
                report_check(e, MESOS__V1__TASK_STATUS__REASON__REASON_TASK_HEALTH_CHECK_STATUS_UPDATED);
        }
        if (verdict.kill)
                kill_on_request(e, task_grace_usec(e));
}

static void on_check(CheckKind kind, CheckResult result, void *userdata) {
        Executor *e = userdata;

        (void) kind;

        if (result.completed == e->check_result.completed && result.value == e->check_result.value)
                return;

        e->check_result = result;
        report_check(e, MESOS__V1__TASK_STATUS__REASON__REASON_TASK_CHECK_STATUS_UPDATED);
}

static int start_checks(Executor *e) {
        const Mesos__V1__HealthCheck *h = e->task->health_check;
        int r;

        if (h) {
                e->health = (Health) {
                        .grace_until_usec = usec_add(usec_now(CLOCK_MONOTONIC),
                                                     usec_from_secs(MAX(0.0, h->grace_period_seconds))),
                        .max_failures = h->consecutive_failures,
                };
                r = checker_new_health(e->event, h, e->env, on_health, e, &e->health_check);
                if (r < 0)
                        return r;
        }

        return e->task->check ? checker_new_check(e->event, e->task->check, e->env, on_check, e, &e->check) : 0;
}

static const char *allocation_role(const Mesos__V1__TaskInfo *task) {
        for (size_t i = 0; i < task->n_resources; i++)
                if (task->resources[i]->allocation_info && task->resources[i]->allocation_info->role)
                        return task->resources[i]->allocation_info->role;

        return NULL;
}

static int start_task(Executor *e) {
        int r;

        if (!e->task->command)
                return -EINVAL;

        r = child_task_environment(e->config->env, e->task->command->environment, allocation_role(e->task), &e->env);
        if (r < 0)
                return r;

        r = start_checks(e);
        if (r < 0)
                return r;

        return child_task_start(e->task->command, e->env, &e->task_pid);
}

static void launch(Executor *e, const Mesos__V1__TaskInfo *task) {
        int r;

        if (e->task) {
                report_failure(e, task->task_id->value, "Attempted to run multiple tasks using a \"command\" executor");
                return;
        }

        e->task = (Mesos__V1__TaskInfo *) pb_copy(&task->base);
        if (!e->task) {
                executor_end(e, EXIT_FAILURE);
                return;
        }

        report_state(e, MESOS__V1__TASK_STATE__TASK_STARTING);
        r = start_task(e);
        if (r < 0) {
                _cleanup_free_ char *message = NULL;

                if (asprintf(&message, "Failed to start the command: %s", strerror(-r)) < 0)
                        message = NULL;
                stop_checks(e);
                report_failure(e, e->task->task_id->value, message);
                finish(e);
                return;
        }

        if (e->task->max_completion_time)
                arm(e->completion_source, duration_usec(e->task->max_completion_time, 0));
        report_state(e, MESOS__V1__TASK_STATE__TASK_RUNNING);
}

static void kill_requested(Executor *e, const Mesos__V1__Executor__Event__Kill *kill) {
        usec_t grace_usec;

        if (!e->task || !streq(e->task->task_id->value, kill->task_id->value))
                return;

        grace_usec = task_grace_usec(e);
        if (kill->kill_policy)
                grace_usec = duration_usec(kill->kill_policy->grace_period, grace_usec);
        kill_on_request(e, grace_usec);
}

static void acknowledged(Executor *e, const Mesos__V1__Executor__Event__Acknowledged *a) {
        if (!update_queue_acknowledge(&e->updates, a->uuid.data, a->uuid.len))
                return;

        if (e->task && streq(e->task->task_id->value, a->task_id->value))
                e->task_acknowledged = true;
        if (e->terminated && e->updates.n == 0)
                executor_end(e, EXIT_SUCCESS);
}

static void subscribed(Executor *e, const Mesos__V1__Executor__Event__Subscribed *s) {
        e->has_killing_state = false;
        for (size_t i = 0; i < s->framework_info->n_capabilities; i++)
                if (s->framework_info->capabilities[i]->type ==
                    MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__TASK_KILLING_STATE)
                        e->has_killing_state = true;

        e->subscribed = true;
        disarm(e->recovery_source);
        if (e->terminated)
                linger(e);
        send_updates(e);
}

static void refuse_group(Executor *e, const Mesos__V1__TaskGroupInfo *group) {
        for (size_t i = 0; i < group->n_tasks; i++)
                report_failure(e, group->tasks[i]->task_id->value, "A \"command\" executor runs no task groups");
}

static void on_event(const Mesos__V1__Executor__Event *event, void *userdata) {
        Executor *e = userdata;

        switch (event->type) {
        case MESOS__V1__EXECUTOR__EVENT__TYPE__SUBSCRIBED:
                if (event->subscribed)
                        subscribed(e, event->subscribed);
                break;
        case MESOS__V1__EXECUTOR__EVENT__TYPE__LAUNCH:
                if (event->launch)
                        launch(e, event->launch->task);
                break;
        case MESOS__V1__EXECUTOR__EVENT__TYPE__LAUNCH_GROUP:
                if (event->launch_group)
                        refuse_group(e, event->launch_group->task_group);
                break;
        case MESOS__V1__EXECUTOR__EVENT__TYPE__KILL:
                if (event->kill)
                        kill_requested(e, event->kill);
                break;
        case MESOS__V1__EXECUTOR__EVENT__TYPE__ACKNOWLEDGED:
                if (event->acknowledged)
                        acknowledged(e, event->acknowledged);
                break;
        case MESOS__V1__EXECUTOR__EVENT__TYPE__SHUTDOWN:
                e->shutting_down = true;
                if (e->terminated)
                        linger(e);
                shut_down(e);
                break;
        case MESOS__V1__EXECUTOR__EVENT__TYPE__ERROR:
                if (event->error)
                        fprintf(stderr, "The agent reports an error: %s\n", event->error->message);
                break;
        case MESOS__V1__EXECUTOR__EVENT__TYPE__MESSAGE:
        case MESOS__V1__EXECUTOR__EVENT__TYPE__HEARTBEAT:
        case MESOS__V1__EXECUTOR__EVENT__TYPE__UNKNOWN:
        case _MESOS__V1__EXECUTOR__EVENT__TYPE_IS_INT_SIZE:
                break;
        }
}

/* All that is not acknowledged goes with the subscription, and counts as sent. */
static void on_subscribing(Mesos__V1__Executor__Call__Subscribe *subscribe, void *userdata) {
        Executor *e = userdata;
        size_t n = 0;
        Update *u;

        if (e->task && !e->task_acknowledged) {
                subscribe->n_unacknowledged_tasks = 1;
                subscribe->unacknowledged_tasks = &e->task;
        }

        free(e->repeated);
        e->repeated = calloc(e->updates.n + 1, sizeof(*e->repeated));
        if (!e->repeated)
                return; /* they will be sent one by one */

        for (u = e->updates.first; u; u = u->next) {
                e->repeated[n++] = &u->message;
                u->sent = true;
        }
        subscribe->n_unacknowledged_updates = n;
        subscribe->unacknowledged_updates = e->repeated;
}

/* One update was under way, the last of those sent. If it has been acknowledged even so, another is sent twice. */
static void on_answered(bool taken, void *userdata) {
        Executor *e = userdata;
        Update *last = NULL;

        for (Update *u = e->updates.first; u && u->sent; u = u->next)
                last = u;
        if (last && !taken)
                last->sent = false;

        send_updates(e);
}

static void on_lost(void *userdata) {
        Executor *e = userdata;

        e->subscribed = false;
        disarm(e->linger_source);
        if (e->terminated)
                linger(e);
        if (e->config->checkpoint)
                arm(e->recovery_source, e->config->recovery_timeout_usec);
        else
                give_up(e);
}

static const AgentLinkOps link_ops = {
        .subscribing = on_subscribing,
        .event = on_event,
        .answered = on_answered,
        .lost = on_lost,
};

static void on_task_exit(Executor *e, ExitStatus status) {
        e->task_pid = 0;
        stop_checks(e);
        report_end(e, status);
        finish(e);
}

/* Collects children: the task, commands of checks, and orphans of both that came to us. */
static int on_child(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        Executor *e = userdata;
        int wait_status;
        pid_t pid;

        (void) source;
        (void) si;

        while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
                ExitStatus status = { .known = true, .wait_status = wait_status };

                if (pid == e->task_pid)
                        on_task_exit(e, status);
                else if (!checker_reap(e->check, pid, status))
                        (void) checker_reap(e->health_check, pid, status);
        }

        return 0;
}

/*
 * Somebody stops the whole container, which sends the signal to all in it: systemctl, or the host on its
 * way down. The task has not come to its end but was ended, whatever it makes of that, so it is told as
 * killed. We hear of it first: a cgroup's members are signalled in the order in which they joined, and of
 * two signals that wait the kernel gives us SIGTERM before the SIGCHLD that came of it.
 */
static int on_term(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        Executor *e = userdata;

        (void) source;
        (void) si;

        if (e->task_pid > 0) {
                e->stopped = e->stopped || (!e->killed && !e->overran);
                kill_on_request(e, task_grace_usec(e));
                return 0;
        }

        e->stopped = true;
        if (e->terminated)
                linger(e);
        shut_down(e);
        return 0;
}

static int on_kill_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        (void) userdata;

        signal_task(SIGKILL);
        return 0;
}

static int on_completion_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Executor *e = userdata;

        (void) source;
        (void) usec;

        if (e->task_pid > 0) {
                e->overran = true;
                kill_task(e, 0);
        }
        return 0;
}

static int on_recovery_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;

        fprintf(stderr, "No agent came back within the recovery timeout\n");
        give_up(userdata);
        return 0;
}

static int on_linger_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;

        fprintf(stderr, "The last update was not acknowledged\n");
        executor_end(userdata, EXIT_FAILURE);
        return 0;
}

static int add_signals(Executor *e) {
        sigset_t mask;
        int r;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGCHLD);
        (void) sigaddset(&mask, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;

        r = sd_event_add_signal(e->event, &e->child_source, SIGCHLD, on_child, e);
        if (r < 0)
                return r;

        return sd_event_add_signal(e->event, &e->term_source, SIGTERM, on_term, e);
}

static int add_timers(Executor *e) {
        const struct {
                sd_event_source **source;
                sd_event_time_handler_t handler;
                const char *description;
        } timers[] = {
                { &e->kill_source, on_kill_timer, "kill" },
                { &e->completion_source, on_completion_timer, "completion" },
                { &e->recovery_source, on_recovery_timer, "recovery" },
                { &e->linger_source, on_linger_timer, "linger" },
        };

        for (size_t i = 0; i < ELEMENTSOF(timers); i++) {
                int r = sd_event_add_time(e->event, timers[i].source, CLOCK_MONOTONIC, USEC_INFINITY, 1,
                                          timers[i].handler, e);

                if (r < 0)
                        return r;

                disarm(*timers[i].source);
                (void) sd_event_source_set_description(*timers[i].source, timers[i].description);
        }

        return 0;
}

int executor_new(sd_event *event, const ExecutorConfig *config, Executor **ret) {
        _cleanup_(executor_freep) Executor *e = NULL;
        int r;

        assert(event);
        assert(config);
        assert(ret);

        e = malloc(sizeof(*e));
        if (!e)
                return -ENOMEM;

        *e = (Executor) { .event = sd_event_ref(event), .config = config, .kill_deadline_usec = USEC_INFINITY };

        /* Whatever the task leaves behind comes to us. */
        if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
                return -errno;

        r = add_signals(e);
        if (r < 0)
                return r;

        r = add_timers(e);
        if (r < 0)
                return r;

        r = agent_link_new(event, config, &link_ops, e, &e->link);
        if (r < 0)
                return r;

        /* The agent may have gone since it started us. */
        arm(e->recovery_source, config->recovery_timeout_usec);
        *ret = TAKE_PTR(e);
        return 0;
}

Executor *executor_free(Executor *e) {
        if (!e)
                return NULL;

        stop_checks(e);
        agent_link_free(e->link);
        update_queue_deinit(&e->updates);
        if (e->task)
                pb_free(&e->task->base);
        child_task_environment_free(e->env);
        free(e->repeated);
        sd_event_source_disable_unref(e->child_source);
        sd_event_source_disable_unref(e->term_source);
        sd_event_source_disable_unref(e->kill_source);
        sd_event_source_disable_unref(e->completion_source);
        sd_event_source_disable_unref(e->recovery_source);
        sd_event_source_disable_unref(e->linger_source);
        sd_event_unref(e->event);
        free(e);
        return NULL;
}
