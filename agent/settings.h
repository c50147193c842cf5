#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Settings: the agent's const AgentConfig, with all that it points to. See settings.c. */

#include "agent/config.h"
#include "agent/options.h"
#include "common/model/value.h"
#include "isolator/seccomp_profiles.h"

typedef struct Settings {
        const Options *options;          /* borrowed */
        AgentConfig config;
        Resources *resources;
        Value isolated_ports;
        Mesos__V1__Attribute **attributes;
        ProtobufCMessage *domain, *effective_capabilities, *bounding_capabilities, *allowed_devices;
        char **executor_environment;
        IsolatorConfig isolator_config;
        SeccompProfiles *seccomp_profiles;
        IsolatorSet *isolators;
        char *hostname, *domain_socket, *socket_dir, *cgroup_mount,
                        *work_dir, *runtime_dir, *launcher_dir, *network_gateway, *network_helper;
} Settings;


/* From the flags' values, which must live as long. What cannot be is logged, with what was expected. */
int settings_make(const Options *options, Settings *ret);
void settings_deinit(Settings *s);

/* The parts of settings_isolation.c. */
int settings_make_isolation(Settings *s);
int settings_make_watches(Settings *s);

/* Logs it; -EINVAL. */
int settings_refuse(const char *flag, const char *value, const char *expected);
