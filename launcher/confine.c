/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Confining
 *
 * The launcher's half of isolation, as far as it is done to the container from outside: its cgroup.
 * What a process has to do to itself is in child.c. Nothing is decided here. A step that fails ends
 * the launch with its name, and what was done before goes with the container's cgroup and
 * namespaces: nothing of it lives outside of them.
 */

#include <stdio.h>

#include "common/base/crash.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/base/parse.h"
#include "isolator/device_program.h"
#include "launcher/confine.h"

/* A number as cgroup files have them, "max" being the highest. */
static uint64_t number_of(const char *text) {
        uint64_t n;

        return parse_u64(text, &n) < 0 ? UINT64_MAX : n;
}

/* Whether the file already allows as much. What cannot be read is written. */
static bool is_as_high(int cgroup_fd, const CgroupSetting *s) {
        _cleanup_free_ char *now = NULL;

        if (file_read_at(cgroup_fd, s->file, 64, &now, NULL) < 0)
                return false;

        now[strcspn(now, "\n")] = '\0';
        return number_of(now) >= number_of(s->value);
}

static int apply(int cgroup_fd, const CgroupSetting *s) {
        int r;

        if (s->raise_only && is_as_high(cgroup_fd, s))
                return 0;

        CRASH_POINT("cgroup-setting");
        r = file_write_at(cgroup_fd, s->file, s->value);
        return r == -ENOENT && s->optional ? 0 : r;
}

static int load_and_attach(const CgroupTree *tree, const Confinement *c) {
        _cleanup_fd_ int fd = -EBADF;

        if (tree->payload_fd < 0)
                return -ENOENT;

        fd = device_program_load(c->device_program.data, c->device_program.len);
        return fd < 0 ? fd : device_program_attach(fd, tree->payload_fd);
}

/* Before anything is in the cgroup: what is open is not asked about any more. */
int confine_devices(const CgroupTree *tree, const Confinement *c, char **ret_step) {
        int r;

        if (!c || !c->has_device_program)
                return 0;

        CRASH_POINT("device-program");
        r = load_and_attach(tree, c);
        if (r < 0)
                *ret_step = strdup("restrict the container's devices");
        return r;
}

int confine_cgroup(const CgroupTree *tree, const Confinement *c, char **ret_step) {
        for (size_t i = 0; c && i < c->n_cgroup; i++) {
                int r = tree->payload_fd < 0 ? -ENOENT : apply(tree->payload_fd, c->cgroup[i]);

                if (r < 0) {
                        if (asprintf(ret_step, "set %s of the container's cgroup to '%s'", c->cgroup[i]->file,
                                     c->cgroup[i]->value) < 0)
                                *ret_step = NULL;
                        return r;
                }
        }

        return 0;
}

int confine_files(int runtime_dir_fd, const Confinement *c, char **ret_step) {
        for (size_t i = 0; c && i < c->n_files; i++) {
                const ConfinementFile *f = c->files[i];
                int r;

                r = file_replace_at(runtime_dir_fd, f->name, f->content.data, f->content.len, 0444);
                if (r < 0) {
                        if (asprintf(ret_step, "write the container's %s", f->name) < 0)
                                *ret_step = NULL;
                        return r;
                }
        }

        return 0;
}

int confine_update(const CgroupTree *tree, CgroupSetting *const *settings, size_t n) {
        if (tree->payload_fd < 0)
                return -ENOENT;

        for (size_t i = 0; i < n; i++) {
                int r;

                if (!confinement_setting_is_sane(settings[i]))
                        return -EINVAL;

                r = apply(tree->payload_fd, settings[i]);
                if (r < 0)
                        return r;
        }

        return 0;
}
