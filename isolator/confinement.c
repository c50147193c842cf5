/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Confinements
 *
 * Isolators decide in the agent, with all that it knows; what they decide is carried out by the
 * launcher, beside the container, which should know as little as possible. Between the two stands
 * this: data without a choice left in it. It can be printed before anything is started
 * (--dry-run), it is in the sealed plan, and a launcher that does not understand all of it refuses
 * the plan.
 */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>

#include "isolator/confinement.h"

/* A container has some ten settings; the bound is for what comes over the wire. */
#define N_SETTINGS_MAX 256

static const char *const namespace_names[] = {
        [HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__MOUNT] = "mount",
        [HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__UTS] = "uts",
        [HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__IPC] = "ipc",
        [HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__PID] = "pid",
        [HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__NETWORK] = "network",
        [HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__USER] = "user",
        [HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__CGROUP] = "cgroup",
};

Confinement *confinement_new(void) {
        Confinement *c = malloc(sizeof(*c));

        if (c)
                holdfast__launcher__confinement__init(c);

        return c;
}

Confinement *confinement_free(Confinement *c) {
        if (c)
                holdfast__launcher__confinement__free_unpacked(c, NULL);

        return NULL;
}

static int invalid(char **reterr_message, const char *format, ...) _printf_(2, 3);
static int invalid(char **reterr_message, const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(reterr_message, format, ap);
        va_end(ap);
        return n < 0 ? -ENOMEM : CONFINEMENT_E_INVALID;
}

static int check_rlimits(const Confinement *c, char **reterr_message) {
        for (size_t i = 0; i < c->n_rlimits; i++) {
                const ConfinementRlimit *l = c->rlimits[i];

                if (l->resource >= RLIM_NLIMITS || l->soft > l->hard)
                        return invalid(reterr_message, "Limit %" PRIu32 " of %" PRIu64 ":%" PRIu64 " is not possible",
                                       l->resource, l->soft, l->hard);
        }

        return CONFINEMENT_OK;
}

int confinement_check(const Confinement *c, char **reterr_message) {
        if (!c)
                return CONFINEMENT_OK;

        if (c->n_cgroup > N_SETTINGS_MAX)
                return invalid(reterr_message, "%zu cgroup settings are too many", c->n_cgroup);

        for (size_t i = 0; i < c->n_cgroup; i++)
                if (strchr(c->cgroup[i]->file, '/') || !strchr(c->cgroup[i]->file, '.'))
                        return invalid(reterr_message, "'%s' is no file of a cgroup", c->cgroup[i]->file);

        for (size_t i = 0; i < c->n_namespaces; i++)
                if ((unsigned) c->namespaces[i] >= ELEMENTSOF(namespace_names) || !namespace_names[c->namespaces[i]])
                        return invalid(reterr_message, "Unknown namespace %u", (unsigned) c->namespaces[i]);

        if (c->network && !confinement_has_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__NETWORK))
                return invalid(reterr_message, "An address without a network namespace");
        if (c->network && c->network->helper[0] != '/')
                return invalid(reterr_message, "'%s' is no absolute path", c->network->helper);

        return check_rlimits(c, reterr_message);
}

bool confinement_has_namespace(const Confinement *c, ConfinementNamespace kind) {
        for (size_t i = 0; c && i < c->n_namespaces; i++)
                if (c->namespaces[i] == kind)
                        return true;

        return false;
}

int confinement_add_namespace(Confinement *c, ConfinementNamespace kind) {
        ConfinementNamespace *p;

        if (confinement_has_namespace(c, kind))
                return 0;

        p = reallocarray(c->namespaces, c->n_namespaces + 1, sizeof(*p));
        if (!p)
                return -ENOMEM;

        c->namespaces = p;
        p[c->n_namespaces++] = kind;
        return 0;
}

int confinement_add_rlimit(Confinement *c, uint32_t resource, uint64_t soft, uint64_t hard) {
        ConfinementRlimit **p;

        p = reallocarray(c->rlimits, c->n_rlimits + 1, sizeof(*p));
        if (!p)
                return -ENOMEM;

        c->rlimits = p;
        p[c->n_rlimits] = malloc(sizeof(**p));
        if (!p[c->n_rlimits])
                return -ENOMEM;

        holdfast__launcher__rlimit__init(p[c->n_rlimits]);
        p[c->n_rlimits]->resource = resource;
        p[c->n_rlimits]->soft = soft;
        p[c->n_rlimits]->hard = hard;
        c->n_rlimits++;
        return 0;
}

void confinement_set_no_new_privileges(Confinement *c) {
        c->has_no_new_privileges = c->no_new_privileges = true;
}

static CgroupSetting *setting_new(const char *file, unsigned flags, char *value) {
        CgroupSetting *s = malloc(sizeof(*s));

        if (!s)
                return NULL;

        holdfast__launcher__cgroup_setting__init(s);
        s->value = value;
        s->has_optional = s->optional = flags & SETTING_OPTIONAL;
        s->has_raise_only = s->raise_only = flags & SETTING_RAISE_ONLY;
        s->file = strdup(file);
        if (!s->file) {
                free(s);
                return NULL;
        }

        return s;
}

int confinement_set_cgroup(Confinement *c, const char *file, unsigned flags, const char *format, ...) {
        _cleanup_free_ char *value = NULL;
        CgroupSetting **p;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&value, format, ap);
        va_end(ap);
        if (n < 0) {
                value = NULL;
                return -ENOMEM;
        }

        p = reallocarray(c->cgroup, c->n_cgroup + 1, sizeof(*p));
        if (!p)
                return -ENOMEM;

        c->cgroup = p;
        p[c->n_cgroup] = setting_new(file, flags, value);
        if (!p[c->n_cgroup])
                return -ENOMEM;

        TAKE_PTR(value);
        c->n_cgroup++;
        return 0;
}

/* Copies. */
int confinement_set_network(Confinement *c, const ConfinementNetwork *network) {
        ConfinementNetwork *n = malloc(sizeof(*n));

        if (!n)
                return -ENOMEM;

        holdfast__launcher__confinement__network__init(n);
        c->network = n;
        n->helper = strdup(network->helper);
        n->bridge = strdup(network->bridge);
        n->gateway = strdup(network->gateway);
        n->host_interface = strdup(network->host_interface);
        n->address = strdup(network->address);
        return n->helper && n->bridge && n->gateway && n->host_interface && n->address ? 0 : -ENOMEM;
}

static int print_namespaces(const Confinement *c, Buffer *b) {
        int r;

        r = buffer_printf(b, "%-16s", "namespaces");
        for (size_t i = 0; r >= 0 && c && i < c->n_namespaces; i++)
                r = buffer_printf(b, "%s ", namespace_names[c->namespaces[i]]);

        return r < 0 ? r : buffer_append_text(b, c && c->n_namespaces > 0 ? "\n" : "the host's\n");
}

static int print_rlimits(const Confinement *c, Buffer *b) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < c->n_rlimits; i++)
                r = buffer_printf(b, "%-16s%" PRIu32 " %" PRIu64 ":%" PRIu64 "\n", "limit", c->rlimits[i]->resource,
                                  c->rlimits[i]->soft, c->rlimits[i]->hard);

        return r;
}

int confinement_print(const Confinement *c, Buffer *b) {
        int r;

        r = print_namespaces(c, b);
        if (r >= 0 && c && c->network)
                r = buffer_printf(b, "%-16s%s, %s to bridge %s %s\n", "network", c->network->address,
                                  c->network->host_interface, c->network->bridge, c->network->gateway);
        for (size_t i = 0; r >= 0 && c && i < c->n_cgroup; i++)
                r = buffer_printf(b, "%-16s%s %s\n", "cgroup", c->cgroup[i]->file, c->cgroup[i]->value);

        if (r >= 0 && c)
                r = print_rlimits(c, b);
        if (r >= 0 && c && c->no_new_privileges)
                r = buffer_printf(b, "%-16s%s\n", "new privileges", "none");
        return r;
}
