#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reference data that is not part of the tree: message tables and recorded traffic. It lies beside
 * the source tree, or where HOLDFAST_SHARED says. Tests that need it skip when it isn't there.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/macro.h"

#define EXIT_SKIP 77

/* The path of one of its files or folders, owned by the caller; skips visibly without it. */
static inline char *shared_path(const char *name) {
        const char *shared = getenv("HOLDFAST_SHARED"), *top_srcdir = getenv("top_srcdir");
        char *path;
        int r;

        if (shared)
                r = asprintf(&path, "%s/%s", shared, name);
        else
                r = asprintf(&path, "%s/../shared/%s", top_srcdir ?: ".", name);
        if (r < 0)
                abort();

        if (access(path, R_OK) < 0) {
                printf("SKIP: no reference data at %s (set HOLDFAST_SHARED)\n", path);
                exit(EXIT_SKIP);
        }

        return path;
}

/* The contents with a NUL after them, owned by the caller. */
static inline char *shared_read(const char *path, size_t *ret_n) {
        FILE *f = fopen(path, "re");
        char *data = NULL;
        size_t n = 0, k;

        if (!f)
                abort();

        do {
                data = realloc(data, n + 65536 + 1);
                if (!data)
                        abort();
                k = fread(data + n, 1, 65536, f);
                n += k;
        } while (k > 0);

        fclose(f);
        data[n] = '\0';
        *ret_n = n;
        return data;
}
