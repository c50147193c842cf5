# SPDX-License-Identifier: Apache-2.0
"""Time for the daemons of a test, which passes when the test says so.

    with Clock() as clock, Cluster(n_agents=0, clock=clock) as cluster:
        ...
        clock.advance(74)        # nothing happens to the agent
        clock.advance(2)         # it is unreachable

The programs are those that are installed; clock.so, which `make check` builds, is preloaded into them
(clock.c says how). A frozen clock stands still but for what the test does; one that is not goes on
from where it was moved to. All daemons with the same Clock have the same time, and keep it over
restarts; their containers, and the test itself, live in real time.

One that runs may run faster than the world does, at a whole `rate`, from the time it is when it is made.

advance() stops at each timer on the way until the daemons have done what it asked for: 75 seconds are
five pings, not one. What other processes have to say to that, such as a pong, comes in real time:
`between` is called at each stop and may wait for it.
"""

import glob
import os
import shutil
import socket
import subprocess
import tempfile
import time

from harness import BUILD_DIR, TIMEOUT_SCALE, Failure, check, program

LIBRARY = os.path.join(BUILD_DIR, "tests", "lib", "clock.so")
TIMEOUT_S = 30


def sanitizers():
    """The library of the address sanitizer, which wants to be the first there is; [] without it."""
    libraries = subprocess.run(["ldd", program("holdfast-master")], capture_output=True, text=True, check=False).stdout
    return [line.split()[2] for line in libraries.splitlines() if "libasan" in line]


def has_sanitizers():
    return bool(sanitizers())


class Clock:
    def __init__(self, frozen=True, rate=1):
        check(os.path.exists(LIBRARY), "%s is missing: make check builds it" % LIBRARY)
        self.directory = tempfile.mkdtemp(prefix="holdfast-clock-")
        self._libraries = ":".join([*sanitizers(), LIBRARY])
        self.frozen = False
        self.rate = rate
        # Of monotonic and wall clock; frozen: what it shows.
        self._ahead_usec = [round(now * 1e6) * (1 - rate) for now in (time.monotonic(), time.time())]
        self._write_state()
        if frozen:
            self.freeze()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def env(self):
        """What brings a daemon under this clock."""
        return {"LD_PRELOAD": self._libraries, "HOLDFAST_TEST_CLOCK": self.directory}

    # Moving

    def advance(self, seconds, between=None):
        """Time passes; with `between`, a function, called whenever something was due."""
        left = round(seconds * 1e6)
        deadline = time.monotonic() + TIMEOUT_S * TIMEOUT_SCALE
        while True:
            due = [n for n in (int(answer) for answer in self._ask_all("next")) if n >= 0]
            step = min([left, *due])
            self._shift(step, step)
            left -= step
            if left == 0:
                return
            if between:
                between()
            check(time.monotonic() < deadline, "%g s of time do not pass within %d s" % (seconds, TIMEOUT_S))

    def shift(self, monotonic_s, wall_s):
        """Both clocks jump, with no stop on the way: what a machine sees that was asleep."""
        self._shift(round(monotonic_s * 1e6), round(wall_s * 1e6))

    def step(self, seconds):
        """The wall clock is set, as an operator or NTP does."""
        self._shift(0, round(seconds * 1e6))

    def freeze(self):
        if not self.frozen:
            self._change(True)
            self._ask_all("freeze")

    def run(self):
        if self.frozen:
            self._change(False)
            self._ask_all("run")

    def wall(self):
        """What time it is for the daemons, in seconds."""
        return self._ahead_usec[1] / 1e6 + (0 if self.frozen else time.time() * self.rate)

    # The daemons

    def _change(self, frozen):
        sign = 1 if frozen else -1
        for n, now in enumerate((time.monotonic(), time.time())):
            self._ahead_usec[n] += sign * self.rate * round(now * 1e6)
        self.frozen = frozen
        self._write_state()

    def _shift(self, monotonic_usec, wall_usec):
        self._ahead_usec[0] += monotonic_usec
        self._ahead_usec[1] += wall_usec
        self._write_state()
        for answer in self._ask_all("shift %d %d" % (monotonic_usec, wall_usec)):
            check(answer == "ok", "a daemon is %s: it does not come to rest" % answer)

    def _write_state(self):
        path = os.path.join(self.directory, "state")
        with open(path + ".new", "w") as f:
            f.write("%s %d %d %d\n" % ("frozen" if self.frozen else "running", *self._ahead_usec, self.rate))
        os.rename(path + ".new", path)

    def _ask_all(self, command):
        answers = (self._ask(path, command) for path in glob.glob(os.path.join(self.directory, "*.sock")))
        return [a for a in answers if a]

    def _ask(self, path, command):
        """None: the daemon has ended, or is stopped and will do it when it goes on."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(TIMEOUT_S * TIMEOUT_SCALE)
            try:
                s.connect(path)
                s.sendall(command.encode() + b"\n")
                s.shutdown(socket.SHUT_WR)
                if is_stopped(path):
                    return None
                return s.makefile().readline().strip() or None
            except (ConnectionError, FileNotFoundError):
                return None
            except socket.timeout:
                raise Failure("no answer to %s from the clock of %s" % (command, path)) from None


def is_stopped(path):
    try:
        with open("/proc/%s/stat" % os.path.basename(path)[:-len(".sock")]) as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "T"
    except OSError:
        return False
