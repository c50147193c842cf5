#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tasks outlive their agent, and what happened while it was away is told once and truly."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import TIMEOUT_SCALE, Cluster, check, equal, is_alive, main, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402


def read_pid(path):
    """The number a task wrote there; None as long as it has not."""
    try:
        with open(path) as f:
            text = f.read()
    except OSError:
        return None
    return int(text) if text.endswith("\n") else None


def start_task(cluster, s, task_id, command):
    """Launches a command that first writes its pid; returns the pid."""
    path = cluster.work_path(task_id + ".pid")
    s.launch([s.task(task_id, "echo $$ >%s.new; mv %s.new %s; %s" % (path, path, path, command))])
    s.wait_state(task_id, "TASK_RUNNING")
    return wait_until(lambda: read_pid(path), "%s writes its pid" % task_id)


def test_exit_status_of_a_task_that_ended_while_the_agent_was_dead_is_told():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        gate = cluster.work_path("gate")
        pid = start_task(cluster, s, "seven", "while [ ! -e %s ]; do sleep 0.05; done; exit 7" % gate)
        cluster.agent().kill9()
        open(gate, "w").close()
        wait_until(lambda: not is_alive(pid), "the task ends")
        cluster.agent().start()
        status = s.wait_terminal("seven", timeout=40)
        equal(status["state"], "TASK_FAILED", "state")
        equal(status.get("message"), "Command exited with status 7", "message")
        equal(s.states("seven"), ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"], "states, each once")


def test_task_runs_on_under_the_restarted_agent_with_the_same_pid():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        pid = start_task(cluster, s, "steady", "exec sleep 1000")
        cluster.agent().kill9()
        check(is_alive(pid), "the task died with its agent")
        cluster.agent().start()
        cluster.wait_reregistered(cluster.agent())
        check(is_alive(pid), "the task died when its agent came back")
        equal(s.states("steady"), ["TASK_STARTING", "TASK_RUNNING"], "states")
        s.kill("steady")
        equal(s.wait_terminal("steady")["state"], "TASK_KILLED", "state")


def test_sigterm_of_the_agent_leaves_tasks_running():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        pid = start_task(cluster, s, "steady", "exec sleep 1000")
        equal(cluster.agent().stop(), 0, "exit status of the agent")
        check(is_alive(pid), "the task ended with its agent")
        cluster.agent().start()
        cluster.wait_reregistered(cluster.agent())
        check(is_alive(pid), "the task ended when its agent came back")
        s.kill("steady")
        s.wait_state("steady", "TASK_KILLED")


def test_update_that_nobody_acknowledged_is_sent_again_by_the_restarted_agent():
    deaf = [True]
    with Cluster() as cluster, Scheduler(cluster.master_addr, acknowledge=lambda status: not deaf[0]) as s:
        s.launch([s.task("quiet", "exit 4")])
        s.wait_state("quiet", "TASK_STARTING")
        first = s.statuses[0]["uuid"]
        cluster.agent().kill9()
        deaf[0] = False
        cluster.agent().start()
        status = s.wait_terminal("quiet", timeout=40)
        equal(status.get("message"), "Command exited with status 4", "message")
        check(s.n_resent >= 1, "the first update was not sent again under its uuid %s" % first)
        equal(s.states("quiet"), ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"], "states")


def test_agent_killed_amid_launches_loses_and_repeats_nothing():
    with Cluster(resources="cpus:64;mem:65536") as cluster, Scheduler(cluster.master_addr) as s:
        names = ["t%02d" % n for n in range(40)]
        ran = cluster.work_path("ran")
        os.mkdir(ran)
        s.launch([s.task(name, "echo x >>%s/%s; exit 3" % (ran, name)) for name in names])
        s.wait_until(lambda: len(s.statuses) >= 10, "the first updates")
        cluster.agent().kill9()
        cluster.agent().start()
        ends = {name: s.wait_terminal(name, timeout=90) for name in names}
        for name, status in ends.items():
            path = os.path.join(ran, name)
            times = os.path.getsize(path) // 2 if os.path.exists(path) else 0
            check(times <= 1, "%s ran %d times" % (name, times))
            if status["state"] == "TASK_FAILED" and "exited" in status.get("message", ""):
                equal(times, 1, "runs of %s" % name)
                equal(status["message"], "Command exited with status 3", "message of %s" % name)
            else:
                # The master asks for what the agent had not written down yet; it is dropped by name.
                check(times == 0 or status["state"] != "TASK_DROPPED",
                      "%s ran and ended %s %s" % (name, status["state"], status.get("message")))
            equal(len([x for x in s.states(name) if x == status["state"]]), 1, "ends of %s" % name)


def test_master_restart_finds_the_tasks_again():
    with Cluster() as cluster:
        s = Scheduler(cluster.master_addr)
        pid = start_task(cluster, s, "steady", "exec sleep 1000")
        cluster.master().kill9()
        check(is_alive(pid), "the task died with the master")
        cluster.master().start()
        cluster.wait_agents()
        s.subscribe()
        s.reconcile("steady")
        s.wait_until(lambda: any(x.get("reason") == "REASON_RECONCILIATION" and x["state"] == "TASK_RUNNING"
                                 for x in s.statuses), "reconciliation says it runs")
        check(is_alive(pid), "the task died with the master's return")
        s.kill("steady")
        s.wait_state("steady", "TASK_KILLED")
        s.teardown()
        s.disconnect()


def test_recovery_is_quick():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        start_task(cluster, s, "steady", "exec sleep 1000")
        cluster.agent().kill9()
        start = time.monotonic()
        cluster.agent().start()
        cluster.wait_reregistered(cluster.agent())
        # A real Mesos agent always waits 2 s for executors here, and up to 1 s more to register.
        check(time.monotonic() - start < 2 * TIMEOUT_SCALE, "the agent took %.1f s to come back" % (time.monotonic() - start))
        s.kill("steady")
        s.wait_state("steady", "TASK_KILLED")


if __name__ == "__main__":
    main()
