/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast-executor
 *
 * Started by an agent for a task that is a command; everything it needs to know is in MESOS_*
 * variables, as for any executor. What goes wrong is said on stderr, which is a file in the sandbox.
 */

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/parse.h"
#include "executor/executor.h"

/* What an agent means that does not say. */
#define RECOVERY_TIMEOUT_DEFAULT "15mins"
#define SHUTDOWN_GRACE_DEFAULT "5secs"
#define BACKOFF_DEFAULT "1secs"

static int complain(const char *what) {
        fprintf(stderr, "%s\n", what);
        return -EINVAL;
}

static int duration(const char *name, const char *otherwise, usec_t *ret) {
        const char *text = getenv(name) ?: otherwise;

        if (parse_duration(text, ret) >= 0)
                return 0;

        fprintf(stderr, "%s is no duration: '%s'\n", name, text);
        return -EINVAL;
}

/* The agent's socket where there is one: that needs no network in the container. */
static int find_agent(HttpAddress *ret) {
        const char *path = getenv("MESOS_DOMAIN_SOCKET"), *endpoint = getenv("MESOS_AGENT_ENDPOINT");
        _cleanup_free_ char *host = NULL;
        uint16_t port;

        if (path && http_address_from_unix(path, ret) >= 0)
                return 0;
        if (!endpoint)
                return complain("MESOS_AGENT_ENDPOINT is not set: only an agent can start this program");
        if (parse_host_port(endpoint, &host, &port) < 0 || http_address_from_ip_port(host, port, ret) < 0)
                return complain("MESOS_AGENT_ENDPOINT is no IP address with a port");

        return 0;
}

static int config_from_environment(ExecutorConfig *ret) {
        const char *checkpoint = getenv("MESOS_CHECKPOINT");
        ExecutorConfig c = {
                .framework_id = getenv("MESOS_FRAMEWORK_ID"),
                .executor_id = getenv("MESOS_EXECUTOR_ID"),
                .checkpoint = checkpoint && streq(checkpoint, "1"),
                .env = environ,
        };
        int r;

        if (!c.framework_id || !c.executor_id)
                return complain("MESOS_FRAMEWORK_ID or MESOS_EXECUTOR_ID is not set: only an agent can start this program");

        r = find_agent(&c.agent);
        if (r < 0)
                return r;

        r = duration("MESOS_RECOVERY_TIMEOUT", RECOVERY_TIMEOUT_DEFAULT, &c.recovery_timeout_usec);
        if (r < 0)
                return r;

        r = duration("MESOS_SUBSCRIPTION_BACKOFF_MAX", BACKOFF_DEFAULT, &c.backoff_max_usec);
        if (r < 0)
                return r;

        r = duration("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", SHUTDOWN_GRACE_DEFAULT, &c.shutdown_grace_usec);
        if (r < 0)
                return r;

        *ret = c;
        return 0;
}

/* The token is ours alone: the task must not find it in its environment. */
static int take_token(char **ret) {
        const char *text = getenv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN");

        *ret = text ? strdup(text) : NULL;
        if (text && !*ret)
                return -ENOMEM;

        (void) unsetenv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN");
        return 0;
}

static int run(const ExecutorConfig *config) {
        _cleanup_(executor_freep) Executor *e = NULL;
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        int r;

        r = sd_event_new(&event);
        if (r < 0)
                return r;

        r = executor_new(event, config, &e);
        if (r < 0)
                return r;

        return sd_event_loop(event);
}

int main(void) {
        _cleanup_free_ char *token = NULL;
        ExecutorConfig config;
        int r;

        (void) signal(SIGPIPE, SIG_IGN); /* our stderr may be a pipe that nobody reads */

        if (take_token(&token) < 0 || config_from_environment(&config) < 0)
                return EXIT_FAILURE;

        config.token = token;
        config.env = environ;
        r = run(&config);
        if (r < 0)
                fprintf(stderr, "The executor failed: %s\n", strerror(-r));

        return r < 0 ? EXIT_FAILURE : r;
}
