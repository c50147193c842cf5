/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where fetched files go
 *
 * A URI becomes the file named like its last component, or like `output_file`, below the sandbox.
 * Another URI of the same task may have been unpacked there before, so the way down is made one
 * directory at a time without following links. The bytes go to a temporary name first, which takes
 * the real name at the end: nobody finds half a file, and a link that has the name is replaced
 * rather than written through.
 */

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fetch_target.h"

/* Formats the reason why something could not be fetched. Returns FETCH_E_FAILED or -ENOMEM. */
int fetch_fail(char **reterr_message, const char *format, ...) {
        va_list ap;
        char *text;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0)
                return -ENOMEM;

        free(*reterr_message);
        *reterr_message = text;
        return FETCH_E_FAILED;
}

static bool is_plain_name(const char *name) {
        return name[0] && !streq(name, ".") && !streq(name, "..") && strlen(name) <= 255;
}

static int path_of_output_file(const char *output_file, char **ret, char **reterr_message) {
        _cleanup_free_ char *copy = NULL;
        char *rest, *name;

        if (!output_file[0])
                return fetch_fail(reterr_message, "the output file's name is empty");
        if (output_file[0] == '/')
                return fetch_fail(reterr_message,
                                  "the output file '%s' is not relative to the sandbox",
                                  output_file);

        copy = strdup(output_file);
        if (!copy)
                return -ENOMEM;

        rest = copy;
        while ((name = strsep(&rest, "/")))
                if (!is_plain_name(name))
                        return fetch_fail(reterr_message, "the output file '%s' is not a plain path "
                                          "below the sandbox", output_file);

        *ret = strdup(output_file);
        return *ret ? FETCH_OK : -ENOMEM;
}

/*
 * The path below the sandbox, not yet opened: output_file where there is one (else NULL), or what
 * follows the last slash of the URI, as Mesos has it, a query string included.
 */
int fetch_target_path(const char *uri, const char *output_file, char **ret, char **reterr_message) {
        const char *scheme_end = strstr(uri, "://"), *path, *slash;

        if (!uri[0])
                return fetch_fail(reterr_message, "it is empty");
        if (strpbrk(uri, "\\'\n\r"))
                return fetch_fail(reterr_message,
                                  "it contains a backslash, a single quote or a line break");

        if (output_file)
                return path_of_output_file(output_file, ret, reterr_message);

        path = scheme_end ? scheme_end + 3 : uri;
        slash = strrchr(path, '/');
        if (scheme_end && !slash)
                return fetch_fail(reterr_message, "its path is missing");

        path = slash ? slash + 1 : path;
        if (!is_plain_name(path))
                return fetch_fail(reterr_message, "its path does not end with a file name");

        *ret = strdup(path);
        return *ret ? FETCH_OK : -ENOMEM;
}

/* Makes and enters the directories of `path`; *ret_name points at its last component. */
static int open_parent(int sandbox_fd, char *path, int *ret_fd, const char **ret_name,
                       char **reterr_message) {
        _cleanup_fd_ int fd = -EBADF;
        char *name = path, *slash;

        fd = fcntl(sandbox_fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;

        while ((slash = strchr(name, '/'))) {
                int child_fd;

                *slash = '\0';
                if (mkdirat(fd, name, 0755) < 0 && errno != EEXIST)
                        return fetch_fail(reterr_message, "cannot make the directory '%s': %s",
                                          path, strerror(errno));

                child_fd = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (child_fd < 0)
                        return fetch_fail(reterr_message, "cannot enter the directory '%s': %s",
                                          path, strerror(errno));

                fd_close(fd);
                fd = child_fd;
                *slash = '/';
                name = slash + 1;
        }

        *ret_fd = TAKE_FD(fd);
        *ret_name = name;
        return FETCH_OK;
}

/* Opens the file at `path` for writing, under its temporary name until fetch_target_commit(). */
int fetch_target_open(int sandbox_fd, const char *path, FetchTarget *ret, char **reterr_message) {
        _cleanup_(fetch_target_deinit) FetchTarget t = FETCH_TARGET_NULL;
        _cleanup_free_ char *copy = NULL;
        const char *name;
        int r;

        copy = strdup(path);
        if (!copy)
                return -ENOMEM;

        name = copy;
        r = open_parent(sandbox_fd, copy, &t.dir_fd, &name, reterr_message);
        if (r != FETCH_OK)
                return r;

        t.name = strdup(name);
        if (!t.name)
                return -ENOMEM;

        snprintf(t.temporary, sizeof(t.temporary), ".fetching-%ld", (long) getpid());
        t.fd = openat(t.dir_fd, t.temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                      0600);
        if (t.fd < 0) {
                t.temporary[0] = '\0';
                return fetch_fail(reterr_message, "cannot create '%s': %s", path, strerror(errno));
        }

        *ret = t;
        t = FETCH_TARGET_NULL;
        return FETCH_OK;
}

/* Gives the file its name, replacing what has it, and its mode. `fd` stays open, for reading it again. */
int fetch_target_commit(FetchTarget *t, mode_t mode, char **reterr_message) {
        if (fchmod(t->fd, mode) < 0)
                return fetch_fail(reterr_message, "cannot set the mode of '%s': %s", t->name,
                                  strerror(errno));

        if (renameat(t->dir_fd, t->temporary, t->dir_fd, t->name) < 0)
                return fetch_fail(reterr_message, "cannot create '%s': %s", t->name,
                                  strerror(errno));

        t->temporary[0] = '\0';
        return FETCH_OK;
}

/* Removes what was not committed. */
void fetch_target_deinit(FetchTarget *t) {
        if (t->temporary[0])
                (void) unlinkat(t->dir_fd, t->temporary, 0);

        fd_close(t->fd);
        fd_close(t->dir_fd);
        free(t->name);
        *t = FETCH_TARGET_NULL;
}
