#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every limit is exceeded on purpose, on a kernel that has the controllers: cpu time, memory, processes."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, check, equal, http_get, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from systemd import AGENT, Host, container_cgroups, run, scopes, show, start_task, systemctl    # noqa: E402
from vm import main_inside    # noqa: E402

PIDS_MAX = 40
# What the agent adds to a command task for its executor.
EXECUTOR_MB, EXECUTOR_CPUS = 32, 0.1
# Prints what share of a cpu it got over some seconds, as its kernel counts.
BURN = """exec python3 -c '
import time
start, used = time.monotonic(), time.process_time()
while time.monotonic() - start < %d: pass
print((time.process_time() - used) / (time.monotonic() - start))'"""
# Writes to so many MiB.
HOG = "python3 -c 'bytearray(%d << 20)'"


def host(**settings):
    return Host(MESOS_ISOLATION="cgroups/cpu,cgroups/mem,cgroups/pids", MESOS_HOLDFAST_PIDS_MAX=str(PIDS_MAX),
                **settings)


def limits(**values):
    return {name: {"value": value} for name, value in values.items()}


def payload(scope):
    return os.path.join("/sys/fs/cgroup" + show(scope, "ControlGroup"), "payload")


def read(cgroup, name):
    with open(os.path.join(cgroup, name)) as f:
        return f.read().strip()


def keyed(cgroup, name):
    """The numbers of a file of lines `name number`."""
    return {key: int(value) for key, value in (line.split() for line in read(cgroup, name).splitlines())}


def test_controllers_reach_the_container():
    with host() as h, Scheduler(h.master_addr) as s:
        scope, _ = start_task(h, s)
        above = set(read(os.path.dirname(payload(scope)), "cgroup.controllers").split())
        equal({"cpu", "io", "memory", "pids"} - above, set(), "controllers that the scope lacks")
        own = set(read(payload(scope), "cgroup.controllers").split())
        equal({"cpu", "memory", "pids"} - own, set(), "controllers that the container lacks")
        s.kill("steady")
        s.wait_terminal("steady")


def burn(h, s, task_id, seconds, **fields):
    equal(s.run(task_id, BURN % seconds, **fields)["state"], "TASK_FINISHED", "state of " + task_id)
    return float(h.read_sandbox(task_id).splitlines()[-1])


def check_share(share, quota):
    """The quota is for the executor too, which hardly uses it."""
    check(0.7 * quota < share < 1.2 * quota, "a task got %.2f cpus of a quota of %.2f" % (share, quota))


def test_busy_task_gets_the_cpu_time_of_its_limit():
    with host() as h, Scheduler(h.master_addr) as s:
        check_share(burn(h, s, "slow", 2, cpus=0.1, limits=limits(cpus=0.2)), 0.2 + EXECUTOR_CPUS)
        free = burn(h, s, "free", 1, cpus=0.1)
        check(free > 0.6, "a task without a limit got %.2f cpus of an idle machine" % free)


def test_cfs_makes_a_limit_of_what_was_asked_for():
    with host(MESOS_CGROUPS_ENABLE_CFS="true") as h, Scheduler(h.master_addr) as s:
        check_share(burn(h, s, "slow", 2, cpus=0.2), 0.2 + EXECUTOR_CPUS)


def test_busy_tasks_share_by_what_they_asked_for():
    with host() as h, Scheduler(h.master_addr) as s:
        names = ("large", "small")
        cgroups = {}
        for name, cpus in zip(names, (2.0, 0.1)):
            cgroups[name] = payload(start_task(h, s, name, "while :; do :; done", cpus=cpus)[0])

        def used():
            return {name: keyed(cgroup, "cpu.stat")["usage_usec"] for name, cgroup in cgroups.items()}

        before = used()
        wait_until(lambda: sum(used().values()) - sum(before.values()) > 2e6, "two seconds are used")
        large, small = (used()[name] - before[name] for name in names)
        # Ten to one is what their weights say, executors included.
        check(large > 4 * small, "the task of 2 cpus got %.2f s, that of 0.1 cpus %.2f s" % (large / 1e6, small / 1e6))
        for name in names:
            s.kill(name)
            s.wait_terminal(name)


def test_share_stays_when_systemd_reads_its_units_again():
    with host() as h, Scheduler(h.master_addr) as s:
        scope, _ = start_task(h, s)
        cgroup = os.path.dirname(payload(scope))
        expected = ("20", str((32 + EXECUTOR_MB) << 20))
        wait_until(lambda: (read(cgroup, "cpu.weight"), read(cgroup, "memory.low")) == expected, "the share is set")
        systemctl("daemon-reload")
        systemctl("set-property", "--runtime", scope, "TasksMax=10000")
        equal((read(cgroup, "cpu.weight"), read(cgroup, "memory.low")), expected, "cpu.weight and memory.low")
        s.kill("steady")
        s.wait_terminal("steady")


def low(unit):
    return int(read("/sys/fs/cgroup" + show(unit, "ControlGroup"), "memory.low"))


def test_slice_hands_down_what_its_containers_claim():
    for settings, units in (({}, ["holdfast.slice"]),
                            ({"MESOS_SYSTEMD_SCOPE": "agent"}, ["holdfast.slice", "holdfast-containers.scope"])):
        with host(**settings) as h, Scheduler(h.master_addr) as s:
            names = ("one", "two")
            for n, name in enumerate(names):
                s.launch([s.task(name, "exec sleep 1000", mem=64)])
                s.wait_state(name, "TASK_RUNNING")
                wait_until(lambda n=n: {low(unit) for unit in units} == {((64 + EXECUTOR_MB) << 20) * (n + 1)},
                           "%s protect %d containers" % (units, n + 1))
            since = time.time()
            systemctl("restart", AGENT)
            h.wait_registered(since)
            for n, name in enumerate(names):
                s.kill(name)
                s.wait_terminal(name)
                wait_until(lambda n=n: {low(unit) for unit in units} == {((64 + EXECUTOR_MB) << 20) * (1 - n)},
                           "%s protect %d containers" % (units, 1 - n))
            systemctl("stop", "holdfast-containers.scope", ok=False)


def test_directory_without_systemd_hands_down_what_its_containers_claim():
    with Cluster(launcher="linux", agent_flags=["--isolation=cgroups/mem"]) as c, Scheduler(c.master_addr) as s:
        s.launch([s.task("one", "exec sleep 1000", mem=64)])
        s.wait_state("one", "TASK_RUNNING")
        wait_until(lambda: read(c.cgroup, "memory.low") == str((64 + EXECUTOR_MB) << 20), "it is protected")
        s.kill("one")
        s.wait_terminal("one")
        wait_until(lambda: read(c.cgroup, "memory.low") == "0", "it is not protected any more")


def cached_mb(cgroup):
    return keyed(cgroup, "memory.stat")["file"] >> 20


def test_container_keeps_what_it_asked_for_while_the_host_runs_short():
    # Within what a container is protected by, and on a disk: what is in memory only cannot be reclaimed.
    fill = "dd if=/dev/zero of=%s bs=1M count=48 2>/dev/null && sync %s && cat %s %s >/dev/null && %s exec sleep 1000"
    with host() as h, Scheduler(h.master_addr) as s:
        scope, _ = start_task(h, s, "keeps", fill % (("file",) * 4 + ("touch ready &&",)), mem=64)
        wait_until(lambda: os.path.exists(h.sandbox("keeps") + "/ready"), "the file is read")
        other, path = "unprotected.service", "/var/lib/unprotected"
        run("systemd-run", "--unit=" + other, "--property=MemoryAccounting=yes", "sh", "-c",
            fill % ((path,) * 4 + ("touch %s.ready &&" % path,)))
        wait_until(lambda: os.path.exists(path + ".ready"), "the other file is read")
        wait_until(lambda: low("holdfast.slice") > 0, "the slice is protected")
        inside, outside = payload(scope), "/sys/fs/cgroup" + show(other, "ControlGroup")
        before = cached_mb(inside), cached_mb(outside)
        check(min(before) >= 44, "cached: %s MB" % (before,))

        hog = []
        while cached_mb(outside) > before[1] // 2:
            hog.append(b"x" * (4 << 20))
        print("%d MB made the one lose %d of %d MB, the other %d of %d" % (
            4 * len(hog), before[1] - cached_mb(outside), before[1], before[0] - cached_mb(inside), before[0]))
        check(cached_mb(inside) > 0.9 * before[0], "it has %d of %d MB" % (cached_mb(inside), before[0]))
        del hog
        systemctl("stop", other)
        s.kill("keeps")
        s.wait_terminal("keeps")


def check_memory_limitation(status, limit_mb):
    equal((status["state"], status["source"], status["reason"]),
          ("TASK_FAILED", "SOURCE_AGENT", "REASON_CONTAINER_LIMITATION_MEMORY"), "end")
    check(status["message"].startswith("Memory limit exceeded: "), "message is " + status["message"])
    mem, = status["limitation"]["resources"]
    equal((mem["name"], mem["scalar"]["value"]), ("mem", limit_mb), "limit that is told")


def test_task_that_exceeds_its_memory_fails_with_reason_and_limit():
    with host() as h, Scheduler(h.master_addr) as s:
        check_memory_limitation(s.run("hog", "exec " + HOG % 200, mem=64), 64 + EXECUTOR_MB)
        # A shell that would survive its child, and call it a success, dies with it.
        check_memory_limitation(s.run("parent", HOG % 200 + "; exit 0", mem=64), 64 + EXECUTOR_MB)
        equal(s.run("modest", HOG % 40, mem=64)["state"], "TASK_FINISHED", "state of one that stays within")


def test_memory_limit_above_what_was_asked_for_is_the_bound():
    with host() as h, Scheduler(h.master_addr) as s:
        equal(s.run("modest", HOG % 80, mem=32, limits=limits(mem=128))["state"], "TASK_FINISHED", "state")
        check_memory_limitation(s.run("hog", HOG % 200, mem=32, limits=limits(mem=128)), 128 + EXECUTOR_MB)


def test_task_that_exceeds_its_memory_while_no_agent_is_there_is_told_as_such():
    with host() as h, Scheduler(h.master_addr) as s:
        gate = "/tmp/gate"
        os.mkfifo(gate)
        start_task(h, s, "hog", "read line <%s; %s; exit 0" % (gate, HOG % 200))
        systemctl("stop", AGENT)
        with open(gate, "w") as f:
            f.write("go\n")
        wait_until(lambda: not scopes(), "the container ends")
        systemctl("start", AGENT)
        check_memory_limitation(s.wait_terminal("hog"), 32 + EXECUTOR_MB)
        os.unlink(gate)


def test_limits_hold_in_one_scope_for_all():
    with host(MESOS_SYSTEMD_SCOPE="agent") as h, Scheduler(h.master_addr) as s:
        s.launch([s.task("steady", "exec sleep 1000", cpus=0.4, mem=32)])
        s.wait_state("steady", "TASK_RUNNING")
        cgroup, = (path for path in container_cgroups() if os.path.basename(path) == "payload")
        equal(read(cgroup, "memory.max"), str((32 + EXECUTOR_MB) << 20), "memory.max")
        equal(read(os.path.dirname(cgroup), "cpu.weight"), "50", "cpu.weight")
        check_memory_limitation(s.run("hog", HOG % 200, mem=64), 64 + EXECUTOR_MB)
        s.kill("steady")
        equal(s.wait_terminal("steady")["state"], "TASK_KILLED", "state of the other container")
        # It outlives the last container.
        wait_until(lambda: not [path for path in container_cgroups() if path.endswith("payload")], "the last container goes")
        systemctl("stop", "holdfast-containers.scope", ok=False)


def test_fork_bomb_is_bounded_and_killed():
    with host() as h, Scheduler(h.master_addr) as s:
        # The shell that lit it forks no more: one that cannot fork ends, and the task with it.
        scope, _ = start_task(h, s, "bomb", "b() { b & b & sleep 1000; }; (b) 2>/dev/null & exec sleep 1000")
        cgroup = payload(scope)
        wait_until(lambda: keyed(os.path.join(cgroup, "main"), "pids.events")["max"] > 0, "the bomb meets its bound")
        equal(read(cgroup, "pids.max"), str(PIDS_MAX), "bound")
        check(int(read(cgroup, "pids.current")) <= PIDS_MAX, "%s processes" % read(cgroup, "pids.current"))
        told, = http_get(h.agent_addr, "/containers").json()
        check(told["holdfast_statistics"]["pids_denied"] > 0, "statistics: %s" % told)
        equal(s.run("beside", "exit 0")["state"], "TASK_FINISHED", "state of another task meanwhile")
        s.kill("bomb")
        equal(s.wait_terminal("bomb")["state"], "TASK_KILLED", "state of the bomb")
        h.check_no_containers()


if __name__ == "__main__":
    main_inside()
