#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* An empty directory for each test, in *state, with a descriptor of it. */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/file.h"

typedef struct Dir {
        char path[40];
        int fd;
} Dir;

static inline int dir_setup(void **state) {
        Dir *d = calloc(1, sizeof(*d));

        if (!d)
                return -1;

        strcpy(d->path, "/tmp/holdfast-unit-XXXXXX");
        if (!mkdtemp(d->path))
                return -1;

        d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *state = d;
        return d->fd < 0 ? -1 : 0;
}

static inline int dir_teardown(void **state) {
        Dir *d = *state;
        int r = file_remove_tree_at(AT_FDCWD, d->path);

        (void) fd_close(d->fd);
        free(d);
        return r;
}
