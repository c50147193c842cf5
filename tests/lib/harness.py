# SPDX-License-Identifier: Apache-2.0
"""What the process, cluster and systemd rungs have in common.

A test program is a file of functions `test_...`, each a sentence, that ends with

    if __name__ == "__main__":
        main()

`main()` runs them one after the other, prints what became of each and exits with 0, 1, or 77 when
everything was skipped. A test fails by an exception, usually from check() or equal(), and is skipped
by skip(). Nothing sleeps for time: wait_until() polls a condition and has a deadline.

    with Cluster(n_agents=2) as cluster:
        cluster.agent(0).kill9()
        cluster.agent(0).start()

A Cluster lives on loopback in a fresh directory. When its `with` block ends everything is stopped and
nothing may be left: no process, no cgroup. When the block is left by an exception the end of each
daemon's log is printed. The test program is the reaper of whatever its daemons leave to themselves, so
every process of a test is found among its descendants.

Environment: top_builddir and top_srcdir (make check sets them), HOLDFAST_BINDIR (directory with
installed programs instead of a build tree), HOLDFAST_TEST_KEEP=1 (keep the directories),
HOLDFAST_TEST_TIMEOUT_SCALE=N (slow machines, valgrind).
"""

import contextlib
import ctypes
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

HOST = "127.0.0.1"
PR_SET_CHILD_SUBREAPER = 36
TIMEOUT_SCALE = float(os.environ.get("HOLDFAST_TEST_TIMEOUT_SCALE", "1"))
READY_TIMEOUT_S = 20
STOP_TIMEOUT_S = 10

SOURCE_DIR = os.path.abspath(os.environ.get(
    "top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")))
BUILD_DIR = os.path.abspath(os.environ.get("top_builddir", os.path.join(SOURCE_DIR, "build")))
# All programs are in one directory, where the agent finds its helpers beside itself.
BIN_DIR = os.environ.get("HOLDFAST_BINDIR", BUILD_DIR)


class Skip(Exception):
    """This test cannot run here, and says why."""


class Failure(AssertionError):
    """What the test claims does not hold."""


def skip(reason):
    raise Skip(reason)


def check(condition, message):
    if not condition:
        raise Failure(message)


def equal(actual, expected, what="value"):
    if actual != expected:
        raise Failure("%s is %r, expected %r" % (what, actual, expected))


def wait_until(predicate, what, timeout=READY_TIMEOUT_S, interval=0.01):
    """The first true value of predicate(); a Failure that names `what` when time is up."""
    deadline = time.monotonic() + timeout * TIMEOUT_SCALE
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure("%s: not within %g s" % (what, timeout * TIMEOUT_SCALE))
        time.sleep(interval)


def program(name):
    """The path of one of our programs; the test is skipped where it has not been built."""
    path = os.path.join(BIN_DIR, name)
    if not os.access(path, os.X_OK):
        skip("%s is not built" % name)
    return path


def free_port():
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


# HTTP

class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "%d %s" % (self.status, self.text[:200])


def http_call(addr, method, path, body=None, headers=None, timeout=10):
    """One request on a connection of its own. A dict as body goes out as JSON."""
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
        headers.setdefault("Accept", "application/json")
    connection = http.client.HTTPConnection(*addr, timeout=timeout * TIMEOUT_SCALE)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def http_get(addr, path, timeout=10):
    return http_call(addr, "GET", path, timeout=timeout)


def is_healthy(addr):
    try:
        return http_get(addr, "/health", 2).status == 200
    except (OSError, http.client.HTTPException):
        return False


# Processes

def become_reaper():
    """Orphans of our daemons come to us rather than to pid 1."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _stat(pid):
    """(name, state, parent) of a process; None when it is gone."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            text = f.read()
    except OSError:
        return None
    name = text[text.index("(") + 1:text.rindex(")")]
    state, parent = text[text.rindex(")") + 2:].split()[:2]
    return name, state, int(parent)


def descendants(root_pid=None):
    """{pid: name} of the living processes below root_pid (default: below us)."""
    processes = {int(name): _stat(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    processes = {pid: stat for pid, stat in processes.items() if stat}
    found = {root_pid or os.getpid()}
    grown = True
    while grown:
        new = {pid for pid, stat in processes.items() if stat[2] in found} - found
        found |= new
        grown = bool(new)
    found.discard(root_pid or os.getpid())
    return {pid: processes[pid][0] for pid in sorted(found) if processes[pid][1] not in "ZX"}


def children_named(name, root_pid=None):
    # The kernel cuts names at 15 characters.
    return [pid for pid, found in descendants(root_pid).items() if found == name[:15]]


def is_alive(pid):
    stat = _stat(pid)
    return stat is not None and stat[1] not in "ZX"


def n_open_fds(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def cmdline(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return f.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def reap_orphans(keep=()):
    """Collects the zombies that became ours; those of `keep` belong to somebody who waits."""
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in keep:
            continue
        stat = _stat(int(name))
        if stat and stat[1] == "Z" and stat[2] == os.getpid():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(int(name), os.WNOHANG)


def kill_descendants():
    """The last resort, for tests that have failed already."""
    for _ in range(100):
        pids = descendants()
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap_orphans()
        time.sleep(0.02)


# Daemons

class Daemon:
    """One process of ours; start() after stop() or kill9() uses the same command line again."""

    def __init__(self, name, argv, addr, directory, env=None):
        self.name = name
        self.argv = argv
        self.addr = addr
        self.log_path = os.path.join(directory, name + ".log")
        self.process = None
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("MESOS_", "LIBPROCESS_"))}
        self._env = {**clean, **(env or {})}

    def start(self, wait_ready=True, env=None):
        """`env` is added to the environment for this life only."""
        self.started_at = time.time()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env={**self._env, **(env or {})},
                                            start_new_session=True)
        if wait_ready:
            self.wait_ready()
        return self

    def wait_ready(self):
        wait_until(lambda: not self.is_running() or is_healthy(self.addr), self.name + " answers")
        check(self.is_running(), "%s ended at start:\n%s" % (self.name, self.log_tail()))

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        self.process.send_signal(number)

    def kill9(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM, and the exit status; a daemon that needs SIGKILL has failed."""
        if not self.is_running():
            return self.process.returncode if self.process else None
        self.process.terminate()
        try:
            return self.process.wait(STOP_TIMEOUT_S * TIMEOUT_SCALE)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise Failure("%s did not stop within %g s of SIGTERM"
                          % (self.name, STOP_TIMEOUT_S * TIMEOUT_SCALE)) from None

    def restart(self):
        self.stop()
        return self.start()

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def log_tail(self, n_lines=30):
        return "\n".join(self.log().splitlines()[-n_lines:])


class Cluster:
    """Masters and agents on loopback; see the module's text."""

    RESOURCES = "cpus:8;mem:8192;disk:16384;ports:[31000-32000]"

    def __init__(self, n_agents=1, launcher="posix", master_flags=(), agent_flags=(), resources=RESOURCES,
                 start=True, host=HOST, clock=None):
        """`clock` is a Clock of clock.py, for all of its daemons."""
        self.directory = tempfile.mkdtemp(prefix="holdfast-test-")
        os.chmod(self.directory, 0o755)    # tasks of other users live below it
        self.launcher = launcher
        self.resources = resources
        self.host = host
        self.env = clock.env if clock else {}
        self.cgroup = None
        self.masters = []
        self.agents = []
        self._closed = False
        if launcher == "linux":
            self._make_cgroup()
        try:
            self.add_master(*master_flags)
            for _ in range(n_agents):
                self.add_agent(*agent_flags)
            if start:
                self.start()
        except BaseException:
            self._give_up()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, _value, _traceback):
        if kind is None:
            self.close()
        else:
            self._give_up()

    # Making

    def _make_cgroup(self):
        hierarchy = cgroup2_mount()
        name = "holdfast-test-%d" % os.getpid()
        self.cgroup = os.path.join(hierarchy, name)
        try:
            os.mkdir(self.cgroup)
        except OSError as e:
            shutil.rmtree(self.directory)
            skip("no cgroup of our own below %s: %s" % (hierarchy, e.strerror))

    def add_master(self, *flags):
        name = "master" if not self.masters else "master%d" % (len(self.masters) + 1)
        port = free_port()
        argv = [program("holdfast-master"), "--ip=" + self.host, "--port=%d" % port, "--no-hostname_lookup",
                "--work_dir=" + os.path.join(self.directory, name), *flags]
        self.masters.append(Daemon(name, argv, (self.host, port), self.directory, self.env))
        return self.masters[-1]

    def add_agent(self, *flags):
        name = "agent" if not self.agents else "agent%d" % (len(self.agents) + 1)
        port = free_port()
        argv = [program("holdfast-agent"), "--ip=" + self.host, "--port=%d" % port, "--no-hostname_lookup",
                "--master=%s:%d" % self.master_addr,
                "--work_dir=" + os.path.join(self.directory, name),
                "--runtime_dir=" + os.path.join(self.directory, name + "-run"),
                "--launcher_dir=" + BIN_DIR, "--launcher=" + self.launcher,
                "--no-systemd_enable_support", "--registration_backoff_factor=50ms",
                "--resources=" + self.resources]
        if self.cgroup:
            argv += ["--cgroups_hierarchy=" + os.path.dirname(self.cgroup),
                     "--cgroups_root=" + os.path.basename(self.cgroup)]
        self.agents.append(Daemon(name, [*argv, *flags], (self.host, port), self.directory, self.env))
        return self.agents[-1]

    def start(self):
        for daemon in self.masters + self.agents:
            daemon.start()
        self.wait_agents()
        return self

    # Asking

    @property
    def master_addr(self):
        return self.masters[0].addr

    def master(self, n=0):
        return self.masters[n]

    def agent(self, n=0):
        return self.agents[n]

    def active_agents(self):
        try:
            agents = http_get(self.master_addr, "/slaves").json()["slaves"]
        except (OSError, http.client.HTTPException, ValueError):
            return []
        return [a for a in agents if a.get("active")]

    def wait_agents(self, count=None):
        count = len(self.agents) if count is None else count
        wait_until(lambda: len(self.active_agents()) == count, "%d agents registered" % count)

    def wait_reregistered(self, agent):
        """The agent has registered again since its last start()."""
        def registered_again():
            return any(a.get("port") == agent.addr[1] and a.get("reregistered_time", 0) >= agent.started_at
                       for a in self.active_agents())
        wait_until(registered_again, "%s registers again" % agent.name)

    def work_path(self, *parts):
        return os.path.join(self.directory, *parts)

    def sandboxes(self, task_id, agent="agent"):
        """The sandbox directories of a command task, oldest run first."""
        found = []
        for path, directories, _ in os.walk(os.path.join(self.directory, agent, "slaves")):
            if os.path.basename(path) == "runs" and os.path.basename(os.path.dirname(path)) == task_id:
                runs = [os.path.join(path, d) for d in directories if d != "latest"]
                found += sorted((r for r in runs if not os.path.islink(r)), key=os.path.getmtime)
                directories.clear()
        return found

    def read_sandbox(self, task_id, name="stdout", agent="agent"):
        directories = self.sandboxes(task_id, agent)
        check(directories, "task %s has no sandbox" % task_id)
        with open(os.path.join(directories[-1], name), errors="replace") as f:
            return f.read()

    # Ending

    def close(self):
        """Stops all; fails when something is left behind."""
        if self._closed:
            return
        try:
            # What was just killed is brought to its end by an agent that is there.
            if all(d.is_running() for d in self.agents):
                self.check_no_containers()
            for daemon in self.agents + self.masters:
                status = daemon.stop()
                check(status in (None, 0, -signal.SIGKILL),
                      "%s ended with status %s" % (daemon.name, status))
            self.check_no_containers()
        except BaseException:
            self._give_up()
            raise
        self._remove()

    def check_no_containers(self, timeout=20):
        """No launcher, executor or task process, and no container's cgroup, remains."""
        def leftovers():
            ours = {d.process.pid for d in self.agents + self.masters if d.is_running()}
            reap_orphans(ours)
            return {pid: cmdline(pid) for pid in descendants() if pid not in ours}

        try:
            wait_until(lambda: not leftovers(), "the last container's processes end", timeout)
        except Failure:
            raise Failure("left behind: %s" % leftovers()) from None
        if self.cgroup:
            wait_until(lambda: not self.container_cgroups(), "the last container's cgroup goes", timeout)

    def container_cgroups(self):
        return [os.path.join(path, d) for path, directories, _ in os.walk(self.cgroup) for d in directories]

    def _give_up(self):
        for daemon in self.masters + self.agents:
            print("--- end of %s's log (%s)" % (daemon.name, daemon.log_path))
            print(daemon.log_tail())
        sys.stdout.flush()
        kill_descendants()
        for daemon in self.masters + self.agents:
            if daemon.process:
                daemon.process.poll()
        self._remove()

    def _remove(self):
        self._closed = True
        if self.cgroup:
            for path, _, _ in os.walk(self.cgroup, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
        if not os.environ.get("HOLDFAST_TEST_KEEP"):
            shutil.rmtree(self.directory, ignore_errors=True)


def cgroup2_mount():
    with open("/proc/self/mounts") as f:
        for line in f:
            _, where, kind = line.split()[:3]
            if kind == "cgroup2":
                return where
    return skip("no cgroup2 is mounted here")


@contextlib.contextmanager
def temporary_directory():
    directory = tempfile.mkdtemp(prefix="holdfast-test-")
    try:
        yield directory
    finally:
        if not os.environ.get("HOLDFAST_TEST_KEEP"):
            shutil.rmtree(directory, ignore_errors=True)


# Running

def run_test(name, function):
    """"ok", "FAILED" or "skipped" after printing what happened."""
    start = time.monotonic()
    try:
        function()
        result = "ok"
    except Skip as e:
        result = "skipped"
        print("%s: skipped: %s" % (name, e))
    except Exception:    # whatever it is, the other tests still run
        traceback.print_exc()
        result = "FAILED"
    if result != "skipped":
        print("%s: %s (%.2f s)" % (name, result, time.monotonic() - start))
    sys.stdout.flush()
    kill_descendants()
    return result


def main():
    """Runs the test_* functions of the program, or those that argv names."""
    become_reaper()
    module = sys.modules["__main__"]
    wanted = sys.argv[1:]
    tests = [(name, value) for name, value in vars(module).items()
             if name.startswith("test_") and callable(value) and (not wanted or name in wanted)]
    sys.stdout.reconfigure(line_buffering=True)
    sys.stderr = sys.stdout
    results = [run_test(name, function) for name, function in tests]
    failed, skipped = results.count("FAILED"), results.count("skipped")
    print("%d passed, %d failed, %d skipped" % (results.count("ok"), failed, skipped))
    if failed or not results:
        sys.exit(1)
    sys.exit(77 if skipped == len(results) else 0)
