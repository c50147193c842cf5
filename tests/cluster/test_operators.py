#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Operators' verbs on a real agent: what becomes of its tasks, whoever dies meanwhile."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import TIMEOUT_SCALE, Cluster, check, equal, main, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from verbs import Operator, ident, machine, window    # noqa: E402

STUBBORN = "trap '' TERM; touch %s; while true; do sleep 0.1; done"
DRAINING = "REASON_AGENT_DRAINING"


class Scene:
    def __init__(self):
        self.cluster = Cluster()
        self.operator = Operator(self.cluster.master_addr)
        self.s = Scheduler(self.cluster.master_addr)
        self.agent_id = self.cluster.active_agents()[0]["id"]

    def __enter__(self):
        return self

    def __exit__(self, kind, *why):
        self.s.__exit__(kind, *why)
        return self.cluster.__exit__(kind, *why)

    def launch_stubborn(self, task_id, grace_s=600):
        """A task that does not hear SIGTERM and may take its time."""
        ready = self.cluster.work_path(task_id + ".ready")
        policy = {"grace_period": {"nanoseconds": int(grace_s * 1e9)}}
        self.s.launch([self.s.task(task_id, STUBBORN % ready, kill_policy=policy)])
        self.s.wait_state(task_id, "TASK_RUNNING")
        wait_until(lambda: os.path.exists(ready), "%s traps SIGTERM" % task_id)

    def launch_meek(self, *task_ids):
        self.s.launch([self.s.task(task_id, "exec sleep 1000") for task_id in task_ids])
        for task_id in task_ids:
            self.s.wait_state(task_id, "TASK_RUNNING")

    def drain(self, **fields):
        self.operator.drain(self.agent_id, **fields)

    def wait_drained(self):
        self.operator.wait_drain_state(self.agent_id, "DRAINED")

    def check_killed(self, *task_ids, state="TASK_KILLED"):
        """By the drain, and once."""
        for task_id in task_ids:
            status = self.s.wait_state(task_id, state)
            equal(status["reason"], DRAINING, "reason of %s" % task_id)
            equal(self.s.states(task_id).count(state), 1, "ends of %s" % task_id)

    def restart_master(self):
        self.cluster.master().kill9()
        self.cluster.master().start()
        self.s.subscribe()

    def restart_agent(self):
        self.cluster.agent().kill9()
        self.cluster.agent().start()


def test_drain_kills_with_its_reason_and_no_more_grace_than_the_operator_gives():
    with Scene() as scene:
        scene.launch_meek("meek")
        scene.launch_stubborn("stubborn")
        start = time.monotonic()
        scene.drain(max_grace_period={"seconds": 0, "nanos": 500000000})
        scene.check_killed("meek", "stubborn")
        took = time.monotonic() - start
        check(0.4 < took < 5 * TIMEOUT_SCALE, "grace of 0.5 s took %.1f s" % took)
        scene.wait_drained()
        scene.cluster.check_no_containers()
        scene.operator.reactivate(scene.agent_id)
        equal(scene.s.run("later", "true")["state"], "TASK_FINISHED", "a task after that")


def test_deactivated_agent_goes_on_with_its_tasks_through_restarts_of_both():
    with Scene() as scene:
        scene.launch_meek("stays")
        scene.operator.deactivate(scene.agent_id)
        scene.restart_agent()
        wait_until(lambda: (scene.operator.slave(scene.agent_id) or {}).get("reregistered_time"), "the agent is back")
        scene.restart_master()
        wait_until(lambda: scene.operator.slave(scene.agent_id), "the agent is back")
        slave = scene.operator.slave(scene.agent_id)
        equal((slave["active"], slave["deactivated"]), (False, True), "agent")
        equal(set(scene.s.states("stays")) & {"TASK_KILLED", "TASK_LOST", "TASK_FAILED"}, set(), "ends")
        scene.operator.reactivate(scene.agent_id)
        scene.operator.wait_active(scene.agent_id)
        equal(scene.s.run("later", "true")["state"], "TASK_FINISHED", "a task after that")


def test_agent_that_is_to_be_gone_tells_that_of_its_tasks_and_leaves_for_good():
    with Scene() as scene:
        scene.launch_meek("t1", "t2")
        scene.drain(mark_gone=True)
        scene.check_killed("t1", "t2", state="TASK_GONE_BY_OPERATOR")
        agent = scene.cluster.agent()
        wait_until(lambda: not agent.is_running(), "the agent leaves")
        equal(scene.operator.slave(scene.agent_id), None, "agent")
        agent.start(wait_ready=False)
        wait_until(lambda: not agent.is_running(), "it is sent away when it comes again")
        scene.operator.refused("DRAIN_AGENT", 400, "Unknown agent", agent_id=ident(scene.agent_id))


def drain_while(scene, disturb):
    """Drains two tasks and calls disturb(moment) at each; both must end once, and the agent be drained."""
    scene.launch_meek("meek")
    scene.launch_stubborn("stubborn", grace_s=2)
    scene.drain()
    disturb("ordered")
    scene.s.wait_state("stubborn", "TASK_KILLING")
    disturb("killing")
    scene.check_killed("meek", "stubborn")
    disturb("killed")
    scene.wait_drained()
    scene.check_killed("meek", "stubborn")
    scene.cluster.check_no_containers()


def test_drain_goes_on_when_the_master_dies_at_any_moment():
    for moment in ("ordered", "killing", "killed"):
        with Scene() as scene:
            drain_while(scene, lambda now: now == moment and scene.restart_master())


def test_drain_goes_on_when_the_agent_dies_at_any_moment():
    for moment in ("ordered", "killing", "killed"):
        with Scene() as scene:
            drain_while(scene, lambda now: now == moment and scene.restart_agent())


def test_drain_goes_on_when_both_die():
    def both(scene):
        scene.cluster.agent().kill9()
        scene.restart_master()
        scene.cluster.agent().start()

    for moment in ("ordered", "killing"):
        with Scene() as scene:
            drain_while(scene, lambda now: now == moment and both(scene))


def test_drained_agent_stays_drained_whatever_restarts():
    with Scene() as scene:
        scene.drain()
        scene.wait_drained()
        scene.restart_agent()
        scene.restart_master()
        scene.wait_drained()
        check(not scene.operator.slave(scene.agent_id)["active"], "it is active again")
        scene.operator.reactivate(scene.agent_id)
        equal(scene.s.run("later", "true")["state"], "TASK_FINISHED", "a task after that")


def test_agent_that_is_ordered_to_drain_while_it_is_away_does_so_when_it_is_back():
    with Scene() as scene:
        scene.launch_meek("t")
        scene.cluster.agent().kill9()
        scene.drain()
        equal(scene.operator.drain_state(scene.agent_id), "DRAINING", "state")
        scene.cluster.agent().start()
        scene.check_killed("t")
        scene.wait_drained()


def test_machine_that_goes_down_ends_its_agent_which_may_return_when_it_is_up():
    with Scene() as scene:
        here = machine(scene.operator.slave(scene.agent_id)["hostname"], "127.0.0.1")
        agent = scene.cluster.agent()
        scene.launch_meek("t")
        scene.operator.schedule(window(here))
        scene.s.wait_event("INVERSE_OFFERS")
        scene.operator.down(here)
        equal(scene.s.wait_state("t", "TASK_LOST")["message"],
              "Agent %s removed: Operator initiated 'Machine DOWN'" % here["hostname"], "message")
        wait_until(lambda: not agent.is_running(), "the agent ends")
        scene.cluster.check_no_containers()
        agent.start(wait_ready=False)
        wait_until(lambda: not agent.is_running(), "it is sent away")
        scene.restart_master()
        agent.start(wait_ready=False)
        wait_until(lambda: not agent.is_running(), "it is sent away by the next master, too")
        scene.operator.up(here)
        agent.start()
        scene.cluster.wait_agents(1)
        equal(scene.s.run("later", "true")["state"], "TASK_FINISHED", "a task after that")


if __name__ == "__main__":
    main()
