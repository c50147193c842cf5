/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Maintenance as operators see it
 *
 * What frameworks answered is kept per agent, by the allocator; what is shown is by machine. Both
 * come in the order of machines, and are merged.
 */

#include "common/base/log.h"
#include "common/model/convert.h"
#include "common/net/pbwire.h"
#include "master/machine.h"
#include "master/maintenance.h"
#include "master/maintenance_view.h"
#include "master/master.h"
#include "master/node.h"

typedef Mesos__V1__Allocator__InverseOfferStatus Status;
typedef Mesos__V1__Maintenance__ClusterStatus ClusterStatus;
typedef Mesos__V1__Maintenance__ClusterStatus__DrainingMachine Draining;

typedef struct Reply {
        const Mesos__V1__MachineInfo *machine;     /* borrowed */
        Status *status;                            /* owned, till it is shown */
} Reply;

typedef struct Replies {
        Reply *items;
        size_t n, n_allocated;
        const Mesos__V1__MachineInfo *machine;     /* of those being added */
} Replies;

static int status_new(const char *framework_id, OutageAnswer answer, usec_t wall_clock_usec,
                      Status **ret) {
        Status status = MESOS__V1__ALLOCATOR__INVERSE_OFFER_STATUS__INIT;
        Mesos__V1__FrameworkID id = MESOS__V1__FRAMEWORK_ID__INIT;
        Mesos__V1__TimeInfo time = MESOS__V1__TIME_INFO__INIT;

        id.value = (char *) framework_id;
        time.nanoseconds = usec_to_nsec(wall_clock_usec);
        status.framework_id = &id;
        status.timestamp = &time;
        status.status = answer == OUTAGE_ACCEPTED
                                        ? MESOS__V1__ALLOCATOR__INVERSE_OFFER_STATUS__STATUS__ACCEPT
                                        : MESOS__V1__ALLOCATOR__INVERSE_OFFER_STATUS__STATUS__DECLINE;

        *ret = (Status *) pb_copy(&status.base);
        return *ret ? 0 : -ENOMEM;
}

static int add_reply(const char *framework_id, OutageAnswer answer, usec_t wall_clock_usec,
                     void *userdata) {
        Replies *r = userdata;
        int k;

        if (r->n == r->n_allocated) {
                size_t n = MAX(r->n_allocated * 2, (size_t) 16);
                Reply *grown = reallocarray(r->items, n, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                r->items = grown;
                r->n_allocated = n;
        }

        k = status_new(framework_id, answer, wall_clock_usec, &r->items[r->n].status);
        if (k < 0)
                return k;

        r->items[r->n++].machine = r->machine;
        return 0;
}

static int compare(const void *a, const void *b) {
        return machine_id_compare(((const Reply *) a)->machine->id,
                                  ((const Reply *) b)->machine->id);
}

static int collect(Master *m, Replies *r) {
        int k;

        for (const Node *n = m->nodes.by_id; n; n = n->hh.next) {
                r->machine = n->unavailability ? maintenance_find(m->maintenance, n->info->hostname,
                                                                  n->pid.ip)
                                               : NULL;
                if (!r->machine)
                        continue;

                k = allocator_outage_foreach_answer(m->allocator, n->id, add_reply, r);
                if (k < 0)
                        return k;
        }

        if (r->n > 0)
                qsort(r->items, r->n, sizeof(*r->items), compare);
        return 0;
}

static void replies_deinit(Replies *r) {
        for (size_t i = 0; i < r->n; i++)
                if (r->items[i].status)
                        pb_free(&r->items[i].status->base);
        free(r->items);
}

/* Takes over the replies from *i on that are about this machine. */
static int draining_new(const Mesos__V1__MachineInfo *machine, Replies *r, size_t *i,
                        Draining **ret) {
        Draining *d = malloc(sizeof(*d));
        size_t end = *i;

        if (!d)
                return -ENOMEM;

        while (end < r->n && r->items[end].machine == machine)
                end++;

        mesos__v1__maintenance__cluster_status__draining_machine__init(d);
        d->id = (Mesos__V1__MachineID *) pb_copy(&machine->id->base);
        d->statuses = calloc(end - *i + 1, sizeof(*d->statuses));
        if (!d->id || !d->statuses) {
                pb_free(&d->base);
                return -ENOMEM;
        }

        for (; *i < end; ++*i)
                d->statuses[d->n_statuses++] = TAKE_PTR(r->items[*i].status);

        *ret = d;
        return 0;
}

static int add_machine(ClusterStatus *s, const Mesos__V1__MachineInfo *machine, Replies *r,
                       size_t *i) {
        Mesos__V1__MachineID *id;
        int k;

        if (machine->mode == MESOS__V1__MACHINE_INFO__MODE__DRAINING) {
                k = draining_new(machine, r, i, &s->draining_machines[s->n_draining_machines]);
                if (k >= 0)
                        s->n_draining_machines++;
                return k;
        }

        id = (Mesos__V1__MachineID *) pb_copy(&machine->id->base);
        if (!id)
                return -ENOMEM;

        s->down_machines[s->n_down_machines++] = id;
        return 0;
}

static int fill(Master *m, ClusterStatus *s, Replies *r) {
        Mesos__V1__MachineInfo *const *machines;
        size_t n, i = 0;
        int k;

        machines = maintenance_machines(m->maintenance, &n);
        s->draining_machines = calloc(n + 1, sizeof(*s->draining_machines));
        s->down_machines = calloc(n + 1, sizeof(*s->down_machines));
        if (!s->draining_machines || !s->down_machines)
                return -ENOMEM;

        k = collect(m, r);
        for (size_t j = 0; k >= 0 && j < n; j++)
                k = add_machine(s, machines[j], r, &i);

        return k;
}

int maintenance_view_status(Master *m, ClusterStatus **ret) {
        ClusterStatus *s = malloc(sizeof(*s));
        Replies r = {};
        int k;

        if (!s)
                return -ENOMEM;
        mesos__v1__maintenance__cluster_status__init(s);

        k = fill(m, s, &r);
        replies_deinit(&r);
        if (k < 0) {
                pb_free(&s->base);
                return k;
        }

        *ret = s;
        return 0;
}

int maintenance_view_schedule(Master *m, Mesos__V1__Maintenance__Schedule **ret) {
        Mesos__V1__Maintenance__Schedule none = MESOS__V1__MAINTENANCE__SCHEDULE__INIT;
        const Mesos__V1__Maintenance__Schedule *s = registry_schedule(m->registry);

        *ret = (Mesos__V1__Maintenance__Schedule *) pb_copy(s ? &s->base : &none.base);
        return *ret ? 0 : -ENOMEM;
}
