/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Dominant resource fairness over a tree of roles
 *
 * The share of somebody is the largest fraction of any one resource of the cluster they hold; who
 * has the smallest share is served next. Roles compete within their parent, frameworks within their
 * role, each with what their whole subtree holds, divided by the role's weight:
 *
 *     root ─┬─ ads ── . ── framework 1
 *           └─ eng ─┬─ . ─┬─ framework 2          frameworks in "eng" itself
 *                   │     └─ framework 3
 *                   └─ web ── . ── framework 4    in "eng/web"
 *
 * Frameworks hang below a group "." of their role, so that those in "eng" compete with "eng/web" as
 * one. Equal shares are ordered by how often somebody was served, then by name, which makes the
 * order total.
 *
 * Siblings are kept sorted at all times. A charge moves the nodes on one path, each by binary
 * search and a shift. Only when the cluster's total changes are all shares wrong; then everything
 * is sorted again, once, before the next walk.
 */

#include <uthash.h>

#include "master/drf.h"

/* No role component may be called so. */
#define GROUP "."

typedef struct Node {
        struct Node *parent;         /* NULL: the root */
        struct Node **children;      /* owned; sorted unless the Drf is stale */
        size_t n_children;
        size_t n_allocated;

        char *name;                  /* owned; component of the role, ".", or the framework's */
        void *userdata;              /* of leaves */
        bool leaf;
        size_t n_active;             /* active leaves below; of a leaf itself 0 or 1 */

        double weight;
        double share;
        uint64_t n_charges;
        int64_t milli[DRF_KINDS_MAX];
} Node;

struct DrfLeaf {
        Node node;                   /* first: leaves are found as nodes */
};

typedef struct Weight {
        UT_hash_handle hh;
        double weight;
        char role[];
} Weight;

struct Drf {
        Node root;
        Weight *weights;             /* owned, by role */
        char **excluded;             /* owned, NULL-terminated */
        char *kinds[DRF_KINDS_MAX];  /* owned names; NULL: the name is excluded */
        size_t n_kinds;
        int64_t total[DRF_KINDS_MAX];
        bool stale;                  /* the total changed: shares and order are out of date */
};

static int copy_excluded(Drf *d, const char *const *names) {
        size_t n = 0;

        while (names && names[n])
                n++;

        d->excluded = calloc(n + 1, sizeof(*d->excluded));
        if (!d->excluded)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                d->excluded[i] = strdup(names[i]);
                if (!d->excluded[i])
                        return -ENOMEM;
        }

        return 0;
}

int drf_new(const char *const *excluded_names, Drf **ret) {
        _cleanup_(drf_freep) Drf *d = NULL;
        int r;

        assert(ret);

        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;

        r = copy_excluded(d, excluded_names);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(d);
        return 0;
}

static void node_free(Node *node) {
        free(node->children);
        free(node->name);
        free(node);
}

/* The owner of the leaves frees them first, and the last one takes its roles along. */
Drf *drf_free(Drf *d) {
        Weight *w, *next;

        if (!d)
                return NULL;

        assert(d->root.n_children == 0);
        free(d->root.children);

        HASH_ITER(hh, d->weights, w, next) {
                HASH_DEL(d->weights, w);
                free(w);
        }

        for (size_t i = 0; d->excluded && d->excluded[i]; i++)
                free(d->excluded[i]);
        free(d->excluded);

        for (size_t i = 0; i < d->n_kinds; i++)
                free(d->kinds[i]);

        free(d);
        return NULL;
}

static bool is_excluded(const Drf *d, const char *name) {
        for (size_t i = 0; d->excluded[i]; i++)
                if (streq(d->excluded[i], name))
                        return true;

        return false;
}

typedef struct Measurement {
        Drf *d;
        DrfAmounts *amounts;
} Measurement;

static int64_t saturating_add(int64_t a, int64_t b) {
        int64_t sum;

        if (!__builtin_add_overflow(a, b, &sum))
                return sum;

        return b > 0 ? INT64_MAX : INT64_MIN;
}

/* The number of a kind; DRF_KINDS_MAX if it doesn't count. */
static size_t kind_number(Drf *d, const char *name) {
        size_t i;

        for (i = 0; i < d->n_kinds; i++)
                if (streq(d->kinds[i], name))
                        return i;

        if (d->n_kinds == DRF_KINDS_MAX || is_excluded(d, name))
                return DRF_KINDS_MAX;

        d->kinds[i] = strdup(name);
        if (!d->kinds[i])
                return DRF_KINDS_MAX;

        d->n_kinds++;
        return i;
}

static void measure_one(const char *name, int64_t milli, void *userdata) {
        Measurement *m = userdata;
        size_t kind = kind_number(m->d, name);

        if (kind < DRF_KINDS_MAX)
                m->amounts->milli[kind] = saturating_add(m->amounts->milli[kind], milli);
}

void drf_measure(Drf *d, const Resources *r, DrfAmounts *ret) {
        assert(d);
        assert(ret);

        *ret = (DrfAmounts) {};
        resources_foreach_scalar(r, measure_one, &(Measurement) { .d = d, .amounts = ret });
        ret->n = d->n_kinds;
}

void drf_add_total(Drf *d, const DrfAmounts *amounts) {
        for (size_t i = 0; i < amounts->n; i++)
                d->total[i] = saturating_add(d->total[i], amounts->milli[i]);

        d->stale = true;
}

void drf_subtract_total(Drf *d, const DrfAmounts *amounts) {
        for (size_t i = 0; i < amounts->n; i++)
                d->total[i] = MAX(d->total[i] - amounts->milli[i], INT64_C(0));

        d->stale = true;
}

static void node_measure(const Drf *d, Node *node) {
        double share = 0;

        for (size_t i = 0; i < d->n_kinds; i++)
                if (d->total[i] > 0)
                        share = MAX(share, (double) node->milli[i] / (double) d->total[i]);

        node->share = share;
}

static int node_compare(const Node *a, const Node *b) {
        double x = a->share / a->weight, y = b->share / b->weight;

        if (x != y)
                return x < y ? -1 : 1;
        if (a->n_charges != b->n_charges)
                return a->n_charges < b->n_charges ? -1 : 1;

        return strcmp(a->name, b->name);
}

static int node_compare_indirect(const void *a, const void *b) {
        return node_compare(*(Node *const *) a, *(Node *const *) b);
}

/* Where among the sorted children of its parent the node is, or would be. */
static size_t node_position(const Node *node) {
        const Node *parent = node->parent;
        size_t low = 0, high = parent->n_children;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (node_compare(parent->children[middle], node) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }

        return low;
}

static size_t node_find(const Drf *d, const Node *node) {
        size_t i;

        if (!d->stale) {
                i = node_position(node);
                assert(i < node->parent->n_children && node->parent->children[i] == node);
                return i;
        }

        for (i = 0; node->parent->children[i] != node; i++)
                assert(i + 1 < node->parent->n_children);

        return i;
}

/* Takes the child out of the array, which keeps its size. */
static void remove_child(Node *parent, size_t i) {
        parent->n_children--;
        memmove(&parent->children[i], &parent->children[i + 1],
                (parent->n_children - i) * sizeof(Node *));
}

static void node_detach(const Drf *d, Node *node) {
        remove_child(node->parent, node_find(d, node));
}

static void node_insert(Node *node) {
        Node *parent = node->parent;
        size_t i = node_position(node);

        assert(parent->n_children < parent->n_allocated);
        memmove(&parent->children[i + 1], &parent->children[i],
                (parent->n_children - i) * sizeof(Node *));
        parent->children[i] = node;
        parent->n_children++;
}

/* Moves a node whose sort key changed from position `i` to where it belongs now. */
static void node_resort(Node *node, size_t i) {
        remove_child(node->parent, i);
        node_insert(node);
}

static int node_reserve_child(Node *parent) {
        size_t n = parent->n_allocated > 0 ? 2 * parent->n_allocated : 4;
        Node **children;

        if (parent->n_children < parent->n_allocated)
                return 0;

        children = reallocarray(parent->children, n, sizeof(*children));
        if (!children)
                return -ENOMEM;

        parent->children = children;
        parent->n_allocated = n;
        return 0;
}

static int node_new(Node *parent, const char *name, size_t n_name, double weight, Node **ret) {
        Node *node;

        if (node_reserve_child(parent) < 0)
                return -ENOMEM;

        node = malloc(sizeof(DrfLeaf));
        if (!node)
                return -ENOMEM;

        *node = (Node) { .parent = parent, .weight = weight, .name = strndup(name, n_name) };
        if (!node->name) {
                free(node);
                return -ENOMEM;
        }

        node_insert(node);
        *ret = node;
        return 0;
}

static Node *node_child(const Node *parent, const char *name, size_t n_name) {
        for (size_t i = 0; i < parent->n_children; i++) {
                Node *child = parent->children[i];

                if (!child->leaf && strncmp(child->name, name, n_name) == 0 &&
                    child->name[n_name] == '\0')
                        return child;
        }

        return NULL;
}

/* Frees nodes without children from here up. */
static void prune(Drf *d, Node *node) {
        while (node->parent && node->n_children == 0) {
                Node *parent = node->parent;

                node_detach(d, node);
                node_free(node);
                node = parent;
        }
}

static double weight_of(const Drf *d, const char *role, size_t n) {
        Weight *w;

        HASH_FIND(hh, d->weights, role, n, w);
        return w ? w->weight : 1;
}

/* The node of a role as far as it exists; *ret_rest is what of the path is left. */
static Node *descend(Drf *d, const char *role, const char **ret_rest) {
        Node *node = &d->root;

        while (*role) {
                size_t n = strcspn(role, "/");
                Node *child = node_child(node, role, n);

                if (!child)
                        break;

                node = child;
                role += n;
                role += *role == '/';
        }

        *ret_rest = role;
        return node;
}

/* Makes what is missing of a role's path, and the group of its own frameworks. */
static int make_group(Drf *d, const char *role, Node **ret) {
        const char *rest;
        Node *node = descend(d, role, &rest);
        Node *group;
        int r = 0;

        while (*rest && r >= 0) {
                size_t n = strcspn(rest, "/");

                r = node_new(node, rest, n, weight_of(d, role, (size_t) (rest + n - role)), &node);
                rest += n;
                rest += *rest == '/';
        }

        group = r < 0 ? NULL : node_child(node, GROUP, strlen(GROUP));
        if (r >= 0 && !group)
                r = node_new(node, GROUP, strlen(GROUP), 1, &group);
        if (r < 0) {
                prune(d, node);
                return r;
        }

        *ret = group;
        return 0;
}

int drf_leaf_new(Drf *d, const char *role, const char *name, void *userdata, DrfLeaf **ret) {
        Node *group, *node;
        int r;

        assert(d);
        assert(role && *role);
        assert(name);
        assert(ret);

        r = make_group(d, role, &group);
        if (r < 0)
                return r;

        r = node_new(group, name, strlen(name), 1, &node);
        if (r < 0) {
                prune(d, group);
                return r;
        }

        node->leaf = true;
        node->userdata = userdata;
        *ret = CONTAINER_OF(node, DrfLeaf, node);
        return 0;
}

/* What it still held is nobody's from now on. */
DrfLeaf *drf_leaf_free(Drf *d, DrfLeaf *leaf) {
        DrfAmounts amounts = { .n = DRF_KINDS_MAX };
        Node *parent;

        assert(d);

        if (!leaf)
                return NULL;

        drf_leaf_set_active(leaf, false);
        memcpy(amounts.milli, leaf->node.milli, sizeof(amounts.milli));
        drf_discharge(d, leaf, &amounts);

        parent = leaf->node.parent;
        node_detach(d, &leaf->node);
        node_free(&leaf->node);
        prune(d, parent);
        return NULL;
}

void drf_leaf_set_active(DrfLeaf *leaf, bool active) {
        if (active == (leaf->node.n_active > 0))
                return;

        for (Node *node = &leaf->node; node; node = node->parent)
                node->n_active += active ? 1 : (size_t) -1;
}

void *drf_leaf_userdata(const DrfLeaf *leaf) {
        return leaf->node.userdata;
}

/* Changes what everybody from the leaf to the top holds, and keeps the siblings in order. */
static void charge(Drf *d, DrfLeaf *leaf, const DrfAmounts *amounts, bool back) {
        for (Node *node = &leaf->node; node->parent; node = node->parent) {
                size_t position = d->stale ? 0 : node_find(d, node);

                for (size_t i = 0; i < amounts->n; i++)
                        node->milli[i] = back ? MAX(node->milli[i] - amounts->milli[i], INT64_C(0))
                                              : saturating_add(node->milli[i], amounts->milli[i]);

                node->n_charges += !back;
                if (d->stale)
                        continue;

                node_measure(d, node);
                node_resort(node, position);
        }
}

void drf_charge(Drf *d, DrfLeaf *leaf, const DrfAmounts *amounts) {
        charge(d, leaf, amounts, false);
}

void drf_discharge(Drf *d, DrfLeaf *leaf, const DrfAmounts *amounts) {
        charge(d, leaf, amounts, true);
}

static void refresh_below(const Drf *d, Node *node) {
        for (size_t i = 0; i < node->n_children; i++) {
                node_measure(d, node->children[i]);
                refresh_below(d, node->children[i]);
        }

        if (node->n_children > 1)
                qsort(node->children, node->n_children, sizeof(Node *), node_compare_indirect);
}

static void refresh(Drf *d) {
        if (!d->stale)
                return;

        refresh_below(d, &d->root);
        d->stale = false;
}

double drf_share(Drf *d, const DrfLeaf *leaf) {
        refresh(d);
        return leaf->node.share;
}

int drf_set_weight(Drf *d, const char *role, double weight) {
        size_t n = strlen(role);
        const char *rest;
        Node *node;
        Weight *w;

        assert(d);
        assert(weight > 0);

        HASH_FIND(hh, d->weights, role, n, w);
        if (!w) {
                w = malloc(sizeof(*w) + n + 1);
                if (!w)
                        return -ENOMEM;

                memcpy(w->role, role, n + 1);
                HASH_ADD_KEYPTR(hh, d->weights, w->role, n, w);
        }

        w->weight = weight;

        node = descend(d, role, &rest);
        if (node->parent && !*rest) {
                refresh(d);
                node_detach(d, node);
                node->weight = weight;
                node_insert(node);
        }

        return 0;
}

static bool walk_below(Node *node, DrfVisitor visit, void *userdata) {
        for (size_t i = 0; i < node->n_children; i++) {
                Node *child = node->children[i];

                if (child->n_active == 0)
                        continue;

                if (child->leaf ? !visit(CONTAINER_OF(child, DrfLeaf, node), userdata)
                                : !walk_below(child, visit, userdata))
                        return false;
        }

        return true;
}

void drf_walk(Drf *d, DrfVisitor visit, void *userdata) {
        assert(d);
        assert(visit);

        refresh(d);
        walk_below(&d->root, visit, userdata);
}
