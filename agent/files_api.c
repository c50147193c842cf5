/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files over HTTP
 *
 * Parameters come from anybody: a path names something below what is attached or nothing at all,
 * which files.c sees to. Downloads are always plain bytes to be saved, never a page to be shown,
 * whatever a task called its file.
 */

#include <ctype.h>

#include "agent/account.h"
#include "agent/answer.h"
#include "agent/files_api.h"
#include "common/base/fd.h"
#include "common/base/parse.h"
#include "common/net/pbjson.h"

void files_api_refuse(HttpRequest *r, int outcome, const char *path, const char *verb) {
        switch (outcome) {
        case FILES_E_NOT_FOUND:
                http_request_answer_text(r, 404, "%s", "");
                return;
        case FILES_E_INACCESSIBLE:
                http_request_answer_text(r, 400, "'%s' is inaccessible.\n", path);
                return;
        case FILES_E_DIRECTORY:
                http_request_answer_text(r, 400, "Cannot %s a directory.\n", verb);
                return;
        default:
                answer_error(r, outcome);
        }
}

/* NULL when the request was refused. */
static const char *require_path(HttpRequest *r) {
        const char *path = http_request_query(r, "path");

        if (path && *path)
                return path;

        http_request_answer_text(r, 400, "Expecting 'path=value' in query.\n");
        return NULL;
}

static void print_entry(JsonWriter *w, const FileEntry *e, AccountOwner *owner) {
        char mode[11];

        file_mode_format(e->mode, mode);
        account_owner_update(owner, e->uid, e->gid);

        json_object_begin(w, NULL);
        json_put_string(w, "gid", owner->group);
        json_put_string(w, "mode", mode);
        json_put_double(w, "mtime", usec_to_secs(e->mtime_usec));
        json_put_uint(w, "nlink", e->n_links);
        json_put_string(w, "path", e->path);
        json_put_uint(w, "size", e->size);
        json_put_string(w, "uid", owner->user);
        json_object_end(w);
}

void files_api_browse(const Files *f, HttpRequest *r) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        _cleanup_(file_list_deinit) FileList l = {};
        const char *path = require_path(r);
        JsonWriter w = JSON_WRITER(&b);
        AccountOwner owner = {};
        int k;

        if (!path)
                return;

        k = files_list(f, path, &l);
        if (k != FILES_OK) {
                files_api_refuse(r, k, path, "browse");
                return;
        }

        json_array_begin(&w, NULL);
        for (size_t i = 0; i < l.n_entries; i++)
                print_entry(&w, &l.entries[i], &owner);
        json_array_end(&w);

        k = json_finish(&w);
        if (k < 0)
                answer_error(r, k);
        else
                answer_json(r, &b);
}

/* -1, also when it is not there, means "not given"; false when the request was refused. */
static bool parse_position(HttpRequest *r, const char *name, int64_t *ret) {
        const char *text = http_request_query(r, name);
        int64_t value = -1;

        if (text && parse_i64(text, &value) < 0) {
                http_request_answer_text(r, 400,
                                         "Failed to parse %s: Failed to convert '%s' to number.\n",
                                         name, text);
                return false;
        }
        if (value < -1) {
                http_request_answer_text(r, 400, "Negative %s provided: %lld.\n", name,
                                         (long long) value);
                return false;
        }

        *ret = value;
        return true;
}

/* Without an offset only the size is told, so that followers know where to begin. */
void files_api_read(const Files *f, HttpRequest *r) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        _cleanup_free_ char *data = NULL;
        JsonWriter w = JSON_WRITER(&b);
        const char *path = require_path(r);
        int64_t offset, length;
        uint64_t size;
        size_t n;
        int k;

        if (!path || !parse_position(r, "offset", &offset) ||
            !parse_position(r, "length", &length))
                return;

        k = files_read(f, path, offset < 0 ? UINT64_MAX : (uint64_t) offset,
                       length < 0 ? UINT64_MAX : (uint64_t) length, &data, &n, &size);
        if (k != FILES_OK) {
                files_api_refuse(r, k, path, "read");
                return;
        }

        json_object_begin(&w, NULL);
        json_put_string_n(&w, "data", data, n);
        json_put_uint(&w, "offset",
                      offset < 0 || (uint64_t) offset > size ? size : (uint64_t) offset);
        json_object_end(&w);

        k = json_finish(&w);
        if (k < 0)
                answer_error(r, k);
        else
                answer_json(r, &b);
}

static bool is_harmless(char c) {
        return isalnum((unsigned char) c) || strchr(".-_+", c);
}

/* A name a task chose goes into a header: what is no plain character of a file name becomes '_'. */
static int add_disposition(HttpRequest *r, const char *path) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(4096);
        const char *slash = strrchr(path, '/');
        int k;

        k = buffer_append_text(&b, "attachment; filename=");
        for (const char *p = slash ? slash + 1 : path; k >= 0 && *p; p++)
                k = buffer_append_char(&b, is_harmless(*p) ? *p : '_');
        if (k >= 0)
                k = buffer_append_char(&b, '\0');
        if (k < 0)
                return k;

        return http_request_add_header(r, "Content-Disposition", buffer_data(&b));
}

void files_api_download(const Files *f, HttpRequest *r) {
        _cleanup_fd_ int fd = -EBADF;
        const char *path = require_path(r);
        uint64_t size;
        int k;

        if (!path)
                return;

        k = files_open(f, path, &fd, &size);
        if (k != FILES_OK) {
                files_api_refuse(r, k, path, "download");
                return;
        }

        k = add_disposition(r, path);
        if (k < 0)
                answer_error(r, k);
        else
                http_request_answer_fd(r, 200, "application/octet-stream", TAKE_FD(fd), size);
}

static void print_attachment(const char *virtual_path, const char *real_path, void *userdata) {
        json_put_string(userdata, virtual_path, real_path);
}

void files_api_debug(const Files *f, HttpRequest *r) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);
        int k;

        json_object_begin(&w, NULL);
        files_foreach(f, print_attachment, &w);
        json_object_end(&w);

        k = json_finish(&w);
        if (k < 0)
                answer_error(r, k);
        else
                answer_json(r, &b);
}
