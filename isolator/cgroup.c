/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Cgroups
 *
 * What a container's cgroup looks like inside. Whoever made it (systemd as a scope, the agent as a
 * directory) delegated it to the container's launcher, the only writer from then on:
 *
 *     <scope>                  no process: else no controller could be enabled for its children
 *     ├── supervisor           the launcher
 *     └── payload              no process; limits and statistics of the whole container
 *         ├── main             the executor and its tasks
 *         └── c/<id> …         nested containers with a share of their own
 *
 * Only when the launcher is gone or silent does the agent write here: it kills what is left.
 *
 * The hierarchy is wherever the kernel's mount table says, which on hosts with v1 hierarchies too
 * ("hybrid") is not /sys/fs/cgroup. All calls go by directory fd; tests hand in plain directories.
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/crash.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/process.h"
#include "common/base/usec.h"
#include "isolator/cgroup.h"

/* A mount table of a host with very many containers; some 150 bytes a mount. */
#define MOUNTINFO_MAX_BYTES (16U << 20)

/* Of cgroup.procs: some 7 bytes a process, and a host has 4 million pids at most. */
#define PROCS_MAX_BYTES (32U << 20)

/* From <linux/exportfs.h>, which is the kernel's own. */
#define FILEID_KERNFS 0xfe

/* All of a container stops within some milliseconds, but for what hangs in the kernel. */
#define FREEZE_TIMEOUT_USEC (100 * USEC_PER_MSEC)
#define FREEZE_POLL_MSEC 1

/* The kernel's own limit of nesting is cgroup.max.depth, by default none; a container may add
 * levels. */
#define DEPTH_MAX 64

/* Undoes the \040 of the mount table in place. */
static void unescape_octal(char *text) {
        char *out = text;

        for (const char *p = text; *p; p++)
                if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' &&
                    p[3] >= '0' && p[3] <= '7') {
                        *out++ = (char) ((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
                        p += 3;
                } else
                        *out++ = *p;

        *out = '\0';
}

/*
 * One line of mountinfo: "36 35 98:0 / /sys/fs/cgroup rw,… [optional …] - cgroup2 cgroup2 rw". Cuts
 * it up; returns the mount point if it is one of cgroup2, and whether that shows the whole
 * hierarchy.
 */
static char *parse_mount(char *line, bool *ret_whole) {
        char *separator, *root, *point, *saved = NULL;

        separator = strstr(line, " - ");
        if (!separator || !startswith(separator + 3, "cgroup2 "))
                return NULL;

        *separator = '\0';
        if (!strtok_r(line, " ", &saved) || !strtok_r(NULL, " ", &saved) ||
            !strtok_r(NULL, " ", &saved))
                return NULL;

        root = strtok_r(NULL, " ", &saved);
        point = strtok_r(NULL, " ", &saved);
        if (!root || !point)
                return NULL;

        *ret_whole = streq(root, "/");
        unescape_octal(point);
        return point;
}

int cgroup_find_mount(int proc_fd, char **ret) {
        _cleanup_free_ char *text = NULL;
        char *found = NULL, *saved = NULL;
        int r;

        r = file_read_at(proc_fd, "self/mountinfo", MOUNTINFO_MAX_BYTES, &text, NULL);
        if (r < 0)
                return r;

        for (char *line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved)) {
                bool whole = false;
                char *point;

                point = parse_mount(line, &whole);
                if (point && (whole || !found))
                        found = point;
                if (whole)
                        break;
        }

        if (!found)
                return -ENOENT;

        *ret = strdup(found);
        return *ret ? 0 : -ENOMEM;
}

/* Returns a descriptor of the root of the hierarchy. */
int cgroup_open_mount(int proc_fd) {
        _cleanup_free_ char *path = NULL;
        int fd, r;

        r = cgroup_find_mount(proc_fd, &path);
        if (r < 0)
                return r;

        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int cgroup_open(int mount_fd, const char *path) {
        const char *relative = path + strspn(path, "/");
        int fd;

        fd = openat(mount_fd, *relative ? relative : ".",
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* From /proc/PID/cgroup: the line of cgroup2 among those of v1 hierarchies. */
static int read_cgroup_path(int proc_fd, const char *file, char **ret) {
        _cleanup_free_ char *text = NULL;
        char *path;
        int r;

        r = file_read_at(proc_fd, file, 65536, &text, NULL);
        if (r < 0)
                return r;

        path = startswith(text, "0::") ? text : strstr(text, "\n0::");
        path = path ? strchr(path, '/') : NULL;
        if (!path)
                return -ENOENT;

        *ret = strndup(path, strcspn(path, "\n"));
        return *ret ? 0 : -ENOMEM;
}

int cgroup_path_of_process(int proc_fd, pid_t pid, char **ret) {
        char file[32];

        (void) snprintf(file, sizeof(file), "%i/cgroup", (int) pid);
        return read_cgroup_path(proc_fd, file, ret);
}

/* A kernfs file handle is the id; the kernel finds the directory. */
int cgroup_path_of_id(int mount_fd, uint64_t id, char **ret) {
        union {
                struct file_handle handle;
                uint8_t bytes[sizeof(struct file_handle) + sizeof(uint64_t)];
        } h = { .handle = { .handle_bytes = sizeof(uint64_t), .handle_type = FILEID_KERNFS } };
        char link[64], root[PATH_MAX], path[PATH_MAX];
        _cleanup_fd_ int fd = -EBADF;
        ssize_t n_root, n;

        memcpy(h.handle.f_handle, &id, sizeof(id));
        fd = open_by_handle_at(mount_fd, &h.handle, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%i", mount_fd);
        n_root = readlink(link, root, sizeof(root));
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%i", fd);
        n = readlink(link, path, sizeof(path));
        if (n_root < 0 || n < 0)
                return -errno;
        if (n < n_root || memcmp(path, root, (size_t) n_root) != 0)
                return -ENOENT;

        *ret = n == n_root ? strdup("/") : strndup(path + n_root, (size_t) (n - n_root));
        return *ret ? 0 : -ENOMEM;
}

int cgroup_read_user_controllers(int proc_fd, int mount_fd, char **ret) {
        _cleanup_free_ char *path = NULL;
        _cleanup_fd_ int fd = -EBADF;
        char *service;
        int r;

        r = read_cgroup_path(proc_fd, "self/cgroup", &path);
        if (r < 0)
                return r;

        service = strstr(path, "/user@");
        if (service)
                service[1 + strcspn(service + 1, "/")] = '\0';

        fd = cgroup_open(mount_fd, path);
        return fd < 0 ? fd : file_read_at(fd, "cgroup.controllers", 4096, ret, NULL);
}

static int make_child(int cgroup_fd, const char *name) {
        int fd;

        if (mkdirat(cgroup_fd, name, 0755) < 0 && errno != EEXIST)
                return -errno;

        fd = openat(cgroup_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/*
 * Makes the inside of a container's cgroup, moves the caller into supervisor/ and enables for
 * payload/ and what is below it the controllers that are there. Takes cgroup_fd in any case.
 */
int cgroup_tree_make(int cgroup_fd, CgroupTree *ret) {
        _cleanup_(cgroup_tree_deinit) CgroupTree t = CGROUP_TREE_NULL;
        _cleanup_fd_ int supervisor_fd = -EBADF;
        int r;

        t.fd = cgroup_fd;
        supervisor_fd = make_child(t.fd, "supervisor");
        if (supervisor_fd < 0)
                return supervisor_fd;

        /* First: as long as we are in the container's own cgroup it cannot enable anything. */
        CRASH_POINT("cgroup-join");
        r = cgroup_join(supervisor_fd, ".");
        if (r < 0)
                return r;

        CRASH_POINT("cgroup-joined");
        t.payload_fd = make_child(t.fd, "payload");
        if (t.payload_fd < 0)
                return t.payload_fd;

        r = cgroup_enable_controllers(t.fd);
        if (r < 0)
                return r;

        t.main_fd = make_child(t.payload_fd, "main");
        if (t.main_fd < 0)
                return t.main_fd;

        CRASH_POINT("cgroup-main-made");
        r = cgroup_enable_controllers(t.payload_fd);
        if (r < 0)
                return r;

        *ret = t;
        t = CGROUP_TREE_NULL;
        return 0;
}

/* What is still populated stays; so does supervisor/, where the caller is. */
void cgroup_tree_remove(CgroupTree *t) {
        if (t->fd >= 0)
                (void) cgroup_remove(t->fd, "payload");
}

void cgroup_tree_deinit(CgroupTree *t) {
        (void) fd_close(t->main_fd);
        (void) fd_close(t->payload_fd);
        (void) fd_close(t->fd);
        *t = CGROUP_TREE_NULL;
}

/*
 * Enables each controller that the cgroup has for its children. One that refuses is passed over:
 * which are needed is for those to say who set limits with them.
 */
int cgroup_enable_controllers(int cgroup_fd) {
        _cleanup_free_ char *text = NULL;
        char *saved = NULL;
        int r;

        r = file_read_at(cgroup_fd, "cgroup.controllers", 4096, &text, NULL);
        if (r < 0)
                return r;

        for (char *name = strtok_r(text, " \n", &saved); name;
             name = strtok_r(NULL, " \n", &saved)) {
                char word[64];

                if ((size_t) snprintf(word, sizeof(word), "+%s", name) < sizeof(word))
                        (void) file_write_at(cgroup_fd, "cgroup.subtree_control", word);
        }

        return 0;
}

/* Moves the calling process; `child` may be ".". */
int cgroup_join(int cgroup_fd, const char *child) {
        char path[280];

        if ((size_t) snprintf(path, sizeof(path), "%s/cgroup.procs", child) >= sizeof(path))
                return -ENAMETOOLONG;

        return file_write_at(cgroup_fd, path, "0");
}

/* Kills all that is in the cgroup and below it, also what is just being forked. */
int cgroup_kill(int cgroup_fd) {
        return file_write_at(cgroup_fd, "cgroup.kill", "1");
}

typedef struct ProcessVisit {
        CgroupProcessVisitor *visit;
        void *userdata;
} ProcessVisit;

static int visit_members(int cgroup_fd, const ProcessVisit *v) {
        _cleanup_free_ char *text = NULL;
        char *saved = NULL;
        int r;

        r = file_read_at(cgroup_fd, "cgroup.procs", PROCS_MAX_BYTES, &text, NULL);
        if (r < 0)
                return r;

        for (char *word = strtok_r(text, "\n", &saved); word; word = strtok_r(NULL, "\n", &saved)) {
                uint64_t pid;

                /* 0 is a process that this pid namespace doesn't see. */
                if (parse_u64(word, &pid) >= 0 && pid > 1 && pid <= INT32_MAX)
                        v->visit((pid_t) pid, v->userdata);
        }

        return 0;
}

/* Calls f for each child cgroup; stops at the first error. */
static int for_each_child(int cgroup_fd, unsigned depth, const void *argument,
                          int (*f)(int parent_fd, const char *name, unsigned depth, const void *argument)) {
        int fd, r = 0;
        DIR *d;

        fd = openat(cgroup_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        d = fdopendir(fd);
        if (!d) {
                r = -errno;
                (void) fd_close(fd);
                return r;
        }

        for (struct dirent *e; r >= 0 && (errno = 0, e = readdir(d));)
                if (e->d_type == DT_DIR && e->d_name[0] != '.')
                        r = depth < DEPTH_MAX ? f(fd, e->d_name, depth + 1, argument) : -ELOOP;

        if (r >= 0)
                r = -errno;

        (void) closedir(d);
        return r;
}

static int visit_child(int parent_fd, const char *name, unsigned depth, const void *argument) {
        _cleanup_fd_ int fd = -EBADF;
        int r;

        fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;

        /* Of a threaded one the processes are listed by the domain above; -ENODEV: it has just been removed. */
        r = visit_members(fd, argument);
        if (r < 0)
                return r == -EOPNOTSUPP || r == -ENODEV ? 0 : r;

        return for_each_child(fd, depth, argument, visit_child);
}

/* Calls visit for each process in the cgroup and below it. One that is forked meanwhile may be missed. */
int cgroup_foreach_process(int cgroup_fd, CgroupProcessVisitor *visit, void *userdata) {
        const ProcessVisit v = { visit, userdata };
        int r;

        r = visit_members(cgroup_fd, &v);
        if (r < 0)
                return r;

        return for_each_child(cgroup_fd, 0, &v, visit_child);
}

typedef struct CgroupVisit {
        CgroupVisitor *visit;
        void *userdata;
} CgroupVisit;

static int visit_cgroup(int cgroup_fd, unsigned depth, const CgroupVisit *v);

static int visit_cgroup_below(int parent_fd, const char *name, unsigned depth, const void *argument) {
        _cleanup_fd_ int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int r = fd < 0 ? -errno : visit_cgroup(fd, depth, argument);

        /* It has just been removed. */
        return r == -ENOENT || r == -ENODEV ? 0 : r;
}

static int visit_cgroup(int cgroup_fd, unsigned depth, const CgroupVisit *v) {
        struct stat st;

        if (fstat(cgroup_fd, &st) < 0)
                return -errno;

        v->visit(st.st_ino, v->userdata);
        return for_each_child(cgroup_fd, depth, v, visit_cgroup_below);
}

/* Calls visit with the id of the cgroup and of each below it. */
int cgroup_foreach(int cgroup_fd, CgroupVisitor *visit, void *userdata) {
        const CgroupVisit v = { visit, userdata };

        return visit_cgroup(cgroup_fd, 0, &v);
}

static void signal_process(pid_t pid, void *userdata) {
        (void) kill(pid, *(const int *) userdata);
}

/* Nobody runs, so nobody forks. It takes a moment until all have stopped; who does not in time may fork on. */
static bool freeze(int cgroup_fd) {
        usec_t deadline_usec = usec_now(CLOCK_MONOTONIC) + FREEZE_TIMEOUT_USEC;
        uint64_t frozen = 0;

        if (file_write_at(cgroup_fd, "cgroup.freeze", "1") < 0)
                return false;

        while (cgroup_read_keyed(cgroup_fd, "cgroup.events", "frozen", &frozen) >= 0 && frozen == 0 &&
               usec_now(CLOCK_MONOTONIC) < deadline_usec)
                (void) poll(NULL, 0, FREEZE_POLL_MSEC);

        return true;
}

/*
 * Sends a signal to each process in the cgroup and below it, while all of it is frozen, so that none
 * is forked away from under the signal. The signal is taken when it thaws. For SIGKILL there is
 * cgroup_kill().
 */
int cgroup_signal(int cgroup_fd, int signal_number) {
        bool frozen = freeze(cgroup_fd);
        int r;

        r = cgroup_foreach_process(cgroup_fd, signal_process, &signal_number);
        if (frozen)
                (void) file_write_at(cgroup_fd, "cgroup.freeze", "0");

        return r;
}

int cgroup_read_keyed(int cgroup_fd, const char *path, const char *name, uint64_t *ret) {
        _cleanup_free_ char *text = NULL;
        char *saved = NULL;
        int r;

        r = file_read_at(cgroup_fd, path, 65536, &text, NULL);
        if (r < 0)
                return r;

        for (char *line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved)) {
                const char *value = startswith(line, name);

                if (value && *value == ' ')
                        return parse_u64(value + 1, ret);
        }

        return -ENODATA;
}

/* Returns 1 when a live process is in the cgroup or below it, else 0. Zombies don't count. */
int cgroup_is_populated(int cgroup_fd) {
        uint64_t populated;
        int r;

        r = cgroup_read_keyed(cgroup_fd, "cgroup.events", "populated", &populated);
        if (r < 0)
                return r;

        return populated != 0;
}

/* How often the kernel killed something in the cgroup for memory; -ENOENT without the memory
 * controller. */
int cgroup_count_oom_kills(int cgroup_fd, uint64_t *ret) {
        return cgroup_read_keyed(cgroup_fd, "memory.events", "oom_kill", ret);
}

int cgroup_count_ooms(int cgroup_fd, uint64_t *ret) {
        return cgroup_read_keyed(cgroup_fd, "memory.events", "oom", ret);
}

static int remove_child(int parent_fd, const char *name, unsigned depth, const void *argument) {
        _cleanup_fd_ int fd = -EBADF;
        int r;

        fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;

        r = for_each_child(fd, depth, argument, remove_child);
        if (r < 0)
                return r;

        return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/* Removes a cgroup and those below it: -EBUSY when a process is in one. One that isn't there is
 * success. */
int cgroup_remove(int parent_fd, const char *name) {
        return remove_child(parent_fd, name, 0, NULL);
}
