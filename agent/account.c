/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Accounts
 *
 * Directory listings name the owners of files. Asking NSS could mean asking a directory server,
 * which the loop must not wait for, so only the local files are read; an owner from elsewhere is
 * shown by number, as ls(1) does when the server is away.
 *
 * /etc/passwd and /etc/group agree in what matters here: "name:password:number:…".
 */

#include <stdio.h>

#include "agent/account.h"
#include "common/base/macro.h"
#include "common/base/parse.h"

/* Longer lines are groups with many members; what counts stands at their beginning. */
#define LINE_MAX_BYTES 512

static void closep(FILE **f) {
        if (*f)
                (void) fclose(*f);
}

/* Splits "name:password:number" in place. */
static bool parse_line(char *line, const char **ret_name, uint64_t *ret_id) {
        char *p = line, *name;

        name = strsep(&p, ":");
        if (!p || !strsep(&p, ":") || !p || *name == '\0')
                return false;

        *ret_name = name;
        return parse_u64(strsep(&p, ":\n"), ret_id) >= 0;
}

bool account_find_name(const char *path, unsigned id, char ret[static ACCOUNT_NAME_MAX]) {
        _cleanup_(closep) FILE *f = fopen(path, "re");
        char line[LINE_MAX_BYTES];
        bool continued = false;

        while (f && fgets(line, sizeof(line), f)) {
                bool complete = strchr(line, '\n') != NULL;
                const char *name;
                uint64_t line_id;

                if (!continued && parse_line(line, &name, &line_id) && line_id == id) {
                        (void) snprintf(ret, ACCOUNT_NAME_MAX, "%s", name);
                        return true;
                }

                continued = !complete;
        }

        return false;
}

void account_user_name(uid_t uid, char ret[static ACCOUNT_NAME_MAX]) {
        if (!account_find_name("/etc/passwd", uid, ret))
                (void) snprintf(ret, ACCOUNT_NAME_MAX, "%u", uid);
}

void account_group_name(gid_t gid, char ret[static ACCOUNT_NAME_MAX]) {
        if (!account_find_name("/etc/group", gid, ret))
                (void) snprintf(ret, ACCOUNT_NAME_MAX, "%u", gid);
}

void account_owner_update(AccountOwner *o, uid_t uid, gid_t gid) {
        if (!o->known || o->uid != uid)
                account_user_name(uid, o->user);
        if (!o->known || o->gid != gid)
                account_group_name(gid, o->group);

        o->known = true;
        o->uid = uid;
        o->gid = gid;
}
