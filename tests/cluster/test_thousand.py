#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many short tasks: all end, each once, nothing is left, and others are served meanwhile."""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import SOURCE_DIR, Cluster, check, equal, main, n_open_fds, skip, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402

RESOURCES = "cpus:64;mem:65536;disk:65536;ports:[31000-32000]"
N_TASKS = 1000
PER_ACCEPT = 100


def launch_all(s):
    names = ["t%04d" % n for n in range(N_TASKS)]
    for start in range(0, N_TASKS, PER_ACCEPT):
        s.launch([s.task(name, "true") for name in names[start:start + PER_ACCEPT]])
    s.wait_until(lambda: sum(x["state"] == "TASK_FINISHED" for x in s.statuses) >= N_TASKS,
                 "%d tasks finish" % N_TASKS, timeout=240)
    return names


def longest_silence(events, kind, begin, end):
    times = [begin, *(t for t, e in events if e["type"] == kind and begin <= t <= end), end]
    return max(b - a for a, b in zip(times, times[1:]))


def thousand_tasks(launcher):
    with Cluster(resources=RESOURCES, launcher=launcher) as cluster:
        daemons = [cluster.master(), cluster.agent()]
        with Scheduler(cluster.master_addr, "onlooker", {"roles": ["other"]}) as other, \
                Scheduler(cluster.master_addr) as s:
            other.decline([other.wait_offer()], refuse_seconds=3600)
            # One task first: what is opened once and for all is not a leak.
            s.run("first", "true")
            cluster.check_no_containers()
            fds = {d.name: n_open_fds(d.pid) for d in daemons}
            begin = time.monotonic()
            names = launch_all(s)
            end = time.monotonic()
            print("%s: %d tasks in %.1f s, %.0f/s" % (launcher, N_TASKS, end - begin, N_TASKS / (end - begin)))
            for name in names:
                equal(s.states(name), ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"], "states of " + name)
            # A heartbeat is due every 15 s.
            silence = longest_silence(other.events, "HEARTBEAT", begin, end)
            check(silence < 17, "the other framework heard nothing for %.1f s" % silence)
            cluster.check_no_containers()
            for d in daemons:
                # The scheduler's threads keep a connection each.
                wait_until(lambda d=d: n_open_fds(d.pid) <= fds[d.name] + 2,
                           "open fds of %s go back from %d to %d" % (d.name, n_open_fds(d.pid), fds[d.name]))


def test_thousand_tasks_without_cgroups():
    thousand_tasks("posix")


def test_thousand_tasks_in_cgroups_of_their_own():
    thousand_tasks("linux")


def test_load_client_of_others_agrees():
    client = os.path.join(SOURCE_DIR, "..", "shared", "conformance", "sched.py")
    if not os.path.exists(client):
        skip("the conformance kit is not at hand")
    with Cluster(resources=RESOURCES) as cluster:
        result = subprocess.run(
            [sys.executable, client, "--master=%s:%d" % cluster.master_addr, "--tasks=%d" % N_TASKS,
             "--per-accept=%d" % PER_ACCEPT, "--checkpoint", "--timeout=240"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        print(result.stdout, end="")
        equal(result.returncode, 0, "exit status of the client")
        for line in ("final_TASK_FINISHED %d tasks" % N_TASKS, "lost 0 tasks", "out_of_order 0 updates",
                     "duplicates_after_dedup 0 updates"):
            check(line in result.stdout, "the client does not say %r" % line)


if __name__ == "__main__":
    main()
