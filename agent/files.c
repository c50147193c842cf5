/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files
 *
 * Operators read logs and sandboxes by virtual paths, each attached to a real file or directory:
 *
 *     /slave/log                                      -> <log_dir>/…
 *     <work_dir>/…/executors/E/runs/<container>       -> the same
 *     /frameworks/F/executors/E/runs/latest           -> <work_dir>/…/runs/<container>
 *
 * The longest attached path that is a whole-component prefix of what is asked for decides; the rest
 * is looked up below it. What lies in a sandbox was put there by strangers, and we often read it as
 * root. So the kernel keeps us beneath the attached directory (RESOLVE_BENEATH, whatever symbolic
 * links, ".." or renames during the lookup say), nothing is opened before it is known to be a
 * regular file or a directory, so that no FIFO blocks and no device acts, and listings and reads
 * have a fixed largest size.
 *
 * Sandboxes come and go with executors. They are not copied into a table here, which could go
 * stale, but told by a FilesSource when somebody asks.
 */

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uthash.h>

#include "agent/files.h"
#include "common/base/fd.h"

/* A rename elsewhere in the tree may make a lookup with ".." in it inconclusive. */
#define LOOKUP_TRIES 16

typedef struct Attachment {
        char *virtual_path;    /* owned */
        char *real_path;       /* owned */
        UT_hash_handle hh;
} Attachment;

struct Files {
        Attachment *attachments;    /* uthash by virtual_path; owned */
        FilesSource source;         /* may be NULL */
        void *source_userdata;
};

static Attachment *attachment_free(Attachment *a) {
        if (!a)
                return NULL;

        free(a->virtual_path);
        free(a->real_path);
        free(a);
        return NULL;
}
DEFINE_CLEANUP(Attachment *, attachment_free)

int files_new(FilesSource source, void *userdata, Files **ret) {
        Files *f;

        assert(ret);

        f = malloc(sizeof(*f));
        if (!f)
                return -ENOMEM;

        *f = (Files) { .source = source, .source_userdata = userdata };
        *ret = f;
        return 0;
}

Files *files_free(Files *f) {
        Attachment *a, *next;

        if (!f)
                return NULL;

        HASH_ITER(hh, f->attachments, a, next) {
                HASH_DEL(f->attachments, a);
                (void) attachment_free(a);
        }
        free(f);
        return NULL;
}

/* Attaching a path again moves it. */
int files_attach(Files *f, const char *virtual_path, const char *real_path) {
        _cleanup_(attachment_freep) Attachment *a = NULL;

        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;

        a->virtual_path = strdup(virtual_path);
        a->real_path = strdup(real_path);
        if (!a->virtual_path || !a->real_path)
                return -ENOMEM;

        files_detach(f, virtual_path);
        HASH_ADD_KEYPTR(hh, f->attachments, a->virtual_path, strlen(a->virtual_path), a);
        TAKE_PTR(a);
        return 0;
}

void files_detach(Files *f, const char *virtual_path) {
        Attachment *a;

        HASH_FIND_STR(f->attachments, virtual_path, a);
        if (a) {
                HASH_DEL(f->attachments, a);
                (void) attachment_free(a);
        }
}

static void visit_all(const Files *f, const char *path, FilesVisit visit, void *userdata) {
        const Attachment *a;

        for (a = f->attachments; a; a = a->hh.next)
                visit(a->virtual_path, a->real_path, userdata);

        if (f->source)
                f->source(path, visit, userdata, f->source_userdata);
}

void files_foreach(const Files *f, FilesVisit visit, void *userdata) {
        visit_all(f, NULL, visit, userdata);
}

/* The best match so far for a path. */
typedef struct Match {
        const char *path;
        size_t n_prefix;       /* of the path, which is attached; 0: none yet */
        char *real_path;       /* owned */
        bool out_of_memory;
} Match;

static void consider(const char *virtual_path, const char *real_path, void *userdata) {
        Match *m = userdata;
        size_t n = strlen(virtual_path);

        if (n <= m->n_prefix || strncmp(m->path, virtual_path, n) != 0)
                return;
        if (m->path[n] != '\0' && m->path[n] != '/')
                return;

        free(m->real_path);
        m->real_path = strdup(real_path);
        m->out_of_memory = !m->real_path;
        m->n_prefix = n;
}

/* Beneath the directory, come what may. Gives an O_PATH descriptor, which makes nothing happen. */
static int open_beneath(int dir_fd, const char *path) {
        struct open_how how = {
                .flags = O_PATH | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
        };
        long fd = -1;

        for (unsigned i = 0; i < LOOKUP_TRIES; i++) {
                fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
                if (fd >= 0 || errno != EAGAIN)
                        break;
        }

        return fd < 0 ? -errno : (int) fd;
}

static int outcome_of_errno(int error) {
        switch (error) {
        case ENOENT:
        case ENOTDIR:
                return FILES_E_NOT_FOUND;
        case EXDEV:
        case ELOOP:
        case EACCES:
        case EPERM:
        case EAGAIN:
        case ENAMETOOLONG:
                return FILES_E_INACCESSIBLE;
        default:
                return -error;
        }
}

/* Finds what is attached and what is asked for below it: an O_PATH descriptor and its status. */
static int files_lookup(const Files *f, const char *path, int *ret_fd, struct stat *ret_st) {
        _cleanup_fd_ int root_fd = -EBADF, fd = -EBADF;
        _cleanup_free_ char *real_path = NULL;
        Match m = { .path = path };
        const char *rest;

        visit_all(f, path, consider, &m);
        real_path = m.real_path;
        if (m.out_of_memory)
                return -ENOMEM;
        if (!real_path)
                return FILES_E_NOT_FOUND;

        /* The attached path itself is ours, links in it included. */
        root_fd = open(real_path, O_PATH | O_CLOEXEC);
        if (root_fd < 0)
                return outcome_of_errno(errno);

        rest = path + m.n_prefix;
        rest += strspn(rest, "/");
        fd = *rest ? open_beneath(root_fd, rest) : TAKE_FD(root_fd);
        if (fd < 0)
                return outcome_of_errno(-fd);

        if (fstat(fd, ret_st) < 0)
                return -errno;

        *ret_fd = TAKE_FD(fd);
        return FILES_OK;
}

/* Opens for real what an O_PATH descriptor pins, not what its name means by now. */
static int reopen(int path_fd, int flags) {
        char link[64];
        int fd;

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
        fd = open(link, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        return fd < 0 ? -errno : fd;
}

void file_list_deinit(FileList *l) {
        for (size_t i = 0; i < l->n_entries; i++)
                free(l->entries[i].path);
        free(l->entries);
        *l = (FileList) {};
}

static int list_add(FileList *l, const char *directory, const char *name, const struct stat *st) {
        size_t n = strlen(directory);
        FileEntry *e;
        char *path;

        while (n > 0 && directory[n - 1] == '/')
                n--;
        if (asprintf(&path, "%.*s/%s", (int) n, directory, name) < 0)
                return -ENOMEM;

        /* Grows in powers of two. */
        if ((l->n_entries & (l->n_entries - 1)) == 0) {
                e = reallocarray(l->entries, MAX(l->n_entries * 2, (size_t) 1), sizeof(*e));
                if (!e) {
                        free(path);
                        return -ENOMEM;
                }
                l->entries = e;
        }

        l->entries[l->n_entries++] = (FileEntry) {
                .path = path,
                .size = (uint64_t) st->st_size,
                .n_links = st->st_nlink,
                .mtime_usec = (usec_t) MAX(st->st_mtime, (time_t) 0) * USEC_PER_SEC,
                .mode = st->st_mode,
                .uid = st->st_uid,
                .gid = st->st_gid,
        };
        return 0;
}

static void dir_closep(DIR **d) {
        if (*d)
                (void) closedir(*d);
}

static int list_directory(int dir_fd, const char *path, FileList *l) {
        _cleanup_(dir_closep) DIR *d = fdopendir(dir_fd);
        const struct dirent *entry;
        int r;

        if (!d) {
                r = -errno;
                (void) fd_close(dir_fd);
                return r;
        }

        while (l->n_entries < FILES_LIST_MAX && (entry = readdir(d))) {
                struct stat st;

                if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                        continue;

                /* Links are listed as what they are; what vanishes meanwhile isn't listed. */
                if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;

                r = list_add(l, path, entry->d_name, &st);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int compare_entries(const void *a, const void *b) {
        return strcmp(((const FileEntry *) a)->path, ((const FileEntry *) b)->path);
}

int files_list(const Files *f, const char *path, FileList *ret) {
        _cleanup_(file_list_deinit) FileList l = {};
        _cleanup_fd_ int path_fd = -EBADF;
        struct stat st;
        int fd, r;

        r = files_lookup(f, path, &path_fd, &st);
        if (r != FILES_OK)
                return r;

        if (S_ISDIR(st.st_mode)) {
                fd = reopen(path_fd, O_RDONLY | O_DIRECTORY);
                if (fd < 0)
                        return outcome_of_errno(-fd);

                r = list_directory(fd, path, &l);
                if (r < 0)
                        return r;

                if (l.n_entries > 0)
                        qsort(l.entries, l.n_entries, sizeof(*l.entries), compare_entries);
        }

        *ret = l;
        l = (FileList) {};
        return FILES_OK;
}

int files_open(const Files *f, const char *path, int *ret_fd, uint64_t *ret_size) {
        _cleanup_fd_ int path_fd = -EBADF;
        struct stat st;
        int fd, r;

        r = files_lookup(f, path, &path_fd, &st);
        if (r != FILES_OK)
                return r;

        if (S_ISDIR(st.st_mode))
                return FILES_E_DIRECTORY;
        if (!S_ISREG(st.st_mode))
                return FILES_E_INACCESSIBLE;

        fd = reopen(path_fd, O_RDONLY);
        if (fd < 0)
                return outcome_of_errno(-fd);

        *ret_fd = fd;
        *ret_size = (uint64_t) st.st_size;
        return FILES_OK;
}

int files_read(const Files *f, const char *path, uint64_t offset, uint64_t n,
               char **ret_data, size_t *ret_n, uint64_t *ret_size) {
        _cleanup_fd_ int fd = -EBADF;
        _cleanup_free_ char *data = NULL;
        uint64_t size, n_wanted = 0;
        ssize_t k = 0;
        int r;

        r = files_open(f, path, &fd, &size);
        if (r != FILES_OK)
                return r;

        if (offset < size)
                n_wanted = MIN(MIN(n, size - offset), (uint64_t) FILES_READ_MAX);

        data = malloc(n_wanted + 1);
        if (!data)
                return -ENOMEM;

        if (n_wanted > 0) {
                k = pread(fd, data, n_wanted, (off_t) offset);
                if (k < 0)
                        return -errno;
        }

        *ret_data = TAKE_PTR(data);
        *ret_n = (size_t) k;
        *ret_size = size;
        return FILES_OK;
}

static char type_letter(mode_t mode) {
        switch (mode & S_IFMT) {
        case S_IFDIR:
                return 'd';
        case S_IFLNK:
                return 'l';
        case S_IFCHR:
                return 'c';
        case S_IFBLK:
                return 'b';
        case S_IFIFO:
                return 'p';
        case S_IFSOCK:
                return 's';
        default:
                return '-';
        }
}

static char execute_letter(mode_t mode, mode_t execute, mode_t special, char letter) {
        if (mode & special)
                return (char) (mode & execute ? letter : letter - 'a' + 'A');

        return mode & execute ? 'x' : '-';
}

void file_mode_format(mode_t mode, char ret[static 11]) {
        static const mode_t special[] = { S_ISUID, S_ISGID, S_ISVTX };

        ret[0] = type_letter(mode);
        for (unsigned i = 0; i < 3; i++) {
                mode_t bits = mode >> (6 - 3 * i);

                ret[3 * i + 1] = bits & 4 ? 'r' : '-';
                ret[3 * i + 2] = bits & 2 ? 'w' : '-';
                ret[3 * i + 3] = execute_letter(mode, (mode_t) 1 << (6 - 3 * i), special[i],
                                                i == 2 ? 't' : 's');
        }
        ret[10] = '\0';
}
