# SPDX-License-Identifier: Apache-2.0
"""An agent without any privilege, in the systemd of its user, who lingers: nobody is logged in.

    with UserHost().start() as host, Scheduler(host.master_addr) as s:
        scope, pids = start(host, s)
"""

import contextlib
import os
import pwd
import shutil

import harness
from harness import skip, wait_until
from systemd import MASTER, MASTER_SETTINGS, Host, run, show, systemctl

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

    @staticmethod
    def controllers():
        """Those that the user's manager was given."""
        uid = pwd.getpwnam(USER).pw_uid
        with open("/sys/fs/cgroup/user.slice/user-%d.slice/user@%d.service/cgroup.controllers" % (uid, uid)) as f:
            return f.read().split()

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
