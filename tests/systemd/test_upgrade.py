#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fifty tasks of three kinds live through whatever is done to the agent's service, upgrades included.

    plain-NN    a command that waits and exits with its number
    family-NN   the same with children: in the background, orphaned, in a session of their own
    hold-NN     a task of a custom executor, three of them to each executor

An upgrade is what dpkg makes of it: each program is replaced by a new file of the same name while the
old one runs on without a name, and the service is restarted. The new files are ours with another
version written into them.
"""

import contextlib
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, http_get, is_alive, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from systemd import AGENT, SOCKET, Host, custom_executor, main, open_gate, run, show_all, systemctl    # noqa: E402

N_TO_AN_EXECUTOR = 3
PLAIN = ["plain-%02d" % n for n in range(1, 21)]
FAMILY = ["family-%02d" % n for n in range(21, 36)]
HOLD = ["hold-%02d" % n for n in range(36, 51)]

PLAIN_COMMAND = "read line <%s; exit %d"
FAMILY_COMMAND = """
sleep 1000 &
(sleep 1001 &)
setsid sh -c 'sleep 1002 & wait' &
read line <%s
exit %d
"""
# Launcher, executor and shell; in a family the three that sleep, and the shell of the other session.
N_PLAIN_PIDS, N_FAMILY_PIDS = 3, 7


def exit_code(name):
    return int(name.split("-")[1])


def processes():
    """{description of a scope: the pids in it, launcher included}"""
    found = {}
    for unit in show_all("holdfast-*.scope", "Description", "ControlGroup"):
        pids = found[unit["Description"]] = []
        for path, _, _ in os.walk("/sys/fs/cgroup" + unit["ControlGroup"]):
            with contextlib.suppress(OSError), open(os.path.join(path, "cgroup.procs")) as f:
                pids += [int(line) for line in f]
        pids.sort()
    return found


class Crowd:
    """The fifty, and the processes they have."""

    def __init__(self, s):
        self.s = s
        self.gates = tempfile.mkdtemp()
        self.left = []
        self._launch()
        wait_until(self._is_complete, "the families are complete")
        self.pids = processes()

    def _gate(self, name):
        return os.path.join(self.gates, name)

    def _command_task(self, name, command):
        os.mkfifo(self._gate(name))
        return self.s.task(name, command % (self._gate(name), exit_code(name)))

    def _launch(self):
        tasks = [self._command_task(name, PLAIN_COMMAND) for name in PLAIN]
        tasks += [self._command_task(name, FAMILY_COMMAND) for name in FAMILY]
        tasks += [self.s.task(name, executor=custom_executor(self.s, "custom-%d" % (n // N_TO_AN_EXECUTOR)))
                  for n, name in enumerate(HOLD)]
        self.s.launch(tasks, self.s.wait_offer(cpus=6, mem=6000))
        for name in PLAIN + FAMILY + HOLD:
            self.s.wait_state(name, "TASK_RUNNING", timeout=60)

    @staticmethod
    def _is_complete():
        sizes = {scope: len(pids) for scope, pids in processes().items()}
        return len(sizes) == len(PLAIN) + len(FAMILY) + len(HOLD) // N_TO_AN_EXECUTOR and all(
            n == (N_FAMILY_PIDS if " task family" in scope else N_PLAIN_PIDS)
            for scope, n in sizes.items() if " task " in scope)

    def check_lives(self, what):
        """Who was there before is there still, nobody else is, and no framework has heard a word of it."""
        equal(processes(), self.pids, "processes after " + what)
        check(all(is_alive(pid) for pids in self.pids.values() for pid in pids), "a process died of " + what)
        for name in PLAIN + FAMILY + HOLD:
            if name not in self.left:
                equal(self.s.states(name), beginning(name), "states of %s after %s" % (name, what))

    def leave(self, name):
        """The task comes to its end, with no agent to hear of it."""
        scope = next(scope for scope in self.pids if " task %s " % name in scope)
        open_gate(self._gate(name))
        wait_until(lambda: len(processes().get(scope, [])) < len(self.pids[scope]), name + " ends")
        self.left.append(name)
        self.pids.pop(scope)

    def check_end(self, name):
        status = self.s.wait_terminal(name, timeout=40)
        expected = ("TASK_KILLED", "as asked") if name in HOLD else \
            ("TASK_FAILED", "Command exited with status %d" % exit_code(name))
        equal((status["state"], status.get("message")), expected, "end of " + name)
        equal(self.s.states(name), [*beginning(name), status["state"]], "states of " + name)

    def end(self):
        """The rest ends too, and all that was ever told is true."""
        for name in PLAIN + FAMILY:
            if name not in self.left:
                open_gate(self._gate(name))
        for name in HOLD:
            self.s.kill(name)
        for name in PLAIN + FAMILY + HOLD:
            self.check_end(name)


def beginning(name):
    return ["TASK_RUNNING"] if name in HOLD else ["TASK_STARTING", "TASK_RUNNING"]


class Package:
    """The installed programs."""

    def __init__(self, host):
        self.host = host
        agent = os.readlink("/proc/%d/exe" % host.agent_pid())
        libexec = os.path.join(os.path.dirname(os.path.dirname(agent)), "libexec", "holdfast")
        self.paths = [agent, *(os.path.join(libexec, name) for name in os.listdir(libexec))]
        self.version = self.running_version()

    def running_version(self):
        return http_get(self.host.agent_addr, "/version").json()["holdfast_version"]

    def upgrade(self):
        """Unpacks the next version."""
        # The first digit: linkers share the ends of strings.
        old, new = self.version, str((int(self.version[0]) + 1) % 10) + self.version[1:]
        for path in self.paths:
            with open(path, "rb") as f:
                program = f.read()
            with open(path + ".dpkg-new", "wb") as f:
                f.write(program.replace(b"%s\0" % old.encode(), b"%s\0" % new.encode()) + b"\n")
                os.fchmod(f.fileno(), 0o755)
                os.fsync(f.fileno())
            os.rename(path + ".dpkg-new", path)
        self.version = new

    def check_runs(self):
        equal(self.running_version(), self.version, "version that answers")
        launcher = next(path for path in self.paths if path.endswith("/holdfast-launcher"))
        check(self.version in run(launcher, "--version"), "the launcher is not of version " + self.version)


def launchers():
    """{pid: program} of all launchers."""
    found = {}
    for pid in (pid for pids in processes().values() for pid in pids):
        with contextlib.suppress(OSError):
            program = os.readlink("/proc/%d/exe" % pid)
            if "/holdfast-launcher" in program:
                found[pid] = program
    return found


def register_again(host, *command):
    since = time.time()
    systemctl(*command)
    host.wait_registered(since)


def test_stream_of_updates_across_ten_restarts_has_no_gap_and_no_duplicate():
    n_updates = 400
    with Host() as host, Scheduler(host.master_addr) as s:
        task_id = "count-%d" % n_updates
        s.launch([s.task(task_id, executor=custom_executor(s))], s.wait_offer(cpus=1, mem=256))
        for restart in range(10):
            seen = len(s.statuses)
            s.wait_until(lambda n=seen: len(s.statuses) > n, "the stream goes on")
            equal(s.states(task_id)[-1], "TASK_RUNNING", "state before restart %d" % restart)
            systemctl("restart", AGENT)
        s.wait_terminal(task_id, timeout=40)
        numbers = [int(x["message"]) for x in s.statuses if x.get("message")]
        equal(numbers, list(range(1, n_updates + 1)), "numbers in the order they came")


def test_fifty_tasks_live_through_restart_kill_and_upgrade():
    with Host() as host, Scheduler(host.master_addr) as s:
        package, crowd = Package(host), Crowd(s)

        register_again(host, "restart", AGENT)
        crowd.check_lives("a restart")
        register_again(host, "kill", "--signal=KILL", AGENT)
        crowd.check_lives("SIGKILL")

        package.upgrade()
        register_again(host, "restart", AGENT)
        package.check_runs()
        crowd.check_lives("an upgrade")
        check(all(program.endswith(" (deleted)") for program in launchers().values()),
              "launchers that are not of the old version: %s" % launchers())

        # The same with a stop, as some packages have it, during which some of the tasks end.
        systemctl("stop", SOCKET, AGENT)
        for name in (PLAIN[0], PLAIN[-1], FAMILY[0], FAMILY[-1]):
            crowd.leave(name)
        package.upgrade()
        register_again(host, "start", AGENT)
        package.check_runs()
        for name in crowd.left:
            crowd.check_end(name)
        wait_until(lambda: len(processes()) == len(crowd.pids), "the scopes of those that ended go")
        crowd.check_lives("an upgrade while the agent was away")

        equal(s.run("after", "exit 9").get("message"), "Command exited with status 9", "end of a task of the new version")
        crowd.end()


if __name__ == "__main__":
    main()
