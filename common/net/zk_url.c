/* SPDX-License-Identifier: Apache-2.0 */

/*
 * URLs of ZooKeeper
 *
 *     zk://user:password@host1:port1,host2,[::1]:port3/path
 *          └──────────┘   optional: the digest identity of the session
 *
 * As Mesos reads them: the path begins at the first slash and is needed, since the root of an ensemble
 * is nobody's own; the last @ before it ends the credentials; a port left out is 2181.
 */

#include <ctype.h>
#include <stdio.h>

#include "common/base/parse.h"
#include "common/net/zk_url.h"

#define SCHEME "zk://"

bool zk_url_is_one(const char *text) {
        return startswith(text, SCHEME);
}

void zk_url_deinit(ZkUrl *url) {
        for (size_t i = 0; i < url->n_servers; i++)
                free(url->servers[i].host);
        free(url->path);
        free(url->credentials);
        *url = (ZkUrl) {};
}

int zk_url_copy(const ZkUrl *url, ZkUrl *ret) {
        _cleanup_(zk_url_deinit) ZkUrl copy = {};

        for (; copy.n_servers < url->n_servers; copy.n_servers++) {
                copy.servers[copy.n_servers] = url->servers[copy.n_servers];
                copy.servers[copy.n_servers].host = strdup(url->servers[copy.n_servers].host);
                if (!copy.servers[copy.n_servers].host)
                        return -ENOMEM;
        }

        copy.path = strdup(url->path);
        copy.credentials = url->credentials ? strdup(url->credentials) : NULL;
        if (!copy.path || (url->credentials && !copy.credentials))
                return -ENOMEM;

        *ret = copy;
        copy = (ZkUrl) {};
        return 0;
}

/* "host", "host:port", "[::1]" or "[::1]:port"; takes the text apart. */
static const char *parse_server(char *text, ZkServer *ret) {
        char *host = text, *port;

        if (*host == '[') {
                char *end = strchr(++host, ']');

                if (!end || (end[1] && end[1] != ':'))
                        return "an address of a server lacks its ']'";
                port = end[1] ? end + 2 : NULL;
                *end = '\0';
        } else {
                port = strchr(host, ':');
                if (port)
                        *port++ = '\0';
        }

        if (!*host)
                return "a server has no name";
        for (const char *c = host; *c; c++)
                if (!isalnum((unsigned char) *c) && !strchr("-._:%", *c))
                        return "the name of a server has characters that names do not have";

        ret->port = ZK_PORT_DEFAULT;
        if (port && (parse_port(port, &ret->port) < 0 || ret->port == 0))
                return "the port of a server is none";

        ret->host = strdup(host);
        return ret->host ? NULL : "out of memory";
}

static const char *parse_servers(char *text, ZkUrl *url) {
        char *state = NULL;

        for (char *t = strtok_r(text, ",", &state); t; t = strtok_r(NULL, ",", &state)) {
                const char *wrong;

                if (url->n_servers == ZK_MAX_SERVERS)
                        return "there are more than 32 servers";

                wrong = parse_server(t, &url->servers[url->n_servers]);
                if (wrong)
                        return wrong;
                url->n_servers++;
        }

        return url->n_servers > 0 ? NULL : "there is no server";
}

/* The rules of ZooKeeper itself, which would refuse the path with "bad arguments" and no more. */
static const char *check_path(const char *path) {
        if (!*path)
                return "there is no path; ZooKeeper's root is not accepted";

        for (const char *c = path; *c;) {
                size_t n = strcspn(c + 1, "/");

                if (n == 0 || (c[1] == '.' && (n == 1 || (n == 2 && c[2] == '.'))))
                        return "the path has an empty, '.' or '..' component";
                c += 1 + n;
        }

        for (const unsigned char *c = (const unsigned char *) path; *c; c++)
                if (*c < 0x20 || *c == 0x7f)
                        return "the path has control characters";
        return NULL;
}

/* Cuts the path off the text. */
static const char *take_path(char *text, ZkUrl *url) {
        char *slash = text + strcspn(text, "/");
        size_t n = strlen(slash);

        while (n > 0 && slash[n - 1] == '/')
                slash[--n] = '\0';

        url->path = strdup(slash);
        if (!url->path)
                return "out of memory";

        *slash = '\0';
        return check_path(url->path);
}

static const char *parse_parts(char *text, ZkUrl *url) {
        const char *wrong = take_path(text, url);
        char *at;

        if (wrong)
                return wrong;

        at = strrchr(text, '@');
        if (!at)
                return parse_servers(text, url);

        *at = '\0';
        if (!strchr(text, ':'))
                return "the credentials are not user:password";

        url->credentials = strdup(text);
        return url->credentials ? parse_servers(at + 1, url) : "out of memory";
}

int zk_url_parse(const char *text, ZkUrl *ret, char **reterr_message) {
        _cleanup_(zk_url_deinit) ZkUrl url = {};
        _cleanup_free_ char *parts = NULL;
        const char *rest = startswith(text, SCHEME), *wrong;

        if (rest) {
                parts = strdup(rest);
                if (!parts)
                        return -ENOMEM;
                wrong = parse_parts(parts, &url);
        } else
                wrong = "it does not begin with " SCHEME;

        if (wrong) {
                if (reterr_message && asprintf(reterr_message, "Not a URL of ZooKeeper, %s",
                                               wrong) < 0)
                        *reterr_message = NULL;
                return -EINVAL;
        }

        *ret = url;
        url = (ZkUrl) {};
        return 0;
}

char *zk_url_redact(const char *text) {
        const char *rest = startswith(text, SCHEME), *at = NULL, *colon;
        char *shown;

        if (rest)
                for (const char *c = rest; *c && *c != '/'; c++)
                        if (*c == '@')
                                at = c;
        colon = at ? memchr(rest, ':', (size_t) (at - rest)) : NULL;
        if (!colon)
                return strdup(text);

        if (asprintf(&shown, "%.*s:***%s", (int) (colon - text), text, at) < 0)
                return NULL;
        return shown;
}
