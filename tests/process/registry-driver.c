/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Driver of a registry, for test-registry-faults.py: changes come as lines on stdin, and what
 * becomes of them goes as lines to stdout. Lines that come together are one turn of the loop.
 *
 *     registry-driver sqlite PATH
 *     registry-driver zookeeper URL MASTER_ID SESSION_TIMEOUT_MSEC STORE_TIMEOUT_MSEC
 *
 *     put ID HOSTNAME      remove ID       unreachable ID USEC     gone ID USEC
 *     drain ID             reactivate ID   weight ROLE NUMBER
 *
 * Changes are numbered from 1 on: "done N ERROR", or "refused N CODE" at once. First of all comes
 * "loaded ERROR". "list" is answered with "state JSON".
 */

#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/net/zk.h"
#include "master/registry.h"

typedef struct Driver {
        sd_event *event;
        Zk *zk;
        Registry *r;
        char line[65536];
        size_t n_line;
        uintptr_t n_changes;
} Driver;

static void on_done(int error, void *userdata) {
        printf("done %lu %s\n", (unsigned long) userdata,
               error < 0 ? strerrorname_np(-error) : "0");
}

static void on_loaded(int error, void *userdata) {
        (void) userdata;
        printf("loaded %s\n", error < 0 ? strerrorname_np(-error) : "0");
}

static int do_put(Driver *d, const char *id, const char *hostname) {
        Mesos__V1__AgentInfo info = MESOS__V1__AGENT_INFO__INIT;
        Mesos__V1__AgentID agent_id = MESOS__V1__AGENT_ID__INIT;

        agent_id.value = (char *) id;
        info.hostname = (char *) hostname;
        info.id = &agent_id;
        return registry_put_agent(d->r, &info, on_done, (void *) d->n_changes);
}

static int do_drain(Driver *d, const char *id, bool drain) {
        Mesos__V1__DrainInfo info = MESOS__V1__DRAIN_INFO__INIT;
        Mesos__V1__DrainConfig config = MESOS__V1__DRAIN_CONFIG__INIT;

        info.state = MESOS__V1__DRAIN_STATE__DRAINING;
        info.config = &config;
        return registry_set_drain(d->r, id, drain ? &info : NULL, drain, on_done,
                                  (void *) d->n_changes);
}

static int do_weight(Driver *d, const char *role, uint64_t weight) {
        Mesos__V1__WeightInfo info = MESOS__V1__WEIGHT_INFO__INIT, *list[] = { &info };

        info.role = (char *) role;
        info.weight = (double) weight;
        return registry_set_weights(d->r, list, 1, on_done, (void *) d->n_changes);
}

static int do_change(Driver *d, const char *verb, const char *id, const char *argument) {
        void *userdata = (void *) d->n_changes;
        uint64_t number = 0;

        (void) parse_u64(argument, &number);
        if (streq(verb, "put"))
                return do_put(d, id, argument);
        if (streq(verb, "remove"))
                return registry_remove_agent(d->r, id, on_done, userdata);
        if (streq(verb, "unreachable"))
                return registry_mark_unreachable(d->r, id, number, on_done, userdata);
        if (streq(verb, "gone"))
                return registry_mark_gone(d->r, id, number, on_done, userdata);
        if (streq(verb, "drain") || streq(verb, "reactivate"))
                return do_drain(d, id, streq(verb, "drain"));
        if (streq(verb, "weight"))
                return do_weight(d, id, number);
        return -EOPNOTSUPP;
}

static void list(Driver *d) {
        Mesos__V1__MasterInfo leader = MESOS__V1__MASTER_INFO__INIT;
        Buffer b = BUFFER_INIT(64U << 20);
        JsonWriter w = JSON_WRITER(&b);

        leader.id = (char *) "driver";
        registry_to_json(d->r, &leader, &w);
        printf("state %.*s\n", (int) buffer_size(&b), buffer_data(&b));
        buffer_deinit(&b);
}

static void do_line(Driver *d, char *line) {
        char *state = NULL, *verb = strtok_r(line, " ", &state) ?: (char *) "",
             *id = strtok_r(NULL, " ", &state) ?: (char *) "",
             *argument = strtok_r(NULL, " ", &state) ?: (char *) "";
        int r;

        if (streq(verb, "list")) {
                list(d);
                return;
        }

        d->n_changes++;
        r = do_change(d, verb, id, argument);
        if (r != REGISTRY_OK)
                printf("refused %lu %d\n", (unsigned long) d->n_changes, r);
}

static int on_input(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Driver *d = userdata;
        ssize_t n = read(fd, d->line + d->n_line, sizeof(d->line) - d->n_line);
        char *end;

        (void) source;
        (void) revents;
        if (n <= 0)
                return sd_event_exit(d->event, 0);

        d->n_line += (size_t) n;
        while ((end = memchr(d->line, '\n', d->n_line))) {
                size_t n_used = (size_t) (end - d->line) + 1;

                *end = '\0';
                do_line(d, d->line);
                d->n_line -= n_used;
                memmove(d->line, d->line + n_used, d->n_line);
        }
        return 0;
}

static int open_zookeeper(Driver *d, char **argv, RegistryConfig *config, char **reterr_message) {
        _cleanup_(zk_url_deinit) ZkUrl url = {};
        uint64_t session_msec, timeout_msec;
        int r;

        r = parse_u64(argv[4], &session_msec);
        if (r >= 0)
                r = parse_u64(argv[5], &timeout_msec);
        if (r >= 0)
                r = zk_url_parse(argv[2], &url, reterr_message);
        if (r >= 0)
                r = zk_new(d->event, &url, session_msec * USEC_PER_MSEC, &d->zk);

        config->storage = REGISTRY_ZOOKEEPER;
        config->zk = d->zk;
        config->master_id = argv[3];
        config->store_timeout_usec = timeout_msec * USEC_PER_MSEC;
        return r;
}

static int run(Driver *d, int argc, char **argv) {
        RegistryConfig config = { .storage = REGISTRY_SQLITE, .path = argv[2] };
        _cleanup_free_ char *message = NULL;
        int r;

        r = sd_event_new(&d->event);
        if (r >= 0 && argc == 6)
                r = open_zookeeper(d, argv, &config, &message);
        if (r == 0)
                r = registry_new(d->event, &config, &d->r, &message);
        if (r == 0)
                r = registry_load(d->r, on_loaded, d);
        if (r == 0)
                r = sd_event_add_io(d->event, NULL, STDIN_FILENO, EPOLLIN, on_input, d);
        if (message)
                fprintf(stderr, "%s\n", message);
        return r < 0 ? r : r > 0 ? -EBADMSG : sd_event_loop(d->event);
}

int main(int argc, char **argv) {
        Driver d = {};
        int r;

        (void) setvbuf(stdout, NULL, _IOLBF, 0);
        if (argc != 3 && argc != 6) {
                fprintf(stderr, "registry-driver sqlite PATH | zookeeper URL MASTER_ID "
                                "STORE_TIMEOUT_MSEC\n");
                return EXIT_FAILURE;
        }

        r = run(&d, argc, argv);
        registry_free(d.r);
        zk_free(d.zk);
        sd_event_unref(d.event);
        if (r < 0)
                fprintf(stderr, "%s\n", strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
