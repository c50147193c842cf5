#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Confinement: what the isolators decided for one container, as plain data. See confinement.c. */

#include "common/base/buffer.h"
#include "common/base/macro.h"
#include "proto/launcher.pb-c.h"

/* The message itself: it is filled by isolators, travels in the launch plan and is carried out as it
 * is. Everything in it is malloc'ed and belongs to it. */
typedef Holdfast__Launcher__Confinement Confinement;
typedef Holdfast__Launcher__CgroupSetting CgroupSetting;
typedef Holdfast__Launcher__Rlimit ConfinementRlimit;
typedef Holdfast__Launcher__Mount Mount;
typedef Holdfast__Launcher__Confinement__Capabilities ConfinementCapabilities;
typedef Holdfast__Launcher__Confinement__Namespace ConfinementNamespace;
typedef Holdfast__Launcher__Confinement__File ConfinementFile;
typedef Holdfast__Launcher__Confinement__Network ConfinementNetwork;

Confinement *confinement_new(void);
Confinement *confinement_free(Confinement *c);
DEFINE_CLEANUP(Confinement *, confinement_free)

bool confinement_is_empty(const Confinement *c);

enum {
        CONFINEMENT_OK = 0,
        CONFINEMENT_E_INVALID,     /* *reterr_message says what is wrong */
};

/* Whether a launcher can carry it out; NULL confines nothing. */
int confinement_check(const Confinement *c, char **reterr_message);

/* The same of a setting that comes alone, in an update. */
bool confinement_setting_is_sane(const CgroupSetting *s);

/* What an isolator adds. Returns 0 or -ENOMEM. */
int confinement_add_namespace(Confinement *c, ConfinementNamespace kind);
bool confinement_has_namespace(const Confinement *c, ConfinementNamespace kind);
int confinement_add_rlimit(Confinement *c, uint32_t resource, uint64_t soft, uint64_t hard);
void confinement_set_no_new_privileges(Confinement *c);

/* Adds a mount that is a copy of this one. */
int confinement_add_mount(Confinement *c, const Mount *m);

/* Below all there are so far. */
int confinement_add_mount_first(Confinement *c, const Mount *m);

/* Replaces one of its texts, such as c->root. */
int confinement_set_text(char **field, const char *format, ...) _printf_(2, 3);

int confinement_set_seccomp(Confinement *c, const char *profile, const void *program, size_t n, unsigned flags);

/* Either may be NULL: nothing is said of it. */
int confinement_set_capabilities(Confinement *c, const uint64_t *bounding, const uint64_t *effective);

enum {
        SETTING_OPTIONAL = 1 << 0,     /* a kernel without the file will do */
        SETTING_RAISE_ONLY = 1 << 1,   /* in an update */
};
int confinement_set_cgroup(Confinement *c, const char *file, unsigned flags, const char *format, ...) _printf_(4, 5);

/* A file of the runtime directory; a copy of the content. */
int confinement_add_file(Confinement *c, const char *name, const char *content);

int confinement_set_network(Confinement *c, const ConfinementNetwork *network);

/* One line for each fact, for people. */
int confinement_print(const Confinement *c, Buffer *b);
