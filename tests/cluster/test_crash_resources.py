#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The agent, or its helper, dies wherever it can while a master reserves, makes volumes, drains and takes all back."""

import http.client
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Failure, check, equal, main, wait_until    # noqa: E402
from crash import PATIENCE_S, placement, read_points, visit_all    # noqa: E402
from libprocess_master import Stand, create, destroy, reserve, scalar, task_info, unreserve    # noqa: E402

REASON_AGENT_DRAINING = 34
DISK = scalar("disk", 100, "ops", allocated="ops")
VOLUME = scalar("disk", 100, "ops", volume=("v1", "data"), allocated="ops")
CPUS = scalar("cpus", 0.1, allocated="ops")

# The other names are visited by tasks of all kinds in test_crash_points.py.
NAMES = ("resources-", "operation-", "drain", "volume-", "store-commit", "register", "registration-", "updates-resumed",
         "state-loaded", "recovered")


class Story(Stand):
    def __init__(self):
        super().__init__(launcher=placement())
        self.master.acknowledge_operations = True
        self.n_deaths = 0
        self.n_tasks = 0
        self.next_life = None        # the environment of the agent that follows the first

    def points(self):
        return read_points(self.cluster.work_path("points"))

    def begin(self, program_name, at, first_at=None):
        """The agent dies at `at`, or at first_at, and the one that follows it at `at`."""
        env = {"HOLDFAST_CRASH_PROGRAM": program_name, "HOLDFAST_CRASH_LOG": self.cluster.work_path("points")}
        env = {**env, "HOLDFAST_CRASH_AT": at} if at else env
        if first_at:
            self.next_life = env
            env = {"HOLDFAST_CRASH_PROGRAM": program_name, "HOLDFAST_CRASH_AT": first_at}
        self.agent.start(wait_ready=False, env=env)

    def keep(self):
        """A dead agent is followed by one that lives."""
        if not self.agent.is_running():
            self.n_deaths += 1
            self.master.forget_connection()
            self.n_updates = self.master.count("UpdateSlaveMessage")
            self.agent.start(wait_ready=False, env=self.next_life)
            self.next_life = None

    def now(self):
        """The agent's state while it is registered, and the master knows."""
        if self.master.count("UpdateSlaveMessage") == self.n_updates:
            return {}
        try:
            state = self.state()
        except (OSError, ValueError, http.client.HTTPException):
            return {}
        return state if "master_hostname" in state else {}

    def wait(self, predicate, what):
        def attempt():
            self.keep()
            return predicate()
        return wait_until(attempt, what, PATIENCE_S)

    def told(self, uuid):
        return next((o.state for o in self.master.operations if o.operation_uuid == uuid), None)

    def do(self, what, operation, reached):
        """Again until it has happened, if the agent dies before it has heard of it."""
        for _ in range(5):
            state = self.wait(self.now, "the agent is registered before " + what)
            if reached(state):
                return
            n_deaths = self.n_deaths
            uuid = self.master.apply(operation)
            self.wait(lambda u=uuid, n=n_deaths: self.told(u) or self.n_deaths != n, "an answer to " + what)
            if self.told(uuid) == "OPERATION_FINISHED":
                state = self.wait(self.now, "the agent is registered after " + what)
                check(reached(state), "%s was said to be finished: %s" % (what, state["reserved_resources_full"]))
            elif self.told(uuid) == "OPERATION_DROPPED":
                self.agent.kill9()    # its helper died, and the next one would
        raise Failure("%s was never done" % what)

    def run_on_volume(self):
        """A task that runs; its id."""
        for _ in range(5):
            self.wait(self.now, "the agent is registered before a task")
            self.n_tasks += 1
            task_id, n_deaths = "task-%d" % self.n_tasks, self.n_deaths
            self.master.run(task_info(task_id, "echo kept >>data/file; exec sleep 1000", CPUS, VOLUME))
            self.wait(lambda t=task_id, n=n_deaths: "TASK_RUNNING" in self.master.states(t) or self.n_deaths != n,
                      "%s runs" % task_id)
            self.wait(lambda t=task_id: self.is_known(t) is not None, "%s is known, or not" % task_id)
            if self.is_known(task_id):
                self.wait(lambda t=task_id: {"TASK_RUNNING", "TASK_DROPPED", "TASK_FAILED"} & set(self.master.states(t)),
                          "%s runs after all" % task_id)
            if self.master.states(task_id)[-1:] == ["TASK_RUNNING"]:
                self.wait(lambda: os.path.exists(os.path.join(self.volume("v1"), "file")), "%s writes" % task_id)
                return task_id
        raise Failure("no task runs")

    def is_known(self, task_id):
        state = self.now()
        if not state:
            return None
        tasks = [t["id"] for f in state["frameworks"] for e in f["executors"]
                 for kind in ("tasks", "queued_tasks", "completed_tasks") for t in e[kind]]
        return task_id in tasks

    def drain(self, task_id):
        """The command comes again only for an agent that has forgotten it, which is less than masters do."""
        n_deaths = None
        def drained():
            nonlocal n_deaths
            state = self.now()
            if (state and n_deaths != self.n_deaths and "drain_config" not in state
                    and "TASK_KILLED" not in self.master.states(task_id)):
                n_deaths = self.n_deaths
                self.master.drain(max_grace_s=1)
                return False
            return state and "TASK_KILLED" in self.master.states(task_id) and "drain_config" not in state
        self.wait(drained, "the agent is drained")


def full(state):
    return state["reserved_resources_full"].get("ops", [])


def has_volume(state):
    return any("disk" in r for r in full(state))


def judge(story, task_id):
    killed, = [s for s in story.master.statuses if s.task_id == task_id and s.state == "TASK_KILLED"]
    equal(killed.reason, REASON_AGENT_DRAINING, "reason of %s" % killed)
    outcomes = {}
    for o in story.master.operations:
        if o.uuid:
            equal(outcomes.setdefault(o.operation_uuid, (o.uuid, o.state)), (o.uuid, o.state), "outcome of an operation")


def whole_story(program_name, job, first_at=None):
    with Story() as story:
        story.begin(program_name, job[1], first_at)
        story.do("RESERVE", reserve(DISK), full)
        story.do("CREATE", create(VOLUME), has_volume)
        check(os.path.isdir(story.volume("v1")), "no directory for the volume")
        task_id = story.run_on_volume()
        story.drain(task_id)
        with open(os.path.join(story.volume("v1"), "file")) as f:
            check("kept\n" in f.readlines(), "what the task wrote is lost")
        story.do("DESTROY", destroy(VOLUME), lambda state: not has_volume(state))
        check(not os.path.exists(story.volume("v1")), "the volume is still there")
        story.do("UNRESERVE", unreserve(DISK), lambda state: not full(state))
        judge(story, task_id)
        story.wait(lambda: story.now() and not story.operations(), "everything is acknowledged")
        points, n_deaths = story.points(), story.n_deaths
        story.wait(lambda: story.now() and story.restart_agent(), "it starts once more")
        equal(full(story.state()), [], "reserved after one more life")
        return n_deaths - (first_at is not None), ["drained"], points


def agent_dies(job):
    return whole_story("holdfast-agent", job)


def agent_dies_making_a_volume_again(job):
    return whole_story("holdfast-agent", job, "resources-staged:1")


def agent_dies_removing_a_volume_again(job):
    return whole_story("holdfast-agent", job, "resources-staged:2")


def agent_dies_draining_again(job):
    return whole_story("holdfast-agent", job, "drain-durable:1")


def worker_dies(job):
    return whole_story("holdfast-worker", job)


def test_agent_may_die_at_any_point_of_what_is_done_to_its_resources():
    visit_all("resources", agent_dies, lambda name: name.startswith(NAMES))


def test_agent_that_was_cut_off_may_die_again():
    for title, function in (("made again", agent_dies_making_a_volume_again),
                            ("removed again", agent_dies_removing_a_volume_again),
                            ("drained again", agent_dies_draining_again)):
        visit_all(title, function, lambda name: name.startswith(NAMES))


def test_helper_may_die_at_any_point():
    visit_all("helper", worker_dies)


if __name__ == "__main__":
    main()
