/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Charges
 *
 * An agent may go before the frameworks that use it, or a framework before its tasks have ended. So
 * what counts as a framework's share is kept per agent, as amounts of the scalars that count: who
 * goes first takes its side of the books along, and the other's stay right.
 *
 * Few frameworks use one agent at a time, hence arrays that are searched from the start.
 */

#include "master/charge.h"

struct Charge {
        ChargeParty *party;
        size_t n;
        int64_t milli[];
};

static size_t find(const Charges *c, const ChargeParty *party) {
        size_t i;

        for (i = 0; i < c->n; i++)
                if (c->items[i]->party == party)
                        break;

        return i;
}

static int reserve(Charges *c) {
        size_t n = c->n_allocated > 0 ? 2 * c->n_allocated : 4;
        Charge **items;

        if (c->n < c->n_allocated)
                return 0;

        items = reallocarray(c->items, n, sizeof(*items));
        if (!items)
                return -ENOMEM;

        c->items = items;
        c->n_allocated = n;
        return 0;
}

/* The charge of a party, with room for so many kinds of resources; made if there is none. */
static int get(Charges *c, ChargeParty *party, size_t n, Charge **ret) {
        size_t i = find(c, party);
        Charge *old = NULL, *charge;

        if (i < c->n) {
                old = c->items[i];
                if (old->n >= n) {
                        *ret = old;
                        return 0;
                }
        } else if (reserve(c) < 0)
                return -ENOMEM;

        charge = realloc(old, sizeof(*charge) + n * sizeof(charge->milli[0]));
        if (!charge)
                return -ENOMEM;

        if (!old) {
                charge->party = party;
                charge->n = 0;
                party->n_agents++;
                c->n++;
        }

        memset(&charge->milli[charge->n], 0, (n - charge->n) * sizeof(charge->milli[0]));
        charge->n = n;
        c->items[i] = charge;
        *ret = charge;
        return 0;
}

int charges_add(Charges *c, Drf *d, ChargeParty *party, const DrfAmounts *amounts) {
        Charge *charge;
        int r;

        r = get(c, party, amounts->n, &charge);
        if (r < 0)
                return r;

        for (size_t i = 0; i < amounts->n; i++)
                if (__builtin_add_overflow(charge->milli[i], amounts->milli[i], &charge->milli[i]))
                        charge->milli[i] = INT64_MAX;

        drf_charge(d, party->leaf, amounts);
        return 0;
}

static void remove_at(Charges *c, size_t i) {
        c->items[i]->party->n_agents--;
        free(c->items[i]);
        c->items[i] = c->items[--c->n];
}

static bool is_empty(const Charge *charge) {
        for (size_t i = 0; i < charge->n; i++)
                if (charge->milli[i] != 0)
                        return false;

        return true;
}

void charges_subtract(Charges *c, Drf *d, ChargeParty *party, const DrfAmounts *amounts) {
        size_t i = find(c, party);
        DrfAmounts back = {};
        Charge *charge;

        if (i == c->n)
                return;

        charge = c->items[i];
        back.n = MIN(charge->n, amounts->n);
        for (size_t k = 0; k < back.n; k++) {
                back.milli[k] = MIN(charge->milli[k], amounts->milli[k]);
                charge->milli[k] -= back.milli[k];
        }

        drf_discharge(d, party->leaf, &back);
        if (is_empty(charge))
                remove_at(c, i);
}

void charges_drop(Charges *c, ChargeParty *party) {
        size_t i = find(c, party);

        if (i < c->n)
                remove_at(c, i);
}

ChargeParty *charges_release_one(Charges *c, Drf *d) {
        DrfAmounts amounts = {};
        ChargeParty *party;
        Charge *charge;

        if (c->n == 0)
                return NULL;

        charge = c->items[c->n - 1];
        party = charge->party;
        amounts.n = charge->n;
        memcpy(amounts.milli, charge->milli, charge->n * sizeof(charge->milli[0]));
        drf_discharge(d, party->leaf, &amounts);
        remove_at(c, c->n - 1);
        return party;
}

size_t charges_count(const Charges *c) {
        return c->n;
}

ChargeParty *charges_party(const Charges *c, size_t i) {
        assert(i < c->n);
        return c->items[i]->party;
}

void charges_deinit(Charges *c) {
        assert(c->n == 0);
        free(c->items);
        *c = (Charges) {};
}
