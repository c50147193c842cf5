#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How an agent that is a service can lose its tasks, each shown on purpose, and why ours doesn't."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, http_get, is_alive, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from systemd import AGENT, SOCKET, Host, custom_executor, main, scopes, show, start_task, systemctl    # noqa: E402

CGROUPS = "/sys/fs/cgroup"


def cgroup_of(pid):
    with open("/proc/%d/cgroup" % pid) as f:
        return next(line[3:].strip() for line in f if line.startswith("0::"))


def service_pids():
    """The processes in the agent's own cgroup."""
    with open(CGROUPS + show(AGENT, "ControlGroup") + "/cgroup.procs") as f:
        return [int(line) for line in f]


def restart_and_wait(host, *command):
    since = time.time()
    systemctl(*(command or ("restart", AGENT)))
    host.wait_registered(since)


def check_ends(s, task_id):
    s.kill(task_id)
    equal(s.wait_terminal(task_id)["state"], "TASK_KILLED", "state of " + task_id)


def test_container_in_the_cgroup_of_the_agents_service_dies_with_it_and_one_in_a_scope_does_not():
    # What stays in the service is what an agent without scopes leaves there.
    with Host(agent_unit="TimeoutStopSec=2s\n") as host, Scheduler(host.master_addr) as s:
        _, in_scope = start_task(host, s, "in-a-scope")
        host.change_settings(MESOS_SYSTEMD_ENABLE_SUPPORT="false", MESOS_LAUNCHER="posix")
        restart_and_wait(host)
        s.launch([s.task("in-the-service", "exec sleep 1000")])
        s.wait_state("in-the-service", "TASK_RUNNING")
        in_service = [pid for pid in service_pids() if pid != host.agent_pid()]
        check(len(in_service) >= 3, "launcher, executor and task are not all in the service: %s" % in_service)
        equal({cgroup_of(pid) for pid in in_service}, {show(AGENT, "ControlGroup")}, "their cgroup")

        restart_and_wait(host)
        equal([pid for pid in in_service if is_alive(pid)], [], "what lives of the container in the service")
        check(all(is_alive(pid) for pid in in_scope), "a process of the container in a scope died")
        status = s.wait_terminal("in-the-service")
        check(status["state"] in ("TASK_FAILED", "TASK_KILLED"), "state is " + status["state"])
        equal(s.states("in-a-scope"), ["TASK_STARTING", "TASK_RUNNING"], "states of the one in a scope")
        check_ends(s, "in-a-scope")


def test_agent_that_hangs_is_replaced_by_the_watchdog_and_its_tasks_live_on():
    with Host(agent_unit="WatchdogSec=2s\nLimitCORE=0\n") as host, Scheduler(host.master_addr) as s:
        scope, pids = start_task(host, s)
        agent, since = host.agent_pid(), time.time()
        os.kill(agent, signal.SIGSTOP)
        host.wait_registered(since)
        check(host.agent_pid() != agent, "the agent that hung is still there")
        equal(show(AGENT, "NRestarts"), "1", "restarts")
        equal(host.task_pids(scope), pids, "pids of the container")
        equal(s.states("steady"), ["TASK_STARTING", "TASK_RUNNING"], "states")
        check_ends(s, "steady")


def test_agent_that_crashes_again_and_again_is_started_again_and_again():
    n_crashes = 12    # systemd's own idea of enough is 5 within 10 s
    with Host(agent_unit="RestartSec=20ms\n") as host, Scheduler(host.master_addr) as s:
        scope, pids = start_task(host, s)
        for _ in range(n_crashes):
            agent, since = host.agent_pid(), time.time()
            os.kill(agent, signal.SIGKILL)
            wait_until(lambda old=agent: host.agent_pid() not in (0, old), "the agent is started again")
        host.wait_registered(since)
        equal(show(AGENT, "NRestarts"), str(n_crashes), "restarts")
        equal(host.task_pids(scope), pids, "pids of the container")
        check_ends(s, "steady")


def test_agent_that_cannot_start_is_tried_until_it_can():
    with Host(agent_unit="RestartSec=20ms\n") as host, Scheduler(host.master_addr) as s:
        scope, pids = start_task(host, s)
        host.change_settings(MESOS_RESOURCES="cpus:what")
        systemctl("restart", AGENT, ok=False)
        wait_until(lambda: int(show(AGENT, "NRestarts")) > 12, "it is tried a dozen times")
        since = time.time()
        host.change_settings()
        host.wait_registered(since)
        equal(show(SOCKET, "ActiveState"), "active", "state of the socket")
        equal(host.task_pids(scope), pids, "pids of the container")
        check_ends(s, "steady")


def launch_custom(s):
    s.launch([s.task("hold", executor=custom_executor(s))], s.wait_offer(cpus=1, mem=256))
    s.wait_state("hold", "TASK_RUNNING")


def test_requests_of_executors_wait_at_the_socket_until_there_is_an_agent():
    with Host(agent_unit="RestartSec=2s\n") as host, Scheduler(host.master_addr) as s:
        launch_custom(s)
        since = time.time()
        systemctl("kill", "--signal=KILL", AGENT)
        wait_until(lambda: show(AGENT, "SubState") == "auto-restart", "there is no agent")
        # Ours waits as theirs do, well beyond the time for which nobody is there.
        equal(http_get(host.agent_addr, "/health", timeout=20).status, 200, "answer to a request made meanwhile")
        host.wait_registered(since)
        wait_until(lambda: host.read_sandbox("custom").count("SUBSCRIBED") == 2, "the executor subscribes again")
        # It tries five times a second, and tells of each time that it fails.
        said = [line for line in host.read_sandbox("custom").splitlines() if "disconnected" in line]
        check(len(said) <= 1 and "refused" not in "".join(said), "the executor was turned away: %s" % said)
        check_ends(s, "hold")


def test_agent_that_is_stopped_without_its_socket_is_started_by_the_next_request():
    with Host() as host, Scheduler(host.master_addr) as s:
        scope, pids = start_task(host, s)
        systemctl("stop", SOCKET, AGENT)
        equal(scopes(), [scope], "scopes")
        equal(show(AGENT, "ActiveState"), "inactive", "state with the socket closed")
        since = time.time()
        systemctl("start", SOCKET)
        host.wait_registered(since)
        equal(host.task_pids(scope), pids, "pids of the container")
        check_ends(s, "steady")


if __name__ == "__main__":
    main()
