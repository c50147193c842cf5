#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What becomes of agents and tasks as time passes: each timer of the master, under a clock of ours."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from clock import Clock
from harness import Cluster, equal, http_get, main
from libprocess_agent import RUNNING, LibprocessAgent
from scheduler import Scheduler


def slaves(cluster):
    return http_get(cluster.master_addr, "/slaves").json()["slaves"]


def test_agent_that_does_not_answer_is_unreachable_after_75_seconds_and_not_before():
    with Clock() as clock, Cluster(n_agents=0, clock=clock) as cluster:
        with LibprocessAgent(cluster.master_addr, pongs=False) as agent, Scheduler(cluster.master_addr) as s:
            agent.register()
            s.launch([s.task("t", "true")])
            agent.wait_task("t")
            agent.update(s.framework_id, "t", RUNNING)
            s.wait_state("t", "TASK_RUNNING")
            clock.advance(74)
            equal(len(slaves(cluster)), 1, "agents after 74 s")
            clock.advance(2)
            status = s.wait_state("t", "TASK_UNREACHABLE")
            equal(status["message"], "health check timed out", "message")


if __name__ == "__main__":
    main()
