# SPDX-License-Identifier: Apache-2.0
"""A network of machines for one test program, in namespaces of its own: the host's is never touched.

    enter()                                     # first: the program again, alone in new namespaces
    network = Network(["master1", "agent1"])
    network["agent1"].wrap                      # nsenter --net=...: runs a command on that machine
    network.cut("agent1", "master1")            # what agent1 sends to master1 is lost, silently
    network.heal("agent1", "master1")
    network["agent1"].unplug()                  # nobody reaches it, and is told so

Each machine has one cable to a router, which is where the test program is: it reaches everybody at any time, and every
packet between two machines passes by it. A cut is a routing rule there that drops what comes from one address and goes
to another, so each direction can be cut by itself:

    master1 10.88.1.2 ---- 10.88.1.1 router 10.88.2.1 ---- 10.88.2.2 agent1

enter() makes a process namespace, too: whatever the test has started dies with it. Without root it makes a user
namespace first.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys

from harness import Failure

CLONE_NEWNET = 0x40000000
_MARK = "HOLDFAST_TEST_NAMESPACES"
_LIBC = ctypes.CDLL(None, use_errno=True)
FIRST_RULE = 1000


def enter(need_root=False):
    """Runs the program again in new namespaces and returns there; exits with 77 where there cannot be any.

    `need_root`: a user namespace will not do. In one that was made without root nobody can change groups, as launchers do.
    """
    if os.environ.get(_MARK) == "1":
        _run("ip", "link", "set", "lo", "up")
        with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as f:
            f.write("1")
        return
    command = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        if need_root:
            print("SKIP: only root may change groups in namespaces")
            sys.exit(77)
        command += ["--user", "--map-root-user"]
    if not shutil.which("ip"):
        print("SKIP: no ip command (Debian: iproute2)")
        sys.exit(77)
    probe = subprocess.run([*command, "ip", "link", "add", "cable0", "type", "veth", "peer", "name", "cable1"],
                           capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        print("SKIP: no network namespaces of our own: %s" % probe.stderr.strip())
        sys.exit(77)
    os.environ[_MARK] = "1"
    os.execvp(command[0], [*command, sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]])


def _run(*argv, text=None):
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure("%s: %s" % (" ".join(argv), done.stderr.strip()))


def _check(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), "%s: %s" % (what, os.strerror(ctypes.get_errno())))


def _own_namespace():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class Machine:
    def __init__(self, name, number):
        self.name = name
        self.address = "10.88.%d.2" % number
        self._gateway = "10.88.%d.1" % number
        self._cable = "cable%d" % number
        self._fd = self._make_namespace()
        self._connect()

    @staticmethod
    def _make_namespace():
        """Namespaces belong to threads: ours goes there and comes back with a descriptor, which keeps it."""
        home = _own_namespace()
        try:
            _check(_LIBC.unshare(CLONE_NEWNET), "unshare")
            fd = _own_namespace()
            _check(_LIBC.setns(home, CLONE_NEWNET), "setns")
            return fd
        finally:
            os.close(home)

    @property
    def _path(self):
        return "/proc/%d/fd/%d" % (os.getpid(), self._fd)

    def _connect(self):
        _run("ip", "-batch", "-", text="""\
link add {0} type veth peer name eth0 netns {1}
address add {2}/30 dev {0}
link set {0} up
""".format(self._cable, self._path, self._gateway))
        _run(*self.wrap, "ip", "-batch", "-", text="""\
link set lo up
address add {0}/30 dev eth0
link set eth0 up
route add default via {1}
""".format(self.address, self._gateway))

    @property
    def wrap(self):
        """The beginning of a command that is to run here."""
        return ["nsenter", "--net=" + self._path, "--"]

    def move_in(self):
        """The calling thread's sockets are of this machine from now on."""
        _check(_LIBC.setns(self._fd, CLONE_NEWNET), "setns")

    @contextlib.contextmanager
    def inside(self):
        home = _own_namespace()
        try:
            self.move_in()
            yield
        finally:
            _check(_LIBC.setns(home, CLONE_NEWNET), "setns")
            os.close(home)

    def unplug(self):
        _run("ip", "link", "set", self._cable, "down")

    def plug(self):
        _run("ip", "link", "set", self._cable, "up")

    def close(self):
        _run("ip", "link", "del", self._cable)
        os.close(self._fd)


class Network:
    def __init__(self, names):
        self.machines = {name: Machine(name, number) for number, name in enumerate(names, 1)}
        self._rules = {}    # (from, to): its priority
        self._unplugged = set()

    def __getitem__(self, name):
        return self.machines[name]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.heal_all()
        for machine in self.machines.values():
            machine.close()

    def cut(self, sender, receiver):
        """One direction. What was cut already stays so."""
        if (sender, receiver) in self._rules:
            return
        number = next(n for n in range(FIRST_RULE, 2 * FIRST_RULE) if n not in self._rules.values())
        self._rules[sender, receiver] = number
        _run("ip", "rule", "add", "from", self[sender].address, "to", self[receiver].address,
             "priority", str(number), "blackhole")

    def heal(self, sender, receiver):
        number = self._rules.pop((sender, receiver), None)
        if number is not None:
            _run("ip", "rule", "del", "priority", str(number))

    def cut_both(self, one, other):
        self.cut(one, other)
        self.cut(other, one)

    def heal_both(self, one, other):
        self.heal(one, other)
        self.heal(other, one)

    def unplug(self, name):
        self._unplugged.add(name)
        self[name].unplug()

    def plug(self, name):
        self._unplugged.discard(name)
        self[name].plug()

    def heal_all(self):
        for sender, receiver in list(self._rules):
            self.heal(sender, receiver)
        for name in list(self._unplugged):
            self.plug(name)
