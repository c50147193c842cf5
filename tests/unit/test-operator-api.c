/* SPDX-License-Identifier: Apache-2.0 */

/* The operator API over sockets, on an agent made by hand: endpoints, calls, refusals, waiting. */

#include "tests/unit/http-fixture.h"

#include <utlist.h>

#include "agent/agent.h"
#include "agent/agent_resources.h"
#include "agent/drain.h"
#include "agent/history.h"
#include "agent/operations.h"
#include "agent/operator_api.h"
#include "common/base/log.h"
#include "common/net/pbjson.h"
#include "proto/agent.pb-c.h"

/* A container is only looked at by address here: the executor that has it counts as alive. */
static char alive;

typedef struct World {
        Fixture f;
        Agent agent;
        AgentConfig config;
        Resources *resources;
        Mesos__V1__Attribute **attributes;
        Mesos__V1__AgentInfo info;
        bool given;
        FlagTable flags;
        Flag flag_list[3];
        char dir[64];
        OperatorApi *api;
        Executor *live, *done;
} World;

static void *message(const ProtobufCMessageDescriptor *type, const char *json) {
        _cleanup_free_ char *error = NULL;
        ProtobufCMessage *m;

        if (pbjson_parse(type, json, strlen(json), PB_LIMITS_DEFAULT, &m, &error) != PB_OK)
                fail_msg("%s", error);
        return m;
}

static Executor *add_executor(World *w, Framework *f, const char *json, bool generated,
                              const char *container_id) {
        Executor *e;

        assert_int_equal(executor_new(f, message(&mesos__v1__executor_info__descriptor, json),
                                      generated, container_id, &e),
                         0);
        assert_true(asprintf(&e->directory, "%s/runs/%s", w->dir, container_id) > 0);
        return e;
}

static void add_task(Executor *e, const char *json, TaskStage stage, TaskState state) {
        Task *t;

        assert_int_equal(task_new(message(&mesos__v1__task_info__descriptor, json), &t), TASK_OK);
        t->stage = stage;
        t->state = state;
        executor_add_task(e, t);
}

static Framework *add_framework(const char *json) {
        Framework *f;

        assert_int_equal(framework_new(message(&mesos__v1__framework_info__descriptor, json),
                                       "@0.0.0.0:0", &f),
                         0);
        return f;
}

/* One framework: a live executor with a running and a queued task, and one that is over, with 3. */
static void populate(World *w) {
        CompletedExecutor *old = calloc(1, sizeof(*old));
        Mesos__V1__TaskStatus *status;
        Framework *f;
        Task *t;

        f = add_framework("{\"id\":{\"value\":\"F\"},\"name\":\"fw\",\"user\":\"u\",\"roles\":["
                          "\"r\"],\"principal\":\"p\","
                          "\"capabilities\":[{\"type\":\"MULTI_ROLE\"}],\"failover_timeout\":5}");
        HASH_ADD_KEYPTR(hh, w->agent.frameworks, f->id, strlen(f->id), f);

        w->live = add_executor(w, f,
                               "{\"executor_id\":{\"value\":\"live\"},\"type\":\"CUSTOM\",\"name\":"
                               "\"n\",\"resources\":"
                               "[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":0.1},"
                               "\"allocation_info\":{\"role\":\"r\"}}],"
                               "\"labels\":{\"labels\":[{\"key\":\"k\"}]}}",
                               false, "c-live");
        w->live->state = EXECUTOR_RUNNING;
        HASH_ADD_KEYPTR(hh, f->executors, w->live->id, strlen(w->live->id), w->live);

        add_task(w->live,
                 "{\"name\":\"one\",\"task_id\":{\"value\":\"t1\"},\"agent_id\":{\"value\":\"S\"},"
                 "\"executor\":{\"executor_id\":{\"value\":\"live\"}},"
                 "\"resources\":[{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{\"value\":32},"
                 "\"allocation_info\":{\"role\":\"r\"}}]}",
                 TASK_LAUNCHED, MESOS__V1__TASK_STATE__TASK_RUNNING);
        t = executor_find_task(w->live, "t1");
        status = message(&mesos__v1__task_status__descriptor,
                         "{\"task_id\":{\"value\":\"t1\"},\"state\":\"TASK_RUNNING\",\"timestamp\":"
                         "1.5,\"healthy\":false,"
                         "\"container_status\":{\"container_id\":{\"value\":\"c-live\"},\"executor_"
                         "pid\":7}}");
        assert_int_equal(task_note_status(t, status), 0);
        pb_free(&status->base);
        add_task(w->live,
                 "{\"name\":\"two\",\"task_id\":{\"value\":\"t2\"},\"agent_id\":{\"value\":\"S\"},"
                 "\"command\":{\"value\":\"true\"},"
                 "\"resources\":[{\"name\":\"ports\",\"type\":\"RANGES\",\"ranges\":{\"range\":[{"
                 "\"begin\":1,\"end\":2}]},"
                 "\"allocation_info\":{\"role\":\"r\"}}]}",
                 TASK_QUEUED, MESOS__V1__TASK_STATE__TASK_STAGING);

        w->done = add_executor(w, f, "{\"executor_id\":{\"value\":\"done\"},\"source\":\"s\"}",
                               true, "c-done");
        w->done->state = EXECUTOR_TERMINATED;
        w->done->exit_status = (ExitStatus) { .known = true, .wait_status = 3 << 8 };
        old->executor = w->done;
        DL_PREPEND(f->completed, old);
        f->n_completed = 1;
}

static void make_sandbox(World *w) {
        char command[512];

        strcpy(w->dir, "/tmp/test-operator.XXXXXX");
        assert_non_null(mkdtemp(w->dir));
        snprintf(command, sizeof(command),
                 "mkdir -p %s/runs/c-live && printf 'hello' >%s/runs/c-live/stdout && mkfifo "
                 "%s/runs/c-live/fifo",
                 w->dir, w->dir, w->dir);
        assert_int_equal(system(command), 0);
}

static int setup(void **state) {
        static const HttpServerConfig config = { .ip = "127.0.0.1", .listen_fd = -1 };
        World *w = calloc(1, sizeof(*w));
        _cleanup_free_ char *error = NULL;

        make_sandbox(w);
        assert_int_equal(resources_parse("cpus:4;mem:64;ports:[1-9];disk(ra):5", "*", &w->resources,
                                         &error),
                         0);
        w->flag_list[0] = (Flag) {
                .name = "zeta", .kind = FLAG_BOOL, .value = &w->given, .default_text = "false"
        };
        w->flag_list[1] = (Flag) { .name = "alpha", .kind = FLAG_STRING, .default_text = "a" };
        w->flag_list[2] = (Flag) { .name = "unset", .kind = FLAG_STRING };
        w->flags = (FlagTable) { .flags = w->flag_list, .n_flags = 3 };
        mesos__v1__agent_info__init(&w->info);
        w->info.hostname = (char *) "h";

        w->config = (AgentConfig) { .hostname = "h",
                                    .resources = w->resources,
                                    .flags = &w->flags };
        assert_int_equal(upid_make("slave(1)", "127.0.0.1", 5051, &w->config.self), 0);
        assert_int_equal(sd_event_new(&w->f.event), 0);
        assert_int_equal(http_server_new(w->f.event, &config, &w->f.server), 0);
        w->agent = (Agent) {
                .config = &w->config,
                .event = w->f.event,
                .state = AGENT_RUNNING,
                .id = (char *) "S",
                .info = &w->info,
                .start_time_usec = 1500000,
                .counters.tasks_finished = 3,
        };
        assert_int_equal(agent_resources_new(&w->agent, &w->agent.resources), 0);
        assert_int_equal(operations_new(&w->agent, &w->agent.operations), 0);
        assert_int_equal(drain_new(&w->agent, &w->agent.drain), 0);
        populate(w);
        assert_int_equal(operator_api_new(&w->agent, w->f.server, &w->api), 0);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;
        Framework *f, *next;
        char command[128];

        w->api = operator_api_free(w->api);
        w->f.server = http_server_free(w->f.server);
        w->live->container = NULL;
        HASH_ITER(hh, w->agent.frameworks, f, next) {
                HASH_DEL(w->agent.frameworks, f);
                framework_free(f);
        }
        drain_free(w->agent.drain);
        operations_free(w->agent.operations);
        agent_resources_free(w->agent.resources);
        sd_event_unref(w->f.event);
        resources_free(w->resources);
        snprintf(command, sizeof(command), "rm -rf %s", w->dir);
        assert_int_equal(system(command), 0);
        free(w);
        return 0;
}

/* Sends a request and gives all of the answer, head and body, until the server has closed. */
static char *ask(World *w, const char *request) {
        Socket s = dial(http_server_port(w->f.server));
        char *text;

        say(&w->f, &s, request);
        HEAR_END(&w->f, &s);
        text = strndup(buffer_data(&s.in), buffer_size(&s.in));
        hang_up(&s);
        return text;
}

static char *get(World *w, const char *target) {
        char request[1024];

        snprintf(request, sizeof(request),
                 "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", target);
        return ask(w, request);
}

static char *post(World *w, const char *headers, const char *body) {
        char request[4096];

        snprintf(request, sizeof(request),
                 "POST /api/v1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
                 "%zu\r\n%s\r\n%s",
                 strlen(body), headers, body);
        return ask(w, request);
}

#define JSON_HEADERS "Content-Type: application/json\r\nAccept: application/json\r\n"

static char *call(World *w, const char *body) {
        return post(w, JSON_HEADERS, body);
}

static const char *body_of(const char *answer) {
        const char *end = strstr(answer, "\r\n\r\n");

        assert_non_null(end);
        return end + 4;
}

/* The answer has this status and, unless NULL, this body; frees it. */
static void assert_answer(char *answer, unsigned status, const char *body) {
        char line[32];

        snprintf(line, sizeof(line), "HTTP/1.1 %u ", status);
        if (!startswith(answer, line))
                fail_msg("expected %u: %s", status, answer);
        if (body)
                assert_string_equal(body_of(answer), body);
        free(answer);
}

static void assert_contains(char *answer, const char *text) {
        if (!strstr(answer, text))
                fail_msg("no %s in %s", text, answer);
        free(answer);
}

static void test_state_has_what_the_agent_knows(void **state) {
        World *w = *state;
        static const char *const parts[] = {
                "{\"version\":\"1.12.0\",",
                "\"start_time\":1.5,\"id\":\"S\",\"pid\":\"slave(1)@127.0.0.1:5051\",\"hostname\":"
                "\"h\",\"capabilities\":[\"MULTI_ROLE\"",
                "\"resources\":{\"gpus\":0.0,\"cpus\":4.0,\"mem\":64.0,\"ports\":\"[1-9]\","
                "\"disk\":5.0},",
                "\"reserved_resources\":{\"ra\":{",
                "\"reserved_resources_full\":{\"ra\":[{\"name\":\"disk\",\"type\":\"SCALAR\","
                "\"scalar\":{\"value\":5.0},\"role\":\"ra\"",
                "\"unreserved_resources_full\":[{\"name\":\"cpus\"",
                "\"unreserved_resources_allocated\":{\"gpus\":0.0,\"disk\":0.0,\"cpus\":0.1,"
                "\"mem\":32.0,\"ports\":\"[1-2]\"}",
                "\"resource_providers\":[],\"attributes\":{},\"flags\":{\"alpha\":\"a\",\"help\":"
                "\"false\",\"version\":\"false\",\"zeta\":\"false\"},\"frameworks\":[{\"id\":"
                "\"F\",",
                "\"user\":\"u\",\"failover_timeout\":5.0,\"checkpoint\":false,\"hostname\":\"\","
                "\"principal\":\"p\",\"roles\":[\"r\"],\"executors\":[{\"id\":\"live\",\"name\":"
                "\"n\",\"source\":\"\",\"container\":\"c-live\",\"directory\":\"",
                "\"role\":\"r\",\"labels\":[{\"key\":\"k\"}],\"type\":\"CUSTOM\",\"tasks\":[{"
                "\"id\":\"t1\",\"name\":\"one\",\"framework_id\":\"F\",\"executor_id\":\"live\","
                "\"slave_id\":\"S\",\"state\":\"TASK_RUNNING\",",
                "\"statuses\":[{\"state\":\"TASK_RUNNING\",\"timestamp\":1.5,\"container_status\":{"
                "\"container_id\":{\"value\":\"c-live\"}},\"healthy\":false}]}],",
                "\"queued_tasks\":[{\"id\":\"t2\",\"name\":\"two\",\"slave_id\":\"S\","
                "\"resources\":{",
                "\"ports\":\"[1-2]\"},\"role\":\"r\",\"command\":{\"shell\":true,\"value\":"
                "\"true\"}}],\"completed_tasks\":[]}],\"completed_executors\":[{\"id\":\"done\","
                "\"name\":\"\",\"source\":\"s\",\"container\":\"c-done\",",
                "\"tasks\":[],\"queued_tasks\":[],\"completed_tasks\":[]}]}],\"completed_"
                "frameworks\":[]}",
        };

        for (size_t i = 0; i < ELEMENTSOF(parts); i++)
                assert_contains(get(w, "/state"), parts[i]);
}

static void test_framework_that_comes_back_has_its_history(void **state) {
        static const char again[] = "{\"id\":{\"value\":\"G\"},\"name\":\"g\",\"user\":\"u\"}";
        World *w = *state;
        CompletedFramework *over = calloc(1, sizeof(*over));
        CompletedExecutor *old = calloc(1, sizeof(*old));
        Framework *f;

        over->framework = add_framework(again);
        old->executor = add_executor(w, over->framework, "{\"executor_id\":{\"value\":\"e\"}}",
                                     false, "c-old");
        DL_PREPEND(over->framework->completed, old);
        over->framework->n_completed = 1;
        DL_PREPEND(w->agent.completed, over);
        w->agent.n_completed = 1;
        assert_contains(get(w, "/state"), "\"completed_frameworks\":[{\"id\":\"G\"");

        f = add_framework(again);
        HASH_ADD_KEYPTR(hh, w->agent.frameworks, f->id, strlen(f->id), f);
        history_revive_framework(&w->agent, f);
        assert_null(w->agent.completed);
        assert_int_equal(w->agent.n_completed, 0);
        assert_int_equal(f->n_completed, 1);
        assert_ptr_equal(old->executor->framework, f);
        assert_contains(get(w, "/state"), "\"completed_frameworks\":[]}");
        assert_contains(get(w, "/state"), "\"container\":\"c-old\"");

        /* One without a past has none to take. */
        f = add_framework("{\"id\":{\"value\":\"H\"},\"name\":\"h\",\"user\":\"u\"}");
        HASH_ADD_KEYPTR(hh, w->agent.frameworks, f->id, strlen(f->id), f);
        history_revive_framework(&w->agent, f);
        assert_null(f->completed);
}

static void test_jsonp_makes_a_script(void **state) {
        char *answer = get(*state, "/containerizer/debug?jsonp=cb");

        assert_non_null(strstr(answer, "Content-Type: text/javascript\r\n"));
        assert_answer(answer, 200, "cb({\"pending\":[]})");
}

static void test_plain_endpoints_answer(void **state) {
        World *w = *state;

        assert_answer(get(w, "/health"), 200, "");
        assert_answer(get(w, "/health/more"), 200, "");
        assert_answer(get(w, "/flags"), 200,
                      "{\"flags\":{\"alpha\":\"a\",\"help\":\"false\",\"version\":\"false\","
                      "\"zeta\":\"false\"}}");
        assert_answer(get(w, "/containers"), 200, "[]");
        assert_answer(get(w, "/monitor/statistics"), 200, "[]");
        assert_answer(get(w, "/__processes__"), 200, "[{\"events\":[],\"id\":\"slave(1)\"}]");
        assert_contains(get(w, "/version"), "\"version\":\"1.12.0\"");
        assert_contains(get(w, "/system/stats.json"), "{\"avg_load_15min\":");
        assert_contains(get(w, "/help"), "Content-Type: text/x-markdown\r\n");
        assert_answer(get(w, "/state.json"), 404, "404 Not Found.");
        assert_answer(get(w, "/"), 404, "404 Not Found.");
        assert_contains(get(w, "/api/v1"), "Allow: POST\r\n");
        assert_answer(get(w, "/api/v1"), 405,
                      "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'.");
        assert_answer(get(w, "/api/v1/resource_provider"), 405, NULL);
}

static void test_metrics_are_counted_from_the_objects(void **state) {
        World *w = *state;

        assert_contains(get(w, "/metrics/snapshot"),
                        "{\"containerizer/fetcher/cache_size_total_bytes\":0.0,");
        assert_contains(get(w, "/metrics/snapshot?timeout=1secs"), "\"slave/tasks_finished\":3.0");
        assert_contains(get(w, "/metrics/snapshot"), "\"slave/tasks_running\":1.0");
        assert_contains(get(w, "/metrics/snapshot"), "\"slave/tasks_staging\":1.0");
        assert_contains(get(w, "/metrics/snapshot"), "\"slave/executors_running\":1.0");
        assert_contains(get(w, "/metrics/snapshot"), "\"slave/mem_percent\":0.5");
        assert_contains(get(w, "/metrics/snapshot"), "\"slave/registered\":1.0");
        assert_answer(get(w, "/metrics/snapshot?timeout=x"), 400,
                      "Invalid timeout 'x': Failed to convert '' to number.\n");
        assert_contains(call(w, "{\"type\":\"GET_METRICS\",\"get_metrics\":{}}"),
                        "{\"name\":\"slave/cpus_total\",\"value\":4.0}");
}

static void test_recovering_agent_asks_to_come_back(void **state) {
        World *w = *state;

        w->agent.state = AGENT_RECOVERING;
        assert_answer(get(w, "/state"), 503, "Agent has not finished recovery");
        assert_answer(call(w, "{\"type\":\"GET_HEALTH\"}"), 503, "Agent has not finished recovery");
        assert_answer(get(w, "/health"), 200, "");
}

static void test_sandboxes_are_served_under_three_names(void **state) {
        World *w = *state;
        char target[256], real[160], wanted[512];

        snprintf(real, sizeof(real), "%s/runs/c-live", w->dir);
        snprintf(target, sizeof(target), "/files/read?offset=1&length=3&path=%s/stdout", real);
        assert_answer(get(w, target), 200, "{\"data\":\"ell\",\"offset\":1}");
        snprintf(target, sizeof(target), "/files/read?path=%s/runs/latest/stdout", w->dir);
        assert_answer(get(w, target), 200, "{\"data\":\"\",\"offset\":5}");
        assert_answer(get(w, "/files/read?path=/frameworks/F/executors/live/runs/latest/stdout"),
                      200, "{\"data\":\"\",\"offset\":5}");
        assert_answer(get(w, "/files/read?path=/frameworks/F/executors/live/runs/latest/"
                             "stdout&offset=9"),
                      200, "{\"data\":\"\",\"offset\":5}");

        snprintf(wanted, sizeof(wanted), "\"/frameworks/F/executors/live/runs/latest\":\"%s\"",
                 real);
        assert_contains(get(w, "/files/debug"), wanted);
        assert_contains(get(w, "/files/browse?path=/frameworks/F/executors/live/runs/latest"),
                        "\"path\":\"/frameworks/F/executors/live/runs/latest/stdout\",\"size\":5,");
}

static void test_file_endpoints_refuse_in_known_words(void **state) {
        World *w = *state;
#define BOX "/frameworks/F/executors/live/runs/latest"

        assert_answer(get(w, "/files/browse"), 400, "Expecting 'path=value' in query.\n");
        assert_answer(get(w, "/files/browse?path=/nope"), 404, "");
        assert_answer(get(w, "/files/read?path=" BOX "/stdout&offset=x"), 400,
                      "Failed to parse offset: Failed to convert 'x' to number.\n");
        assert_answer(get(w, "/files/read?path=" BOX "/stdout&offset=0&length=-3"), 400,
                      "Negative length provided: -3.\n");
        assert_answer(get(w, "/files/read?path=" BOX), 400, "Cannot read a directory.\n");
        assert_answer(get(w, "/files/download?path=" BOX), 400, "Cannot download a directory.\n");
        assert_answer(get(w, "/files/read?path=" BOX "/fifo"), 400,
                      "'" BOX "/fifo' is inaccessible.\n");
        assert_answer(get(w, "/files/browse?path=" BOX "/../.."), 400,
                      "'" BOX "/../..' is inaccessible.\n");
}

static void test_download_is_bytes_with_a_harmless_name(void **state) {
        World *w = *state;
        char command[256];
        char *answer;

        answer = get(w, "/files/download?path=" BOX "/stdout");
        assert_non_null(strstr(answer, "Content-Disposition: attachment; filename=stdout\r\n"));
        assert_non_null(strstr(answer, "Content-Type: application/octet-stream\r\n"));
        assert_answer(answer, 200, "hello");

        snprintf(command, sizeof(command), "printf x >\"%s/runs/c-live/a;b c$(printf '\\r')d\"",
                 w->dir);
        assert_int_equal(system(command), 0);
        assert_contains(get(w, "/files/download?path=" BOX "/a%3bb%20c%0dd"),
                        "filename=a_b_c_d\r\n");
}

static void test_log_level_returns_by_itself(void **state) {
        World *w = *state;
        int before = log_get_max_level();

        assert_answer(get(w, "/logging/toggle"), 200, "0\n");
        assert_answer(get(w, "/logging/toggle?level=1"), 400,
                      "Expecting 'duration=value' in query.\n");
        assert_answer(get(w, "/logging/toggle?duration=1secs"), 400,
                      "Expecting 'level=value' in query.\n");
        assert_answer(get(w, "/logging/toggle?level=x&duration=1secs"), 400,
                      "Failed to convert 'x' to number.\n");
        assert_answer(get(w, "/logging/toggle?level=2&duration=100secs"), 200, "");
        assert_answer(get(w, "/logging/toggle"), 200, "2\n");
        assert_answer(call(w, "{\"type\":\"GET_LOGGING_LEVEL\"}"), 200,
                      "{\"type\":\"GET_LOGGING_LEVEL\",\"get_logging_level\":{\"level\":2}}");
        assert_int_equal(log_get_max_level(), LOG_DEBUG);

        assert_answer(call(w, "{\"type\":\"SET_LOGGING_LEVEL\",\"set_logging_level\":"
                              "{\"level\":1,\"duration\":{\"nanoseconds\":1000}}}"), 200, "");
        WAIT_FOR(&w->f, log_get_max_level() == before);
}

static void test_calls_that_ask_are_answered(void **state) {
        World *w = *state;

        assert_answer(call(w, "{\"type\":\"GET_HEALTH\"}"), 200,
                      "{\"type\":\"GET_HEALTH\",\"get_health\":{\"healthy\":true}}");
        assert_answer(call(w, "{\"type\":\"GET_FLAGS\"}"), 200,
                      "{\"type\":\"GET_FLAGS\",\"get_flags\":{\"flags\":[{\"name\":\"alpha\","
                      "\"value\":\"a\"},"
                      "{\"name\":\"help\",\"value\":\"false\"},{\"name\":\"version\",\"value\":"
                      "\"false\"},"
                      "{\"name\":\"zeta\",\"value\":\"false\"}]}}");
        assert_contains(call(w, "{\"type\":\"GET_VERSION\"}"),
                        "{\"version_info\":{\"version\":\"1.12.0\"");
        assert_answer(call(w, "{\"type\":\"GET_CONTAINERS\"}"), 200,
                      "{\"type\":\"GET_CONTAINERS\"}");
        assert_answer(call(w, "{\"type\":\"GET_OPERATIONS\"}"), 200,
                      "{\"type\":\"GET_OPERATIONS\",\"get_operations\":{}}");
        assert_answer(call(w, "{\"type\":\"GET_RESOURCE_PROVIDERS\"}"), 200,
                      "{\"type\":\"GET_RESOURCE_PROVIDERS\",\"get_resource_providers\":{}}");
        assert_contains(call(w, "{\"type\":\"GET_AGENT\"}"),
                        "\"get_agent\":{\"agent_info\":{\"hostname\":\"h\"");
        assert_answer(call(w, "{\"type\":\"PRUNE_IMAGES\"}"), 200, "");
        assert_answer(call(w, "{\"type\":\"READ_FILE\",\"read_file\":{\"path\":\"" BOX
                              "/stdout\",\"offset\":3}}"),
                      200, "{\"type\":\"READ_FILE\",\"read_file\":{\"size\":5,\"data\":\"bG8=\"}}");
        assert_contains(call(w, "{\"type\":\"LIST_FILES\",\"list_files\":{\"path\":\"" BOX "\"}}"),
                        "{\"path\":\"" BOX
                        "/stdout\",\"nlink\":1,\"size\":5,\"mtime\":{\"nanoseconds\":");
        assert_answer(call(w, "{\"type\":\"LIST_FILES\",\"list_files\":{\"path\":\"/nope\"}}"), 404,
                      "");
}

static void test_lists_of_state_are_there_even_when_empty(void **state) {
        World *w = *state;

        assert_contains(call(w, "{\"type\":\"GET_TASKS\"}"),
                        "{\"type\":\"GET_TASKS\",\"get_tasks\":{\"pending_tasks\":[],\"queued_"
                        "tasks\":[{\"name\":\"two\"");
        assert_contains(call(w, "{\"type\":\"GET_TASKS\"}"),
                        "\"terminated_tasks\":[],\"completed_tasks\":[]}}");
        assert_contains(call(w, "{\"type\":\"GET_STATE\"}"),
                        "{\"get_tasks\":{\"pending_tasks\":[],");
        assert_contains(call(w, "{\"type\":\"GET_EXECUTORS\"}"),
                        "\"completed_executors\":[{\"executor_info\":{");
        assert_contains(call(w, "{\"type\":\"GET_FRAMEWORKS\"}"), "\"completed_frameworks\":[]}}");
}

static void test_protobuf_is_spoken_too(void **state) {
        World *w = *state;
        Mesos__V1__Agent__Response *response;
        char *answer;
        const char *body;

        answer = post(w, "Content-Type: application/json\r\nAccept: application/x-protobuf\r\n",
                      "{\"type\":\"GET_HEALTH\"}");
        assert_non_null(strstr(answer,
                               "Content-Type: application/x-protobuf\r\nContent-Length: 6\r\n"));
        body = body_of(answer);
        response = mesos__v1__agent__response__unpack(NULL, 6, (const uint8_t *) body);
        assert_non_null(response);
        assert_true(response->get_health->healthy);
        mesos__v1__agent__response__free_unpacked(response, NULL);
        free(answer);

        answer = post(w, "Content-Type: application/x-protobuf\r\nAccept: application/json\r\n",
                      "\x08\x01");
        assert_answer(answer, 200, "{\"type\":\"GET_HEALTH\",\"get_health\":{\"healthy\":true}}");
        answer = post(w, "Content-Type: application/x-protobuf\r\n", "\x09\x01");
        assert_answer(answer, 400, "Failed to parse body into a protobuf object");
}

static void test_media_types_are_judged(void **state) {
        static const struct {
                const char *headers;
                unsigned status;
                const char *body;
        } cases[] = {
                { "", 400, "Expecting 'Content-Type' to be present" },
                { "Content-Type: text/plain\r\n", 415,
                  "Expecting 'Content-Type' of application/json or application/x-protobuf or "
                  "application/recordio" },
                { "Content-Type: application/recordio\r\n", 400,
                  "Expecting 'Message-Content-Type' to be set for streaming requests" },
                { "Content-Type: application/recordio\r\nMessage-Content-Type: "
                  "application/json\r\n",
                  400, "Received EOF while reading request body" },
                { "Content-Type: application/json\r\nMessage-Content-Type: application/json\r\n",
                  415, NULL },
                { "Content-Type: application/json\r\nAccept: text/plain\r\n", 406,
                  "Expecting 'Accept' to allow application/json or application/x-protobuf or "
                  "application/recordio" },
                { "Content-Type: application/json\r\nAccept: application/recordio\r\n", 406,
                  "Streaming response is not supported for GET_HEALTH call" },
                { "Content-Type: application/json\r\nMessage-Accept: application/json\r\n", 406,
                  NULL },
                { "Content-Type: application/json\r\nAccept: */*\r\n", 200, NULL },
                { "Content-Type: application/json\r\n", 200, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_answer(post(*state, cases[i].headers, "{\"type\":\"GET_HEALTH\"}"),
                              cases[i].status, cases[i].body);

        assert_answer(post(*state,
                           "Content-Type: application/recordio\r\nMessage-Content-Type: "
                           "application/json\r\n",
                           "21\n{\"type\":\"GET_HEALTH\"}"),
                      415, "Streaming request is not supported for GET_HEALTH call");
}

static void test_bad_calls_are_refused_in_known_words(void **state) {
#define INVALID "Failed to validate agent::Call: "
        static const struct {
                const char *call;
                unsigned status;
                const char *body;
        } cases[] = {
                { "", 400, "Failed to parse body into JSON: syntax error at line 1 near: " },
                { "{\"type\"", 400,
                  "Failed to parse body into JSON: syntax error at line 1 near: " },
                { "[1]", 400, "Expecting a JSON object" },
                { "{}", 400, INVALID "Expecting 'type' to be present" },
                { "{\"type\":\"FOO\"}", 400, INVALID "Expecting 'type' to be present" },
                { "{\"type\":\"get_health\"}", 400, INVALID "Expecting 'type' to be present" },
                { "{\"type\":\"UNKNOWN\"}", 501, "501 Not Implemented." },
                { "{\"type\":\"READ_FILE\"}", 400, INVALID "Expecting 'read_file' to be present" },
                { "{\"type\":\"GET_METRICS\"}", 400,
                  INVALID "Expecting 'get_metrics' to be present" },
                { "{\"type\":\"WAIT_CONTAINER\"}", 400,
                  INVALID "Expecting 'wait_container' to be present" },
                { "{\"type\":\"MARK_RESOURCE_PROVIDER_GONE\"}", 400,
                  INVALID "Expecting 'mark_resource_provider_gone' to be present" },
                { "{\"type\":\"ATTACH_CONTAINER_INPUT\",\"attach_container_input\":{}}", 400,
                  INVALID "Expecting 'attach_container_input.type' to be present" },
                { "{\"type\":\"LAUNCH_NESTED_CONTAINER\",\"launch_nested_container\":{\"container_"
                  "id\":{\"value\":\"nope\"}}}",
                  400,
                  INVALID "Expecting 'launch_nested_container.container_id.parent' to be present" },
                { "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{"
                  "\"value\":\"a/b\"}}}",
                  400,
                  INVALID
                  "'launch_container.container_id' is invalid: 'a/b' contains invalid characters" },
                { "{\"type\":\"KILL_CONTAINER\",\"kill_container\":{\"container_id\":{\"value\":"
                  "\"a.b\"}}}",
                  400, NULL },
                { "{\"type\":\"LAUNCH_NESTED_CONTAINER\",\"launch_nested_container\":{\"container_"
                  "id\":"
                  "{\"value\":\"x\",\"parent\":{\"value\":\"nope\"}}}}",
                  400, "Parent container nope does not exist" },
                { "{\"type\":\"LAUNCH_NESTED_CONTAINER_SESSION\",\"launch_nested_container_"
                  "session\":{\"container_id\":"
                  "{\"value\":\"x\",\"parent\":{\"value\":\"nope\"}}}}",
                  400, "Parent container nope does not exist" },
                { "{\"type\":\"LAUNCH_CONTAINER\",\"launch_container\":{\"container_id\":{"
                  "\"value\":\"x\"}}}",
                  400, "Container x cannot be launched: this agent has no standalone containers" },
                { "{\"type\":\"ATTACH_CONTAINER_OUTPUT\",\"attach_container_output\":{\"container_"
                  "id\":{\"value\":\"nope\"}}}",
                  404, "Container nope cannot be found" },
                { "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{\"container_id\":{\"value\":"
                  "\"nope\"}}}",
                  404, "Container nope cannot be found" },
                { "{\"type\":\"WAIT_NESTED_CONTAINER\",\"wait_nested_container\":{\"container_id\":"
                  "{\"value\":\"x\",\"parent\":{\"value\":\"nope\"}}}}",
                  404, "Container nope.x cannot be found" },
                { "{\"type\":\"KILL_CONTAINER\",\"kill_container\":{\"container_id\":{\"value\":"
                  "\"nope\"}}}",
                  404, "Container 'nope' cannot be found (or is already killed)" },
                { "{\"type\":\"REMOVE_CONTAINER\",\"remove_container\":{\"container_id\":{"
                  "\"value\":\"nope\"}}}",
                  404, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_answer(call(*state, cases[i].call), cases[i].status, cases[i].body);
}

static void test_deep_container_ids_are_refused(void **state) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(4096);

        buffer_printf(&b, "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{\"container_id\":{"
                          "\"value\":\"x\"");
        for (int i = 0; i < 40; i++)
                buffer_printf(&b, ",\"parent\":{\"value\":\"x\"");
        for (int i = 0; i < 41; i++)
                buffer_append_char(&b, '}');
        buffer_append_text(&b, "}}");
        buffer_append_char(&b, '\0');
        assert_answer(call(*state, buffer_data(&b)), 400, NULL);
}

static void test_exit_status_is_told_when_the_container_ends(void **state) {
        static const char wait[] =
                        "POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 78\r\n" JSON_HEADERS
                        "\r\n"
                        "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{\"container_id\":{"
                        "\"value\":\"c-live\"}}}";
        World *w = *state;
        Socket first = dial(http_server_port(w->f.server)), second = first, gone = first;

        assert_answer(call(w, "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{\"container_id\":{"
                              "\"value\":\"c-done\"}}}"),
                      200,
                      "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{\"exit_status\":768}}");

        second = dial(http_server_port(w->f.server));
        gone = dial(http_server_port(w->f.server));
        w->live->container = (Container *) (void *) &alive;
        say(&w->f, &first, wait);
        say(&w->f, &second, wait);
        say(&w->f, &gone, wait);
        for (int i = 0; i < 50; i++)
                turn(&w->f);
        hang_up(&gone);
        for (int i = 0; i < 50; i++)
                turn(&w->f);

        operator_api_container_ended(w->api, "c-other", (ExitStatus) { .known = true });
        operator_api_container_ended(w->api, "c-live",
                                     (ExitStatus) { .known = true, .wait_status = 9 });
        HEAR(&w->f, &first, "{\"type\":\"WAIT_CONTAINER\",\"wait_container\":{\"exit_status\":9}}");
        HEAR(&w->f, &second, "{\"exit_status\":9}");
        buffer_clear(&first.in);

        /* A status nobody knows is not invented; who still waits when the agent stops is told. */
        say(&w->f, &first, wait);
        for (int i = 0; i < 50; i++)
                turn(&w->f);
        operator_api_container_ended(w->api, "c-live", EXIT_STATUS_UNKNOWN);
        HEAR(&w->f, &first, "\"wait_container\":{}}");
        say(&w->f, &second, wait);
        for (int i = 0; i < 50; i++)
                turn(&w->f);
        w->api = operator_api_free(w->api);
        HEAR(&w->f, &second, "503");

        hang_up(&first);
        hang_up(&second);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_state_has_what_the_agent_knows, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_framework_that_comes_back_has_its_history,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(test_jsonp_makes_a_script, setup, teardown),
                cmocka_unit_test_setup_teardown(test_plain_endpoints_answer, setup, teardown),
                cmocka_unit_test_setup_teardown(test_metrics_are_counted_from_the_objects, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_recovering_agent_asks_to_come_back, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_sandboxes_are_served_under_three_names, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_file_endpoints_refuse_in_known_words, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_download_is_bytes_with_a_harmless_name, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_log_level_returns_by_itself, setup, teardown),
                cmocka_unit_test_setup_teardown(test_calls_that_ask_are_answered, setup, teardown),
                cmocka_unit_test_setup_teardown(test_lists_of_state_are_there_even_when_empty,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(test_protobuf_is_spoken_too, setup, teardown),
                cmocka_unit_test_setup_teardown(test_media_types_are_judged, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bad_calls_are_refused_in_known_words, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_deep_container_ids_are_refused, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_exit_status_is_told_when_the_container_ends,
                                                setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
