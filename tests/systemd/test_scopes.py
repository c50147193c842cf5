#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A container is a scope of systemd: what systemctl shows of it, and that restarting the agent does not touch it."""

import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import BUILD_DIR, check, equal, http_get, is_alive, n_open_fds, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from systemd import AGENT, SOCKET, Host, main, make_gate, open_gate, run, scopes, show, start_task, systemctl    # noqa: E402


def test_scope_names_its_task_and_is_delegated():
    with Host() as host, Scheduler(host.master_addr, "namer") as s:
        scope, pids = start_task(host, s, "a-task")
        description = show(scope, "Description")
        check("a-task" in description, "description %r does not name the task" % description)
        check(s.framework_id in description or "namer" in description,
              "description %r does not name the framework" % description)
        expected = {"Delegate": "yes", "CollectMode": "inactive-or-failed", "TasksMax": "infinity",
                    "ActiveState": "active", "Slice": "holdfast.slice"}
        equal({name: show(scope, name) for name in expected}, expected, "properties")
        check(scope in systemctl("status", "holdfast.slice"), "systemctl status does not show the scope")
        check(pids, "no process in the payload's cgroup")
        s.kill("a-task")
        equal(s.wait_terminal("a-task")["state"], "TASK_KILLED", "state")
        host.check_no_containers()


def test_output_and_exit_status_come_back():
    with Host() as host, Scheduler(host.master_addr) as s:
        status = s.run("seven", "echo out; echo err >&2; exit 7")
        equal(status.get("message"), "Command exited with status 7", "message")
        equal(host.read_sandbox("seven").splitlines()[-1], "out", "stdout")
        equal(host.read_sandbox("seven", "stderr").splitlines()[-1], "err", "stderr")
        status = s.run("signal", "kill -9 $$")
        equal(status.get("message"), "Command terminated with signal Killed", "message")


def test_restart_of_the_agent_leaves_tasks_alone():
    with Host() as host, Scheduler(host.master_addr) as s:
        equal(show(AGENT, "KillMode"), "control-group", "KillMode")
        scope, pids = start_task(host, s)
        agent, since = host.agent_pid(), time.time()
        systemctl("restart", AGENT)
        host.wait_registered(since)
        check(host.agent_pid() != agent, "the agent was not restarted")
        equal(host.task_pids(scope), pids, "pids of the container")
        check(all(is_alive(pid) for pid in pids), "a process died")
        equal(s.states("steady"), ["TASK_STARTING", "TASK_RUNNING"], "states")
        s.kill("steady")
        equal(s.wait_terminal("steady")["state"], "TASK_KILLED", "state")


def test_kill_9_of_the_agent_is_followed_by_a_restart_that_finds_its_tasks():
    with Host() as host, Scheduler(host.master_addr) as s:
        gate = make_gate()
        scope, pids = start_task(host, s, "steady", "read line <%s; exit 7" % gate)
        since = time.time()
        systemctl("kill", "--signal=KILL", AGENT)
        host.wait_registered(since)
        equal(host.task_pids(scope), pids, "pids of the container")
        open_gate(gate)
        equal(s.wait_terminal("steady").get("message"), "Command exited with status 7", "message")


def test_task_that_ends_while_the_agent_is_stopped_is_told_afterwards():
    with Host() as host, Scheduler(host.master_addr) as s:
        gate = make_gate()
        scope, pids = start_task(host, s, "seven", "read line <%s; exit 7" % gate)
        # With the socket, or the executor's next request would start the agent again.
        systemctl("stop", SOCKET, AGENT)
        check(all(is_alive(pid) for pid in pids), "a process of the task died with the agent")
        open_gate(gate)
        wait_until(lambda: len(host.task_pids(scope)) < len(pids), "the task ends without the agent")
        equal(show(AGENT, "ActiveState"), "inactive", "state of the agent")
        systemctl("start", AGENT)
        equal(s.wait_terminal("seven", timeout=40).get("message"), "Command exited with status 7", "message")
        equal(s.states("seven"), ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"], "states")


def test_scopes_survive_reload_and_reexecution_of_systemd():
    with Host() as host, Scheduler(host.master_addr) as s:
        _, pids = start_task(host, s)
        systemctl("daemon-reload")
        systemctl("daemon-reexec")
        check(all(is_alive(pid) for pid in pids), "a process died")
        s.run("after", "true")
        s.kill("steady")
        s.wait_state("steady", "TASK_KILLED")


def test_placement_by_a_real_systemd():
    # make check runs this program too, but can only skip these tests there.
    output = run(os.path.join(BUILD_DIR, "tests", "unit", "test-placement"), timeout=120)
    check("SKIPPED" not in output, output)


def test_port_of_the_agent_stays_open_across_a_restart():
    with Host() as host:
        systemctl("stop", AGENT)
        # Nobody accepts, but the kernel completes the connection for the socket that systemd keeps.
        with socket.create_connection(host.agent_addr, timeout=5) as peer:
            peer.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            systemctl("start", AGENT)
            peer.settimeout(20)
            check(peer.recv(100).startswith(b"HTTP/1.1 200"), "no answer to a request made while it was away")


def test_agent_says_when_it_is_ready():
    with Host() as host:
        equal(show(AGENT, "Type"), "notify", "type of the unit")
        systemctl("restart", AGENT)
        equal(http_get(host.agent_addr, "/health").status, 200, "status right after systemctl restart")


def test_many_tasks_leave_neither_scope_nor_cgroup_nor_fd():
    with Host() as host, Scheduler(host.master_addr) as s:
        s.run("first", "true")
        host.check_no_containers()
        fds = n_open_fds(host.agent_pid())
        # More at once than D-Bus lets one connection have calls without a reply.
        names = ["t%03d" % n for n in range(300)]
        s.launch([s.task(name, "true") for name in names])
        for name in names:
            equal(s.wait_terminal(name, timeout=60)["state"], "TASK_FINISHED", "state of " + name)
        host.check_no_containers()
        wait_until(lambda: n_open_fds(host.agent_pid()) <= fds + 1, "the agent closes its fds")
        equal(systemctl("list-units", "--failed", "--no-legend"), "", "failed units")


if __name__ == "__main__":
    main()
