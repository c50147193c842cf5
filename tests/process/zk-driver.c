/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Driver of a ZooKeeper session, for test-zk-session.py: requests come as lines on stdin, and what
 * happens goes as lines to stdout.
 *
 *     zk-driver URL SESSION_TIMEOUT_MSEC
 *     zk-driver --detect MASTER SESSION_TIMEOUT_MSEC      only a detector, with a session of its own
 *
 *     create|ephemeral|sequence PATH DATA       created PATH
 *     get|watch PATH                            data VERSION DATA
 *     children|watch-children PATH              children NAME,NAME
 *     exists|watch-exists PATH                  exists VERSION
 *     set PATH VERSION DATA                     set VERSION
 *     delete PATH VERSION                       deleted
 *     ensure PATH                               ensured
 *     large PATH BYTES                          created PATH
 *     multi OP PATH VERSION DATA ; …            done; OP: create, set, delete, check
 *     many N PATH                               many N: that many reads at once, as far as they are taken
 *     contend JSON                              candidate NAME, lost NAME
 *     withdraw                                  (the contender is freed, its znode stays)
 *     detect                                    leader ID PID HOSTNAME IP PORT, leader none
 *     forget                                    requests and watches of before say nothing any more
 *     free-on-answer PATH                       freed: within the answer to a read
 *     busy MSEC                                 busy, and the loop does nothing for so long
 *     mark                                      marked: what came before has been sent
 *     quit
 *
 * Anything that fails says "error TEXT" ("error N TEXT" of a multi). On its own: "state NAME", "changed PATH".
 */

#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/net/contender.h"
#include "common/net/detector.h"

#define MAX_OPS 64

typedef struct Driver {
        sd_event *event;
        Zk *zk;
        Contender *contender;
        Detector *detector;
        char line[65536];
        size_t n_line;
        uint64_t n_many, n_answered;
} Driver;

static const char *const state_names[] = {
        [ZK_CONNECTING] = "connecting",
        [ZK_CONNECTED] = "connected",
        [ZK_EXPIRED] = "expired",
        [ZK_AUTH_FAILED] = "auth-failed",
};

static void on_state(Zk *zk, ZkState state, void *userdata) {
        (void) zk;
        (void) userdata;
        printf("state %s\n", state_names[state]);
}

static void on_node(Zk *zk, const char *path, void *userdata) {
        Driver *d = userdata;

        (void) zk;
        /* Those have watches of their own, which the session tells everybody of. */
        if (!d->contender && !d->detector)
                printf("changed %s\n", path);
}

static const ZkObserver observer = { .state_changed = on_state, .node_changed = on_node };

static bool failed(const ZkAnswer *a) {
        if (a->error != 0)
                printf("error %s\n", zk_error_text(a->error));
        return a->error != 0;
}

static void on_created(const ZkAnswer *a, void *userdata) {
        (void) userdata;
        if (!failed(a))
                printf("created %s\n", a->path);
}

static void on_got(const ZkAnswer *a, void *userdata) {
        (void) userdata;
        if (!failed(a))
                printf("data %d %.*s\n", a->stat.version, (int) a->n_data, (const char *) (a->data ?: ""));
}

static void on_children(const ZkAnswer *a, void *userdata) {
        (void) userdata;
        if (failed(a))
                return;

        printf("children ");
        for (size_t i = 0; i < a->n_children; i++)
                printf("%s%s", i > 0 ? "," : "", a->children[i]);
        printf("\n");
}

static void on_exists(const ZkAnswer *a, void *userdata) {
        (void) userdata;
        if (!failed(a))
                printf("exists %d\n", a->stat.version);
}

static void on_set(const ZkAnswer *a, void *userdata) {
        (void) userdata;
        if (!failed(a))
                printf("set %d\n", a->stat.version);
}

static void on_deleted(const ZkAnswer *a, void *userdata) {
        (void) userdata;
        if (!failed(a))
                printf("deleted\n");
}

static void on_ensured(const ZkAnswer *a, void *userdata) {
        (void) userdata;
        if (!failed(a))
                printf("ensured\n");
}

static void on_multi(const ZkAnswer *a, void *userdata) {
        (void) userdata;
        if (a->error != 0)
                printf("error %zu %s\n", a->failed_op, zk_error_text(a->error));
        else
                printf("done\n");
}

static void on_one_of_many(const ZkAnswer *a, void *userdata) {
        Driver *d = userdata;

        if (a->error == 0 && ++d->n_answered == d->n_many)
                printf("many %lu\n", d->n_many);
}

static void on_answer_free(const ZkAnswer *a, void *userdata) {
        Driver *d = userdata;

        (void) a;
        d->zk = zk_free(d->zk);
        printf("freed\n");
}

static void on_contender(ContenderState state, const char *node, void *userdata) {
        (void) userdata;
        printf("%s %s\n", state == CONTENDER_CANDIDATE ? "candidate" : "lost", node);
}

static void on_leader(const MasterAddress *leader, void *userdata) {
        (void) userdata;
        if (leader)
                printf("leader %s %s %s %s %u\n", leader->id, leader->pid.text, leader->hostname, leader->ip,
                       leader->port);
        else
                printf("leader none\n");
}

static int do_many(Driver *d, const char *count, const char *path) {
        int r = parse_u64(count, &d->n_many);

        d->n_answered = 0;
        for (uint64_t i = 0; i < d->n_many && r >= 0; i++) {
                r = zk_get(d->zk, path, false, on_one_of_many, d);
                if (r < 0)
                        d->n_many = i;
        }
        return r;
}

static int do_large(Driver *d, const char *path, const char *count) {
        _cleanup_free_ char *data = NULL;
        uint64_t n;
        int r = parse_u64(count, &n);

        if (r < 0)
                return r;

        data = calloc(1, n);
        return data ? zk_create(d->zk, path, data, n, 0, on_created, d) : -ENOMEM;
}

static int32_t version_of(const char *text) {
        int64_t version = ZK_ANY_VERSION;

        (void) parse_i64(text, &version);
        return (int32_t) version;
}

static int do_multi(Driver *d, char *text) {
        static const char *const types[] = { "create", "set", "delete", "check" };
        ZkOp ops[MAX_OPS] = {};
        size_t n = 0;
        char *state = NULL;

        for (char *t = strtok_r(text, ";", &state); t && n < MAX_OPS; t = strtok_r(NULL, ";", &state), n++) {
                char *inner = NULL, *type = strtok_r(t, " ", &inner), *path = strtok_r(NULL, " ", &inner),
                     *version = strtok_r(NULL, " ", &inner), *data = strtok_r(NULL, " ", &inner) ?: (char *) "";

                for (size_t i = 0; i < ELEMENTSOF(types); i++)
                        if (streq(type, types[i]))
                                ops[n].type = (ZkOpType) i;
                ops[n].path = path;
                ops[n].version = version_of(version);
                ops[n].data = data;
                ops[n].n_data = strlen(data);
        }
        return zk_multi(d->zk, ops, n, on_multi, d);
}

static int do_busy(const char *text) {
        uint64_t msec;
        int r = parse_u64(text, &msec);

        if (r < 0)
                return r;

        printf("busy\n");
        (void) nanosleep(&(struct timespec) { (time_t) (msec / 1000), (long) (msec % 1000) * 1000000 }, NULL);
        return 0;
}

static int do_request(Driver *d, const char *verb, char *rest) {
        char *state = NULL, *path = strtok_r(rest, " ", &state), *second = strtok_r(NULL, " ", &state) ?: (char *) "",
             *third = strtok_r(NULL, " ", &state) ?: (char *) "";

        if (streq(verb, "create"))
                return zk_create(d->zk, path, second, strlen(second), 0, on_created, d);
        if (streq(verb, "ephemeral"))
                return zk_create(d->zk, path, second, strlen(second), ZK_EPHEMERAL, on_created, d);
        if (streq(verb, "sequence"))
                return zk_create(d->zk, path, second, strlen(second), ZK_EPHEMERAL | ZK_SEQUENCE, on_created, d);
        if (streq(verb, "get") || streq(verb, "watch"))
                return zk_get(d->zk, path, streq(verb, "watch"), on_got, d);
        if (streq(verb, "children") || streq(verb, "watch-children"))
                return zk_children(d->zk, path, streq(verb, "watch-children"), on_children, d);
        if (streq(verb, "exists") || streq(verb, "watch-exists"))
                return zk_exists(d->zk, path, streq(verb, "watch-exists"), on_exists, d);
        if (streq(verb, "set"))
                return zk_set(d->zk, path, third, strlen(third), version_of(second), on_set, d);
        if (streq(verb, "delete"))
                return zk_delete(d->zk, path, version_of(second), on_deleted, d);
        if (streq(verb, "ensure"))
                return zk_ensure_path(d->zk, path, on_ensured, d);
        if (streq(verb, "large"))
                return do_large(d, path, second);
        if (streq(verb, "many"))
                return do_many(d, path, second);
        if (streq(verb, "free-on-answer"))
                return zk_get(d->zk, path, false, on_answer_free, d);
        return -EOPNOTSUPP;
}

static int do_line(Driver *d, char *line) {
        char *rest = line + strcspn(line, " ");

        if (*rest)
                *rest++ = '\0';

        if (streq(line, "quit"))
                return sd_event_exit(d->event, 0);
        if (streq(line, "mark"))
                return printf("marked\n");
        if (streq(line, "busy"))
                return do_busy(rest);
        if (streq(line, "contend"))
                return contender_new(d->zk, rest, on_contender, d, &d->contender);
        if (streq(line, "withdraw")) {
                d->contender = contender_free(d->contender);
                return 0;
        }
        if (streq(line, "detect"))
                return detector_new_shared(d->zk, on_leader, d, &d->detector);
        if (streq(line, "multi"))
                return do_multi(d, rest);
        if (streq(line, "forget")) {
                zk_forget(d->zk, d);
                return zk_observe(d->zk, &observer, d);
        }
        return do_request(d, line, rest);
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
                int r;

                *end = '\0';
                r = do_line(d, d->line);
                if (r < 0)
                        printf("refused %s\n", strerrorname_np(-r));
                d->n_line -= n_used;
                memmove(d->line, d->line + n_used, d->n_line);
        }
        return 0;
}

static int start_session(Driver *d, const char *text, usec_t timeout_usec, char **reterr_message) {
        _cleanup_(zk_url_deinit) ZkUrl url = {};
        int r;

        r = zk_url_parse(text, &url, reterr_message);
        if (r >= 0)
                r = zk_new(d->event, &url, timeout_usec, &d->zk);
        return r < 0 ? r : zk_observe(d->zk, &observer, d);
}

static int run(Driver *d, bool detect, const char *text, const char *timeout) {
        _cleanup_free_ char *message = NULL;
        uint64_t timeout_msec;
        int r;

        r = parse_u64(timeout, &timeout_msec);
        if (r >= 0)
                r = sd_event_new(&d->event);
        if (r >= 0)
                r = sd_event_add_io(d->event, NULL, STDIN_FILENO, EPOLLIN, on_input, d);
        if (r < 0)
                return r;

        r = detect ? detector_new(d->event, text, timeout_msec * USEC_PER_MSEC, on_leader, d, &d->detector, &message)
                   : start_session(d, text, timeout_msec * USEC_PER_MSEC, &message);
        if (r < 0)
                return log_error_errno(r, "%s.", message ?: "Cannot start");

        if (d->detector && detector_leader(d->detector))
                on_leader(detector_leader(d->detector), d);
        return sd_event_loop(d->event);
}

int main(int argc, char **argv) {
        bool detect = argc == 4 && streq(argv[1], "--detect");
        Driver d = {};
        int r;

        if (argc != (detect ? 4 : 3))
                return EXIT_FAILURE;

        log_open("zk-driver");
        log_set_max_level(LOG_DEBUG);
        (void) setvbuf(stdout, NULL, _IOLBF, 0);
        r = run(&d, detect, argv[argc - 2], argv[argc - 1]);
        contender_free(d.contender);
        detector_free(d.detector);
        zk_free(d.zk);
        sd_event_unref(d.event);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
