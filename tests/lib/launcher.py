# SPDX-License-Identifier: Apache-2.0
"""The agent's half of the launcher's wire, spoken by hand.

    with Directory() as d:
        l = d.launch(["/bin/sh", "-c", "exit 7"])
        l.hello(); l.go(); l.started()
        equal(l.ended()["exit"]["wait_status"], 7 << 8)

Written from proto/launcher.proto and not from our C code, so that both are held against one schema.
"""

import fcntl
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile

from harness import TIMEOUT_SCALE, Failure, check, is_alive, program, wait_until

PLAN_FD = 3
CONTROL_FD = 4
SEALS = 0x1 | 0x2 | 0x4 | 0x8
TIMEOUT_S = 15

NEVER_STARTED, FAILED, EXITED = 1, 2, 3
WAITING, FETCHING, RUNNING, ENDING, ENDED = 1, 2, 3, 4, 5
MOUNT, UTS, IPC, PID, NETWORK, USER, CGROUP = 1, 2, 3, 4, 5, 6, 7


# Protobuf's wire format

def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    if value is None:
        return b""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value if isinstance(value, bytes) else value.encode()
    return varint(number << 3 | 2) + varint(len(data)) + data


def fields(data):
    """[(number, value)] of a message of varints and byte strings."""
    found, at = [], 0

    def read_varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = read_varint()
        value = read_varint()
        if key & 7 == 2:
            found.append((key >> 3, data[at:at + value]))
            at += value
        else:
            check(key & 7 == 0, "wire type %d" % (key & 7))
            found.append((key >> 3, value))
    return found


def decode(data, names):
    """A dict; names: {number: name or (name, names of the message)}."""
    out = {}
    for number, value in fields(data):
        name = names.get(number, number)
        if isinstance(name, tuple):
            out[name[0]] = decode(value, name[1])
        else:
            out[name] = value.decode() if isinstance(value, bytes) else value
    return out


RECORD = {1: "version", 2: "kind", 3: "container_id", 4: "boot_id", 5: "wait_status", 6: "step", 7: "error",
          8: "message", 9: "oom_killed", 10: "started_usec", 11: "ended_usec", 12: "limitation", 13: "memory_max_bytes"}
HELLO = {1: "version", 2: "container_id", 3: "boot_id", 4: "pid", 5: "start_time_ticks", 6: "state",
         7: "main_pid", 8: "main_start_time_ticks", 9: "cgroup", 10: ("exit", RECORD), 11: "exit_recorded", 12: "address"}
EVENT = {1: ("hello", HELLO), 2: ("started", {1: "pid", 2: "start_time_ticks"}),
         3: ("ended", {1: ("exit", RECORD), 2: "recorded", 3: "left_behind"}),
         4: ("reply", {1: "serial", 2: "error"})}


def command_message(argv, environment=(), file=None, stdin=None):
    return (b"".join(field(1, a) for a in argv) + field(2, file) +
            b"".join(field(3, e) for e in environment) + field(4, stdin))


RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, SHARED = 1, 2, 4, 8, 32, 4096, 1 << 20


def mount_message(target, source=None, below=None, source_below=None, make=False, make_source=False, owned=False,
                  fstype=None, flags=0, data=None):
    return (field(1, source) + field(2, source_below) + field(3, int(make_source)) + field(4, target) +
            field(5, below) + field(6, int(make)) + field(7, int(owned)) + field(8, fstype) + field(9, flags) +
            field(10, data))


PROC = mount_message("/proc", "proc", fstype="proc", flags=NOSUID | NODEV | NOEXEC)


def read_record(path):
    """The record in a file, held against its envelope."""
    with open(path, "rb") as f:
        data = f.read()
    magic, n, checksum = struct.unpack("<8sQQ", data[:24])
    total = 0xcbf29ce484222325
    for byte in data[24:]:
        total = (total ^ byte) * 0x100000001b3 % (1 << 64)
    check((magic, n, checksum) == (b"HFEXIT01", len(data) - 24, total), "%s is damaged" % path)
    return decode(data[24:], RECORD)


# A launcher

class Link:
    """One connection to a launcher."""

    def __init__(self, sock):
        self.sock = sock
        self.serial = 0

    def close(self):
        self.sock.close()

    def event(self, timeout=TIMEOUT_S):
        """The next event as (name, dict); None at the end of the connection."""
        if not select.select([self.sock], [], [], timeout * TIMEOUT_SCALE)[0]:
            raise Failure("the launcher says nothing")
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            return None
        return next(iter(decode(data, EVENT).items())) if data else None

    def expect(self, name):
        """The next event of this name; replies are passed over."""
        while True:
            found = self.event()
            check(found, "the connection ended instead of '%s'" % name)
            if found[0] == name:
                return found[1]
            check(found[0] == "reply", "'%s' instead of '%s': %r" % (found[0], name, found[1]))

    def hello(self):
        return self.expect("hello")

    def started(self):
        return self.expect("started")

    def ended(self):
        return self.expect("ended")

    def request(self, number, body=b""):
        self.serial += 1
        self.sock.send(field(1, self.serial) + field(number, body))
        return self.serial

    def reply(self, serial):
        """The error of a reply; other events are lost."""
        while True:
            found = self.event()
            check(found, "the connection ended instead of a reply")
            if found[0] == "reply" and found[1]["serial"] == serial:
                return found[1].get("error", 0)

    def go(self, cgroup=None):
        return self.request(2, field(1, cgroup))

    def kill(self, number, main_only=False):
        return self.request(3, field(1, int(number)) + field(2, main_only))

    def update(self, settings, raise_only=False):
        return self.request(6, b"".join(field(1, field(1, f) + field(2, v) + field(4, int(raise_only)))
                                        for f, v in settings))

    def status(self):
        return self.request(4)

    def release(self):
        return self.request(5)


class Launcher(Link):
    """A launcher process, and the connection it was born with."""

    def __init__(self, directory, pid, sock, container_id):
        super().__init__(sock)
        self.directory = directory
        self.pid = pid
        self.container_id = container_id
        self.runtime_dir = os.path.join(directory.path, "run", "containers", container_id)
        self.record_path = os.path.join(directory.path, "exits", container_id)
        self.exit_status = None

    def connect(self):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fd = os.open(self.runtime_dir, os.O_PATH)
        try:
            sock.connect("/proc/self/fd/%d/launcher.sock" % fd)
        finally:
            os.close(fd)
        return Link(sock)

    def record(self):
        return read_record(self.record_path)

    def is_gone(self):
        if self.exit_status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.exit_status = status
        return self.exit_status is not None

    def wait(self):
        wait_until(self.is_gone, "the launcher ends", TIMEOUT_S)
        return self.exit_status

    def kill9(self):
        os.kill(self.pid, signal.SIGKILL)
        self.wait()


class Directory:
    """A directory with a sandbox, and what is launched in it."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="holdfast-launcher-")
        os.chmod(self.path, 0o755)
        self.launchers = []
        for name in ("exits", "sandbox"):
            os.mkdir(os.path.join(self.path, name))
        self.sandbox = os.path.join(self.path, "sandbox")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for launcher in self.launchers:
            launcher.close()
            if not launcher.is_gone():
                launcher.kill9()
        shutil.rmtree(self.path, ignore_errors=True)

    def output(self, name="stdout"):
        with open(os.path.join(self.sandbox, name), errors="replace") as f:
            return f.read()

    def plan(self, argv, container_id="c1", environment=(), file=None, stdin=None, fetcher=None, uid=None, gid=None,
             groups=(), umask=None, rlimits=(), unshare=(), cgroup=(), mounts=(), root=None, uid_map=None, gid_map=None,
             cwd=None, version=1, record_path=None, confinement=b""):
        uid = os.getuid() if uid is None else uid
        gid = os.getgid() if gid is None else gid
        out = field(1, version) + field(2, container_id)
        out += field(3, os.path.join(self.path, "run", "containers", container_id))
        out += field(4, record_path or os.path.join(self.path, "exits", container_id))
        out += field(5, os.path.join(self.path, "log")) + field(10, self.sandbox) + field(11, cwd)
        out += field(20, uid) + field(21, gid) + b"".join(field(22, g) for g in groups) + field(23, umask)
        confinement += b"".join(field(1, field(1, f) + field(2, v)) for f, v in cgroup)
        confinement += b"".join(field(10, n) for n in unshare)
        for resource, soft, hard in rlimits:
            confinement += field(33, field(1, resource) + field(2, soft) + field(3, hard))
        confinement += b"".join(field(11, m) for m in mounts) + field(12, root)
        confinement += field(14, uid_map) + field(15, gid_map)
        if confinement:
            out += field(31, confinement)
        if fetcher:
            out += field(40, fetcher)
        return out + field(41, command_message(argv, environment, file, stdin))

    def launch(self, argv, container_id="c1", spawner=None, seal=True, **plan):
        """Starts a launcher; `spawner` is Python code that runs in the process before it becomes one."""
        data = self.plan(argv, container_id, **plan)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        plan_fd = os.memfd_create("plan", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        os.write(plan_fd, data)
        if seal:
            fcntl.fcntl(plan_fd, 1033, SEALS)
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20) for fd in (plan_fd, theirs.fileno())]
        command = [program("holdfast-launcher"), container_id]
        if spawner:
            command = [sys.executable, "-c", "import os, sys\n%s\nos.execv(sys.argv[1], sys.argv[1:])" % spawner,
                       *command]
        pid = os.posix_spawn(command[0], command, dict(os.environ), setsid=True, file_actions=[
            (os.POSIX_SPAWN_DUP2, high[0], PLAN_FD), (os.POSIX_SPAWN_DUP2, high[1], CONTROL_FD)])
        for fd in (plan_fd, *high):
            os.close(fd)
        theirs.close()
        self.launchers.append(Launcher(self, pid, ours, container_id))
        return self.launchers[-1]

    def run(self, argv, **plan):
        """Launches, waits for the end, returns the record as told."""
        launcher = self.launch(argv, **plan)
        launcher.hello()
        launcher.go()
        while True:
            event = launcher.event()
            check(event, "the launcher left without a word: %s" % self.log())
            if event[0] == "ended":
                launcher.wait()
                return event[1]["exit"]

    def log(self):
        try:
            with open(os.path.join(self.path, "log")) as f:
                return f.read()
        except OSError:
            return ""


def dry_run(plan):
    return subprocess.run([program("holdfast-launcher"), "--dry-run"], input=plan, capture_output=True, check=False)


def has_ended(pid):
    return lambda: not is_alive(pid)


def sh(script):
    return ["/bin/sh", "-c", script]


def pss_kib(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def is_small_build():
    """With sanitizers nothing is small."""
    return b"libasan" not in subprocess.run(["ldd", program("holdfast-launcher")], capture_output=True,
                                            check=True).stdout
