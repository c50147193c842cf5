#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a cluster of thousands costs its master.

    master.py [--agents=N] [--tasks=N] [--frameworks=N] [--schedulers=N] [--seconds=S] [PART...]

bench/agents plays the agents and schedulers; the master is a real one with a registry in SQLite. Parts:

    floor       agents come back to bench/trivial, which parses what they say and answers
    known       agents come back to a new master whose registry knows them, each within a second
    stampede    the same, all at the same moment
    unknown     agents come back to a new master that has never heard of them
    failover    agents come back to the master that leads after another was killed, with the registry in ZooKeeper
    idle        nothing but pings
    offers      what is free of all agents is offered to all frameworks, again and again
    tasks       tasks are launched, run, finish and are acknowledged for so many seconds

Prints lines NAME VALUE UNIT. Each agent has two connections, one each way; where the limit of open files
is too low for that, agents share those to the master, and a line says so.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "lib"))
import harness
from harness import BUILD_DIR, Cluster, Skip, check, equal, http_get, wait_until
from zookeeper import Ensemble, need_zookeeper

SPREAD_MS = 1000     # --registration_backoff_factor of an agent
N_ROLES = 10
IN_FLIGHT = 400      # tasks of each of the few schedulers


def bench_program(name):
    return os.path.join(BUILD_DIR, "bench", name)


class Fleet:
    """bench/agents: say() a command, get its numbers."""

    def __init__(self, args):
        self.process = subprocess.Popen(
            [bench_program("agents"), "--agents=%d" % args.agents, "--tasks=%d" % args.tasks,
             "--frameworks=%d" % args.frameworks],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        n_connections = int(self.answer()[0])
        if n_connections < args.agents:
            print("# %d agents share %d connections to the master" % (args.agents, n_connections))

    def answer(self):
        line = self.process.stdout.readline()
        check(line, "bench/agents ended")
        return [float(word) for word in line.split()]

    def say(self, command, *numbers):
        self.process.stdin.write(" ".join([command, *map(str, numbers)]) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.stdin.close()
        status = self.process.wait()
        check(kind or status == 0, "bench/agents ended with status %d" % status)


class Gauge:
    """What a process has used, since the gauge was made."""

    def __init__(self, pid):
        self.pid = pid
        self.begin = self._cpu()

    def _cpu(self):
        with open("/proc/%d/stat" % self.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cpu_s(self):
        return self._cpu() - self.begin

    def memory_mb(self, name):
        path = "/proc/%d/%s" % (self.pid, "smaps_rollup" if name == "Pss" else "status")
        with open(path) as f:
            for line in f:
                if line.startswith(name + ":"):
                    return int(line.split()[1]) / 1024
        raise KeyError(name)


def show(name, value, unit, digits=1):
    print("%s %.*f %s" % (name, digits, value, unit))
    sys.stdout.flush()


def metrics(master):
    return http_get(master.addr, "/metrics/snapshot", 60).json()


def master_flags(args):
    return "--registry_gc_interval=%dsecs" % args.gc_interval, "--logging_level=WARNING"


def zk_flags(ensemble):
    return "--zk=" + ensemble.url(), "--zk_session_timeout=2secs"


def wait_leading(master):
    wait_until(lambda: metrics(master).get("master/elected") == 1, "%s leads" % master.name, 60)


@contextlib.contextmanager
def registered(args, ensemble=None):
    """A cluster of one master, and the fleet that has registered with it."""
    with Cluster(n_agents=0, master_flags=master_flags(args), start=False) as cluster:
        with ensemble or contextlib.nullcontext(), Fleet(args) as fleet:
            if ensemble:
                cluster.master().argv += zk_flags(ensemble)
            wait_leading(cluster.master().start())
            fleet.say("master", cluster.master().addr[1])
            took_ms = fleet.say("register", SPREAD_MS * args.agents // 10000)[0]
            show("register_time", took_ms / 1000, "s", 3)
            yield cluster, fleet


def measure_return(args, fleet, name, master, spread_ms):
    """Everybody comes back to this master, which leads."""
    gauge = Gauge(master.pid)
    show(name + "_rss_before", gauge.memory_mb("VmRSS"), "MB")
    fleet.say("master", master.addr[1])
    took_ms, n_bytes, n_repeated = fleet.say("reregister", spread_ms)
    show(name + "_bytes_per_agent", n_bytes / (args.agents + n_repeated), "B", 0)
    show(name + "_time", took_ms / 1000, "s", 3)
    show(name + "_repeated", n_repeated, "messages", 0)
    counted = metrics(master)
    equal(counted["master/tasks_running"], args.agents * args.tasks, "tasks known")
    equal(counted["master/slaves_active"], args.agents, "agents active")
    show(name + "_cpu", gauge.cpu_s(), "s", 2)
    show(name + "_rss_peak", gauge.memory_mb("VmHWM"), "MB")
    show(name + "_rss", gauge.memory_mb("VmRSS"), "MB")
    show(name + "_pss", gauge.memory_mb("Pss"), "MB")
    fleet.say("hold", 2000)
    show(name + "_rss_later", gauge.memory_mb("VmRSS"), "MB")


def come_back(args, name, spread_ms, known):
    with registered(args) as (cluster, fleet):
        cluster.master().kill9()
        master = cluster.master() if known else cluster.add_master(*master_flags(args))
        measure_return(args, fleet, name, master.start(), spread_ms)


def floor(args):
    trivial = subprocess.Popen([bench_program("trivial")], stdout=subprocess.PIPE, text=True)
    try:
        with registered(args) as (cluster, fleet):
            cluster.master().kill9()
            fleet.say("master", int(trivial.stdout.readline()))
            gauge = Gauge(trivial.pid)
            took_ms, _, n_repeated = fleet.say("reregister", 0)
            show("floor_time", took_ms / 1000, "s", 3)
            show("floor_repeated", n_repeated, "messages", 0)
            show("floor_cpu", gauge.cpu_s(), "s", 2)
            trivial.kill()
            trivial.wait()
    finally:
        trivial.kill()


def known(args):
    come_back(args, "known", SPREAD_MS, True)


def stampede(args):
    come_back(args, "stampede", 0, True)


def unknown(args):
    come_back(args, "unknown", SPREAD_MS, False)


def failover(args):
    try:
        need_zookeeper()
    except Skip as e:
        print("# no failover: %s" % e)
        return
    ensemble = Ensemble()
    with registered(args, ensemble) as (cluster, fleet):
        standby = cluster.add_master(*master_flags(args), *zk_flags(ensemble)).start()
        cluster.master().kill9()
        begin = time.monotonic()
        wait_leading(standby)
        show("failover_election", time.monotonic() - begin, "s", 2)
        measure_return(args, fleet, "failover", standby, SPREAD_MS)
        standby.kill9()


def idle(args):
    with registered(args) as (cluster, fleet):
        fleet.say("hold", 1000)
        gauge = Gauge(cluster.master().pid)
        n_pings = fleet.say("hold", args.seconds * 1000)[0]
        show("idle_pings", n_pings / args.seconds, "pings/s")
        show("idle_cpu", 100 * gauge.cpu_s() / args.seconds, "%", 2)


def offers(args):
    with registered(args) as (cluster, fleet):
        fleet.say("subscribe", args.schedulers, min(N_ROLES, args.schedulers))
        fleet.say("offers", args.agents)
        gauge = Gauge(cluster.master().pid)
        times = sorted(fleet.say("decline", args.agents)[0] for _ in range(10))
        found = metrics(cluster.master())
        for name, key in (("p50", "p50"), ("p90", "p90"), ("longest", "max")):
            show("offers_cycle_" + name, found["allocator/mesos/allocation_run_ms/" + key], "ms")
        show("offers_round_p50", times[len(times) // 2], "ms")
        show("offers_round_max", times[-1], "ms")
        show("offers_cpu", 1000 * gauge.cpu_s() / len(times), "ms/round")
        fleet.say("leave")


def tasks(args):
    with registered(args) as (cluster, fleet):
        fleet.say("subscribe", 4, 2)
        fleet.say("offers", args.agents)
        gauge = Gauge(cluster.master().pid)
        n_all = 0
        show("tasks_rss_start", gauge.memory_mb("VmRSS"), "MB")
        for half in (1, 2):
            n, took_ms, p50_ms, p99_ms = fleet.say("launch", args.seconds * 500, IN_FLIGHT, 10)
            n_all += n
            show("tasks_rss_half_%d" % half, gauge.memory_mb("VmRSS"), "MB")
            show("tasks_rate_half_%d" % half, 1000 * n / took_ms, "tasks/s", 0)
        show("tasks_latency_p50", p50_ms, "ms")
        show("tasks_latency_p99", p99_ms, "ms")
        show("tasks_cpu", 1000000 * gauge.cpu_s() / n_all, "us/task")
        fleet.say("hold", args.gc_interval * 1000 + 500)
        show("tasks_rss_after_gc", gauge.memory_mb("VmRSS"), "MB")
        fleet.say("leave")


PARTS = (floor, known, stampede, unknown, failover, idle, offers, tasks)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=10000)
    parser.add_argument("--tasks", type=int, default=10)
    parser.add_argument("--frameworks", type=int, default=5)
    parser.add_argument("--schedulers", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--gc-interval", type=int, default=10, metavar="S", help="of the master")
    parser.add_argument("part", nargs="*", metavar="PART", choices=[[], *(p.__name__ for p in PARTS)])
    args = parser.parse_args()
    harness.become_reaper()
    for part in PARTS:
        if args.part and part.__name__ not in args.part:
            continue
        part(args)


if __name__ == "__main__":
    main()
