#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Somebody on the host stops scopes, or the slice: what the tasks come to, and what frameworks are told."""

import contextlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from systemd import (AGENT, SOCKET, Host, custom_executor, main, open_gate, scopes, show, start_task,    # noqa: E402
                     systemctl)

SLICE = "holdfast.slice"
STOPPED = " after its container was stopped"

# What a task does, once it is ready, about SIGTERM; its grace in seconds; what is told of its end. The slow
# one ends when the test says so.
GATE = "/tmp/slow-gate"
WAYS = {
    "plain": ("touch %s; exec sleep 1000", 3, "Command terminated with signal Terminated"),
    "polite": ("trap 'exit 0' TERM; touch %s; while :; do sleep 0.05; done", 3, "Command exited with status 0"),
    "slow": ("trap '' TERM; touch %s; read line <" + GATE + "; exit 7", 15, "Command exited with status 7"),
    "deaf": ("trap '' TERM; touch %s; while :; do sleep 0.05; done", 1, "Command terminated with signal Killed"),
    "family": ("touch %s; sleep 1000 & (sleep 1001 &); wait", 3, "Command terminated with signal Terminated"),
}


def ready(name):
    return "/tmp/%s-is-ready" % name


def launch(s, *names, deaf_grace_s=WAYS["deaf"][1]):
    """Starts a task of each way; returns the scopes there are then."""
    if not os.path.exists(GATE):
        os.mkfifo(GATE)
    tasks = []
    for name in names:
        command, grace_s, _ = WAYS[name]
        grace_s = deaf_grace_s if name == "deaf" else grace_s
        with contextlib.suppress(FileNotFoundError):
            os.unlink(ready(name))
        grace = {"grace_period": {"nanoseconds": int(grace_s * 1e9)}}
        tasks.append(s.task(name, command % ready(name), kill_policy=grace))
    s.launch(tasks)
    for name in names:
        s.wait_state(name, "TASK_RUNNING")
    wait_until(lambda: all(os.path.exists(ready(name)) for name in names), "every trap is set")
    return scopes()


def check_was_stopped(s, name):
    """The task did not come to its end but was ended, whatever it made of that."""
    status = s.wait_terminal(name)
    equal((status["state"], status["message"]), ("TASK_KILLED", WAYS[name][2] + STOPPED), "end of " + name)
    equal((status["source"], status.get("reason")), ("SOURCE_EXECUTOR", None), "source and reason of " + name)
    equal(s.states(name), ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLING", "TASK_KILLED"], "states of " + name)


def check_executor_terminated(s, name, *messages):
    """Nobody told how the task itself ended."""
    status = s.wait_terminal(name, timeout=40)
    equal((status["state"], status["reason"], status["source"]),
          ("TASK_FAILED", "REASON_EXECUTOR_TERMINATED", "SOURCE_AGENT"), "end of " + name)
    check(status["message"] in (messages or ("Executor terminated",)), "message is " + status["message"])


def test_stopping_a_scope_kills_its_task_after_the_tasks_own_grace():
    with Host() as host, Scheduler(host.master_addr) as s:
        units = launch(s, *WAYS, deaf_grace_s=4)
        _, others = start_task(host, s, "steady")
        systemctl("stop", "--no-block", *units)
        s.wait_terminal("deaf")
        equal(s.states("slow")[-1], "TASK_KILLING", "state of the slow one after 4 s")
        open_gate(GATE)
        for name in WAYS:
            check_was_stopped(s, name)
        equal(systemctl("list-units", "--failed", "--no-legend"), "", "failed units")
        equal(host.task_pids(scopes()[0]), others, "pids of the container that was not stopped")
        s.kill("steady")
        equal(s.wait_terminal("steady").get("message"), WAYS["plain"][2], "message of a kill by the framework")


def test_custom_executor_whose_scope_is_stopped_fails_its_tasks():
    with Host() as host, Scheduler(host.master_addr) as s:
        s.launch([s.task(name, executor=custom_executor(s)) for name in ("hold-1", "hold-2")],
                 s.wait_offer(cpus=1, mem=256))
        for name in ("hold-1", "hold-2"):
            s.wait_state(name, "TASK_RUNNING")
        systemctl("stop", *scopes())
        for name in ("hold-1", "hold-2"):
            check_executor_terminated(s, name)
        failure = s.wait_event("FAILURE")["failure"]
        equal(failure.get("status"), 15, "wait status of the executor")


def test_killing_a_scope_fails_its_task_whether_or_not_the_launcher_saw_it():
    with Host() as host, Scheduler(host.master_addr) as s:
        names = ["t%d" % n for n in range(8)]
        s.launch([s.task(name, "exec sleep 1000") for name in names])
        for name in names:
            s.wait_state(name, "TASK_RUNNING")
        # One after the other is killed, and the launcher among them; if it is the last it has seen the rest.
        # That a cgroup goes meanwhile is an error to systemctl.
        systemctl("kill", "--signal=KILL", *scopes(), ok=False)
        for name in names:
            check_executor_terminated(s, name, "Executor terminated", "Abnormal executor termination: its launcher "
                                                                      "ended without leaving a record")


def test_scope_that_is_stopped_while_the_agent_restarts_is_told_by_its_executor():
    with Host() as host, Scheduler(host.master_addr) as s:
        units = launch(s, "plain", "deaf")
        systemctl("stop", SOCKET, AGENT)
        systemctl("stop", "--no-block", *units)
        wait_until(lambda: any(len(host.task_pids(unit)) == 1 for unit in units), "the plain one ends")
        systemctl("start", AGENT)
        for name in ("plain", "deaf"):
            check_was_stopped(s, name)


def test_scope_that_is_stopped_without_agent_does_not_wait_for_one_for_long():
    with Host() as host, Scheduler(host.master_addr) as s:
        units = launch(s, "plain")
        systemctl("stop", SOCKET, AGENT)
        systemctl("stop", *units)    # within systemctl()'s own patience, and long before systemd's SIGKILL
        equal(scopes(), [], "scopes")
        check(os.listdir("/var/lib/holdfast/agent/meta/exits"), "the launcher left no record")
        systemctl("start", AGENT)
        check_executor_terminated(s, "plain")


def test_stopping_the_slice_ends_every_task_but_not_the_agent():
    with Host() as host, Scheduler(host.master_addr) as s:
        launch(s, *WAYS)
        agent = host.agent_pid()
        systemctl("stop", "--no-block", SLICE)
        s.wait_terminal("deaf")
        open_gate(GATE)
        for name in WAYS:
            check_was_stopped(s, name)
        equal(host.agent_pid(), agent, "pid of the agent")
        equal(show(AGENT, "NRestarts"), "0", "restarts of the agent")
        s.run("after", "true")


def test_task_that_comes_while_the_slice_is_being_stopped_runs_when_it_is_over():
    with Host() as host, Scheduler(host.master_addr) as s:
        launch(s, "deaf")
        systemctl("stop", "--no-block", SLICE)
        s.wait_state("deaf", "TASK_KILLING")
        s.launch([s.task("after", "exit 5")])
        check("TASK_STARTING" not in s.states("after"), "it was started in a slice that is stopped")
        equal(s.wait_terminal("after").get("message"), "Command exited with status 5", "end of the late one")
        check_was_stopped(s, "deaf")


def test_task_that_comes_while_the_slice_takes_long_to_stop_is_refused_with_the_reason():
    with Host() as host, Scheduler(host.master_addr) as s:
        launch(s, "deaf", deaf_grace_s=8)
        systemctl("stop", "--no-block", SLICE)
        s.wait_state("deaf", "TASK_KILLING")
        status = s.run("refused", "true")
        equal((status["state"], status["reason"]), ("TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED"), "end")
        check("holdfast.slice has 'stop' job queued" in status["message"], "message is " + status["message"])
        check_was_stopped(s, "deaf")


if __name__ == "__main__":
    main()
