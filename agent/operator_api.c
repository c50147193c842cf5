/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The agent's operator API
 *
 * Everything people and tools ask an agent over HTTP, below / and below /slave(1):
 *
 *     /api/v1                                        calls; operator_call.c
 *     /state /containers /monitor/statistics …       JSON, with ?jsonp=f as a script
 *     /files/…                                       the log and the sandboxes; files_api.c
 *
 * Answers are made at once from what the agent has in memory and the kernel tells; nothing here
 * waits for anybody. As in Mesos, any method reads, what follows an endpoint's path is ignored, and
 * while the agent recovers those who ask for its state are told to come back. What containers use is
 * told even then: it needs nobody who still has to come back.
 */

#include <stdarg.h>
#include <stdio.h>
#include <utlist.h>

#include "agent/answer.h"
#include "agent/container_view.h"
#include "agent/files_api.h"
#include "agent/host_load.h"
#include "agent/log_level.h"
#include "agent/metrics.h"
#include "agent/operator_api.h"
#include "agent/operator_call.h"
#include "agent/state_json.h"
#include "common/base/parse.h"
#include "common/model/version.h"

/* Longer paths name nothing of ours. */
#define PATH_TEXT_MAX 4096

struct OperatorApi {
        OperatorParts parts;    /* files, log_level and waits are owned */
};

typedef struct Endpoint {
        const char *path;
        void (*handle)(const OperatorParts *p, HttpRequest *r);
        bool needs_recovery;    /* 503 until the agent knows what it has */
        const char *help;
} Endpoint;

static void finish_json(HttpRequest *r, int error, JsonWriter *w) {
        int k = json_finish(w);

        if (error < 0 || k < 0)
                answer_error(r, error < 0 ? error : k);
        else
                answer_json(r, w->buffer);
}

static void on_api(const OperatorParts *p, HttpRequest *r) {
        operator_call_handle(p, r);
}

static void on_health(const OperatorParts *p, HttpRequest *r) {
        (void) p;
        http_request_answer(r, 200, NULL, NULL, 0);
}

static void on_version(const OperatorParts *p, HttpRequest *r) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        (void) p;

        json_object_begin(&w, NULL);
        json_put_string(&w, "build_date", BUILD_DATE);
        json_put_double(&w, "build_time", BUILD_TIME_SECS);
        json_put_string(&w, "build_user", BUILD_USER);
        json_put_string(&w, "holdfast_version", PACKAGE_VERSION);
        json_put_string(&w, "version", MESOS_VERSION);
        json_object_end(&w);
        finish_json(r, 0, &w);
}

static void on_flags(const OperatorParts *p, HttpRequest *r) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);
        int k;

        json_object_begin(&w, NULL);
        k = json_put_flags(&w, "flags", p->agent->config->flags);
        json_object_end(&w);
        finish_json(r, k, &w);
}

static void on_state(const OperatorParts *p, HttpRequest *r) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);
        int k;

        k = state_json_print(p->agent, &w);
        finish_json(r, k, &w);
}

static void answer_containers(const OperatorParts *p, HttpRequest *r,
                              void (*print)(const ContainerView *v, JsonWriter *w)) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        _cleanup_(container_view_deinit) ContainerView v = {};
        JsonWriter w = JSON_WRITER(&b);
        int k;

        k = container_view_take(p->agent, usec_now(CLOCK_REALTIME), &v);
        if (k == 0)
                print(&v, &w);
        finish_json(r, k, &w);
}

static void on_containers(const OperatorParts *p, HttpRequest *r) {
        answer_containers(p, r, container_view_print);
}

static void on_statistics(const OperatorParts *p, HttpRequest *r) {
        answer_containers(p, r, container_view_print_statistics);
}

/* Operations of ours on containers never hang: they have deadlines. */
static void on_containerizer_debug(const OperatorParts *p, HttpRequest *r) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        (void) p;

        json_object_begin(&w, NULL);
        json_array_begin(&w, "pending");
        json_array_end(&w);
        json_object_end(&w);
        finish_json(r, 0, &w);
}

static int print_metric(const char *name, double value, void *userdata) {
        json_put_double(userdata, name, value);
        return 0;
}

/* The time-out is checked only: all metrics are at hand. */
static void on_metrics(const OperatorParts *p, HttpRequest *r) {
        const char *timeout = http_request_query(r, "timeout");
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);
        usec_t timeout_usec;
        int k;

        if (timeout && parse_duration(timeout, &timeout_usec) < 0) {
                http_request_answer_text(
                                r, 400,
                                "Invalid timeout '%s': Failed to convert '%.*s' to number.\n",
                                timeout, (int) strspn(timeout, "0123456789.+-"), timeout);
                return;
        }

        json_object_begin(&w, NULL);
        k = agent_metrics_foreach(p->agent, usec_now(CLOCK_REALTIME), print_metric, &w);
        json_object_end(&w);
        finish_json(r, k, &w);
}

static void on_browse(const OperatorParts *p, HttpRequest *r) {
        files_api_browse(p->files, r);
}

static void on_read(const OperatorParts *p, HttpRequest *r) {
        files_api_read(p->files, r);
}

static void on_download(const OperatorParts *p, HttpRequest *r) {
        files_api_download(p->files, r);
}

static void on_debug(const OperatorParts *p, HttpRequest *r) {
        files_api_debug(p->files, r);
}

static void set_level(const OperatorParts *p, HttpRequest *r, const char *level_text,
                      const char *duration_text) {
        uint64_t level;
        usec_t duration_usec;
        int k;

        if (parse_u64(level_text, &level) < 0 || level > UINT32_MAX) {
                http_request_answer_text(r, 400, "Failed to convert '%s' to number.\n", level_text);
                return;
        }
        if (parse_duration(duration_text, &duration_usec) < 0) {
                http_request_answer_text(r, 400, "Failed to convert '%s' to a duration.\n",
                                         duration_text);
                return;
        }

        k = log_level_set(p->log_level, (uint32_t) level, duration_usec);
        if (k < 0)
                answer_error(r, k);
        else
                http_request_answer(r, 200, NULL, NULL, 0);
}

static void on_logging_toggle(const OperatorParts *p, HttpRequest *r) {
        const char *level = http_request_query(r, "level"),
                   *duration = http_request_query(r, "duration");

        if (!level && !duration)
                http_request_answer_text(r, 200, "%u\n", log_level_get(p->log_level));
        else if (!duration)
                http_request_answer_text(r, 400, "Expecting 'duration=value' in query.\n");
        else if (!level)
                http_request_answer_text(r, 400, "Expecting 'level=value' in query.\n");
        else
                set_level(p, r, level, duration);
}

static void on_system_stats(const OperatorParts *p, HttpRequest *r) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);
        HostLoad host = {};
        int k;

        (void) p;

        k = host_load_read(&host);
        json_object_begin(&w, NULL);
        json_put_double(&w, "avg_load_15min", host.load_15min);
        json_put_double(&w, "avg_load_1min", host.load_1min);
        json_put_double(&w, "avg_load_5min", host.load_5min);
        json_put_uint(&w, "cpus_total", host.n_cpus);
        json_put_uint(&w, "mem_free_bytes", host.mem_free_bytes);
        json_put_uint(&w, "mem_total_bytes", host.mem_total_bytes);
        json_object_end(&w);
        finish_json(r, k, &w);
}

/* What Mesos calls a process is the whole agent here. */
static void on_processes(const OperatorParts *p, HttpRequest *r) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        json_array_begin(&w, NULL);
        json_object_begin(&w, NULL);
        json_array_begin(&w, "events");
        json_array_end(&w);
        json_put_string(&w, "id", p->agent->config->self.id);
        json_object_end(&w);
        json_array_end(&w);
        finish_json(r, 0, &w);
}

static void on_resource_provider(const OperatorParts *p, HttpRequest *r) {
        (void) p;

        if (streq(http_request_method(r), "POST"))
                http_request_answer_text(r, 400, "This agent has no resource providers");
        else
                media_answer_not_post(r);
}

static void on_help(const OperatorParts *p, HttpRequest *r);

/* The longest path that is a whole-component prefix decides. */
static const Endpoint endpoints[] = {
        { "/api/v1", on_api, false, "calls of the v1 operator API (POST)" },
        { "/api/v1/resource_provider", on_resource_provider, false,
          "for resource providers (POST)" },
        { "/containerizer/debug", on_containerizer_debug, false,
          "operations on containers that hang" },
        { "/containers", on_containers, false, "containers, their status and what they use" },
        { "/files/browse", on_browse, false, "what a directory has: ?path=" },
        { "/files/debug", on_debug, false, "virtual paths and what they stand for" },
        { "/files/download", on_download, false, "a whole file: ?path=" },
        { "/files/read", on_read, false, "a piece of a file: ?path=&offset=&length=" },
        { "/flags", on_flags, false, "flags in effect" },
        { "/health", on_health, false, "200 when the agent answers" },
        { "/help", on_help, false, "this list" },
        { "/logging/toggle", on_logging_toggle, false,
          "a louder log for a while: ?level=&duration=" },
        { "/metrics/snapshot", on_metrics, false, "all metrics: ?timeout=" },
        { "/monitor/statistics", on_statistics, false, "what executors use" },
        { "/state", on_state, true, "everything the agent knows" },
        { "/system/stats.json", on_system_stats, false, "load and memory of the host" },
        { "/version", on_version, false, "version and build" },
        { "/__processes__", on_processes, false, "the agent's name among its peers" },
};

static int print_help(Buffer *b) {
        int k;

        k = buffer_append_text(b, "## HELP\n");
        for (size_t i = 0; k >= 0 && i < ELEMENTSOF(endpoints); i++)
                k = buffer_printf(b, "> %s: %s\n", endpoints[i].path, endpoints[i].help);
        return k;
}

static void on_help(const OperatorParts *p, HttpRequest *r) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        int k;

        (void) p;

        k = print_help(&b);
        if (k < 0)
                answer_error(r, k);
        else
                http_request_answer_buffer(r, 200, "text/x-markdown", &b);
}

static const Endpoint *find_endpoint(const char *path) {
        const Endpoint *best = NULL;
        size_t n_best = 0;

        for (size_t i = 0; i < ELEMENTSOF(endpoints); i++) {
                const char *rest = startswith(path, endpoints[i].path);
                size_t n = strlen(endpoints[i].path);

                if (rest && (*rest == '\0' || *rest == '/') && n > n_best) {
                        best = &endpoints[i];
                        n_best = n;
                }
        }

        return best;
}

bool operator_api_handle(OperatorApi *api, HttpRequest *r, const char *path) {
        const Endpoint *e = find_endpoint(path);

        if (!e) {
                answer_not_found(r);
                return false;
        }

        if (e->needs_recovery && api->parts.agent->state == AGENT_RECOVERING)
                http_request_answer_text(r, 503, "Agent has not finished recovery");
        else
                e->handle(&api->parts, r);
        return true;
}

static void on_request(HttpRequest *r, void *userdata) {
        (void) operator_api_handle(userdata, r, http_request_path(r));
}

/* Of all runs of an executor the newest: the one that lives, else the first in the list. */
static bool is_latest(const Executor *e) {
        const Executor *live = framework_find_executor(e->framework, e->id);
        const CompletedExecutor *old;

        if (live)
                return live == e;

        DL_FOREACH(e->framework->completed, old)
                if (streq(old->executor->id, e->id))
                        return old->executor == e;

        return true;
}

static void _printf_(4, 5) tell_as(const Executor *e, FilesVisit visit, void *userdata,
                                   const char *format, ...) {
        char virtual_path[PATH_TEXT_MAX];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(virtual_path, sizeof(virtual_path), format, ap);
        va_end(ap);

        if (n > 0 && (size_t) n < sizeof(virtual_path))
                visit(virtual_path, e->directory, userdata);
}

/* The run directory, the same under the name "latest", and by framework and executor. */
static void tell_sandbox(const char *path, const Executor *e, FilesVisit visit, void *userdata) {
        const char *slash;

        if (!e->directory)
                return;

        visit(e->directory, e->directory, userdata);
        if (!is_latest(e))
                return;

        slash = strrchr(e->directory, '/');
        if (slash)
                tell_as(e, visit, userdata, "%.*s/latest", (int) (slash - e->directory),
                        e->directory);
        if (!path || startswith(path, "/frameworks/"))
                tell_as(e, visit, userdata, "/frameworks/%s/executors/%s/runs/latest",
                        e->framework->id, e->id);
}

static void tell_framework(const char *path, const Framework *f, FilesVisit visit, void *userdata) {
        const CompletedExecutor *old;
        const Executor *e;

        for (e = f->executors; e; e = e->hh.next)
                tell_sandbox(path, e, visit, userdata);
        DL_FOREACH(f->completed, old)
                tell_sandbox(path, old->executor, visit, userdata);
}

static void tell_sandboxes(const char *path, FilesVisit visit, void *visit_userdata,
                           void *userdata) {
        const Agent *a = ((OperatorApi *) userdata)->parts.agent;
        const CompletedFramework *old;
        const Framework *f;

        DL_FOREACH(a->completed, old)
                tell_framework(path, old->framework, visit, visit_userdata);
        for (f = a->frameworks; f; f = f->hh.next)
                tell_framework(path, f, visit, visit_userdata);
}

int operator_api_new(Agent *a, HttpServer *server, OperatorApi **ret) {
        _cleanup_(operator_api_freep) OperatorApi *api = NULL;
        int r;

        api = calloc(1, sizeof(*api));
        if (!api)
                return -ENOMEM;

        api->parts.agent = a;
        r = files_new(tell_sandboxes, api, &api->parts.files);
        if (r < 0)
                return r;

        r = log_level_new(a->event, &api->parts.log_level);
        if (r < 0)
                return r;

        r = wait_calls_new(&api->parts.waits);
        if (r < 0)
                return r;

        r = http_server_route(server, "/", on_request, api);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(api);
        return 0;
}

OperatorApi *operator_api_free(OperatorApi *api) {
        if (!api)
                return NULL;

        wait_calls_free(api->parts.waits);
        log_level_free(api->parts.log_level);
        files_free(api->parts.files);
        free(api);
        return NULL;
}

/* While the agent recovers there may be no API yet, and nobody who waits. */
void operator_api_container_ended(OperatorApi *api, const char *container_id, ExitStatus status) {
        if (api)
                wait_calls_container_ended(api->parts.waits, container_id, status);
}
