#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Charges: what of one agent counts as whose share. See charge.c. */

#include "common/base/macro.h"
#include "master/drf.h"

/* Who is charged: embedded by the framework in its role. */
typedef struct ChargeParty {
        DrfLeaf *leaf;
        size_t n_agents;             /* how many agents have a charge of it */
} ChargeParty;

typedef struct Charge Charge;

/* Embedded by an agent. */
typedef struct Charges {
        Charge **items;              /* owned */
        size_t n;
        size_t n_allocated;
} Charges;

int charges_add(Charges *c, Drf *d, ChargeParty *party, const DrfAmounts *amounts);

/* Gives back no more than was charged, so that shares cannot drift. */
void charges_subtract(Charges *c, Drf *d, ChargeParty *party, const DrfAmounts *amounts);

/* Forgets what the party held here; its leaf goes as well, so its share is left alone. */
void charges_drop(Charges *c, ChargeParty *party);

/* Gives back all of somebody's, and says whose it was; NULL when nothing is charged any more. */
ChargeParty *charges_release_one(Charges *c, Drf *d);

/* Who holds something here, in no order. */
size_t charges_count(const Charges *c);
ChargeParty *charges_party(const Charges *c, size_t i);

void charges_deinit(Charges *c);
