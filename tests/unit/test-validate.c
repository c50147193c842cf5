/* SPDX-License-Identifier: Apache-2.0 */

/* Validation of launches, with the words frameworks are told, as recorded from Mesos. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/net/pbjson.h"
#include "master/reject.h"
#include "master/validate.h"

#define FRAMEWORK "fid-0000"
#define AGENT "fid-S0"
#define RESOURCES(cpus, mem)                                                                       \
        "\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":" #cpus "},"  \
        "\"allocation_info\":{\"role\":\"*\"}},{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{" \
        "\"value\":" #mem "},"                                                                     \
        "\"allocation_info\":{\"role\":\"*\"}}]"
#define COMMAND "\"command\":{\"value\":\"true\"}"
#define IDS(id)                                                                                    \
        "\"name\":\"n\",\"task_id\":{\"value\":\"" id "\"},\"agent_id\":{\"value\":\"" AGENT "\"}"

static Resources *parse_resources(Mesos__V1__Resource *const *list, size_t n) {
        _cleanup_free_ char *message = NULL;
        Resources *r = NULL;

        assert_int_equal(resources_from_pb(list, n, &r, &message), RESOURCES_OK);
        return r;
}

static Resources *offered(void) {
        _cleanup_free_ char *message = NULL;
        Resources *r;

        assert_int_equal(resources_parse("ports:[31000-32000];cpus:8;mem:8192;disk:16384", "*", &r,
                                         &message),
                         RESOURCES_OK);
        assert_int_equal(resources_allocate(r, "*"), 0);
        return r;
}

static ProtobufCMessage *message_of(const ProtobufCMessageDescriptor *d, const char *json) {
        _cleanup_free_ char *message = NULL;
        ProtobufCMessage *m = NULL;

        if (pbjson_parse(d, json, strlen(json), PB_LIMITS_DEFAULT, &m, &message) != PB_OK)
                fail_msg("%s: %s", message, json);
        return m;
}

static Mesos__V1__TaskInfo *task_of(const char *json) {
        char text[4096];

        snprintf(text, sizeof(text), "{%s}", json);
        return (Mesos__V1__TaskInfo *) message_of(&mesos__v1__task_info__descriptor, text);
}

/* Judges the task described in JSON without its braces; returns the reason, or "" when it is good.
 * Owned. */
static char *judge_in(const char *json, LaunchContext context) {
        _cleanup_(resources_freep) Resources *available = offered();
        Mesos__V1__TaskInfo *info = task_of(json);
        _cleanup_(resources_freep) Resources *resources =
                        parse_resources(info->resources, info->n_resources);
        _cleanup_(resources_freep) Resources *executor_resources = info->executor
                ? parse_resources(info->executor->resources, info->executor->n_resources) : NULL;
        LaunchTask task = { info, resources, executor_resources };
        char *message = NULL;
        int r;

        context.framework_id = FRAMEWORK;
        context.agent_id = AGENT;
        context.available = available;

        r = validate_task(&task, &context, &message);
        pb_free(&info->base);
        assert_int_equal(r, message ? REJECTED : ACCEPTED);
        return message ?: strdup("");
}

static void assert_judged(const char *json, const char *expected) {
        _cleanup_free_ char *got = judge_in(json, (LaunchContext) {});

        assert_string_equal(got, expected);
}

static void test_plain_command_task_is_accepted(void **state) {
        (void) state;
        assert_judged(IDS("t") "," RESOURCES(0.1, 32) "," COMMAND, "");
}

static void test_bad_ids_are_told_with_the_id_quoted(void **state) {
        (void) state;
        assert_judged(IDS("a/b") "," RESOURCES(0.1, 32) "," COMMAND,
                      "'a/b' contains invalid characters");
        assert_judged(IDS(".") "," RESOURCES(0.1, 32) "," COMMAND, "'.' is disallowed");
        assert_judged(IDS("") "," RESOURCES(0.1, 32) "," COMMAND, "ID must not be empty");
}

static void test_id_of_a_live_task_is_a_duplicate(void **state) {
        _cleanup_free_ char *got = judge_in(IDS("t") "," RESOURCES(0.1, 32) "," COMMAND,
                                            (LaunchContext) { .task_id_taken = true });

        (void) state;
        assert_string_equal(got, "Task has duplicate ID: t");
}

static void test_task_must_be_for_the_agent_of_its_offers(void **state) {
        (void) state;
        assert_judged("\"name\":\"n\",\"task_id\":{\"value\":\"t\"},\"agent_id\":{\"value\":\"nope-"
                      "S7\"}," RESOURCES(0.1, 32) "," COMMAND,
                      "Task uses invalid agent nope-S7 while agent " AGENT " is expected");
}

static void test_more_than_is_left_of_the_offers_is_refused_with_both_sums(void **state) {
        (void) state;
        assert_judged(IDS("t") "," RESOURCES(1000, 32) "," COMMAND,
                      "Total resources cpus(allocated: *):1000; mem(allocated: *):32 required by "
                      "task and its executor is "
                      "more than available ports(allocated: *):[31000-32000]; cpus(allocated: "
                      "*):8; "
                      "mem(allocated: *):8192; disk(allocated: *):16384");
}

static void test_task_without_resources_is_refused(void **state) {
        (void) state;
        assert_judged(IDS("t") "," COMMAND, "Task uses no resources");
}

static void test_exactly_one_of_command_and_executor_is_needed(void **state) {
        static const char expected[] = "Task should have at least one (but not both) of "
                                       "CommandInfo or ExecutorInfo "
                                       "present";

        (void) state;
        assert_judged(IDS("t") "," RESOURCES(0.1, 32), expected);
        assert_judged(IDS("t") "," RESOURCES(0.1, 32) "," COMMAND ",\"executor\":{\"executor_id\":{"
                                                                  "\"value\":\"e\"}," COMMAND "}",
                      expected);
}

static void test_executors_are_judged_in_order(void **state) {
        (void) state;
        assert_judged(IDS("t") "," RESOURCES(0.1, 32) ",\"executor\":{\"type\":\"DEFAULT\","
                                                      "\"executor_id\":{\"value\":\"e\"}}",
                      "'ExecutorInfo.type' must be 'CUSTOM'");
        assert_judged(IDS("t") "," RESOURCES(
                                      0.1, 32) ",\"executor\":{\"executor_id\":{\"value\":\"e\"}}",
                      "'ExecutorInfo.command' must be set");
        assert_judged(IDS("t") "," RESOURCES(0.1, 32) ",\"executor\":{\"executor_id\":{\"value\":"
                                                      "\"a/b\"}," COMMAND "}",
                      "'a/b' contains invalid characters");
        assert_judged(IDS("t") "," RESOURCES(
                                      0.1, 32) ",\"executor\":{\"executor_id\":{\"value\":\"e\"},"
                                               "\"framework_id\":{\"value\":\"zork\"}," COMMAND "}",
                      "ExecutorInfo has an invalid FrameworkID (Actual: zork vs "
                      "Expected: " FRAMEWORK ")");
        assert_judged(IDS("t") "," RESOURCES(0.1,
                                             32) ",\"executor\":{\"executor_id\":{\"value\":\"e\"},"
                                                 "\"framework_id\":{\"value\":\"" FRAMEWORK
                                                 "\"}," COMMAND
                                                 ",\"shutdown_grace_period\":{\"nanoseconds\":-1}}",
                      "ExecutorInfo's 'shutdown_grace_period' must be non-negative");
}

static void test_running_executor_is_not_charged_again_but_must_be_the_same(void **state) {
        static const char executor[] =
                        "{\"executor_id\":{\"value\":\"e\"},\"framework_id\":{\"value\":"
                        "\"" FRAMEWORK "\"}," COMMAND "," RESOURCES(5, 32) "}";
        ProtobufCMessage *running = message_of(&mesos__v1__executor_info__descriptor, executor);
        LaunchContext context = { .running_executor = (Mesos__V1__ExecutorInfo *) running };
        _cleanup_free_ char *alone = judge_in(
                        IDS("t") "," RESOURCES(
                                        4, 32) ",\"executor\":{\"executor_id\":{\"value\":\"e\"},"
                                               "\"framework_id\":{\"value\":\"" FRAMEWORK
                                               "\"}," COMMAND "," RESOURCES(5, 32) "}",
                        (LaunchContext) {});
        _cleanup_free_ char *again = judge_in(
                        IDS("t") "," RESOURCES(
                                        4, 32) ",\"executor\":{\"executor_id\":{\"value\":\"e\"},"
                                               "\"framework_id\":{\"value\":\"" FRAMEWORK
                                               "\"}," COMMAND "," RESOURCES(5, 32) "}",
                        context);
        _cleanup_free_ char *other = judge_in(
                        IDS("t") "," RESOURCES(
                                        4, 32) ",\"executor\":{\"executor_id\":{\"value\":\"e\"},"
                                               "\"framework_id\":{\"value\":\"" FRAMEWORK
                                               "\"}," COMMAND "," RESOURCES(6, 32) "}",
                        context);

        (void) state;
        assert_non_null(startswith(alone, "Total resources cpus(allocated: *):9;"));
        assert_string_equal(again, "");
        assert_non_null(startswith(other, "ExecutorInfo is not compatible with existing "
                                          "ExecutorInfo with same ExecutorID."));
        pb_free(running);
}

static void test_policies_and_checks_are_told_by_their_name(void **state) {
        (void) state;
        assert_judged(IDS("t") "," RESOURCES(0.1, 32) "," COMMAND ",\"kill_policy\":{\"grace_"
                                                                  "period\":{\"nanoseconds\":-1}}",
                      "Task's 'kill_policy.grace_period' must be non-negative");
        assert_judged(IDS("t") "," RESOURCES(0.1,
                                             32) "," COMMAND
                                                 ",\"max_completion_time\":{\"nanoseconds\":-1}",
                      "Task's `max_completion_time` must be non-negative");
        assert_judged(IDS("t") "," RESOURCES(0.1, 32) "," COMMAND
                                                      ",\"health_check\":{\"type\":\"HTTP\"}",
                      "Task uses invalid health check: Expecting 'http' to be set for HTTP health "
                      "check");
        assert_judged(IDS("t") "," RESOURCES(0.1, 32) "," COMMAND ",\"health_check\":{\"type\":"
                                                                  "\"HTTP\",\"http\":{\"port\":1,"
                                                      "\"scheme\":\"ftp\"}}",
                      "Task uses invalid health check: Unsupported HTTP health check scheme: "
                      "'ftp'");
        assert_judged(IDS("t") "," RESOURCES(0.1, 32) "," COMMAND ",\"health_check\":{\"type\":"
                                                                  "\"HTTP\",\"http\":{\"port\":1,"
                                                      "\"path\":\"nope\"}}",
                      "Task uses invalid health check: The path 'nope' of HTTP health check must "
                      "start with '/'");
        assert_judged(IDS("t") "," RESOURCES(0.1, 32) "," COMMAND ",\"check\":{}",
                      "Task uses invalid check: CheckInfo must specify 'type'");
        assert_judged(IDS("t") "," RESOURCES(
                                      0.1, 32) "," COMMAND
                                               ",\"check\":{\"type\":\"TCP\",\"tcp\":{\"port\":1},"
                                               "\"interval_seconds\":-1}",
                      "Task uses invalid check: Expecting 'interval_seconds' to be non-negative");
}

static void test_environment_and_volumes_are_looked_into(void **state) {
        (void) state;
        assert_judged(IDS("t") "," RESOURCES(0.1, 32) ",\"command\":{\"value\":\"true\","
                                                      "\"environment\":{\"variables\":["
                                                      "{\"name\":\"A\"}]}}",
                      "Task's `CommandInfo` is invalid: Environment variable 'A' of type 'VALUE' "
                      "must have a value set");
        assert_judged(IDS("t") "," RESOURCES(0.1,
                                             32) "," COMMAND
                                                 ",\"container\":{\"type\":\"MESOS\",\"volumes\":[{"
                                                 "\"mode\":\"RW\",\"container_path\":\"p\"}]}",
                      "Task's `ContainerInfo` is invalid: Invalid volume: Only one of them should "
                      "be set: 'host_path', "
                      "'image' and 'source'");
}

static void test_limits_are_checked_before_the_agent_that_must_take_them(void **state) {
        static const char task[] =
                        IDS("t") "," RESOURCES(0.1, 32) "," COMMAND
                                                        ",\"limits\":{\"%s\":{\"value\":%s}}";
        static const struct {
                const char *name, *value, *expected;
                bool agent_takes_limits;
        } cases[] = {
                { "disk", "5", "Only cpus and mem may be included in a task's resource limits",
                  false },
                { "cpus", "0.05", "The cpu limit must be greater than or equal to the cpu request",
                  false },
                { "cpus", "\"Infinity\"", "", true },
                { "cpus", "0.1", "", true },
                { "mem", "64", "Agent " AGENT " is not TASK_RESOURCE_LIMITS capable", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char json[1024];
                _cleanup_free_ char *got = NULL;

                snprintf(json, sizeof(json), task, cases[i].name, cases[i].value);
                got = judge_in(json,
                               (LaunchContext) { .agent_takes_limits =
                                                                cases[i].agent_takes_limits });
                assert_string_equal(got, cases[i].expected);
        }
}

static void assert_group(const char *executor_json, const char *expected) {
        _cleanup_(resources_freep) Resources *available = offered();
        Mesos__V1__ExecutorInfo *e = (Mesos__V1__ExecutorInfo *)
                message_of(&mesos__v1__executor_info__descriptor, executor_json);
        Mesos__V1__TaskInfo *info = task_of(IDS("t") "," RESOURCES(1, 32) "," COMMAND);
        _cleanup_(resources_freep) Resources *executor_resources =
                        parse_resources(e->resources, e->n_resources);
        _cleanup_(resources_freep) Resources *resources =
                        parse_resources(info->resources, info->n_resources);
        LaunchContext context = { .framework_id = FRAMEWORK,
                                  .agent_id = AGENT,
                                  .available = available };
        LaunchTask task = { .info = info, .resources = resources };
        _cleanup_free_ char *message = NULL;

        (void) validate_group(e, executor_resources, &task, 1, &context, &message);
        assert_string_equal(message ?: "", expected);
        pb_free(&info->base);
        pb_free(&e->base);
}

static void test_group_executor_has_minimums(void **state) {
        (void) state;
        assert_group("{\"type\":\"DEFAULT\",\"executor_id\":{\"value\":\"lge5\"},\"framework_id\":{"
                     "\"value\":\"" FRAMEWORK "\"}}",
                     "Executor 'lge5' uses less CPUs (None) than the minimum required (0.01)");
        assert_group("{\"type\":\"DEFAULT\",\"executor_id\":{\"value\":\"e\"}}",
                     "'ExecutorInfo.framework_id' must be set");
        assert_group("{\"type\":\"DEFAULT\",\"executor_id\":{\"value\":\"e\"},\"framework_id\":{"
                     "\"value\":\"" FRAMEWORK "\"}," COMMAND "}",
                     "'ExecutorInfo.command' must not be set for 'DEFAULT' executor");
        assert_group("{\"type\":\"DEFAULT\",\"executor_id\":{\"value\":\"e\"},\"framework_id\":{"
                     "\"value\":\"" FRAMEWORK "\"}," RESOURCES(0.1, 32) "}",
                     "Executor 'e' must specify 'disk' resources");
}

#define PORTS(begin, end)                                                                          \
        "\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":0.1},"           \
        "\"allocation_info\":{\"role\":\"*\"}},{\"name\":\"ports\",\"type\":\"RANGES\",\"ranges\":{"   \
        "\"range\":[{\"begin\":" #begin ",\"end\":" #end "}]},"                                    \
        "\"allocation_info\":{\"role\":\"*\"}}]"
#define EXECUTOR(resources)                                                                        \
        "{\"executor_id\":{\"value\":\"e\"},\"framework_id\":{\"value\":\"" FRAMEWORK "\"}," COMMAND   \
        "," resources "}"

static void test_task_and_its_executor_may_not_have_the_same_port(void **state) {
        ProtobufCMessage *running = message_of(&mesos__v1__executor_info__descriptor,
                                               EXECUTOR(PORTS(31000, 31001)));
        LaunchContext context = { .running_executor = (Mesos__V1__ExecutorInfo *) running };
        _cleanup_free_ char *again = judge_in(
                        IDS("t") "," PORTS(31001, 31002) ",\"executor\":" EXECUTOR(
                                        PORTS(31000, 31001)),
                        context);

        (void) state;
        assert_judged(IDS("t") "," PORTS(31001, 31002) ",\"executor\":" EXECUTOR(
                                      PORTS(31000, 31001)),
                      "Task and its executor use the same items of ranges or sets");
        assert_judged(IDS("t") "," PORTS(31002, 31003) ",\"executor\":" EXECUTOR(
                                      PORTS(31000, 31001)),
                      "");
        /* Its ports are in no offer any more. */
        assert_string_equal(again, "");
        pb_free(running);
}

/* Judges a group of two tasks with these resources; owned. */
static char *judge_pair(const char *first, const char *second) {
        static const char executor[] =
                        "{\"type\":\"DEFAULT\",\"executor_id\":{\"value\":\"e\"},\"framework_id\":{"
                        "\"value\":\"" FRAMEWORK "\"}}";
        _cleanup_(resources_freep) Resources *available = offered();
        _cleanup_(resources_freep) Resources *executor_resources = NULL;
        Mesos__V1__ExecutorInfo *e = (Mesos__V1__ExecutorInfo *)
                message_of(&mesos__v1__executor_info__descriptor, executor);
        Mesos__V1__TaskInfo *infos[] = { task_of(first), task_of(second) };
        LaunchContext context = { .framework_id = FRAMEWORK,
                                  .agent_id = AGENT,
                                  .available = available };
        LaunchTask tasks[2];
        Resources *bags[2];
        char *message = NULL;

        assert_int_equal(resources_parse("cpus:1;mem:64;disk:1;ports:[31000-31000]", "*",
                                         &executor_resources, &message),
                         RESOURCES_OK);
        assert_int_equal(resources_allocate(executor_resources, "*"), 0);
        for (size_t i = 0; i < ELEMENTSOF(tasks); i++) {
                bags[i] = parse_resources(infos[i]->resources, infos[i]->n_resources);
                tasks[i] = (LaunchTask) { .info = infos[i], .resources = bags[i] };
        }

        (void) validate_group(e, executor_resources, tasks, ELEMENTSOF(tasks), &context, &message);

        for (size_t i = 0; i < ELEMENTSOF(tasks); i++) {
                resources_free(bags[i]);
                pb_free(&infos[i]->base);
        }
        pb_free(&e->base);
        return message ?: strdup("");
}

static void test_tasks_of_a_group_and_their_executor_may_not_have_the_same_port(void **state) {
        static const char expected[] =
                        "Task group and its executor use the same items of ranges or sets";
        _cleanup_free_ char *apart = judge_pair(IDS("a") "," PORTS(31001, 31002) "," COMMAND,
                                                IDS("b") "," PORTS(31003, 31003) "," COMMAND);
        _cleanup_free_ char *shared = judge_pair(IDS("a") "," PORTS(31001, 31002) "," COMMAND,
                                                 IDS("b") "," PORTS(31002, 31003) "," COMMAND);
        _cleanup_free_ char *executors = judge_pair(IDS("a") "," PORTS(31001, 31002) "," COMMAND,
                                                    IDS("b") "," PORTS(31000, 31000) "," COMMAND);

        (void) state;
        assert_string_equal(apart, "");
        assert_string_equal(shared, expected);
        assert_string_equal(executors, expected);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain_command_task_is_accepted),
                cmocka_unit_test(test_bad_ids_are_told_with_the_id_quoted),
                cmocka_unit_test(test_id_of_a_live_task_is_a_duplicate),
                cmocka_unit_test(test_task_must_be_for_the_agent_of_its_offers),
                cmocka_unit_test(test_more_than_is_left_of_the_offers_is_refused_with_both_sums),
                cmocka_unit_test(test_task_without_resources_is_refused),
                cmocka_unit_test(test_exactly_one_of_command_and_executor_is_needed),
                cmocka_unit_test(test_executors_are_judged_in_order),
                cmocka_unit_test(test_running_executor_is_not_charged_again_but_must_be_the_same),
                cmocka_unit_test(test_policies_and_checks_are_told_by_their_name),
                cmocka_unit_test(test_environment_and_volumes_are_looked_into),
                cmocka_unit_test(test_limits_are_checked_before_the_agent_that_must_take_them),
                cmocka_unit_test(test_group_executor_has_minimums),
                cmocka_unit_test(test_task_and_its_executor_may_not_have_the_same_port),
                cmocka_unit_test(
                                test_tasks_of_a_group_and_their_executor_may_not_have_the_same_port),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
