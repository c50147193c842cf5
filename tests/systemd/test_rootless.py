#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An agent without any privilege, in the systemd of its user: its tasks, its restarts, what it may not."""

import os
import pwd
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, is_alive, skip, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from systemd import main, run    # noqa: E402
from user_host import AGENT, CONTAINERS, USER, UserHost, start, user_scopes, user_show, userctl    # noqa: E402


def uid_of(pid):
    return os.stat("/proc/%d" % pid).st_uid


def user_namespaces_work():
    return run("setpriv", "--reuid=" + USER, "--clear-groups", "unshare", "-U", "-m", "echo", "yes", ok=False) == "yes"


def test_tasks_are_scopes_of_the_users_manager_and_run_as_the_user():
    with UserHost().start() as host, Scheduler(host.master_addr) as s:
        scope, pids = start(host, s)
        check("/user@%d.service/holdfast.slice/" % pwd.getpwnam(USER).pw_uid in user_show(scope, "ControlGroup"),
              user_show(scope, "ControlGroup"))
        equal({uid_of(pid) for pid in [*pids, host.agent_pid()]}, {pwd.getpwnam(USER).pw_uid}, "user")
        check(pids, "no process in the payload's cgroup")
        status = s.run("seven", "id -un; exit 7")
        equal(status.get("message"), "Command exited with status 7", "message")
        equal(host.read_user_sandbox("seven").splitlines()[-1], USER, "who ran it")
        s.kill("steady")
        equal(s.wait_terminal("steady")["state"], "TASK_KILLED", "state")


def test_tasks_outlive_a_restart_and_a_crash_of_the_agent():
    with UserHost().start() as host, Scheduler(host.master_addr) as s:
        scope, pids = start(host, s)
        for how in (["restart", AGENT], ["kill", "--signal=KILL", AGENT]):
            since = time.time()
            userctl(*how)
            host.wait_registered(since)
            equal(host.task_pids(scope), pids, "pids of the container")
            check(all(is_alive(pid) for pid in pids), "a process died")
        s.kill("steady")
        equal(s.wait_terminal("steady")["state"], "TASK_KILLED", "state")
        equal(s.states("steady"), ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLING", "TASK_KILLED"], "states")


def test_daemons_of_a_task_end_with_it():
    with UserHost(MESOS_LAUNCHER="linux").start() as host, Scheduler(host.master_addr) as s:
        s.run("daemons", "(setsid sleep 1000 >/dev/null 2>&1 &); true")
        host.check_no_containers()
        equal(run("pgrep", "-u", USER, "sleep", ok=False), "", "processes left")


def test_what_a_user_may_isolate_is_isolated():
    if not user_namespaces_work():
        skip("this kernel gives user namespaces to root only")
    with UserHost(MESOS_LAUNCHER="linux", MESOS_ISOLATION="filesystem/linux,namespaces/ipc").start() as host, \
            Scheduler(host.master_addr) as s:
        status = s.run("look", "grep ^0: /proc/self/cgroup; cat /proc/self/uid_map; id -un; exit 7")
        equal(status.get("message"), "Command exited with status 7", "message")
        uid = str(pwd.getpwnam(USER).pw_uid)
        equal(host.read_user_sandbox("look").split()[-5:], ["0::/", uid, uid, "1", USER], "what it sees")


def test_one_scope_for_all_works_in_the_users_manager_too():
    with UserHost(MESOS_SYSTEMD_SCOPE="agent").start() as host, Scheduler(host.master_addr) as s:
        _, first = start(host, s, "a")
        _, both = start(host, s, "b")
        check(first and len(both) > len(first), "pids are %s, then %s" % (first, both))
        equal(user_scopes(), [CONTAINERS], "scopes")
        since = time.time()
        userctl("restart", AGENT)
        host.wait_registered(since)
        equal(host.task_pids(CONTAINERS), both, "pids in the scope")
        for name in ("a", "b"):
            s.kill(name)
            equal(s.wait_terminal(name)["state"], "TASK_KILLED", "state")


def test_limits_are_refused_without_the_controllers_for_them():
    with UserHost(MESOS_LAUNCHER="linux", MESOS_ISOLATION="cgroups/mem") as host:
        if "memory" in host.controllers():
            skip("the user's manager has the memory controller")
        userctl("start", "--no-block", AGENT)
        wait_until(lambda: "cgroup2 controller 'memory'" in run("journalctl", "--no-pager"), "the agent refuses")
        check(user_show(AGENT, "ActiveState") != "active", "it runs")


def test_root_is_not_to_be_had():
    with UserHost(MESOS_SWITCH_USER="true").start() as host, Scheduler(host.master_addr) as s:
        status = s.run("root", "id -u")
        equal(status["state"], "TASK_DROPPED", "state of a task that wants to be root")


main()
