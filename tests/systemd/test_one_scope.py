#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""--systemd_scope=agent: all containers are in one scope of systemd, which is nobody's and outlives the agent."""

import contextlib
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, is_alive, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from systemd import AGENT, Host, main, make_gate, open_gate, scopes, show, show_all, start_task, systemctl    # noqa: E402

SCOPE = "holdfast-containers.scope"
TOP = "/sys/fs/cgroup/holdfast.slice/" + SCOPE


def directories():
    """Of containers, in the scope."""
    with contextlib.suppress(OSError):
        return sorted(e.name for e in os.scandir(TOP) if e.is_dir() and e.name != "keeper")
    return []


def pids_below(path):
    found = []
    for directory, _, _ in os.walk(path):
        with contextlib.suppress(OSError), open(os.path.join(directory, "cgroup.procs")) as f:
            found += [int(line) for line in f]
    return found


@contextlib.contextmanager
def one_scope_host(**settings):
    with Host(MESOS_SYSTEMD_SCOPE="agent", **settings) as host:
        yield host
        wait_until(lambda: not directories(), "the last container's cgroup goes; there are %s" % directories())
        systemctl("stop", SCOPE, ok=False)


def start(s, task_id="steady", command="exec sleep 1000"):
    """Returns the pids in the container."""
    before = set(directories())
    s.launch([s.task(task_id, command)])
    s.wait_state(task_id, "TASK_RUNNING")
    return pids_below(os.path.join(TOP, next(d for d in directories() if d not in before)))


def test_containers_are_directories_of_one_scope_that_stays():
    with one_scope_host() as host, Scheduler(host.master_addr) as s:
        for n in range(3):
            start(s, "t%d" % n)
        equal(scopes(), [SCOPE], "scopes")
        equal(len(directories()), 3, "cgroups of containers")
        properties = {"Delegate": "yes", "ActiveState": "active", "Slice": "holdfast.slice", "TasksMax": "infinity"}
        equal({name: show(SCOPE, name) for name in properties}, properties, "properties")
        with open(os.path.join(TOP, "cgroup.procs")) as f:
            equal(f.read(), "", "processes in the scope itself")
        for n in range(3):
            s.kill("t%d" % n)
            s.wait_terminal("t%d" % n)
        wait_until(lambda: not directories(), "the containers' cgroups go")
        equal(show(SCOPE, "ActiveState"), "active", "state of the empty scope")
        equal(len(pids_below(TOP)), 1, "processes in the empty scope")
        status = s.run("seven", "echo out; exit 7")
        equal(status.get("message"), "Command exited with status 7", "message")
        equal(host.read_sandbox("seven").splitlines()[-1], "out", "stdout")


def test_scope_and_tasks_outlive_the_agent_and_the_next_one_uses_them():
    with one_scope_host() as host, Scheduler(host.master_addr) as s:
        gate = make_gate()
        pids = start(s, "seven", "read line <%s; exit 7" % gate)
        keeper = pids_below(os.path.join(TOP, "keeper"))
        for how in (["restart", AGENT], ["kill", "--signal=KILL", AGENT]):
            agent, since = host.agent_pid(), time.time()
            systemctl(*how)
            host.wait_registered(since)
            check(host.agent_pid() != agent, "the agent was not restarted")
            check(all(is_alive(pid) for pid in pids), "a process died with the agent")
            equal(pids_below(os.path.join(TOP, "keeper")), keeper, "the keeper")
        start(s, "second")
        equal((scopes(), len(directories())), ([SCOPE], 2), "scopes and containers")
        open_gate(gate)
        equal(s.wait_terminal("seven").get("message"), "Command exited with status 7", "message")
        s.kill("second")
        s.wait_terminal("second")


def test_stopping_the_scope_ends_all_tasks_and_the_next_task_begins_another():
    with one_scope_host() as host, Scheduler(host.master_addr) as s:
        for n in range(3):
            start(s, "t%d" % n, "trap '' TERM; while :; do sleep 1; done" if n == 0 else "exec sleep 1000")
        agent, invocation = host.agent_pid(), show(SCOPE, "InvocationID")
        systemctl("stop", "--no-block", SCOPE)
        wait_until(lambda: not pids_below(os.path.join(TOP, "keeper")), "the scope is being stopped")
        # One of the containers does not hear of it, and the scope is there for as long; this one is for the next.
        s.launch([s.task("after", "exec sleep 1000")])
        for n in range(3):
            status = s.wait_terminal("t%d" % n, timeout=60)
            check(status["state"] in ("TASK_FAILED", "TASK_KILLED"), "state is %s" % status["state"])
        s.wait_state("after", "TASK_RUNNING", timeout=60)
        equal(host.agent_pid(), agent, "pid of the agent")
        check(show(SCOPE, "InvocationID") != invocation, "the scope that was stopped is still the one")
        s.kill("after")
        s.wait_terminal("after")


def test_agent_that_is_told_to_place_otherwise_knows_its_containers_again():
    for first, then in (("agent", "container"), ("container", "agent")):
        with Host(MESOS_SYSTEMD_SCOPE=first) as host, Scheduler(host.master_addr) as s:
            if first == "agent":
                start(s)
            else:
                start_task(host, s)
            since = time.time()
            host._write_settings(AGENT, {"MESOS_MASTER": "127.0.0.1:5050", "MESOS_IP": "127.0.0.1",
                                         "MESOS_HOSTNAME_LOOKUP": "false", "MESOS_SYSTEMD_SCOPE": then,
                                         "MESOS_RESOURCES": "cpus:64;mem:65536;disk:65536;ports:[31000-32000]"})
            systemctl("restart", AGENT)
            host.wait_registered(since)
            s.run("other", "true")
            s.kill("steady")
            equal(s.wait_terminal("steady")["state"], "TASK_KILLED", "state")
            wait_until(lambda: not directories(), "the containers' cgroups go")
            systemctl("stop", SCOPE, ok=False)


def test_scope_that_has_lost_its_keeper_gets_another():
    with one_scope_host() as host, Scheduler(host.master_addr) as s:
        pids = start(s)
        invocation = show(SCOPE, "InvocationID")
        keeper, = pids_below(os.path.join(TOP, "keeper"))
        os.kill(keeper, signal.SIGKILL)
        # It might be on its way out: that is waited for, which takes half a minute here.
        equal(s.run("after", "exit 7", timeout=90).get("message"), "Command exited with status 7", "message")
        equal(show(SCOPE, "InvocationID"), invocation, "the scope")
        check(all(is_alive(pid) for pid in pids), "a process died")
        equal(len(pids_below(os.path.join(TOP, "keeper"))), 1, "keepers")
        s.kill("steady")
        s.wait_terminal("steady")


def test_two_hundred_containers_at_once_leave_nothing_but_the_keeper():
    with one_scope_host() as host, Scheduler(host.master_addr) as s:
        names = ["t%03d" % n for n in range(200)]
        s.launch([s.task(name, "true") for name in names])
        for name in names:
            equal(s.wait_terminal(name, timeout=120)["state"], "TASK_FINISHED", "state of " + name)
        wait_until(lambda: not directories(), "the containers' cgroups go")
        equal(len(pids_below(TOP)), 1, "processes left in the scope")
        equal(len(show_all("*.scope", "Id", "Slice")), 1 + len(show_all("init.scope", "Id")), "scopes")


main()
