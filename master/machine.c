/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Machines
 *
 * Maintenance is about hosts, not agents: a host is named by hostname and address, before an agent
 * runs there and after. An agent belongs to the machine of which it announces both. Nothing here
 * knows which machines there are; it only tells which lists of them make sense.
 */

#include <arpa/inet.h>
#include <strings.h>

#include "common/base/buffer.h"
#include "common/net/pbjson.h"
#include "master/machine.h"
#include "master/reject.h"

#define ID_MAX_BYTES (1U << 20)

typedef Mesos__V1__MachineID MachineId;

int machine_id_compare(const MachineId *a, const MachineId *b) {
        int r = strcasecmp(a->hostname ?: "", b->hostname ?: "");

        return r != 0 ? r : strcmp(a->ip ?: "", b->ip ?: "");
}

bool machine_id_eq(const MachineId *a, const MachineId *b) {
        return machine_id_compare(a, b) == 0;
}

char *machine_id_format(const MachineId *id) {
        Buffer b = BUFFER_INIT(ID_MAX_BYTES);
        char *text = NULL;

        if (pbjson_print(&id->base, &b) >= 0)
                text = strndup(buffer_data(&b), buffer_size(&b));

        buffer_deinit(&b);
        return text;
}

static int judge_id(const MachineId *id, char **reterr_message) {
        const char *hostname = id->hostname ?: "", *ip = id->ip ?: "";
        struct in_addr address;

        if (!*hostname && !*ip)
                return reject(reterr_message, "Both 'hostname' and 'ip' for a machine are empty");

        if (*ip && inet_pton(AF_INET, ip, &address) != 1)
                return reject(reterr_message, "Failed to parse IPv4: %s", ip);

        return ACCEPTED;
}

static int compare_pointers(const void *a, const void *b) {
        return machine_id_compare(*(const MachineId *const *) a, *(const MachineId *const *) b);
}

/* Sorts the list, so that the same are beside each other: there may be ten thousand. */
static int judge_uniqueness(const MachineId **ids, size_t n_ids, char **reterr_message) {
        if (n_ids > 0)
                qsort(ids, n_ids, sizeof(*ids), compare_pointers);

        for (size_t i = 1; i < n_ids; i++)
                if (machine_id_eq(ids[i - 1], ids[i])) {
                        _cleanup_free_ char *text = machine_id_format(ids[i]);

                        if (!text)
                                return -ENOMEM;
                        return reject(reterr_message,
                                      "Machine '%s' appears more than once in the schedule", text);
                }

        return ACCEPTED;
}

int machine_ids_judge(MachineId *const *ids, size_t n_ids, char **reterr_message) {
        _cleanup_free_ const MachineId **sorted = NULL;
        int r;

        if (n_ids == 0)
                return reject(reterr_message, "List of machines is empty");

        sorted = calloc(n_ids, sizeof(*sorted));
        if (!sorted)
                return -ENOMEM;

        for (size_t i = 0; i < n_ids; i++) {
                r = judge_id(ids[i], reterr_message);
                if (r != ACCEPTED)
                        return r;
                sorted[i] = ids[i];
        }

        return judge_uniqueness(sorted, n_ids, reterr_message);
}

static int judge_window(const Mesos__V1__Maintenance__Window *w, char **reterr_message) {
        int r;

        if (w->n_machine_ids == 0)
                return reject(reterr_message,
                              "List of machines in the maintenance window is empty");

        if (w->unavailability->duration && w->unavailability->duration->nanoseconds < 0)
                return reject(reterr_message, "Unavailability 'duration' is negative");

        for (size_t i = 0; i < w->n_machine_ids; i++) {
                r = judge_id(w->machine_ids[i], reterr_message);
                if (r != ACCEPTED)
                        return r;
        }

        return ACCEPTED;
}

int schedule_judge(const Mesos__V1__Maintenance__Schedule *s, char **reterr_message) {
        _cleanup_free_ const MachineId **sorted = NULL;
        size_t n = 0, n_all = 0;
        int r;

        for (size_t i = 0; i < s->n_windows; i++) {
                r = judge_window(s->windows[i], reterr_message);
                if (r != ACCEPTED)
                        return r;
                n_all += s->windows[i]->n_machine_ids;
        }

        sorted = calloc(n_all + 1, sizeof(*sorted));
        if (!sorted)
                return -ENOMEM;

        for (size_t i = 0; i < s->n_windows; i++)
                for (size_t j = 0; j < s->windows[i]->n_machine_ids; j++)
                        sorted[n++] = s->windows[i]->machine_ids[j];

        return judge_uniqueness(sorted, n, reterr_message);
}

const Mesos__V1__Maintenance__Window *schedule_find(const Mesos__V1__Maintenance__Schedule *s,
                                                    const MachineId *id) {
        for (size_t i = 0; i < s->n_windows; i++)
                for (size_t j = 0; j < s->windows[i]->n_machine_ids; j++)
                        if (machine_id_eq(s->windows[i]->machine_ids[j], id))
                                return s->windows[i];

        return NULL;
}
