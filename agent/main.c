/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast-agent
 *
 * Has the flags made into a const AgentConfig, makes an Agent and runs the loop. Signals: SIGTERM and
 * SIGINT end the agent and leave everything that runs alone; SIGUSR1 kills everything and unregisters.
 * The agent's own unit needs nothing else.
 */

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "agent/agent.h"
#include "agent/dry_run.h"
#include "agent/inspect.h"
#include "agent/settings.h"
#include "common/base/log.h"

/* Descriptors for executors' streams and launchers' sockets; what tasks get is the launcher's business. */
#define N_FDS_WANTED 65536

static int set_log_level(const Options *o) {
        static const struct {
                const char *name;
                int level;
        } levels[] = { { "DEBUG", LOG_DEBUG }, { "INFO", LOG_INFO }, { "WARNING", LOG_WARNING }, { "ERROR", LOG_ERR } };

        for (size_t i = 0; i < ELEMENTSOF(levels); i++)
                if (streq(o->logging_level, levels[i].name)) {
                        log_set_max_level(o->quiet ? LOG_ERR : levels[i].level);
                        return 0;
                }

        return settings_refuse("logging_level", o->logging_level, "INFO, WARNING, ERROR or DEBUG");
}

static void raise_fd_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;

        limit.rlim_cur = MIN(limit.rlim_max, (rlim_t) N_FDS_WANTED);
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

static int on_term(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        (void) source;
        (void) info;
        agent_leave(userdata);
        return 0;
}

static int on_usr1(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        (void) source;
        (void) info;
        agent_terminate(userdata, AGENT_END_UNREGISTER, "SIGUSR1");
        return 0;
}

static int run(const AgentConfig *config) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(agent_freep) Agent *agent = NULL;
        sigset_t mask;
        int r;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGTERM);
        (void) sigaddset(&mask, SIGINT);
        (void) sigaddset(&mask, SIGUSR1);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);
        (void) signal(SIGPIPE, SIG_IGN);

        r = sd_event_new(&event);
        if (r >= 0)
                r = sd_event_set_watchdog(event, true);
        if (r < 0)
                return log_error_errno(r, "Cannot make the event loop: %m");

        r = agent_new(event, config, &agent);
        if (r < 0)
                return log_error_errno(r, "Cannot set the agent up: %m");
        r = sd_event_add_signal(event, NULL, SIGTERM, on_term, agent);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGINT, on_term, agent);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGUSR1, on_usr1, agent);
        if (r < 0)
                return log_error_errno(r, "Cannot watch for signals: %m");
        r = agent_start(agent);
        if (r < 0)
                return r;

        (void) sd_notify(0, "READY=1");
        r = sd_event_loop(event);
        (void) sd_notify(0, "STOPPING=1");
        return r;
}

static int inspect_store(const Options *o) {
        if (!o->work_dir)
                return settings_refuse("work_dir", "", "the directory to inspect");
        if (!streq(o->inspect, "text") && !streq(o->inspect, "json"))
                return settings_refuse("inspect", o->inspect, "text or json");

        return inspect(o->work_dir, streq(o->inspect, "json"));
}

int main(int argc, char **argv) {
        _cleanup_free_ char *message = NULL;
        _cleanup_(settings_deinit) Settings settings = {};
        const Options *o;
        int r;

        log_open("holdfast-agent");
        r = options_parse(argc, argv, &o, &message);
        if (r == FLAGS_DONE)
                return EXIT_SUCCESS;
        if (r != FLAGS_OK) {
                fprintf(stderr, "%s\n", message ?: "Out of memory");
                return EXIT_FAILURE;
        }

        r = set_log_level(o);
        if (r == 0 && o->inspect)
                r = inspect_store(o);
        else {
                if (r == 0)
                        r = settings_make(o, &settings);
                if (r == 0 && o->dry_run)
                        r = dry_run(&settings.config, o->dry_run);
                else if (r == 0) {
                        raise_fd_limit();
                        r = run(&settings.config);
                }
        }

        options_done();
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
