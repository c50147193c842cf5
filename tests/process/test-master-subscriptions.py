#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A framework and its schedulers: who speaks for it, what it may change, how long it is waited for, how it ends."""

import base64
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from books import check_books, wait_balanced
from clock import Clock, has_sanitizers
from harness import Cluster, check, equal, http_call, http_get, main, wait_until
from libprocess_agent import DROPPED, FAILED, FINISHED, KILLED, RUNNING, LibprocessAgent
from model_agent import ModelAgent
from scheduler import JSON_HEADERS, PATH, EventStream, Scheduler
from wire import first, read

# Agents that answer no ping while a test moves the clock are not to be given up for it.
PATIENT = ("--agent_ping_timeout=15mins", "--max_agent_ping_timeouts=1000")
MINUTE = 60
MIB = 1 << 20


def text(message, number):
    return first(read(first(message, number)), 1).decode()


def state(cluster):
    return http_get(cluster.master_addr, "/state").json()


def framework(cluster, s):
    return next((f for f in state(cluster)["frameworks"] if f["id"] == s.framework_id), None)


def is_active(cluster, agent):
    return any(a["active"] for a in state(cluster)["slaves"] if a["id"] == agent.agent_id)


def cut_off(cluster, agent):
    agent.vanish()
    wait_until(lambda: not is_active(cluster, agent), "the agent is inactive")


def launch(s, agent, task_id="t", **fields):
    s.launch([s.task(task_id, "true", **fields)], s.wait_offer(agent_id=agent.agent_id))
    agent.wait_task(task_id)


def run_task(s, agent, task_id="t", **fields):
    launch(s, agent, task_id, **fields)
    agent.update(s.framework_id, task_id, RUNNING)
    s.wait_state(task_id, "TASK_RUNNING")
    agent.wait_message("StatusUpdateAcknowledgementMessage")


def come_back(agent, s, *task_ids, **how):
    agent.listen(agent.port)
    return agent.reregister([agent.task(s.framework_id, t) for t in task_ids],
                            [agent.framework(s.framework_id, **how)])


def with_id(s, **info):
    identity = {"value": s.framework_id}
    return {"type": "SUBSCRIBE", "framework_id": identity,
            "subscribe": {"framework_info": {**s.info, "id": identity, **info}}}


# Two schedulers with one id

def test_of_two_schedulers_the_later_one_speaks_for_the_framework_whether_it_forces_that_or_not():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        one = Scheduler(cluster.master_addr)
        run_task(one, agent)
        for force in (False, True, None):
            call = with_id(one)
            if force is not None:
                call["subscribe"]["force"] = force
            other = EventStream(cluster.master_addr, call)
            events = iter(other)
            equal(next(events)["type"], "SUBSCRIBED", "first event of the later one")
            wait_until(lambda: one.error == "Framework failed over", "the earlier one is told")
            for kind in ("REVIVE", "TEARDOWN"):
                check("didn't match" in one.call(kind, expect=400).text, "%s of the earlier one is taken" % kind)
            equal(framework(cluster, one)["connected"], True, "connected")
            one.subscribe()
            equal([e["type"] for e in events if e["type"] == "ERROR"], ["ERROR"], "end of the later one")
        one.wait_offer()
        check_books(cluster)
        one.teardown()
        one.disconnect()


def test_many_subscriptions_one_after_the_other_leave_nothing_behind():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent, \
            Scheduler(cluster.master_addr) as s:
        agent.register()
        run_task(s, agent)
        streams = []
        before = rss(cluster)
        for _ in range(300):
            streams.append(EventStream(cluster.master_addr, with_id(s)))
        for _ in range(300):
            EventStream(cluster.master_addr, {"type": "SUBSCRIBE", "subscribe": {
                "framework_info": {"user": "root", "name": "fleeting"}}}).close()
        wait_until(lambda: len(state(cluster)["frameworks"]) == 1, "fleeting frameworks are removed")
        equal(len(state(cluster)["completed_frameworks"]), 50, "completed frameworks")
        for stream in streams[:-1]:
            check("failed over" in json.dumps(list(stream)), "an earlier stream has no end")
        s.subscribe()
        streams[-1].close()
        wait_balanced(cluster, s)
        equal([t["state"] for t in framework(cluster, s)["tasks"]], ["TASK_RUNNING"], "tasks")
        check(rss(cluster) - before < 16 * MIB, "grew by %d MiB" % ((rss(cluster) - before) / MIB))


# What may change

def test_update_of_a_framework_takes_offers_of_roles_it_left_and_keeps_tasks_there():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr, cpus=4) as agent:
        agent.register()
        with Scheduler(cluster.master_addr, info={"roles": ["a"]}) as s:
            s.launch([allocated(s.task("t", "true", cpus=1), "a")], s.wait_offer())
            agent.wait_task("t")
            s.wait_until(lambda: s.offers, "the rest is offered")
            s.info.update(roles=["b"], name="renamed", failover_timeout=17.0)
            s.call("UPDATE_FRAMEWORK", {"framework_info": {**s.info, "id": {"value": s.framework_id}}}, expect=200)
            s.wait_event("RESCIND")
            offer = s.wait_offer(cpus=3)
            equal(offer["allocation_info"]["role"], "b", "role of the next offer")
            info = read(first(agent.wait_message("UpdateFrameworkMessage", lambda m: True), 3) or b"")
            equal(first(info, 2), b"renamed", "name the agent is told")
            f = framework(cluster, s)
            equal((f["name"], f["roles"], f["failover_timeout"], len(f["tasks"])), ("renamed", ["b"], 17.0, 1), "it")
            check_books(cluster)
            agent.update(s.framework_id, "t", FINISHED)
            wait_balanced(cluster, s)
            equal({o["allocation_info"]["role"] for o in s.offers}, {"b"}, "roles of offers")


def test_agents_that_run_a_framework_are_told_of_it_once_each_and_others_are_left_alone():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as busy, \
            LibprocessAgent(cluster.master_addr) as idle, Scheduler(cluster.master_addr) as s:
        busy.register()
        idle.register()
        for n in range(3):
            run_task(s, busy, "t%d" % n)
        for n in range(1, 4):
            s.subscribe()
            busy.wait_messages("UpdateFrameworkMessage", n)
        launch(s, idle, "last")
        equal((busy.count("UpdateFrameworkMessage"), idle.count("UpdateFrameworkMessage")), (3, 0), "messages")


def allocated(task, role):
    for resource in task["resources"]:
        resource["allocation_info"] = {"role": role}
    return task


def test_framework_that_stops_being_partition_aware_keeps_what_is_and_hears_the_next_as_lost():
    with Clock() as clock, Cluster(n_agents=0, clock=clock, master_flags=PATIENT) as cluster, \
            LibprocessAgent(cluster.master_addr) as agent, Scheduler(cluster.master_addr) as s:
        agent.register()
        run_task(s, agent)
        cut_off(cluster, agent)
        clock.advance(10 * MINUTE + 1)
        s.wait_state("t", "TASK_UNREACHABLE")
        s.info["capabilities"] = [c for c in s.info["capabilities"] if c["type"] != "PARTITION_AWARE"]
        s.call("UPDATE_FRAMEWORK", {"framework_info": {**s.info, "id": {"value": s.framework_id}}}, expect=200)
        equal([t["state"] for t in framework(cluster, s)["unreachable_tasks"]], ["TASK_UNREACHABLE"], "its tasks")
        come_back(agent, s, "t")
        s.wait_until(lambda: s.states("t")[-1] == "TASK_RUNNING", "the task is back")
        cut_off(cluster, agent)
        clock.advance(10 * MINUTE + 1)
        s.wait_state("t", "TASK_LOST")


def test_user_and_checkpoint_of_a_framework_stay_also_when_only_agents_have_told_of_it():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.agent_id = "old-master-S0"
        agent.reregister([agent.task("f", "t")])
        with Scheduler(cluster.master_addr, framework_id="f", info={"user": "nobody", "checkpoint": False}) as s:
            f = framework(cluster, s)
            equal((f["user"], f["checkpoint"], f["name"]), ("root", True, "test-scheduler"), "framework")


# How long it is waited for

def test_disconnected_framework_is_waited_for_as_long_as_it_said_last():
    with Clock() as clock, Cluster(n_agents=0, clock=clock, master_flags=PATIENT) as cluster, \
            LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        s = Scheduler(cluster.master_addr, info={"failover_timeout": 1000.0})
        run_task(s, agent)
        for _ in range(3):
            s.disconnect()
            wait_until(lambda: not framework(cluster, s)["connected"], "it is disconnected")
            clock.advance(998)
            s.subscribe()
        s.info["failover_timeout"] = 20.0
        s.call("UPDATE_FRAMEWORK", {"framework_info": {**s.info, "id": {"value": s.framework_id}}}, expect=200)
        clock.advance(2000)
        equal(framework(cluster, s)["connected"], True, "connected")
        s.disconnect()
        wait_until(lambda: not framework(cluster, s)["connected"], "it is disconnected")
        clock.advance(18)
        equal([t["id"] for t in framework(cluster, s)["tasks"]], ["t"], "tasks, just before")
        clock.advance(4)
        equal(framework(cluster, s), None, "framework")
        equal(text(agent.wait_message("ShutdownFrameworkMessage"), 1), s.framework_id, "framework that is shut down")
        check_books(cluster)


def test_framework_without_failover_timeout_ends_with_its_stream_but_not_when_it_fails_over():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        s = Scheduler(cluster.master_addr, info={"failover_timeout": 0.0})
        run_task(s, agent)
        successor = EventStream(cluster.master_addr, with_id(s))
        wait_until(lambda: s.error == "Framework failed over", "the earlier one is told")
        equal([t["id"] for t in framework(cluster, s)["tasks"]], ["t"], "tasks")
        successor.close()
        wait_until(lambda: framework(cluster, s) is None, "the framework is removed")
        equal(text(agent.wait_message("ShutdownFrameworkMessage"), 1), s.framework_id, "framework that is shut down")
        check_books(cluster)
        s.disconnect()


# How it ends

def test_teardown_right_after_a_launch_reaches_the_agent_after_it():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        s = Scheduler(cluster.master_addr)
        s.launch([s.task("t%d" % n, "true") for n in range(3)], s.wait_offer())
        s.teardown()
        agent.wait_message("ShutdownFrameworkMessage")
        equal([name for name, _ in agent.messages if name in ("RunTaskMessage", "ShutdownFrameworkMessage")],
              ["RunTaskMessage"] * 3, "messages before")
        s.disconnect()
        completed = state(cluster)["completed_frameworks"][0]
        equal({t["state"] for t in completed["completed_tasks"]}, {"TASK_KILLED"}, "states")
        check_books(cluster)
        # What the agent still has to say of it changes nothing.
        for n, how in enumerate((RUNNING, KILLED, FAILED)):
            agent.update(s.framework_id, "t%d" % n, how)
        agent.exited_executor(s.framework_id, "t0", 0)
        with Scheduler(cluster.master_addr) as other:
            wait_balanced(cluster, other)
            equal({t["state"] for t in state(cluster)["completed_frameworks"][0]["completed_tasks"]},
                  {"TASK_KILLED"}, "states")


def test_teardown_while_the_agent_is_away_reaches_it_when_it_is_back_with_or_without_the_task():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        for tasks in (["t"], []):
            s = Scheduler(cluster.master_addr)
            launch(s, agent)
            cut_off(cluster, agent)
            s.teardown()
            s.disconnect()
            come_back(agent, s, *tasks)
            equal(text(agent.wait_message("ShutdownFrameworkMessage"), 1), s.framework_id, "framework")
            equal(state(cluster)["frameworks"], [], "frameworks")
            check_books(cluster)
        with Scheduler(cluster.master_addr) as s:
            wait_balanced(cluster, s)


def test_teardown_while_the_agent_is_unreachable_reaches_it_when_it_is_back():
    with Clock() as clock, Cluster(n_agents=0, clock=clock, master_flags=PATIENT) as cluster, \
            LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        s = Scheduler(cluster.master_addr)
        run_task(s, agent)
        cut_off(cluster, agent)
        clock.advance(10 * MINUTE + 1)
        s.wait_state("t", "TASK_UNREACHABLE")
        s.teardown()
        s.disconnect()
        equal([(t["id"], t["state"]) for t in state(cluster)["completed_frameworks"][0]["completed_tasks"]],
              [("t", "TASK_KILLED")], "its tasks")
        come_back(agent, s, "t")
        equal(text(agent.wait_message("ShutdownFrameworkMessage"), 1), s.framework_id, "framework")
        equal(state(cluster)["frameworks"], [], "frameworks")
        with Scheduler(cluster.master_addr) as other:
            wait_balanced(cluster, other)


# Agents that are away

def test_framework_that_subscribes_again_while_its_agent_is_unreachable_hears_of_its_return():
    with Clock() as clock, Cluster(n_agents=0, clock=clock, master_flags=PATIENT) as cluster, \
            LibprocessAgent(cluster.master_addr) as agent, Scheduler(cluster.master_addr) as s:
        agent.register()
        run_task(s, agent)
        cut_off(cluster, agent)
        s.disconnect()
        wait_until(lambda: not framework(cluster, s)["connected"], "it is disconnected")
        clock.advance(10 * MINUTE + 1)
        wait_until(lambda: framework(cluster, s)["unreachable_tasks"], "the task is unreachable")
        s.subscribe()
        s.reconcile("t")
        s.wait_until(lambda: s.states("t")[-1] == "TASK_UNREACHABLE", "it hears when it asks")
        come_back(agent, s, "t")
        s.wait_until(lambda: s.states("t")[-1] == "TASK_RUNNING", "the task is back")
        equal(s.statuses[-1]["message"], "Unreachable agent re-reregistered", "message")
        wait_balanced(cluster, s)


def test_acknowledgement_while_the_agent_is_away_is_dropped_and_the_one_of_the_repeated_update_counts():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent, \
            Scheduler(cluster.master_addr, acknowledge=lambda status: False) as s:
        agent.register()
        launch(s, agent)
        uuid = agent.update(s.framework_id, "t", FINISHED)
        status = s.wait_state("t", "TASK_FINISHED")
        cut_off(cluster, agent)
        s.acknowledge(status)
        equal([t["state"] for t in framework(cluster, s)["tasks"]], ["TASK_FINISHED"], "tasks")
        agent.listen(agent.port)
        agent.reregister([agent.task(s.framework_id, "t", FINISHED)])
        agent.update(s.framework_id, "t", FINISHED, uuid)
        s.wait_until(lambda: s.n_resent == 1, "the update comes again")
        s.acknowledge(status)
        ack = agent.wait_message("StatusUpdateAcknowledgementMessage")
        equal(first(ack, 4), uuid, "uuid")
        equal([len(framework(cluster, s)[k]) for k in ("tasks", "completed_tasks")], [0, 1], "tasks, completed tasks")
        wait_balanced(cluster, s)


def test_update_of_a_task_that_the_master_has_done_with_comes_again_when_its_framework_subscribes():
    with Clock() as clock, Cluster(n_agents=0, clock=clock, master_flags=PATIENT) as cluster, \
            ModelAgent(cluster.master_addr) as agent:
        agent.register()
        s = Scheduler(cluster.master_addr, acknowledge=lambda status: False)
        s.launch([s.task("t", "true")], s.wait_offer())
        s.wait_state("t", "TASK_RUNNING")
        s.acknowledge(s.statuses[-1])
        wait_until(agent.is_quiet, "that is acknowledged")
        agent.end((s.framework_id, "t"), FINISHED)
        s.wait_state("t", "TASK_FINISHED")
        cut_off(cluster, agent)
        clock.advance(10 * MINUTE + 1)
        wait_until(lambda: framework(cluster, s)["completed_tasks"], "the master has done with it")
        s.disconnect()
        agent.come_back()
        s._acknowledge = lambda status: True
        s.subscribe()
        wait_until(agent.is_quiet, "all is acknowledged")
        s.teardown()
        s.disconnect()


def test_id_of_a_task_is_free_once_its_end_is_acknowledged_and_not_while_its_agent_may_return_with_it():
    with Clock() as clock, Cluster(n_agents=0, clock=clock, master_flags=PATIENT) as cluster, \
            LibprocessAgent(cluster.master_addr, hostname="one") as one, \
            LibprocessAgent(cluster.master_addr, hostname="two") as two, Scheduler(cluster.master_addr) as s:
        one.register()
        two.register()
        run_task(s, one)
        two_offer = s.wait_offer(agent_id=two.agent_id)
        cut_off(cluster, one)
        clock.advance(10 * MINUTE + 1)
        s.wait_state("t", "TASK_UNREACHABLE")
        s.launch([s.task("t", "true")], two_offer)
        equal(s.wait_state("t", "TASK_ERROR")["reason"], "REASON_TASK_INVALID", "reason")
        come_back(one, s, "t")
        s.wait_until(lambda: s.states("t")[-1] == "TASK_RUNNING", "the task is back")
        one.update(s.framework_id, "t", FINISHED)
        s.wait_state("t", "TASK_FINISHED")
        one.wait_message("StatusUpdateAcknowledgementMessage")
        launch(s, two)
        # A copy of the last update of the former one says nothing about this one.
        n = len(s.statuses)
        late = one.update(s.framework_id, "t", FINISHED)
        one.wait_message("StatusUpdateAcknowledgementMessage", lambda m: first(m, 4) == late)
        two.update(s.framework_id, "t", RUNNING)
        s.wait_until(lambda: len(s.statuses) > n, "an update")
        equal([(x["state"], x["agent_id"]["value"]) for x in s.statuses[n:]], [("TASK_RUNNING", two.agent_id)], "what")
        check_books(cluster)


# Those who do not read

def rss(cluster):
    """What the master has of memory; nothing that could be said of it with sanitizers."""
    if has_sanitizers():
        return 0
    with open("/proc/%d/status" % cluster.master().pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) << 10


def test_scheduler_that_never_reads_is_cut_off_at_a_bound_and_learns_later_what_it_missed():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        deaf = Scheduler(cluster.master_addr, "deaf")
        run_task(deaf, agent)
        deaf.disconnect()
        stream = EventStream(cluster.master_addr, with_id(deaf))
        other = Scheduler(cluster.master_addr, "other")
        uuid = agent.update(deaf.framework_id, "t", FINISHED)
        before = rss(cluster)
        piece = os.urandom(MIB)
        highest = 0
        for n in range(100):
            agent.executor_message(deaf.framework_id, "e", piece)
            if n % 10 == 0:
                agent.executor_message(other.framework_id, "e", b"hello")
                other.wait_event("MESSAGE", n // 10 + 1)
                highest = max(highest, rss(cluster))
        wait_until(lambda: not framework(cluster, deaf)["connected"], "it is cut off")
        check(highest - before < 128 * MIB, "grew by %d MiB" % ((highest - before) / MIB))
        wait_until(lambda: rss(cluster) - before < 24 * MIB, "what waited for it is free again")

        deaf.subscribe()
        agent.wait_message("UpdateFrameworkMessage")
        deaf.reconcile("t")
        deaf.wait_until(lambda: deaf.states("t")[-1] == "TASK_FINISHED", "it is told when it asks")
        agent.update(deaf.framework_id, "t", FINISHED, uuid)
        deaf.wait_until(lambda: "uuid" in deaf.statuses[-1], "the update comes again")
        equal(base64.b64decode(deaf.statuses[-1]["uuid"]), uuid, "uuid")
        agent.wait_message("StatusUpdateAcknowledgementMessage", lambda m: first(m, 4) == uuid)
        equal(framework(cluster, deaf)["tasks"], [], "tasks")
        stream.close()
        for s in (deaf, other):
            wait_balanced(cluster, s)
            s.teardown()
            s.disconnect()


def test_scheduler_that_reads_slowly_gets_everything_in_order_and_memory_stays_bounded():
    n_pieces = 200
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        stream = EventStream(cluster.master_addr, {"type": "SUBSCRIBE", "subscribe": {
            "framework_info": {"user": "root", "name": "slow", "failover_timeout": 3600.0}}})
        events = (e for e in stream if e["type"] in ("SUBSCRIBED", "MESSAGE"))
        framework_id = next(events)["subscribed"]["framework_id"]["value"]
        before, highest, n_read = rss(cluster), 0, 0
        for n in range(n_pieces):
            agent.executor_message(framework_id, "e", n.to_bytes(4, "big") + os.urandom(MIB - 4))
            if n - n_read >= 30:
                number = base64.b64decode(next(events)["message"]["data"])[:4]
                equal(int.from_bytes(number, "big"), n_read, "piece")
                n_read += 1
            highest = max(highest, rss(cluster))
        for n_read in range(n_read, n_pieces):
            equal(base64.b64decode(next(events)["message"]["data"])[:4], n_read.to_bytes(4, "big"), "piece")
        check(highest - before < 192 * MIB, "grew by %d MiB" % ((highest - before) / MIB))
        answer = http_call(cluster.master_addr, "POST", PATH, {
            "type": "TEARDOWN", "framework_id": {"value": framework_id}},
            {**JSON_HEADERS, "Mesos-Stream-Id": stream.headers["Mesos-Stream-Id"]})
        equal(answer.status, 202, "status")
        wait_until(lambda: rss(cluster) - before < 32 * MIB, "what waited for it is free again")


def test_agent_that_does_not_read_loses_its_connection_and_no_launch_is_lost_with_it():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent, \
            Scheduler(cluster.master_addr) as s:
        agent.register()
        offer = s.wait_offer()
        agent.stop_reading()
        big = {"value": "true", "environment": {"variables": [{"name": "V", "value": "x" * (16 * MIB)}]}}
        names = ["t%d" % n for n in range(8)]
        for name in names:
            s.launch([s.task(name, dict(big))], offer)
            if not is_active(cluster, agent):
                break
            offer = s.wait_offer()
        wait_until(lambda: not is_active(cluster, agent), "the agent has lost its connection")
        launched = {t["id"] for t in framework(cluster, s)["tasks"]}
        agent.vanish()
        agent.listen(agent.port)
        asked = read(first(agent.reregister(), 2))
        equal({text(read(status), 1) for status in asked[2]}, launched, "tasks that the agent is asked about")
        for name in launched:
            agent.update(s.framework_id, name, DROPPED)
        for name in launched:
            s.wait_state(name, "TASK_DROPPED")
        wait_balanced(cluster, s)


if __name__ == "__main__":
    main()
