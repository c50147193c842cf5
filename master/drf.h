#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Drf: roles and frameworks in the order they are offered resources. See drf.c. */

#include "common/base/macro.h"
#include "common/model/resources.h"

typedef struct Drf Drf;

/* A framework in a role. */
typedef struct DrfLeaf DrfLeaf;

/* How many kinds of scalar resources count; further ones are shared out, but are nobody's share. */
#define DRF_KINDS_MAX 32

/* Scalars in thousandths by number of kind, as one Drf numbers them. */
typedef struct DrfAmounts {
        size_t n;
        int64_t milli[DRF_KINDS_MAX];
} DrfAmounts;

/* The names are those of resources that do not count; may be NULL, else ends with NULL. */
int drf_new(const char *const *excluded_names, Drf **ret);
Drf *drf_free(Drf *d);
DEFINE_CLEANUP(Drf *, drf_free)

/* Sums up the scalars that count. */
void drf_measure(Drf *d, const Resources *r, DrfAmounts *ret);

/* What the whole cluster has. */
void drf_add_total(Drf *d, const DrfAmounts *amounts);
void drf_subtract_total(Drf *d, const DrfAmounts *amounts);

int drf_set_weight(Drf *d, const char *role, double weight);

/*
 * Comes into being inactive, with nothing. The role and its ancestors appear and vanish with their
 * leaves.
 */
int drf_leaf_new(Drf *d, const char *role, const char *name, void *userdata, DrfLeaf **ret);
DrfLeaf *drf_leaf_free(Drf *d, DrfLeaf *leaf);

void drf_leaf_set_active(DrfLeaf *leaf, bool active);
void *drf_leaf_userdata(const DrfLeaf *leaf);

/* What leaf got and gave back; counts for the roles above it as well. */
void drf_charge(Drf *d, DrfLeaf *leaf, const DrfAmounts *amounts);
void drf_discharge(Drf *d, DrfLeaf *leaf, const DrfAmounts *amounts);

/* Dominant share, of 1, not divided by any weight. */
double drf_share(Drf *d, const DrfLeaf *leaf);

/*
 * Visits active leaves, least share first, until one returns false. Nothing may be changed
 * meanwhile.
 */
typedef bool (*DrfVisitor)(DrfLeaf *leaf, void *userdata);
void drf_walk(Drf *d, DrfVisitor visit, void *userdata);
