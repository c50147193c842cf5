#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Operators' verbs on agents: drain, deactivate, reactivate, mark gone; what each refuses, what survives."""

import json
import os
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from harness import check, equal, http_get, main, wait_until    # noqa: E402
from libprocess_agent import LibprocessAgent    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from verbs import Scene, ident, machine, window    # noqa: E402
from wire import first, read    # noqa: E402

QUICK_PINGS = ("--agent_ping_timeout=1secs", "--max_agent_ping_timeouts=2")
ABSENT = "nope-S0"


def command(message):
    """(grace in ns, mark_gone) of a DrainSlaveMessage."""
    config = read(first(message, 1))
    grace = first(config, 1)
    return None if grace is None else first(read(grace), 1), bool(first(config, 2))


def wait_command(agent):
    return command(agent.wait_message("DrainSlaveMessage"))


def drain_record(cluster, agent_id, unreachable=False):
    """What the registry says of it."""
    registry = http_get(cluster.master_addr, "/registrar(1)/registry").json()
    entries = registry.get("unreachable" if unreachable else "slaves", {}).get("slaves", ())
    for entry in entries:
        if (entry["id"] if unreachable else entry["info"]["id"])["value"] == agent_id:
            return entry.get("drain_info", {}).get("state"), entry["deactivated"]
    return None


def test_drained_agent_is_told_what_the_operator_allows_and_is_not_offered():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        offer = s.wait_offer()
        scene.operator.drain(scene.id, max_grace_period={"seconds": 600, "nanos": 5}, mark_gone=False)
        equal(wait_command(scene.agent), (600000000005, False), "command")
        s.wait_until(lambda: offer["id"] in [e["rescind"]["offer_id"] for e in s.events_of("RESCIND")],
                     "the offer is rescinded")
        info = {"state": "DRAINING", "config": {"max_grace_period": {"nanoseconds": 600000000005}, "mark_gone": False}}
        slave = scene.operator.slave(scene.id)
        equal((slave["active"], slave["deactivated"], slave["drain_info"]), (False, True, info), "/slaves")
        shown = scene.operator.agents()[scene.id]
        equal((shown.get("active"), shown["deactivated"], shown["drain_info"]), (False, True, info), "GET_AGENTS")
        began = slave["estimated_drain_start_time_seconds"]
        equal(shown["estimated_drain_start_time"]["nanoseconds"], int(began) * 10**9, "start in GET_AGENTS")
        state = http_get(scene.cluster.master_addr, "/state").json()
        equal((state["slaves"][0]["drain_info"], state["deactivated_slaves"]), (info, 1), "/state")
        equal(drain_record(scene.cluster, scene.id), ("DRAINING", True), "record")


def test_agent_is_drained_when_its_last_update_is_acknowledged():
    with Scene() as scene:
        with Scheduler(scene.cluster.master_addr, acknowledge=lambda u: u["state"] != "TASK_KILLED") as s:
            scene.run_task(s)
            scene.operator.drain(scene.id)
            equal(wait_command(scene.agent), (None, False), "command")
            scene.kill_task(s)
            equal(scene.operator.drain_state(scene.id), "DRAINING", "state before the acknowledgement")
            s.acknowledge(s.wait_state("t", "TASK_KILLED"))
            scene.operator.wait_drain_state(scene.id, "DRAINED")
            equal(drain_record(scene.cluster, scene.id), ("DRAINED", True), "record")
            check(not scene.operator.slave(scene.id)["active"], "a drained agent is active")


def test_empty_agent_is_drained_at_once():
    with Scene() as scene:
        scene.operator.drain(scene.id)
        scene.operator.wait_drain_state(scene.id, "DRAINED")


def test_tasks_of_a_removed_framework_do_not_keep_an_agent_from_being_drained():
    with Scene() as scene:
        with Scheduler(scene.cluster.master_addr) as s:
            scene.run_task(s)
            scene.operator.drain(scene.id)
            wait_command(scene.agent)
        scene.operator.wait_drain_state(scene.id, "DRAINED")


def test_agent_is_gone_when_it_is_drained_if_the_operator_said_so():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        scene.operator.drain(scene.id, mark_gone=True)
        equal(wait_command(scene.agent), (None, True), "command")
        scene.kill_task(s)
        scene.agent.wait_message("ShutdownMessage")
        s.wait_event("FAILURE")
        equal(scene.operator.slave(scene.id), None, "agent")
        scene.operator.mark_gone(scene.id)
        scene.operator.refused("DRAIN_AGENT", 400, "Unknown agent", agent_id=ident(scene.id))


def test_reactivation_brings_offers_back_and_forgets_the_drain():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        s.wait_offer()
        scene.operator.drain(scene.id, max_grace_period={"seconds": 2})
        scene.operator.wait_drain_state(scene.id, "DRAINED")
        scene.operator.reactivate(scene.id)
        s.wait_offer()
        slave = scene.operator.slave(scene.id)
        equal((slave["active"], slave["deactivated"]), (True, False), "slave")
        check("drain_info" not in slave and "estimated_drain_start_time_seconds" not in slave, "slave: %s" % slave)
        equal(drain_record(scene.cluster, scene.id), (None, False), "record")


def test_deactivated_agent_keeps_its_tasks_and_gets_no_offers():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        s.wait_offer()
        scene.operator.deactivate(scene.id)
        s.wait_event("RESCIND")
        slave = scene.operator.slave(scene.id)
        equal((slave["active"], slave["deactivated"]), (False, True), "slave")
        check("drain_info" not in slave, "slave: %s" % slave)
        scene.operator.deactivate(scene.id)
        scene.operator.reactivate(scene.id)
        s.wait_offer()
        equal(scene.agent.count("DrainSlaveMessage"), 0, "commands to drain")
        equal(s.states("t"), ["TASK_RUNNING"], "states of the task")


def test_what_makes_no_sense_is_refused_in_mesos_words():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        o, agent_id, absent = scene.operator, ident(scene.id), ident(ABSENT)
        o.refused("DRAIN_AGENT", 400, "Unknown agent", agent_id=absent)
        o.refused("DEACTIVATE_AGENT", 400, "Unknown agent", agent_id=absent)
        o.refused("REACTIVATE_AGENT", 400, "Agent is not deactivated", agent_id=absent)
        o.refused("MARK_AGENT_GONE", 404, "Agent 'nope-S0' not found", agent_id=absent)
        o.refused("REACTIVATE_AGENT", 400, "Agent is not deactivated", agent_id=agent_id)
        scene.run_task(s)
        o.drain(scene.id)
        o.refused("REACTIVATE_AGENT", 400, "Agent is still in the DRAINING state", agent_id=agent_id)
        o.deactivate(scene.id)
        o.refused("REACTIVATE_AGENT", 400, "Agent is still in the DRAINING state", agent_id=agent_id)
        equal(o.drain_state(scene.id), "DRAINING", "state")


def test_agent_that_cannot_drain_is_not_asked_to():
    with Scene(capabilities=(1, 2, 3)) as scene:
        scene.operator.refused("DRAIN_AGENT", 400, "Agent %s is not capable of draining" % scene.id,
                               agent_id=ident(scene.id))
        scene.operator.deactivate(scene.id)


def test_agent_in_a_maintenance_schedule_is_not_drained():
    with Scene() as scene:
        scene.operator.schedule(window(machine("SCRIPTED", "127.0.0.1")))
        scene.operator.refused(
            "DRAIN_AGENT", 400, "Agent %s is part of a maintenance schedule under Machine SCRIPTED (127.0.0.1)"
            % scene.id, agent_id=ident(scene.id))
        scene.operator.schedule()
        scene.operator.drain(scene.id)


def test_draining_agent_is_told_again_with_what_was_said_last():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        scene.operator.drain(scene.id, max_grace_period={"seconds": 600})
        equal(wait_command(scene.agent), (600 * 10**9, False), "first command")
        scene.operator.drain(scene.id, max_grace_period={"seconds": 1}, mark_gone=True)
        equal(wait_command(scene.agent), (10**9, True), "second command")
        equal(scene.operator.slave(scene.id)["drain_info"]["config"],
              {"max_grace_period": {"nanoseconds": 10**9}, "mark_gone": True}, "config")


def test_drained_agent_is_gone_when_it_is_drained_again_for_that():
    with Scene() as scene:
        scene.operator.drain(scene.id)
        scene.operator.wait_drain_state(scene.id, "DRAINED")
        scene.operator.drain(scene.id, mark_gone=True)
        scene.agent.wait_message("ShutdownMessage")
        wait_until(lambda: scene.operator.slave(scene.id) is None, "it is gone")


def test_returning_agent_is_told_to_drain_after_it_is_told_that_it_is_back():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        scene.operator.drain(scene.id, max_grace_period={"seconds": 3})
        wait_command(scene.agent)
        scene.agent.vanish()
        wait_until(lambda: "disconnected" in scene.cluster.master().log(), "its absence is noticed")
        scene.agent.come_back()
        scene.agent.messages.clear()
        scene.agent.reregister([scene.agent.task(s.framework_id, "t")])
        equal(wait_command(scene.agent), (3 * 10**9, False), "command")
        scene.kill_task(s)
        scene.operator.wait_drain_state(scene.id, "DRAINED")


def test_drain_survives_the_master_and_goes_on_when_the_agent_is_back():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        scene.operator.drain(scene.id, max_grace_period={"seconds": 3})
        wait_command(scene.agent)
        scene.restart_master()
        s.subscribe()
        recovered = scene.operator.recovered_slave(scene.id)
        equal((recovered["deactivated"], recovered["drain_info"]["state"]), (True, "DRAINING"), "recovered agent")
        scene.return_agent([scene.agent.task(s.framework_id, "t")])
        equal(wait_command(scene.agent), (3 * 10**9, False), "command")
        slave = scene.operator.slave(scene.id)
        equal((slave["active"], slave["drain_info"]["state"]), (False, "DRAINING"), "agent")
        scene.kill_task(s)
        scene.operator.wait_drain_state(scene.id, "DRAINED")


def test_drained_and_deactivated_agents_are_so_after_a_restart_and_can_be_reactivated_before_they_return():
    with Scene() as scene:
        with LibprocessAgent(scene.cluster.master_addr) as other:
            other.register()
            scene.operator.drain(scene.id)
            scene.operator.wait_drain_state(scene.id, "DRAINED")
            scene.operator.deactivate(other.agent_id)
            scene.restart_master()
            equal(scene.operator.recovered_slave(scene.id)["drain_info"]["state"], "DRAINED", "drained agent")
            equal(scene.operator.recovered_slave(other.agent_id)["deactivated"], True, "deactivated agent")
            scene.operator.reactivate(other.agent_id)
            equal(scene.operator.recovered_slave(other.agent_id)["deactivated"], False, "reactivated agent")
            for agent in (scene.agent, other):
                agent.vanish()
                agent.come_back()
                agent.reregister()
            scene.operator.wait_active(other.agent_id)
            slave = scene.operator.slave(scene.id)
            equal((slave["active"], slave["drain_info"]["state"]), (False, "DRAINED"), "drained agent")


def test_unreachable_agent_drains_when_it_returns():
    with Scene(*QUICK_PINGS) as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        scene.cut_off()
        scene.operator.drain(scene.id, mark_gone=True)
        equal(drain_record(scene.cluster, scene.id, unreachable=True), ("DRAINING", True), "record")
        scene.operator.refused("REACTIVATE_AGENT", 400, "Agent is still in the DRAINING state",
                               agent_id=ident(scene.id))
        scene.return_agent([scene.agent.task(s.framework_id, "t")])
        equal(wait_command(scene.agent), (None, True), "command")
        equal(scene.operator.slave(scene.id)["active"], False, "active")
        scene.kill_task(s)
        scene.agent.wait_message("ShutdownMessage")


def test_draining_agent_that_becomes_unreachable_drains_on_when_it_returns_to_another_master():
    with Scene(*QUICK_PINGS) as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        scene.operator.drain(scene.id)
        wait_command(scene.agent)
        scene.cut_off()
        scene.restart_master()
        s.subscribe()
        equal(drain_record(scene.cluster, scene.id, unreachable=True), ("DRAINING", True), "record")
        scene.return_agent([scene.agent.task(s.framework_id, "t")])
        wait_command(scene.agent)
        scene.kill_task(s)
        scene.operator.wait_drain_state(scene.id, "DRAINED")


def test_unreachable_agent_can_be_reactivated_and_comes_back_active():
    with Scene(*QUICK_PINGS) as scene:
        scene.operator.deactivate(scene.id)
        scene.cut_off()
        scene.operator.reactivate(scene.id)
        scene.return_agent()
        scene.operator.wait_active(scene.id)


def test_recovered_agent_can_be_drained_and_marked_gone():
    with Scene() as scene:
        with LibprocessAgent(scene.cluster.master_addr) as other:
            other.register()
            scene.restart_master()
            scene.operator.drain(scene.id)
            equal(scene.operator.recovered_slave(scene.id)["drain_info"]["state"], "DRAINING", "state")
            scene.operator.mark_gone(other.agent_id)
            equal(scene.operator.recovered_slave(other.agent_id), None, "the one that is gone")
            for agent in (scene.agent, other):
                agent.vanish()
                agent.come_back()
            other.send("ReregisterSlaveMessage", other.report())
            other.wait_message("ShutdownMessage")
            scene.agent.reregister()
            scene.operator.wait_drain_state(scene.id, "DRAINED")


def at_once(scene, *calls):
    """[(status, text)] of calls that the master finds waiting when it wakes up."""
    connections = [socket.create_connection(scene.cluster.master_addr) for _ in calls]
    for connection in connections:
        # It has been accepted, and waits for another request.
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        check(b" 200 " in connection.recv(4096), "no answer")
    scene.cluster.master().signal(signal.SIGSTOP)
    for connection, (kind, agent_id) in zip(connections, calls):
        body = json.dumps({"type": kind, kind.lower(): {"agent_id": ident(agent_id)}})
        connection.sendall(("POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                            "Accept: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)).encode())
    scene.cluster.master().signal(signal.SIGCONT)
    answers = []
    for connection in connections:
        head, _, text = connection.recv(4096).decode().partition("\r\n\r\n")
        answers.append((int(head.split()[1]), text))
        connection.close()
    return answers


def test_what_comes_while_an_agent_is_being_marked_gone_is_refused():
    with Scene() as scene:
        gone = ("MARK_AGENT_GONE", scene.id)
        answers = at_once(scene, gone, gone, ("DRAIN_AGENT", scene.id))
        equal(answers, [(200, ""), (503, "Agent '%s' is already being transitioned to gone" % scene.id),
                        (409, "Agent is currently being marked gone")], "answers")


def test_verbs_that_come_together_build_on_each_other():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        equal(at_once(scene, ("DRAIN_AGENT", scene.id), ("DEACTIVATE_AGENT", scene.id), ("REACTIVATE_AGENT", scene.id)),
              [(200, ""), (200, ""), (400, "Agent is still in the DRAINING state")], "answers")
        equal(scene.operator.drain_state(scene.id), "DRAINING", "state")
        scene.kill_task(s)
        scene.operator.wait_drain_state(scene.id, "DRAINED")
        equal(at_once(scene, ("REACTIVATE_AGENT", scene.id), ("REACTIVATE_AGENT", scene.id)),
              [(200, ""), (400, "Agent is not deactivated")], "answers")


if __name__ == "__main__":
    main()
