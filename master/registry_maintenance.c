/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Maintenance in the registry
 *
 * Operators replace the schedule as a whole; the machines in it are DRAINING, until an operator
 * says that one is DOWN, and UP again: then it leaves the schedule. Both records change together,
 * so that each machine of the schedule has a mode and no other machine has.
 */

#include <strings.h>

#include "master/registry_parts.h"

static const Mesos__Internal__Registry none = MESOS__INTERNAL__REGISTRY__INIT;

static const Mesos__Internal__Registry *as_registry(const Record *record) {
        return record ? (const Mesos__Internal__Registry *) record->message : &none;
}

static const Mesos__Internal__Registry *newest(const Registry *r, RecordKind kind) {
        return as_registry(registry_newest(r, record_single_id(kind)));
}

static const Mesos__Internal__Registry *durable(const Registry *r, RecordKind kind) {
        return as_registry(record_index_find(&r->index, record_single_id(kind)));
}

static bool is_machine(const Mesos__V1__MachineID *id, const char *hostname, const char *ip) {
        return strcasecmp(id->hostname ?: "", hostname ?: "") == 0 && streq(id->ip ?: "", ip ?: "");
}

static const Mesos__V1__MachineInfo *find(const Mesos__Internal__Registry *registry,
                                          const char *hostname, const char *ip) {
        for (size_t i = 0; registry->machines && i < registry->machines->n_machines; i++) {
                const Mesos__V1__MachineInfo *info = registry->machines->machines[i]->info;

                if (is_machine(info->id, hostname, ip))
                        return info;
        }

        return NULL;
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
        const Mesos__Internal__Registry *before = newest(c->registry, RECORD_MACHINES);
        _cleanup_(machine_list_deinit) MachineList list = {};
        int r;

        r = machine_list_init(&list, count_machines(schedule));
        if (r < 0)
                return r;

        for (size_t i = 0; schedule && i < schedule->n_windows; i++)
                for (size_t j = 0; j < schedule->windows[i]->n_machine_ids; j++) {
                        Mesos__V1__MachineID *id = schedule->windows[i]->machine_ids[j];
                        const Mesos__V1__MachineInfo *old = find(before, id->hostname, id->ip);
                        Mesos__V1__MachineInfo *info = machine_list_add(&list);

                        info->id = id;
                        info->has_mode = true;
                        info->mode = old && old->has_mode ? old->mode
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

static bool is_listed(const Mesos__V1__MachineID *id, Mesos__V1__MachineID *const *ids,
                      size_t n_ids) {
        for (size_t i = 0; i < n_ids; i++)
                if (is_machine(id, ids[i]->hostname, ids[i]->ip))
                        return true;

        return false;
}

/* What is known of the machines, with the mode of those in the list set, or without them. */
static int put_modes(Change *c, Mesos__V1__MachineID *const *ids, size_t n_ids,
                     Mesos__V1__MachineInfo__Mode mode) {
        const Mesos__Internal__Registry *before = newest(c->registry, RECORD_MACHINES);
        size_t n = before->machines ? before->machines->n_machines : 0;
        _cleanup_(machine_list_deinit) MachineList list = {};
        int r;

        r = machine_list_init(&list, n);
        if (r < 0)
                return r;

        for (size_t i = 0; i < n; i++) {
                const Mesos__V1__MachineInfo *old = before->machines->machines[i]->info;
                bool listed = is_listed(old->id, ids, n_ids);
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
static int thin_window(const Mesos__V1__Maintenance__Window *from, Mesos__V1__MachineID *const *ids,
                       size_t n_ids, Mesos__V1__Maintenance__Window *ret) {
        Mesos__V1__Maintenance__Window window = *from;

        window.machine_ids = calloc(from->n_machine_ids + 1, sizeof(*window.machine_ids));
        if (!window.machine_ids)
                return -ENOMEM;

        window.n_machine_ids = 0;
        for (size_t i = 0; i < from->n_machine_ids; i++)
                if (!is_listed(from->machine_ids[i], ids, n_ids))
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
static int put_schedule_without(Change *c, Mesos__V1__MachineID *const *ids, size_t n_ids) {
        const Mesos__Internal__Registry *before = newest(c->registry, RECORD_SCHEDULE);
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

                r = thin_window(before->schedules[0]->windows[i], ids, n_ids, window);
                if (r < 0)
                        return r;

                t.n_windows++;
                if (window->n_machine_ids > 0)
                        t.pointers[schedule.n_windows++] = window;
        }

        schedule.windows = t.pointers;
        return put_schedule(c, &schedule);
}

int registry_set_machines_mode(Registry *r, Mesos__V1__MachineID *const *ids, size_t n_ids,
                               Mesos__V1__MachineInfo__Mode mode, RegistryDone done,
                               void *userdata) {
        _cleanup_(change_freep) Change *c = change_new(r, done, userdata);
        int k;

        if (!c)
                return -ENOMEM;

        for (size_t i = 0; i < n_ids; i++)
                if (!find(newest(r, RECORD_MACHINES), ids[i]->hostname, ids[i]->ip))
                        return REGISTRY_E_UNKNOWN;

        k = put_modes(c, ids, n_ids, mode);
        if (k >= 0 && mode == MESOS__V1__MACHINE_INFO__MODE__UP)
                k = put_schedule_without(c, ids, n_ids);
        if (k < 0)
                return k;

        return change_queue(&c);
}

const Mesos__V1__Maintenance__Schedule *registry_schedule(const Registry *r) {
        const Mesos__Internal__Registry *registry = durable(r, RECORD_SCHEDULE);

        return registry->n_schedules > 0 ? registry->schedules[0] : NULL;
}

const Mesos__V1__MachineInfo *registry_find_machine(const Registry *r, const char *hostname,
                                                    const char *ip) {
        return find(durable(r, RECORD_MACHINES), hostname, ip);
}

int registry_foreach_machine(const Registry *r, RegistryMachineVisitor visit, void *userdata) {
        const Mesos__Internal__Registry *registry = durable(r, RECORD_MACHINES);
        int k = 0;

        for (size_t i = 0; k == 0 && registry->machines && i < registry->machines->n_machines; i++)
                k = visit(registry->machines->machines[i]->info, userdata);

        return k;
}
