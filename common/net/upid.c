/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Addresses of libprocess processes
 *
 * A host runs several: "master", "slave(1)", "slave-observer(3)". Peers compare addresses as text,
 * so the text is kept as it came; its parts are for connecting.
 */

#include <stdio.h>

#include "common/base/parse.h"
#include "common/net/http_client.h"
#include "common/net/upid.h"

/* Ids become path components of requests. */
static bool id_is_plain(const char *id, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (id[i] <= ' ' || id[i] == 0x7f || strchr("/@?#%", id[i]))
                        return false;

        return n > 0;
}

int upid_parse(const char *text, Upid *ret) {
        const char *at = strchr(text, '@');
        _cleanup_free_ char *ip = NULL;
        size_t n_id = at ? (size_t) (at - text) : 0;
        HttpAddress address;
        Upid u = {};

        if (!at || n_id >= sizeof(u.id) || strlen(text) >= sizeof(u.text) || !id_is_plain(text, n_id))
                return -EINVAL;
        if (parse_host_port(at + 1, &ip, &u.port) < 0 || u.port == 0 || strlen(ip) >= sizeof(u.ip))
                return -EINVAL;
        if (http_address_from_ip_port(ip, u.port, &address) < 0)
                return -EINVAL;

        strcpy(u.text, text);
        memcpy(u.id, text, n_id);
        strcpy(u.ip, ip);
        *ret = u;
        return 0;
}

int upid_make(const char *id, const char *ip, uint16_t port, Upid *ret) {
        char text[UPID_TEXT_MAX];
        int n;

        n = snprintf(text, sizeof(text), strchr(ip, ':') ? "%s@[%s]:%u" : "%s@%s:%u", id, ip, port);
        if (n < 0 || (size_t) n >= sizeof(text))
                return -EINVAL;

        return upid_parse(text, ret);
}
