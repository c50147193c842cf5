#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Store: an SQLite database opened our way, with one commit per turn of the loop. See store.c. */

#include <sqlite3.h>
#include <systemd/sd-event.h>

#include "common/base/macro.h"

typedef struct Store Store;

enum {
        STORE_OK = 0,
        STORE_E_NEWER,      /* written by a later version of us; nothing was changed */
        STORE_E_CORRUPT,    /* not a database, or a damaged one */
};

/* migrations[i] is SQL that takes the schema from version i to i + 1. */
int store_open(const char *path, const char *const *migrations, unsigned n_migrations,
               Store **ret, char **reterr_message);

/*
 * For looking only, also while somebody else writes to it, on a disk that cannot be written, or
 * when it is damaged. *ret_version is its schema; what of it can be read turns out by reading.
 */
int store_open_read_only(const char *path, Store **ret, unsigned *ret_version,
                         char **reterr_message);

Store *store_free(Store *s);
DEFINE_CLEANUP(Store *, store_free)

sqlite3_stmt *store_prepare(Store *s, const char *sql);
int store_step(Store *s, sqlite3_stmt *statement);
int store_exec(Store *s, const char *sql);

/* Something that belongs to this turn could not even be tried: its commit fails with the error. Returns it. */
int store_fail(Store *s, int error);

/* Called when the transaction that was open at store_after_commit() is durable (0) or failed (<0). */
typedef void (*StoreCommitted)(int error, void *userdata);

int store_attach_event(Store *s, sd_event *event);
int store_after_commit(Store *s, StoreCommitted callback, void *userdata);
int store_commit(Store *s);
