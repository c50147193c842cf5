/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Maintenance
 *
 *     UP ──in the schedule──▶ DRAINING ──START_MAINTENANCE──▶ DOWN ──STOP_MAINTENANCE──▶ UP
 *      ◀─────not any more────────┘
 *
 * While its machine is draining an agent works on; its frameworks are told and asked
 * (unavailability.c). When the machine goes down its agents are shut down and removed, and those
 * that come from there are sent away until it is up again. Nothing happens by itself when the time
 * of a window comes.
 *
 * Changes are made one after the other: each is judged when the one before it is in the registry,
 * and takes effect when it is there itself. A copy of the machines is kept in order, since every
 * agent that comes is looked up.
 */

#include <utlist.h>

#include "common/base/log.h"
#include "common/net/pbwire.h"
#include "master/departure.h"
#include "master/machine.h"
#include "master/maintenance.h"
#include "master/master.h"
#include "master/node.h"
#include "master/promise.h"
#include "master/reject.h"
#include "master/unavailability.h"

typedef Mesos__V1__MachineInfo Machine;

typedef enum ChangeKind {
        CHANGE_SCHEDULE,
        CHANGE_DOWN,
        CHANGE_UP,
} ChangeKind;

typedef struct Change {
        Maintenance *maintenance;
        Promise promise;
        ChangeKind kind;
        Mesos__V1__Maintenance__Schedule *schedule;  /* owned */
        Mesos__V1__MachineID **ids;                  /* owned */
        size_t n_ids;
        struct Change *prev, *next;
} Change;

struct Maintenance {
        Master *master;
        Machine **machines;          /* owned, by id */
        size_t n_machines;
        Change *changes;             /* owned; the registry has the first */
};

int maintenance_new(Master *m, Maintenance **ret) {
        Maintenance *x = calloc(1, sizeof(*x));

        if (!x)
                return -ENOMEM;

        x->master = m;
        *ret = x;
        return 0;
}

static Change *change_free(Change *c) {
        if (!c)
                return NULL;

        if (c->schedule)
                pb_free(&c->schedule->base);
        for (size_t i = 0; i < c->n_ids; i++)
                pb_free(&c->ids[i]->base);
        free(c->ids);
        free(c);
        return NULL;
}
DEFINE_CLEANUP(Change *, change_free)

static void forget_machines(Maintenance *x) {
        for (size_t i = 0; i < x->n_machines; i++)
                pb_free(&x->machines[i]->base);
        free(x->machines);
        x->machines = NULL;
        x->n_machines = 0;
}

Maintenance *maintenance_free(Maintenance *x) {
        Change *c, *next;

        if (!x)
                return NULL;

        DL_FOREACH_SAFE(x->changes, c, next) {
                DL_DELETE(x->changes, c);
                change_free(c);
        }
        forget_machines(x);
        free(x);
        return NULL;
}

static int add_machine(const Machine *machine, void *userdata) {
        Maintenance *x = userdata;
        Machine **grown = reallocarray(x->machines, x->n_machines + 1, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        x->machines = grown;

        x->machines[x->n_machines] = (Machine *) pb_copy(&machine->base);
        if (!x->machines[x->n_machines])
                return -ENOMEM;

        x->n_machines++;
        return 0;
}

static int compare(const void *a, const void *b) {
        return machine_id_compare((*(Machine *const *) a)->id, (*(Machine *const *) b)->id);
}

int maintenance_recover(Maintenance *x) {
        int r;

        forget_machines(x);
        r = registry_foreach_machine(x->master->registry, add_machine, x);
        if (r < 0)
                return r;

        if (x->n_machines > 0)
                qsort(x->machines, x->n_machines, sizeof(*x->machines), compare);
        return 0;
}

static const Machine *find(const Maintenance *x, const Mesos__V1__MachineID *id) {
        Machine key = MESOS__V1__MACHINE_INFO__INIT, *pointer = &key, **found;

        if (x->n_machines == 0)
                return NULL;

        key.id = (Mesos__V1__MachineID *) id;
        found = bsearch(&pointer, x->machines, x->n_machines, sizeof(*x->machines), compare);
        return found ? *found : NULL;
}

const Machine *maintenance_find(const Maintenance *x, const char *hostname, const char *ip) {
        Mesos__V1__MachineID id = MESOS__V1__MACHINE_ID__INIT;

        id.hostname = (char *) hostname;
        id.ip = (char *) ip;
        return find(x, &id);
}

Machine *const *maintenance_machines(const Maintenance *x, size_t *ret_n) {
        *ret_n = x->n_machines;
        return x->machines;
}

static bool is_down(const Machine *machine) {
        return machine && machine->mode == MESOS__V1__MACHINE_INFO__MODE__DOWN;
}

bool maintenance_is_down(const Maintenance *x, const char *hostname, const char *ip) {
        return is_down(maintenance_find(x, hostname, ip));
}

void maintenance_apply(Maintenance *x, Node *n) {
        const Machine *machine = maintenance_find(x, n->info->hostname, n->pid.ip);

        if (is_down(machine))
                departure_machine_down(n);
        else
                unavailability_set(n, machine ? machine->unavailability : NULL);
}

/* ---- judging ---- */

/* No machine that is down may leave the schedule: it would be up without a word. */
static int judge_absent(const Maintenance *x, const Mesos__V1__Maintenance__Schedule *s,
                        char **reterr_message) {
        size_t n_down = 0, n_down_kept = 0;

        for (size_t i = 0; i < x->n_machines; i++)
                n_down += is_down(x->machines[i]);
        for (size_t i = 0; i < s->n_windows; i++)
                for (size_t j = 0; j < s->windows[i]->n_machine_ids; j++)
                        n_down_kept += is_down(find(x, s->windows[i]->machine_ids[j]));

        for (size_t i = 0; n_down_kept < n_down && i < x->n_machines; i++) {
                _cleanup_free_ char *text = NULL;

                if (!is_down(x->machines[i]) || schedule_find(s, x->machines[i]->id))
                        continue;

                text = machine_id_format(x->machines[i]->id);
                if (!text)
                        return -ENOMEM;
                return reject(reterr_message,
                              "Machine '%s' is deactivated and cannot be removed from the schedule",
                              text);
        }

        return ACCEPTED;
}

/* All are machines we know, in the mode they leave. */
static int judge_modes(const Maintenance *x, const Change *c, Mesos__V1__MachineInfo__Mode from,
                       const char *text, char **reterr_message) {
        for (size_t i = 0; i < c->n_ids; i++) {
                const Machine *machine = find(x, c->ids[i]);
                _cleanup_free_ char *id = NULL;

                if (machine && machine->mode == from)
                        continue;

                id = machine_id_format(c->ids[i]);
                if (!id)
                        return -ENOMEM;
                if (!machine)
                        return reject(reterr_message,
                                      "Machine '%s' is not part of a maintenance schedule", id);
                return reject(reterr_message, "Machine '%s' is not in %s", id, text);
        }

        return ACCEPTED;
}

static int judge(const Maintenance *x, const Change *c, char **reterr_message) {
        int r = ACCEPTED;

        switch (c->kind) {
        case CHANGE_SCHEDULE:
                r = schedule_judge(c->schedule, reterr_message);
                if (r == ACCEPTED)
                        r = judge_absent(x, c->schedule, reterr_message);
                break;
        case CHANGE_DOWN:
                r = machine_ids_judge(c->ids, c->n_ids, reterr_message);
                if (r == ACCEPTED)
                        r = judge_modes(x, c, MESOS__V1__MACHINE_INFO__MODE__DRAINING,
                                        "DRAINING mode and cannot be brought down", reterr_message);
                break;
        case CHANGE_UP:
                r = machine_ids_judge(c->ids, c->n_ids, reterr_message);
                if (r == ACCEPTED)
                        r = judge_modes(x, c, MESOS__V1__MACHINE_INFO__MODE__DOWN,
                                        "DOWN mode and cannot be brought up", reterr_message);
                break;
        }

        return r;
}

/* ---- changing ---- */

static void go_on(Maintenance *x);

/* Agents that leave stay in the table until that is recorded: it is safe to go through it. */
static void apply_to_all(Maintenance *x) {
        for (Node *n = x->master->nodes.by_id; n; n = n->hh.next)
                if (!n->leaving)
                        maintenance_apply(x, n);
}

static void on_recorded(int error, void *userdata) {
        _cleanup_(change_freep) Change *c = userdata;
        Maintenance *x = c->maintenance;
        int r;

        DL_DELETE(x->changes, c);
        r = error < 0 ? error : maintenance_recover(x);
        if (r < 0) {
                promise_break(&c->promise, 500, strerror(-r));
                master_fail(x->master, r, "Cannot record maintenance");
                return;
        }

        apply_to_all(x);
        promise_keep(&c->promise, 200);
        go_on(x);
}

static int record(Maintenance *x, Change *c) {
        Registry *registry = x->master->registry;

        switch (c->kind) {
        case CHANGE_SCHEDULE:
                return registry_set_maintenance(registry, c->schedule, on_recorded, c);
        case CHANGE_DOWN:
                return registry_set_machines_mode(registry, c->ids, c->n_ids,
                                                  MESOS__V1__MACHINE_INFO__MODE__DOWN, on_recorded,
                                                  c);
        case CHANGE_UP:
                return registry_set_machines_mode(registry, c->ids, c->n_ids,
                                                  MESOS__V1__MACHINE_INFO__MODE__UP, on_recorded,
                                                  c);
        }

        return -EINVAL;
}

static void refuse(Maintenance *x, Change *c, int r, const char *text) {
        DL_DELETE(x->changes, c);
        promise_break(&c->promise, r < 0 ? 500 : 400, text);
        change_free(c);
}

/* Judges and records the first change that may be made, refusing those before it that may not. */
static void go_on(Maintenance *x) {
        while (x->changes) {
                _cleanup_free_ char *error = NULL;
                Change *c = x->changes;
                int r;

                r = judge(x, c, &error);
                if (r != ACCEPTED) {
                        refuse(x, c, r, error ?: strerror(r < 0 ? -r : EINVAL));
                        continue;
                }

                r = record(x, c);
                if (r == REGISTRY_OK)
                        return;

                refuse(x, c, r, r == REGISTRY_E_TOO_LARGE ? "The schedule is too large"
                                                          : strerror(r < 0 ? -r : EINVAL));
                if (r < 0)
                        master_fail(x->master, r, "Cannot record maintenance");
        }
}

static int change_new(Maintenance *x, ChangeKind kind,
                      const Mesos__V1__Maintenance__Schedule *schedule,
                      Mesos__V1__MachineID *const *ids, size_t n_ids, Change **ret) {
        _cleanup_(change_freep) Change *c = NULL;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;

        c->maintenance = x;
        c->kind = kind;
        c->ids = calloc(n_ids + 1, sizeof(*c->ids));
        if (!c->ids)
                return -ENOMEM;

        for (; c->n_ids < n_ids; c->n_ids++) {
                c->ids[c->n_ids] = (Mesos__V1__MachineID *) pb_copy(&ids[c->n_ids]->base);
                if (!c->ids[c->n_ids])
                        return -ENOMEM;
        }

        if (schedule) {
                c->schedule = (Mesos__V1__Maintenance__Schedule *) pb_copy(&schedule->base);
                if (!c->schedule)
                        return -ENOMEM;
        }

        *ret = TAKE_PTR(c);
        return 0;
}

static void request(Maintenance *x, HttpRequest *r, ChangeKind kind,
                    const Mesos__V1__Maintenance__Schedule *schedule,
                    Mesos__V1__MachineID *const *ids, size_t n_ids) {
        bool is_idle = !x->changes;
        Change *c;
        int k;

        k = change_new(x, kind, schedule, ids, n_ids, &c);
        if (k < 0) {
                http_request_answer_text(r, 500, "%s", strerror(-k));
                return;
        }

        promise_init(&c->promise, r);
        DL_APPEND(x->changes, c);
        if (is_idle)
                go_on(x);
}

void maintenance_update_schedule(Maintenance *x, HttpRequest *r,
                                 const Mesos__V1__Maintenance__Schedule *schedule) {
        request(x, r, CHANGE_SCHEDULE, schedule, NULL, 0);
}

void maintenance_start(Maintenance *x, HttpRequest *r, Mesos__V1__MachineID *const *ids,
                       size_t n_ids) {
        request(x, r, CHANGE_DOWN, NULL, ids, n_ids);
}

void maintenance_stop(Maintenance *x, HttpRequest *r, Mesos__V1__MachineID *const *ids,
                      size_t n_ids) {
        request(x, r, CHANGE_UP, NULL, ids, n_ids);
}
