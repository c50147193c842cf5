/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cgroups/blkio
 *
 * The Mesos API asks for no share of a disk's bandwidth; the operator gives each container the same.
 * A weight counts when a disk is busy (io.weight: 100 is what a cgroup has by default), limits of
 * bytes and operations each second always (io.max).
 *
 * Limits are of whole disks, named by number. The operator names them by path, and what is a part
 * of a disk stands for all of it.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/base/file.h"
#include "common/base/parse.h"
#include "isolator/isolator.h"

/* Documentation/admin-guide/cgroup-v2.rst. */
#define WEIGHT_MAX 10000

#define EXPECTED "'DEVICE rbps=N wbps=N riops=N wiops=N; DEVICE …', each N a number, of bytes with or without a unit, or max"

typedef struct IoLimit {
        unsigned major, minor;
        uint64_t values[4];          /* in the order of limit_names; UINT64_MAX: none */
} IoLimit;

static const char *const limit_names[] = { "rbps", "wbps", "riops", "wiops" };

/* "8:1" is a part of "8:0" when it says which one. */
static void whole_disk(unsigned *major_number, unsigned *minor_number) {
        _cleanup_free_ char *part = NULL, *disk = NULL;
        char path[80];

        snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", *major_number, *minor_number);
        if (file_read_at(AT_FDCWD, path, 64, &part, NULL) < 0)
                return;

        snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/../dev", *major_number, *minor_number);
        if (file_read_at(AT_FDCWD, path, 64, &disk, NULL) == 0)
                (void) sscanf(disk, "%u:%u", major_number, minor_number);
}

static int find_device(const char *text, IoLimit *limit, char **reterr_message) {
        struct stat st;
        int end = -1;

        if (sscanf(text, "%u:%u%n", &limit->major, &limit->minor, &end) == 2 && end >= 0 && text[end] == '\0')
                return ISOLATOR_OK;

        if (text[0] != '/' || stat(text, &st) < 0)
                return isolator_refuse(reterr_message, "--holdfast_io_max: cannot find the device '%s'", text);
        if (!S_ISBLK(st.st_mode))
                return isolator_refuse(reterr_message, "--holdfast_io_max: '%s' is not a block device", text);

        limit->major = major(st.st_rdev);
        limit->minor = minor(st.st_rdev);
        whole_disk(&limit->major, &limit->minor);
        return ISOLATOR_OK;
}

/* "rbps=10MB"; the word is cut up. */
static int parse_value(char *word, IoLimit *limit, char **reterr_message) {
        char *value = strchr(word, '=');

        for (size_t i = 0; value && i < ELEMENTSOF(limit_names); i++) {
                size_t n = (size_t) (value - word);

                if (strlen(limit_names[i]) != n || strncmp(word, limit_names[i], n) != 0)
                        continue;
                if (streq(value + 1, "max"))
                        return ISOLATOR_OK;
                if ((parse_u64(value + 1, &limit->values[i]) < 0 &&
                     (i >= 2 || parse_bytes(value + 1, &limit->values[i]) < 0)) ||
                    limit->values[i] == 0)
                        break;

                return ISOLATOR_OK;
        }

        return isolator_refuse(reterr_message, "--holdfast_io_max: '%s' is not of " EXPECTED, word);
}

/* One device with its limits; the text is cut up. */
static int parse_limit(char *text, IoLimit *limit, char **reterr_message) {
        char *saved = NULL, *word = strtok_r(text, " ", &saved);
        int r;

        if (!word)
                return isolator_refuse(reterr_message, "--holdfast_io_max: expected " EXPECTED);

        r = find_device(word, limit, reterr_message);
        word = strtok_r(NULL, " ", &saved);
        if (r == ISOLATOR_OK && !word)
                return isolator_refuse(reterr_message, "--holdfast_io_max: nothing is said of '%s'", text);

        for (; r == ISOLATOR_OK && word; word = strtok_r(NULL, " ", &saved))
                r = parse_value(word, limit, reterr_message);

        return r;
}

static int add_limit(Confinement *c, const IoLimit *limit) {
        char text[160];
        int n = snprintf(text, sizeof(text), "%u:%u", limit->major, limit->minor);

        for (size_t i = 0; i < ELEMENTSOF(limit_names); i++)
                if (limit->values[i] != UINT64_MAX)
                        n += snprintf(text + n, sizeof(text) - (size_t) n, " %s=%" PRIu64, limit_names[i],
                                      limit->values[i]);

        return confinement_set_cgroup(c, "io.max", 0, "%s", text);
}

/* Adds the limits that the operator's text stands for now; c NULL: only checks. */
static int add_limits(const char *flag, Confinement *c, char **reterr_message) {
        _cleanup_free_ char *text = strdup(flag ?: "");
        char *saved = NULL;
        int r = ISOLATOR_OK;

        if (!text)
                return -ENOMEM;

        for (char *p = strtok_r(text, ";", &saved); r == ISOLATOR_OK && p; p = strtok_r(NULL, ";", &saved)) {
                IoLimit limit = { .values = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX } };

                r = parse_limit(p, &limit, reterr_message);
                if (r == ISOLATOR_OK && c)
                        r = add_limit(c, &limit);
        }

        return r;
}

static int io_probe(const IsolatorHost *host, const IsolatorConfig *config, char **reterr_message) {
        (void) host;
        if (config->io_weight > WEIGHT_MAX)
                return isolator_refuse(reterr_message, "--holdfast_io_weight: %" PRIu64 " is more than %d",
                                       config->io_weight, WEIGHT_MAX);

        return add_limits(config->io_max, NULL, reterr_message);
}

static int io_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                   char **reterr_message) {
        int r = ISOLATOR_OK;

        (void) request;
        if (config->io_weight > 0)
                r = confinement_set_cgroup(c, "io.weight", 0, "%" PRIu64, config->io_weight);

        return r == ISOLATOR_OK ? add_limits(config->io_max, c, reterr_message) : r;
}

const IsolatorOps isolator_cgroups_blkio = {
        .name = "cgroups/blkio",
        .controllers = "io",
        .probe = io_probe,
        .plan = io_plan,
};
