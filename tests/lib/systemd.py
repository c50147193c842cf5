# SPDX-License-Identifier: Apache-2.0
"""Tests under a real systemd: tests/systemd/boot starts it, our units run in it, installed as people have them.

A test program ends with `main()` of this module. Called by make check it installs the build tree below a
temporary directory, boots systemd with that over its root file system, and runs itself again inside,
where main() runs the test_* functions. It is skipped where boot cannot work.

    with Host() as host, Scheduler(host.master_addr) as s:
        systemctl("restart", AGENT)

One whose tests boot more than once ends with `main_outside()`; see Machine.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import harness
from harness import BUILD_DIR, SOURCE_DIR, check, equal, http_get, wait_until
from scheduler import scalar

BOOT = os.path.join(SOURCE_DIR, "tests", "systemd", "boot")
EXECUTOR = os.path.join(SOURCE_DIR, "tests", "lib", "executor.py")
TIMEOUT_S = 400
MASTER, AGENT, SOCKET = "holdfast-master.service", "holdfast-agent.service", "holdfast-agent.socket"
MASTER_SETTINGS = {"MESOS_IP": "127.0.0.1", "MESOS_HOSTNAME_LOOKUP": "false"}
AGENT_SETTINGS = {"MESOS_MASTER": "127.0.0.1:5050", "MESOS_IP": "127.0.0.1", "MESOS_HOSTNAME_LOOKUP": "false",
                  "MESOS_RESOURCES": "cpus:64;mem:65536;disk:65536;ports:[31000-32000]",
                  "MESOS_REGISTRATION_BACKOFF_FACTOR": "50ms"}


def run(*argv, ok=True, timeout=60):
    """Output of a command; one that fails fails the test unless ok is False."""
    result = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, timeout=timeout * harness.TIMEOUT_SCALE, check=False)
    check(result.returncode == 0 or not ok, "%s: status %d: %s" % (" ".join(argv), result.returncode, result.stdout))
    return result.stdout.strip()


def systemctl(*argv, ok=True):
    return run("systemctl", "--no-pager", *argv, ok=ok)


def show(unit, name):
    """One property of a unit."""
    return systemctl("show", "--property=" + name, "--value", unit)


def show_all(pattern, *names):
    """[{property: value}] of the loaded units whose names match."""
    text = systemctl("show", "--all", "--property=" + ",".join(names), pattern)
    return [dict(line.split("=", 1) for line in block.splitlines()) for block in text.split("\n\n") if block]


def scopes():
    """The names of the scopes in which containers live now."""
    return [unit["Id"] for unit in show_all("*.scope", "Id", "Slice") if unit["Slice"] == "holdfast.slice"]


def container_cgroups():
    top = "/sys/fs/cgroup/holdfast.slice"
    return [os.path.join(path, d) for path, directories, _ in os.walk(top) for d in directories]


class Host:
    """Master and agent as services of this systemd; stopped, with all traces removed, at the end."""

    def __init__(self, agent_unit="", **agent_settings):
        self.master_addr = (harness.HOST, 5050)
        self.agent_addr = (harness.HOST, 5051)
        self._write_settings(MASTER, MASTER_SETTINGS)
        self._settings = {**AGENT_SETTINGS, **agent_settings}
        self._write_settings(AGENT, self._settings)
        self._drop_in = "/run/systemd/system/%s.d/test.conf" % AGENT
        if agent_unit:
            os.makedirs(os.path.dirname(self._drop_in), exist_ok=True)
            with open(self._drop_in, "w") as f:
                f.write("[Service]\n" + agent_unit)
            systemctl("daemon-reload")
        run("systemd-sysusers")
        try:
            systemctl("start", MASTER, SOCKET, AGENT)
            self.wait_registered()
        except BaseException:
            self._show_journal()
            self._remove()
            raise

    @staticmethod
    def _write_settings(unit, settings):
        path = show(unit, "EnvironmentFiles").split(" (")[0]
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.writelines("%s=%s\n" % item for item in settings.items())

    def change_settings(self, **settings):
        """The agent's next start is with these on top of its own; without any it is with its own again."""
        self._write_settings(AGENT, {**self._settings, **settings})

    def __enter__(self):
        return self

    def __exit__(self, kind, _value, _traceback):
        if kind is not None:
            self._show_journal()
        try:
            if kind is None:
                self.check_no_containers()
        finally:
            self._remove()

    @staticmethod
    def _show_journal():
        print(run("journalctl", "--no-pager", "--output=short-monotonic", "--lines=80", ok=False))

    def _remove(self):
        systemctl("stop", AGENT, SOCKET, MASTER, "holdfast.slice", ok=False)
        systemctl("reset-failed", ok=False)
        for directory in ("/var/lib/holdfast", "/run/holdfast"):
            shutil.rmtree(directory, ignore_errors=True)
        if os.path.exists(self._drop_in):
            os.unlink(self._drop_in)
            systemctl("daemon-reload")
        run("journalctl", "--rotate", "--vacuum-time=1s", ok=False)

    def agents(self):
        try:
            return http_get(self.master_addr, "/slaves").json()["slaves"]
        except (OSError, ValueError):
            return []

    def wait_registered(self, since=0):
        wait_until(lambda: any(a.get("active") and a.get("reregistered_time", a.get("registered_time", 0)) >= since
                               for a in self.agents()), "the agent registers")

    def agent_pid(self):
        return int(show(AGENT, "MainPID"))

    def task_pids(self, unit):
        """The processes of a container's payload."""
        top = "/sys/fs/cgroup" + show(unit, "ControlGroup") + "/payload"
        pids = []
        for path, _, _ in os.walk(top):
            with contextlib.suppress(OSError), open(os.path.join(path, "cgroup.procs")) as f:
                pids += [int(line) for line in f]
        return pids

    def sandbox(self, task_id):
        for path, directories, _ in os.walk("/var/lib/holdfast/agent/slaves"):
            if os.path.basename(path) == "runs" and os.path.basename(os.path.dirname(path)) == task_id:
                return os.path.join(path, next(d for d in directories if not os.path.islink(os.path.join(path, d))))
        raise harness.Failure("task %s has no sandbox" % task_id)

    def read_sandbox(self, task_id, name="stdout"):
        with open(os.path.join(self.sandbox(task_id), name), errors="replace") as f:
            return f.read()

    def check_no_containers(self):
        wait_until(lambda: not scopes(), "the last scope goes; there are %s" % scopes())
        wait_until(lambda: not container_cgroups(), "the last cgroup goes")


def start_task(host, s, task_id="steady", command="exec sleep 1000", **fields):
    """Launches a task; returns its scope and the pids in it."""
    before = set(scopes())
    s.launch([s.task(task_id, command, **fields)])
    s.wait_state(task_id, "TASK_RUNNING")
    scope = wait_until(lambda: [n for n in scopes() if n not in before], "the scope of %s" % task_id)[0]
    return scope, host.task_pids(scope)


def custom_executor(s, executor_id="custom"):
    """What a task says to be run by tests/lib/executor.py."""
    return {"executor_id": {"value": executor_id}, "framework_id": {"value": s.framework_id},
            "command": {"value": "exec %s -B %s" % (sys.executable, EXECUTOR)},
            "resources": [scalar("cpus", 0.1), scalar("mem", 32)]}


def make_gate():
    """A task that reads a line from it waits, without any process of its own, for open_gate()."""
    path = os.path.join(tempfile.mkdtemp(), "gate")
    os.mkfifo(path)
    return path


def open_gate(path):
    with open(path, "w") as f:
        f.write("go\n")


def install(directory):
    """What `make install` installs, below a directory."""
    for name in ("holdfast-agent", "holdfast-master"):
        harness.program(name)
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR")}
    subprocess.run(["make", "-s", "-C", BUILD_DIR, "install", "DESTDIR=" + directory], env=env, check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def boot(argv, timeout_s=TIMEOUT_S, program=BOOT):
    """Runs a command under systemd with the build tree installed; returns its exit status."""
    try:
        with Machine(program=program) as machine:
            return machine.boot(*argv, timeout_s=timeout_s)
    except harness.Skip as e:
        print("skipped: %s" % e)
        return 77


class Machine:
    """Our programs, installed where a systemd can be booted. With a disk, what is written survives that.

    A test of several boots runs outside: run() boots the machine and calls a function of the test
    program inside. The function may power the machine off, see power_off().
    """

    def __init__(self, disk=False, program=BOOT):
        self._program = program
        self._tree = tempfile.mkdtemp(prefix="holdfast-test-")
        self._disk = tempfile.mkdtemp(prefix="holdfast-test-", dir="/dev/shm") if disk else None
        try:
            install(self._tree)
        except BaseException:
            self._remove()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._remove()

    def _remove(self):
        for directory in (self._tree, self._disk):
            if directory:
                shutil.rmtree(directory, ignore_errors=True)

    def boot(self, *argv, timeout_s=TIMEOUT_S):
        disk = ["-k", self._disk] if self._disk else []
        return subprocess.call([self._program, "-t", str(int(timeout_s * harness.TIMEOUT_SCALE)), "-l", self._tree,
                                "-b", SOURCE_DIR, "-b", BUILD_DIR, *disk, *argv], cwd=SOURCE_DIR)

    def run(self, function):
        status = self.boot("python3", "-B", os.path.abspath(sys.argv[0]), function.__name__)
        if status == 77:
            harness.skip("no systemd can be booted here")
        equal(status, 0, "exit status of %s()" % function.__name__)


def power_off(meanwhile=lambda: None):
    """Everything is stopped in good order, in the end this program too."""
    systemctl("start", "--job-mode=replace-irreversibly", "--no-block", "poweroff.target")
    meanwhile()
    while True:
        signal.pause()


def main(program=BOOT):
    """For programs whose tests run under one systemd, all of them."""
    if os.environ.get("HOLDFAST_IN_SYSTEMD"):
        harness.main()
    sys.exit(boot(["python3", "-B", os.path.abspath(sys.argv[0]), *sys.argv[1:]], program=program))


def main_outside():
    """For programs whose tests boot Machines."""
    if not os.environ.get("HOLDFAST_IN_SYSTEMD"):
        harness.main()
    getattr(sys.modules["__main__"], sys.argv[1])()
