/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls of a run
 *
 * Each fills the message on the stack, of borrowed texts, because scheduler_call() turns it into
 * bytes at once.
 */

#include "cli/run_calls.h"

/* Offers that are too small are not wanted again before something about them has changed for good. */
#define DECLINE_SECS 30

static Mesos__V1__Scheduler__Call call_of(Mesos__V1__Scheduler__Call__Type type) {
        Mesos__V1__Scheduler__Call call = MESOS__V1__SCHEDULER__CALL__INIT;

        call.has_type = true;
        call.type = type;
        return call;
}

/* Launches the task on the offer's agent; what it does not need goes back at once. */
int call_accept(Scheduler *s, const TaskSpec *spec, const Mesos__V1__Offer *offer,
                Mesos__V1__Resource **resources, size_t n_resources) {
        Mesos__V1__Scheduler__Call call = call_of(MESOS__V1__SCHEDULER__CALL__TYPE__ACCEPT);
        Mesos__V1__Scheduler__Call__Accept accept = MESOS__V1__SCHEDULER__CALL__ACCEPT__INIT;
        Mesos__V1__Offer__Operation operation = MESOS__V1__OFFER__OPERATION__INIT;
        Mesos__V1__Offer__Operation__Launch launch = MESOS__V1__OFFER__OPERATION__LAUNCH__INIT;
        Mesos__V1__TaskInfo task = MESOS__V1__TASK_INFO__INIT;
        Mesos__V1__TaskID task_id = MESOS__V1__TASK_ID__INIT;
        Mesos__V1__OfferID *offer_ids[] = { offer->id };
        Mesos__V1__Offer__Operation *operations[] = { &operation };
        Mesos__V1__TaskInfo *tasks[] = { &task };

        task_id.value = spec->task_id;
        task.name = (char *) spec->name;
        task.task_id = &task_id;
        task.agent_id = offer->agent_id;
        task.resources = resources;
        task.n_resources = n_resources;
        task.command = (Mesos__V1__CommandInfo *) &spec->command;

        launch.task_infos = tasks;
        launch.n_task_infos = ELEMENTSOF(tasks);
        operation.has_type = true;
        operation.type = MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH;
        operation.launch = &launch;

        accept.offer_ids = offer_ids;
        accept.n_offer_ids = ELEMENTSOF(offer_ids);
        accept.operations = operations;
        accept.n_operations = ELEMENTSOF(operations);
        call.accept = &accept;
        return scheduler_call(s, &call);
}

int call_decline(Scheduler *s, Mesos__V1__OfferID **offer_ids, size_t n_offer_ids) {
        Mesos__V1__Scheduler__Call call = call_of(MESOS__V1__SCHEDULER__CALL__TYPE__DECLINE);
        Mesos__V1__Scheduler__Call__Decline decline = MESOS__V1__SCHEDULER__CALL__DECLINE__INIT;
        Mesos__V1__Filters filters = MESOS__V1__FILTERS__INIT;

        filters.has_refuse_seconds = true;
        filters.refuse_seconds = DECLINE_SECS;
        decline.offer_ids = offer_ids;
        decline.n_offer_ids = n_offer_ids;
        decline.filters = &filters;
        call.decline = &decline;
        return scheduler_call(s, &call);
}

/* For statuses with a uuid only. */
int call_acknowledge(Scheduler *s, const Mesos__V1__TaskStatus *status) {
        Mesos__V1__Scheduler__Call call = call_of(MESOS__V1__SCHEDULER__CALL__TYPE__ACKNOWLEDGE);
        Mesos__V1__Scheduler__Call__Acknowledge acknowledge =
                        MESOS__V1__SCHEDULER__CALL__ACKNOWLEDGE__INIT;

        acknowledge.agent_id = status->agent_id;
        acknowledge.task_id = status->task_id;
        acknowledge.uuid = status->uuid;
        call.acknowledge = &acknowledge;
        return scheduler_call(s, &call);
}

/* agent_id may be NULL. */
int call_kill(Scheduler *s, const char *task_id, const char *agent_id) {
        Mesos__V1__Scheduler__Call call = call_of(MESOS__V1__SCHEDULER__CALL__TYPE__KILL);
        Mesos__V1__Scheduler__Call__Kill kill = MESOS__V1__SCHEDULER__CALL__KILL__INIT;
        Mesos__V1__TaskID task = MESOS__V1__TASK_ID__INIT;
        Mesos__V1__AgentID agent = MESOS__V1__AGENT_ID__INIT;

        task.value = (char *) task_id;
        agent.value = (char *) agent_id;
        kill.task_id = &task;
        kill.agent_id = agent_id ? &agent : NULL;
        call.kill = &kill;
        return scheduler_call(s, &call);
}

/* agent_id may be NULL. */
int call_reconcile(Scheduler *s, const char *task_id, const char *agent_id) {
        Mesos__V1__Scheduler__Call call = call_of(MESOS__V1__SCHEDULER__CALL__TYPE__RECONCILE);
        Mesos__V1__Scheduler__Call__Reconcile reconcile =
                        MESOS__V1__SCHEDULER__CALL__RECONCILE__INIT;
        Mesos__V1__Scheduler__Call__Reconcile__Task task =
                        MESOS__V1__SCHEDULER__CALL__RECONCILE__TASK__INIT;
        Mesos__V1__Scheduler__Call__Reconcile__Task *tasks[] = { &task };
        Mesos__V1__TaskID id = MESOS__V1__TASK_ID__INIT;
        Mesos__V1__AgentID agent = MESOS__V1__AGENT_ID__INIT;

        id.value = (char *) task_id;
        agent.value = (char *) agent_id;
        task.task_id = &id;
        task.agent_id = agent_id ? &agent : NULL;
        reconcile.tasks = tasks;
        reconcile.n_tasks = ELEMENTSOF(tasks);
        call.reconcile = &reconcile;
        return scheduler_call(s, &call);
}

/* SUPPRESS, REVIVE and TEARDOWN say nothing but their name. */
int call_plain(Scheduler *s, Mesos__V1__Scheduler__Call__Type type) {
        Mesos__V1__Scheduler__Call call = call_of(type);

        return scheduler_call(s, &call);
}
