#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What master and agent say of themselves. Tools and peers choose behaviour by MESOS_VERSION, never by ours. */

/* The version of Mesos whose protocols we speak. */
#define MESOS_VERSION "1.12.0"

/*
 * "When" and "by whom" of a build are constants of the release: the same sources give the same
 * binary anywhere. Tools expect the fields.
 */
#define BUILD_DATE "2026-11-21 00:00:00 UTC"
#define BUILD_TIME_SECS 1795219200.0
#define BUILD_USER "holdfast"
