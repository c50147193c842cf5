#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Files: the log and the sandboxes as one read-only tree of virtual paths. See files.c. */

#include <sys/types.h>

#include "common/base/macro.h"
#include "common/base/usec.h"

typedef struct Files Files;

/* Told one attached directory or file; both texts are borrowed for the call. */
typedef void (*FilesVisit)(const char *virtual_path, const char *real_path, void *userdata);

/*
 * Tells what is attached besides the fixed entries, by calling `visit` for each. `path` is the path
 * somebody asks for, NULL when all are wanted: what is not at or above it may be left out.
 */
typedef void (*FilesSource)(const char *path, FilesVisit visit, void *visit_userdata,
                            void *userdata);

/* `source` may be NULL. */
int files_new(FilesSource source, void *userdata, Files **ret);
Files *files_free(Files *f);
DEFINE_CLEANUP(Files *, files_free)

int files_attach(Files *f, const char *virtual_path, const char *real_path);
void files_detach(Files *f, const char *virtual_path);
void files_foreach(const Files *f, FilesVisit visit, void *userdata);

enum {
        FILES_OK = 0,
        FILES_E_NOT_FOUND,
        FILES_E_INACCESSIBLE,    /* outside of what is attached, a FIFO, a device, not readable */
        FILES_E_DIRECTORY,       /* a file was asked for */
};

/* How much files_read() gives at most: 16 pages, as Mesos does. */
#define FILES_READ_MAX ((size_t) 65536)

/* How many entries of a directory are listed. */
#define FILES_LIST_MAX 10000

typedef struct FileEntry {
        char *path;              /* owned; virtual */
        uint64_t size;
        uint64_t n_links;
        usec_t mtime_usec;       /* whole seconds */
        mode_t mode;
        uid_t uid;
        gid_t gid;
} FileEntry;

typedef struct FileList {
        FileEntry *entries;      /* sorted by path; owned */
        size_t n_entries;
} FileList;

void file_list_deinit(FileList *l);

/* FILES_OK, FILES_E_*, or a negative errno; a file has no entries. */
int files_list(const Files *f, const char *path, FileList *ret);

/* Opens a regular file for reading. */
int files_open(const Files *f, const char *path, int *ret_fd, uint64_t *ret_size);

/*
 * Reads up to n bytes, and never more than FILES_READ_MAX, at an offset; past the end there is
 * nothing. *ret_data is malloc()ed, never NULL; *ret_size is the size of the file.
 */
int files_read(const Files *f, const char *path, uint64_t offset, uint64_t n,
               char **ret_data, size_t *ret_n, uint64_t *ret_size);

/* "-rw-r--r--". */
void file_mode_format(mode_t mode, char ret[static 11]);
