/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Archives
 *
 * What a URI brought is unpacked into the sandbox when its name says that it is an archive. The
 * archive is a stranger's: it may name files outside (absolute, with "..", or through a link that
 * an earlier entry made), be a device, or be small and expand without end. The first such entry
 * ends the fetch, because half an archive is no archive.
 *
 * Owners are not restored, and modes go through the umask without the set-id bits: the files
 * are the task's own.
 */

#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fetch_archive.h"
#include "agent/fetch_target.h"

#define BLOCK_BYTES 65536

/* Text compresses by 5, source trees by 10; zeroes by 1000 and more, which is fine up to a point. */
#define FREE_EXPANSION_BYTES (UINT64_C(1) << 30)
#define MAX_EXPANSION_RATIO 200

typedef struct Extraction {
        struct archive *reader;
        struct archive *writer;
        uint64_t n_entries;
        uint64_t n_bytes;
        uint64_t max_entries;
        uint64_t max_bytes;
} Extraction;

static void extraction_deinit(Extraction *x) {
        if (x->writer)
                archive_write_free(x->writer);
        if (x->reader)
                archive_read_free(x->reader);
}

static bool ends_with(const char *text, const char *suffix) {
        size_t n = strlen(text), n_suffix = strlen(suffix);

        return n > n_suffix && streq(text + n - n_suffix, suffix);
}

FetchArchiveKind fetch_archive_kind(const char *path) {
        static const char *const trees[] = {
                ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip",
        };

        for (size_t i = 0; i < ELEMENTSOF(trees); i++)
                if (ends_with(path, trees[i]))
                        return FETCH_ARCHIVE_TREE;

        return ends_with(path, ".gz") ? FETCH_ARCHIVE_GZIP : FETCH_ARCHIVE_NONE;
}

static int fail_reading(const Extraction *x, char **reterr_message) {
        return fetch_fail(reterr_message, "cannot extract it: %s",
                          archive_error_string(x->reader) ?: "the archive is damaged");
}

static int fail_writing(const Extraction *x, const char *name, char **reterr_message) {
        return fetch_fail(reterr_message, "cannot extract its entry '%s': %s", name,
                          archive_error_string(x->writer) ?: "unknown error");
}

/* The bound on what comes out of n bytes. */
static uint64_t max_expansion(uint64_t n, uint64_t max_expanded_bytes) {
        if (n > (UINT64_MAX - FREE_EXPANSION_BYTES) / MAX_EXPANSION_RATIO)
                return max_expanded_bytes;

        return MIN(FREE_EXPANSION_BYTES + n * MAX_EXPANSION_RATIO, max_expanded_bytes);
}

static int extraction_open(Extraction *x, int archive_fd, FetchArchiveKind kind,
                           FetchArchiveLimits limits, char **reterr_message) {
        struct stat st;

        if (fstat(archive_fd, &st) < 0 || lseek(archive_fd, 0, SEEK_SET) < 0)
                return -errno;

        x->max_entries = limits.max_entries;
        x->max_bytes = max_expansion((uint64_t) st.st_size, limits.max_expanded_bytes);

        x->reader = archive_read_new();
        if (!x->reader)
                return -ENOMEM;

        (void) archive_read_support_filter_gzip(x->reader);
        if (kind == FETCH_ARCHIVE_GZIP)
                (void) archive_read_support_format_raw(x->reader);
        else {
                (void) archive_read_support_filter_bzip2(x->reader);
                (void) archive_read_support_filter_xz(x->reader);
                (void) archive_read_support_format_tar(x->reader);
                (void) archive_read_support_format_zip(x->reader);
        }

        if (archive_read_open_fd(x->reader, archive_fd, BLOCK_BYTES) != ARCHIVE_OK)
                return fail_reading(x, reterr_message);

        return FETCH_OK;
}

/* Counts what is about to be at [offset, offset + n) of the entry, holes of sparse files included. */
static int charge(Extraction *x, uint64_t entry_end, uint64_t *entry_bytes, char **reterr_message) {
        if (entry_end > *entry_bytes) {
                uint64_t more = entry_end - *entry_bytes;

                if (more > x->max_bytes - x->n_bytes)
                        return fetch_fail(reterr_message,
                                          "it expands to more than the %" PRIu64 " bytes allowed",
                                          x->max_bytes);
                x->n_bytes += more;
                *entry_bytes = entry_end;
        }

        return FETCH_OK;
}

static int copy_entry_data(Extraction *x, const char *name, char **reterr_message) {
        uint64_t entry_bytes = 0;

        for (;;) {
                const void *data;
                size_t n;
                la_int64_t offset;
                int k, r;

                k = archive_read_data_block(x->reader, &data, &n, &offset);
                if (k == ARCHIVE_EOF)
                        return FETCH_OK;
                if (k != ARCHIVE_OK || offset < 0)
                        return fail_reading(x, reterr_message);

                r = charge(x, (uint64_t) offset + n, &entry_bytes, reterr_message);
                if (r != FETCH_OK)
                        return r;

                if (archive_write_data_block(x->writer, data, n, offset) < ARCHIVE_OK)
                        return fail_writing(x, name, reterr_message);
        }
}

static int check_entry(Extraction *x, struct archive_entry *entry, const char *name,
                       char **reterr_message) {
        mode_t type = archive_entry_filetype(entry);

        if (++x->n_entries > x->max_entries)
                return fetch_fail(reterr_message,
                                  "it has more than the %" PRIu64 " entries allowed",
                                  x->max_entries);

        /* Hard links have no type of their own. */
        if (!archive_entry_hardlink(entry) && type != AE_IFREG && type != AE_IFDIR &&
            type != AE_IFLNK)
                return fetch_fail(reterr_message, "its entry '%s' is a device, a fifo or a socket",
                                  name);

        if (archive_entry_size(entry) > 0 &&
            (uint64_t) archive_entry_size(entry) > x->max_bytes - x->n_bytes)
                return fetch_fail(reterr_message,
                                  "it expands to more than the %" PRIu64 " bytes allowed",
                                  x->max_bytes);

        return FETCH_OK;
}

static int extract_entry(Extraction *x, struct archive_entry *entry, char **reterr_message) {
        const char *name = archive_entry_pathname(entry);
        int r;

        if (!name)
                return fetch_fail(reterr_message, "it has an entry whose name cannot be read");

        r = check_entry(x, entry, name, reterr_message);
        if (r != FETCH_OK)
                return r;

        /* A warning is about a time or an attribute that could not be kept; the file is there. */
        if (archive_write_header(x->writer, entry) < ARCHIVE_WARN)
                return fail_writing(x, name, reterr_message);

        r = copy_entry_data(x, name, reterr_message);
        if (r != FETCH_OK)
                return r;

        if (archive_write_finish_entry(x->writer) < ARCHIVE_WARN)
                return fail_writing(x, name, reterr_message);

        return FETCH_OK;
}

/* libarchive writes relative to the working directory, which is the sandbox; the flags keep it inside. */
static int extract_tree(Extraction *x, char **reterr_message) {
        const int flags = ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
                ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS | ARCHIVE_EXTRACT_TIME;
        int k, r;

        x->writer = archive_write_disk_new();
        if (!x->writer)
                return -ENOMEM;

        (void) archive_write_disk_set_options(x->writer, flags);

        for (;;) {
                struct archive_entry *entry;

                k = archive_read_next_header(x->reader, &entry);
                if (k == ARCHIVE_EOF)
                        break;
                if (k < ARCHIVE_WARN)
                        return fail_reading(x, reterr_message);

                r = extract_entry(x, entry, reterr_message);
                if (r != FETCH_OK)
                        return r;
        }

        /* Directories get their times last, here. */
        if (archive_write_close(x->writer) < ARCHIVE_WARN)
                return fail_writing(x, ".", reterr_message);

        return FETCH_OK;
}

static int gunzip(Extraction *x, int sandbox_fd, const char *path, char **reterr_message) {
        _cleanup_(fetch_target_deinit) FetchTarget target = FETCH_TARGET_NULL;
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        _cleanup_free_ char *plain = NULL;
        struct archive_entry *entry;
        uint64_t n_bytes = 0;
        int r;

        plain = strndup(name, strlen(name) - strlen(".gz"));
        if (!plain)
                return -ENOMEM;
        if (!plain[0])
                return fetch_fail(reterr_message, "nothing is left of its name without '.gz'");

        r = fetch_target_open(sandbox_fd, plain, &target, reterr_message);
        if (r != FETCH_OK)
                return r;

        if (archive_read_next_header(x->reader, &entry) < ARCHIVE_WARN)
                return fail_reading(x, reterr_message);
        if (archive_filter_code(x->reader, 0) != ARCHIVE_FILTER_GZIP)
                return fetch_fail(reterr_message, "cannot extract it: it is not in gzip format");

        for (;;) {
                char block[BLOCK_BYTES];
                la_ssize_t n;

                n = archive_read_data(x->reader, block, sizeof(block));
                if (n < 0)
                        return fail_reading(x, reterr_message);
                if (n == 0)
                        break;

                r = charge(x, n_bytes + (uint64_t) n, &n_bytes, reterr_message);
                if (r != FETCH_OK)
                        return r;

                r = fd_write_full(target.fd, block, (size_t) n);
                if (r < 0)
                        return fetch_fail(reterr_message, "cannot write to the sandbox: %s",
                                          strerror(-r));
        }

        x->n_entries = 1;
        return fetch_target_commit(&target, 0644, reterr_message);
}

/*
 * Unpacks into the sandbox's top, as Mesos does, also when the archive itself was put below. The
 * working directory must be the sandbox. `path` is the archive's name. Returns FETCH_OK,
 * FETCH_E_FAILED with the reason, or a negative errno; what had been unpacked by then stays.
 */
int fetch_archive_extract(int sandbox_fd, int archive_fd, const char *path,
                          FetchArchiveLimits limits, uint64_t *ret_entries, char **reterr_message) {
        _cleanup_(extraction_deinit) Extraction x = {};
        FetchArchiveKind kind = fetch_archive_kind(path);
        int r;

        r = extraction_open(&x, archive_fd, kind, limits, reterr_message);
        if (r != FETCH_OK)
                return r;

        if (kind == FETCH_ARCHIVE_GZIP)
                r = gunzip(&x, sandbox_fd, path, reterr_message);
        else
                r = extract_tree(&x, reterr_message);
        if (r != FETCH_OK)
                return r;

        *ret_entries = x.n_entries;
        return FETCH_OK;
}
