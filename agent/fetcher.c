/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The fetcher
 *
 * Fetches one URI after the other, in the order given, and stops at the first that fails:
 *
 *     http, https, ftp, ftps     downloaded            fetch_download.c
 *     file:///path, /path        copied with its mode
 *     path                       copied from below --frameworks_home
 *
 * then makes it executable or unpacks it (fetch_archive.c). It runs inside the container as the
 * task's user, so the kernel judges what may be read and written. Whatever it says goes to the
 * sandbox's stderr; the last line is the reason of a failure.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fetch_archive.h"
#include "agent/fetch_download.h"
#include "agent/fetch_target.h"
#include "agent/fetcher.h"
#include "common/base/log.h"

#define COPY_BYTES (1U << 20)

/* The URI without a password, for people. */
static char *uri_to_show(const char *uri) {
        const char *scheme_end = strstr(uri, "://"), *host, *at;
        char *text;

        host = scheme_end ? scheme_end + 3 : uri;
        at = scheme_end ? memchr(host, '@', strcspn(host, "/")) : NULL;
        if (!at)
                return strdup(uri);

        if (asprintf(&text, "%.*s***%s", (int) (host - uri), uri, at) < 0)
                return NULL;

        return text;
}

/* The file that a URI without the network means. */
static int local_path(const char *uri, const char *frameworks_home, char **ret,
                      char **reterr_message) {
        const char *path = startswith(uri, "file://localhost/") ? uri + strlen("file://localhost")
                                                               : startswith(uri, "file://");
        char *text;

        if (path) {
                if (path[0] != '/')
                        return fetch_fail(reterr_message, "a file URI needs an absolute path");
        } else if (strstr(uri, "://"))
                return fetch_fail(reterr_message,
                                  "its scheme is none of file, http, https, ftp and ftps");
        else
                path = uri;

        if (path[0] == '/') {
                text = strdup(path);
        } else {
                if (!frameworks_home || !frameworks_home[0])
                        return fetch_fail(reterr_message, "a relative path was passed for the resource "
                                          "but the frameworks home was not specified "
                                          "(--frameworks_home of the agent)");
                if (asprintf(&text, "%s/%s", frameworks_home, path) < 0)
                        text = NULL;
        }
        if (!text)
                return -ENOMEM;

        *ret = text;
        return FETCH_OK;
}

static int copy_bytes(int from_fd, int to_fd, uint64_t max_bytes, uint64_t *ret_bytes,
                      char **reterr_message) {
        uint64_t n_bytes = 0;

        for (;;) {
                ssize_t n;

                n = sendfile(to_fd, from_fd, NULL, COPY_BYTES);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return fetch_fail(reterr_message, "cannot copy it into the sandbox: %s",
                                          strerror(errno));
                if (n == 0)
                        break;

                n_bytes += (uint64_t) n;
                if (n_bytes > max_bytes)
                        return fetch_fail(reterr_message,
                                          "it is larger than the %" PRIu64 " bytes allowed",
                                          max_bytes);
        }

        *ret_bytes = n_bytes;
        return FETCH_OK;
}

/* Copies a local file; *ret_mode is the source's, so that programs stay programs. */
static int copy_file(const char *path, int fd, uint64_t max_bytes, mode_t *ret_mode,
                     uint64_t *ret_bytes, char **reterr_message) {
        _cleanup_fd_ int from_fd = -EBADF;
        struct stat st;

        /* Without O_NONBLOCK opening a fifo would wait for its writer. */
        from_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (from_fd < 0)
                return fetch_fail(reterr_message, "cannot open '%s': %s", path, strerror(errno));

        if (fstat(from_fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return fetch_fail(reterr_message, "'%s' is not a regular file", path);

        *ret_mode = st.st_mode & 0777;
        return copy_bytes(from_fd, fd, max_bytes, ret_bytes, reterr_message);
}

/* The umask as it is, without leaving it changed. */
static mode_t current_umask(void) {
        mode_t mask = umask(022);

        (void) umask(mask);
        return mask;
}

/* Brings the URI's bytes into the open target and says with which mode they shall be kept. */
static int fetch_bytes(const Holdfast__FetchPlan *plan, const char *uri, FetchTarget *target,
                       mode_t *ret_mode, uint64_t *ret_bytes, char **reterr_message) {
        _cleanup_free_ char *path = NULL;
        mode_t mode = 0666;
        int r;

        if (fetch_download_handles(uri))
                r = fetch_download(uri, target->fd, plan->stall_timeout_usec,
                                   plan->max_download_bytes, ret_bytes, reterr_message);
        else {
                r = local_path(uri, plan->frameworks_home, &path, reterr_message);
                if (r != FETCH_OK)
                        return r;

                r = copy_file(path, target->fd, plan->max_download_bytes, &mode, ret_bytes,
                              reterr_message);
        }
        if (r != FETCH_OK)
                return r;

        *ret_mode = mode & ~current_umask();
        return FETCH_OK;
}

static int unpack(const Holdfast__FetchPlan *plan, int sandbox_fd, const FetchTarget *target,
                  const char *path, char **reterr_message) {
        FetchArchiveLimits limits = {
                .max_entries = plan->max_entries,
                .max_expanded_bytes = plan->max_expanded_bytes,
        };
        uint64_t n_entries;
        int r;

        if (fetch_archive_kind(path) == FETCH_ARCHIVE_NONE)
                return FETCH_OK;

        r = fetch_archive_extract(sandbox_fd, target->fd, path, limits, &n_entries, reterr_message);
        if (r != FETCH_OK)
                return r;

        log_info("Extracted '%s' into the sandbox (%" PRIu64 " %s)", path, n_entries,
                 n_entries == 1 ? "entry" : "entries");
        return FETCH_OK;
}

static int fetch_uri(const Holdfast__FetchPlan *plan, int sandbox_fd,
                     const Mesos__V1__CommandInfo__URI *uri, const char *shown,
                     char **reterr_message) {
        _cleanup_(fetch_target_deinit) FetchTarget target = FETCH_TARGET_NULL;
        _cleanup_free_ char *path = NULL;
        uint64_t n_bytes;
        mode_t mode;
        int r;

        r = fetch_target_path(uri->value, uri->output_file, &path, reterr_message);
        if (r != FETCH_OK)
                return r;

        r = fetch_target_open(sandbox_fd, path, &target, reterr_message);
        if (r != FETCH_OK)
                return r;

        log_info("Fetching '%s'", shown);
        r = fetch_bytes(plan, uri->value, &target, &mode, &n_bytes, reterr_message);
        if (r != FETCH_OK)
                return r;

        r = fetch_target_commit(&target, uri->executable ? 0755 : mode, reterr_message);
        if (r != FETCH_OK)
                return r;

        log_info("Fetched '%s' to '%s' (%" PRIu64 " bytes)", shown, path, n_bytes);

        if (uri->executable || !uri->extract)
                return FETCH_OK;

        return unpack(plan, sandbox_fd, &target, path, reterr_message);
}

/* Returns 0 when everything is there; otherwise the reason has been written to stderr. */
int fetcher_run(const Holdfast__FetchPlan *plan) {
        _cleanup_fd_ int sandbox_fd = -EBADF;

        sandbox_fd = open(plan->sandbox_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (sandbox_fd < 0 || fchdir(sandbox_fd) < 0)
                return log_error_errno(errno, "Failed to enter the sandbox '%s': %m",
                                       plan->sandbox_directory);

        for (size_t i = 0; i < plan->n_uris; i++) {
                _cleanup_free_ char *shown = NULL, *message = NULL;
                int r;

                shown = uri_to_show(plan->uris[i]->value);
                if (!shown)
                        return log_oom();

                r = fetch_uri(plan, sandbox_fd, plan->uris[i], shown, &message);
                if (r < 0)
                        return log_error_errno(r, "Failed to fetch '%s': %m", shown);
                if (r != FETCH_OK) {
                        log_error("Failed to fetch '%s': %s", shown, message);
                        return -EIO;
                }
        }

        return 0;
}
