/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Minimums
 *
 * Leftovers like 0.001 cpus would be offered around for ever. An offer has to reach one of some
 * sets of quantities, by default "cpus:0.01|mem:32": a hundredth of a cpu, or 32 MB. Frameworks
 * may have their own for each role.
 */

#include "common/base/parse.h"
#include "common/model/explain.h"
#include "master/minimum.h"

typedef struct Quantity {
        char *name;        /* owned; NULL: a set begins here */
        int64_t milli;
} Quantity;

/* Flat: a marker, the quantities of the first set, a marker, those of the second. */
struct Minimums {
        Quantity *items;
        size_t n;
};

Minimums *minimums_new(void) {
        return calloc(1, sizeof(Minimums));
}

Minimums *minimums_free(Minimums *m) {
        if (!m)
                return NULL;

        for (size_t i = 0; i < m->n; i++)
                free(m->items[i].name);
        free(m->items);
        free(m);
        return NULL;
}

static int append(Minimums *m, const char *name, int64_t milli) {
        Quantity *items;
        char *copy = NULL;

        if (name) {
                copy = strdup(name);
                if (!copy)
                        return -ENOMEM;
        }

        items = reallocarray(m->items, m->n + 1, sizeof(*items));
        if (!items) {
                free(copy);
                return -ENOMEM;
        }

        m->items = items;
        m->items[m->n++] = (Quantity) { .name = copy, .milli = milli };
        return 0;
}

int minimums_add_set(Minimums *m) {
        return append(m, NULL, 0);
}

int minimums_add(Minimums *m, const char *name, int64_t milli) {
        assert(m->n > 0);

        return append(m, name, milli);
}

Minimums *minimums_copy(const Minimums *m) {
        _cleanup_(minimums_freep) Minimums *copy = minimums_new();

        if (!copy)
                return NULL;

        for (size_t i = 0; i < m->n; i++)
                if (append(copy, m->items[i].name, m->items[i].milli) < 0)
                        return NULL;

        return TAKE_PTR(copy);
}

static int parse_set(Minimums *m, char *text, char **reterr_message) {
        char *save = NULL;
        int r;

        r = minimums_add_set(m);
        if (r < 0)
                return r;

        for (char *item = strtok_r(text, ";", &save); item; item = strtok_r(NULL, ";", &save)) {
                char *colon = strchr(item, ':');
                int64_t milli;

                if (!colon || colon == item)
                        return explain(reterr_message, MINIMUMS_E_INVALID, "Missing ':' in '%s'",
                                       item);
                if (parse_milli(colon + 1, &milli) < 0 || milli < 0)
                        return explain(reterr_message, MINIMUMS_E_INVALID, "'%s' is no quantity",
                                       colon + 1);

                *colon = '\0';
                r = minimums_add(m, item, milli);
                if (r < 0)
                        return r;
        }

        return MINIMUMS_OK;
}

/* Returns 0, MINIMUMS_E_INVALID with the reason, or -ENOMEM. */
int minimums_parse(const char *text, Minimums **ret, char **reterr_message) {
        _cleanup_(minimums_freep) Minimums *m = minimums_new();
        _cleanup_free_ char *copy = strdup(text);
        char *save = NULL;
        int r;

        if (!m || !copy)
                return -ENOMEM;

        for (char *set = strtok_r(copy, "|", &save); set; set = strtok_r(NULL, "|", &save)) {
                r = parse_set(m, set, reterr_message);
                if (r != MINIMUMS_OK)
                        return r;
        }

        *ret = TAKE_PTR(m);
        return MINIMUMS_OK;
}

bool minimums_met(const Minimums *m, const Resources *r) {
        bool met = true;

        for (size_t i = 0; i < m->n; i++) {
                if (m->items[i].name) {
                        met = met &&
                              resources_scalar_milli(r, m->items[i].name) >= m->items[i].milli;
                        continue;
                }

                /* A new set begins: the one before decides if it was reached. */
                if (i > 0 && met)
                        return true;
                met = true;
        }

        return met;
}
