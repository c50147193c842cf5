/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls
 *
 * Bytes become types here, once: method, content type and body are looked at in the order Mesos
 * does, and the first thing wrong is the answer, in its words. What comes out is a complete message
 * within the limits of PB_LIMITS_DEFAULT; whether it makes sense is judged by others.
 */

#include "master/call.h"

/* Of one answer. */
#define ANSWER_MAX_BYTES (512U << 20)

int call_decode(HttpRequest *r, const ProtobufCMessageDescriptor *descriptor,
                ProtobufCMessage **ret) {
        _cleanup_free_ char *error = NULL;
        const char *content_type = http_request_header(r, "Content-Type");
        const void *body;
        MediaType type;
        size_t n;
        int k;

        if (!streq(http_request_method(r), "POST")) {
                media_answer_not_post(r);
                return CALL_E_ANSWERED;
        }

        if (!content_type) {
                http_request_answer_text(r, 400, "Expecting 'Content-Type' to be present");
                return CALL_E_ANSWERED;
        }

        if (!media_type_parse(content_type, &type)) {
                http_request_answer_text(r, 415, "Expecting 'Content-Type' of %s or %s",
                                         media_type_name(MEDIA_JSON),
                                         media_type_name(MEDIA_PROTOBUF));
                return CALL_E_ANSWERED;
        }

        body = http_request_body(r, &n);
        k = media_decode(type, descriptor, body, n, ret, &error);
        if (k == PB_OK)
                return CALL_OK;

        http_request_answer_text(r, k < 0 ? 500 : 400, "%s",
                                 error ?: strerror(k < 0 ? -k : EBADMSG));
        return CALL_E_ANSWERED;
}

int call_negotiate(HttpRequest *r, MediaType *ret) {
        if (media_negotiate(http_request_header(r, "Accept"), ret))
                return CALL_OK;

        http_request_answer_text(r, 406, "Expecting 'Accept' to allow '%s' or '%s'",
                                 media_type_name(MEDIA_PROTOBUF), media_type_name(MEDIA_JSON));
        return CALL_E_ANSWERED;
}

void call_answer(HttpRequest *r, MediaType type, const ProtobufCMessage *m) {
        Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        int k;

        k = media_encode(type, m, &b);
        if (k < 0)
                http_request_answer_text(r, 500, "%s", strerror(-k));
        else
                http_request_answer_buffer(r, 200, media_type_name(type), &b);

        buffer_deinit(&b);
}
