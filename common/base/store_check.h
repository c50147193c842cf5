#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Is a stored database whole, and what can be saved of it if not? See store_check.c,
 * store_salvage.c. */

#include "common/base/store.h"

/*
 * Looks without changing anything. STORE_OK, also where there is no file yet; STORE_E_CORRUPT with
 * what is wrong in *reterr_message, which names the file; or a negative errno.
 */
int store_check(const char *path, char **reterr_message);

/*
 * Moves a damaged database aside and makes a new one with the rows of it that can be read.
 * *ret_aside, owned by the caller, is where the old one is now.
 */
int store_salvage(const char *path, const char *const *migrations, unsigned n_migrations,
                  char **ret_aside, uint64_t *ret_n_rows, char **reterr_message);
