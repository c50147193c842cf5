#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Metrics: what the master counts, and its numbers under the
 * names operators know. See metrics.c. */

#include "common/base/macro.h"
#include "common/base/usec.h"
#include "common/model/task_state.h"

typedef struct Framework Framework;
typedef struct Master Master;

/* Plain counters of the master, with the name each is published under. */
#define MASTER_COUNTERS(X)                                                                         \
        X(DROPPED_MESSAGES, "dropped_messages")                                                    \
        X(HTTP_CACHE_HITS, "http_cache_hits")                                                      \
        X(MESSAGES_REGISTER_FRAMEWORK, "messages_register_framework")                              \
        X(MESSAGES_REREGISTER_FRAMEWORK, "messages_reregister_framework")                          \
        X(MESSAGES_UNREGISTER_FRAMEWORK, "messages_unregister_framework")                          \
        X(MESSAGES_DEACTIVATE_FRAMEWORK, "messages_deactivate_framework")                          \
        X(MESSAGES_KILL_TASK, "messages_kill_task")                                                \
        X(MESSAGES_STATUS_UPDATE_ACKNOWLEDGEMENT, "messages_status_update_acknowledgement")        \
        X(MESSAGES_OPERATION_STATUS_UPDATE_ACKNOWLEDGEMENT,                                        \
          "messages_operation_status_update_acknowledgement")                                      \
        X(MESSAGES_RESOURCE_REQUEST, "messages_resource_request")                                  \
        X(MESSAGES_LAUNCH_TASKS, "messages_launch_tasks")                                          \
        X(MESSAGES_DECLINE_OFFERS, "messages_decline_offers")                                      \
        X(MESSAGES_REVIVE_OFFERS, "messages_revive_offers")                                        \
        X(MESSAGES_SUPPRESS_OFFERS, "messages_suppress_offers")                                    \
        X(MESSAGES_RECONCILE_TASKS, "messages_reconcile_tasks")                                    \
        X(MESSAGES_RECONCILE_OPERATIONS, "messages_reconcile_operations")                          \
        X(MESSAGES_FRAMEWORK_TO_EXECUTOR, "messages_framework_to_executor")                        \
        X(MESSAGES_EXECUTOR_TO_FRAMEWORK, "messages_executor_to_framework")                        \
        X(MESSAGES_REGISTER_SLAVE, "messages_register_slave")                                      \
        X(MESSAGES_REREGISTER_SLAVE, "messages_reregister_slave")                                  \
        X(MESSAGES_UNREGISTER_SLAVE, "messages_unregister_slave")                                  \
        X(MESSAGES_STATUS_UPDATE, "messages_status_update")                                        \
        X(MESSAGES_OPERATION_STATUS_UPDATE, "messages_operation_status_update")                    \
        X(MESSAGES_EXITED_EXECUTOR, "messages_exited_executor")                                    \
        X(MESSAGES_UPDATE_SLAVE, "messages_update_slave")                                          \
        X(MESSAGES_AUTHENTICATE, "messages_authenticate")                                          \
        X(VALID_FRAMEWORK_TO_EXECUTOR, "valid_framework_to_executor_messages")                     \
        X(INVALID_FRAMEWORK_TO_EXECUTOR, "invalid_framework_to_executor_messages")                 \
        X(VALID_EXECUTOR_TO_FRAMEWORK, "valid_executor_to_framework_messages")                     \
        X(INVALID_EXECUTOR_TO_FRAMEWORK, "invalid_executor_to_framework_messages")                 \
        X(VALID_STATUS_UPDATES, "valid_status_updates")                                            \
        X(INVALID_STATUS_UPDATES, "invalid_status_updates")                                        \
        X(VALID_STATUS_UPDATE_ACKNOWLEDGEMENTS, "valid_status_update_acknowledgements")            \
        X(INVALID_STATUS_UPDATE_ACKNOWLEDGEMENTS, "invalid_status_update_acknowledgements")        \
        X(VALID_OPERATION_STATUS_UPDATES, "valid_operation_status_updates")                        \
        X(INVALID_OPERATION_STATUS_UPDATES, "invalid_operation_status_updates")                    \
        X(VALID_OPERATION_STATUS_UPDATE_ACKNOWLEDGEMENTS,                                          \
          "valid_operation_status_update_acknowledgements")                                        \
        X(INVALID_OPERATION_STATUS_UPDATE_ACKNOWLEDGEMENTS,                                        \
          "invalid_operation_status_update_acknowledgements")                                      \
        X(RECOVERY_SLAVE_REMOVALS, "recovery_slave_removals")                                      \
        X(SLAVE_REGISTRATIONS, "slave_registrations")                                              \
        X(SLAVE_REREGISTRATIONS, "slave_reregistrations")                                          \
        X(SLAVE_REMOVALS, "slave_removals")                                                        \
        X(SLAVE_REMOVALS_UNHEALTHY, "slave_removals/reason_unhealthy")                             \
        X(SLAVE_REMOVALS_UNREGISTERED, "slave_removals/reason_unregistered")                       \
        X(SLAVE_REMOVALS_REGISTERED, "slave_removals/reason_registered")                           \
        X(SLAVE_SHUTDOWNS_SCHEDULED, "slave_shutdowns_scheduled")                                  \
        X(SLAVE_SHUTDOWNS_COMPLETED, "slave_shutdowns_completed")                                  \
        X(SLAVE_SHUTDOWNS_CANCELED, "slave_shutdowns_canceled")                                    \
        X(SLAVE_UNREACHABLE_SCHEDULED, "slave_unreachable_scheduled")                              \
        X(SLAVE_UNREACHABLE_COMPLETED, "slave_unreachable_completed")                              \
        X(SLAVE_UNREACHABLE_CANCELED, "slave_unreachable_canceled")

typedef enum MasterCounter {
#define X(name, text) COUNTER_##name,
        MASTER_COUNTERS(X)
#undef X
        _COUNTER_MAX,
} MasterCounter;

/* Room for every value of the wire enums that index these; unknown values are counted nowhere. */
enum {
        METRICS_MAX_CALL = 18,
        METRICS_MAX_EVENT = 12,
        METRICS_MAX_OPERATION = 15,
        METRICS_MAX_TASK_STATE = 14,
};

/* How often a reason ended tasks: "task_failed/source_executor/reason_…". */
typedef struct ReasonCount ReasonCount;

/* The last values of something measured again and again; allocated with the first. */
typedef struct MetricSamples {
        double *values_ms;        /* owned; a ring */
        unsigned n_values;
        unsigned next;
        uint64_t n_total;
        double last_ms;
} MetricSamples;

void metrics_add_sample(MetricSamples *s, usec_t value_usec);

typedef struct MasterMetrics {
        uint64_t counters[_COUNTER_MAX];
        uint64_t terminal_tasks[METRICS_MAX_TASK_STATE];
        ReasonCount *reasons;     /* owned; a hash */
        MetricSamples allocation_run;
        MetricSamples allocation_run_latency;
        MetricSamples registry_store;
} MasterMetrics;

typedef struct FrameworkMetrics {
        uint32_t calls[METRICS_MAX_CALL];
        uint32_t events[METRICS_MAX_EVENT];
        uint32_t operations[METRICS_MAX_OPERATION];
        uint32_t terminal_tasks[METRICS_MAX_TASK_STATE];
        uint32_t offers_sent;
        uint32_t offers_accepted;
        uint32_t offers_declined;
        uint32_t offers_rescinded;
} FrameworkMetrics;

void metrics_deinit(MasterMetrics *m);

void metrics_count(Master *m, MasterCounter counter);
void metrics_count_call(Framework *f, int type);
void metrics_count_event(Framework *f, int type);
void metrics_count_operation(Framework *f, int type);

/* Counts a task's end; source and reason are -1 when unset. */
void metrics_count_terminal(Master *m, Framework *f, TaskState state, int source, int reason);

/* Calls `visit` with each metric in the order of names. */
typedef void (*MetricVisitor)(const char *name, double value, void *userdata);
int metrics_foreach(Master *m, MetricVisitor visit, void *userdata);
