/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Maintenance in the registry
 *
 * Operators replace the schedule as a whole; the machines in it are DRAINING, until an operator
 * says that one is DOWN, and UP again: then it leaves the schedule. Both records change together,
 * so that each machine of the schedule has a mode and no other machine has.
 */

#include "master/machine.h"
#include "master/registry_parts.h"

/* Some machines in order: there may be ten thousand, which nobody compares each with each. */
typedef struct MachineSet {
        const Mesos__V1__MachineID **ids; /* owned array */
        size_t n;
} MachineSet;

static void machine_set_deinit(MachineSet *set) {
        free(set->ids);
}

static int compare(const void *a, const void *b) {
        return machine_id_compare(*(const Mesos__V1__MachineID *const *) a,
                                  *(const Mesos__V1__MachineID *const *) b);
}

static void machine_set_sort(MachineSet *set) {
        if (set->n > 0)
                qsort(set->ids, set->n, sizeof(*set->ids), compare);
}

static bool machine_set_has(const MachineSet *set, const Mesos__V1__MachineID *id) {
        return set->n > 0 && bsearch(&id, set->ids, set->n, sizeof(*set->ids), compare);
}

static int machine_set_from_list(Mesos__V1__MachineID *const *ids, size_t n_ids, MachineSet *ret) {
        *ret = (MachineSet){ .ids = calloc(n_ids + 1, sizeof(*ret->ids)) };
        if (!ret->ids)
                return -ENOMEM;

        for (; ret->n < n_ids; ret->n++)
                ret->ids[ret->n] = ids[ret->n];

        machine_set_sort(ret);
        return 0;
}

static size_t count_known(const Mesos__Internal__Registry *registry) {
        return registry->machines ? registry->machines->n_machines : 0;
}

/* Those that a mode is known of, or only those that are DOWN. */
static int machine_set_from_known(const Mesos__Internal__Registry *registry, bool only_down,
                                  MachineSet *ret) {
        size_t n = count_known(registry);

        *ret = (MachineSet){ .ids = calloc(n + 1, sizeof(*ret->ids)) };
        if (!ret->ids)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                const Mesos__V1__MachineInfo *info = registry->machines->machines[i]->info;

                if (!only_down || info->mode == MESOS__V1__MACHINE_INFO__MODE__DOWN)
                        ret->ids[ret->n++] = info->id;
        }

        machine_set_sort(ret);
        return 0;
}

/* A list of machines in the making: the messages are here, what they point to is borrowed. */
typedef struct MachineList {
        Mesos__Internal__Registry__Machine *machines;  /* owned */
        Mesos__Internal__Registry__Machine **pointers; /* owned */
        Mesos__V1__MachineInfo *infos;                 /* owned */
        size_t n;
} MachineList;

static void machine_list_deinit(MachineList *list) {
        free(list->machines);
        free(list->pointers);
        free(list->infos);
}

static int machine_list_init(MachineList *list, size_t n_max) {
        list->machines = calloc(n_max + 1, sizeof(*list->machines));
        list->pointers = calloc(n_max + 1, sizeof(*list->pointers));
        list->infos = calloc(n_max + 1, sizeof(*list->infos));
        return list->machines && list->pointers && list->infos ? 0 : -ENOMEM;
}

static Mesos__V1__MachineInfo *machine_list_add(MachineList *list) {
        size_t i = list->n++;

        mesos__internal__registry__machine__init(&list->machines[i]);
        mesos__v1__machine_info__init(&list->infos[i]);
        list->machines[i].info = &list->infos[i];
        list->pointers[i] = &list->machines[i];
        return &list->infos[i];
}

static int put_machines(Change *c, const MachineList *list) {
        Mesos__Internal__Registry registry = MESOS__INTERNAL__REGISTRY__INIT;
        Mesos__Internal__Registry__Machines machines = MESOS__INTERNAL__REGISTRY__MACHINES__INIT;
        const char *id = record_single_id(RECORD_MACHINES);

        if (list->n == 0)
                return change_remove(c, id);

        machines.machines = list->pointers;
        machines.n_machines = list->n;
        registry.machines = &machines;
        return change_put(c, RECORD_MACHINES, id, &registry.base);
}

static int put_schedule(Change *c, const Mesos__V1__Maintenance__Schedule *schedule) {
        Mesos__V1__Maintenance__Schedule *list[] = { (
                        Mesos__V1__Maintenance__Schedule *) schedule };
        Mesos__Internal__Registry registry = MESOS__INTERNAL__REGISTRY__INIT;
        const char *id = record_single_id(RECORD_SCHEDULE);

        if (!schedule || schedule->n_windows == 0)
                return change_remove(c, id);

        registry.schedules = list;
        registry.n_schedules = 1;
        return change_put(c, RECORD_SCHEDULE, id, &registry.base);
}

static size_t count_machines(const Mesos__V1__Maintenance__Schedule *schedule) {
        size_t n = 0;

        for (size_t i = 0; schedule && i < schedule->n_windows; i++)
                n += schedule->windows[i]->n_machine_ids;

        return n;
}

static int put_machines_of_schedule(Change *c, const Mesos__V1__Maintenance__Schedule *schedule) {
        _cleanup_(machine_set_deinit) MachineSet down = {};
        _cleanup_(machine_list_deinit) MachineList list = {};
        int r;

        r = machine_set_from_known(registry_newest_single(c->registry, RECORD_MACHINES), true,
                                   &down);
        if (r >= 0)
                r = machine_list_init(&list, count_machines(schedule));
        if (r < 0)
                return r;

        for (size_t i = 0; schedule && i < schedule->n_windows; i++)
                for (size_t j = 0; j < schedule->windows[i]->n_machine_ids; j++) {
                        Mesos__V1__MachineID *id = schedule->windows[i]->machine_ids[j];
                        Mesos__V1__MachineInfo *info = machine_list_add(&list);

                        info->id = id;
                        info->has_mode = true;
                        info->mode = machine_set_has(&down, id)
                                                     ? MESOS__V1__MACHINE_INFO__MODE__DOWN
                                                     : MESOS__V1__MACHINE_INFO__MODE__DRAINING;
                        info->unavailability = schedule->windows[i]->unavailability;
                }

        return put_machines(c, &list);
}

int registry_set_maintenance(Registry *r, const Mesos__V1__Maintenance__Schedule *schedule,
                             RegistryDone done, void *userdata) {
        _cleanup_(change_freep) Change *c = change_new(r, done, userdata);
        int k;

        if (!c)
                return -ENOMEM;

        k = put_schedule(c, schedule);
        if (k >= 0)
                k = put_machines_of_schedule(c, schedule);
        if (k < 0)
                return k;

        return change_queue(&c);
}

/* What is known of the machines, with the mode of those in the list set, or without them. */
static int put_modes(Change *c, const MachineSet *set, Mesos__V1__MachineInfo__Mode mode) {
        const Mesos__Internal__Registry *before =
                        registry_newest_single(c->registry, RECORD_MACHINES);
        size_t n = count_known(before);
        _cleanup_(machine_list_deinit) MachineList list = {};
        int r;

        r = machine_list_init(&list, n);
        if (r < 0)
                return r;

        for (size_t i = 0; i < n; i++) {
                const Mesos__V1__MachineInfo *old = before->machines->machines[i]->info;
                bool listed = machine_set_has(set, old->id);
                Mesos__V1__MachineInfo *info;

                if (listed && mode == MESOS__V1__MACHINE_INFO__MODE__UP)
                        continue;

                info = machine_list_add(&list);
                *info = *old;
                if (listed)
                        info->mode = mode;
        }

        return put_machines(c, &list);
}

/* A window in the making that lacks some machines. */
static int thin_window(const Mesos__V1__Maintenance__Window *from, const MachineSet *set,
                       Mesos__V1__Maintenance__Window *ret) {
        Mesos__V1__Maintenance__Window window = *from;

        window.machine_ids = calloc(from->n_machine_ids + 1, sizeof(*window.machine_ids));
        if (!window.machine_ids)
                return -ENOMEM;

        window.n_machine_ids = 0;
        for (size_t i = 0; i < from->n_machine_ids; i++)
                if (!machine_set_has(set, from->machine_ids[i]))
                        window.machine_ids[window.n_machine_ids++] = from->machine_ids[i];

        *ret = window;
        return 0;
}

typedef struct Thinned {
        Mesos__V1__Maintenance__Window *windows;   /* owned, and each one's machine_ids */
        Mesos__V1__Maintenance__Window **pointers; /* owned; to those that are not empty */
        size_t n_windows;
} Thinned;

static void thinned_deinit(Thinned *t) {
        for (size_t i = 0; t->windows && i < t->n_windows; i++)
                free(t->windows[i].machine_ids);
        free(t->windows);
        free(t->pointers);
}

/* The schedule without these machines, and without windows that are empty then. */
static int put_schedule_without(Change *c, const MachineSet *set) {
        const Mesos__Internal__Registry *before =
                        registry_newest_single(c->registry, RECORD_SCHEDULE);
        Mesos__V1__Maintenance__Schedule schedule = MESOS__V1__MAINTENANCE__SCHEDULE__INIT;
        _cleanup_(thinned_deinit) Thinned t = {};

        if (before->n_schedules == 0)
                return 0;

        t.windows = calloc(before->schedules[0]->n_windows + 1, sizeof(*t.windows));
        t.pointers = calloc(before->schedules[0]->n_windows + 1,
                            sizeof(Mesos__V1__Maintenance__Window *));
        if (!t.windows || !t.pointers)
                return -ENOMEM;

        for (size_t i = 0; i < before->schedules[0]->n_windows; i++) {
                Mesos__V1__Maintenance__Window *window = &t.windows[t.n_windows];
                int r;

                r = thin_window(before->schedules[0]->windows[i], set, window);
                if (r < 0)
                        return r;

                t.n_windows++;
                if (window->n_machine_ids > 0)
                        t.pointers[schedule.n_windows++] = window;
        }

        schedule.windows = t.pointers;
        return put_schedule(c, &schedule);
}

static int change_modes(Change *c, Mesos__V1__MachineID *const *ids, size_t n_ids,
                        Mesos__V1__MachineInfo__Mode mode) {
        _cleanup_(machine_set_deinit) MachineSet known = {}, set = {};
        int r;

        r = machine_set_from_known(registry_newest_single(c->registry, RECORD_MACHINES), false,
                                   &known);
        if (r >= 0)
                r = machine_set_from_list(ids, n_ids, &set);
        if (r < 0)
                return r;

        for (size_t i = 0; i < n_ids; i++)
                if (!machine_set_has(&known, ids[i]))
                        return REGISTRY_E_UNKNOWN;

        r = put_modes(c, &set, mode);
        if (r >= 0 && mode == MESOS__V1__MACHINE_INFO__MODE__UP)
                r = put_schedule_without(c, &set);
        return r;
}

int registry_set_machines_mode(Registry *r, Mesos__V1__MachineID *const *ids, size_t n_ids,
                               Mesos__V1__MachineInfo__Mode mode, RegistryDone done,
                               void *userdata) {
        _cleanup_(change_freep) Change *c = change_new(r, done, userdata);
        int k;

        if (!c)
                return -ENOMEM;

        k = change_modes(c, ids, n_ids, mode);
        return k == REGISTRY_OK ? change_queue(&c) : k;
}

const Mesos__V1__Maintenance__Schedule *registry_schedule(const Registry *r) {
        const Mesos__Internal__Registry *registry = registry_durable_single(r, RECORD_SCHEDULE);

        return registry->n_schedules > 0 ? registry->schedules[0] : NULL;
}

int registry_foreach_machine(const Registry *r, RegistryMachineVisitor visit, void *userdata) {
        const Mesos__Internal__Registry *registry = registry_durable_single(r, RECORD_MACHINES);
        int k = 0;

        for (size_t i = 0; k == 0 && i < count_known(registry); i++)
                k = visit(registry->machines->machines[i]->info, userdata);

        return k;
}
