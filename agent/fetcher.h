#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Fetcher: brings everything a plan names into the sandbox. See fetcher.c. */

#include "proto/fetcher.pb-c.h"

int fetcher_run(const Holdfast__FetchPlan *plan);
