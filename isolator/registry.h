#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* IsolatorSet: the isolators of this agent, in the order in which they decide. See registry.c. */

#include "isolator/isolator.h"

typedef struct IsolatorSet IsolatorSet;

/*
 * From --isolation's text. Returns ISOLATOR_E_REFUSED with a text for a name that is unknown, given
 * twice, or cannot work on this host. `config` is borrowed for the set's life, `host` for the call.
 */
int isolator_set_new(const char *text, const IsolatorHost *host, const IsolatorConfig *config, IsolatorSet **ret,
                     char **reterr_message);
IsolatorSet *isolator_set_free(IsolatorSet *s);
DEFINE_CLEANUP(IsolatorSet *, isolator_set_free)

bool isolator_set_has(const IsolatorSet *s, const char *name);

/* What a container is to be confined by; *ret is the caller's. */
int isolator_set_plan(const IsolatorSet *s, const IsolatorRequest *request, Confinement **ret, char **reterr_message);

/* The settings that its present demands ask for. */
int isolator_set_update(const IsolatorSet *s, const IsolatorRequest *request, Confinement **ret);

/* What the container consumes and may consume. `host` bounds what has no other limit. */
typedef struct IsolatorCapacity {
        double cpus;
        uint64_t mem_bytes;
} IsolatorCapacity;

void isolator_set_usage(const IsolatorSet *s, const IsolatorRequest *request, const UsageSource *source,
                        const IsolatorCapacity *host, Mesos__V1__ResourceStatistics *statistics);
