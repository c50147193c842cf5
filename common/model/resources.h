#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Resources: a bag of cpus, mem, ports… with arithmetic. See resources.c. */

#include "common/base/buffer.h"
#include "common/base/macro.h"
#include "proto/mesos.pb-c.h"

/*
 * Scalars are thousandths, ranges and sets are sorted and merged. Two entries add up when
 * everything but the amount is the same: name, reservations, allocation role, disk, provider,
 * revocable, shared. Amounts of zero vanish. A Resources is heap-allocated and owned by whoever
 * made it.
 */
typedef struct Resources Resources;

/* What one message may list, and one bag may hold: arithmetic is quadratic in the worst case. */
#define RESOURCES_MAX 4096

Resources *resources_new(void);
Resources *resources_free(Resources *r);
DEFINE_CLEANUP(Resources *, resources_free)
Resources *resources_copy(const Resources *r);

enum {
        RESOURCES_OK = 0,
        RESOURCES_E_INVALID,     /* *reterr_message, if any, says why, as Mesos words it */
};

/* Validates names, kinds, amounts and reservations, and converts the old `role` form of these. */
int resources_from_pb(Mesos__V1__Resource *const *list, size_t n, Resources **ret,
                      char **reterr_message);

/* "cpus:8;mem:1024;ports:[31000-32000];rack:{a,b};cpus(role):4". */
int resources_parse(const char *text, const char *default_role, Resources **ret,
                    char **reterr_message);

/*
 * The JSON form of the same flag, decoded by the caller: reserved to default_role where neither
 * role nor reservations are said; volumes, dynamic reservations and revocable ones cannot be
 * configured.
 */
int resources_from_flag_pb(Mesos__V1__Resource *const *list, size_t n, const char *default_role,
                           Resources **ret, char **reterr_message);

/* What a framework may ask for: whole GPUs, volumes that can exist. After resources_from_pb(). */
int resources_validate_use(Mesos__V1__Resource *const *list, size_t n, char **reterr_message);

/* Everything in a task or an executor is allocated to one role. */
int resources_validate_allocation(const Resources *r, char **reterr_message);

typedef enum ResourceFormat {
        RESOURCE_FORMAT_NEW,        /* reservations[]: for RESERVATION_REFINEMENT, and daemons */
        RESOURCE_FORMAT_OLD,        /* role and reservation; role "*" where unreserved */
        RESOURCE_FORMAT_ENDPOINT,   /* both, unless refined */
} ResourceFormat;

/* Makes an array for a message; it and each element are malloc()ed as protobuf-c expects. */
int resources_to_pb(const Resources *r, ResourceFormat format, Mesos__V1__Resource ***ret,
                    size_t *ret_n);
void resources_free_pb(Mesos__V1__Resource **list, size_t n);

/* Appends what such an array in the new format is packed to as a repeated field of that number,
 * which is below 16: cheaper by far. */
int resources_pack(const Resources *r, unsigned field, Buffer *b);

bool resources_is_empty(const Resources *r);
bool resources_equal(const Resources *a, const Resources *b);
bool resources_contains(const Resources *a, const Resources *b);   /* b <= a */

/*
 * Neither may be given the same bag twice. -ENOMEM and -EOVERFLOW leave `a` with some of the
 * entries done, so it is of no use then.
 */
/* Has what is the same in both described in one place: of many bags that are alike only the amounts
 * remain their own, and comparing them is comparing pointers. */
void resources_share(Resources *r, const Resources *like);

int resources_add(Resources *a, const Resources *b);        /* a += b */
int resources_subtract(Resources *a, const Resources *b);   /* a -= b; what a lacks is ignored */

/* RESOURCES_E_INVALID when a port, or an item of a set, is in both. */
int resources_validate_disjoint(const Resources *a, const Resources *b);

/* Sum over all entries of that name, whatever role; 0 when there is none. */
int64_t resources_scalar_milli(const Resources *r, const char *name);
bool resources_has(const Resources *r, const char *name);
size_t resources_n_entries(const Resources *r);

/* Of the first entry; NULL when there is none, or it isn't allocated. */
const char *resources_allocation_role(const Resources *r);

/* Sets the allocation role of entries that have none / removes it from all. */
int resources_allocate(Resources *r, const char *role);
int resources_unallocate(Resources *r);

/* A new bag with the entries for which the predicate holds. */
typedef struct ResourceView {
        const char *name;
        const char *allocation_role;       /* NULL: not allocated */
        const char *reservation_role;      /* of the last reservation; NULL: unreserved */
        bool dynamic;                      /* last reservation is dynamic */
        bool refined;                      /* more than one reservation */
        bool revocable;
        bool shared;
        bool persistent_volume;
        bool scalar;
        bool gpus;
} ResourceView;
typedef bool (*ResourcePredicate)(const ResourceView *v, void *userdata);
Resources *resources_filter(const Resources *r, ResourcePredicate keep, void *userdata);
bool resources_any(const Resources *r, ResourcePredicate is, void *userdata);

/* Moves entries to another bag, without copying values. On -ENOMEM the rest stays where it was. */
int resources_move(Resources *to, Resources *from, ResourcePredicate take, void *userdata);

/*
 * Walks the bag: amounts of scalars in thousandths, texts of ranges "[1-5, 7-9]" and sets "{a,
 * b}".
 */
typedef void (*ResourceVisitor)(const ResourceView *v, int64_t milli, const char *text,
                                void *userdata);
int resources_foreach(const Resources *r, ResourceVisitor visit, void *userdata);

/* Walks the scalars only: no texts are made, nothing can fail. */
typedef void (*ResourceScalarVisitor)(const char *name, int64_t milli, void *userdata);
void resources_foreach_scalar(const Resources *r, ResourceScalarVisitor visit, void *userdata);

/*
 * Sums by name, as /state shows them: "cpus", "gpus", "mem" and "disk" always, and what else there
 * is; revocable ones apart as "cpus_revocable". `text` is NULL for scalars.
 */
typedef void (*ResourceTotalVisitor)(const char *name, int64_t milli, const char *text,
                                     void *userdata);
int resources_foreach_total(const Resources *r, ResourceTotalVisitor visit, void *userdata);

/* Bag by bag, one for each role something is reserved to (its last reservation counts). */
typedef int (*ResourceReservationVisitor)(const char *role, const Resources *reserved,
                                          void *userdata);
int resources_foreach_reservation(const Resources *r, ResourceReservationVisitor visit,
                                  void *userdata);
Resources *resources_unreserved(const Resources *r);

/* "cpus(*):8; mem(*):1024", as Mesos prints it in messages for people. */
int resources_format(const Resources *r, Buffer *b);
