/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Disk usage
 *
 * What du(1) finds, of a tree that belongs to somebody who may not wish us well, and who changes it
 * while we look:
 *
 *   - blocks count, not sizes: a sparse file is as small as it is;
 *   - a file with several names counts once;
 *   - no symbolic link is followed, and no mount is entered, not even one of the same disk;
 *   - what vanishes while we look is passed over: it is no longer used;
 *   - one descriptor for each level stays open, so that a directory that is moved meanwhile takes us
 *     nowhere else;
 *   - a tree without end meets a bound of time or of depth; what was found until then is at least
 *     what is used, which is enough to know that too much is.
 *
 * A directory is read a page at a time, and where its reading stopped is remembered when a
 * directory in it is entered: memory is by depth, not by the number of files.
 */

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/disk_usage.h"
#include "common/base/fd.h"

/* Small, since it is read again after each directory in it. */
#define PAGE_BYTES 4096

/* Descriptors that are not levels. */
#define N_OTHER_FDS 32

/* st_blocks and stx_blocks are in these, whatever the file system has. */
#define BLOCK_BYTES 512

typedef struct Level {
        int fd;
        int64_t resume;         /* where reading goes on */
} Level;

typedef struct Link {
        uint64_t device, inode;
} Link;

/* Open addressing; an inode number of 0 is a free slot. Never more than half full. */
typedef struct LinkSet {
        Link *slots;
        size_t n, n_slots;
} LinkSet;

typedef struct Walk {
        DiskUsageBounds bounds;
        usec_t deadline_usec;
        uint64_t mount_id;
        uint64_t n_blocks;
        bool incomplete;
        LinkSet links;
        Level *levels;          /* the directory that is being read, and those it is in */
        size_t n_levels, n_allocated;
} Walk;

static void walk_deinit(Walk *w) {
        for (size_t i = 0; i < w->n_levels; i++)
                (void) fd_close(w->levels[i].fd);
        free(w->levels);
        free(w->links.slots);
}

static Link *link_slot(const LinkSet *s, Link link) {
        size_t i = (size_t) ((link.inode * UINT64_C(0x9e3779b97f4a7c15)) ^ link.device);

        while (s->slots[i & (s->n_slots - 1)].inode != 0 &&
               (s->slots[i & (s->n_slots - 1)].inode != link.inode ||
                s->slots[i & (s->n_slots - 1)].device != link.device))
                i++;

        return &s->slots[i & (s->n_slots - 1)];
}

static int links_grow(LinkSet *s) {
        LinkSet grown = { .n = s->n, .n_slots = MAX(s->n_slots * 2, (size_t) 1024) };

        grown.slots = calloc(grown.n_slots, sizeof(*grown.slots));
        if (!grown.slots)
                return -ENOMEM;

        for (size_t i = 0; i < s->n_slots; i++)
                if (s->slots[i].inode != 0)
                        *link_slot(&grown, s->slots[i]) = s->slots[i];

        free(s->slots);
        *s = grown;
        return 0;
}

/* Whether it was seen before. Beyond the bound each name counts: rather too much for who has a million of them than
 * memory without end. */
static bool links_remember(Walk *w, Link link) {
        LinkSet *s = &w->links;
        Link *slot;

        if (s->n >= w->bounds.max_links || (s->n * 2 >= s->n_slots && links_grow(s) < 0))
                return false;

        slot = link_slot(s, link);
        if (slot->inode != 0)
                return true;

        *slot = link;
        s->n++;
        return false;
}

static void count(Walk *w, const struct statx *st) {
        const Link link = { makedev(st->stx_dev_major, st->stx_dev_minor), st->stx_ino };

        if (!S_ISDIR(st->stx_mode) && st->stx_nlink > 1 && st->stx_ino != 0 && links_remember(w, link))
                return;

        w->n_blocks += st->stx_blocks;
}

static int look(int dir_fd, const char *name, struct statx *ret) {
        int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH);

        return statx(dir_fd, name, flags, STATX_BASIC_STATS | STATX_MNT_ID, ret) < 0 ? -errno : 0;
}

static int push_level(Walk *w, int fd) {
        if (w->n_levels == w->n_allocated) {
                size_t n = MAX(w->n_allocated * 2, (size_t) 64);
                Level *levels = reallocarray(w->levels, n, sizeof(*levels));

                if (!levels) {
                        (void) fd_close(fd);
                        return -ENOMEM;
                }
                w->levels = levels;
                w->n_allocated = n;
        }

        w->levels[w->n_levels++] = (Level) { .fd = fd };
        return 0;
}

static int open_beneath(int dir_fd, const char *name, uint64_t resolve) {
        struct open_how how = {
                .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | resolve,
        };
        int fd = (int) syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}

/* Returns 1 when there is a new level to read, 0 when there isn't. */
static int enter(Walk *w, int dir_fd, const char *name) {
        int fd, r;

        if (w->n_levels >= w->bounds.max_depth) {
                w->incomplete = true;
                return 0;
        }

        /* Gone, moved, replaced by something else, closed to us: nothing to be found here. */
        fd = open_beneath(dir_fd, name, RESOLVE_NO_XDEV);
        if (fd < 0) {
                w->incomplete = w->incomplete || fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM;
                return 0;
        }

        r = push_level(w, fd);
        return r < 0 ? r : 1;
}

/* Returns 1 when a directory was entered. */
static int visit(Walk *w, int dir_fd, const char *name) {
        struct statx st;

        if (streq(name, ".") || streq(name, "..") || look(dir_fd, name, &st) < 0)
                return 0;

        /* Something is mounted here, and seen from here: it is not what the tree occupies. */
        if ((st.stx_mask & STATX_MNT_ID) && st.stx_mnt_id != w->mount_id)
                return 0;

        count(w, &st);
        return S_ISDIR(st.stx_mode) ? enter(w, dir_fd, name) : 0;
}

/* The next entries of a directory; 0 at its end. One that was removed meanwhile has none, and says so by an error. */
static ssize_t read_page(const Level *l, char *page) {
        ssize_t n = lseek(l->fd, l->resume, SEEK_SET) < 0 ? 0 : getdents64(l->fd, page, PAGE_BYTES);

        return MAX(n, (ssize_t) 0);
}

/* A page of the innermost directory; leaves it at its end. */
static int walk_page(Walk *w) {
        _Alignas(struct dirent64) char page[PAGE_BYTES];
        size_t at = w->n_levels - 1;
        ssize_t n = read_page(&w->levels[at], page);

        if (n == 0) {
                w->levels[at].fd = fd_close(w->levels[at].fd);
                w->n_levels--;
                return 0;
        }

        for (ssize_t i = 0; i < n;) {
                const struct dirent64 *e = (const struct dirent64 *) (const void *) (page + i);
                int r;

                w->levels[at].resume = e->d_off;
                i += e->d_reclen;
                r = visit(w, w->levels[at].fd, e->d_name);
                if (r != 0)
                        return r;
        }

        return 0;
}

static int walk(Walk *w) {
        int r = 0;

        while (w->n_levels > 0 && r >= 0) {
                if (usec_now(CLOCK_MONOTONIC) >= w->deadline_usec) {
                        w->incomplete = true;
                        break;
                }
                r = walk_page(w);
        }

        return MIN(r, 0);
}

/* As many levels as there may be descriptors. */
static size_t raise_fd_limit(size_t wanted) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return 64;

        limit.rlim_cur = MIN(limit.rlim_max, (rlim_t) (wanted + N_OTHER_FDS));
        (void) setrlimit(RLIMIT_NOFILE, &limit);
        return limit.rlim_cur > N_OTHER_FDS ? MIN(wanted, (size_t) limit.rlim_cur - N_OTHER_FDS) : 1;
}

static int begin(Walk *w, const char *root, const char *path) {
        _cleanup_fd_ int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct statx st;
        int fd, r;

        if (root_fd < 0)
                return -errno;

        fd = open_beneath(root_fd, path, 0);
        if (fd < 0)
                return fd;

        r = push_level(w, fd);
        if (r == 0)
                r = look(fd, "", &st);
        if (r < 0)
                return r;

        w->mount_id = st.stx_mnt_id;
        count(w, &st);
        return 0;
}

int disk_usage_measure(const char *root, const char *path, DiskUsageBounds bounds, uint64_t *ret_bytes) {
        _cleanup_(walk_deinit) Walk w = {
                .bounds = bounds,
                .deadline_usec = usec_add(usec_now(CLOCK_MONOTONIC), bounds.time_usec),
        };
        int r;

        w.bounds.max_depth = raise_fd_limit(bounds.max_depth);
        r = begin(&w, root, path);
        if (r == 0)
                r = walk(&w);
        if (r < 0)
                return r;

        *ret_bytes = w.n_blocks * BLOCK_BYTES;
        return w.incomplete ? DISK_USAGE_E_INCOMPLETE : DISK_USAGE_OK;
}
