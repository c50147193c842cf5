/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whatever stands in a znode is a master with an address that can be printed into a header, or
 * refused. The first byte picks the format; as text, the rest is the name of a znode and a URL, too.
 */

#include "common/net/master_address.h"
#include "common/net/zk_url.h"
#include "tests/fuzz/fuzz.h"

static void check_names(const char *text) {
        _cleanup_free_ char *shown = zk_url_redact(text), *message = NULL;
        _cleanup_(zk_url_deinit) ZkUrl url = {};
        char *names[] = { (char *) text };
        CandidateFormat format;
        int32_t sequence;

        assert(!candidate_find_leader(names, 1) == !candidate_parse(text, &sequence, &format));
        if (zk_url_parse(text, &url, &message) < 0)
                return;

        assert(url.n_servers > 0 && url.path[0] == '/' && url.path[1]);
        assert(!url.credentials || strstr(shown, ":***@"));
}

static void check_plain(const char *text) {
        assert(*text);
        for (const char *c = text; *c; c++)
                assert((unsigned char) *c > ' ' && *c != '/' && *c != '"');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        _cleanup_free_ char *text = NULL, *message = NULL;
        MasterAddress address;

        if (n == 0)
                return 0;

        text = strndup((const char *) data + 1, n - 1);
        assert(text);
        check_names(text);

        if (master_address_parse((CandidateFormat) (data[0] % 4), data + 1, n - 1, &address, &message) == 0) {
                check_plain(address.hostname);
                check_plain(address.ip);
                assert(address.port > 0 && strchr(address.pid.text, '@'));
        } else
                assert(message);
        return 0;
}
