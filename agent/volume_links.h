#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* VolumeLinks: persistent volumes as a task finds them in its sandbox. See volume_links.c. */

#include "agent/agent.h"

enum {
        VOLUME_LINKS_OK = 0,
        VOLUME_LINKS_E_REFUSED, /* *reterr_message says why; some links may have been made */
};

/* Of the volumes among these resources, which are the executor's own or those of a task of it. */
int volume_links_make(const Agent *a, const Executor *e, Mesos__V1__Resource *const *resources, size_t n,
                      char **reterr_message);

bool volume_links_are_needed(Mesos__V1__Resource *const *resources, size_t n);
