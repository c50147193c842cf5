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
#include <sys/mount.h>

#include "isolator/confinement.h"
#include "isolator/device_program.h"

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

bool confinement_is_empty(const Confinement *c) {
        return !c || holdfast__launcher__confinement__get_packed_size(c) == 0;
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

static bool copy_text(const char *text, char **ret) {
        *ret = text ? strdup(text) : NULL;
        return !text || *ret;
}

static Mount *mount_copy(const Mount *m) {
        Mount *copy = malloc(sizeof(*copy));
        bool complete;

        if (!copy)
                return NULL;

        *copy = *m;
        copy->has_make_source = m->make_source;
        copy->has_make_target = m->make_target;
        copy->has_owned = m->owned;
        copy->has_flags = m->flags != 0;
        complete = copy_text(m->source, &copy->source);
        complete = copy_text(m->source_below, &copy->source_below) && complete;
        complete = copy_text(m->target, &copy->target) && complete;
        complete = copy_text(m->target_below, &copy->target_below) && complete;
        complete = copy_text(m->type, &copy->type) && complete;
        complete = copy_text(m->data, &copy->data) && complete;
        if (!complete) {
                holdfast__launcher__mount__free_unpacked(copy, NULL);
                return NULL;
        }

        return copy;
}

int confinement_add_mount(Confinement *c, const Mount *m) {
        Mount **p;

        p = reallocarray(c->mounts, c->n_mounts + 1, sizeof(*p));
        if (!p)
                return -ENOMEM;

        c->mounts = p;
        p[c->n_mounts] = mount_copy(m);
        if (!p[c->n_mounts])
                return -ENOMEM;

        c->n_mounts++;
        return 0;
}

int confinement_add_mount_first(Confinement *c, const Mount *m) {
        Mount *last;
        int r;

        r = confinement_add_mount(c, m);
        if (r < 0)
                return r;

        last = c->mounts[c->n_mounts - 1];
        memmove(c->mounts + 1, c->mounts, (c->n_mounts - 1) * sizeof(*c->mounts));
        c->mounts[0] = last;
        return 0;
}

int confinement_set_text(char **field, const char *format, ...) {
        char *text;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0)
                return -ENOMEM;

        free(*field);
        *field = text;
        return 0;
}

/* Copies both; once. */
int confinement_set_seccomp(Confinement *c, const char *profile, const void *program, size_t n, unsigned flags) {
        assert(!c->seccomp_profile);
        c->seccomp_profile = strdup(profile);
        c->seccomp_program.data = malloc(n);
        if (!c->seccomp_profile || !c->seccomp_program.data)
                return -ENOMEM;

        memcpy(c->seccomp_program.data, program, n);
        c->seccomp_program.len = n;
        c->has_seccomp_program = true;
        c->has_seccomp_flags = flags != 0;
        c->seccomp_flags = flags;
        return 0;
}

int confinement_set_capabilities(Confinement *c, const uint64_t *bounding, const uint64_t *effective) {
        ConfinementCapabilities *p = malloc(sizeof(*p));

        if (!p)
                return -ENOMEM;

        assert(!c->capabilities);
        holdfast__launcher__confinement__capabilities__init(p);
        p->has_bounding = bounding != NULL;
        p->bounding = bounding ? *bounding : 0;
        p->has_effective = effective != NULL;
        p->effective = effective ? *effective : 0;
        c->capabilities = p;
        return 0;
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

static ConfinementFile *file_new(const char *name, const char *content) {
        ConfinementFile *f = malloc(sizeof(*f));

        if (!f)
                return NULL;

        holdfast__launcher__confinement__file__init(f);
        f->name = strdup(name);
        f->content.data = (uint8_t *) strdup(content);
        f->content.len = strlen(content);
        if (!f->name || !f->content.data) {
                protobuf_c_message_free_unpacked(&f->base, NULL);
                return NULL;
        }

        return f;
}

int confinement_add_file(Confinement *c, const char *name, const char *content) {
        ConfinementFile **p;

        p = reallocarray(c->files, c->n_files + 1, sizeof(*p));
        if (!p)
                return -ENOMEM;

        c->files = p;
        p[c->n_files] = file_new(name, content);
        if (!p[c->n_files])
                return -ENOMEM;

        c->n_files++;
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

static int print_flags(uint64_t flags, Buffer *b) {
        static const struct {
                uint64_t flag;
                const char *name;
        } names[] = {
                { MS_RDONLY, "ro" }, { MS_REC, "recursive" }, { MS_NOSUID, "nosuid" }, { MS_NODEV, "nodev" },
                { MS_NOEXEC, "noexec" }, { MS_REMOUNT, "remount" }, { MS_BIND, "bind" }, { MS_SHARED, "shared" }, { MS_SLAVE, "slave" },
                { MS_PRIVATE, "private" }, { MS_STRICTATIME, "strictatime" },
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(names); i++) {
                if (flags & names[i].flag)
                        r = buffer_printf(b, " %s", names[i].name);
                flags &= ~names[i].flag;
        }

        return r >= 0 && flags ? buffer_printf(b, " 0x%" PRIx64, flags) : r;
}

/* A stranger's text, with what could move a terminal's cursor left out. */
static int print_text(const char *text, Buffer *b) {
        int r = 0;

        for (; r >= 0 && *text; text++)
                r = buffer_append_char(b, (unsigned char) *text < ' ' || *text == 0x7f ? '?' : *text);

        return r;
}

/* "/trusted//below": where the trust ends is worth seeing. */
static int print_place(const char *below, const char *path, Buffer *b) {
        int r = 0;

        if (below) {
                r = print_text(below, b);
                if (r >= 0)
                        r = buffer_append_text(b, "//");
        }

        return r < 0 ? r : print_text(path, b);
}

static int print_mount(const Mount *m, Buffer *b) {
        int r;

        r = buffer_printf(b, "%-16s", "mount");
        if (r >= 0)
                r = print_place(m->target_below, m->target, b);
        if (r >= 0)
                r = buffer_append_text(b, m->make_target ? " (made) " : " ");
        if (r >= 0 && m->type)
                r = buffer_printf(b, "%s", m->type);
        else if (r >= 0 && m->source)
                r = print_place(m->source_below, m->source, b);
        if (r >= 0 && m->make_source)
                r = buffer_append_text(b, " (made)");
        if (r >= 0)
                r = print_flags(m->flags, b);
        if (r >= 0 && m->data)
                r = buffer_printf(b, " %s", m->data);

        return r < 0 ? r : buffer_append_char(b, '\n');
}

static int print_line(const char *name, const char *text, Buffer *b) {
        int r;

        if (!text)
                return 0;

        r = buffer_printf(b, "%-16s", name);
        if (r >= 0)
                r = print_text(text, b);
        return r < 0 ? r : buffer_append_char(b, '\n');
}

static int print_mounts(const Confinement *c, Buffer *b) {
        int r;

        r = print_line("root", c->root, b);
        if (r >= 0)
                r = print_line("user ids", c->uid_map, b);
        if (r >= 0)
                r = print_line("group ids", c->gid_map, b);
        for (size_t i = 0; r >= 0 && i < c->n_mounts; i++)
                r = print_mount(c->mounts[i], b);

        return r;
}

/* As /proc has them, for capsh --decode. */
static int print_capabilities(const ConfinementCapabilities *p, Buffer *b) {
        int r = 0;

        if (p->has_bounding)
                r = buffer_printf(b, "%-16s%016" PRIx64 "\n", "bounding", p->bounding);
        if (r >= 0 && p->has_effective)
                r = buffer_printf(b, "%-16s%016" PRIx64 "\n", "effective", p->effective);

        return r;
}

int confinement_print(const Confinement *c, Buffer *b) {
        int r;

        r = print_namespaces(c, b);
        if (r >= 0 && c && c->hostname)
                r = buffer_printf(b, "%-16s%s\n", "hostname", c->hostname);
        for (size_t i = 0; r >= 0 && c && i < c->n_files; i++)
                r = buffer_printf(b, "%-16s%s, %zu bytes\n", "file", c->files[i]->name, c->files[i]->content.len);
        if (r >= 0 && c && c->network)
                r = buffer_printf(b, "%-16s%s, %s to bridge %s %s\n", "network", c->network->address,
                                  c->network->host_interface, c->network->bridge, c->network->gateway);
        for (size_t i = 0; r >= 0 && c && i < c->n_cgroup; i++)
                r = buffer_printf(b, "%-16s%s %s\n", "cgroup", c->cgroup[i]->file, c->cgroup[i]->value);

        if (r >= 0 && c && c->has_device_program)
                r = buffer_printf(b, "%-16sby a program of %zu instructions\n", "devices",
                                  device_program_n_instructions(c->device_program.len));
        if (r >= 0 && c)
                r = print_mounts(c, b);
        if (r >= 0 && c)
                r = print_rlimits(c, b);
        if (r >= 0 && c && c->capabilities)
                r = print_capabilities(c->capabilities, b);
        if (r >= 0 && c && c->no_new_privileges)
                r = buffer_printf(b, "%-16s%s\n", "new privileges", "none");
        if (r >= 0 && c && c->has_seccomp_program)
                r = print_line("seccomp", c->seccomp_profile ? c->seccomp_profile : "?", b);
        return r;
}
