#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A host that was rebooted: nothing of the former boot lives, what it left to say is said.

The agent runs in a mount namespace of its own that shows it another boot id. The reboot is what a power
cut is to processes: SIGKILL to all of them at once, and the runtime directory is empty afterwards.
"""

import os
import shutil
import signal
import sys
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, check, descendants, equal, main, skip    # noqa: E402
from scheduler import Scheduler    # noqa: E402

BOOT_ID = "/proc/sys/kernel/random/boot_id"
IN_NAMESPACE = 'mount --bind "$1" %s && shift && exec "$@"' % BOOT_ID


class Host:
    """The first agent of a cluster on a machine that can be rebooted."""

    def __init__(self, cluster):
        if os.geteuid() != 0:
            skip("another boot id takes a mount namespace, and that takes root")
        self.cluster = cluster
        self.agent = cluster.agent()
        self.boot_id = cluster.work_path("boot_id")
        self._plug_in()
        self.agent.argv = ["unshare", "--mount", "--propagation=private", "sh", "-c", IN_NAMESPACE, "sh",
                           self.boot_id] + self.agent.argv

    def _plug_in(self):
        with open(self.boot_id, "w") as f:
            f.write(str(uuid.uuid4()) + "\n")

    def reboot(self):
        keep = {m.pid for m in self.cluster.masters}
        for pid in set(descendants()) - keep:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass    # its launcher took it along
        self.agent.process.wait()
        shutil.rmtree(self.cluster.work_path("agent-run"), ignore_errors=True)
        self._plug_in()
        self.agent.start()
        self.cluster.wait_reregistered(self.agent)


def agent_id(cluster):
    return cluster.active_agents()[0]["id"]


def test_running_tasks_are_told_to_have_ended_and_nobody_makes_a_status_up():
    with Cluster(start=False) as cluster:
        host = Host(cluster)
        cluster.start()
        with Scheduler(cluster.master_addr) as s:
            before = agent_id(cluster)
            s.launch([s.task("steady", "exec sleep 1000")])
            s.wait_state("steady", "TASK_RUNNING")
            host.reboot()
            status = s.wait_terminal("steady")
            equal(status["state"], "TASK_FAILED", "state")
            equal(status["source"], "SOURCE_AGENT", "source")
            equal(status["reason"], "REASON_EXECUTOR_TERMINATED", "reason")
            check("Abnormal executor termination" in status["message"], "message is " + status["message"])
            equal(agent_id(cluster), before, "the agent's id")
            equal(s.states("steady"), ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"], "states")


def test_updates_that_were_not_acknowledged_before_the_reboot_still_arrive():
    with Cluster(start=False) as cluster:
        host = Host(cluster)
        cluster.start()
        deaf = {"yes": True}
        with Scheduler(cluster.master_addr, acknowledge=lambda status: not deaf["yes"]) as s:
            s.launch([s.task("quick", "exit 7")])
            first = s.wait_state("quick", "TASK_STARTING")
            deaf["yes"] = False
            host.reboot()
            status = s.wait_terminal("quick")
            equal(s.states("quick")[0], "TASK_STARTING", "first state")
            equal(s.statuses[0]["uuid"], first["uuid"], "uuid of the first update")
            check(s.n_resent >= 1, "the first update was not sent again")
            check(status["state"] == "TASK_FAILED", "state is " + status["state"])


def test_tasks_run_on_the_rebooted_host():
    with Cluster(start=False) as cluster:
        host = Host(cluster)
        cluster.start()
        with Scheduler(cluster.master_addr) as s:
            host.reboot()
            equal(s.run("after", "exit 0")["state"], "TASK_FINISHED", "state")


if __name__ == "__main__":
    main()
