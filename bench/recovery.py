#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long an agent takes to find its executors again.

    recovery.py [--executors N] [--rounds K]

Starts N sleeping command tasks, then K times: kill -9 of the agent, exec of a new one, and the time
from that exec until the master has it registered again. By then every executor has been heard of.
Prints recovery_N_p50 and recovery_N_max in ms, and what the agent itself says of its recovery.
"""

import argparse
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "lib"))
import harness
from harness import Cluster, wait_until
from scheduler import Scheduler

PER_ACCEPT = 50


def start_tasks(s, n):
    for begin in range(0, n, PER_ACCEPT):
        names = ["held-%05d" % i for i in range(begin, min(begin + PER_ACCEPT, n))]
        s.launch([s.task(name, "exec sleep 10000", cpus=0.001, mem=1) for name in names])
        for name in names:
            s.wait_state(name, "TASK_RUNNING", timeout=120)


def recover_once(agent):
    seen = agent.log().count("Registered with master")
    agent.kill9()
    start = time.monotonic()
    agent.start(wait_ready=False)
    wait_until(lambda: agent.log().count("Registered with master") > seen, "the agent registers again", 60, 0.002)
    return 1000 * (time.monotonic() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executors", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    harness.become_reaper()
    with Cluster(resources="cpus:64;mem:65536;disk:1000") as cluster, Scheduler(cluster.master_addr, "bench") as s:
        agent = cluster.agent()
        start_tasks(s, args.executors)
        times = sorted(recover_once(agent) for _ in range(args.rounds))
        own = [float(x) for x in re.findall(r"Recovery is complete after ([0-9.]+) s", agent.log())[1:]]
        lost = [x["state"] for x in s.statuses if x["state"] not in ("TASK_STARTING", "TASK_RUNNING")]
        harness.equal(lost, [], "states other than running")
        print("recovery_%d_p50 %.0f ms" % (args.executors, times[len(times) // 2]))
        print("recovery_%d_max %.0f ms" % (args.executors, times[-1]))
        print("recovery_%d_own_p50 %.0f ms" % (args.executors, 1000 * sorted(own)[len(own) // 2]))


if __name__ == "__main__":
    main()
