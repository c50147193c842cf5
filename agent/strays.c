/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Strays
 *
 * An agent that dies amid a launch may leave a container that its checkpoint has not heard of, and
 * containers of frameworks that do not checkpoint are never in it. Where traces of any container
 * are, those of one without an executor are looked for:
 *
 *     <runtime_dir>/containers/<id>/     its launcher's socket, or that of one that was killed
 *     <work_dir>/meta/exits/<id>         its record, whole or half written
 *
 * A launcher that answers is told to end, and what it leaves is removed when it has. Without one
 * everything in the cgroup is killed from here. Its cgroup goes before the traces do, since they are
 * how it is found: cgroups are not searched, for others may keep theirs beside ours.
 *
 * A launcher that has just been spawned when its agent dies has no socket yet, and writes a record
 * that nobody will read a moment after the next agent has looked. Hence the search is repeated.
 */

#include <dirent.h>
#include <signal.h>
#include <stdio.h>

#include <uthash.h>

#include "agent/executor.h"
#include "agent/framework.h"
#include "agent/launch.h"
#include "agent/placement.h"
#include "agent/strays.h"
#include "common/base/crash.h"
#include "common/base/log.h"
#include "common/base/usec.h"
#include "launcher/link.h"

/* 1, 2, 4, … s after the first. An orphaned launcher is gone in milliseconds, unless the machine is
 * stuck. */
#define FIRST_REPETITION_USEC USEC_PER_SEC
#define N_REPETITIONS 6

#define CONTAINER_ID_MAX 37

typedef struct Stray {
        char id[CONTAINER_ID_MAX];
        Strays *strays;
        char *cgroup;               /* owned; as its launcher said, or NULL */
        LauncherLink *link;         /* NULL once there is no launcher */
        UT_hash_handle hh;
} Stray;

struct Strays {
        Agent *agent;               /* borrowed */
        Stray *list;                /* uthash by id; owned */
        unsigned n_searches;
        sd_event_source *source;
};

/* A container that has an executor. */
typedef struct Known {
        const char *id;
        UT_hash_handle hh;
} Known;

static Stray *stray_free(Stray *s) {
        HASH_DEL(s->strays->list, s);
        launcher_link_free(s->link);
        free(s->cgroup);
        free(s);
        return NULL;
}

static void on_emptied(const char *container_id, int error, void *userdata) {
        Stray *s = userdata;
        const Agent *a = s->strays->agent;

        if (error < 0)
                (void) log_error_errno(error, "Container '%s' left processes that cannot be killed: %m",
                                       container_id);

        CRASH_POINT("stray-emptied");
        launch_remove_runtime_directory(a->config, container_id);
        launch_remove_exit_record(a->config, container_id);
        stray_free(s);
}

static void empty(Stray *s) {
        const PlacementResult place = { .cgroup = s->cgroup };

        if (placement_kill(s->strays->agent->placement, s->id, &place, on_emptied, s) < 0)
                stray_free(s);
}

static void on_hello(LauncherLink *l, const LauncherHello *hello, void *userdata) {
        Stray *s = userdata;

        log_info("Ending container '%s', which no framework that checkpoints has here.",
                 hello->container_id);
        if (hello->cgroup && !s->cgroup)
                s->cgroup = strdup(hello->cgroup);

        if (hello->state == LAUNCHER_WAITING || hello->state == LAUNCHER_ENDED)
                (void) launcher_link_release(l);
        else
                (void) launcher_link_kill(l, SIGKILL, false);
}

static void on_ended(LauncherLink *l, const ExitRecord *record, bool recorded, void *userdata) {
        (void) record;
        (void) recorded;
        (void) userdata;
        (void) launcher_link_release(l);
}

static void on_exited(LauncherLink *l, const ExitRecord *record, bool recorded, bool left_behind,
                      void *userdata) {
        (void) left_behind;
        on_ended(l, record, recorded, userdata);
}

static void on_gone(LauncherLink *l, int error, void *userdata) {
        Stray *s = userdata;

        (void) l;
        (void) error;
        s->link = launcher_link_free(s->link);
        empty(s);
}

static const LauncherLinkOps ops = {
        .hello = on_hello,
        .failed = on_ended,
        .exited = on_exited,
        .gone = on_gone,
};

static void end(Strays *strays, const char *container_id) {
        _cleanup_free_ char *directory = NULL;
        Stray *s;
        int r;

        directory = launch_runtime_directory(strays->agent->config, container_id);
        HASH_FIND_STR(strays->list, container_id, s);
        if (s || !directory)
                return;

        s = calloc(1, sizeof(*s));
        if (!s) {
                (void) log_oom();
                return;
        }

        s->strays = strays;
        (void) snprintf(s->id, sizeof(s->id), "%s", container_id);
        HASH_ADD_STR(strays->list, id, s);

        r = launcher_link_connect(strays->agent->event, directory, &ops, s, &s->link);
        if (r == -ENOENT || r == -ECONNREFUSED)
                empty(s);
        else if (r < 0)
                /* Whether somebody is there is not known; the next search may find out. */
                stray_free(s);
        else
                (void) launcher_link_check(s->link);
}

static void known_free(Known **known) {
        Known *k, *tmp;

        HASH_ITER (hh, *known, k, tmp) {
                HASH_DEL(*known, k);
                free(k);
        }
}

static int collect_known(const Agent *a, Known **known) {
        for (const Framework *f = a->frameworks; f; f = f->hh.next)
                for (const Executor *e = f->executors; e; e = e->hh.next) {
                        Known *k = calloc(1, sizeof(*k));

                        if (!k)
                                return -ENOMEM;

                        k->id = e->container_id;
                        HASH_ADD_KEYPTR(hh, *known, k->id, strlen(k->id), k);
                }

        return 0;
}

/* "<id>", or ".<id>.new" of a record that was being written. What is neither is not ours. */
static bool parse_name(const char *name, char ret[static CONTAINER_ID_MAX]) {
        size_t n = CONTAINER_ID_MAX - 1;
        const char *id = name + (name[0] == '.');

        if (strlen(id) < n || strspn(id, "0123456789abcdef-") != n)
                return false;
        if (!streq(id + n, name[0] == '.' ? ".new" : ""))
                return false;

        memcpy(ret, id, n);
        ret[n] = '\0';
        return true;
}

typedef struct Search {
        Strays *strays;
        Known *known;
} Search;

static void on_trace(const char *name, void *userdata) {
        Search *search = userdata;
        char id[CONTAINER_ID_MAX];
        const Known *k = NULL;

        if (!parse_name(name, id))
                return;

        HASH_FIND_STR(search->known, id, k);
        if (!k)
                end(search->strays, id);
}

static void search_directory(Search *search, const char *parent, const char *name) {
        _cleanup_free_ char *path = NULL;
        struct dirent *entry;
        DIR *dir;

        if (asprintf(&path, "%s/%s", parent, name) < 0)
                return;

        dir = opendir(path);
        if (!dir)
                return;

        while ((entry = readdir(dir)))
                on_trace(entry->d_name, search);
        (void) closedir(dir);
}

void strays_search(Strays *s) {
        const AgentConfig *config = s->agent->config;
        Search search = { .strays = s };

        if (collect_known(s->agent, &search.known) == 0) {
                search_directory(&search, config->runtime_dir, "containers");
                search_directory(&search, config->work_dir, "meta/exits");
        } else
                (void) log_oom();
        known_free(&search.known);

        if (s->n_searches++ >= N_REPETITIONS)
                return;
        (void) sd_event_source_set_time_relative(s->source,
                                                 FIRST_REPETITION_USEC << (s->n_searches - 1));
        (void) sd_event_source_set_enabled(s->source, SD_EVENT_ONESHOT);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        strays_search(userdata);
        return 0;
}

int strays_new(Agent *a, Strays **ret) {
        _cleanup_(strays_freep) Strays *s = NULL;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;

        s->agent = a;
        r = sd_event_add_time(a->event, &s->source, CLOCK_MONOTONIC, USEC_INFINITY, 0, on_time, s);
        if (r < 0)
                return r;

        (void) sd_event_source_set_enabled(s->source, SD_EVENT_OFF);
        (void) sd_event_source_set_description(s->source, "strays");
        *ret = TAKE_PTR(s);
        return 0;
}

Strays *strays_free(Strays *s) {
        Stray *stray, *tmp;

        if (!s)
                return NULL;

        HASH_ITER (hh, s->list, stray, tmp) {
                placement_cancel(s->agent->placement, stray->id);
                stray_free(stray);
        }
        sd_event_source_disable_unref(s->source);
        free(s);
        return NULL;
}
