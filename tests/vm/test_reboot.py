#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A machine that is rebooted, by a power cut and in order: what its agent has told stays true.

The reboot comes while tasks run and updates flow, and the same disk is booted again. What the agent had
told anybody must be on the disk then: the scheduler was outside, and compares.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import vm    # noqa: E402
from harness import SOURCE_DIR, check, equal    # noqa: E402
from scheduler import Scheduler    # noqa: E402

EXECUTOR = "exec python3 -B " + os.path.join(SOURCE_DIR, "tests", "lib", "executor.py")
N_POWER_CUTS = 3
N_FLOWN = 15


class Observer(Scheduler):
    """Acknowledges every update but the end of a quick task before the reboot, and knows what came when."""

    def __init__(self, addr):
        self.deaf = True
        self.received = []    # the uuid of each update that came, again when it came again
        super().__init__(addr, acknowledge=self._hear)

    def _hear(self, status):
        self.received.append(status["uuid"])
        is_end = status["task_id"]["value"].startswith("quick") and status["state"] == "TASK_FINISHED"
        return not (self.deaf and is_end)


class Story:
    """What happens before a reboot: a command, a custom executor, an end not acknowledged, a flow of updates."""

    def __init__(self, cluster, s):
        self.cluster, self.s = cluster, s
        self.agent_id = self.id_of_agent()

    def id_of_agent(self):
        return self.cluster.active_agents()[0]["id"]

    def begin(self, n=0):
        s = self.s
        s.deaf = True
        self.steady, self.quick, self.hold = "steady%d" % n, "quick%d" % n, "hold%d" % n
        self.flow = "count-100000%d" % n
        custom = [s.task(task_id, executor={"executor_id": {"value": task_id}, "type": "CUSTOM",
                                            "command": {"value": EXECUTOR}}) for task_id in (self.hold, self.flow)]
        s.launch([s.task(self.steady, "exec sleep 1000"), s.task(self.quick, "exit 0"), *custom])
        for task_id in (self.steady, self.hold):
            s.wait_state(task_id, "TASK_RUNNING", timeout=60)
        self.end = s.wait_state(self.quick, "TASK_FINISHED", timeout=60)
        s.wait_until(lambda: len(s.states(self.flow)) > N_FLOWN, "updates flow", timeout=60)

    def note_told(self):
        """To be called when nothing is told any more; from now on every end is acknowledged."""
        mine = (self.steady, self.quick, self.hold, self.flow)
        self.told = {s["uuid"] for s in self.s.statuses if s["task_id"]["value"] in mine and "uuid" in s}
        self.n_received = len(self.s.received)
        self.s.deaf = False

    def wait_ends(self):
        return {task_id: self.s.wait_terminal(task_id, timeout=60) for task_id in (self.steady, self.hold, self.flow)}

    def check_end_told_again(self):
        self.s.wait_until(lambda: self.end["uuid"] in self.s.received[self.n_received:], "the end is told again")
        equal(self.s.states(self.quick), ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"], "states of the quick task")

    def check_stored(self, stored):
        """All that was told had been written down; what was not acknowledged is told again, what was is not."""
        acknowledged = {u["update"]["uuid"]: u["acknowledged"] for u in stored["updates"]}
        equal(self.told - set(acknowledged), set(), "updates told but not stored")
        equal(acknowledged[self.end["uuid"]], False, "acknowledgement of the end of the quick task")
        again = self.told & set(self.s.received[self.n_received:])
        equal({uuid for uuid in again if acknowledged[uuid]}, set(), "updates told again although acknowledged")

    def check_flow(self):
        """The numbers of the flow are without gap and in order, and its end is the last that is told of it."""
        statuses = [s for s in self.s.statuses if s["task_id"]["value"] == self.flow]
        numbers = [int(s["message"]) for s in statuses if s["source"] == "SOURCE_EXECUTOR" and "message" in s]
        equal(numbers, list(range(1, len(numbers) + 1)), "numbers of the flow")
        check(len(numbers) >= N_FLOWN, "only %d numbers" % len(numbers))
        equal([s["state"] for s in statuses[:-1]], ["TASK_RUNNING"] * (len(numbers) + 1), "states before its end")


def test_power_cut_takes_back_nothing_that_was_told():
    with vm.cluster() as cluster, vm.Machine(cluster) as machine, Observer(cluster.master_addr) as s:
        story = Story(cluster, s)
        for n in range(N_POWER_CUTS):
            story.begin(n)
            machine.cut_power()
            story.note_told()
            machine.start()
            for task_id, end in story.wait_ends().items():
                equal((end["state"], end["source"], end["reason"]),
                      ("TASK_FAILED", "SOURCE_AGENT", "REASON_EXECUTOR_TERMINATED"), "end of " + task_id)
                check("Abnormal executor termination" in end["message"], "message is " + end["message"])
            story.check_end_told_again()
            story.check_stored(machine.stored())
            story.check_flow()
            equal(story.id_of_agent(), story.agent_id, "the agent's id")
        equal(s.run("after", "exit 0")["state"], "TASK_FINISHED", "state of a task after the last cut")


def test_reboot_in_order_ends_tasks_and_loses_no_update():
    with vm.cluster() as cluster, vm.Machine(cluster) as machine, Observer(cluster.master_addr) as s:
        story = Story(cluster, s)
        story.begin()
        story.note_told()
        machine.reboot()
        check("reboot: Restarting system" in machine.console(), "the machine was not rebooted in order")
        # The agent goes last, so nobody has to wait for it in vain until time is up.
        check("killing the container" not in machine.console(), "a container was not done when its time was up")
        ends = {task_id: (end["state"], end["source"]) for task_id, end in story.wait_ends().items()}
        equal(ends, {story.steady: ("TASK_KILLED", "SOURCE_EXECUTOR"), story.hold: ("TASK_FAILED", "SOURCE_AGENT"),
                     story.flow: ("TASK_FAILED", "SOURCE_AGENT")}, "ends")
        story.check_end_told_again()
        story.check_flow()
        equal(story.id_of_agent(), story.agent_id, "the agent's id")
        equal(s.run("after", "exit 0")["state"], "TASK_FINISHED", "state of a task after the reboot")


if __name__ == "__main__":
    vm.main_outside()
