/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Asking daemons
 *
 * Most verbs ask a question or two and print what they hear: they wait for each answer. The leading
 * master is looked for in ZooKeeper if that is what the operator names; a standby that is named
 * redirects to the leader, which libcurl follows.
 */

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/exit_code.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"

#define ANSWER_TIMEOUT_USEC (30 * USEC_PER_SEC)

/* A few seconds of an election, and then some. */
#define LEADER_TIMEOUT_USEC (15 * USEC_PER_SEC)

/* Of no importance to a program that owns no znode. */
#define SESSION_TIMEOUT_USEC (10 * USEC_PER_SEC)

#define MAX_MASTER_BYTES 65536

/* The /state of ten thousand tasks is some 20 MB. */
#define MAX_ANSWER_BYTES (256U * 1024 * 1024)

int client_fail(int code, char **reterr_message, const char *format, ...) {
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
        return code;
}

static int parse_master(const char *master, char **ret_url, char **reterr_message) {
        const char *address = startswith(master, "http://") ?: startswith(master, "https://") ?: master;
        _cleanup_free_ char *host = NULL, *trimmed = NULL;
        uint16_t port;

        trimmed = strndup(address, strcspn(address, "/"));
        if (!trimmed)
                return -ENOMEM;

        if (strstr(address, "://") || address[strcspn(address, "/")] != '\0' ||
            parse_host_port(trimmed, &host, &port) < 0)
                return client_fail(CLIENT_E_USAGE, reterr_message,
                                   "'%s' is not the address of a master: expected HOST:PORT or "
                                   "zk://HOST:PORT/PATH",
                                   master);

        if (asprintf(ret_url, "%s%s", address == master ? "http://" : "", master) < 0) {
                *ret_url = NULL;
                return -ENOMEM;
        }
        return CLIENT_OK;
}

static void on_leader(const MasterAddress *leader, void *userdata) {
        Client *c = userdata;
        char *url;

        /* Whoever led last is asked until there is another: it may know more than we do. */
        if (!leader || asprintf(&url, strchr(leader->ip, ':') ? "http://[%s]:%u" : "http://%s:%u",
                                leader->ip, leader->port) < 0)
                return;

        free(c->next_url);
        c->next_url = url;
        if (c->master_changed)
                c->master_changed(url, c->userdata);
}

void client_follow(Client *c) {
        if (!c->next_url)
                return;

        free(c->master_url);
        c->master_url = TAKE_PTR(c->next_url);
}

static int find_leader(Client *c, const char *master, char **reterr_message) {
        _cleanup_free_ char *shown = zk_url_redact(master), *message = NULL;
        usec_t until_usec = usec_add(usec_now(CLOCK_MONOTONIC), LEADER_TIMEOUT_USEC);
        int r;

        r = detector_new(c->event, master, SESSION_TIMEOUT_USEC, on_leader, c, &c->detector,
                         &message);
        if (r < 0)
                return client_fail(CLIENT_E_USAGE, reterr_message, "'%s': %s", shown ?: "",
                                   message ?: strerror(-r));

        while (!c->next_url) {
                usec_t left_usec = usec_sub(until_usec, usec_now(CLOCK_MONOTONIC));

                if (left_usec == 0)
                        return client_fail(CLIENT_E_UNREACHABLE, reterr_message,
                                           detector_has_looked(c->detector)
                                                           ? "No master leads at %s"
                                                           : "No answer from ZooKeeper at %s",
                                           shown ?: "");

                r = sd_event_run(c->event, left_usec);
                if (r < 0)
                        return r;
        }

        client_follow(c);
        return CLIENT_OK;
}

/* The text itself, or what the file that it names says: a password is better not on a command line. */
static int read_master(const char *text, char **ret, char **reterr_message) {
        const char *path = startswith(text, "file://");
        int r;

        if (!path) {
                *ret = strdup(text);
                return *ret ? CLIENT_OK : -ENOMEM;
        }

        r = file_read_at(AT_FDCWD, path, MAX_MASTER_BYTES, ret, NULL);
        if (r < 0)
                return client_fail(CLIENT_E_USAGE, reterr_message, "Cannot read '%s': %s", path,
                                   strerror(-r));

        (*ret)[strcspn(*ret, "\r\n")] = '\0';
        return CLIENT_OK;
}

/*
 * `text` as people write it: HOST:PORT, zk://…/path, or file://… that holds either; then waits for a
 * leader to be known. The client is to be deinitialised also after a failure.
 */
int client_init(Client *c, const char *text, char **reterr_message) {
        _cleanup_free_ char *master = NULL;
        int r;

        *c = CLIENT_NULL;

        if (!text || !text[0])
                return client_fail(CLIENT_E_USAGE, reterr_message,
                                   "No master is named: give --master=HOST:PORT or a zk:// URL, "
                                   "or set HOLDFAST_MASTER or MESOS_MASTER");

        r = read_master(text, &master, reterr_message);
        if (r != CLIENT_OK)
                return r;

        r = sd_event_new(&c->event);
        if (r < 0)
                return r;

        r = zk_url_is_one(master) ? find_leader(c, master, reterr_message)
                                  : parse_master(master, &c->master_url, reterr_message);
        if (r != CLIENT_OK)
                return r;

        return http_fetcher_new(c->event, "holdfast/" PACKAGE_VERSION, &c->fetcher);
}

void client_deinit(Client *c) {
        c->detector = detector_free(c->detector);
        c->fetcher = http_fetcher_free(c->fetcher);
        c->event = sd_event_unref(c->event);
        free(c->master_url);
        free(c->next_url);
        *c = CLIENT_NULL;
}

/* One exchange that is waited for. */
typedef struct Exchange {
        bool done;
        int error;
        unsigned status;
        char *text;       /* owned: the body, or why there is none */
        size_t n_text;
} Exchange;

static void exchange_deinit(Exchange *x) {
        free(x->text);
}

static void on_done(const HttpFetchAnswer *answer, void *userdata) {
        Exchange *x = userdata;
        const char *text = answer->error < 0 ? answer->error_text : answer->body;
        size_t n = answer->error < 0 ? strlen(text) : answer->n_body;

        x->done = true;
        x->error = answer->error;
        x->status = answer->status;
        x->text = malloc(n + 1);
        if (!x->text) {
                x->error = -ENOMEM;
                return;
        }

        memcpy(x->text, text, n);
        x->text[n] = '\0';
        x->n_text = n;
}

static int exchange(Client *c, const char *base_url, const char *path, const char *body,
                    Exchange *x, char **reterr_message) {
        _cleanup_free_ char *url = NULL;
        HttpFetchRequest request;
        int r;

        if (asprintf(&url, "%s%s", base_url, path) < 0)
                return -ENOMEM;

        request = (HttpFetchRequest) {
                .method = body ? "POST" : "GET",
                .url = url,
                .content_type = "application/json",
                .body = body,
                .n_body = body ? strlen(body) : 0,
                .timeout_usec = ANSWER_TIMEOUT_USEC,
                .max_bytes = MAX_ANSWER_BYTES,
        };
        r = http_fetch_start(c->fetcher, &request, NULL, on_done, x, NULL);
        if (r < 0)
                return r;

        while (!x->done) {
                r = sd_event_run(c->event, UINT64_MAX);
                if (r < 0)
                        return r;
        }

        if (x->error == -ENOMEM)
                return -ENOMEM;
        if (x->error < 0)
                return client_fail(CLIENT_E_UNREACHABLE, reterr_message, "No answer from %s: %s",
                                   base_url, x->text);
        if (x->status < 200 || x->status > 299)
                return client_fail(CLIENT_E_REFUSED, reterr_message, "%s%s answered %u%s%.500s",
                                   base_url, path, x->status, x->n_text > 0 ? ": " : "", x->text);

        return CLIENT_OK;
}

/* GET; the answer must be JSON. *ret is a new reference. */
int client_get(Client *c, const char *base_url, const char *path, json_t **ret,
               char **reterr_message) {
        _cleanup_(exchange_deinit) Exchange x = {};
        json_error_t error;
        json_t *json;
        int r;

        r = exchange(c, base_url, path, NULL, &x, reterr_message);
        if (r != CLIENT_OK)
                return r;

        json = json_loadb(x.text, x.n_text, JSON_ALLOW_NUL, &error);
        if (!json)
                return client_fail(CLIENT_E_REFUSED, reterr_message,
                                   "The answer of %s%s is not JSON: %s", base_url, path,
                                   error.text);

        *ret = json;
        return CLIENT_OK;
}

/* POST of a JSON text; the body of the answer is not looked at. */
int client_post(Client *c, const char *base_url, const char *path, const char *json,
                char **reterr_message) {
        _cleanup_(exchange_deinit) Exchange x = {};

        return exchange(c, base_url, path, json, &x, reterr_message);
}

static int on_time(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        *(bool *) userdata = true;
        return 0;
}

int client_pause(Client *c, usec_t usec) {
        sd_event_source *source = NULL;
        bool passed = false;
        int r;

        r = sd_event_add_time_relative(c->event, &source, CLOCK_MONOTONIC, usec, USEC_PER_MSEC,
                                       on_time, &passed);
        while (r >= 0 && !passed)
                r = sd_event_run(c->event, UINT64_MAX);

        sd_event_source_disable_unref(source);
        return r;
}

int client_parse_flags(FlagTable *t, int argc, char **argv, char ***ret_args) {
        _cleanup_free_ char *message = NULL;
        int r;

        r = flags_parse(t, argc, argv, NULL, ret_args, &message);
        if (r == FLAGS_OK)
                return -1;
        if (r == FLAGS_DONE)
                return EXIT_SUCCESS;
        if (r == FLAGS_E_INVALID) {
                fprintf(stderr, "%s: %s\n", t->program, message);
                return EXIT_USAGE;
        }

        fprintf(stderr, "%s: %s\n", t->program, strerror(-r));
        return EXIT_FAILURE;
}

int client_report(int r, const char *message) {
        if (r == CLIENT_OK)
                return EXIT_SUCCESS;

        fprintf(stderr, "holdfast: %s\n", r < 0 || !message ? strerror(abs(r)) : message);
        if (r == CLIENT_E_USAGE)
                return EXIT_USAGE;
        return r == CLIENT_E_UNREACHABLE ? EXIT_NO_MASTER : EXIT_FAILURE;
}
