/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Media types
 *
 * Every v1 API speaks JSON and protobuf. A request says with Content-Type what it is, compared as an
 * exact text as Mesos does, and with Accept what it wants. Quality values are not ranked: JSON wins
 * whenever it is allowed at all.
 */

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "common/net/media.h"
#include "common/net/pbjson.h"

static const char *const names[] = {
        [MEDIA_JSON] = "application/json",
        [MEDIA_PROTOBUF] = "application/x-protobuf",
};

const char *media_type_name(MediaType t) {
        return names[t];
}

bool media_type_parse(const char *content_type, MediaType *ret) {
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(content_type, names[i])) {
                        *ret = (MediaType) i;
                        return true;
                }

        return false;
}

/* One range of an Accept header: does it name this type, exactly or by wildcard? */
static bool range_matches(const char *range, size_t n, const char *name) {
        size_t n_major = (size_t) (strchr(name, '/') - name);

        if (n == strlen(name) && strncasecmp(range, name, n) == 0)
                return true;
        if (n == 3 && strncmp(range, "*/*", 3) == 0)
                return true;

        return n == n_major + 2 && strncasecmp(range, name, n_major) == 0 && strncmp(range + n_major, "/*", 2) == 0;
}

/* ";q=0", ";q=0.0": the range is there to forbid. */
static bool is_forbidden(const char *parameters, const char *end) {
        for (const char *p = parameters; p < end; p++)
                if (*p == ';') {
                        do
                                p++;
                        while (p < end && *p == ' ');

                        if (end - p >= 3 && strncasecmp(p, "q=0", 3) == 0) {
                                p += 3;
                                while (p < end && (*p == '.' || *p == '0'))
                                        p++;
                                return p == end || !isdigit((unsigned char) *p);
                        }
                        p--;
                }

        return false;
}

bool media_accepts(const char *accept, const char *name) {
        bool allowed = false;

        if (!accept || !*accept)
                return true;

        while (*accept) {
                const char *end, *type_end;

                accept += strspn(accept, " \t,");
                end = accept + strcspn(accept, ",");
                type_end = accept + strcspn(accept, ",; \t");

                if (range_matches(accept, (size_t) (type_end - accept), name)) {
                        if (is_forbidden(type_end, end))
                                return false;
                        allowed = true;
                }

                accept = end;
        }

        return allowed;
}

bool media_negotiate(const char *accept, MediaType *ret) {
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (media_accepts(accept, names[i])) {
                        *ret = (MediaType) i;
                        return true;
                }

        return false;
}

static int decode_json(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t n,
                       ProtobufCMessage **ret, char **reterr_message) {
        _cleanup_free_ char *detail = NULL;
        const char *what;
        int r;

        r = pbjson_parse(descriptor, data, n, PB_LIMITS_DEFAULT, ret, &detail);
        if (r <= 0)
                return r;

        what = r == PBJSON_E_SYNTAX ? "Failed to parse body into JSON" : "Failed to convert JSON into Call protobuf";
        return asprintf(reterr_message, "%s: %s", what, detail) < 0 ? -ENOMEM : PB_E_INVALID;
}

int media_decode(MediaType t, const ProtobufCMessageDescriptor *descriptor, const void *data, size_t n,
                 ProtobufCMessage **ret, char **reterr_message) {
        int r;

        if (t == MEDIA_JSON)
                return decode_json(descriptor, data, n, ret, reterr_message);

        r = pb_unpack(descriptor, data, n, PB_LIMITS_DEFAULT, ret, reterr_message);
        if (r != PB_E_INVALID)
                return r;

        free(*reterr_message);
        *reterr_message = strdup("Failed to parse body into Call protobuf");
        return *reterr_message ? PB_E_INVALID : -ENOMEM;
}

int media_encode(MediaType t, const ProtobufCMessage *m, Buffer *b) {
        size_t n;
        char *p;
        int r;

        if (t == MEDIA_JSON)
                return pbjson_print(m, b);

        n = protobuf_c_message_get_packed_size(m);
        r = buffer_reserve(b, n, &p);
        if (r < 0)
                return r;

        protobuf_c_message_pack(m, (uint8_t *) p);
        buffer_commit(b, n);
        return 0;
}

void media_answer_method(HttpRequest *r, const char *allowed, const char *other) {
        char allow[64];

        snprintf(allow, sizeof(allow), "%s%s%s", allowed, other ? ", " : "", other ?: "");
        (void) http_request_add_header(r, "Allow", allow);
        http_request_answer_text(r, 405,
                                 "405 Method Not Allowed. Expecting one of { '%s%s%s' }, but received '%s'.",
                                 allowed, other ? "', '" : "", other ?: "", http_request_method(r));
}

void media_answer_not_post(HttpRequest *r) {
        media_answer_method(r, "POST", NULL);
}
