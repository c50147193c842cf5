/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Finding resources
 *
 * Operators say with --resources what the agent has; of cpus, mem, disk and ports that they do not
 * mention the agent finds out itself, in Mesos's way: all processors; memory less 1 GB for the
 * system, or half of it on a small host; the disk of the work directory less 5 GB, or half; and
 * ports 31000 to 32000. A name is mentioned when it occurs for any role, with any amount.
 */

#include <inttypes.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>

#include "agent/resources_probe.h"
#include "common/base/buffer.h"
#include "common/net/pbjson.h"

/* A list of resources as text is far shorter. */
#define TEXT_MAX ((size_t) 1 << 20)

#define MB ((uint64_t) 1 << 20)
#define DEFAULT_PORTS "[31000-32000]"

static uint64_t less_reserve(uint64_t total_mb, uint64_t reserve_mb) {
        return total_mb >= 2 * reserve_mb ? total_mb - reserve_mb : total_mb / 2;
}

int host_capacity_read(const char *path, HostCapacity *ret) {
        struct statvfs disk;
        struct sysinfo memory;

        if (sysinfo(&memory) < 0 || statvfs(path, &disk) < 0)
                return -errno;

        *ret = (HostCapacity) {
                .n_cpus = (uint64_t) MAX(get_nprocs(), 1),
                .mem_mb = (uint64_t) memory.totalram * memory.mem_unit / MB,
                .disk_mb = (uint64_t) disk.f_blocks * disk.f_frsize / MB,
        };
        return 0;
}

static const char *const probed[] = { "cpus", "mem", "disk", "ports" };

/* What operators said. "disk:0" leaves nothing in the resources, yet disk is mentioned. */
typedef struct Given {
        Resources *resources;            /* owned */
        bool mentioned[ELEMENTSOF(probed)];
} Given;

static void given_deinit(Given *g) {
        g->resources = resources_free(g->resources);
}

static void mention(Given *g, const char *name, size_t n_name) {
        for (size_t i = 0; i < ELEMENTSOF(probed); i++)
                if (strlen(probed[i]) == n_name && strncmp(probed[i], name, n_name) == 0)
                        g->mentioned[i] = true;
}

/* A JSON array of Resource objects: parsed as the one field of a message that has just that. */
static int parse_json(const char *text, const char *default_role, Given *g, char **reterr_message) {
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(TEXT_MAX);
        const Mesos__V1__Offer__Operation__Reserve *list;
        int r;

        r = buffer_printf(&b, "{\"resources\":%s}", text);
        if (r < 0)
                return r;

        r = pbjson_parse(&mesos__v1__offer__operation__reserve__descriptor, buffer_data(&b),
                         buffer_size(&b), PB_LIMITS_DEFAULT, &m, reterr_message);
        if (r != PB_OK)
                return r < 0 ? r : RESOURCES_E_INVALID;

        list = (const Mesos__V1__Offer__Operation__Reserve *) m;
        for (size_t i = 0; i < list->n_resources; i++)
                mention(g, list->resources[i]->name, strlen(list->resources[i]->name));

        return resources_from_flag_pb(list->resources, list->n_resources, default_role,
                                      &g->resources, reterr_message);
}

/* "cpus:8;mem(role):1024": a name ends where its role or its value begins. */
static int parse_text(const char *text, const char *default_role, Given *g, char **reterr_message) {
        for (const char *p = text; *p; p += strcspn(p, ";"), p += *p == ';') {
                const char *name = p + strspn(p, " \t\r\n");

                mention(g, name, strcspn(name, " \t\r\n(:;"));
        }

        return resources_parse(text, default_role, &g->resources, reterr_message);
}

static int describe_missing(const Given *g, const HostCapacity *host, Buffer *b) {
        const uint64_t found[] = {
                host->n_cpus,
                less_reserve(host->mem_mb, 1024),
                less_reserve(host->disk_mb, 5 * 1024),
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(probed); i++) {
                if (g->mentioned[i])
                        continue;

                r = i < ELEMENTSOF(found) ? buffer_printf(b, "%s:%" PRIu64 ";", probed[i], found[i])
                                          : buffer_printf(b, "%s:%s;", probed[i], DEFAULT_PORTS);
        }

        return r < 0 ? r : buffer_append_char(b, '\0');
}

int resources_probe(const char *text, const char *default_role, const HostCapacity *host,
                    Resources **ret, char **reterr_message) {
        const char *begin = text ? text + strspn(text, " \t\r\n") : "";
        _cleanup_(resources_freep) Resources *found = NULL;
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(TEXT_MAX);
        _cleanup_(given_deinit) Given g = {};
        int r;

        if (*begin == '[')
                r = parse_json(begin, default_role, &g, reterr_message);
        else
                r = parse_text(begin, default_role, &g, reterr_message);
        if (r != RESOURCES_OK)
                return r;

        r = describe_missing(&g, host, &b);
        if (r < 0)
                return r;

        r = resources_parse(buffer_data(&b), default_role, &found, reterr_message);
        if (r != RESOURCES_OK)
                return r;

        r = resources_add(g.resources, found);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(g.resources);
        return RESOURCES_OK;
}
