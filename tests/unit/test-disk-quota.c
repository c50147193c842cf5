/* SPDX-License-Identifier: Apache-2.0 */

/* Which directories a container may fill, and how far, by the resources it has. */

#include "tests/unit/test.h"

#include "agent/disk_quota.h"
#include "agent/framework.h"
#include "common/model/convert.h"

#define MIB (UINT64_C(1) << 20)
#define MOUNT MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__MOUNT
#define PATH MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__PATH

static const AgentConfig config = { .work_dir = "/srv" };

/* One resource of an executor, with what it may point at. */
typedef struct Disk {
        Mesos__V1__Resource pb;
        Mesos__V1__Value__Scalar scalar;
        Mesos__V1__Resource__DiskInfo info;
        Mesos__V1__Resource__DiskInfo__Persistence persistence;
        Mesos__V1__Volume volume;
        Mesos__V1__Resource__DiskInfo__Source source;
        Mesos__V1__Resource__DiskInfo__Source__Path path;
        Mesos__V1__Resource__DiskInfo__Source__Mount mount;
        Mesos__V1__Resource__ReservationInfo reservation, *reservations[1];
} Disk;

static void disk_init(Disk *d, double megabytes, const char *role) {
        mesos__v1__resource__init(&d->pb);
        mesos__v1__value__scalar__init(&d->scalar);
        d->scalar.value = megabytes;
        d->pb.name = (char *) "disk";
        d->pb.type = MESOS__V1__VALUE__TYPE__SCALAR;
        d->pb.scalar = &d->scalar;
        if (!role)
                return;

        mesos__v1__resource__reservation_info__init(&d->reservation);
        d->reservation.has_type = true;
        d->reservation.type = MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC;
        d->reservation.role = (char *) role;
        d->reservations[0] = &d->reservation;
        d->pb.reservations = d->reservations;
        d->pb.n_reservations = 1;
}

static void disk_set_volume(Disk *d, const char *id) {
        mesos__v1__resource__disk_info__init(&d->info);
        mesos__v1__resource__disk_info__persistence__init(&d->persistence);
        mesos__v1__volume__init(&d->volume);
        d->persistence.id = (char *) id;
        d->volume.mode = MESOS__V1__VOLUME__MODE__RW;
        d->volume.container_path = (char *) "data";
        d->info.persistence = &d->persistence;
        d->info.volume = &d->volume;
        d->pb.disk = &d->info;
}

static void disk_set_source(Disk *d, Mesos__V1__Resource__DiskInfo__Source__Type type, const char *root) {
        mesos__v1__resource__disk_info__source__init(&d->source);
        mesos__v1__resource__disk_info__source__path__init(&d->path);
        mesos__v1__resource__disk_info__source__mount__init(&d->mount);
        d->path.root = d->mount.root = (char *) root;
        d->source.type = type;
        if (type == MOUNT)
                d->source.mount = &d->mount;
        else
                d->source.path = &d->path;
        d->info.source = &d->source;
}

static DiskQuotas quotas(Disk *disks, size_t n) {
        Mesos__V1__ExecutorInfo info = MESOS__V1__EXECUTOR_INFO__INIT;
        Mesos__V1__ExecutorID id = MESOS__V1__EXECUTOR_ID__INIT;
        _cleanup_(executor_freep) Executor *e = NULL;
        Mesos__V1__Resource *list[8];
        DiskQuotas q;

        id.value = (char *) "executor";
        info.executor_id = &id;
        info.resources = list;
        info.n_resources = n;
        for (size_t i = 0; i < n; i++)
                list[i] = &disks[i].pb;

        assert_int_equal(executor_new(NULL, message_copy(&info), false, "container", &e), 0);
        e->directory = strdup("/sandbox");
        assert_int_equal(disk_quotas_make(&config, e, &q), 0);
        return q;
}

static void assert_quota(const DiskQuotas *q, const char *directory, uint64_t limit_bytes, bool enforced) {
        const DiskQuota *found = disk_quotas_find(q, directory);

        assert_non_null(found);
        assert_true(disk_quota_is_limited(found));
        assert_int_equal(found->limit_bytes, limit_bytes);
        assert_int_equal(found->enforced, enforced);
}

static void test_without_disk_a_sandbox_has_no_limit(void **state) {
        _cleanup_(disk_quotas_deinit) DiskQuotas q = quotas(NULL, 0);

        (void) state;
        assert_int_equal(q.n, 1);
        assert_string_equal(q.quotas[0].directory, "/sandbox");
        assert_false(disk_quota_is_limited(&q.quotas[0]));
        assert_null(disk_quotas_find(&q, "/elsewhere"));
}

static void test_disk_of_all_reservations_is_the_sandboxs(void **state) {
        Disk disks[2] = {};

        (void) state;
        disk_init(&disks[0], 1.5, NULL);
        disk_init(&disks[1], 10, "ops");
        _cleanup_(disk_quotas_deinit) DiskQuotas q = quotas(disks, 2);

        assert_int_equal(q.n, 1);
        assert_int_equal(q.quotas[0].n_resources, 2);
        assert_quota(&q, "/sandbox", 11 * MIB + MIB / 2, true);
}

static void test_volumes_have_limits_of_their_own(void **state) {
        Disk disks[4] = {};

        (void) state;
        disk_init(&disks[0], 5, NULL);
        disk_init(&disks[1], 7, "ops/web");
        disk_set_volume(&disks[1], "v1");
        disk_init(&disks[2], 9, "ops");
        disk_set_volume(&disks[2], "v2");
        disk_set_source(&disks[2], PATH, "/disk");
        disk_init(&disks[3], 11, "ops");
        disk_set_volume(&disks[3], "v3");
        disk_set_source(&disks[3], MOUNT, "/mnt");
        _cleanup_(disk_quotas_deinit) DiskQuotas q = quotas(disks, 4);

        assert_int_equal(q.n, 4);
        assert_quota(&q, "/sandbox", 5 * MIB, true);
        assert_quota(&q, "/srv/volumes/roles/ops web/v1", 7 * MIB, true);
        assert_quota(&q, "/disk/volumes/roles/ops/v2", 9 * MIB, true);

        /* Its own file system bounds it. */
        assert_quota(&q, "/mnt", 11 * MIB, false);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_without_disk_a_sandbox_has_no_limit),
                cmocka_unit_test(test_disk_of_all_reservations_is_the_sandboxs),
                cmocka_unit_test(test_volumes_have_limits_of_their_own),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
