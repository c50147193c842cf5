/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The profiles of a directory
 *
 * A profile is read when it is first asked for, and again once its file has changed; a filter is
 * compiled once for each set of capabilities that makes a difference to the profile. Both take
 * milliseconds, which is nothing at a start and much in a burst of launches. What is kept is bounded:
 * the oldest makes room.
 *
 * Tasks choose profiles by name: a name is a file of this directory, and no path.
 */

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "isolator/seccomp_profile.h"
#include "isolator/seccomp_profiles.h"

#define N_PROFILES_MAX 16
#define N_FILTERS_MAX 8

typedef struct Filter {
        uint64_t capabilities;
        void *program;               /* owned; NULL: free */
        size_t n_program;
} Filter;

typedef struct Entry {
        char *name;                  /* owned; NULL: free */
        struct stat st;              /* of the file that was read */
        SeccompProfile *profile;     /* owned */
        Filter filters[N_FILTERS_MAX];
        unsigned next_filter;
} Entry;

struct SeccompProfiles {
        char *directory;
        SeccompHost host;
        Entry entries[N_PROFILES_MAX];
        unsigned next_entry;
};

static void entry_deinit(Entry *e) {
        for (size_t i = 0; i < ELEMENTSOF(e->filters); i++)
                free(e->filters[i].program);
        seccomp_profile_free(e->profile);
        free(e->name);
        *e = (Entry) {};
}

SeccompProfiles *seccomp_profiles_new(const char *directory) {
        _cleanup_(seccomp_profiles_freep) SeccompProfiles *p = calloc(1, sizeof(*p));

        if (!p)
                return NULL;

        p->host = seccomp_host();
        p->directory = strdup(directory);
        return p->directory ? TAKE_PTR(p) : NULL;
}

SeccompProfiles *seccomp_profiles_free(SeccompProfiles *p) {
        if (!p)
                return NULL;

        for (size_t i = 0; i < ELEMENTSOF(p->entries); i++)
                entry_deinit(&p->entries[i]);
        free(p->directory);
        free(p);
        return NULL;
}

static int refuse(const SeccompProfiles *p, const char *name, char **reterr_message, const char *what) {
        if (asprintf(reterr_message, "seccomp profile '%s/%s': %s", p->directory, name, what) < 0) {
                *reterr_message = NULL;
                return -ENOMEM;
        }

        return SECCOMP_PROFILES_E_REFUSED;
}

static bool is_file_name(const char *name) {
        return name[0] != '\0' && name[0] != '.' && !strchr(name, '/');
}

static int open_profile(const SeccompProfiles *p, const char *name, int *ret_fd, struct stat *ret_st) {
        _cleanup_fd_ int directory_fd = -EBADF, fd = -EBADF;

        directory_fd = open(p->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (directory_fd < 0)
                return -errno;

        fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || fstat(fd, ret_st) < 0)
                return -errno;
        if (!S_ISREG(ret_st->st_mode))
                return -EINVAL;

        *ret_fd = TAKE_FD(fd);
        return 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b) {
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
               a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
               a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int read_profile(const SeccompProfiles *p, const char *name, int fd, SeccompProfile **ret,
                        char **reterr_message) {
        _cleanup_free_ char *text = malloc(SECCOMP_PROFILE_MAX_BYTES + 1), *why = NULL;
        ssize_t n;
        int r;

        if (!text)
                return -ENOMEM;

        n = fd_read_full(fd, text, SECCOMP_PROFILE_MAX_BYTES + 1);
        if (n < 0)
                return refuse(p, name, reterr_message, strerror((int) -n));

        r = seccomp_profile_parse(text, (size_t) n, &p->host, ret, &why);
        return r == SECCOMP_PROFILE_E_INVALID ? refuse(p, name, reterr_message, why) : r;
}

static int find_entry(SeccompProfiles *p, const char *name, Entry **ret, char **reterr_message) {
        _cleanup_(seccomp_profile_freep) SeccompProfile *profile = NULL;
        _cleanup_free_ char *copy = NULL;
        _cleanup_fd_ int fd = -EBADF;
        struct stat st;
        Entry *e = NULL;
        int r;

        r = open_profile(p, name, &fd, &st);
        if (r < 0)
                return refuse(p, name, reterr_message, strerror(-r));

        for (size_t i = 0; i < ELEMENTSOF(p->entries) && !e; i++)
                if (p->entries[i].name && streq(p->entries[i].name, name))
                        e = &p->entries[i];
        if (e && is_same_file(&e->st, &st)) {
                *ret = e;
                return SECCOMP_PROFILES_OK;
        }

        r = read_profile(p, name, fd, &profile, reterr_message);
        if (r != SECCOMP_PROFILES_OK)
                return r;

        copy = strdup(name);
        if (!copy)
                return -ENOMEM;

        if (!e)
                e = &p->entries[p->next_entry++ % ELEMENTSOF(p->entries)];
        entry_deinit(e);
        *e = (Entry) { .name = TAKE_PTR(copy), .st = st, .profile = TAKE_PTR(profile) };
        *ret = e;
        return SECCOMP_PROFILES_OK;
}

static int find_filter(const SeccompProfiles *p, Entry *e, uint64_t capabilities, const Filter **ret,
                       char **reterr_message) {
        _cleanup_free_ char *why = NULL;
        Filter new = { .capabilities = capabilities & seccomp_profile_capabilities(e->profile) }, *f;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(e->filters); i++)
                if (e->filters[i].program && e->filters[i].capabilities == new.capabilities) {
                        *ret = &e->filters[i];
                        return SECCOMP_PROFILES_OK;
                }

        r = seccomp_profile_compile(e->profile, new.capabilities, &new.program, &new.n_program, &why);
        if (r != SECCOMP_PROFILE_OK)
                return r < 0 ? r : refuse(p, e->name, reterr_message, why);

        f = &e->filters[e->next_filter++ % ELEMENTSOF(e->filters)];
        free(f->program);
        *f = new;
        *ret = f;
        return SECCOMP_PROFILES_OK;
}

int seccomp_profiles_get(SeccompProfiles *p, const char *name, uint64_t capabilities, SeccompFilter *ret,
                         char **reterr_message) {
        const Filter *f = NULL;
        Entry *e = NULL;
        int r;

        if (!is_file_name(name))
                return refuse(p, name, reterr_message, "a profile is named by a file of that directory");

        r = find_entry(p, name, &e, reterr_message);
        if (r == SECCOMP_PROFILES_OK)
                r = find_filter(p, e, capabilities, &f, reterr_message);
        if (r != SECCOMP_PROFILES_OK)
                return r;

        *ret = (SeccompFilter) { f->program, f->n_program, seccomp_profile_flags(e->profile) };
        return SECCOMP_PROFILES_OK;
}
