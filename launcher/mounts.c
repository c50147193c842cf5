/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Mounts
 *
 * Runs in the child, in a mount namespace of its own that begins as a copy of the host's. What is
 * to be mounted where was decided by isolators; here it is done so that nobody who owns a part of a
 * path can lead a mount elsewhere:
 *
 *   - Sources are opened first, as trees that are attached nowhere, before any mount hides
 *     anything and before the namespace is cut off from the host's. So a mount can be put over the
 *     directory that its source is in.
 *   - A path is given as what is trusted and what is below; from there on it is resolved without
 *     symbolic links, and what has been resolved is held by descriptor: nothing is looked up twice.
 *   - In a root of its own a path is resolved as the container would: links lead within it.
 *
 * No memory is taken, and nothing is undone: the namespace goes with the process.
 */

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher/mounts.h"

/* Below what is trusted. */
#define RESOLVE_WARILY (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)

#define MS_PROPAGATION (MS_SHARED | MS_SLAVE | MS_PRIVATE)

/* Where to look: a directory, and how far to trust what is found. */
typedef struct Base {
        int dir_fd;          /* AT_FDCWD for an absolute path of the host */
        uint64_t resolve;
} Base;

/* A path that is to be there. */
typedef struct Wanted {
        bool make;
        bool file;           /* its last part, if it has to be made */
        bool owned;          /* what is made is the user's */
} Wanted;

static int child_open_path(const Base *b, const char *path, uint64_t flags) {
        struct open_how how = { .flags = O_PATH | O_CLOEXEC | flags, .resolve = b->resolve };
        long fd;

        fd = syscall(SYS_openat2, b->dir_fd, *path ? path : ".", &how, sizeof(how));
        return fd < 0 ? -errno : (int) fd;
}

/* What is made here is ours until it has been opened. */
static int child_make_entry(int parent_fd, const char *name, bool file) {
        int fd;

        if (!file)
                return mkdirat(parent_fd, name, 0755) < 0 && errno != EEXIST ? -errno : 0;

        fd = openat(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return errno == EEXIST ? 0 : -errno;

        (void) close(fd);
        return 0;
}

static int child_give_to_user(const ChildContext *c, int fd) {
        if (!c->switch_user)
                return 0;

        return fchownat(fd, "", c->plan->uid, c->plan->gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* One more part of a path than parent_fd. A part that is missing is made. */
static int child_open_part(const ChildContext *c, const Base *b, int parent_fd, const char *path, bool is_last,
                           const Wanted *w) {
        const char *name = strrchr(path, '/');
        bool file = is_last && w->file;
        int fd, r;

        fd = child_open_path(b, path, is_last ? 0 : O_DIRECTORY);
        if (fd != -ENOENT || !w->make)
                return fd;

        r = child_make_entry(parent_fd, name ? name + 1 : path, file);
        if (r < 0)
                return r;

        fd = child_open_path(b, path, file ? 0 : O_DIRECTORY);
        if (fd < 0)
                return fd;

        r = w->owned ? child_give_to_user(c, fd) : 0;
        if (r < 0) {
                (void) close(fd);
                return r;
        }

        return fd;
}

/* Opens a path part by part, each time from the base: in a root of its own, "a/b" is where "a"
 * leads and not what is below a directory that we opened as "a". */
static int child_open_wanted(const ChildContext *c, const Base *b, const char *path, const Wanted *w) {
        char part[PATH_MAX];
        size_t n = strlen(path);
        int fd;

        if (n >= sizeof(part))
                return -ENAMETOOLONG;
        if (!w->make || n == 0)
                return child_open_path(b, path, 0);

        memcpy(part, path, n + 1);
        fd = child_open_path(b, "", O_DIRECTORY);
        for (size_t i = strspn(part, "/"); fd >= 0 && part[i];) {
                size_t end = i + strcspn(part + i, "/"), next = end + strspn(part + end, "/");
                char cut = part[end];
                int parent_fd = fd;

                part[end] = '\0';
                fd = child_open_part(c, b, parent_fd, part, part[next] == '\0', w);
                part[end] = cut;
                (void) close(parent_fd);
                i = next;
        }

        return fd;
}

/* -- Sources -- */

static int child_open_tree(int dir_fd, const char *path) {
        long fd;

        fd = syscall(SYS_open_tree, dir_fd, path,
                     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | (*path ? 0 : AT_EMPTY_PATH));
        return fd < 0 ? -errno : (int) fd;
}

static int child_open_source_below(const ChildContext *c, const Mount *m) {
        const Wanted wanted = { .make = m->make_source, .owned = true };
        Base b = { AT_FDCWD, 0 };
        int below_fd, fd, tree_fd;

        below_fd = child_open_path(&b, m->source_below, O_DIRECTORY);
        if (below_fd < 0)
                return below_fd;

        b = (Base) { below_fd, RESOLVE_WARILY };
        fd = child_open_wanted(c, &b, m->source, &wanted);
        (void) close(below_fd);
        if (fd < 0)
                return fd;

        tree_fd = child_open_tree(fd, "");
        (void) close(fd);
        return tree_fd;
}

static bool is_bind(const Mount *m) {
        return !m->type && m->source;
}

int child_open_sources(const ChildContext *c) {
        const Confinement *confinement = c->plan->confinement;

        /* The launcher's own would keep the container's user out of what is made here and in child_mount(); the
         * plan's comes later. */
        (void) umask(0022);

        for (size_t i = 0; confinement && i < confinement->n_mounts; i++) {
                const Mount *m = confinement->mounts[i];
                int fd;

                if (!is_bind(m))
                        continue;

                *c->failed_item = (int32_t) i;
                fd = m->source_below ? child_open_source_below(c, m) : child_open_tree(AT_FDCWD, m->source);
                if (fd < 0)
                        return fd;

                c->mount_fds[i] = fd;
        }

        *c->failed_item = -1;
        if (!confinement || !confinement->root)
                return 0;

        *c->root_fd = child_open_tree(AT_FDCWD, confinement->root);
        return *c->root_fd < 0 ? *c->root_fd : 0;
}

/* -- The namespace -- */

static int child_set_attributes(int tree_fd, uint64_t attributes, uint64_t propagation) {
        struct mount_attr a = { .attr_set = attributes, .propagation = propagation };
        long r;

        r = syscall(SYS_mount_setattr, tree_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &a, sizeof(a));
        return r < 0 ? -errno : 0;
}

static int child_attach(int tree_fd, int target_fd) {
        long r;

        r = syscall(SYS_move_mount, tree_fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
        return r < 0 ? -errno : 0;
}

/* Mounts made here are not to appear on the host; those of the host still come in. */
int child_enter_mounts(const ChildContext *c) {
        int place_fd, r;

        if (!(c->clone_flags & CLONE_NEWNS))
                return 0;
        if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                return -errno;
        if (*c->root_fd < 0)
                return 0;

        /* A root has to be a mount; where it is attached it is not seen any more after it became
         * the root. */
        r = child_set_attributes(*c->root_fd, 0, MS_SLAVE);
        if (r < 0)
                return r;

        place_fd = open(c->plan->confinement->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (place_fd < 0)
                return -errno;

        r = child_attach(*c->root_fd, place_fd);
        (void) close(place_fd);
        return r;
}

/* -- Targets -- */

static bool is_directory(int fd) {
        struct stat st;

        return fstat(fd, &st) < 0 || S_ISDIR(st.st_mode);
}

static int child_open_target(const ChildContext *c, const Mount *m, bool file) {
        const Wanted wanted = { .make = m->make_target, .file = file, .owned = m->owned };
        Base b = { AT_FDCWD, 0 };
        int below_fd, fd;

        if (*c->root_fd >= 0)
                b = (Base) { *c->root_fd, RESOLVE_IN_ROOT };
        if (!m->target_below)
                return child_open_wanted(c, &b, m->target, &wanted);

        below_fd = child_open_wanted(c, &b, m->target_below, &(Wanted) {});
        if (below_fd < 0)
                return below_fd;

        b = (Base) { below_fd, RESOLVE_WARILY };
        fd = child_open_wanted(c, &b, m->target, &wanted);
        (void) close(below_fd);
        return fd;
}

static uint64_t attributes_of(uint64_t flags) {
        static const struct {
                uint64_t flag, attribute;
        } table[] = {
                { MS_RDONLY, MOUNT_ATTR_RDONLY },
                { MS_NOSUID, MOUNT_ATTR_NOSUID },
                { MS_NODEV, MOUNT_ATTR_NODEV },
                { MS_NOEXEC, MOUNT_ATTR_NOEXEC },
        };
        uint64_t attributes = 0;

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (flags & table[i].flag)
                        attributes |= table[i].attribute;

        return attributes;
}

/* A tree that was opened while the namespace was the host's peer is one, too, unless told
 * otherwise. */
static int child_bind(const Mount *m, int tree_fd, int target_fd) {
        int r;

        r = child_set_attributes(tree_fd, attributes_of(m->flags),
                                 m->flags & MS_PROPAGATION ? m->flags & MS_PROPAGATION : MS_SLAVE);
        return r < 0 ? r : child_attach(tree_fd, target_fd);
}

/* The old calls know no descriptors, but they do know ".". */
static int child_mount_here(const Mount *m, int target_fd) {
        if (fchdir(target_fd) < 0)
                return -errno;

        return mount(m->source, ".", m->type, (unsigned long) m->flags, m->data) < 0 ? -errno : 0;
}

static int child_mount_one(const ChildContext *c, const Mount *m, int tree_fd) {
        int fd, r;

        fd = child_open_target(c, m, is_bind(m) && !is_directory(tree_fd));
        if (fd < 0)
                return fd;

        r = is_bind(m) ? child_bind(m, tree_fd, fd) : child_mount_here(m, fd);
        (void) close(fd);
        return r;
}

int child_mount(const ChildContext *c) {
        const Confinement *confinement = c->plan->confinement;

        for (size_t i = 0; confinement && i < confinement->n_mounts; i++) {
                int r;

                *c->failed_item = (int32_t) i;
                r = child_mount_one(c, confinement->mounts[i], c->mount_fds[i]);
                if (r < 0)
                        return r;
                if (c->mount_fds[i] >= 0)
                        (void) close(c->mount_fds[i]);
        }

        *c->failed_item = -1;
        return 0;
}

/* The old root is stacked upon the new one and then taken away, so that no directory has to be
 * found, or made, to put it into. */
int child_change_root(const ChildContext *c) {
        if (*c->root_fd < 0)
                return 0;
        if (fchdir(*c->root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
                return -errno;

        return chdir("/") < 0 ? -errno : 0;
}
