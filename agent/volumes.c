/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Persistent volumes
 *
 *     <work_dir>/volumes/roles/<role>/<persistence id>/    on the agent's own disk
 *     <root>/volumes/roles/<role>/<persistence id>/        on a PATH disk
 *     <root>/                                              a MOUNT disk is a volume as a whole
 *
 * The '/' of a hierarchical role is written as a blank, which no role may contain: the volumes of
 * role "eng/web" must not lie within a volume "web" of role "eng".
 *
 * What has to be made and removed follows from the volumes there are and those there shall be. It is
 * done by holdfast-worker, one directory per process and one after the other: it may take as long as
 * it takes to remove what a stranger left. Doing it twice does no harm, so a work that a crash cut
 * off is simply begun again.
 */

#include <stdio.h>

#include "agent/volumes.h"
#include "agent/worker.h"
#include "common/model/convert.h"

typedef Mesos__V1__Resource Resource;

typedef enum Step {
        STEP_MAKE,
        STEP_REMOVE,
        STEP_EMPTY,
} Step;

static const char *const step_verbs[] = {
        [STEP_MAKE] = "volume-make",
        [STEP_REMOVE] = "volume-remove",
        [STEP_EMPTY] = "volume-empty",
};

/* A volume's place: NULL as path means the root itself. */
typedef struct Place {
        char *root, *path; /* owned */
} Place;

typedef struct Change {
        Step step;
        Place place;
} Change;

struct VolumeWork {
        char *program; /* owned; path of holdfast-worker */
        Change *changes;
        size_t n_changes, n_done;
        Worker *worker;
        sd_event *event;
        VolumeWorkDone done;
        void *userdata;
};

static void place_deinit(Place *p) {
        free(p->root);
        free(p->path);
        *p = (Place) {};
}

static char *absolute(const AgentConfig *config, const char *root) {
        char *path;

        if (root[0] == '/')
                return strdup(root);

        return asprintf(&path, "%s/%s", config->work_dir, root) < 0 ? NULL : path;
}

static int path_in_root(const Resource *pb, char **ret) {
        const char *role = pb->n_reservations > 0 ? pb->reservations[pb->n_reservations - 1]->role : "*";

        if (asprintf(ret, "volumes/roles/%s/%s", role, pb->disk->persistence->id) < 0)
                return -ENOMEM;

        for (char *p = *ret + strlen("volumes/roles/"), *end = p + strlen(role); p < end; p++)
                if (*p == '/')
                        *p = ' ';
        return 0;
}

static const char *root_of(const AgentConfig *config, const Mesos__V1__Resource__DiskInfo__Source *source) {
        if (!source)
                return config->work_dir;
        if (source->type == MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__MOUNT && source->mount)
                return source->mount->root;
        if (source->type == MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__PATH && source->path)
                return source->path->root;

        return NULL;
}

/* In the new format. The root is NULL for a disk that no directory can be made on. */
static int place_of(const AgentConfig *config, const Resource *pb, Place *ret) {
        const Mesos__V1__Resource__DiskInfo__Source *source = pb->disk->source;
        const char *root = root_of(config, source);
        Place p = {};

        *ret = p;
        if (!root)
                return 0;

        p.root = absolute(config, root);
        if (!p.root)
                return -ENOMEM;
        if ((!source || !source->mount) && path_in_root(pb, &p.path) < 0) {
                free(p.root);
                return -ENOMEM;
        }

        *ret = p;
        return 0;
}

int volume_path(const AgentConfig *config, const Resource *volume, char **ret) {
        _cleanup_(place_deinit) Place p = {};
        int r;

        r = place_of(config, volume, &p);
        if (r < 0)
                return r;

        *ret = NULL;
        if (!p.path)
                *ret = TAKE_PTR(p.root);
        else if (asprintf(ret, "%s/%s", p.root, p.path) < 0)
                return -ENOMEM;

        return 0;
}

/* The places of all volumes in a bag. */
typedef struct Places {
        Place *items;
        size_t n;
} Places;

static void places_deinit(Places *l) {
        for (size_t i = 0; i < l->n; i++)
                place_deinit(&l->items[i]);
        free(l->items);
}

static int collect(const AgentConfig *config, const Resources *resources, Places *ret) {
        Resource **list;
        size_t n;
        int r;

        r = resources_to_pb(resources, RESOURCE_FORMAT_NEW, &list, &n);
        if (r < 0)
                return r;

        ret->items = calloc(n + 1, sizeof(*ret->items));
        r = ret->items ? 0 : -ENOMEM;
        for (size_t i = 0; r == 0 && i < n; i++) {
                if (!list[i]->disk || !list[i]->disk->persistence)
                        continue;

                r = place_of(config, list[i], &ret->items[ret->n]);
                if (r == 0 && ret->items[ret->n].root)
                        ret->n++;
        }

        resources_free_pb(list, n);
        return r;
}

static bool places_have(const Places *l, const Place *p) {
        for (size_t i = 0; i < l->n; i++)
                if (streq(l->items[i].root, p->root) && streq_ptr(l->items[i].path, p->path))
                        return true;

        return false;
}

/* Takes the places that are not among the others. */
static void add_changes(VolumeWork *w, Places *places, const Places *others, Step step) {
        for (size_t i = 0; i < places->n; i++) {
                Place *p = &places->items[i];

                if (places_have(others, p) || (!p->path && step == STEP_MAKE))
                        continue;

                w->changes[w->n_changes++] = (Change) {
                        .step = p->path ? step : STEP_EMPTY,
                        .place = { strdup(p->root), p->path ? strdup(p->path) : NULL },
                };
        }
}

static bool is_whole(const VolumeWork *w) {
        for (size_t i = 0; i < w->n_changes; i++)
                if (!w->changes[i].place.root || (w->changes[i].step != STEP_EMPTY && !w->changes[i].place.path))
                        return false;

        return true;
}

int volume_work_new(const AgentConfig *config, const Resources *from, const Resources *to, VolumeWork **ret) {
        _cleanup_(volume_work_freep) VolumeWork *w = calloc(1, sizeof(*w));
        _cleanup_(places_deinit) Places old = {}, new = {};
        int r;

        if (!w)
                return -ENOMEM;

        r = collect(config, from, &old);
        if (r == 0)
                r = collect(config, to, &new);
        if (r < 0)
                return r;

        w->changes = calloc(old.n + new.n + 1, sizeof(*w->changes));
        if (!w->changes || asprintf(&w->program, "%s/holdfast-worker", config->launcher_dir) < 0)
                return -ENOMEM;

        add_changes(w, &old, &new, STEP_REMOVE);
        add_changes(w, &new, &old, STEP_MAKE);
        if (!is_whole(w))
                return -ENOMEM;

        *ret = w->n_changes > 0 ? TAKE_PTR(w) : NULL;
        return 0;
}

VolumeWork *volume_work_free(VolumeWork *w) {
        if (!w)
                return NULL;

        worker_free(w->worker);
        for (size_t i = 0; i < w->n_changes; i++)
                place_deinit(&w->changes[i].place);
        free(w->changes);
        free(w->program);
        free(w);
        return NULL;
}

static int run_next(VolumeWork *w);

static void on_ended(ExitStatus status, void *userdata) {
        VolumeWork *w = userdata;
        const Change *c = &w->changes[w->n_done];
        _cleanup_free_ char *error = NULL;
        int r = 0;

        w->worker = worker_free(w->worker);
        if (exit_status_is_success(status) && ++w->n_done < w->n_changes) {
                r = run_next(w);
                if (r == 0)
                        return;
        }

        if (r < 0 || !exit_status_is_success(status)) {
                if (asprintf(&error, "cannot %s the volume '%s%s%s'", c->step == STEP_MAKE ? "make" : "remove",
                             c->place.root, c->place.path ? "/" : "", c->place.path ?: "") < 0)
                        error = NULL;
                w->done(error ?: "out of memory", w->userdata);
                return;
        }

        w->done(NULL, w->userdata);
}

static const WorkerOps worker_ops = { .ended = on_ended };

static int run_next(VolumeWork *w) {
        const Change *c = &w->changes[w->n_done];
        char *argv[] = { (char *) "holdfast-worker", (char *) step_verbs[c->step], c->place.root, c->place.path, NULL };

        return worker_start(w->event, w->program, argv, &worker_ops, w, &w->worker);
}

int volume_work_start(VolumeWork *w, sd_event *event, VolumeWorkDone done, void *userdata) {
        assert(w->n_done < w->n_changes);

        w->event = event;
        w->done = done;
        w->userdata = userdata;
        return run_next(w);
}
