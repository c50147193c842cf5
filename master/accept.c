/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Accepted offers
 *
 *     offers valid? ──no──▶ every task DROPPED or LOST (INVALID_OFFERS), offers back
 *        │ yes
 *     the offers leave the table; what they hold is the Pool
 *        │
 *     operation by operation, task by task: complete what the framework may leave out, parse, judge
 *        ├── refused ──▶ TASK_ERROR, and on with the next one
 *        └── good ─────▶ charged to the agent, taken from the pool, sent to the agent
 *        │
 *     what is left of the pool goes back to the allocator, filtered as the framework asked
 *
 * The tasks of one ACCEPT are independent of each other, those of a group stand or fall together.
 */

#include <stdio.h>

#include "common/base/log.h"
#include "common/net/pbwire.h"
#include "master/accept.h"
#include "master/agent_message.h"
#include "master/allocation.h"
#include "master/departure.h"
#include "master/executor.h"
#include "master/framework.h"
#include "master/master.h"
#include "master/node.h"
#include "master/offer.h"
#include "master/operator_stream.h"
#include "master/reject.h"
#include "master/scheduler_event.h"
#include "master/status_router.h"
#include "master/task.h"
#include "master/validate.h"

typedef Mesos__V1__Offer__Operation OfferOperation;

/* What the accepted offers hold, while the operations take from it. */
typedef struct Pool {
        Framework *framework;
        Node *node;
        char *role;              /* owned */
        Resources *left;         /* owned */
} Pool;

static void pool_deinit(Pool *p) {
        free(p->role);
        resources_free(p->left);
}

/* Takes the offers out of the table: from here on the pool answers for what they held. */
static int pool_init(Pool *p, Framework *f, Offer *const *offers, size_t n_offers) {
        int r = 0;

        *p = (Pool) {
                .framework = f,
                .node = offers[0]->node,
                .role = strdup(offers[0]->role),
                .left = resources_new(),
        };

        if (!p->role || !p->left)
                r = -ENOMEM;

        for (size_t i = 0; i < n_offers; i++) {
                if (r >= 0)
                        r = resources_add(p->left, offers[i]->resources);
                if (r < 0) {
                        departure_return_offer(offers[i], false);
                        continue;
                }
                offer_free(offers[i]);
        }

        return r;
}

/* A verdict on a task that never started. It is in none of our collections, so only the framework
 * hears. */
static void tell_verdict(Framework *f, const Mesos__V1__TaskInfo *task, TaskState state,
                         TaskReason reason, const char *message) {
        TaskState told = task_state_for(state, framework_is_partition_aware(f));

        status_router_tell(f, &(MasterStatus) {
                .task_id = task->task_id->value,
                .agent_id = task->agent_id->value,
                .state = told,
                .reason = reason,
                .message = message,
        });
        metrics_count_terminal(f->master, NULL, told, MESOS__V1__TASK_STATUS__SOURCE__SOURCE_MASTER,
                               reason);
}

static void tell_operation_error(Pool *p, const OfferOperation *op, const char *message) {
        Mesos__V1__OperationStatus status = MESOS__V1__OPERATION_STATUS__INIT;

        log_info("Framework '%s': operation dropped: %s", p->framework->id, message);
        if (!op->id)
                return;

        status.operation_id = op->id;
        status.state = MESOS__V1__OPERATION_STATE__OPERATION_ERROR;
        status.message = (char *) message;
        scheduler_send_operation_status(p->framework, &status);
}

/* Frameworks without MULTI_ROLE never heard of allocation roles, and others may leave them out. */
static int complete_resources(Mesos__V1__Resource **list, size_t n, const char *role) {
        for (size_t i = 0; i < n; i++) {
                Mesos__V1__Resource__AllocationInfo *a;

                if (list[i]->allocation_info)
                        continue;

                a = malloc(sizeof(*a));
                if (!a)
                        return -ENOMEM;

                mesos__v1__resource__allocation_info__init(a);
                list[i]->allocation_info = a;
                a->role = strdup(role);
                if (!a->role)
                        return -ENOMEM;
        }

        return 0;
}

static int complete_executor(Mesos__V1__ExecutorInfo *e, const char *framework_id,
                             const char *role) {
        if (!e->framework_id && framework_id) {
                e->framework_id = malloc(sizeof(*e->framework_id));
                if (!e->framework_id)
                        return -ENOMEM;

                mesos__v1__framework_id__init(e->framework_id);
                e->framework_id->value = strdup(framework_id);
                if (!e->framework_id->value)
                        return -ENOMEM;
        }

        return complete_resources(e->resources, e->n_resources, role);
}

/* Old frameworks describe a health check without saying its type. */
static void complete_health_check(Mesos__V1__HealthCheck *c) {
        if (c->has_type || !c->command == !c->http)
                return;

        c->has_type = true;
        c->type = c->command ? MESOS__V1__HEALTH_CHECK__TYPE__COMMAND
                             : MESOS__V1__HEALTH_CHECK__TYPE__HTTP;
}

static int complete_task(Mesos__V1__TaskInfo *task, const Pool *p) {
        int r;

        r = complete_resources(task->resources, task->n_resources, p->role);
        if (r >= 0 && task->executor)
                r = complete_executor(task->executor, p->framework->id, p->role);
        if (task->health_check)
                complete_health_check(task->health_check);

        return r;
}

/* The resources of one task, parsed. */
typedef struct Parsed {
        Resources *resources;
        Resources *executor_resources;
} Parsed;

static void parsed_deinit(Parsed *x) {
        resources_free(x->resources);
        resources_free(x->executor_resources);
}

/* Replaces a list by what was parsed from it, in the given format. */
static int rewrite_resources(const Resources *parsed, ResourceFormat format,
                             Mesos__V1__Resource ***list, size_t *n) {
        Mesos__V1__Resource **rewritten;
        size_t n_rewritten;
        int r;

        r = resources_to_pb(parsed, format, &rewritten, &n_rewritten);
        if (r < 0)
                return r;

        resources_free_pb(*list, *n);
        *list = rewritten;
        *n = n_rewritten;
        return 0;
}

/* As we keep them, and compare them with those of an executor that runs. */
static int normalize_task(Mesos__V1__TaskInfo *task, const Parsed *x) {
        int r;

        r = rewrite_resources(x->resources, RESOURCE_FORMAT_NEW, &task->resources,
                              &task->n_resources);
        if (r >= 0 && task->executor)
                r = rewrite_resources(x->executor_resources, RESOURCE_FORMAT_NEW,
                                      &task->executor->resources, &task->executor->n_resources);

        return r;
}

static int downgrade_list(Mesos__V1__Resource ***list, size_t *n) {
        _cleanup_(resources_freep) Resources *parsed = NULL;
        _cleanup_free_ char *error = NULL;
        int r;

        r = resources_from_pb(*list, *n, &parsed, &error);
        if (r != RESOURCES_OK)
                return r < 0 ? r : -EBADMSG;

        return rewrite_resources(parsed, RESOURCE_FORMAT_OLD, list, n);
}

/* For an agent that does not know the new resource format. */
static int downgrade_task(const Node *n, Mesos__V1__TaskInfo *task) {
        int r;

        if (node_resource_format(n) == RESOURCE_FORMAT_NEW)
                return 0;

        r = downgrade_list(&task->resources, &task->n_resources);
        if (r >= 0 && task->executor)
                r = downgrade_list(&task->executor->resources, &task->executor->n_resources);

        return r;
}

static LaunchContext launch_context(const Pool *p, const char *task_id,
                                    const Mesos__V1__ExecutorInfo *executor) {
        const Executor *running = executor ? executor_find(p->node, p->framework->id,
                                                           executor->executor_id->value)
                                           : NULL;

        return (LaunchContext) {
                .framework_id = p->framework->id,
                .agent_id = p->node->id,
                .agent_takes_limits = node_has_capability(
                                p->node,
                                MESOS__V1__AGENT_INFO__CAPABILITY__TYPE__TASK_RESOURCE_LIMITS),
                .task_id_taken = task_id && (framework_find_task(p->framework, task_id) ||
                                             framework_find_unreachable(p->framework, task_id)),
                .running_executor = running ? running->info : NULL,
                .available = p->left,
        };
}

/* Enters the executor if it is new; *ret_new says whether the agent has to start it. */
static int charge_executor(Pool *p, const Mesos__V1__ExecutorInfo *info, bool *ret_new) {
        Executor *e;
        int r;

        *ret_new = false;
        if (executor_find(p->node, p->framework->id, info->executor_id->value))
                return 0;

        r = executor_new(p->framework, p->node, info, &e);
        if (r != 0)
                return r < 0 ? r : -EBADMSG;

        *ret_new = true;
        return resources_subtract(p->left, e->resources);
}

/* Enters the task; its resources are the agent's from now on,
 * and the task's: *resources is taken. */
static int charge_task(Pool *p, const Mesos__V1__TaskInfo *info, Resources **resources) {
        Task *t;
        int r;

        r = task_new_from_info(info, p->framework->id, *resources, &t);
        if (r < 0)
                return r;

        *resources = NULL;
        t->node = p->node;
        framework_add_task(p->framework, t);
        operator_stream_task_added(t);

        r = resources_subtract(p->left, t->resources);
        return r < 0 ? r : resources_add(p->node->used, t->resources);
}

static int parse_task(const Mesos__V1__TaskInfo *task, Parsed *x, char **reterr_message) {
        int r;

        r = resources_from_pb(task->resources, task->n_resources, &x->resources, reterr_message);
        if (r == RESOURCES_OK && task->executor)
                r = resources_from_pb(task->executor->resources, task->executor->n_resources,
                                      &x->executor_resources, reterr_message);

        return r == RESOURCES_E_INVALID ? REJECTED : r;
}

static int judge_task(Pool *p, Mesos__V1__TaskInfo *task, Parsed *x, char **reterr_message) {
        LaunchContext context;
        LaunchTask launch;
        int r;

        r = complete_task(task, p);
        if (r < 0)
                return r;

        r = parse_task(task, x, reterr_message);
        if (r != ACCEPTED)
                return r;

        resources_share(x->resources, p->node->total);
        r = normalize_task(task, x);
        if (r < 0)
                return r;

        context = launch_context(p, task->task_id->value, task->executor);
        launch = (LaunchTask) { task, x->resources, x->executor_resources };
        return validate_task(&launch, &context, reterr_message);
}

static int start_task(Pool *p, Mesos__V1__TaskInfo *task, Parsed *x) {
        bool launch_executor = true;
        int r;

        if (task->executor) {
                r = charge_executor(p, task->executor, &launch_executor);
                if (r < 0)
                        return r;
        }

        /* Last, for the record is made of the message as we keep it, in the new format. */
        r = charge_task(p, task, &x->resources);
        if (r >= 0)
                r = downgrade_task(p->node, task);
        if (r < 0)
                return r;

        agent_message_run_task(p->node, p->framework, task, launch_executor);
        return 0;
}

static void launch_task(Pool *p, Mesos__V1__TaskInfo *task) {
        _cleanup_free_ char *error = NULL;
        Parsed x = {};
        int r;

        r = judge_task(p, task, &x, &error);
        if (r == ACCEPTED)
                r = start_task(p, task, &x);
        if (r != ACCEPTED)
                tell_verdict(p->framework, task, MESOS__V1__TASK_STATE__TASK_ERROR,
                             MESOS__V1__TASK_STATUS__REASON__REASON_TASK_INVALID,
                             error ?: strerror(r < 0 ? -r : EBADMSG));

        parsed_deinit(&x);
}

static void launch(Pool *p, OfferOperation *op) {
        static const char with_id[] = "Operation of type LAUNCH must not have an 'id'";

        for (size_t i = 0; op->launch && i < op->launch->n_task_infos; i++)
                if (op->id)
                        tell_verdict(p->framework, op->launch->task_infos[i],
                                     MESOS__V1__TASK_STATE__TASK_ERROR,
                                     MESOS__V1__TASK_STATUS__REASON__REASON_TASK_INVALID, with_id);
                else
                        launch_task(p, op->launch->task_infos[i]);
}

/* A group on its way through judgement. */
typedef struct Group {
        Mesos__V1__ExecutorInfo *executor;
        Mesos__V1__TaskGroupInfo *info;
        Resources *executor_resources;     /* owned */
        Parsed *parsed;                    /* owned, one per task */
} Group;

static void group_deinit(Group *g) {
        for (size_t i = 0; g->parsed && i < g->info->n_tasks; i++)
                parsed_deinit(&g->parsed[i]);
        free(g->parsed);
        resources_free(g->executor_resources);
}

/* Each task is sent with its executor inside. */
static int complete_group(Pool *p, Group *g) {
        int r;

        r = complete_resources(g->executor->resources, g->executor->n_resources, p->role);

        for (size_t i = 0; r >= 0 && i < g->info->n_tasks; i++) {
                Mesos__V1__TaskInfo *task = g->info->tasks[i];

                r = complete_resources(task->resources, task->n_resources, p->role);
                if (r >= 0 && task->executor)
                        r = complete_resources(task->executor->resources,
                                               task->executor->n_resources, p->role);
                if (r >= 0 && !task->executor) {
                        task->executor = (Mesos__V1__ExecutorInfo *) pb_copy(&g->executor->base);
                        if (!task->executor)
                                r = -ENOMEM;
                }
        }

        return r;
}

static int parse_group(Group *g, char **reterr_message) {
        int r;

        r = resources_from_pb(g->executor->resources, g->executor->n_resources,
                              &g->executor_resources, reterr_message);
        if (r == RESOURCES_OK)
                r = rewrite_resources(g->executor_resources, RESOURCE_FORMAT_NEW,
                                      &g->executor->resources, &g->executor->n_resources);

        for (size_t i = 0; r == RESOURCES_OK && i < g->info->n_tasks; i++) {
                r = parse_task(g->info->tasks[i], &g->parsed[i], reterr_message);
                if (r == RESOURCES_OK)
                        r = normalize_task(g->info->tasks[i], &g->parsed[i]);
        }

        return r == RESOURCES_E_INVALID ? REJECTED : r;
}

static int judge_group(Pool *p, Group *g, char **reterr_message) {
        _cleanup_free_ LaunchTask *tasks = NULL;
        LaunchContext context;
        int r;

        tasks = calloc(g->info->n_tasks, sizeof(*tasks));
        if (!tasks)
                return -ENOMEM;

        for (size_t i = 0; i < g->info->n_tasks; i++) {
                tasks[i] = (LaunchTask) { g->info->tasks[i], g->parsed[i].resources,
                                         g->parsed[i].executor_resources };

                context = launch_context(p, tasks[i].info->task_id->value, g->executor);
                for (size_t j = 0; j < i; j++)
                        if (streq(tasks[j].info->task_id->value, tasks[i].info->task_id->value))
                                context.task_id_taken = true;

                r = validate_group_task(&tasks[i], &context, reterr_message);
                if (r != ACCEPTED)
                        return r;
        }

        context = launch_context(p, NULL, g->executor);
        return validate_group(g->executor, g->executor_resources, tasks, g->info->n_tasks, &context,
                              reterr_message);
}

static int start_group(Pool *p, Group *g) {
        bool launch_executor;
        int r;

        r = charge_executor(p, g->executor, &launch_executor);

        for (size_t i = 0; r >= 0 && i < g->info->n_tasks; i++) {
                r = charge_task(p, g->info->tasks[i], &g->parsed[i].resources);
                if (r >= 0)
                        r = downgrade_task(p->node, g->info->tasks[i]);
        }

        if (r >= 0 && node_resource_format(p->node) != RESOURCE_FORMAT_NEW)
                r = downgrade_list(&g->executor->resources, &g->executor->n_resources);
        if (r < 0)
                return r;

        agent_message_run_group(p->node, p->framework, g->executor, g->info, launch_executor);
        return 0;
}

static int launch_group_checked(Pool *p, OfferOperation *op, char **reterr_message) {
        Group g = { .executor = op->launch_group->executor, .info = op->launch_group->task_group };
        int r;

        if (op->id)
                return reject(reterr_message,
                              "Operation of type LAUNCH_GROUP must not have an 'id'");

        if (g.info->n_tasks > TASK_GROUP_MAX_TASKS)
                return reject(reterr_message,
                              "Task group has %zu tasks, more than the %d it may have",
                              g.info->n_tasks, TASK_GROUP_MAX_TASKS);

        g.parsed = calloc(g.info->n_tasks, sizeof(*g.parsed));
        if (!g.parsed)
                return -ENOMEM;

        r = complete_group(p, &g);
        if (r >= 0)
                r = parse_group(&g, reterr_message);
        if (r == ACCEPTED)
                r = judge_group(p, &g, reterr_message);
        if (r == ACCEPTED)
                r = start_group(p, &g);

        group_deinit(&g);
        return r;
}

static void launch_group(Pool *p, OfferOperation *op) {
        _cleanup_free_ char *error = NULL;
        const Mesos__V1__TaskGroupInfo *group;
        int r;

        if (!op->launch_group || op->launch_group->task_group->n_tasks == 0)
                return;

        r = launch_group_checked(p, op, &error);
        if (r == ACCEPTED)
                return;

        group = op->launch_group->task_group;
        for (size_t i = 0; i < group->n_tasks; i++)
                tell_verdict(p->framework, group->tasks[i], MESOS__V1__TASK_STATE__TASK_ERROR,
                             MESOS__V1__TASK_STATUS__REASON__REASON_TASK_GROUP_INVALID,
                             error ?: strerror(r < 0 ? -r : EBADMSG));
}

static void refuse_operation(Pool *p, const OfferOperation *op) {
        const ProtobufCEnumValue *name =
                        op->has_type ? protobuf_c_enum_descriptor_get_value(
                                                       &mesos__v1__offer__operation__type__descriptor,
                                                       op->type)
                                     : NULL;
        char message[128];

        snprintf(message, sizeof(message),
                 "Operation %s is not supported by this version of Holdfast",
                 name ? name->name : "UNKNOWN");
        tell_operation_error(p, op, message);
}

static void perform(Pool *p, OfferOperation *op) {
        if (op->has_type)
                metrics_count_operation(p->framework, op->type);

        if (op->has_type && op->type == MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH)
                launch(p, op);
        else if (op->has_type && op->type == MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH_GROUP)
                launch_group(p, op);
        else
                refuse_operation(p, op);
}

static void drop_task(Framework *f, const Mesos__V1__TaskInfo *task, const char *message) {
        tell_verdict(f, task, MESOS__V1__TASK_STATE__TASK_DROPPED,
                     MESOS__V1__TASK_STATUS__REASON__REASON_INVALID_OFFERS, message);
}

static void drop_operation(Framework *f, const OfferOperation *op, const char *error) {
        _cleanup_free_ char *message = NULL;
        Pool p = { .framework = f };

        if (asprintf(&message, "Task launched with invalid offers: %s", error) < 0) {
                message = NULL;
                return;
        }

        if (op->has_type && op->type == MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH) {
                for (size_t i = 0; op->launch && i < op->launch->n_task_infos; i++)
                        drop_task(f, op->launch->task_infos[i], message);
                return;
        }

        if (op->has_type && op->type == MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH_GROUP) {
                for (size_t i = 0; op->launch_group && i < op->launch_group->task_group->n_tasks;
                     i++)
                        drop_task(f, op->launch_group->task_group->tasks[i], message);
                return;
        }

        tell_operation_error(&p, op, error);
}

/* One bad offer spoils all: the others named go back, and nothing is done. */
static void drop_all(Framework *f, const Mesos__V1__Scheduler__Call__Accept *accept,
                     const char *error) {
        log_info_ctx(&(LogContext) { .framework_id = f->id },
                     "ACCEPT of framework '%s' uses invalid offers: %s", f->id, error);

        for (size_t i = 0; i < accept->n_offer_ids; i++) {
                Offer *o = offer_find(&f->master->offers, accept->offer_ids[i]->value);

                if (o && o->framework == f)
                        departure_return_offer(o, false);
        }

        for (size_t i = 0; i < accept->n_operations; i++)
                drop_operation(f, accept->operations[i], error);
}

static bool has_launch(const Mesos__V1__Scheduler__Call__Accept *accept) {
        for (size_t i = 0; i < accept->n_operations; i++)
                if (accept->operations[i]->launch || accept->operations[i]->launch_group)
                        return true;

        return false;
}

void accept_process(Framework *f, Mesos__V1__Scheduler__Call__Accept *accept) {
        _cleanup_free_ const char **ids = NULL;
        _cleanup_free_ Offer **offers = NULL;
        _cleanup_free_ char *error = NULL;
        Pool p;
        int r;

        metrics_count(f->master, has_launch(accept) ? COUNTER_MESSAGES_LAUNCH_TASKS
                                                    : COUNTER_MESSAGES_DECLINE_OFFERS);

        ids = calloc(accept->n_offer_ids + 1, sizeof(*ids));
        offers = calloc(accept->n_offer_ids + 1, sizeof(*offers));
        if (!ids || !offers) {
                log_oom();
                return;
        }

        for (size_t i = 0; i < accept->n_offer_ids; i++)
                ids[i] = accept->offer_ids[i]->value;

        r = offers_validate(&f->master->offers, ids, accept->n_offer_ids, f, offers, &error);
        if (r != ACCEPTED) {
                drop_all(f, accept, error ?: strerror(-r));
                return;
        }

        if (accept->n_operations > 0)
                f->metrics.offers_accepted += accept->n_offer_ids;
        else
                f->metrics.offers_declined += accept->n_offer_ids;

        r = pool_init(&p, f, offers, accept->n_offer_ids);
        if (r < 0)
                log_error_errno(r, "Cannot accept offers of framework '%s': %m", f->id);
        else {
                for (size_t i = 0; i < accept->n_operations; i++)
                        perform(&p, accept->operations[i]);

                allocation_decline(f, p.node, p.left, ALLOCATOR_UNUSED, accept->filters);
        }

        pool_deinit(&p);
}
