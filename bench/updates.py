#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many status updates a second an agent makes durable.

    updates.py [--updates N] [IN_FLIGHT...]

Runs bench/updates as a custom executor with 200 tasks: it keeps so many updates in flight and counts
the agent's acknowledgements. The scheduler acknowledges nothing, so that it is out of the way.
Prints durable_updates_K for each K in flight, in updates/s.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "lib"))
import harness
from harness import Cluster, wait_until
from scheduler import Scheduler

N_TASKS = 200


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=20000)
    parser.add_argument("in_flight", nargs="*", type=int, default=[1, 16, 128, 1000])
    args = parser.parse_args()
    harness.become_reaper()
    program = os.path.join(harness.BUILD_DIR, "bench", "updates")
    command = "exec %s %d %d %s" % (program, N_TASKS, args.updates, " ".join(map(str, args.in_flight)))
    with Cluster(resources="cpus:64;mem:65536;disk:1000") as cluster, \
            Scheduler(cluster.master_addr, "bench", acknowledge=lambda status: False) as s:
        executor = {"type": "CUSTOM", "executor_id": {"value": "reporter"}, "framework_id": {"value": s.framework_id},
                    "command": {"value": command}, "resources": s.task("x", "true")["resources"]}
        s.launch([s.task("task-%03d" % i, None, cpus=0.01, mem=1, executor=executor) for i in range(N_TASKS)])

        def lines():
            try:
                return cluster.read_sandbox("reporter").splitlines()
            except (OSError, harness.Failure):    # not started yet
                return []

        wait_until(lambda: len(lines()) == len(args.in_flight), "all rounds are done", 300, 0.1)
        for line in lines():
            print("durable_updates_%s %s updates/s" % tuple(line.split()))


if __name__ == "__main__":
    main()
