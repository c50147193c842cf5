# SPDX-License-Identifier: Apache-2.0
"""What containers can leave on a host: looked at before and after, and compared.

    before = traces.of_daemons(pids)
    ...
    wait_until(lambda: traces.difference(before, traces.of_daemons(pids)) == {}, ...)

Everything is told in a form that two looks at the same host give twice: no inode numbers of sockets, no times.
Device programs and keys are of the whole host, so those of a test are told by their numbers, taken while they are there.
"""

import collections
import contextlib
import ctypes
import os
import platform
import re
import socket
import struct

from harness import descendants

BPF_PROG_GET_FD_BY_ID, BPF_PROG_QUERY, BPF_CGROUP_DEVICE = 13, 16, 6
SYS_BPF, SYS_KEYCTL = {"x86_64": (321, 250)}.get(platform.machine(), (280, 219))
N_PROGRAMS = 64
SHM_NAME = "holdfast-trace-%d" % os.getpid()
_libc = ctypes.CDLL(None, use_errno=True)


def _lines(path):
    try:
        with open(path) as f:
            return f.read().splitlines()
    except OSError:
        return []


def namespaces(pids):
    """Those in which the processes are, which they hold by an open file, or for their children."""
    found = set()
    for pid in pids:
        for directory in ("ns", "fd"):
            with contextlib.suppress(OSError):
                for name in os.listdir("/proc/%d/%s" % (pid, directory)):
                    with contextlib.suppress(OSError):
                        target = os.readlink("/proc/%d/%s/%s" % (pid, directory, name))
                        if re.fullmatch(r"\w+:\[\d+\]", target) and not target.startswith(("socket", "pipe")):
                            found.add(target)
    return found


def open_files(pid):
    """{what: how many}; sockets and pipes by their kind alone."""
    found = collections.Counter()
    for name in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(OSError):
            found[re.sub(r"\d{3,}", "N", os.readlink("/proc/%d/fd/%s" % (pid, name)))] += 1
    return found


def mounts(pid):
    return [line.split(" ", 2)[2] for line in _lines("/proc/%d/mountinfo" % pid)]


def below(directory):
    """All files and directories there."""
    return sorted(os.path.join(path, name) for path, directories, files in os.walk(directory) for name in directories + files)


def ipc_objects():
    """Of the IPC namespace of the test."""
    return {kind: [line.split()[:2] for line in _lines("/proc/sysvipc/" + kind)[1:]] for kind in ("shm", "sem", "msg")}


def of_daemons(pids, root_pid=None):
    """What there is because of the daemons with these pids and of their containers, all below root_pid (or us)."""
    processes = descendants(root_pid)
    return {
        "processes": sorted(processes.items()),
        "namespaces": namespaces(processes),
        "open files": {pid: open_files(pid) for pid in pids},
        "mounts": {pid: mounts(pid) for pid in (*pids, os.getpid())},
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
        "ipc objects": ipc_objects(),
        "shared memory files": sorted(name for name in os.listdir("/dev/shm") if name == SHM_NAME),
    }


def difference(before, after):
    """{aspect: (before, after)} of what is not the same."""
    return {aspect: (before[aspect], after[aspect]) for aspect in before if before[aspect] != after[aspect]}


def _bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 128)
    n = _libc.syscall(SYS_BPF, command, buffer, ctypes.c_uint(len(buffer)))
    if n < 0:
        raise OSError(ctypes.get_errno(), "bpf")
    return n, buffer.raw


def device_programs(cgroup):
    """The numbers of those attached to a cgroup."""
    ids = (ctypes.c_uint32 * N_PROGRAMS)()
    fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _, answer = _bpf(BPF_PROG_QUERY, struct.pack("IIIIQI", fd, BPF_CGROUP_DEVICE, 0, 0, ctypes.addressof(ids), N_PROGRAMS))
    finally:
        os.close(fd)
    return set(ids[:struct.unpack_from("I", answer, 24)[0]])


def is_program(number):
    try:
        fd, _ = _bpf(BPF_PROG_GET_FD_BY_ID, struct.pack("III", number, 0, 0))
    except OSError:
        return False
    os.close(fd)
    return True


def keyrings_of_host():
    """Their serial numbers, as far as root sees them."""
    return {line.split()[0] for line in _lines("/proc/keys") if " keyring " in line}
