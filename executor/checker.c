/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Checkers
 *
 * One attempt after `delay`, the next `interval` after the end of the one before, each given up after
 * `timeout`. An attempt is a command beside the task, a GET, or a connection, the last two to the
 * loopback address, for task and executor share a network namespace.
 *
 * GET goes over our own client. A redirection is an answer like any other: 3xx is healthy, and where
 * it leads is not looked at. Only https is left to curl, as a command that fails where the answer is
 * an error: a TLS library in every executor would be a high price.
 */

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "common/net/http_client.h"
#include "executor/checker.h"
#include "executor/child_task.h"

#define REQUEST_MAX_BYTES 8192U
#define CURL "curl"

struct Checker {
        sd_event *event;
        CheckKind kind;
        const Mesos__V1__CommandInfo *command;
        Mesos__V1__CommandInfo curl;         /* for https; its arguments are curl_arguments */
        char *curl_arguments[9];
        char *url;
        HttpAddress address;
        const char *path;
        char *const *env;
        usec_t interval_usec;
        usec_t timeout_usec;
        CheckerDone done;
        void *userdata;

        sd_event_source *next_source;
        sd_event_source *timeout_source;
        pid_t pid;                           /* of the command under way, or 0 */
        HttpClient *client;
};

static void arm(sd_event_source *source, usec_t delay_usec) {
        (void) sd_event_source_set_time_relative(source, delay_usec);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Ends the attempt under way. The caller may free the checker, so this comes last. */
static void conclude(Checker *c, CheckResult result) {
        c->client = http_client_free(c->client);
        c->pid = 0;
        (void) sd_event_source_set_enabled(c->timeout_source, SD_EVENT_OFF);
        arm(c->next_source, c->interval_usec);
        c->done(c->kind, result, c->userdata);
}

static void on_connected(HttpClient *client, void *userdata) {
        Checker *c = userdata;

        (void) client;

        if (c->kind == CHECK_TCP)
                conclude(c, (CheckResult) { .completed = true, .value = true });
}

static void on_head(HttpClient *client, const HttpResponseHead *head, void *userdata) {
        (void) client;

        conclude(userdata, (CheckResult) { .completed = true, .value = (int) head->status });
}

static void on_closed(HttpClient *client, int error, void *userdata) {
        Checker *c = userdata;

        (void) client;
        (void) error;

        /* No connection is what a TCP check wants to know; for HTTP it is no answer. */
        conclude(c, (CheckResult) { .completed = c->kind == CHECK_TCP });
}

static const HttpClientOps client_ops = {
        .connected = on_connected,
        .head = on_head,
        .closed = on_closed,
};

static int start_attempt(Checker *c) {
        int r;

        if (c->command)
                return child_task_start(c->command, c->env, &c->pid);

        r = http_client_new(c->event, NULL, &c->address, REQUEST_MAX_BYTES, &client_ops, c, &c->client);
        if (r < 0 || c->kind == CHECK_TCP)
                return r;

        return http_client_request(c->client, "GET", c->path, NULL, "Connection: close\r\n", NULL, 0);
}

static int on_next(sd_event_source *source, uint64_t usec, void *userdata) {
        Checker *c = userdata;

        (void) source;
        (void) usec;

        if (start_attempt(c) < 0)
                conclude(c, (CheckResult) {});
        else if (c->timeout_usec > 0)
                arm(c->timeout_source, c->timeout_usec);
        return 0;
}

/* Commands have a session of their own, so the group is all that did not leave it. */
static void kill_command(Checker *c) {
        if (c->pid > 0)
                (void) kill(-c->pid, SIGKILL);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        Checker *c = userdata;

        (void) source;
        (void) usec;

        kill_command(c);
        conclude(c, (CheckResult) {});
        return 0;
}

bool checker_reap(Checker *c, pid_t pid, ExitStatus status) {
        bool exited;

        if (!c || c->pid != pid)
                return false;

        exited = status.known && WIFEXITED(status.wait_status);
        conclude(c, (CheckResult) {
                .completed = exited,
                .value = exited ? WEXITSTATUS(status.wait_status) : 0,
        });
        return true;
}

static usec_t seconds_usec(double seconds) {
        return seconds > 0 ? usec_from_secs(seconds) : 0;
}

static int checker_start(Checker *c, double delay, double interval, double timeout) {
        int r;

        c->interval_usec = seconds_usec(interval);
        c->timeout_usec = seconds_usec(timeout);

        r = sd_event_add_time_relative(c->event, &c->next_source, CLOCK_MONOTONIC, seconds_usec(delay), 1, on_next, c);
        if (r < 0)
                return r;

        r = sd_event_add_time(c->event, &c->timeout_source, CLOCK_MONOTONIC, USEC_INFINITY, 1, on_timeout, c);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(c->next_source, "check-next");
        (void) sd_event_source_set_description(c->timeout_source, "check-timeout");
        return sd_event_source_set_enabled(c->timeout_source, SD_EVENT_OFF);
}

static Checker *checker_make(sd_event *event, char *const *env, CheckerDone done, void *userdata) {
        Checker *c = malloc(sizeof(*c));

        if (c)
                *c = (Checker) { .event = sd_event_ref(event), .env = env, .done = done, .userdata = userdata };
        return c;
}

static int set_address(Checker *c, bool ipv6, uint32_t port) {
        if (port == 0 || port > UINT16_MAX)
                return -EINVAL;

        return http_address_from_ip_port(ipv6 ? "::1" : "127.0.0.1", (uint16_t) port, &c->address);
}

static int set_path(Checker *c, const char *path) {
        c->path = path && *path ? path : "/";

        /* It becomes part of a request line. */
        for (const char *p = c->path; *p; p++)
                if (*p <= ' ' || *p == 0x7f)
                        return -EINVAL;

        return *c->path == '/' ? 0 : -EINVAL;
}

/* -f: an answer of 400 and more is a failure. The rest is as Mesos calls it. */
static int set_curl(Checker *c) {
        static const char *const options[] = { CURL, "-s", "-S", "-k", "-L", "-f", "-g", "-o/dev/null" };

        if (asprintf(&c->url, "https://%s%s", c->address.host, c->path) < 0) {
                c->url = NULL;
                return -ENOMEM;
        }

        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                c->curl_arguments[i] = (char *) options[i];
        c->curl_arguments[ELEMENTSOF(options)] = c->url;

        mesos__v1__command_info__init(&c->curl);
        c->curl.has_shell = true;
        c->curl.value = (char *) CURL;
        c->curl.n_arguments = ELEMENTSOF(c->curl_arguments);
        c->curl.arguments = c->curl_arguments;
        c->command = &c->curl;
        c->kind = CHECK_COMMAND;
        return 0;
}

static int set_http_health(Checker *c, const Mesos__V1__HealthCheck__HTTPCheckInfo *http) {
        int r;

        c->kind = CHECK_HTTP;
        r = set_address(c, http->has_protocol && http->protocol == MESOS__V1__NETWORK_INFO__PROTOCOL__IPv6, http->port);
        if (r < 0)
                return r;

        r = set_path(c, http->path);
        if (r < 0)
                return r;

        return http->scheme && streq(http->scheme, "https") ? set_curl(c) : 0;
}

static int set_health(Checker *c, const Mesos__V1__HealthCheck *check) {
        if (check->command) {
                c->kind = CHECK_COMMAND;
                c->command = check->command;
                return 0;
        }
        if (check->http)
                return set_http_health(c, check->http);
        if (!check->tcp)
                return -EINVAL;

        c->kind = CHECK_TCP;
        return set_address(c, check->tcp->has_protocol &&
                                      check->tcp->protocol == MESOS__V1__NETWORK_INFO__PROTOCOL__IPv6,
                           check->tcp->port);
}

static int set_check(Checker *c, const Mesos__V1__CheckInfo *check) {
        int r;

        if (check->command) {
                c->kind = CHECK_COMMAND;
                c->command = check->command->command;
                return 0;
        }
        if (!check->http && !check->tcp)
                return -EINVAL;

        c->kind = check->http ? CHECK_HTTP : CHECK_TCP;
        r = set_address(c, false, check->http ? check->http->port : check->tcp->port);
        if (r < 0)
                return r;

        return check->http ? set_path(c, check->http->path) : 0;
}

int checker_new_health(sd_event *event, const Mesos__V1__HealthCheck *check, char *const *env,
                       CheckerDone done, void *userdata, Checker **ret) {
        _cleanup_(checker_freep) Checker *c = checker_make(event, env, done, userdata);
        int r;

        if (!c)
                return -ENOMEM;

        r = set_health(c, check);
        if (r < 0)
                return r;

        r = checker_start(c, check->delay_seconds, check->interval_seconds, check->timeout_seconds);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(c);
        return 0;
}

int checker_new_check(sd_event *event, const Mesos__V1__CheckInfo *check, char *const *env,
                      CheckerDone done, void *userdata, Checker **ret) {
        _cleanup_(checker_freep) Checker *c = checker_make(event, env, done, userdata);
        int r;

        if (!c)
                return -ENOMEM;

        r = set_check(c, check);
        if (r < 0)
                return r;

        r = checker_start(c, check->delay_seconds, check->interval_seconds, check->timeout_seconds);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(c);
        return 0;
}

Checker *checker_free(Checker *c) {
        if (!c)
                return NULL;

        kill_command(c);
        http_client_free(c->client);
        sd_event_source_disable_unref(c->next_source);
        sd_event_source_disable_unref(c->timeout_source);
        sd_event_unref(c->event);
        free(c->url);
        free(c);
        return NULL;
}
