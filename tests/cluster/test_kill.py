#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tasks that are killed: grace, trees of processes, tasks nobody knows, teardown."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import TIMEOUT_SCALE, Cluster, check, equal, main, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402

# Does not hear SIGTERM, and says when that is so.
STUBBORN = "trap '' TERM; touch %s; while true; do sleep 0.1; done"
KILLED = ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLING", "TASK_KILLED"]


def start_stubborn(cluster, s, task_id, **fields):
    ready = cluster.work_path(task_id + ".ready")
    s.launch([s.task(task_id, STUBBORN % ready, **fields)])
    s.wait_state(task_id, "TASK_RUNNING")
    wait_until(lambda: os.path.exists(ready), "%s traps SIGTERM" % task_id)


def test_kill_is_a_sigterm():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task("killed", "sleep 1000")])
        s.wait_state("killed", "TASK_RUNNING")
        s.kill("killed")
        status = s.wait_terminal("killed")
        equal(s.states("killed"), KILLED, "states")
        equal(status.get("message"), "Command terminated with signal Terminated", "message")


def test_task_may_tidy_up_on_sigterm():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        ready, tidied = cluster.work_path("ready"), cluster.work_path("tidied")
        s.launch([s.task("tidy", "trap 'touch %s; exit 0' TERM; touch %s; while true; do sleep 0.05; done"
                         % (tidied, ready))])
        wait_until(lambda: os.path.exists(ready), "the task traps SIGTERM")
        s.kill("tidy")
        equal(s.wait_terminal("tidy")["state"], "TASK_KILLED", "state")
        check(os.path.exists(tidied), "the task could not tidy up")


def test_grace_period_of_the_task_ends_in_sigkill():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        start_stubborn(cluster, s, "policy", kill_policy={"grace_period": {"nanoseconds": 700_000_000}})
        start = time.monotonic()
        s.kill("policy")
        s.wait_terminal("policy")
        took = time.monotonic() - start
        equal(s.states("policy"), KILLED, "states")
        check(0.6 < took < 2.5 * TIMEOUT_SCALE, "grace of 0.7 s took %.1f s" % took)


def test_grace_period_of_the_kill_overrides_that_of_the_task():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        start_stubborn(cluster, s, "override", kill_policy={"grace_period": {"nanoseconds": 60_000_000_000}})
        start = time.monotonic()
        s.kill("override", kill_policy={"grace_period": {"nanoseconds": 200_000_000}})
        s.wait_terminal("override")
        check(time.monotonic() - start < 2.5 * TIMEOUT_SCALE, "grace of 0.2 s took %.1f s" % (time.monotonic() - start))


def test_whole_tree_of_a_killed_task_ends():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task("tree", "sleep 1000 & (setsid sleep 1001 &); sh -c 'sleep 1002; true'")])
        s.wait_state("tree", "TASK_RUNNING")
        s.kill("tree")
        s.wait_state("tree", "TASK_KILLED")
        cluster.check_no_containers()


def test_kill_of_an_unknown_task_is_answered_by_its_state():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        s.kill("nobody-knows")
        status = s.wait_state("nobody-knows", "TASK_UNKNOWN")
        equal((status["source"], status["reason"]), ("SOURCE_MASTER", "REASON_RECONCILIATION"), "source, reason")
        equal(status["message"], "Reconciliation: Task is unknown", "message")


def test_kill_right_after_launch_is_not_lost():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        for n in range(10):
            name = "fast-%d" % n
            s.launch([s.task(name, "sleep 1000")])
            s.kill(name)
            equal(s.wait_terminal(name)["state"], "TASK_KILLED", "state")
        cluster.check_no_containers()


def test_teardown_ends_all_tasks_of_the_framework_and_no_others():
    # No other process of this machine has the like.
    sleep, other = "sleep 2000.%d" % os.getpid(), "sleep 1000.%d" % os.getpid()
    with Cluster() as cluster, Scheduler(cluster.master_addr, "stays") as stays:
        stays.launch([stays.task("stays", "exec " + other)], refuse_seconds=3600)
        stays.wait_state("stays", "TASK_RUNNING")
        goes = Scheduler(cluster.master_addr, "goes")
        goes.launch([goes.task("goes-%d" % n, "exec " + sleep) for n in range(5)])
        goes.wait_until(lambda: sum(x["state"] == "TASK_RUNNING" for x in goes.statuses) == 5, "5 tasks run")
        goes.teardown()
        goes.disconnect()
        wait_until(lambda: count_processes(sleep) == 0, "the tasks of the framework end")
        equal(count_processes(other) > 0, True, "the other framework's task runs")
        equal(stays.states("stays"), ["TASK_STARTING", "TASK_RUNNING"], "states of the other's task")
        stays.kill("stays")
        stays.wait_state("stays", "TASK_KILLED")


def count_processes(command):
    n = 0
    for pid in (p for p in os.listdir("/proc") if p.isdigit()):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                n += f.read().rstrip(b"\0") == command.replace(" ", "\0").encode()
        except OSError:
            pass
    return n


if __name__ == "__main__":
    main()
