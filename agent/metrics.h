#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Metrics: numbers by name, for /metrics/snapshot and GET_METRICS. See metrics.c. */

#include "agent/agent.h"

typedef int (*MetricVisit)(const char *name, double value, void *userdata);

/*
 * Calls back with every metric, by name; `now_usec` is CLOCK_REALTIME. 0, or a negative errno, also
 * that of a visitor, after which there are no more.
 */
int agent_metrics_foreach(const Agent *a, usec_t now_usec, MetricVisit visit, void *userdata);
