/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Downloads
 *
 * One URI after the other with libcurl, blocking: the fetcher has nothing else to do. A server may
 * be slow or gone, send too much, or send us elsewhere; each has a bound. Redirects go from HTTP to
 * HTTP only, so that no server makes us read files, and never to another protocol that libcurl
 * happens to know.
 */

#include <curl/curl.h>

#include "agent/fetch_download.h"
#include "agent/fetch_target.h"

#define MAX_REDIRECTS 10L

typedef struct Download {
        int fd;
        uint64_t n_bytes;
        uint64_t max_bytes;
        int error;          /* negative errno of our own side */
        bool too_large;
} Download;

bool fetch_download_handles(const char *uri) {
        static const char *const schemes[] = { "http://", "https://", "ftp://", "ftps://" };

        for (size_t i = 0; i < ELEMENTSOF(schemes); i++)
                if (startswith(uri, schemes[i]))
                        return true;

        return false;
}

/* Returning less than n makes libcurl give up with CURLE_WRITE_ERROR. */
static size_t on_data(char *data, size_t size, size_t n, void *userdata) {
        Download *d = userdata;

        n *= size;
        if (n > d->max_bytes - d->n_bytes) {
                d->too_large = true;
                return 0;
        }

        d->error = fd_write_full(d->fd, data, n);
        if (d->error < 0)
                return 0;

        d->n_bytes += n;
        return n;
}

static void configure(CURL *curl, const char *uri, Download *d, usec_t stall_timeout_usec,
                      char *error_text) {
        long stall_secs = (long) MAX(stall_timeout_usec / USEC_PER_SEC, UINT64_C(1));

        (void) curl_easy_setopt(curl, CURLOPT_URL, uri);
        (void) curl_easy_setopt(curl, CURLOPT_USERAGENT, "holdfast-fetcher/" PACKAGE_VERSION);
        (void) curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_text);
        (void) curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        (void) curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https,ftp,ftps");
        (void) curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
        (void) curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
        (void) curl_easy_setopt(curl, CURLOPT_MAXREDIRS, MAX_REDIRECTS);
        (void) curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, stall_secs);
        (void) curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        (void) curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, stall_secs);
        /* The body of a 404 is not the file. */
        (void) curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
        (void) curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
        (void) curl_easy_setopt(curl, CURLOPT_WRITEDATA, d);
}

static int explain(CURL *curl, CURLcode code, const Download *d, usec_t stall_timeout_usec,
                   const char *error_text, char **reterr_message) {
        char timeout[USEC_TEXT_MAX];
        long status = 0;

        if (d->too_large)
                return fetch_fail(reterr_message, "it is larger than the %ju bytes allowed",
                                  (uintmax_t) d->max_bytes);
        if (d->error < 0)
                return fetch_fail(reterr_message, "cannot write to the sandbox: %s",
                                  strerror(-d->error));

        (void) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        if (code == CURLE_HTTP_RETURNED_ERROR)
                return fetch_fail(reterr_message, "the server answered %ld", status);
        if (code == CURLE_OPERATION_TIMEDOUT)
                return fetch_fail(reterr_message, "the transfer stalled for %s after %ju bytes",
                                  usec_format(stall_timeout_usec, timeout), (uintmax_t) d->n_bytes);

        return fetch_fail(reterr_message, "%s",
                          error_text[0] ? error_text : curl_easy_strerror(code));
}

/*
 * Writes what the URI names to fd. Returns FETCH_OK; FETCH_E_FAILED with the reason; -ENOMEM. What
 * was written before a failure stays in the file.
 */
int fetch_download(const char *uri, int fd, usec_t stall_timeout_usec, uint64_t max_bytes,
                   uint64_t *ret_bytes, char **reterr_message) {
        Download d = { .fd = fd, .max_bytes = max_bytes };
        char error_text[CURL_ERROR_SIZE] = "";
        long status = 0;
        CURLcode code;
        CURL *curl;
        int r = FETCH_OK;

        curl = curl_easy_init();
        if (!curl)
                return -ENOMEM;

        configure(curl, uri, &d, stall_timeout_usec, error_text);
        code = curl_easy_perform(curl);
        if (code != CURLE_OK)
                r = explain(curl, code, &d, stall_timeout_usec, error_text, reterr_message);
        else if (startswith(uri, "http") &&
                 curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
                 status != 200)
                /* 204 has no body, 206 was not asked for, 304 cannot be. */
                r = fetch_fail(reterr_message, "the server answered %ld", status);

        curl_easy_cleanup(curl);
        if (r != FETCH_OK)
                return r;

        *ret_bytes = d.n_bytes;
        return FETCH_OK;
}
