/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cgroups/blkio
 *
 * The Mesos API asks for no share of a disk's bandwidth; the operator says what a container has. A
 * weight counts when a disk is busy, and grows with the cpus that were asked for, since among equals
 * it would say nothing. Limits of bytes and operations each second count always (io.max).
 *
 * Weights are of io.cost (io.weight) or of the BFQ scheduler (io.bfq.weight), and a kernel may have
 * either, or neither: both are set where they are there. 100 is what a cgroup has by default.
 *
 * Limits are of whole disks, named by number. The operator names them by path, and what is a part
 * of a disk stands for all of it.
 *
 * What a container has read and written is told per device, as Mesos tells it with cgroup v1.
 */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/model/convert.h"
#include "isolator/isolator.h"

/* Documentation/admin-guide/cgroup-v2.rst. */
#define WEIGHT_MAX 10000
#define BFQ_WEIGHT_MAX 1000

#define EXPECTED                                                                                                       \
        "'DEVICE rbps=N wbps=N riops=N wiops=N; DEVICE …', each N a number, of bytes with or without a unit, or max"

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

/* Each scheduler that a disk can have is named in its file. */
static bool has_bfq(void) {
        DIR *d = opendir("/sys/block");
        bool found = false;
        struct dirent *e;

        while (d && !found && (e = readdir(d))) {
                _cleanup_free_ char *path = NULL, *text = NULL;

                if (asprintf(&path, "/sys/block/%s/queue/scheduler", e->d_name) < 0) {
                        path = NULL;
                        break;
                }
                found = file_read_at(AT_FDCWD, path, 4096, &text, NULL) == 0 && strstr(text, "bfq");
        }

        if (d)
                (void) closedir(d);
        return found;
}

bool isolator_has_io_weights(int cgroup_mount_fd) {
        return faccessat(cgroup_mount_fd, "io.cost.qos", F_OK, 0) == 0 || has_bfq();
}

/* As systemd: 100 is 100, and 10000 the most that BFQ knows. */
static uint64_t bfq_weight(uint64_t weight) {
        return weight <= 100 ? weight : 100 + (weight - 100) * (BFQ_WEIGHT_MAX - 100) / (WEIGHT_MAX - 100);
}

static int io_probe(const IsolatorHost *host, const IsolatorConfig *config, char **reterr_message) {
        if (config->io_weight > 0 && !host->io_weights)
                return isolator_refuse(reterr_message,
                                       "--holdfast_io_weight: this kernel has no weights of disks: that takes "
                                       "CONFIG_BLK_CGROUP_IOCOST or the BFQ scheduler");
        if (config->io_weight > WEIGHT_MAX)
                return isolator_refuse(reterr_message, "--holdfast_io_weight: %" PRIu64 " is more than %d",
                                       config->io_weight, WEIGHT_MAX);

        return add_limits(config->io_max, NULL, reterr_message);
}

static uint64_t weight_of(const IsolatorConfig *config, const IsolatorRequest *request) {
        uint64_t milli = (uint64_t) MIN(MAX(request->cpus.request_milli, INT64_C(0)), INT64_C(1000) * WEIGHT_MAX);

        return MIN(MAX(config->io_weight * milli / 1000, UINT64_C(1)), (uint64_t) WEIGHT_MAX);
}

static int io_update(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c) {
        uint64_t weight = weight_of(config, request);
        int r;

        if (config->io_weight == 0)
                return 0;

        r = confinement_set_cgroup(c, "io.weight", SETTING_OPTIONAL, "%" PRIu64, weight);
        return r < 0 ? r : confinement_set_cgroup(c, "io.bfq.weight", SETTING_OPTIONAL, "%" PRIu64, bfq_weight(weight));
}

static int io_plan(const IsolatorConfig *config, const IsolatorRequest *request, Confinement *c,
                   char **reterr_message) {
        int r = io_update(config, request, c);

        return r < 0 ? r : add_limits(config->io_max, c, reterr_message);
}

typedef Mesos__V1__CgroupInfo__Blkio__Value Value;
typedef Mesos__V1__CgroupInfo__Blkio__Throttling__Statistics DeviceStatistics;

/* What io.stat tells of one device, as Mesos has it of cgroup v1's throttling. */
enum { READ, WRITE, DISCARD, TOTAL, N_OPERATIONS };

typedef struct DeviceUsage {
        unsigned major, minor;
        uint64_t bytes[N_OPERATIONS], operations[N_OPERATIONS];
} DeviceUsage;

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" */
static bool parse_usage(const char *line, DeviceUsage *ret) {
        DeviceUsage u = {};

        if (sscanf(line,
                   "%u:%u rbytes=%" SCNu64 " wbytes=%" SCNu64 " rios=%" SCNu64 " wios=%" SCNu64 " dbytes=%" SCNu64
                   " dios=%" SCNu64,
                   &u.major, &u.minor, &u.bytes[READ], &u.bytes[WRITE], &u.operations[READ], &u.operations[WRITE],
                   &u.bytes[DISCARD], &u.operations[DISCARD]) < 6)
                return false;

        u.bytes[TOTAL] = u.bytes[READ] + u.bytes[WRITE] + u.bytes[DISCARD];
        u.operations[TOTAL] = u.operations[READ] + u.operations[WRITE] + u.operations[DISCARD];
        *ret = u;
        return true;
}

static void init_values(const uint64_t numbers[static N_OPERATIONS], Value values[static N_OPERATIONS],
                        Value *list[static N_OPERATIONS]) {
        static const Mesos__V1__CgroupInfo__Blkio__Operation names[] = {
                [READ] = MESOS__V1__CGROUP_INFO__BLKIO__OPERATION__READ,
                [WRITE] = MESOS__V1__CGROUP_INFO__BLKIO__OPERATION__WRITE,
                [DISCARD] = MESOS__V1__CGROUP_INFO__BLKIO__OPERATION__DISCARD,
                [TOTAL] = MESOS__V1__CGROUP_INFO__BLKIO__OPERATION__TOTAL,
        };

        for (size_t i = 0; i < N_OPERATIONS; i++) {
                mesos__v1__cgroup_info__blkio__value__init(&values[i]);
                values[i].has_op = values[i].has_value = true;
                values[i].op = names[i];
                values[i].value = numbers[i];
                list[i] = &values[i];
        }
}

static DeviceStatistics *make_statistics(const DeviceUsage *u) {
        DeviceStatistics s = MESOS__V1__CGROUP_INFO__BLKIO__THROTTLING__STATISTICS__INIT;
        Mesos__V1__Device__Number number = MESOS__V1__DEVICE__NUMBER__INIT;
        Value bytes[N_OPERATIONS], operations[N_OPERATIONS];
        Value *byte_list[N_OPERATIONS], *operation_list[N_OPERATIONS];

        number.major_number = u->major;
        number.minor_number = u->minor;
        init_values(u->bytes, bytes, byte_list);
        init_values(u->operations, operations, operation_list);
        s.device = &number;
        s.io_service_bytes = byte_list;
        s.io_serviced = operation_list;
        s.n_io_service_bytes = s.n_io_serviced = N_OPERATIONS;
        return message_copy(&s);
}

static int add_device(Mesos__V1__CgroupInfo__Blkio__Statistics *s, const DeviceUsage *u) {
        DeviceStatistics **p = reallocarray(s->throttling, s->n_throttling + 1, sizeof(*p));

        if (!p)
                return -ENOMEM;

        s->throttling = p;
        p[s->n_throttling] = make_statistics(u);
        if (!p[s->n_throttling])
                return -ENOMEM;

        s->n_throttling++;
        return 0;
}

static void io_usage(const IsolatorConfig *config, const UsageSource *source, Mesos__V1__ResourceStatistics *s) {
        _cleanup_free_ char *text = source->payload_fd >= 0 ? usage_read(source->payload_fd, "io.stat") : NULL;
        Mesos__V1__CgroupInfo__Blkio__Statistics none = MESOS__V1__CGROUP_INFO__BLKIO__STATISTICS__INIT;
        char *saved = NULL;
        int r = 0;

        (void) config;
        if (!text)
                return;

        s->blkio_statistics = message_copy(&none);
        for (char *line = strtok_r(text, "\n", &saved); s->blkio_statistics && r == 0 && line;
             line = strtok_r(NULL, "\n", &saved)) {
                DeviceUsage u;

                if (parse_usage(line, &u))
                        r = add_device(s->blkio_statistics, &u);
        }
}

const IsolatorOps isolator_cgroups_blkio = {
        .name = "cgroups/blkio",
        .controllers = "io",
        .probe = io_probe,
        .plan = io_plan,
        .update = io_update,
        .usage = io_usage,
};
