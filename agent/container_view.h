#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* ContainerView: the containers that run, what they are and what they use. See container_view.c. */

#include "agent/address_pool.h"
#include "agent/agent.h"
#include "common/net/pbjson.h"
#include "isolator/usage.h"
#include "proto/agent.pb-c.h"

typedef struct ContainerEntry {
        const Executor *executor;    /* borrowed */
        Mesos__V1__Agent__Response__GetContainers__Container pb;
        Mesos__V1__FrameworkID framework_id;    /* from here on: what pb points at */
        Mesos__V1__ExecutorID executor_id;
        Mesos__V1__ContainerID container_id;
        Mesos__V1__ContainerStatus status;
        Mesos__V1__NetworkInfo network, *networks;
        Mesos__V1__NetworkInfo__IPAddress address, *addresses;
        char address_text[ADDRESS_POOL_TEXT_MAX];
        Mesos__V1__ResourceStatistics statistics;
        UsageMore more;              /* what a message has no field for; zero without a cgroup */
} ContainerEntry;

/* Borrows from the agent: use it before the loop goes on. */
typedef struct ContainerView {
        ContainerEntry *entries;    /* owned */
        size_t n;

        /* The pb of each, for GET_CONTAINERS; owned. */
        Mesos__V1__Agent__Response__GetContainers__Container **list;
} ContainerView;

/* `now_usec` is CLOCK_REALTIME. */
int container_view_take(const Agent *a, usec_t now_usec, ContainerView *ret);
void container_view_deinit(ContainerView *v);

/* The arrays of /containers and /monitor/statistics. */
void container_view_print(const ContainerView *v, JsonWriter *w);
void container_view_print_statistics(const ContainerView *v, JsonWriter *w);
