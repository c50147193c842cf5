/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Addresses of masters
 *
 * Masters that stand for election are children of one znode, and the one with the smallest number
 * leads, whatever else its name says:
 *
 *     /mesos
 *         json.info_0000000003     {"id":"…","address":{"hostname":"a","ip":"10.0.0.1","port":5050},…}
 *         json.info_0000000007     since Mesos 0.24
 *         info_0000000001          a protobuf, before that
 *         0000000000               only the pid, before that
 *         log_replicas, holdfast   no number behind the last '_': nothing to do with it
 *
 * Whoever may write to ZooKeeper may write anything there: names and addresses end up in Location
 * headers and log lines, so they are checked before they are believed.
 */

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>

#include "common/base/parse.h"
#include "common/net/address.h"
#include "common/net/master_address.h"
#include "common/net/pbjson.h"
#include "proto/mesos.pb-c.h"

#define LIMITS ((PbLimits) { .max_depth = 16, .max_memory_bytes = 1U << 20 })

/* Names */

/* ZooKeeper's numbers are signed and have ten digits at most, with leading zeros. */
static bool parse_sequence(const char *text, int32_t *ret) {
        const char *digits = text[0] == '-' ? text + 1 : text;
        size_t n = strspn(digits, "0123456789");
        int64_t value = 0;

        if (n == 0 || n > 10 || digits[n])
                return false;

        for (size_t i = 0; i < n; i++)
                value = value * 10 + (digits[i] - '0');
        if (digits != text)
                value = -value;
        if (value < INT32_MIN || value > INT32_MAX)
                return false;

        *ret = (int32_t) value;
        return true;
}

static CandidateFormat format_of(const char *name, size_t n_label) {
        if (n_label == strlen("json.info") && memcmp(name, "json.info", n_label) == 0)
                return CANDIDATE_JSON;
        if (n_label == strlen("info") && memcmp(name, "info", n_label) == 0)
                return CANDIDATE_PROTOBUF;
        return CANDIDATE_UNKNOWN;
}

bool candidate_parse(const char *name, int32_t *ret_sequence, CandidateFormat *ret_format) {
        const char *number = strrchr(name, '_');

        if (!parse_sequence(number ? number + 1 : name, ret_sequence))
                return false;

        *ret_format = number ? format_of(name, (size_t) (number - name)) : CANDIDATE_PID;
        return true;
}

const char *candidate_find_leader(char *const *names, size_t n) {
        const char *leader = NULL;
        int32_t smallest = 0;

        for (size_t i = 0; i < n; i++) {
                CandidateFormat format;
                int32_t sequence;

                if (candidate_parse(names[i], &sequence, &format) && (!leader || sequence < smallest)) {
                        leader = names[i];
                        smallest = sequence;
                }
        }
        return leader;
}

size_t candidate_count(char *const *names, size_t n) {
        size_t n_candidates = 0;

        for (size_t i = 0; i < n; i++) {
                CandidateFormat format;
                int32_t sequence;

                n_candidates += candidate_parse(names[i], &sequence, &format);
        }
        return n_candidates;
}

/* Contents */

static bool is_plain(const char *text, size_t max_bytes) {
        size_t n = strlen(text);

        for (size_t i = 0; i < n; i++)
                if ((unsigned char) text[i] <= ' ' || (unsigned char) text[i] == 0x7f || strchr("/@\"\\<>", text[i]))
                        return false;
        return n > 0 && n < max_bytes;
}

static bool is_ip(const char *text) {
        struct in6_addr bytes;

        return inet_pton(AF_INET, text, &bytes) == 1 || inet_pton(AF_INET6, text, &bytes) == 1;
}

/* The IPv4 address as it lies in memory, which is network byte order, on every machine that matters. */
static const char *ip_of(const Mesos__V1__MasterInfo *info, char buf[static INET_ADDRSTRLEN]) {
        struct in_addr address = { .s_addr = info->ip };

        if (info->address && info->address->ip)
                return info->address->ip;
        return inet_ntop(AF_INET, &address, buf, INET_ADDRSTRLEN) ?: "";
}

static const char *from_info(const Mesos__V1__MasterInfo *info, MasterAddress *ret) {
        char buf[INET_ADDRSTRLEN];
        const char *ip = ip_of(info, buf), *hostname = info->hostname;
        int64_t port = info->address ? info->address->port : (int64_t) info->port;
        MasterAddress a = {};

        if (info->address && info->address->hostname)
                hostname = info->address->hostname;
        if (!hostname || !*hostname)
                hostname = ip;

        if (!is_plain(info->id, sizeof(a.id)))
                return "its id is none";
        if (!is_ip(ip) || strlen(ip) >= sizeof(a.ip))
                return "its address is none";
        if (!is_plain(hostname, sizeof(a.hostname)))
                return "its hostname is none";
        if (port <= 0 || port > UINT16_MAX)
                return "its port is none";

        strcpy(a.id, info->id);
        strcpy(a.ip, ip);
        strcpy(a.hostname, hostname);
        a.port = (uint16_t) port;
        if (info->pid ? upid_parse(info->pid, &a.pid) < 0 : upid_make("master", ip, a.port, &a.pid) < 0)
                return "its pid is none";

        *ret = a;
        return NULL;
}

static const char *from_pid(const char *data, size_t n, MasterAddress *ret) {
        char text[UPID_TEXT_MAX];
        MasterAddress a = {};

        while (n > 0 && isspace((unsigned char) data[n - 1]))
                n--;
        if (n >= sizeof(text) || memchr(data, '\0', n))
                return "it is no pid";

        memcpy(text, data, n);
        text[n] = '\0';
        if (upid_parse(text, &a.pid) < 0)
                return "it is no pid";

        strcpy(a.ip, a.pid.ip);
        strcpy(a.hostname, a.pid.ip);
        a.port = a.pid.port;
        *ret = a;
        return NULL;
}

static int unpack(CandidateFormat format, const void *data, size_t n, ProtobufCMessage **ret, char **reterr_message) {
        return format == CANDIDATE_JSON
                ? pbjson_parse(&mesos__v1__master_info__descriptor, data, n, LIMITS, ret, reterr_message)
                : pb_unpack(&mesos__v1__master_info__descriptor, data, n, LIMITS, ret, reterr_message);
}

/* 0; -EBADMSG with a message when this is nothing a master would write. */
int master_address_parse(CandidateFormat format, const void *data, size_t n, MasterAddress *ret, char **reterr_message) {
        _cleanup_(pb_freep) ProtobufCMessage *message = NULL;
        _cleanup_free_ char *text = NULL;
        const char *wrong = NULL;
        int r;

        if (n == 0 || n > MASTER_ADDRESS_MAX_BYTES)
                wrong = n == 0 ? "it is empty" : "it is too large";
        else if (format == CANDIDATE_UNKNOWN)
                wrong = "its label is unknown";
        else if (format == CANDIDATE_PID)
                wrong = from_pid(data, n, ret);
        else {
                r = unpack(format, data, n, &message, &text);
                if (r < 0)
                        return r;
                wrong = r != PB_OK ? text ?: "it cannot be read" : from_info((const Mesos__V1__MasterInfo *) message, ret);
        }

        if (!wrong)
                return 0;

        *reterr_message = strdup(wrong);
        return *reterr_message ? -EBADMSG : -ENOMEM;
}

/* 0; -EINVAL or -EHOSTUNREACH with a message. */
int master_address_resolve(const char *text, MasterAddress *ret, char **reterr_message) {
        const char *at = strchr(text, '@');
        _cleanup_free_ char *host = NULL;
        MasterAddress a = {};
        int r;

        r = parse_host_port(at ? at + 1 : text, &host, &a.port);
        if (r < 0 || a.port == 0 || !is_plain(host, sizeof(a.hostname))) {
                if (asprintf(reterr_message, "'%s' is not HOST:PORT and no URL of ZooKeeper", text) < 0)
                        return -ENOMEM;
                return -EINVAL;
        }

        r = address_resolve(host, a.ip);
        if (r < 0) {
                if (asprintf(reterr_message, "No address is known of the master's host '%s'", host) < 0)
                        return -ENOMEM;
                return r;
        }

        strcpy(a.hostname, host);
        r = upid_make("master", a.ip, a.port, &a.pid);
        if (r < 0)
                return r;

        *ret = a;
        return 0;
}
