/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Answers
 *
 * Texts are Mesos's to the letter, for tools show and match them.
 */

#include "agent/answer.h"

void answer_error(HttpRequest *r, int error) {
        http_request_answer_text(r, error == -ENOMEM || error == -ENOBUFS ? 503 : 500, "%s",
                                 strerrordesc_np(-error));
}

void answer_not_found(HttpRequest *r) {
        http_request_answer_text(r, 404, "404 Not Found.");
}

static int wrap(const char *callback, const Buffer *body, Buffer *script) {
        int r;

        r = buffer_printf(script, "%s(", callback);
        if (r < 0)
                return r;

        r = buffer_append(script, buffer_data(body), buffer_size(body));
        if (r < 0)
                return r;

        return buffer_append_char(script, ')');
}

void answer_json(HttpRequest *r, Buffer *body) {
        _cleanup_(buffer_deinit) Buffer script = BUFFER_INIT(ANSWER_MAX_BYTES);
        const char *callback = http_request_query(r, "jsonp");
        int k;

        if (!callback) {
                http_request_answer_buffer(r, 200, "application/json", body);
                return;
        }

        k = wrap(callback, body, &script);
        if (k < 0)
                answer_error(r, k);
        else
                http_request_answer_buffer(r, 200, "text/javascript", &script);
}

void answer_message(HttpRequest *r, MediaType type, const ProtobufCMessage *m) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(ANSWER_MAX_BYTES);
        int k;

        k = media_encode(type, m, &b);
        if (k < 0)
                answer_error(r, k);
        else
                http_request_answer_buffer(r, 200, media_type_name(type), &b);
}
