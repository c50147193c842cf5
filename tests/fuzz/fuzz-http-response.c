/* SPDX-License-Identifier: Apache-2.0 */

/* What a peer answers, in pieces: the parser ends, and never hands out more than it was given. */

#include "common/net/http_parser.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        HttpParser parser = HTTP_PARSER_INIT;
        size_t piece, n_body_seen = 0;
        int r = 0;

        if (n == 0)
                return 0;

        piece = 1U + data[0];
        for (size_t at = 1; at < n && r >= 0; at += piece) {
                const char *next = (const char *) data + at, *body;
                size_t left = MIN(piece, n - at), n_body = 0;

                do {
                        r = http_parser_next(&parser, &next, &left, &body, &n_body);
                        if (r == HTTP_PARSED_BODY)
                                n_body_seen += n_body;
                } while (r > 0);
        }
        if (r >= 0)
                (void) http_parser_end(&parser);

        assert(n_body_seen <= n);
        http_parser_deinit(&parser);
        return 0;
}
