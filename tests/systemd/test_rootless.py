#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An agent without any privilege, in the systemd of its user, who lingers: nobody is logged in."""

import contextlib
import os
import pwd
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import harness    # noqa: E402
from harness import check, equal, is_alive, skip, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from systemd import MASTER, MASTER_SETTINGS, Host, main, run, show, systemctl    # noqa: E402

USER, AGENT, SLICE, CONTAINERS = "tester", "holdfast-agent.service", "holdfast.slice", "holdfast-containers.scope"
LOGIND = "systemd-logind.service"


def as_user(*argv, ok=True):
    uid = str(pwd.getpwnam(USER).pw_uid)
    return run("setpriv", "--reuid=" + uid, "--regid=" + uid, "--init-groups", "env", "HOME=/home/" + USER,
               "XDG_RUNTIME_DIR=/run/user/" + uid, *argv, ok=ok)


def userctl(*argv, ok=True):
    return as_user("systemctl", "--user", "--no-pager", *argv, ok=ok)


def user_scopes():
    text = userctl("list-units", "--type=scope", "--no-legend", "--plain", "holdfast-*")
    return [line.split()[0] for line in text.splitlines()]


def user_show(unit, name):
    return userctl("show", "--property=" + name, "--value", unit)


class UserHost(Host):
    """A master of the system and an agent of the user's own."""

    def __init__(self, **settings):
        self.master_addr, self.agent_addr = (harness.HOST, 5050), (harness.HOST, 5051)
        self._drop_in = "/nonexistent"
        self.home = pwd.getpwnam(USER).pw_dir
        self._let_user_linger()
        self._write_settings(MASTER, MASTER_SETTINGS)
        run("systemd-sysusers")
        systemctl("start", MASTER)
        self._write_user_settings({"MESOS_MASTER": "127.0.0.1:5050", "MESOS_IP": "127.0.0.1",
                                   "MESOS_HOSTNAME_LOOKUP": "false", "MESOS_REGISTRATION_BACKOFF_FACTOR": "50ms",
                                   "MESOS_RESOURCES": "cpus:8;mem:8192;disk:8192", **settings})

    def start(self):
        userctl("daemon-reload")
        userctl("start", AGENT)
        self.wait_registered()
        return self

    @staticmethod
    def _let_user_linger():
        if not shutil.which("loginctl"):
            skip("there is no logind here")
        masked = "/etc/systemd/system/" + LOGIND
        if os.path.islink(masked):
            os.unlink(masked)
            systemctl("daemon-reload")
        run("loginctl", "enable-linger", USER)
        wait_until(lambda: show("user@%d.service" % pwd.getpwnam(USER).pw_uid, "ActiveState") == "active",
                   "the user's manager starts")
        wait_until(lambda: os.path.exists("/run/user/%d/bus" % pwd.getpwnam(USER).pw_uid), "the user's bus")

    def _write_user_settings(self, settings):
        user = pwd.getpwnam(USER)
        directory = os.path.join(self.home, ".config")
        os.makedirs(directory, exist_ok=True)
        os.chown(directory, user.pw_uid, user.pw_gid)
        with open(os.path.join(directory, "holdfast-agent"), "w") as f:
            f.writelines("%s=%s\n" % item for item in settings.items())

    @staticmethod
    def _show_journal():
        print(run("journalctl", "--no-pager", "--output=short-monotonic", "--lines=60", ok=False))

    def _remove(self):
        userctl("stop", AGENT, SLICE, ok=False)
        userctl("reset-failed", ok=False)
        systemctl("stop", MASTER, ok=False)
        for directory in (os.path.join(self.home, ".local", "share", "holdfast"), "/var/lib/holdfast"):
            shutil.rmtree(directory, ignore_errors=True)

    def agent_pid(self):
        return int(user_show(AGENT, "MainPID"))

    def task_pids(self, unit):
        top = "/sys/fs/cgroup" + user_show(unit, "ControlGroup")
        pids = []
        for path, _, _ in os.walk(top):
            if "/payload" in path:
                with contextlib.suppress(OSError), open(os.path.join(path, "cgroup.procs")) as f:
                    pids += [int(line) for line in f]
        return pids

    def read_user_sandbox(self, task_id, name="stdout"):
        for path, _, files in os.walk(os.path.join(self.home, ".local", "share", "holdfast", "agent", "slaves")):
            if "/%s/runs/" % task_id in path and name in files:
                with open(os.path.join(path, name)) as f:
                    return f.read()
        raise harness.Failure("task %s has no %s" % (task_id, name))

    def check_no_containers(self):
        wait_until(lambda: not [n for n in user_scopes() if n != CONTAINERS], "the last scope goes")


def start(host, s, task_id="steady", command="exec sleep 1000"):
    """Returns the scope and the pids in it."""
    before = set(user_scopes())
    s.launch([s.task(task_id, command)])
    s.wait_state(task_id, "TASK_RUNNING")
    scope = [n for n in user_scopes() if n not in before] or [CONTAINERS]
    return scope[0], host.task_pids(scope[0])


def uid_of(pid):
    return os.stat("/proc/%d" % pid).st_uid


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


def test_limits_are_those_of_controllers_that_the_user_was_given():
    uid = pwd.getpwnam(USER).pw_uid
    with UserHost(MESOS_LAUNCHER="linux", MESOS_ISOLATION="cgroups/mem") as host:
        with open("/sys/fs/cgroup/user.slice/user-%d.slice/user@%d.service/cgroup.controllers" % (uid, uid)) as f:
            given = f.read().split()
        if "memory" not in given:
            userctl("start", "--no-block", AGENT)
            wait_until(lambda: "cgroup2 controller 'memory'" in run("journalctl", "--no-pager"), "the agent refuses")
            check(int(user_show(AGENT, "NRestarts")) >= 0 and user_show(AGENT, "ActiveState") != "active", "it runs")
            print("limits were refused, not tried: the user's manager has the controllers %s" % (given or "of none"))
            return
        host.start()
        with Scheduler(host.master_addr) as s:
            scope, _ = start(host, s)
            with open("/sys/fs/cgroup%s/payload/memory.max" % user_show(scope, "ControlGroup")) as f:
                equal(int(f.read()), 64 << 20, "memory.max: what the task and its executor asked for")
            s.kill("steady")
            s.wait_terminal("steady")


def test_root_is_not_to_be_had():
    with UserHost(MESOS_SWITCH_USER="true").start() as host, Scheduler(host.master_addr) as s:
        status = s.run("root", "id -u")
        equal(status["state"], "TASK_DROPPED", "state of a task that wants to be root")


main()
