#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Launch latency, launches per second and memory of a cluster; prints lines NAME VALUE UNIT.

    launch.py [--prefix=P] [--launcher=posix|linux] [--isolation=LIST] [--scope=container|agent]
              [--latency=N] [--rate=N] [--hold=N] [--destroy=N]

Latency is from the ACCEPT's first byte to the TASK_RUNNING event, one task at a time. The rate is of
`true` tasks in ACCEPTs of 100, from the first ACCEPT to the last TASK_FINISHED, each update being
acknowledged; the client is Python and shares the machine's cores. Memory is PSS: idle, and per task of
--hold sleeping ones. Destroying is from the first KILL of --destroy sleeping tasks to the end of the last
launcher, which is after the last TASK_KILLED and the last cgroup. Inside tests/systemd/boot the services are measured instead of a cluster of our own.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "lib"))
import harness    # noqa: E402
import interface    # noqa: E402
from harness import Cluster, children_named, descendants, wait_until    # noqa: E402
from scheduler import TERMINAL, Scheduler    # noqa: E402

RESOURCES = "cpus:64;mem:65536;disk:65536;ports:[31000-32000]"


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def pss_kib(pid):
    try:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def measure_latency(s, n, prefix="latency"):
    """Seconds to TASK_RUNNING and to TASK_FINISHED of n tasks, one after the other."""
    running, finished = [], []
    for i in range(n):
        name = "%s-%04d" % (prefix, i)
        offer = s.wait_offer()
        before = len(s.events)
        start = time.monotonic()
        s.launch([s.task(name, "true")], offer)
        s.wait_terminal(name)
        times = {e["update"]["status"]["state"]: t for t, e in s.events[before:] if e["type"] == "UPDATE"}
        running.append(times["TASK_RUNNING"] - start)
        finished.append(times["TASK_FINISHED"] - start)
    return running, finished


def measure_rate(s, n, per_accept=100):
    def n_finished():
        return sum(1 for x in s.statuses[first:] if x["state"] == "TASK_FINISHED")

    def n_failed():
        return sum(1 for x in s.statuses[first:] if x["state"] in TERMINAL and x["state"] != "TASK_FINISHED")

    first = len(s.statuses)
    start = time.monotonic()
    for begin in range(0, n, per_accept):
        s.launch([s.task("rate-%05d" % i, "true", cpus=0.05, mem=32) for i in range(begin, min(begin + per_accept, n))])
    s.wait_until(lambda: len(s.statuses) - first >= 3 * n or n_failed() > 0, "%d tasks end" % n, timeout=300)
    harness.equal((n_finished(), n_failed()), (n, 0), "tasks finished and otherwise ended")
    return n / (time.monotonic() - start)


def measure_held(s, n, pids_of):
    """KiB of PSS of the launchers and executors of n sleeping tasks, per task."""
    names = ["hold-%03d" % i for i in range(n)]
    s.launch([s.task(name, "exec sleep 1000") for name in names])
    for name in names:
        s.wait_state(name, "TASK_RUNNING", timeout=60)
    found = {name: [pss_kib(pid) for pid in pids_of(name)] for name in ("holdfast-launcher", "holdfast-executor")}
    for name in names:
        s.kill(name)
    for name in names:
        s.wait_terminal(name, timeout=60)
    return {name: sum(values) / n for name, values in found.items()}


def measure_destroy(s, n, pids_of):
    """Seconds in which n containers are gone."""
    names = ["destroy-%03d" % i for i in range(n)]
    s.launch([s.task(name, "exec sleep 1000", cpus=0.05, mem=32) for name in names])
    for name in names:
        s.wait_state(name, "TASK_RUNNING", timeout=120)
    start = time.monotonic()
    for name in names:
        s.kill(name)
    for name in names:
        s.wait_terminal(name, timeout=120)
    wait_until(lambda: not [pid for pid in pids_of("holdfast-launcher") if not is_keeper(pid)], "the last launcher ends",
               timeout=120)
    return time.monotonic() - start


def is_keeper(pid):
    return "--keep" in harness.cmdline(pid)


def report(prefix, master_addr, daemons, pids_of, args):
    def say(name, value, unit):
        print("%s%s %s %s" % (prefix, name, value, unit), flush=True)

    for name, pid in daemons.items():
        say("idle_pss_" + name, pss_kib(pid), "KiB")
    with Scheduler(master_addr, "bench") as s:
        measure_latency(s, 5, "warm")
        running, finished = measure_latency(s, args.latency)
        for what, values in (("running", running), ("finished", finished)):
            for percent in (50, 99):
                say("launch_to_%s_p%d" % (what, percent), "%.2f" % (1000 * percentile(values, percent)), "ms")
        say("launch_rate", "%.1f" % measure_rate(s, args.rate), "launches/s")
        if args.hold:
            for name, kib in measure_held(s, args.hold, pids_of).items():
                say("pss_per_task_" + name.removeprefix("holdfast-"), "%.0f" % kib, "KiB")
        if args.destroy:
            say("destroy_%d" % args.destroy, "%.2f" % measure_destroy(s, args.destroy, pids_of), "s")
    for name, pid in daemons.items():
        say("pss_afterwards_" + name, pss_kib(pid), "KiB")


def system_pids(name):
    """Pids by name, anywhere: inside boot every process is ours."""
    found = []
    for pid in (p for p in os.listdir("/proc") if p.isdigit()):
        with contextlib.suppress(OSError), open("/proc/%s/comm" % pid) as f:
            if f.read().strip() == name[:15]:
                found.append(int(pid))
    return found


def refuse_early(agent, args):
    """Exits with the reason where the agent would not start with this isolation; a dry run of nothing tells."""
    with harness.temporary_directory() as directory:
        done = subprocess.run([agent, "--master=127.0.0.1:1", "--ip=127.0.0.1", "--no-hostname_lookup",
                               "--no-systemd_enable_support", "--launcher=" + args.launcher, "--work_dir=" + directory,
                               "--isolation=" + args.isolation, "--http_executor_domain_sockets", "--dry-run=/dev/null"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    for line in done.stderr.splitlines():
        if "--isolation=" in line:
            print("# %s: not here: %s" % (args.prefix.rstrip("_"), line.split("--isolation=")[-1]))
            sys.exit(0)


def enter_own_network():
    """The bridge is then nobody else's. What is not there for long need not be taken away."""
    if not os.environ.get("HOLDFAST_BENCH_NETWORK"):
        os.environ["HOLDFAST_BENCH_NETWORK"] = "1"
        os.execvp("unshare", ["unshare", "--net", "--", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    interface.up("lo")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefix", default="")
    parser.add_argument("--launcher", default="posix")
    parser.add_argument("--isolation", default="process")
    parser.add_argument("--scope", default="container")
    parser.add_argument("--destroy", type=int, default=0)
    parser.add_argument("--latency", type=int, default=200)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--hold", type=int, default=50)
    args = parser.parse_args()
    if os.environ.get("HOLDFAST_IN_SYSTEMD"):
        from systemd import AGENT, MASTER, Host, show, systemctl
        # An agent that does not start is started again, for ever: a refusal is found out beforehand.
        refuse_early(harness.program("holdfast-agent"), args)
        with Host(MESOS_ISOLATION=args.isolation, MESOS_SYSTEMD_SCOPE=args.scope,
                  MESOS_HTTP_EXECUTOR_DOMAIN_SOCKETS=str("network/bridge" in args.isolation).lower()) as host:
            daemons = {"master": int(show(MASTER, "MainPID")), "agent": int(show(AGENT, "MainPID"))}
            report(args.prefix, host.master_addr, daemons, system_pids, args)
            if args.scope == "agent":
                systemctl("stop", "holdfast-containers.scope")
        return
    agent_flags = ["--isolation=" + args.isolation]
    if "network/bridge" in args.isolation:
        enter_own_network()
        agent_flags.append("--http_executor_domain_sockets")
    harness.become_reaper()
    refuse_early(harness.program("holdfast-agent"), args)
    try:
        with Cluster(resources=RESOURCES, launcher=args.launcher, agent_flags=agent_flags) as cluster:
            wait_until(lambda: len(descendants()) >= 2, "the daemons run")
            daemons = {"master": cluster.master().pid, "agent": cluster.agent().pid}
            report(args.prefix, cluster.master_addr, daemons, children_named, args)
    except harness.Skip as e:
        print("launch.py: %s" % e, file=sys.stderr)
        sys.exit(77)


if __name__ == "__main__":
    main()
