#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A new master: frameworks, tasks, executors and resources as agents and schedulers tell of them, in any order."""

import base64
import os
import sys
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from books import check_books, wait_balanced
from clock import Clock
from harness import Cluster, check, equal, http_call, http_get, main, wait_until
from libprocess_agent import FAILED, FINISHED, KILLED, RUNNING, LibprocessAgent, scalar
from scheduler import Scheduler
from wire import field, first, read

# Agents that answer no ping while a test moves the clock are not to be given up for it.
PATIENT = ("--agent_ping_timeout=15mins", "--max_agent_ping_timeouts=1000")
MINUTE, HOUR = 60, 3600
REREGISTER_TIMEOUT = 10 * MINUTE


def text(message, number):
    return first(read(first(message, number)), 1).decode()


def state(cluster):
    return http_get(cluster.master_addr, "/state").json()


def frameworks(cluster):
    return {f["id"]: f for f in state(cluster)["frameworks"]}


def run_task(s, agent, task_id="t", **fields):
    s.launch([s.task(task_id, "true", **fields)], s.wait_offer(agent_id=agent.agent_id))
    agent.wait_task(task_id)
    agent.update(s.framework_id, task_id, RUNNING)
    s.wait_state(task_id, "TASK_RUNNING")


def fail_over(cluster, *agents, scheduler=None):
    """Another master in the place of the old one; nobody has come to it yet."""
    cluster.master().kill9()
    if scheduler:
        scheduler.disconnect()
    for agent in agents:
        agent.vanish()
        agent.listen(agent.port)
    cluster.master().start()


class World:
    """An agent with a task of a framework, whose scheduler dies together with the master."""

    def __init__(self, cluster, agent, failover_timeout=0.0, **task):
        self.cluster, self.agent = cluster, agent
        agent.register()
        self.scheduler = Scheduler(cluster.master_addr, info={"failover_timeout": failover_timeout})
        self.framework_id = self.scheduler.framework_id
        run_task(self.scheduler, agent, **task)
        self.timeout = failover_timeout

    def fail_over(self):
        fail_over(self.cluster, self.agent, scheduler=self.scheduler)

    def return_agent(self):
        self.agent.reregister([self.agent.task(self.framework_id, "t")],
                              [self.agent.framework(self.framework_id, failover_timeout=self.timeout)])


def check_removed(world):
    equal(text(world.agent.wait_message("ShutdownFrameworkMessage"), 1), world.framework_id, "framework")
    now = state(world.cluster)
    equal([f["id"] for f in now["completed_frameworks"]], [world.framework_id], "completed frameworks")
    equal([(t["id"], t["state"]) for t in now["completed_frameworks"][0]["completed_tasks"]],
          [("t", "TASK_KILLED")], "its tasks")
    equal({a["used_resources"]["cpus"] for a in now["slaves"]}, {0}, "used cpus")


def test_framework_whose_scheduler_never_comes_is_removed_after_its_failover_timeout():
    with Clock() as clock, Cluster(n_agents=0, clock=clock, master_flags=PATIENT) as cluster, \
            LibprocessAgent(cluster.master_addr) as agent:
        world = World(cluster, agent, failover_timeout=1.0 * HOUR)
        world.fail_over()
        clock.advance(5 * MINUTE)
        world.return_agent()
        clock.advance(HOUR - 2)
        equal(frameworks(cluster)[world.framework_id]["recovered"], True, "recovered, just before")
        check_books(cluster)
        clock.advance(4)
        check_removed(world)


def test_short_failover_timeout_is_as_long_as_agents_have_to_come_back():
    with Clock() as clock, Cluster(n_agents=0, clock=clock, master_flags=PATIENT) as cluster, \
            LibprocessAgent(cluster.master_addr) as agent:
        world = World(cluster, agent)
        world.fail_over()
        world.return_agent()
        clock.advance(REREGISTER_TIMEOUT - 2)
        equal(list(frameworks(cluster)), [world.framework_id], "frameworks, just before")
        clock.advance(4)
        check_removed(world)


def test_longest_failover_timeout_that_an_agent_tells_counts():
    with Clock() as clock, Cluster(n_agents=0, clock=clock, master_flags=PATIENT) as cluster, \
            LibprocessAgent(cluster.master_addr) as agent, LibprocessAgent(cluster.master_addr) as other:
        other.register()
        world = World(cluster, agent)
        world.fail_over()
        for timeout in (1.0, 2.0 * HOUR, 1.0 * HOUR):
            other.vanish()
            other.listen(other.port)
            other.reregister([], [other.framework(world.framework_id, failover_timeout=timeout)])
        world.return_agent()
        clock.advance(2 * HOUR - 2)
        equal(list(frameworks(cluster)), [world.framework_id], "frameworks, just before")
        clock.advance(4)
        check_removed(world)


def test_scheduler_that_comes_in_time_ends_the_wait_and_its_own_timeout_counts_from_then_on():
    with Clock() as clock, Cluster(n_agents=0, clock=clock, master_flags=PATIENT) as cluster, \
            LibprocessAgent(cluster.master_addr) as agent:
        world = World(cluster, agent)
        world.fail_over()
        world.return_agent()
        clock.advance(REREGISTER_TIMEOUT - 2)
        s = world.scheduler
        s.info["failover_timeout"] = 30.0
        s.subscribe()
        clock.advance(2 * REREGISTER_TIMEOUT)
        equal(frameworks(cluster)[world.framework_id]["connected"], True, "connected")
        s.disconnect()
        wait_until(lambda: not frameworks(cluster)[world.framework_id]["connected"], "it is disconnected")
        clock.advance(28)
        equal(list(frameworks(cluster)), [world.framework_id], "frameworks, just before")
        clock.advance(4)
        check_removed(world)


def test_agent_that_returns_after_its_framework_was_given_up_ends_its_tasks():
    with Clock() as clock, Cluster(n_agents=0, clock=clock, master_flags=PATIENT) as cluster, \
            LibprocessAgent(cluster.master_addr) as agent, LibprocessAgent(cluster.master_addr) as late:
        late.register()
        world = World(cluster, agent)
        world.fail_over()
        world.return_agent()
        late.vanish()
        clock.advance(REREGISTER_TIMEOUT + 2)
        check_removed(world)
        late.listen(late.port)
        late.reregister([late.task(world.framework_id, "other")])
        equal(text(late.wait_message("ShutdownFrameworkMessage"), 1), world.framework_id, "framework")
        equal(frameworks(cluster), {}, "frameworks")
        check_books(cluster)


EXECUTOR = {"executor_id": {"value": "e"}, "command": {"value": "run"}, "resources": [
    {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.0}},
    {"name": "mem", "type": "SCALAR", "scalar": {"value": 32.0}}]}


def in_any_order(order, flags=()):
    """`order`: who comes to the new master, S(cheduler) and A(gents)."""
    with Cluster(n_agents=0, master_flags=flags) as cluster, LibprocessAgent(cluster.master_addr) as one, \
            LibprocessAgent(cluster.master_addr) as two:
        one.register()
        two.register()
        s = Scheduler(cluster.master_addr)
        run_task(s, one, "a")
        offer = s.wait_offer(agent_id=two.agent_id)
        s.launch([s.task("b", executor={**EXECUTOR, "framework_id": {"value": s.framework_id}})], offer)
        two.wait_message("RunTaskMessage")
        fail_over(cluster, one, two, scheduler=s)

        def agents():
            one.reregister([one.task(s.framework_id, "a")])
            two.reregister([two.task(s.framework_id, "b")],
                           executors=[two.executor(s.framework_id, "e")])

        for who in order:
            agents() if who == "A" else s.subscribe()
        if "A" in order:
            f = frameworks(cluster)[s.framework_id]
            equal(sorted(t["id"] for t in f["tasks"]), ["a", "b"], "tasks")
            equal([e["executor_id"] for e in f["executors"]], ["e"], "executors")
            used = {a["id"]: a["used_resources"]["cpus"] for a in state(cluster)["slaves"]}
            equal(used, {one.agent_id: 0.1, two.agent_id: 1.1}, "used cpus")
        if "S" in order:
            f = frameworks(cluster)[s.framework_id]
            equal((f["name"], f["connected"], f["recovered"]), ("test-scheduler", True, False), "framework")
        if "A" in order and "S" in order:
            settle(cluster, s, one, two)
        s.disconnect()


def settle(cluster, s, one, two):
    """All goes on as before: both tasks end, are acknowledged, and leave nothing behind."""
    wait_balanced(cluster, s)
    s.reconcile("a", "b")
    s.wait_until(lambda: s.states("a")[-1:] == s.states("b")[-1:] == ["TASK_RUNNING"], "answers")
    one.update(s.framework_id, "a", FINISHED)
    two.update(s.framework_id, "b", FAILED)
    two.exited_executor(s.framework_id, "e", 0)
    for agent in (one, two):
        agent.wait_message("StatusUpdateAcknowledgementMessage")
    s.wait_event("FAILURE")
    wait_balanced(cluster, s)
    equal([a["used_resources"]["cpus"] for a in state(cluster)["slaves"]], [0, 0], "used cpus")


def test_scheduler_first_then_agents():
    in_any_order("SA")


def test_agents_first_then_scheduler():
    in_any_order("AS")


def test_agents_between_two_subscriptions():
    in_any_order("SAS")


def test_agents_and_never_a_scheduler():
    in_any_order("A")


def test_scheduler_and_never_an_agent():
    in_any_order("S")


def test_master_with_an_empty_registry_learns_all_the_same():
    in_any_order("AS", ("--registry=in_memory",))
    in_any_order("SA", ("--registry=in_memory",))


def test_update_that_waits_for_the_new_master_is_told_once_and_its_acknowledgement_let_through():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        world = World(cluster, agent)
        world.fail_over()
        world.return_agent()
        s = world.scheduler
        s._acknowledge = lambda status: False
        s.subscribe()
        s.call("ACKNOWLEDGE", {"agent_id": {"value": agent.agent_id}, "task_id": {"value": "t"},
                               "uuid": "AAAAAAAAQACAAAAAAAAAAA=="})
        agent.update(world.framework_id, "t", FINISHED)
        status = s.wait_state("t", "TASK_FINISHED")
        n = agent.count("StatusUpdateAcknowledgementMessage")
        s.acknowledge(status)
        ack = agent.wait_message("StatusUpdateAcknowledgementMessage",
                                 lambda m: first(m, 4) == uuid_of(status))
        equal(text(ack, 3), "t", "task")
        check(n <= 1, "the acknowledgement of an update that nobody was told went to the agent")
        equal(frameworks(cluster)[world.framework_id]["tasks"], [], "tasks")


def uuid_of(status):
    return base64.b64decode(status["uuid"])


# Reports that make no sense

def test_agent_whose_report_makes_no_sense_is_not_let_in():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.agent_id = "made-up-S0"
        other = LibprocessAgent(cluster.master_addr)
        other.agent_id = "made-up-S1"
        f = agent.framework("f")
        reports = [
            agent.report([agent.task("f", "t")], []),
            agent.report([agent.task("f", "t")], [agent.framework("g")]),
            agent.report([other.task("f", "t")], [f]),
            agent.report([agent.task("f", "a/b")], [f]),
            agent.report([], [agent.framework("a/b")]),
            agent.report([], [], executors=[agent.executor("f", "e")]),
            agent.report([], [f], executors=[agent.executor("f", "..")]),
            agent.report([], [], checkpointed=[scalar("cpus", 1)]),
        ]
        for report in reports:
            agent.send("ReregisterSlaveMessage", report)
        metric = "master/messages_reregister_slave"
        wait_until(lambda: http_get(cluster.master_addr, "/metrics/snapshot").json()[metric] == len(reports), "all")
        equal(agent.count("SlaveReregisteredMessage"), 0, "answers")
        agent.reregister([agent.task("f", "t")])
        equal([t["id"] for t in frameworks(cluster)["f"]["tasks"]], ["t"], "tasks")
        other.vanish()


# The same task twice

def test_second_run_of_a_task_is_ended_and_its_framework_hears_nothing_of_it():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent, \
            LibprocessAgent(cluster.master_addr) as old:
        old.register()
        world = World(cluster, agent)
        world.fail_over()
        s = world.scheduler
        s.subscribe()
        world.return_agent()
        old.vanish()
        old.listen(old.port)
        old.reregister([old.task(world.framework_id, "t")])
        equal(text(old.wait_message("KillTaskMessage"), 2), "t", "task")
        tasks = frameworks(cluster)[world.framework_id]["tasks"]
        equal([(t["id"], t["slave_id"]) for t in tasks], [("t", agent.agent_id)], "tasks")
        n = len(s.statuses)
        old_uuid = old.update(world.framework_id, "t", KILLED)
        old.wait_message("StatusUpdateAcknowledgementMessage", lambda m: first(m, 4) == old_uuid)
        agent.update(world.framework_id, "t", FINISHED)
        s.wait_state("t", "TASK_FINISHED")
        equal([x["agent_id"]["value"] for x in s.statuses[n:]], [agent.agent_id], "agents in updates")
        agent.wait_message("StatusUpdateAcknowledgementMessage")
        wait_balanced(cluster, s)


# Reservations and volumes

def reserved(name, value, role, volume=None):
    """A dynamic reservation in the old form, as agents report them."""
    disk = field(7, field(1, field(1, volume)) + field(2, field(1, "path") + field(3, 1))) if volume else b""
    return (field(1, name) + field(2, 0) + field(3, field(1, float(value))) + field(6, role)
            + field(8, field(1, "ops")) + disk)


def amounts(cluster):
    agent = state(cluster)["slaves"][0]
    return ({role: r["cpus"] for role, r in agent["reserved_resources"].items()},
            agent["unreserved_resources"]["cpus"], agent["resources"]["cpus"])


def test_reservations_that_an_agent_keeps_are_there_with_every_master():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr, cpus=4) as agent:
        agent.register(checkpointed=[reserved("cpus", 1.5, "web")])
        equal(amounts(cluster), ({"web": 1.5}, 2.5, 4), "reserved, unreserved, all")
        fail_over(cluster, agent)
        agent.reregister(checkpointed=[reserved("cpus", 1.5, "web")])
        equal(amounts(cluster), ({"web": 1.5}, 2.5, 4), "after a failover")
        with Scheduler(cluster.master_addr, info={"roles": ["web"]}) as s:
            s.wait_offer(cpus=4)
        with Scheduler(cluster.master_addr, info={"roles": ["other"]}) as s:
            s.wait_offer(cpus=2.5)
            equal(s.offers, [], "more offers")
        agent.vanish()
        wait_until(lambda: not state(cluster)["slaves"][0]["active"], "the agent is inactive")
        agent.listen(agent.port)
        agent.reregister(checkpointed=[reserved("cpus", 1, "web"), reserved("cpus", 1, "db")])
        equal(amounts(cluster), ({"web": 1, "db": 1}, 2, 4), "after they changed while it was away")


def test_task_on_a_reservation_and_the_rest_of_it_add_up():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr, cpus=4) as agent:
        agent.register()
        fail_over(cluster, agent)
        task = (field(1, "t") + field(2, field(1, "t")) + field(3, field(1, "f")) + field(5, field(1, agent.agent_id))
                + field(6, RUNNING) + field(7, reserved("cpus", 1, "web") + field(11, field(1, "web"))))
        agent.reregister([task], checkpointed=[reserved("cpus", 1.5, "web")])
        with Scheduler(cluster.master_addr, info={"roles": ["web"]}) as s:
            offer = s.wait_offer(cpus=3)
            equal(sum(r["scalar"]["value"] for r in offer["resources"] if r["name"] == "cpus"), 3.0, "offered cpus")
            check_books(cluster)


# Operations

OPERATION_RESERVE, OPERATION_FINISHED = 2, 2


def operation(agent, framework_id, operation_id):
    """A RESERVE that is done, as an agent lists it in UpdateSlave."""
    info = field(1, OPERATION_RESERVE) + field(3, field(1, scalar("cpus", 1))) + field(12, field(1, operation_id))
    status = (field(1, field(1, operation_id)) + field(2, OPERATION_FINISHED)
              + field(5, field(1, uuid.uuid4().bytes)))
    return (field(1, field(1, framework_id)) + field(2, field(1, agent.agent_id)) + field(3, info) + field(4, status)
            + field(6, field(1, uuid.uuid4().bytes)))


def update_slave(agent, *operations):
    agent.send("UpdateSlaveMessage", field(1, field(1, agent.agent_id))
               + field(6, b"".join(field(1, o) for o in operations)))


def get_operations(cluster):
    answer = http_call(cluster.master_addr, "POST", "/api/v1", {"type": "GET_OPERATIONS"})
    return [o["info"]["id"]["value"] for o in answer.json()["get_operations"].get("operations", [])]


def test_operations_that_agents_list_are_shown_and_answered_for():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent, \
            Scheduler(cluster.master_addr) as s, Scheduler(cluster.master_addr) as other:
        agent.register()
        update_slave(agent, operation(agent, s.framework_id, "op"), operation(agent, s.framework_id, "op2"))
        wait_until(lambda: get_operations(cluster) == ["op", "op2"], "operations are shown")
        for who, state_name in ((s, "OPERATION_FINISHED"), (other, "OPERATION_UNKNOWN")):
            who.call("RECONCILE_OPERATIONS", {"operations": [
                {"operation_id": {"value": "op"}, "agent_id": {"value": agent.agent_id}}]})
            status = who.wait_event("UPDATE_OPERATION_STATUS")["update_operation_status"]["status"]
            told = status["operation_id"]["value"], status["state"], "uuid" in status
            equal(told, ("op", state_name, False), "operation, state, uuid")
        update_slave(agent, operation(agent, s.framework_id, "op2"))
        wait_until(lambda: get_operations(cluster) == ["op2"], "what is listed last is all there is")
        agent.unregister()
        wait_until(lambda: get_operations(cluster) == [], "they go with the agent")


# What the framework is told

def test_task_that_was_lost_with_the_connection_is_known_again_when_its_agent_returns_with_it():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr, info={"checkpoint": False}) as s:
            run_task(s, agent)
            agent.vanish()
            s.wait_state("t", "TASK_LOST")
            check_books(cluster)
            agent.listen(agent.port)
            agent.reregister([agent.task(s.framework_id, "t")])
            s.wait_until(lambda: s.states("t")[-1] == "TASK_RUNNING", "the task is back")
            equal(s.statuses[-1]["reason"], "REASON_AGENT_REREGISTERED", "reason")
            check_books(cluster)
            agent.update(s.framework_id, "t", FINISHED)
            s.wait_state("t", "TASK_FINISHED")
            agent.wait_message("StatusUpdateAcknowledgementMessage",
                               lambda m: first(m, 4) == uuid_of(s.statuses[-1]))
            wait_balanced(cluster, s)


def test_what_is_over_is_remembered_within_its_limits():
    flags = ("--max_completed_frameworks=2", "--max_completed_tasks_per_framework=3")
    with Cluster(n_agents=0, master_flags=flags) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.agent_id = "old-master-S0"
        completed = [agent.archive(agent.framework("f%d" % n),
                                   [over(agent, "f%d" % n, "t%d" % i) for i in range(5)]) for n in range(4)]
        agent.reregister([agent.task("f0", "live")], completed=completed)
        now = state(cluster)
        equal([f["id"] for f in now["frameworks"]], ["f0"], "frameworks")
        equal([t["id"] for t in now["frameworks"][0]["completed_tasks"]], ["t2", "t3", "t4"], "completed tasks")
        equal([f["id"] for f in now["completed_frameworks"]], ["f1", "f2"], "completed frameworks")
        with Scheduler(cluster.master_addr, framework_id="f1"):
            equal([t["id"] for t in frameworks(cluster)["f1"]["completed_tasks"]], ["t2", "t3", "t4"], "its tasks")


def over(agent, framework_id, task_id):
    """A completed task with one status, as agents remember them."""
    status = (field(1, field(1, task_id)) + field(2, FINISHED) + field(6, 1.0) + field(11, uuid.uuid4().bytes))
    return agent.task(framework_id, task_id, FINISHED) + field(8, status)


if __name__ == "__main__":
    main()
