# SPDX-License-Identifier: Apache-2.0
"""Tests on a machine with a kernel of its own: tests/vm/boot starts it.

A test program that is to run inside the machine, as those of tests/systemd run inside their systemd,
ends with `main_inside()` of this module and uses Host of systemd.py.

One that looks at the machine from outside ends with `main_outside()`. Its master and its scheduler are
here, the agent is a service of the machine, and a network of their own connects them:

    with vm.cluster() as cluster, Machine(cluster) as machine, Scheduler(cluster.master_addr) as s:
        machine.cut_power()
        machine.start()
"""

import ctypes
import glob
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import harness
import interface
import systemd
from harness import SOURCE_DIR, check, skip, wait_until

BOOT = os.path.join(SOURCE_DIR, "tests", "vm", "boot")
CLONE_NEWNET = 0x40000000
TAP, OUTSIDE, INSIDE = "vm0", "192.0.2.1", "192.0.2.2"
MCONSOLE_MAGIC, MCONSOLE_VERSION = 0xCAFEBABE, 2
WORK_DIR = "/var/lib/holdfast/agent"
AGENT_SETTINGS = {"MESOS_WORK_DIR": WORK_DIR, "MESOS_RUNTIME_DIR": "/run/holdfast/agent", "MESOS_IP": INSIDE,
                  "MESOS_HOSTNAME_LOOKUP": "false", "MESOS_REGISTRATION_BACKOFF_FACTOR": "50ms",
                  "MESOS_RESOURCES": "cpus:8;mem:4096;disk:1024;ports:[31000-32000]"}


def cluster():
    """A master that machines reach; without agents."""
    return harness.Cluster(n_agents=0, host=OUTSIDE)


class Machine:
    """A machine whose agent starts with it and registers with the cluster's master."""

    name, addr = "the machine's agent", (INSIDE, 5051)

    def __init__(self, cluster):
        self._cluster = cluster
        self._state = tempfile.mkdtemp(prefix="holdfast-machine-", dir="/dev/shm")
        self._layer = os.path.join(self._state, "layer")
        self._complaints = os.path.join(self._state, "complaints")
        self._process = None
        try:
            systemd.install(self._layer)
            self._configure({**AGENT_SETTINGS, "MESOS_MASTER": "%s:%d" % (OUTSIDE, cluster.master_addr[1])})
            self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def _configure(self, settings):
        """What an administrator does after the installation: settings, and the units enabled."""
        etc = os.path.join(self._layer, "etc", "systemd", "system")
        for unit, target in ((systemd.AGENT, "multi-user"), ("holdfast-agent.socket", "sockets")):
            path, = glob.glob(os.path.join(self._layer, "**", "system", unit), recursive=True)
            wants = os.path.join(etc, target + ".target.wants")
            os.makedirs(wants, exist_ok=True)
            os.symlink("/" + os.path.relpath(path, self._layer), os.path.join(wants, unit))
            if unit == systemd.AGENT:
                with open(path) as f:
                    program = re.search(r"^ExecStart=(\S+)", f.read(), re.MULTILINE)[1]
        os.makedirs(os.path.join(etc, systemd.AGENT + ".d"))
        with open(os.path.join(etc, systemd.AGENT + ".d", "test.conf"), "w") as f:
            f.write("[Service]\nEnvironmentFile=\nEnvironment=%s\n" % " ".join("%s=%s" % i for i in settings.items()))
            f.write("ExecStartPre=-/bin/sh -c '%s --inspect=json --work_dir=%s >/ctl/stored'\n" % (program, WORK_DIR))

    def __enter__(self):
        return self

    def __exit__(self, kind, _value, _traceback):
        self.cut_power()
        if kind not in (None, harness.Skip):
            print("--- end of the machine's console")
            print("\n".join(self.console().splitlines()[-80:]))
        shutil.rmtree(self._state, ignore_errors=True)

    def start(self):
        """Switches it on; its agent has registered when this returns."""
        self.started_at = time.time()
        timeout_s = int(systemd.TIMEOUT_S * harness.TIMEOUT_SCALE)
        with open(self._complaints, "w") as f:
            self._process = subprocess.Popen(
                [BOOT, "-t", str(timeout_s), "-l", self._layer, "-b", SOURCE_DIR, "-s", self._state,
                 "-n", TAP + "=" + INSIDE], stdin=subprocess.DEVNULL, stderr=f)
        self._wait_registered()

    def _wait_registered(self):
        def registered():
            if self._process.poll() is not None:
                with open(self._complaints) as f:
                    why = f.read().strip()
                check(self._process.returncode == 77, "the machine does not start: " + why)
                skip(why)
            return any(a["hostname"] == INSIDE and a.get("reregistered_time", a["registered_time"]) >= self.started_at
                       for a in self._cluster.active_agents())
        # The disk may have to be made.
        wait_until(registered, self.name + " registers", timeout=120)

    def cut_power(self):
        """Ends everything in it between two instructions. What was not written to its disk is lost."""
        if self._process:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()

    def reboot(self):
        """Presses Ctrl-Alt-Del, which to systemd is `systemctl start reboot.target`."""
        self.started_at = time.time()
        self._mconsole("cad")
        self._wait_registered()

    def _mconsole(self, command):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind("")
            s.settimeout(10 * harness.TIMEOUT_SCALE)
            s.sendto(struct.pack("III512s", MCONSOLE_MAGIC, MCONSOLE_VERSION, len(command), command.encode()),
                     os.path.join(self._state, "vm", "mconsole"))
            error, _, _, text = struct.unpack_from("III512s", s.recv(4096).ljust(524, b"\0"))
        check(error == 0, "%s: %s" % (command, text.rstrip(b"\0").decode()))

    def console(self):
        """Everything that its kernel and its journal have said, over all boots."""
        try:
            with open(os.path.join(self._state, "console"), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""    # it was never switched on

    def stored(self):
        """What was in the agent's database when the machine had booted and the agent was not yet there."""
        with open(os.path.join(self._state, "ctl", "stored")) as f:
            return json.load(f)


def main_outside():
    """Runs the test program here, in a network of its own."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        print("skipped: a network of its own takes root")
        sys.exit(77)
    try:
        interface.up("lo")
        interface.make_tap(TAP, OUTSIDE)
    except OSError as e:
        print("skipped: no tap interface is to be had: %s" % e)
        sys.exit(77)
    harness.main()


def main_inside():
    """Runs the test program in a machine, with Holdfast installed."""
    systemd.main(BOOT)
