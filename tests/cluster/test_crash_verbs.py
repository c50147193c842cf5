#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A master that dies at any durable step of an operator's verb has either done it or not, and the next one goes on.

A first run counts the points it passes; then there is one run for each, in which the master dies there.
HOLDFAST_TEST_POINT=NAME:N runs only that one.
"""

import http.client
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from crash import placement, read_points, visit_all    # noqa: E402
from harness import TIMEOUT_SCALE, Cluster, Failure, check, equal, is_healthy, main, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from verbs import Operator, ident, machine, window    # noqa: E402

PATIENCE_S = 30


class Story:
    """A cluster whose master may die at any moment, and is started again when it does."""

    def __init__(self, at):
        self.cluster = Cluster(launcher=placement())
        self.master = self.cluster.master()
        self.agent = self.cluster.agent()
        self.operator = Operator(self.cluster.master_addr)
        self.s = Scheduler(self.cluster.master_addr)
        self.agent_id = self.cluster.active_agents()[0]["id"]
        self.host = machine(self.operator.slave(self.agent_id)["hostname"], "127.0.0.1")
        self.n_deaths = 0
        self._at = at
        self._leaving = threading.Event()
        self._keeper = None

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self._leaving.set()
        if self._keeper:
            self._keeper.join()
        self.s.disconnect()
        return self.cluster.__exit__(*why)

    def begin(self):
        """From here on it dies where it is to."""
        env = {"HOLDFAST_CRASH_PROGRAM": "holdfast-master", "HOLDFAST_CRASH_LOG": self.cluster.work_path("points")}
        if self._at:
            env["HOLDFAST_CRASH_AT"] = self._at
        self.master.kill9()
        self.master.start(wait_ready=False, env=env)
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def _keep(self):
        while not self._leaving.wait(0.005):
            if not self.master.is_running():
                self.n_deaths += 1
                self.master.start(wait_ready=False)

    def points(self):
        return read_points(self.cluster.work_path("points"))

    def insist(self, what, attempt):
        """Until it returns something true, over whatever number of masters; the framework follows them."""
        deadline = time.monotonic() + PATIENCE_S * TIMEOUT_SCALE
        while True:
            try:
                if is_healthy(self.cluster.master_addr):
                    if not self.s._connected:
                        self.s.subscribe()
                    value = attempt()
                    if value:
                        return value
            except (OSError, ValueError, Failure, http.client.HTTPException):
                pass    # it is between two lives
            check(time.monotonic() < deadline, "%s: not within %d s" % (what, PATIENCE_S))
            time.sleep(0.02)

    def do(self, kind, done, **fields):
        """A verb; a master that died may have carried it out and not said so: then the next one says `done`."""
        def attempt():
            answer = self.operator.call(kind, **fields)
            check(answer.status in (200, 503) or (self.n_deaths and answer.status == 400 and done in answer.text),
                  "%s: %r" % (kind, answer))
            return answer.status != 503
        self.insist(kind, attempt)

    def wait_drain_state(self, state):
        self.insist("the agent is " + state, lambda: self.operator.drain_state(self.agent_id) == state)

    def has_ended(self, task_id, state):
        return state in self.s.states(task_id)


def verbs(job):
    _, at = job
    with Story(at) as story:
        s, agent_id = story.s, ident(story.agent_id)
        s.launch([s.task(task_id, "exec sleep 1000") for task_id in ("t1", "t2")])
        for task_id in ("t1", "t2"):
            s.wait_state(task_id, "TASK_RUNNING")
        story.begin()

        story.do("DRAIN_AGENT", "nothing", agent_id=agent_id, max_grace_period={"seconds": 1})
        for task_id in ("t1", "t2"):
            story.insist(task_id + " is killed", lambda t=task_id: story.has_ended(t, "TASK_KILLED"))
        story.wait_drain_state("DRAINED")
        story.do("REACTIVATE_AGENT", "Agent is not deactivated", agent_id=agent_id)
        story.insist("the agent is active", lambda: (story.operator.slave(story.agent_id) or {}).get("active"))

        story.do("UPDATE_MAINTENANCE_SCHEDULE", "nothing", schedule={"windows": [window(story.host)]})
        story.do("START_MAINTENANCE", "is not in DRAINING mode", machines=[story.host])
        wait_until(lambda: not story.agent.is_running(), "the agent is sent away", PATIENCE_S)
        story.insist("it is removed", lambda: not story.operator.slave(story.agent_id)
                     and not story.operator.recovered_slave(story.agent_id))
        equal(story.insist("the status", story.operator.maintenance_status), {"down_machines": [story.host]}, "status")
        story.do("STOP_MAINTENANCE", "is not part of a maintenance schedule", machines=[story.host])
        story.agent.start()
        story.insist("there is an agent", lambda: story.cluster.active_agents())
        for task_id in ("t1", "t2"):
            equal([x for x in s.states(task_id) if x not in ("TASK_STARTING", "TASK_RUNNING", "TASK_KILLING")],
                  ["TASK_KILLED"], "ends of %s" % task_id)
        return story.n_deaths, ["as it should be"], story.points()


def test_master_dies_at_each_durable_step_of_operators_verbs():
    # Each question of ours is answered over HTTP: those points are not the verbs'.
    visit_all("verbs", verbs, lambda name: not name.startswith("http-"))


if __name__ == "__main__":
    main()
