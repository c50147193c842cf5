/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stock
 *
 *     total + missing = free + what offers, tasks and executors hold
 *
 * Usually nothing is missing. But an agent may come back smaller than it was, or with tasks we did
 * not allow: they exist, so they are counted, and what is given back pays that debt first.
 */

#include "master/stock.h"

static bool is_special(const ResourceView *v, _unused_ void *userdata) {
        return v->reservation_role || v->revocable || v->shared;
}

static bool is_gpus(const ResourceView *v, _unused_ void *userdata) {
        return v->gpus;
}

void stock_deinit(Stock *s) {
        resources_free(s->total);
        resources_free(s->free);
        resources_free(s->missing);
        *s = STOCK_NULL;
}

static void look(Stock *s) {
        s->plain = !resources_any(s->total, is_special, NULL);
        s->gpus = resources_any(s->total, is_gpus, NULL);
}

int stock_init(Stock *s, const Resources *total) {
        _cleanup_(stock_deinit) Stock fresh = STOCK_NULL;

        fresh.total = resources_copy(total);
        fresh.free = resources_copy(total);
        if (!fresh.total || !fresh.free)
                return -ENOMEM;

        look(&fresh);
        *s = fresh;
        fresh = STOCK_NULL;
        return 0;
}

static Resources *copy_unallocated(const Resources *r) {
        _cleanup_(resources_freep) Resources *copy = resources_copy(r);

        if (!copy || resources_unallocate(copy) < 0)
                return NULL;

        return TAKE_PTR(copy);
}

/* Adds to what is missing; `more` is used up. */
static int owe(Stock *s, Resources **more) {
        if (resources_is_empty(*more))
                return 0;

        if (s->missing)
                return resources_add(s->missing, *more);

        s->missing = TAKE_PTR(*more);
        return 0;
}

int stock_take(Stock *s, const Resources *r) {
        _cleanup_(resources_freep) Resources *taken = copy_unallocated(r), *beyond = NULL;
        int k;

        if (!taken)
                return -ENOMEM;

        beyond = resources_copy(taken);
        if (!beyond)
                return -ENOMEM;

        k = resources_subtract(beyond, s->free);
        if (k < 0)
                return k;

        k = resources_subtract(s->free, taken);
        if (k < 0)
                return k;

        return owe(s, &beyond);
}

/* Pays what is missing; leaves in `back` what is free then. */
static int pay(Stock *s, Resources *back) {
        _cleanup_(resources_freep) Resources *all = resources_copy(back);
        int k;

        if (!all)
                return -ENOMEM;

        k = resources_subtract(back, s->missing);
        if (k < 0)
                return k;

        k = resources_subtract(s->missing, all);
        if (k < 0)
                return k;

        if (resources_is_empty(s->missing))
                s->missing = resources_free(s->missing);
        return 0;
}

int stock_give_back(Stock *s, const Resources *r) {
        _cleanup_(resources_freep) Resources *back = copy_unallocated(r);
        int k;

        if (!back)
                return -ENOMEM;

        if (s->missing) {
                k = pay(s, back);
                if (k < 0)
                        return k;
        }

        return resources_add(s->free, back);
}

int stock_set_total(Stock *s, const Resources *total) {
        _cleanup_(resources_freep) Resources *held = NULL;
        _cleanup_(stock_deinit) Stock fresh = STOCK_NULL;
        int k;

        held = resources_copy(s->total);
        if (!held)
                return -ENOMEM;

        k = resources_subtract(held, s->free);
        if (k < 0)
                return k;

        if (s->missing) {
                k = resources_add(held, s->missing);
                if (k < 0)
                        return k;
        }

        k = stock_init(&fresh, total);
        if (k < 0)
                return k;

        k = stock_take(&fresh, held);
        if (k < 0)
                return k;

        stock_deinit(s);
        *s = fresh;
        fresh = STOCK_NULL;
        return 0;
}
