#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Settings: the master's const MasterConfig, with all that it points to. See settings.c. */

#include "common/net/address.h"
#include "master/master.h"
#include "master/minimum.h"
#include "master/options.h"

typedef struct Settings {
        const Options *options;          /* borrowed */
        MasterConfig config;
        ZkUrl zk;
        Minimums *minimums;
        char *hostname;
        char bind_ip[ADDRESS_IP_MAX], own_ip[ADDRESS_IP_MAX];
        const char **excluded_names;
        char *excluded_text;
} Settings;

/* From the flags' values, which must live as long. What cannot be is logged, with what was expected. */
int settings_make(const Options *options, Settings *ret);
void settings_deinit(Settings *s);
