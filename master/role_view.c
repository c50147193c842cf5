/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Roles as shown
 *
 * A role exists while somebody has it, something is reserved to it or it has a weight. What its frameworks were
 * offered and use is added up here from offers, tasks and executors when somebody asks; ranges and
 * sets count by how many items are in them, as Mesos's quantities do.
 */

#include <inttypes.h>
#include <stdio.h>
#include <uthash.h>

#include "common/net/pbwire.h"
#include "master/executor.h"
#include "master/framework.h"
#include "master/master.h"
#include "master/node.h"
#include "master/offer.h"
#include "master/role_view.h"
#include "master/task.h"

typedef struct RoleRow {
        const char *name;            /* borrowed, as all here */
        double weight;
        Resources *allocated, *offered, *reserved;
        Framework **frameworks;
        size_t n_frameworks;
        UT_hash_handle hh;
} RoleRow;

typedef struct RoleTable {
        RoleRow *rows;
        int error;
} RoleTable;

static RoleRow *row_get(RoleTable *t, const char *name) {
        RoleRow *row;

        HASH_FIND_STR(t->rows, name, row);
        if (row)
                return row;

        row = calloc(1, sizeof(*row));
        if (!row) {
                t->error = -ENOMEM;
                return NULL;
        }

        row->name = name;
        row->weight = 1;
        row->allocated = resources_new();
        row->offered = resources_new();
        row->reserved = resources_new();
        if (!row->allocated || !row->offered || !row->reserved)
                t->error = -ENOMEM;

        HASH_ADD_KEYPTR(hh, t->rows, row->name, strlen(row->name), row);
        return row;
}

static void add_to(RoleTable *t, Resources *sum, const Resources *r) {
        int k;

        if (t->error < 0)
                return;

        k = resources_add(sum, r);
        if (k < 0)
                t->error = k;
}

static void add_used(RoleTable *t, const Resources *r) {
        const char *role = r ? resources_allocation_role(r) : NULL;
        RoleRow *row = role ? row_get(t, role) : NULL;

        if (row)
                add_to(t, row->allocated, r);
}

static void add_framework(RoleTable *t, Framework *f) {
        for (size_t i = 0; i < f->n_roles; i++) {
                RoleRow *row = row_get(t, f->roles[i]);
                Framework **grown;

                if (!row)
                        return;

                grown = reallocarray(row->frameworks, row->n_frameworks + 1, sizeof(*grown));
                if (!grown) {
                        t->error = -ENOMEM;
                        return;
                }
                row->frameworks = grown;
                row->frameworks[row->n_frameworks++] = f;
        }

        for (const Task *task = f->tasks; task; task = task->hh.next)
                add_used(t, task->resources);
        for (const Executor *e = f->executors; e; e = e->next)
                add_used(t, e->resources);
        for (const Offer *o = f->offers; o; o = o->framework_next) {
                RoleRow *row = row_get(t, o->role);

                if (row)
                        add_to(t, row->offered, o->resources);
        }
}

static int add_reservation(const char *role, const Resources *reserved, void *userdata) {
        RoleTable *t = userdata;
        RoleRow *row = row_get(t, role);

        if (row)
                add_to(t, row->reserved, reserved);
        return 0;
}

static void add_weights(RoleTable *t, const Master *m) {
        RegistryWeight *const *weights;
        size_t n;

        weights = registry_weights(m->registry, &n);
        for (size_t i = 0; i < n; i++) {
                RoleRow *row = row_get(t, weights[i]->info->role ?: "");

                if (row)
                        row->weight = weights[i]->info->weight;
        }
}

static int compare_rows(RoleRow *a, RoleRow *b) {
        return strcmp(a->name, b->name);
}

static int table_init(RoleTable *t, Master *m) {
        *t = (RoleTable) {};

        for (Framework *f = m->frameworks.by_id; f; f = f->hh.next)
                add_framework(t, f);
        for (Node *n = m->nodes.by_id; n; n = n->hh.next)
                (void) resources_foreach_reservation(n->total, add_reservation, t);

        add_weights(t, m);
        HASH_SORT(t->rows, compare_rows);
        return t->error;
}

static void table_deinit(RoleTable *t) {
        RoleRow *row, *next;

        HASH_ITER(hh, t->rows, row, next) {
                HASH_DELETE(hh, t->rows, row);
                resources_free(row->allocated);
                resources_free(row->offered);
                resources_free(row->reserved);
                free(row->frameworks);
                free(row);
        }
}

/* Sums by name, in thousandths; few names, so a list will do. */
typedef struct Quantity {
        char name[128];
        int64_t milli;
} Quantity;

typedef struct Quantities {
        Quantity *items;
        size_t n;
} Quantities;

static int64_t amount_milli(const Mesos__V1__Resource *r) {
        int64_t n = 0;

        switch (r->type) {
        case MESOS__V1__VALUE__TYPE__SCALAR:
                return r->scalar ? (int64_t) (r->scalar->value * 1000 + 0.5) : 0;
        case MESOS__V1__VALUE__TYPE__RANGES:
                for (size_t i = 0; r->ranges && i < r->ranges->n_range; i++)
                        n += (int64_t) (r->ranges->range[i]->end - r->ranges->range[i]->begin + 1);
                return n * 1000;
        case MESOS__V1__VALUE__TYPE__SET:
                return r->set ? (int64_t) r->set->n_item * 1000 : 0;
        case MESOS__V1__VALUE__TYPE__TEXT:
        case _MESOS__V1__VALUE__TYPE_IS_INT_SIZE:
                break;
        }

        return 0;
}

static int quantities_add(Quantities *q, const char *name, int64_t milli) {
        Quantity *grown;

        for (size_t i = 0; i < q->n; i++)
                if (streq(q->items[i].name, name)) {
                        q->items[i].milli += milli;
                        return 0;
                }

        grown = reallocarray(q->items, q->n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;

        q->items = grown;
        snprintf(q->items[q->n].name, sizeof(q->items[q->n].name), "%s", name);
        q->items[q->n++].milli = milli;
        return 0;
}

static int compare_quantities(const void *a, const void *b) {
        return strcmp(((const Quantity *) a)->name, ((const Quantity *) b)->name);
}

/* Adds a bag; the result is sorted by name. */
static int quantities_add_all(Quantities *q, const Resources *r) {
        Mesos__V1__Resource **list;
        size_t n;
        int k;

        k = resources_to_pb(r, RESOURCE_FORMAT_NEW, &list, &n);
        if (k < 0)
                return k;

        for (size_t i = 0; k >= 0 && i < n; i++)
                k = quantities_add(q, list[i]->name, amount_milli(list[i]));

        resources_free_pb(list, n);
        if (q->n > 0)
                qsort(q->items, q->n, sizeof(*q->items), compare_quantities);
        return k;
}

static void put_quantities(JsonWriter *w, const char *key, const Resources *a, const Resources *b) {
        Quantities q = {};
        int k;

        k = quantities_add_all(&q, a);
        if (k >= 0 && b)
                k = quantities_add_all(&q, b);
        if (k < 0)
                w->error = k;

        json_object_begin(w, key);
        for (size_t i = 0; i < q.n; i++)
                json_put_milli(w, q.items[i].name, q.items[i].milli);
        json_object_end(w);

        free(q.items);
}

static void put_empty_object(JsonWriter *w, const char *key) {
        json_object_begin(w, key);
        json_object_end(w);
}

static void put_row(JsonWriter *w, const RoleRow *row) {
        json_object_begin(w, NULL);
        json_put_string(w, "name", row->name);
        json_put_double(w, "weight", row->weight);

        json_object_begin(w, "quota");
        json_put_string(w, "role", row->name);
        put_empty_object(w, "guarantee");
        put_empty_object(w, "limit");
        put_quantities(w, "consumed", row->allocated, row->reserved);
        json_object_end(w);

        put_quantities(w, "resources", row->allocated, row->offered);
        put_quantities(w, "allocated", row->allocated, NULL);
        put_quantities(w, "offered", row->offered, NULL);
        put_quantities(w, "reserved", row->reserved, NULL);

        json_array_begin(w, "frameworks");
        for (size_t i = 0; i < row->n_frameworks; i++)
                json_put_string(w, NULL, row->frameworks[i]->id);
        json_array_end(w);
        json_object_end(w);
}

void role_view_classic(JsonWriter *w, Master *m) {
        RoleTable t;
        int r;

        r = table_init(&t, m);
        if (r < 0)
                w->error = r;

        json_object_begin(w, NULL);
        json_array_begin(w, "roles");
        for (const RoleRow *row = t.rows; row; row = row->hh.next)
                put_row(w, row);
        json_array_end(w);
        json_object_end(w);

        table_deinit(&t);
}

/* GET_ROLES shows scalars only, without roles or allocation: sums of what is offered and used. */
static int api_resources(const RoleRow *row, Mesos__V1__Role *role) {
        static const char *const names[] = { "cpus", "disk", "gpus", "mem" };
        char text[256];
        int n_text = 0;
        Resources *sum;
        char *error = NULL;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                int64_t milli = resources_scalar_milli(row->allocated, names[i]) +
                                resources_scalar_milli(row->offered, names[i]);

                if (milli > 0)
                        n_text += snprintf(text + n_text, sizeof(text) - (size_t) n_text,
                                           "%s%s:%" PRId64 ".%03" PRId64, n_text > 0 ? ";" : "",
                                           names[i], milli / 1000, milli % 1000);
        }

        if (n_text == 0)
                return 0;

        r = resources_parse(text, "*", &sum, &error);
        free(error);
        if (r != RESOURCES_OK)
                return r < 0 ? r : -EBADMSG;

        r = resources_to_pb(sum, RESOURCE_FORMAT_NEW, &role->resources, &role->n_resources);
        resources_free(sum);
        return r;
}

static int api_role(const RoleRow *row, Mesos__V1__Role **ret) {
        _cleanup_(pb_freep) ProtobufCMessage *owner = NULL;
        Mesos__V1__Role *role;
        int r;

        role = malloc(sizeof(*role));
        if (!role)
                return -ENOMEM;
        mesos__v1__role__init(role);
        owner = &role->base;

        role->name = strdup(row->name);
        role->weight = row->weight;
        role->frameworks = calloc(row->n_frameworks + 1, sizeof(*role->frameworks));
        if (!role->name || !role->frameworks)
                return -ENOMEM;

        for (; role->n_frameworks < row->n_frameworks; role->n_frameworks++) {
                Mesos__V1__FrameworkID **id = &role->frameworks[role->n_frameworks];

                *id = (Mesos__V1__FrameworkID *) pb_copy(
                                &row->frameworks[role->n_frameworks]->info->id->base);
                if (!*id)
                        return -ENOMEM;
        }

        r = api_resources(row, role);
        if (r < 0)
                return r;

        owner = NULL;
        *ret = role;
        return 0;
}

int role_view_api(Master *m, Mesos__V1__Master__Response__GetRoles **ret) {
        _cleanup_(pb_freep) ProtobufCMessage *owner = NULL;
        Mesos__V1__Master__Response__GetRoles *list;
        RoleTable t;
        int r;

        list = malloc(sizeof(*list));
        if (!list)
                return -ENOMEM;
        mesos__v1__master__response__get_roles__init(list);
        owner = &list->base;

        r = table_init(&t, m);
        if (r >= 0) {
                list->roles = calloc(HASH_COUNT(t.rows) + 1, sizeof(*list->roles));
                if (!list->roles)
                        r = -ENOMEM;
        }

        for (const RoleRow *row = t.rows; r >= 0 && row; row = row->hh.next) {
                r = api_role(row, &list->roles[list->n_roles]);
                if (r >= 0)
                        list->n_roles++;
        }

        table_deinit(&t);
        if (r < 0)
                return r;

        owner = NULL;
        *ret = list;
        return 0;
}

static const char *const shared_names[] = { "cpus", "disk", "gpus", "mem" };

/* The largest part of any one resource of the cluster that the role uses or is offered. */
static double dominant_share(const RoleRow *row, const int64_t *cluster_milli) {
        double share = 0;

        for (size_t i = 0; i < ELEMENTSOF(shared_names); i++) {
                int64_t milli = resources_scalar_milli(row->allocated, shared_names[i]) +
                                resources_scalar_milli(row->offered, shared_names[i]);

                if (cluster_milli[i] > 0)
                        share = MAX(share, (double) milli / (double) cluster_milli[i]);
        }

        return share;
}

/* What a role has taken for itself: what it uses, and what is reserved to it. */
static void visit_consumed(const char *role, const int64_t *milli, RoleMetricVisitor visit,
                           void *userdata) {
        char what[64];

        for (size_t i = 0; i < ELEMENTSOF(shared_names); i++) {
                if (milli[i] == 0)
                        continue;

                snprintf(what, sizeof(what), "resources/%s/consumed", shared_names[i]);
                visit(role, what, (double) milli[i] / 1000, userdata);
        }
}

static size_t count_filters(const Master *m, const RoleRow *row) {
        size_t n = 0;

        for (size_t i = 0; i < row->n_frameworks; i++)
                n += allocator_n_filters(m->allocator, row->frameworks[i]->id, row->name);

        return n;
}

int role_view_metrics(Master *m, RoleMetricVisitor visit, void *userdata) {
        int64_t cluster_milli[ELEMENTSOF(shared_names)] = {},
                all_milli[ELEMENTSOF(shared_names)] = {};
        RoleTable t;
        int r;

        r = table_init(&t, m);

        for (const Node *n = m->nodes.by_id; n; n = n->hh.next)
                for (size_t i = 0; i < ELEMENTSOF(shared_names); i++)
                        cluster_milli[i] += resources_scalar_milli(n->total, shared_names[i]);

        for (const RoleRow *row = t.rows; r >= 0 && row; row = row->hh.next) {
                int64_t milli[ELEMENTSOF(shared_names)];

                for (size_t i = 0; i < ELEMENTSOF(shared_names); i++) {
                        milli[i] = resources_scalar_milli(row->allocated, shared_names[i]) +
                                   resources_scalar_milli(row->reserved, shared_names[i]);
                        all_milli[i] += milli[i];
                }

                visit_consumed(row->name, milli, visit, userdata);
                if (row->n_frameworks > 0) {
                        visit(row->name, "shares/dominant", dominant_share(row, cluster_milli),
                              userdata);
                        visit(row->name, "active", (double) count_filters(m, row), userdata);
                }
        }

        /* The root of the tree has no name. */
        visit_consumed("", all_milli, visit, userdata);

        table_deinit(&t);
        return r;
}
