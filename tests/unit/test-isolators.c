/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "isolator/registry.h"

static const IsolatorHost host = { .root = true, .cgroups = true, .controllers = "cpuset cpu io memory pids" };
static const IsolatorConfig config = { .revocable_low_priority = true, .pids_max = 100 };

static IsolatorSet *choose(const char *text, const IsolatorConfig *c) {
        _cleanup_free_ char *message = NULL;
        IsolatorSet *s = NULL;

        assert_int_equal(isolator_set_new(text, &host, c, &s, &message), ISOLATOR_OK);
        return s;
}

static void assert_refused(const char *text, const IsolatorHost *h, const char *expected) {
        _cleanup_free_ char *message = NULL;
        IsolatorSet *s;

        assert_int_equal(isolator_set_new(text, h, &config, &s, &message), ISOLATOR_E_REFUSED);
        assert_non_null(strstr(message, expected));
}

/* The value a plan or an update gives to a file; "" when it says nothing of it. */
static const char *value(const Confinement *c, const char *file) {
        for (size_t i = 0; i < c->n_cgroup; i++)
                if (streq(c->cgroup[i]->file, file))
                        return c->cgroup[i]->value;

        return "";
}

static Confinement *plan(const char *isolation, const IsolatorConfig *c, const IsolatorRequest *request) {
        _cleanup_(isolator_set_freep) IsolatorSet *s = choose(isolation, c);
        _cleanup_free_ char *message = NULL;
        Confinement *confinement = NULL;

        assert_int_equal(isolator_set_plan(s, request, &confinement, &message), ISOLATOR_OK);
        return confinement;
}

static Confinement *update(const char *isolation, const IsolatorRequest *request) {
        _cleanup_(isolator_set_freep) IsolatorSet *s = choose(isolation, &config);
        Confinement *confinement = NULL;

        assert_int_equal(isolator_set_update(s, request, &confinement), 0);
        return confinement;
}

static void assert_plan(const IsolatorRequest *request, const char *isolation, const char *file, const char *expected) {
        _cleanup_(confinement_freep) Confinement *c = plan(isolation, &config, request);

        assert_string_equal(value(c, file), expected);
}

static IsolatorRequest ask(int64_t cpus_milli, int64_t mem_milli) {
        return (IsolatorRequest) {
                .container_id = "c",
                .sandbox = "/sandbox",
                .cpus = { cpus_milli, -1 },
                .mem = { mem_milli, -1 },
        };
}

static void test_names_and_aliases_choose(void **state) {
        _cleanup_(isolator_set_freep) IsolatorSet *s = choose("cgroups,cgroups/pids", &config);

        (void) state;
        assert_true(isolator_set_has(s, "cgroups/cpu"));
        assert_true(isolator_set_has(s, "cgroups/mem"));
        assert_true(isolator_set_has(s, "cgroups/pids"));
        assert_false(isolator_set_has(s, "posix/cpu"));
}

static void test_what_cannot_work_is_refused_by_name(void **state) {
        const IsolatorHost without_memory = { .root = true, .cgroups = true, .controllers = "cpu io pids" };
        const IsolatorHost posix = { .root = true, .controllers = "cpu memory" };

        (void) state;
        assert_refused("posix/cpu,nonsense", &host, "'nonsense'");
        assert_refused("cgroups/cpu,cgroups/cpu", &host, "twice");
        assert_refused("process,posix/mem", &host, "twice");
        assert_refused("posix/cpu,cgroups/cpu", &host, "exclude");
        assert_refused("cgroups", &without_memory, "controller 'memory'");
        assert_refused("cgroups", &without_memory, "cpu io pids");
        assert_refused("cgroups/cpu", &posix, "--launcher=linux");
}

static void test_names_of_mesos_that_are_not_here_say_why(void **state) {
        static const char *const names[] = { "cgroups/net_cls", "cgroups/net_prio", "cgroups/perf_event", "disk/xfs",
                                             "filesystem/shared", "network/cni", "network/port_mapping", "docker/runtime",
                                             "appc/runtime", "docker/volume", "volume/image", "volume/csi",
                                             "volume/secret", "gpu/nvidia" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_refused(names[i], &host, names[i]);

        assert_refused("cgroups/net_cls", &host, "cgroup v1 only");
        assert_refused("network/cni", &host, "not in this version");
        assert_refused("network/cn", &host, "'network/cn' is not an isolator");
}

static void test_all_cgroups_are_those_that_the_host_can_do(void **state) {
        const IsolatorHost without_memory = { .root = true, .cgroups = true, .controllers = "cpu io pids" };
        const IsolatorHost posix = { .root = true, .controllers = "cpu memory" };
        _cleanup_(isolator_set_freep) IsolatorSet *s = NULL;
        _cleanup_free_ char *message = NULL;

        (void) state;
        assert_int_equal(isolator_set_new("cgroups/all", &without_memory, &config, &s, &message), ISOLATOR_OK);
        assert_true(isolator_set_has(s, "cgroups/cpu"));
        assert_true(isolator_set_has(s, "cgroups/pids"));
        assert_true(isolator_set_has(s, "cgroups/blkio"));
        assert_false(isolator_set_has(s, "cgroups/mem"));
        assert_false(isolator_set_has(s, "cgroups/hugetlb"));
        assert_false(isolator_set_has(s, "posix/cpu"));

        assert_refused("cgroups/all", &posix, "nothing of it");
        assert_refused("cgroups/all,cgroups/cpu", &without_memory, "twice");
        assert_refused("cgroups/cpu,cgroups/all", &without_memory, "twice");
        assert_refused("posix/cpu,cgroups/all", &without_memory, "exclude");
}

static void test_measuring_confines_nothing(void **state) {
        const IsolatorRequest request = ask(1000, 64000);
        _cleanup_(confinement_freep) Confinement *c = plan("process", &config, &request);

        (void) state;
        assert_int_equal(c->n_cgroup, 0);
        assert_int_equal(c->n_namespaces, 0);
}

static void test_cpus_are_weighed(void **state) {
        IsolatorRequest request = ask(1500, 64000);

        (void) state;
        assert_plan(&request, "cgroups/cpu", "cpu.weight", "150");
        assert_plan(&request, "cgroups/cpu", "cpu.max", "max 100000");

        request.cpus.request_milli = 1;
        assert_plan(&request, "cgroups/cpu", "cpu.weight", "1");

        /* The kernel takes no more. */
        request.cpus.request_milli = 500 * 1000;
        assert_plan(&request, "cgroups/cpu", "cpu.weight", "10000");
        request.cpus.request_milli = INT64_MAX;
        assert_plan(&request, "cgroups/cpu", "cpu.weight", "10000");

        request = ask(8000, 64000);
        request.revocable_cpus = true;
        assert_plan(&request, "cgroups/cpu", "cpu.weight", "8");
}

static void test_a_limit_of_cpus_is_a_quota(void **state) {
        const IsolatorConfig cfs = { .enable_cfs = true };
        IsolatorRequest request = ask(500, 64000);
        _cleanup_(confinement_freep) Confinement *c = plan("cgroups/cpu", &cfs, &request);

        (void) state;
        assert_string_equal(value(c, "cpu.max"), "50000 100000");

        request.cpus.limit_milli = 2000;
        assert_plan(&request, "cgroups/cpu", "cpu.max", "200000 100000");
        request.cpus.limit_milli = 1;
        assert_plan(&request, "cgroups/cpu", "cpu.max", "1000 100000");
        request.cpus.limit_milli = DEMAND_UNLIMITED;
        assert_plan(&request, "cgroups/cpu", "cpu.max", "max 100000");
}

static void test_memory_is_bounded_by_what_was_asked_for_or_the_limit(void **state) {
        IsolatorRequest request = ask(1000, 64 * 1000);

        (void) state;
        assert_plan(&request, "cgroups/mem", "memory.low", "67108864");
        assert_plan(&request, "cgroups/mem", "memory.max", "67108864");
        assert_plan(&request, "cgroups/mem", "memory.oom.group", "1");

        request.mem.limit_milli = 128 * 1000;
        assert_plan(&request, "cgroups/mem", "memory.low", "67108864");
        assert_plan(&request, "cgroups/mem", "memory.max", "134217728");

        request.mem.limit_milli = DEMAND_UNLIMITED;
        assert_plan(&request, "cgroups/mem", "memory.max", "max");

        /* An executor must be able to say that it failed. */
        request = ask(1000, 1000);
        assert_plan(&request, "cgroups/mem", "memory.max", "33554432");
}

static void test_memory_of_what_runs_is_only_raised(void **state) {
        const IsolatorRequest request = ask(1000, 64 * 1000);
        _cleanup_(confinement_freep) Confinement *c = update("cgroups,cgroups/pids", &request);
        size_t n_raise_only = 0;

        (void) state;
        for (size_t i = 0; i < c->n_cgroup; i++)
                if (c->cgroup[i]->raise_only) {
                        assert_string_equal(c->cgroup[i]->file, "memory.max");
                        n_raise_only++;
                }
        assert_int_equal(n_raise_only, 1);
        assert_string_equal(value(c, "memory.low"), "67108864");
        assert_string_equal(value(c, "cpu.weight"), "100");

        /* Set once, for ever. */
        assert_string_equal(value(c, "pids.max"), "");
        assert_string_equal(value(c, "memory.oom.group"), "");
}

static void test_processes_are_counted_out(void **state) {
        const IsolatorRequest request = ask(1000, 64000);

        (void) state;
        assert_plan(&request, "cgroups/pids", "pids.max", "100");
}

static void test_every_type_of_limit_is_the_one_of_its_name(void **state) {
        /* In the order of the API's numbers, from 1. */
        static const uint32_t resources[] = {
                RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_LOCKS,
                RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_RSS,
                RLIMIT_RTPRIO, RLIMIT_RTTIME, RLIMIT_SIGPENDING, RLIMIT_STACK,
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(resources); i++) {
                Mesos__V1__RLimitInfo__RLimit limit = MESOS__V1__RLIMIT_INFO__RLIMIT__INIT;
                Mesos__V1__RLimitInfo info = MESOS__V1__RLIMIT_INFO__INIT;
                Mesos__V1__ContainerInfo container = MESOS__V1__CONTAINER_INFO__INIT;
                IsolatorRequest request = ask(1000, 64000);
                _cleanup_(confinement_freep) Confinement *c = NULL;

                limit.has_soft = limit.has_hard = i % 2;
                limit.has_type = true;
                limit.type = (Mesos__V1__RLimitInfo__RLimit__Type) (i + 1);
                limit.soft = i;
                limit.hard = 100;
                info.rlimits = &(Mesos__V1__RLimitInfo__RLimit *) { &limit };
                info.n_rlimits = 1;
                container.type = MESOS__V1__CONTAINER_INFO__TYPE__MESOS;
                container.rlimit_info = &info;
                request.info = &container;

                c = plan("posix/rlimits", &config, &request);
                assert_int_equal(c->n_rlimits, 1);
                assert_int_equal(c->rlimits[0]->resource, resources[i]);
                assert_true(c->rlimits[0]->soft == (i % 2 ? i : RLIM_INFINITY));
                assert_true(c->rlimits[0]->hard == (i % 2 ? 100 : RLIM_INFINITY));
        }
}

static void assert_limit_refused(Mesos__V1__RLimitInfo__RLimit limit, const char *expected) {
        _cleanup_(isolator_set_freep) IsolatorSet *s = choose("posix/rlimits", &config);
        Mesos__V1__RLimitInfo info = MESOS__V1__RLIMIT_INFO__INIT;
        Mesos__V1__ContainerInfo container = MESOS__V1__CONTAINER_INFO__INIT;
        IsolatorRequest request = ask(1000, 64000);
        _cleanup_free_ char *message = NULL;
        Confinement *c;

        limit.base.descriptor = &mesos__v1__rlimit_info__rlimit__descriptor;
        info.rlimits = &(Mesos__V1__RLimitInfo__RLimit *) { &limit };
        info.n_rlimits = 1;
        container.type = MESOS__V1__CONTAINER_INFO__TYPE__MESOS;
        container.rlimit_info = &info;
        request.info = &container;
        assert_int_equal(isolator_set_plan(s, &request, &c, &message), ISOLATOR_E_REFUSED);
        assert_non_null(strstr(message, expected));
}

static void test_limits_that_cannot_be_are_refused_by_name(void **state) {
        const Mesos__V1__RLimitInfo__RLimit__Type nofile = MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_NOFILE;

        (void) state;
        assert_limit_refused((Mesos__V1__RLimitInfo__RLimit) { .has_type = true, .type = nofile, .has_soft = true },
                             "RLMT_NOFILE has only one");
        assert_limit_refused((Mesos__V1__RLimitInfo__RLimit) { .has_type = true, .type = nofile, .has_hard = true },
                             "RLMT_NOFILE has only one");
        assert_limit_refused((Mesos__V1__RLimitInfo__RLimit) { .has_type = true, .type = nofile, .has_soft = true,
                                                               .soft = 11, .has_hard = true, .hard = 10 },
                             "RLMT_NOFILE, 11, is above its hard limit, 10");
        assert_limit_refused((Mesos__V1__RLimitInfo__RLimit) {}, "Unknown rlimit type 0");
        assert_limit_refused((Mesos__V1__RLimitInfo__RLimit) { .has_type = true,
                                                               .type = (Mesos__V1__RLimitInfo__RLimit__Type) 99 },
                             "Unknown rlimit type 99");
}

static void test_no_new_privileges_are_for_every_container(void **state) {
        const IsolatorRequest request = ask(1000, 64000);
        _cleanup_(confinement_freep) Confinement *c = plan("linux/nnp", &config, &request);

        (void) state;
        assert_true(c->no_new_privileges);
}

/* A CapabilityInfo of up to three. */
typedef struct CapabilitySet {
        Mesos__V1__CapabilityInfo info;
        Mesos__V1__CapabilityInfo__Capability list[3];
} CapabilitySet;

#define NOTHING ((Mesos__V1__CapabilityInfo__Capability) -1)
#define CHOWN MESOS__V1__CAPABILITY_INFO__CAPABILITY__CHOWN
#define KILL MESOS__V1__CAPABILITY_INFO__CAPABILITY__KILL
#define NET_RAW MESOS__V1__CAPABILITY_INFO__CAPABILITY__NET_RAW

#define UNKNOWN MESOS__V1__CAPABILITY_INFO__CAPABILITY__UNKNOWN
#define LATER ((Mesos__V1__CapabilityInfo__Capability) 1063)

#define BIT(capability) (UINT64_C(1) << ((int) (capability) - 1000))

static Mesos__V1__CapabilityInfo *set_of(CapabilitySet *s, Mesos__V1__CapabilityInfo__Capability a,
                                         Mesos__V1__CapabilityInfo__Capability b) {
        mesos__v1__capability_info__init(&s->info);
        s->info.capabilities = s->list;
        if (a != NOTHING)
                s->list[s->info.n_capabilities++] = a;
        if (b != NOTHING)
                s->list[s->info.n_capabilities++] = b;

        return &s->info;
}

/* What a task and an operator say, each in two sets; NULL: nothing. */
typedef struct CapabilityCase {
        Mesos__V1__CapabilityInfo *task_effective, *task_bounding, *flag_effective, *flag_bounding;
        bool deprecated;
} CapabilityCase;

static int plan_capabilities(const CapabilityCase *t, Confinement **ret, char **reterr_message) {
        const IsolatorConfig c = { .effective_capabilities = t->flag_effective,
                                   .bounding_capabilities = t->flag_bounding };
        _cleanup_(isolator_set_freep) IsolatorSet *s = choose("linux/capabilities", &c);
        Mesos__V1__LinuxInfo info = MESOS__V1__LINUX_INFO__INIT;
        Mesos__V1__ContainerInfo container = MESOS__V1__CONTAINER_INFO__INIT;
        IsolatorRequest request = ask(1000, 64000);

        if (t->deprecated)
                info.capability_info = t->task_effective;
        else
                info.effective_capabilities = t->task_effective;
        info.bounding_capabilities = t->task_bounding;
        container.type = MESOS__V1__CONTAINER_INFO__TYPE__MESOS;
        container.linux_info = &info;
        request.info = &container;
        return isolator_set_plan(s, &request, ret, reterr_message);
}

static void assert_capabilities(const CapabilityCase *t, uint64_t bounding, bool has_effective, uint64_t effective) {
        _cleanup_(confinement_freep) Confinement *c = NULL;
        _cleanup_free_ char *message = NULL;

        assert_int_equal(plan_capabilities(t, &c, &message), ISOLATOR_OK);
        assert_non_null(c->capabilities);
        assert_true(c->capabilities->has_bounding);
        assert_true(c->capabilities->bounding == bounding);
        assert_int_equal(c->capabilities->has_effective, has_effective);
        if (has_effective)
                assert_true(c->capabilities->effective == effective);
}

static void assert_capabilities_refused(const CapabilityCase *t, const char *expected) {
        _cleanup_free_ char *message = NULL;
        Confinement *c;

        assert_int_equal(plan_capabilities(t, &c, &message), ISOLATOR_E_REFUSED);
        assert_string_equal(message, expected);
}

/* Nobody can give away what they do not have. */
static bool has_chown(void) {
        _cleanup_(confinement_freep) Confinement *c = NULL;
        _cleanup_free_ char *message = NULL;
        CapabilitySet chown_only;

        return plan_capabilities(&(CapabilityCase) { .task_effective = set_of(&chown_only, CHOWN, NOTHING) }, &c,
                                 &message) == ISOLATOR_OK;
}

static void test_capabilities_are_the_tasks_within_the_operators(void **state) {
        CapabilitySet none, chown_kill, chown_only, raw_chown;

        (void) state;
        (void) set_of(&none, NOTHING, NOTHING);
        (void) set_of(&chown_only, CHOWN, NOTHING);
        (void) set_of(&chown_kill, CHOWN, KILL);
        (void) set_of(&raw_chown, NET_RAW, CHOWN);

        /* An empty set is not the same as none. */
        assert_capabilities(&(CapabilityCase) { .task_effective = &none.info }, 0, true, 0);
        assert_capabilities(&(CapabilityCase) { .flag_bounding = &chown_kill.info }, BIT(CHOWN) | BIT(KILL), false, 0);
        assert_capabilities(&(CapabilityCase) { .task_bounding = &chown_only.info, .flag_bounding = &chown_kill.info },
                            BIT(CHOWN), false, 0);
        assert_capabilities(&(CapabilityCase) { .task_effective = &none.info, .flag_bounding = &chown_kill.info },
                            BIT(CHOWN) | BIT(KILL), true, 0);

        assert_capabilities_refused(&(CapabilityCase) { .task_bounding = &raw_chown.info,
                                                        .flag_bounding = &chown_kill.info },
                                    "Requested bounding capabilities '{ CHOWN, NET_RAW }', but only '{ CHOWN, KILL }' "
                                    "are allowed");
        assert_capabilities_refused(&(CapabilityCase) { .task_effective = &chown_only.info, .task_bounding = &none.info },
                                    "Requested capabilities '{ CHOWN }', but only '{}' are allowed");
        assert_capabilities_refused(&(CapabilityCase) { .task_effective = &raw_chown.info,
                                                        .flag_bounding = &chown_kill.info, .deprecated = true },
                                    "Requested capabilities '{ CHOWN, NET_RAW }', but only '{ CHOWN, KILL }' are allowed");
}

static void test_capabilities_that_the_agent_has_are_given(void **state) {
        CapabilitySet none, chown_kill, chown_only;

        (void) state;
        if (!has_chown()) {
                skip();
                return;
        }

        (void) set_of(&none, NOTHING, NOTHING);
        (void) set_of(&chown_only, CHOWN, NOTHING);
        (void) set_of(&chown_kill, CHOWN, KILL);
        assert_capabilities(&(CapabilityCase) { .task_effective = &chown_only.info }, BIT(CHOWN), true, BIT(CHOWN));
        assert_capabilities(&(CapabilityCase) { .task_effective = &chown_only.info, .deprecated = true }, BIT(CHOWN), true,
                            BIT(CHOWN));
        assert_capabilities(&(CapabilityCase) { .flag_effective = &chown_only.info, .flag_bounding = &chown_kill.info },
                            BIT(CHOWN) | BIT(KILL), true, BIT(CHOWN));
        assert_capabilities(&(CapabilityCase) { .task_effective = &none.info, .flag_effective = &chown_only.info }, 0, true,
                            0);

        /* The operator's default shrinks to what the task bounds itself by. */
        assert_capabilities(&(CapabilityCase) { .flag_effective = &chown_kill.info, .task_bounding = &chown_only.info },
                            BIT(CHOWN), true, BIT(CHOWN));
}

static void test_without_a_word_about_capabilities_nothing_is_said(void **state) {
        _cleanup_(confinement_freep) Confinement *c = NULL;
        _cleanup_free_ char *message = NULL;

        (void) state;
        assert_int_equal(plan_capabilities(&(CapabilityCase) {}, &c, &message), ISOLATOR_OK);
        assert_null(c->capabilities);
}

static void test_capabilities_that_are_none_are_refused(void **state) {
        const IsolatorHost user = { .cgroups = true };
        CapabilitySet strange, chown_only, kill_only;
        const IsolatorConfig upside_down = { .effective_capabilities = set_of(&chown_only, CHOWN, NOTHING),
                                             .bounding_capabilities = set_of(&kill_only, KILL, NOTHING) };
        _cleanup_free_ char *message = NULL;
        IsolatorSet *s;

        (void) state;
        assert_capabilities_refused(
                        &(CapabilityCase) { .task_effective = set_of(&strange, UNKNOWN, CHOWN) },
                        "Capability 0 is not one of this host");
        assert_capabilities_refused(
                        &(CapabilityCase) { .task_bounding = set_of(&strange, LATER, CHOWN) },
                        "Capability 1063 is not one of this host");
        assert_refused("linux/capabilities", &user, "root");
        assert_int_equal(isolator_set_new("linux/capabilities", &host, &upside_down, &s, &message), ISOLATOR_E_REFUSED);
        assert_string_equal(message, "Allowed capabilities are not a subset of the bounding capabilities");
}

static void test_a_confinement_is_printed_fact_by_fact(void **state) {
        const IsolatorRequest request = ask(1000, 64000);
        _cleanup_(confinement_freep) Confinement *c = plan("cgroups,cgroups/pids", &config, &request);
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(4096);

        (void) state;
        assert_int_equal(confinement_add_namespace(c, HOLDFAST__LAUNCHER__CONFINEMENT__NAMESPACE__PID), 0);
        assert_int_equal(confinement_add_rlimit(c, RLIMIT_NOFILE, 10, 20), 0);
        confinement_set_no_new_privileges(c);
        assert_int_equal(confinement_set_capabilities(c, &(uint64_t) { 0x30 }, &(uint64_t) { 0x20 }), 0);
        assert_int_equal(confinement_print(c, &b), 0);
        assert_int_equal(buffer_append_char(&b, '\0'), 0);
        assert_non_null(strstr(buffer_data(&b), "namespaces      pid \n"));
        assert_non_null(strstr(buffer_data(&b), "cgroup          memory.max 67108864\n"));
        assert_non_null(strstr(buffer_data(&b), "cgroup          pids.max 100\n"));
        assert_non_null(strstr(buffer_data(&b), "limit           7 10:20\n"));
        assert_non_null(strstr(buffer_data(&b), "bounding        0000000000000030\n"));
        assert_non_null(strstr(buffer_data(&b), "effective       0000000000000020\n"));
        assert_non_null(strstr(buffer_data(&b), "new privileges  none\n"));
}

static void test_what_no_launcher_can_carry_out_is_invalid(void **state) {
        _cleanup_(confinement_freep) Confinement *c = confinement_new(), *strange = confinement_new();
        _cleanup_free_ char *message = NULL, *other = NULL;

        (void) state;
        assert_int_equal(confinement_check(NULL, &message), CONFINEMENT_OK);
        assert_int_equal(confinement_check(c, &message), CONFINEMENT_OK);

        assert_int_equal(confinement_set_cgroup(c, "../cgroup.procs", 0, "1"), 0);
        assert_int_equal(confinement_check(c, &message), CONFINEMENT_E_INVALID);
        assert_non_null(strstr(message, "../cgroup.procs"));

        assert_int_equal(confinement_add_namespace(strange, (ConfinementNamespace) 99), 0);
        assert_int_equal(confinement_check(strange, &other), CONFINEMENT_E_INVALID);
        assert_non_null(strstr(other, "99"));
}

static void assert_limit_invalid(uint32_t resource, uint64_t soft, uint64_t hard, const char *expected) {
        _cleanup_(confinement_freep) Confinement *c = confinement_new();
        _cleanup_free_ char *message = NULL;

        assert_int_equal(confinement_add_rlimit(c, resource, soft, hard), 0);
        assert_int_equal(confinement_check(c, &message), CONFINEMENT_E_INVALID);
        assert_non_null(strstr(message, expected));
}

static void test_a_set_larger_than_its_bound_is_invalid(void **state) {
        _cleanup_(confinement_freep) Confinement *c = confinement_new();
        _cleanup_free_ char *message = NULL;

        (void) state;
        assert_int_equal(confinement_set_capabilities(c, &(uint64_t) { 0x30 }, &(uint64_t) { 0x21 }), 0);
        assert_int_equal(confinement_check(c, &message), CONFINEMENT_E_INVALID);
        assert_string_equal(message, "Capabilities 21 are not within 30");
}

static void test_a_limit_that_no_kernel_has_is_invalid(void **state) {
        (void) state;
        assert_limit_invalid(RLIMIT_NOFILE, 20, 10, "Limit 7 of 20:10");
        assert_limit_invalid(99, 1, 1, "Limit 99");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names_and_aliases_choose),
                cmocka_unit_test(test_what_cannot_work_is_refused_by_name),
                cmocka_unit_test(test_names_of_mesos_that_are_not_here_say_why),
                cmocka_unit_test(test_all_cgroups_are_those_that_the_host_can_do),
                cmocka_unit_test(test_measuring_confines_nothing),
                cmocka_unit_test(test_cpus_are_weighed),
                cmocka_unit_test(test_a_limit_of_cpus_is_a_quota),
                cmocka_unit_test(test_memory_is_bounded_by_what_was_asked_for_or_the_limit),
                cmocka_unit_test(test_memory_of_what_runs_is_only_raised),
                cmocka_unit_test(test_processes_are_counted_out),
                cmocka_unit_test(test_every_type_of_limit_is_the_one_of_its_name),
                cmocka_unit_test(test_limits_that_cannot_be_are_refused_by_name),
                cmocka_unit_test(test_no_new_privileges_are_for_every_container),
                cmocka_unit_test(test_capabilities_are_the_tasks_within_the_operators),
                cmocka_unit_test(test_capabilities_that_the_agent_has_are_given),
                cmocka_unit_test(test_without_a_word_about_capabilities_nothing_is_said),
                cmocka_unit_test(test_capabilities_that_are_none_are_refused),
                cmocka_unit_test(test_a_confinement_is_printed_fact_by_fact),
                cmocka_unit_test(test_what_no_launcher_can_carry_out_is_invalid),
                cmocka_unit_test(test_a_set_larger_than_its_bound_is_invalid),
                cmocka_unit_test(test_a_limit_that_no_kernel_has_is_invalid),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
