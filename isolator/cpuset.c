/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cgroups/cpuset, cgroups/hugetlb
 *
 * The controllers are there in the container's cgroup, for the container to divide what it has.
 * Nothing is set, unless the operator gives all containers some of the processors only
 * (--holdfast_cpuset_cpus).
 */

#include <stdio.h>

#include "isolator/isolator.h"

/* "0-3,5". That these processors are there is the kernel's to know. */
static bool is_cpu_list(const char *text) {
        for (;;) {
                unsigned first, last;
                int n = -1;

                if (*text < '0' || *text > '9' || sscanf(text, "%u%n", &first, &n) != 1)
                        return false;

                text += n;
                last = first;
                if (*text == '-' && (text[1] < '0' || text[1] > '9' || sscanf(text, "-%u%n", &last, &n) != 1))
                        return false;
                if (*text == '-')
                        text += n;
                if (last < first)
                        return false;
                if (*text == '\0')
                        return true;
                if (*text++ != ',')
                        return false;
        }
}

static int cpuset_probe(const IsolatorHost *host, const IsolatorConfig *config, char **reterr_message) {
        (void) host;
        if (config->cpuset_cpus && !is_cpu_list(config->cpuset_cpus))
                return isolator_refuse(reterr_message,
                                       "--holdfast_cpuset_cpus: '%s' is no list of processors such as 0-3,5",
                                       config->cpuset_cpus);

        return ISOLATOR_OK;
}

static int cpuset_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                       char **reterr_message) {
        (void) request;
        (void) reterr_message;
        if (!config->cpuset_cpus)
                return ISOLATOR_OK;

        return confinement_set_cgroup(c, "cpuset.cpus", 0, "%s", config->cpuset_cpus);
}

const IsolatorOps isolator_cgroups_cpuset = {
        .name = "cgroups/cpuset",
        .controllers = "cpuset",
        .probe = cpuset_probe,
        .plan = cpuset_plan,
};

const IsolatorOps isolator_cgroups_hugetlb = {
        .name = "cgroups/hugetlb",
        .controllers = "hugetlb",
};
