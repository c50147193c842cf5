/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Is a stored database whole?
 *
 * SQLite finds most damage only when it comes across it, and takes a damaged page of the
 * write-ahead log for the place where a crash cut it off: everything after it, though committed,
 * would silently be gone. So before a daemon relies on what it stored,
 *
 *   - the whole database is checked by SQLite's own means;
 *   - the log is walked once more: pages are summed up one after the other, so the first wrong sum
 *     ends it. What follows a cut is left from before, with other salts; where it has the salts of
 *     this log, and more than one commit, it had been there when the page was still good: each
 *     commit waits for the disk, so a crash can only take the last.
 *
 * What cannot be seen: a changed byte in a value, or in the very last commit of the log. The values
 * are messages, which their readers check.
 */

#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/store_check.h"

#define WAL_HEADER_BYTES 32
#define FRAME_HEADER_BYTES 24
#define PAGE_BYTES_MAX 65536

/* https://www.sqlite.org/fileformat2.html, section 4.1; all numbers are big-endian. */
#define WAL_MAGIC UINT32_C(0x377f0682)

typedef struct Wal {
        int fd;
        bool sums_are_big_endian;
        uint32_t page_bytes, salts[2], sums[2];
        uint8_t frame[FRAME_HEADER_BYTES + PAGE_BYTES_MAX];
} Wal;

static uint32_t number_at(const uint8_t *p) {
        uint32_t n;

        memcpy(&n, p, sizeof(n));
        return be32toh(n);
}

static void sum_up(Wal *w, const uint8_t *data, size_t n) {
        for (size_t i = 0; i + 8 <= n; i += 8) {
                uint32_t x[2];

                memcpy(x, data + i, sizeof(x));
                x[0] = w->sums_are_big_endian ? be32toh(x[0]) : le32toh(x[0]);
                x[1] = w->sums_are_big_endian ? be32toh(x[1]) : le32toh(x[1]);
                w->sums[0] += x[0] + w->sums[1];
                w->sums[1] += x[1] + w->sums[0];
        }
}

static bool sums_are(const Wal *w, const uint8_t *p) {
        return w->sums[0] == number_at(p) && w->sums[1] == number_at(p + 4);
}

static bool read_header(Wal *w) {
        uint8_t h[WAL_HEADER_BYTES];

        if (fd_read_full(w->fd, h, sizeof(h)) != sizeof(h))
                return false;

        w->sums_are_big_endian = number_at(h) & 1;
        w->page_bytes = number_at(h + 8);
        w->salts[0] = number_at(h + 16);
        w->salts[1] = number_at(h + 20);
        sum_up(w, h, 24);

        return (number_at(h) & ~UINT32_C(1)) == WAL_MAGIC && sums_are(w, h + 24) &&
               w->page_bytes >= 512 && w->page_bytes <= PAGE_BYTES_MAX;
}

static bool frame_has_salts(const Wal *w) {
        return number_at(w->frame + 8) == w->salts[0] && number_at(w->frame + 12) == w->salts[1];
}

/* Whether commits of this log come after a page that is not what it was. */
static bool has_hole(Wal *w) {
        size_t n_frame = FRAME_HEADER_BYTES + w->page_bytes;
        unsigned n_commits = 0;
        bool good = true;

        while (fd_read_full(w->fd, w->frame, n_frame) == (ssize_t) n_frame) {
                if (good) {
                        sum_up(w, w->frame, 8);
                        sum_up(w, w->frame + FRAME_HEADER_BYTES, w->page_bytes);
                        good = frame_has_salts(w) && sums_are(w, w->frame + 16);
                }

                if (!good && frame_has_salts(w) && number_at(w->frame + 4) > 0)
                        n_commits++;
        }

        return n_commits > 1;
}

static int check_wal(const char *path, char **reterr_message) {
        _cleanup_free_ char *name = NULL;
        _cleanup_free_ Wal *w = calloc(1, sizeof(*w));
        _cleanup_fd_ int fd = -EBADF;
        struct stat st;

        if (!w || asprintf(&name, "%s-wal", path) < 0) {
                name = NULL;
                return -ENOMEM;
        }

        fd = open(name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? STORE_OK : -errno;

        w->fd = fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size <= WAL_HEADER_BYTES || (read_header(w) && !has_hole(w)))
                return STORE_OK;

        if (asprintf(reterr_message, "%s: what was written last is damaged", name) < 0)
                return -ENOMEM;
        return STORE_E_CORRUPT;
}

static int check_database(Store *s, const char *path, char **reterr_message) {
        sqlite3_stmt *statement = store_prepare(s, "PRAGMA integrity_check(1)");
        const char *found = NULL;
        int code = SQLITE_CORRUPT;

        if (statement)
                code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
                found = (const char *) sqlite3_column_text(statement, 0);
        if (found && streq(found, "ok"))
                return STORE_OK;
        if (code == SQLITE_NOMEM)
                return -ENOMEM;

        if (asprintf(reterr_message, "%s: %s", path, found ?: "database disk image is malformed") <
            0)
                return -ENOMEM;

        /* One line is enough of what may be many. */
        (*reterr_message)[strcspn(*reterr_message, "\n")] = '\0';
        return STORE_E_CORRUPT;
}

int store_check(const char *path, char **reterr_message) {
        _cleanup_(store_freep) Store *s = NULL;
        struct stat st;
        unsigned version;
        int r;

        /* An empty file is a new one. */
        if (stat(path, &st) < 0)
                return errno == ENOENT ? STORE_OK : -errno;

        r = check_wal(path, reterr_message);
        if (r != STORE_OK || st.st_size == 0)
                return r;

        r = store_open_read_only(path, &s, &version, reterr_message);
        return r == STORE_OK ? check_database(s, path, reterr_message) : r;
}
