#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sandboxes go when they are old, or when the disk is needed, and never under a live executor."""

import os
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, check, equal, http_get, main, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402


def metric(cluster, name):
    return http_get(cluster.agent().addr, "/metrics/snapshot").json()[name]


def finish(s, task_id, command="echo hello"):
    s.launch([s.task(task_id, command)])
    equal(s.wait_terminal(task_id)["state"], "TASK_FINISHED", "state of " + task_id)


def wait_gone(path, what):
    wait_until(lambda: not os.path.lexists(path), what + " goes")


def wait_scheduled(cluster, count):
    wait_until(lambda: metric(cluster, "gc/path_removals_pending") == count, "%d paths wait for removal" % count)


def make_run(cluster, agent_id, framework_id, executor_id, container_id, age_secs):
    """What an earlier life of the agent may have left."""
    run = cluster.work_path("agent", "slaves", agent_id, "frameworks", framework_id, "executors", executor_id,
                            "runs", container_id)
    os.makedirs(run)
    with open(os.path.join(run, "stdout"), "w") as f:
        f.write("old")
    when = time.time() - age_secs
    os.symlink(container_id, os.path.join(os.path.dirname(run), "latest"))
    for path in (os.path.join(run, "stdout"), run):
        os.utime(path, (when, when))
    return run


def test_sandbox_goes_after_its_delay_and_the_directories_above_it_with_it():
    with Cluster(agent_flags=("--gc_delay=2secs", "--gc_disk_headroom=0", "--disk_watch_interval=1hrs")) as cluster:
        with Scheduler(cluster.master_addr) as s:
            start = time.monotonic()
            finish(s, "short")
            sandbox = cluster.sandboxes("short")[0]
            framework = sandbox[:sandbox.index("/executors/")]
            query = urllib.parse.urlencode({"path": sandbox + "/stdout", "offset": 0, "length": 100})
            equal(http_get(cluster.agent().addr, "/files/read?" + query).status, 200, "status of reading it")
            wait_gone(sandbox, "the sandbox")
            check(time.monotonic() - start > 2, "the sandbox went before its time")
            wait_gone(framework, "the directory of the framework that has no run")
            wait_until(lambda: metric(cluster, "gc/path_removals_succeeded") == 1, "the removal is counted")
            equal(metric(cluster, "gc/path_removals_pending"), 0, "removals pending")
            equal(metric(cluster, "gc/path_removals_failed"), 0, "removals failed")
            equal(http_get(cluster.agent().addr, "/files/read?" + query).status, 404, "status of reading it now")
            finish(s, "again")


def test_live_executor_keeps_its_sandbox_whatever_the_delay_also_after_a_restart():
    with Cluster(agent_flags=("--gc_delay=0secs", "--disk_watch_interval=100ms")) as cluster:
        with Scheduler(cluster.master_addr) as s:
            s.launch([s.task("live", "echo working; exec sleep 1000")])
            s.wait_state("live", "TASK_RUNNING")
            sandbox = cluster.sandboxes("live")[0]
            os.utime(sandbox, (1000, 1000))
            os.utime(sandbox + "/stdout", (1000, 1000))
            for n in range(2):
                finish(s, "short%d" % n)
                wait_until(lambda n=n: not cluster.sandboxes("short%d" % n), "the sandbox of short%d goes" % n)
                check(os.path.exists(sandbox + "/stdout"), "the sandbox of a live task was removed")
                cluster.agent().kill9()
                cluster.agent().start()
                cluster.wait_reregistered(cluster.agent())
            s.kill("live")
            s.wait_state("live", "TASK_KILLED")
            wait_gone(sandbox, "the sandbox of what was live")


def test_task_whose_end_is_not_acknowledged_keeps_its_sandbox():
    with Cluster(agent_flags=("--gc_delay=0secs", "--disk_watch_interval=100ms")) as cluster:
        deaf = [True]
        with Scheduler(cluster.master_addr,
                       acknowledge=lambda status: status["state"] != "TASK_FINISHED" or not deaf[0]) as s:
            finish(s, "unheard")
            finish_sandbox = cluster.sandboxes("unheard")[0]
            cluster.agent().restart()
            cluster.wait_reregistered(cluster.agent())
            equal(metric(cluster, "gc/path_removals_succeeded"), 0, "removals")
            check(os.path.exists(finish_sandbox), "the sandbox went before the framework heard of the end")
            deaf[0] = False
            cluster.agent().restart()
            wait_gone(finish_sandbox, "the sandbox")


def test_full_disk_takes_sandboxes_at_once():
    """A headroom of all the disk is never met."""
    with Cluster(agent_flags=("--gc_disk_headroom=1", "--disk_watch_interval=100ms")) as cluster:
        with Scheduler(cluster.master_addr) as s:
            finish(s, "short")
            wait_until(lambda: not cluster.sandboxes("short"), "the sandbox goes")
            equal(metric(cluster, "slave/executor_directory_max_allowed_age_secs"), 0, "age that is allowed")


def test_what_was_scheduled_before_a_restart_is_found_again():
    with Cluster(agent_flags=("--disk_watch_interval=100ms",)) as cluster:
        with Scheduler(cluster.master_addr) as s:
            for n in range(3):
                finish(s, "short%d" % n)
            wait_scheduled(cluster, 3)
            check(0 < metric(cluster, "slave/executor_directory_max_allowed_age_secs") < 604800, "age that is allowed")
            cluster.agent().kill9()
            cluster.agent().start()
            wait_scheduled(cluster, 3)
            equal(len([1 for n in range(3) if cluster.sandboxes("short%d" % n)]), 3, "sandboxes")


def test_leftovers_of_earlier_agents_go_by_their_age():
    with Cluster(agent_flags=("--disk_watch_interval=100ms",), start=False) as cluster:
        day = 86400
        other = cluster.work_path("agent", "slaves", "other-S0")
        old = make_run(cluster, "other-S0", "F1", "E1", "00000000-0000-0000-0000-000000000001", 8 * day)
        young = make_run(cluster, "other-S0", "F2", "E1", "00000000-0000-0000-0000-000000000002", 60)
        lying = make_run(cluster, "other-S0", "F3", "E1", "00000000-0000-0000-0000-000000000003", -1000 * day)
        empty = cluster.work_path("agent", "slaves", "other-S1")
        os.makedirs(empty)
        os.utime(empty, (1000, 1000))
        os.makedirs(cluster.work_path("agent", "meta", "exits"))
        records = [cluster.work_path("agent", "meta", "exits", name) for name in ("stale", "fresh")]
        for path, age in zip(records, (8 * day, 60)):
            with open(path, "w") as f:
                f.write("x")
            os.utime(path, (time.time() - age,) * 2)
        runtime = cluster.work_path("agent-run", "containers", "00000000-0000-0000-0000-000000000001")
        os.makedirs(runtime)

        cluster.start()
        wait_gone(old, "the old run")
        wait_gone(os.path.join(other, "frameworks", "F1"), "its framework's directory")
        wait_gone(empty, "the empty directory of an earlier agent")
        wait_gone(records[0], "the stale exit record")
        wait_gone(runtime, "the runtime directory without a launcher")
        wait_scheduled(cluster, 3)
        check(os.path.exists(young + "/stdout"), "a young run went")
        check(os.path.exists(lying + "/stdout"), "a run from the future went")
        check(os.path.exists(records[1]), "a fresh exit record went")


def test_wrong_values_are_refused_by_name():
    with Cluster(n_agents=0) as cluster:
        for flag in ("--gc_disk_headroom=1.5", "--gc_disk_headroom=-0.1", "--gc_delay=soon", "--disk_watch_interval=0secs"):
            agent = cluster.add_agent(flag)
            agent.start(wait_ready=False)
            wait_until(lambda agent=agent: not agent.is_running(), "the agent refuses " + flag)
            equal(agent.process.returncode, 1, "exit status with " + flag)
            check(flag.split("=")[0].strip("-") in agent.log(), "the flag is not named: " + agent.log())
        cluster.agents.clear()


if __name__ == "__main__":
    main()
