# SPDX-License-Identifier: Apache-2.0
"""A whole cluster on a network of its own: ZooKeeper, masters, agents, and what their tasks leave on the disk.

    network.enter()
    with Arena(n_masters=3, n_agents=5, n_zookeepers=1, n_frameworks=2) as arena:
        arena.start()
        leader = arena.wait_leader()
        arena.kill("master1")            # tend() starts it again later, as a supervisor does
        arena.tend()

Machines are called as what runs there: zookeeper1, master1, agent1, framework1. With no ZooKeeper there is one master,
which keeps its registry in its directory.

Each daemon has a clock of its own, which runs as fast as `rates` says for its kind, and can be moved. ZooKeeper lives in
the world's time, behind gates. So do executors; the agent's own deadlines for them must be long enough for that. Without
`rates`, and where clocks cannot be preloaded, everything lives in the world's time.
"""

import contextlib
import http.client
import os
import shutil
import signal
import sys
import tempfile
import time

from clock import Clock, has_sanitizers
from harness import (BIN_DIR, Daemon, Failure, http_call, http_get, kill_descendants, program, reap_orphans,
                     wait_until)
from follower import Job, elected, redirected
from judge import Truth
from network import Network
from witness import read_epoch
from zookeeper import Ensemble
from zookeeper_client import ZooKeeperError
from zookeeper_gate import Gate

MASTER_PORT, AGENT_PORT, ZOOKEEPER_PORT = 5050, 5051, 2181
GATE_PORTS = {"master": 2182, "agent": 2183}
RESOURCES = "cpus:2;mem:1024;disk:1024"
# Stopping for want of a session is what a leader must do; anything but an ordinary exit is a crash.
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
ASK_TIMEOUT_S = 2
TROUBLE = (OSError, http.client.HTTPException, ValueError, KeyError, ZooKeeperError)


class Ledger:
    """Tasks write here that they were started, and how they are about to end."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory)

    def job(self, task, rng):
        path = os.path.join(self.directory, task)
        kind = rng.choice(("short", "short", "failing", "long", "long", "endless"))
        seconds = {"short": rng.uniform(0, 0.5), "failing": rng.uniform(0, 1), "long": rng.uniform(1, 8)}.get(kind)
        status = {"failing": rng.randint(1, 100)}.get(kind, 0)
        end = "exec sleep 100000" if seconds is None else \
            "sleep %.2f; echo %d >>%s.end; exit %d" % (seconds, status, path, status)
        return Job("read -r line </proc/$$/stat; echo \"$line\" >>%s.start\n%s" % (path, end), 0.1, 32.0)

    def truths(self, history):
        """{task: Truth} of all that came to a start."""
        names = sorted(name[:-len(".start")] for name in os.listdir(self.directory) if name.endswith(".start"))
        return {name: self._truth(name, history) for name in names}

    def _truth(self, name, history):
        path = os.path.join(self.directory, name)
        with open(path + ".start", encoding="ascii") as f:
            lives = f.read().splitlines()
        at = history.wall_to_at(os.path.getmtime(path + ".start"))
        status = None
        with contextlib.suppress(FileNotFoundError), open(path + ".end", encoding="ascii") as f:
            status = int(f.read().split()[0])
        return Truth((at,) * len(lives), status, any(is_same_process(life) for life in lives))


def is_same_process(line):
    """Whether that of this line of /proc/<pid>/stat is still there."""
    def identity(text):
        return text.split()[0], text.rsplit(")", 1)[1].split()[19]

    with contextlib.suppress(OSError, IndexError):
        with open("/proc/%s/stat" % line.split()[0], encoding="ascii") as f:
            now = f.read()
        return identity(now) == identity(line) and now.rsplit(")", 1)[1].split()[0] not in "ZX"
    return False


class Arena:
    def __init__(self, history, n_masters=3, n_agents=5, n_frameworks=2, n_zookeepers=1, master_flags=(), agent_flags=(),
                 rates=None):
        self.history = history
        self.rates = rates if rates and not has_sanitizers() else {}
        self.directory = tempfile.mkdtemp(prefix="holdfast-test-")
        self.ledger = Ledger(os.path.join(self.directory, "tasks"))
        self.crashes = []
        self._restart_at = {}    # {daemon's name: when it is started again}
        self._clocks, self._gates = {}, []
        names = ["%s%d" % (kind, n) for kind, count in (
            ("zookeeper", n_zookeepers), ("master", n_masters), ("agent", n_agents), ("framework", n_frameworks))
            for n in range(1, count + 1)]
        self.network = Network(names)
        self.ensemble = None
        if n_zookeepers:
            places = [(self.network[n].address, self.network[n].wrap) for n in names if n.startswith("zookeeper")]
            self.ensemble = Ensemble(places=places, port=ZOOKEEPER_PORT, start=False)
            self._gates = [Gate(self.network[n], GATE_PORTS[kind], ZOOKEEPER_PORT, rate)
                           for n in names if n.startswith("zookeeper") for kind, rate in self.rates.items()]
        self.masters = {n: self._master(n, master_flags) for n in names if n.startswith("master")}
        self.agents = {n: self._agent(n, agent_flags) for n in names if n.startswith("agent")}
        self.zookeepers = dict(zip([n for n in names if n.startswith("zookeeper")], self._servers()))
        self.daemons = {**self.zookeepers, **self.masters, **self.agents}

    def __enter__(self):
        return self

    def __exit__(self, kind, _value, _traceback):
        if kind is not None:
            self._tell()
        kill_descendants()
        for clock in self._clocks.values():
            clock.__exit__()
        for gate in self._gates:
            gate.close()
        if self.ensemble:
            self.ensemble.close()
        self.network.__exit__()
        if not os.environ.get("HOLDFAST_TEST_KEEP"):
            shutil.rmtree(self.directory, ignore_errors=True)

    def _tell(self):
        for name, daemon in self.daemons.items():
            print("--- end of %s's log (%s)\n%s" % (name, daemon.log_path, daemon.log_tail(60)))
        sys.stdout.flush()

    # Making

    def _under_clock(self, name):
        """The beginning of a command; not in the environment of all of it: the first program would take it."""
        kind = name.rstrip("0123456789")
        if kind not in self.rates:
            return []
        self._clocks[name] = Clock(frozen=False, rate=self.rates[kind])
        return ["env", *("%s=%s" % item for item in self._clocks[name].env.items())]

    def zk_url(self, kind, path="/mesos"):
        """As daemons of that kind reach ZooKeeper."""
        port = GATE_PORTS[kind] if kind in self.rates else ZOOKEEPER_PORT
        return "zk://%s%s" % (",".join("%s:%d" % (s.addr[0], port) for s in self._servers()), path)

    def _daemon(self, name, program_name, port, flags):
        machine = self.network[name]
        argv = [*machine.wrap, *self._under_clock(name), program(program_name), "--ip=" + machine.address, "--port=%d" % port,
                "--no-hostname_lookup", "--work_dir=" + os.path.join(self.directory, name), *flags]
        return Daemon(name, argv, (machine.address, port), self.directory)

    def _master(self, name, flags):
        zk = ["--zk=" + self.zk_url("master")] if self.ensemble else []
        return self._daemon(name, "holdfast-master", MASTER_PORT, [*zk, *flags])

    def _agent(self, name, flags):
        master = self.zk_url("agent") if self.ensemble else "%s:%d" % self.masters["master1"].addr
        return self._daemon(name, "holdfast-agent", AGENT_PORT, [
            "--master=" + master, "--runtime_dir=" + os.path.join(self.directory, name + "-run"),
            "--launcher_dir=" + BIN_DIR, "--launcher=posix", "--no-systemd_enable_support",
            "--resources=" + RESOURCES, *flags])

    def _servers(self):
        return self.ensemble.servers if self.ensemble else []

    def start(self):
        for name in self.daemons:
            self.start_daemon(name)
        for daemon in self.daemons.values():
            daemon.wait_ready()
        return self

    # Daemons

    def start_daemon(self, name):
        self._restart_at.pop(name, None)
        self.daemons[name].start(wait_ready=False)
        self.history.note("start", name, pid=self.daemons[name].pid)

    def kill(self, name, away_s):
        """kill -9; it is started again after that time."""
        if self.daemons[name].is_running():
            self.daemons[name].kill9()
            self._note_exit(name)
            self._restart_at[name] = time.monotonic() + away_s

    def signal(self, name, number):
        if self.daemons[name].is_running():
            self.daemons[name].signal(number)

    def move_clock(self, name, monotonic_s, wall_s):
        if name in self._clocks:
            self._clocks[name].shift(monotonic_s, wall_s)

    def _note_exit(self, name):
        status = self.daemons[name].process.returncode
        self.history.note("exit", name, status=status)
        if -status in CRASHES or (status != -signal.SIGKILL and name in self.agents):
            self.crashes.append("%s ended with status %d" % (name, status))

    def tend(self, restart_s=0.3):
        """What a supervisor does, and an init."""
        now = time.monotonic()
        for name, daemon in self.daemons.items():
            if daemon.process is None or daemon.is_running():
                continue
            if name not in self._restart_at:
                self._note_exit(name)
                self._restart_at[name] = now + restart_s
            elif now >= self._restart_at[name]:
                self.start_daemon(name)
        reap_orphans({d.process.pid for d in self.daemons.values() if d.process})

    def raise_all(self):
        """Nobody is stopped or away."""
        for name in list(self._restart_at):
            self.start_daemon(name)
        for name in self.daemons:
            self.signal(name, signal.SIGCONT)

    # Asking

    def ask_master(self, name):
        """(answer, its body) to GET_MASTER."""
        answer = http_call(self.masters[name].addr, "POST", "/api/v1", {"type": "GET_MASTER"}, timeout=ASK_TIMEOUT_S)
        return answer, answer.json() if answer.status == 200 else None

    def leader(self):
        """The name of the master that answers as the leader; None when nobody does."""
        for name, daemon in self.masters.items():
            with contextlib.suppress(*TROUBLE):
                if daemon.is_running() and self.ask_master(name)[0].status == 200:
                    return name
        return None

    def wait_leader(self, timeout=30):
        return wait_until(self._tended(self.leader), "somebody leads", timeout, 0.05)

    def _tended(self, predicate):
        def tended():
            self.tend()
            return predicate()
        return tended

    def wait_until(self, predicate, what, timeout=30):
        return wait_until(self._tended(predicate), what, timeout, 0.05)

    def active_agents(self):
        """The ids of those that are active with the leader."""
        leader = self.leader()
        with contextlib.suppress(*TROUBLE):
            if leader:
                agents = http_get(self.masters[leader].addr, "/slaves", ASK_TIMEOUT_S).json()["slaves"]
                return [a["id"] for a in agents if a["active"]]
        return []

    def check_zookeeper(self, leader):
        """Each master stands for election once, and nobody else does; the registry is the leader's."""
        if not self.ensemble:
            return []
        with self.ensemble.client() as client:
            names = [n for n in client.children("/mesos") if n.startswith("json.info_")]
            _, writer = read_epoch(client)
        found = [] if len(names) == len(self.masters) else ["the candidates are %s" % names]
        _, body = self.ask_master(leader)
        master_id = body and body["get_master"]["master_info"]["id"]
        return found + ([] if writer == master_id else ["%s leads, but the registry is %s's" % (master_id, writer)])

    def find(self, by_zookeeper):
        """For followers: where the leader may be."""
        if by_zookeeper and self.ensemble:
            return elected([s.addr for s in self._servers()], "/mesos")
        return redirected([m.addr for m in self.masters.values()])

    def check_crashes(self):
        if self.crashes:
            raise Failure("; ".join(self.crashes))
