#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Identities: user names to ids, by a helper process that may wait for NSS. See identity.c. */

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "common/base/macro.h"

/* Who a user name is. */
typedef struct Identity {
        uid_t uid;
        gid_t gid;
        gid_t *groups;       /* supplementary */
        size_t n_groups;
        char *home;          /* NULL when there is none */
} Identity;

typedef struct Identities Identities;
typedef struct IdentityQuery IdentityQuery;

/* `launcher_dir` is where holdfast-worker is; borrowed. */
int identities_new(sd_event *event, const char *launcher_dir, Identities **ret);

/* Queries that are still open are cancelled. */
Identities *identities_free(Identities *i);
DEFINE_CLEANUP(Identities *, identities_free)

/*
 * `identity` is borrowed for the call, NULL when there is none: then `error_text` says why, exactly
 * "No such user 'NAME'" when the name is unknown.
 */
typedef void (*IdentityFound)(const Identity *identity, const char *error_text, void *userdata);

/*
 * Calls `found` once from the loop, never from within this call. *ret (may be NULL if nobody will
 * cancel) is valid until `found` is called or the query is cancelled.
 */
int identities_resolve(Identities *i, const char *user, IdentityFound found, void *userdata,
                       IdentityQuery **ret);

/* `found` will not be called; returns NULL. */
IdentityQuery *identity_query_cancel(IdentityQuery *q);
DEFINE_CLEANUP(IdentityQuery *, identity_query_cancel)
