/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a launcher can carry out
 *
 * The launcher is root, so what it is told to do is looked at as a whole before it does anything: each list and each
 * text has a bound, each path a form. By the agent, too, so that a task is refused rather than failed.
 *
 * An agent that is itself an enemy has root anyway; this is against what slipped through it, and against its errors.
 */

#include <inttypes.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "isolator/confinement.h"
#include "isolator/device_program.h"

/* A container has some ten settings, and as many mounts as it has volumes and a few. */
#define N_SETTINGS_MAX 256
#define N_MOUNTS_MAX 256
#define N_FILES_MAX 16
#define FILE_MAX_BYTES (64U << 10)

/* The kernel takes a page of a cgroup's file, of a mount's data and of the map of a user namespace. */
#define PAGE_MAX_BYTES 4096U

/* Names of files of cgroups and of file systems are a word or two; as is that of a seccomp profile, a file. */
#define WORD_MAX_BYTES 64U

/* With the zero: IFNAMSIZ of the kernel, "255.255.255.255/32", HOST_NAME_MAX. */
#define INTERFACE_MAX_BYTES 16U
#define ADDRESS_MAX_BYTES 19U
#define HOSTNAME_MAX_BYTES 65U

/* As the kernel has them: struct sock_filter, BPF_MAXINSNS. */
#define SECCOMP_INSTRUCTION_BYTES 8U
#define SECCOMP_PROGRAM_MAX_BYTES (4096U * SECCOMP_INSTRUCTION_BYTES)
#define SECCOMP_FLAGS (SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW)

#define MOUNT_FLAGS                                                                                                         \
        (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_DIRSYNC | MS_NOATIME | MS_NODIRATIME |          \
         MS_RELATIME | MS_STRICTATIME | MS_REMOUNT | MS_BIND | MS_REC | MS_SHARED | MS_SLAVE | MS_PRIVATE | MS_UNBINDABLE)

#define DIGITS "0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define LETTERS LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static int invalid(char **reterr_message, const char *format, ...) _printf_(2, 3);
static int invalid(char **reterr_message, const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(reterr_message, format, ap);
        va_end(ap);
        return n < 0 ? -ENOMEM : CONFINEMENT_E_INVALID;
}

/* Of these characters only, at least one of them, and not too many. */
static bool is_made_of(const char *text, const char *characters, size_t max_bytes) {
        size_t n = strspn(text, characters);

        return n > 0 && n < max_bytes && text[n] == '\0';
}

/* One directory entry, and not a hidden one. */
static bool is_file_name(const char *name) {
        return name[0] != '.' && name[0] != '\0' && !strchr(name, '/') && strlen(name) <= NAME_MAX;
}

/* Those that make up the hierarchy, as cgroup.procs, are no setting; its bounds are. */
bool confinement_setting_is_sane(const CgroupSetting *s) {
        return is_made_of(s->file, LOWER DIGITS "._", WORD_MAX_BYTES) && strchr(s->file, '.') && s->file[0] != '.' &&
               (!startswith(s->file, "cgroup.") || startswith(s->file, "cgroup.max.")) && strlen(s->value) < PAGE_MAX_BYTES;
}

static int check_settings(const Confinement *c, char **reterr_message) {
        if (c->n_cgroup > N_SETTINGS_MAX)
                return invalid(reterr_message, "%zu cgroup settings are too many", c->n_cgroup);

        for (size_t i = 0; i < c->n_cgroup; i++)
                if (!confinement_setting_is_sane(c->cgroup[i]))
                        return invalid(reterr_message, "'%.256s' is no file of a cgroup for '%.256s'", c->cgroup[i]->file,
                                       c->cgroup[i]->value);

        if (c->has_device_program && !device_program_is_sane(c->device_program.len))
                return invalid(reterr_message, "%zu bytes are no program for devices", c->device_program.len);

        return CONFINEMENT_OK;
}

static int check_namespaces(const Confinement *c, char **reterr_message) {
        if (c->n_namespaces > HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__CGROUP)
                return invalid(reterr_message, "%zu namespaces are too many", c->n_namespaces);

        for (size_t i = 0; i < c->n_namespaces; i++)
                if (c->namespaces[i] <= HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__UNKNOWN ||
                    c->namespaces[i] > HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__CGROUP)
                        return invalid(reterr_message, "Unknown namespace %u", (unsigned) c->namespaces[i]);

        if (c->hostname && !confinement_has_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__UTS))
                return invalid(reterr_message, "A hostname without a UTS namespace");
        if (c->hostname && !is_made_of(c->hostname, LETTERS DIGITS "._-", HOSTNAME_MAX_BYTES))
                return invalid(reterr_message, "'%.256s' is no hostname", c->hostname);

        return CONFINEMENT_OK;
}

static int check_ids(const Confinement *c, char **reterr_message) {
        const char *maps[] = { c->uid_map, c->gid_map };

        for (size_t i = 0; i < ELEMENTSOF(maps); i++) {
                if (!maps[i])
                        continue;
                if (!confinement_has_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__USER))
                        return invalid(reterr_message, "A map of ids without a user namespace");
                if (!is_made_of(maps[i], DIGITS " \n", PAGE_MAX_BYTES))
                        return invalid(reterr_message, "'%.256s' is no map of ids", maps[i]);
        }

        return CONFINEMENT_OK;
}

/* "a", "a/b", "": one that leads down. */
static bool is_path_below(const char *path) {
        if (path[0] == '/' || strlen(path) >= PATH_MAX)
                return false;

        for (const char *p = path; *p; p += strspn(p, "/")) {
                size_t n = strcspn(p, "/");

                if (n == 2 && p[0] == '.' && p[1] == '.')
                        return false;
                p += n;
        }

        return true;
}

static bool is_path(const char *below, const char *path) {
        if (below)
                return below[0] == '/' && strlen(below) < PATH_MAX && is_path_below(path);

        return path[0] == '/' && strlen(path) < PATH_MAX;
}

static int check_network(const ConfinementNetwork *n, char **reterr_message) {
        const char *interfaces[] = { n->bridge, n->host_interface }, *addresses[] = { n->gateway, n->address };

        if (!is_path(NULL, n->helper))
                return invalid(reterr_message, "'%.256s' is no absolute path", n->helper);

        for (size_t i = 0; i < ELEMENTSOF(interfaces); i++)
                if (!is_made_of(interfaces[i], LETTERS DIGITS "._-", INTERFACE_MAX_BYTES) || interfaces[i][0] == '-')
                        return invalid(reterr_message, "'%.256s' is no network interface", interfaces[i]);

        for (size_t i = 0; i < ELEMENTSOF(addresses); i++)
                if (!is_made_of(addresses[i], DIGITS "./", ADDRESS_MAX_BYTES))
                        return invalid(reterr_message, "'%.256s' is no address", addresses[i]);

        return CONFINEMENT_OK;
}

static int check_files(const Confinement *c, char **reterr_message) {
        if (c->n_files > N_FILES_MAX)
                return invalid(reterr_message, "%zu files are too many", c->n_files);

        for (size_t i = 0; i < c->n_files; i++) {
                const ConfinementFile *f = c->files[i];

                if (!is_file_name(f->name))
                        return invalid(reterr_message, "'%.256s' is no name of a file", f->name);
                if (f->content.len > FILE_MAX_BYTES)
                        return invalid(reterr_message, "%zu bytes are too many for the file '%s'", f->content.len, f->name);
        }

        return CONFINEMENT_OK;
}

static int check_mount_texts(const Mount *m, char **reterr_message) {
        if (m->type && !is_made_of(m->type, LOWER DIGITS "._-", WORD_MAX_BYTES))
                return invalid(reterr_message, "'%.256s' is no type of file system", m->type);
        if (m->type && m->source && strlen(m->source) >= PATH_MAX)
                return invalid(reterr_message, "The source of '%.256s' is too long", m->target);
        if (m->data && strlen(m->data) >= PAGE_MAX_BYTES)
                return invalid(reterr_message, "The options of '%.256s' are too long", m->target);
        if (m->flags & ~(uint64_t) MOUNT_FLAGS)
                return invalid(reterr_message, "0x%" PRIx64 " are no flags of a mount", m->flags);

        return CONFINEMENT_OK;
}

static int check_mount(const Confinement *c, const Mount *m, char **reterr_message) {
        if (!is_path(m->target_below, m->target))
                return invalid(reterr_message, "'%.256s' is no place for a mount", m->target);
        if (m->source && !m->type && !is_path(m->source_below, m->source))
                return invalid(reterr_message, "'%.256s' is nothing that can be mounted", m->source);
        if (!m->source && !m->type && !(m->flags & MS_REMOUNT))
                return invalid(reterr_message, "Nothing is to be mounted at '%.256s'", m->target);
        if (m->make_target && !m->target_below && !c->root)
                return invalid(reterr_message, "'%.256s' cannot be made: nothing says where one may", m->target);
        if (m->make_source && !m->source_below)
                return invalid(reterr_message, "'%.256s' cannot be made: nothing says where one may", m->source ?: "");

        return check_mount_texts(m, reterr_message);
}

static int check_mounts(const Confinement *c, char **reterr_message) {
        if (c->n_mounts > N_MOUNTS_MAX)
                return invalid(reterr_message, "%zu mounts are too many", c->n_mounts);
        if ((c->n_mounts > 0 || c->root) &&
            !confinement_has_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__MOUNT))
                return invalid(reterr_message, "Mounts need a mount namespace");
        if (c->root && !is_path(NULL, c->root))
                return invalid(reterr_message, "'%.256s' is no root", c->root);

        for (size_t i = 0; i < c->n_mounts; i++) {
                int r = check_mount(c, c->mounts[i], reterr_message);

                if (r != CONFINEMENT_OK)
                        return r;
        }

        return CONFINEMENT_OK;
}

static int check_rights(const Confinement *c, char **reterr_message) {
        if (c->has_seccomp_program && (c->seccomp_program.len == 0 || c->seccomp_program.len % SECCOMP_INSTRUCTION_BYTES ||
                                       c->seccomp_program.len > SECCOMP_PROGRAM_MAX_BYTES))
                return invalid(reterr_message, "%zu bytes are no seccomp program", c->seccomp_program.len);
        if (c->seccomp_flags & ~(uint32_t) SECCOMP_FLAGS)
                return invalid(reterr_message, "0x%" PRIx32 " are no flags of seccomp", c->seccomp_flags);
        if (c->seccomp_profile && strlen(c->seccomp_profile) >= PATH_MAX)
                return invalid(reterr_message, "The name of the seccomp profile is too long");

        if (c->capabilities && c->capabilities->has_effective && c->capabilities->has_bounding &&
            c->capabilities->effective & ~c->capabilities->bounding)
                return invalid(reterr_message, "Capabilities %" PRIx64 " are not within %" PRIx64,
                               c->capabilities->effective, c->capabilities->bounding);

        return CONFINEMENT_OK;
}

static int check_rlimits(const Confinement *c, char **reterr_message) {
        if (c->n_rlimits > RLIM_NLIMITS)
                return invalid(reterr_message, "%zu limits are too many", c->n_rlimits);

        for (size_t i = 0; i < c->n_rlimits; i++) {
                const ConfinementRlimit *l = c->rlimits[i];

                if (l->resource >= RLIM_NLIMITS || l->soft > l->hard)
                        return invalid(reterr_message, "Limit %" PRIu32 " of %" PRIu64 ":%" PRIu64 " is not possible",
                                       l->resource, l->soft, l->hard);
        }

        return CONFINEMENT_OK;
}

int confinement_check(const Confinement *c, char **reterr_message) {
        static int (*const checks[])(const Confinement *c, char **reterr_message) = {
                check_settings, check_namespaces, check_ids, check_files, check_mounts, check_rights, check_rlimits,
        };

        if (!c)
                return CONFINEMENT_OK;

        for (size_t i = 0; i < ELEMENTSOF(checks); i++) {
                int r = checks[i](c, reterr_message);

                if (r != CONFINEMENT_OK)
                        return r;
        }

        if (!c->network)
                return CONFINEMENT_OK;
        if (!confinement_has_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__NETWORK))
                return invalid(reterr_message, "An address without a network namespace");

        return check_network(c->network, reterr_message);
}
