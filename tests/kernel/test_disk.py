#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""disk/du: sandboxes are measured, and containers that occupy more than their disk are ended."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, check, equal, http_get, main, wait_until    # noqa: E402
from libprocess_master import Stand, create, reserve, task_info    # noqa: E402
from libprocess_master import scalar as resource    # noqa: E402
from scheduler import Scheduler, scalar    # noqa: E402

MIB = 1 << 20
WATCH = ("--isolation=process,posix/disk", "--container_disk_watch_interval=100ms")
ENFORCE = (*WATCH, "--enforce_container_disk_quota")


def task(s, task_id, command, disk=8):
    t = s.task(task_id, command)
    t["resources"].append(scalar("disk", disk))
    return t


def statistics(cluster, task_id):
    """Of the container of a command task; {} while there is none."""
    for container in http_get(cluster.agent().addr, "/containers").json():
        if container["executor_id"] == task_id:
            return container["statistics"]
    return {}


def wait_usage(cluster, task_id, at_least):
    def used():
        found = statistics(cluster, task_id)
        return found if found.get("disk_used_bytes", 0) >= at_least else None
    return wait_until(used, "%s is seen to occupy %d bytes" % (task_id, at_least))


FILL = "dd if=/dev/zero of=file bs=1M count=%d 2>/dev/null && sync file && sleep 1000"


def test_a_container_over_its_disk_is_ended_with_the_words_of_mesos():
    with Cluster(agent_flags=ENFORCE) as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([task(s, "full", FILL % 16), task(s, "within", FILL % 4)])
        status = s.wait_terminal("full")
        equal(status["state"], "TASK_FAILED", "state")
        equal(status["reason"], "REASON_CONTAINER_LIMITATION_DISK", "reason")
        equal(status["source"], "SOURCE_AGENT", "source")
        check(status["message"].startswith("Disk usage (") and status["message"].endswith(") exceeds quota (8MB)"),
              "message is " + status["message"])
        (met,) = status["limitation"]["resources"]
        equal((met["name"], met["scalar"]["value"]), ("disk", 8.0), "what was exceeded")

        found = wait_usage(cluster, "within", 4 * MIB)
        equal(found["disk_limit_bytes"], 8 * MIB, "limit")
        check(found["disk_used_bytes"] < 5 * MIB, "used is %d" % found["disk_used_bytes"])
        equal(s.states("within")[-1], "TASK_RUNNING", "the other task")


def test_without_the_flag_it_is_only_measured():
    with Cluster(agent_flags=WATCH) as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([task(s, "full", FILL % 16, disk=1)])
        found = wait_usage(cluster, "full", 16 * MIB)
        equal(found["disk_limit_bytes"], MIB, "limit")
        equal(s.states("full")[-1], "TASK_RUNNING", "state")


def test_sparse_files_and_links_out_of_the_sandbox_cost_nothing():
    with Cluster(agent_flags=ENFORCE) as cluster, Scheduler(cluster.master_addr) as s:
        elsewhere = cluster.work_path("elsewhere")
        os.mkdir(elsewhere)
        with open(elsewhere + "/file", "wb") as f:
            f.write(b"x" * (16 * MIB))
        s.launch([task(s, "light", "truncate -s 100G sparse; ln -s %s out; dd if=/dev/zero of=file bs=1K count=500;"
                       " sync file; sleep 1000" % elsewhere, disk=1)])
        # The file that counts was made last.
        found = wait_usage(cluster, "light", 500 << 10)
        check(found["disk_used_bytes"] < MIB, "used is %d" % found["disk_used_bytes"])
        equal(s.states("light")[-1], "TASK_RUNNING", "state")


def test_one_without_a_disk_resource_is_measured_and_never_ended():
    with Cluster(agent_flags=ENFORCE) as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task("free", FILL % 8)])
        check("disk_limit_bytes" not in wait_usage(cluster, "free", 8 * MIB), "a limit out of nothing")
        equal(s.states("free")[-1], "TASK_RUNNING", "state")


def test_a_restarted_agent_goes_on_measuring():
    with Cluster(agent_flags=ENFORCE) as cluster, Scheduler(cluster.master_addr) as s:
        go = cluster.work_path("go")
        s.launch([task(s, "late", "until test -e %s; do sleep 0.05; done; %s" % (go, FILL % 16))])
        s.wait_state("late", "TASK_RUNNING")
        cluster.agent().kill9()
        cluster.agent().start()
        cluster.wait_reregistered(cluster.agent())
        wait_usage(cluster, "late", 1)
        with open(go, "w"):
            pass
        equal(s.wait_terminal("late")["reason"], "REASON_CONTAINER_LIMITATION_DISK", "reason")


def start_with_volumes(stand, size, *volumes):
    stand.start_agent({"MESOS_ISOLATION": "process,disk/du", "MESOS_CONTAINER_DISK_WATCH_INTERVAL": "100ms",
                       "MESOS_ENFORCE_CONTAINER_DISK_QUOTA": "true"})
    stand.master.apply_and_acknowledge(reserve(ops_disk(size * len(volumes))))
    stand.master.apply_and_acknowledge(create(*volumes))


def ops_disk(size, volume=None):
    return resource("disk", size, "ops", volume=volume, allocated="ops")


def run_with(stand, task_id, command, *resources):
    stand.master.run(task_info(task_id, command, resource("cpus", 0.1, allocated="ops"), *resources))


def test_a_volume_is_held_to_its_own_size_and_told_apart_from_the_sandbox():
    with Stand() as stand:
        small, large = ops_disk(8, ("v1", "small")), ops_disk(8, ("v2", "large"))
        start_with_volumes(stand, 8, small, large)
        write = "dd if=/dev/zero of=large/file bs=1M count=5; dd if=/dev/zero of=small/file bs=1M count=2; sync -f large"
        run_with(stand, "two", write + "; until test -e end; do sleep 0.05; done", small, large,
                 resource("disk", 1, allocated="ops"))
        stand.master.wait_state("two", "TASK_RUNNING")

        def measured():
            disks = statistics(stand.cluster, "two").get("disk_statistics", [])
            return disks if len(disks) == 3 and all(d.get("used_bytes", 0) for d in disks) \
                and any(d["used_bytes"] > 5 * MIB for d in disks) else None
        disks = wait_until(measured, "sandbox and volumes are measured")
        by_id = {d.get("persistence", {}).get("id"): d for d in disks}
        limits = {name: d["limit_bytes"] for name, d in by_id.items()}
        equal(limits, {None: MIB, "v1": 8 * MIB, "v2": 8 * MIB}, "limits")
        check(2 * MIB <= by_id["v1"]["used_bytes"] < 3 * MIB and by_id[None]["used_bytes"] < MIB, "used: %r" % by_id)
        with open(os.path.join(stand.cluster.sandboxes("two")[0], "end"), "w"):
            pass
        stand.master.wait_state("two", "TASK_FINISHED")


def test_a_volume_that_is_filled_too_far_ends_its_container():
    with Stand() as stand:
        volume = ops_disk(4, ("v1", "data"))
        start_with_volumes(stand, 4, volume)
        run_with(stand, "full", "dd if=/dev/zero of=data/file bs=1M count=8; sync -f data; sleep 1000", volume)
        status = stand.master.wait_state("full", "TASK_FAILED")
        check(status.message.startswith("Disk usage (8") and status.message.endswith(" exceeds quota (4MB)"),
              "message is " + status.message)
        check(os.path.getsize(os.path.join(stand.volume("v1"), "file")) == 8 * MIB, "what the volume holds is gone")


if __name__ == "__main__":
    main()
