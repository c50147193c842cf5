/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast-master
 *
 * Has the flags made into a const MasterConfig, makes a Master and runs the loop. SIGTERM and SIGINT
 * end it; agents and frameworks notice by themselves and wait for the next one.
 */

#include <stdio.h>
#include <sys/resource.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "common/base/log.h"
#include "master/settings.h"

/* Connections of agents and frameworks: two for each agent. */
#define N_FDS_WANTED 524288

/* As many as we may have: each agent holds two of our descriptors. */
static void raise_fd_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;

        limit.rlim_cur = MIN(limit.rlim_max, (rlim_t) N_FDS_WANTED);
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

static int run(const MasterConfig *config) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(master_freep) Master *master = NULL;
        int r;

        r = sd_event_new(&event);
        if (r < 0)
                return log_error_errno(r, "Cannot make an event loop: %m");

        r = sd_event_set_watchdog(event, true);
        if (r < 0)
                log_warning_errno(r, "Cannot serve the watchdog, ignoring: %m");

        r = master_new(event, config, &master);
        if (r < 0)
                return log_error_errno(r, "Cannot start: %m");

        (void) sd_notifyf(0, "READY=1\nSTATUS=Listening at %s", master->self.text);
        r = sd_event_loop(event);
        (void) sd_notify(0, "STOPPING=1");
        return r;
}

int main(int argc, char **argv) {
        _cleanup_free_ char *error = NULL;
        _cleanup_(settings_deinit) Settings settings = {};
        const Options *o;
        int r;

        log_open("holdfast-master");

        r = options_parse(argc, argv, &o, &error);
        if (r == FLAGS_DONE)
                return EXIT_SUCCESS;
        if (r != FLAGS_OK) {
                fprintf(stderr, "holdfast-master: %s\nTry --help.\n", error ?: strerror(-r));
                return EXIT_FAILURE;
        }

        raise_fd_limit();
        r = settings_make(o, &settings);
        if (r >= 0)
                r = run(&settings.config);

        options_done();
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
