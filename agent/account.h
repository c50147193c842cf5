#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Accounts of /etc/passwd and /etc/group by number, without NSS. See account.c. */

#include <stdbool.h>
#include <sys/types.h>

#define ACCOUNT_NAME_MAX 64

/* The user's or group's name, or the number itself where the file has none. */
void account_user_name(uid_t uid, char ret[static ACCOUNT_NAME_MAX]);
void account_group_name(gid_t gid, char ret[static ACCOUNT_NAME_MAX]);

/* Owners of many files, one after the other: names are looked up when they change. */
typedef struct AccountOwner {
        bool known;
        uid_t uid;
        gid_t gid;
        char user[ACCOUNT_NAME_MAX], group[ACCOUNT_NAME_MAX];
} AccountOwner;

void account_owner_update(AccountOwner *o, uid_t uid, gid_t gid);

/* The same in any file of that form; false (and `ret` untouched) when it has no such number. */
bool account_find_name(const char *path, unsigned id, char ret[static ACCOUNT_NAME_MAX]);
