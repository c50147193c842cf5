#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What becomes of a task when its agent does: for frameworks that are aware of partitions and those that are
not, that checkpoint and that do not. Each row of the table in the master's documentation is a test, under a clock
of ours: what the framework is told and how often, what operators are told, and what is shown afterwards."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from harness import HOST, check, equal, main, wait_until
from libprocess_agent import FINISHED, RUNNING
from stage import AWARE, CHECKPOINTING, KINDS, PLAIN, Stage
from wire import field, first, read

LOST = ("TASK_LOST", "SOURCE_MASTER", "REASON_AGENT_REMOVED")


def essence(status):
    return status["state"], status["source"], status["reason"]


def check_masters_word(status, agent):
    """What all statuses have in common that the master makes."""
    equal(status["agent_id"], {"value": agent.agent_id}, "agent")
    check("uuid" not in status, "an update of the master has a uuid")
    check("timestamp" in status, "it has no timestamp")


def failures(stage, name):
    return [e["failure"] for e in stage.frameworks[name].events_of("FAILURE")]


def cut_off(stage, agent):
    """Silent until it is unreachable, with its connections intact. The next ping may be 15 s away."""
    agent.pongs = False
    stage.advance(93)


def check_unreachable(stage, agent, message="health check timed out"):
    for kind in KINDS:
        status = stage.wait_told(kind, "TASK_UNREACHABLE" if kind in AWARE else "TASK_LOST")
        equal(essence(status)[1:], LOST[1:], "source and reason")
        equal(status["message"], message, "message")
        check_masters_word(status, agent)
        since = status["unreachable_time"]["nanoseconds"] / 1e9
        check(0 <= stage.clock.wall() - since < 20, "unreachable since %f, it is %f" % (since, stage.clock.wall()))
        stage.frameworks[kind].wait_event("FAILURE")
        equal(failures(stage, kind), [{"agent_id": {"value": agent.agent_id}}], "failures")


def test_task_of_an_unreachable_agent_is_unreachable_or_lost_and_kept():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks()
        stage.run_tasks(agent)
        cut_off(stage, agent)
        check_unreachable(stage, agent)
        for kind in KINDS:
            equal(len(stage.told(kind)), 1, "updates")
            equal(stage.tasks_of(kind), {"tasks": [], "unreachable_tasks": [kind], "completed_tasks": []}, "tasks")
        equal(stage.registered(), [], "agents")
        equal((stage.metric("slave_unreachable_completed"), stage.metric("slaves_unreachable"),
               stage.metric("slave_removals/reason_unhealthy"), stage.metric("tasks_unreachable")), (1, 1, 1, 4),
              "metrics")


def test_operators_are_told_of_the_tasks_of_an_unreachable_agent_and_not_of_the_agent():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks()
        stage.run_tasks(agent)
        n = len(stage.watcher.events)
        cut_off(stage, agent)
        check_unreachable(stage, agent)
        stage.watcher.wait_until(lambda: len(stage.watcher.events) >= n + 4, "four updates")
        equal(stage.watcher.kinds()[n:], ["TASK_UPDATED"] * 4, "events")
        for kind in KINDS:
            equal(stage.watcher.states(kind)[-1], "TASK_UNREACHABLE" if kind in AWARE else "TASK_LOST", "state")


def test_offer_of_an_unreachable_agent_is_rescinded_before_its_loss_is_told():
    with Stage() as stage:
        agent = stage.add_agent()
        s = stage.add_framework("aware")
        stage.run_task("aware", agent)
        s.revive()
        offer = s.wait_offer()
        n = len(s.events)
        cut_off(stage, agent)
        s.wait_event("FAILURE")
        events = [e for _, e in s.events[n:] if e["type"] != "HEARTBEAT"]
        equal([e["type"] for e in events], ["UPDATE", "RESCIND", "FAILURE"], "events")
        equal(events[1]["rescind"]["offer_id"], offer["id"], "offer")


def test_task_of_an_agent_that_returns_is_what_it_was_again_and_none_is_killed():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks()
        stage.run_tasks(agent)
        cut_off(stage, agent)
        check_unreachable(stage, agent)
        n = len(stage.watcher.events)
        agent.pongs = True
        agent.messages.clear()
        stage.come_back(agent, *KINDS)
        for kind in KINDS:
            status = stage.wait_told(kind, "TASK_RUNNING", 2)
            equal(essence(status), ("TASK_RUNNING", "SOURCE_MASTER", "REASON_AGENT_REREGISTERED"), "status")
            equal(status["message"], "Unreachable agent re-reregistered", "message")
            check_masters_word(status, agent)
            check("unreachable_time" not in status, "a task that is back has an unreachable_time")
            equal(stage.tasks_of(kind), {"tasks": [kind], "unreachable_tasks": [], "completed_tasks": []}, "tasks")
        stage.watcher.wait_until(lambda: len(stage.watcher.events) >= n + 5, "tasks and the agent")
        equal(stage.watcher.kinds()[n:], ["TASK_ADDED"] * 4 + ["AGENT_ADDED"], "events")
        stage.advance(30)
        harmless = {"PingSlaveMessage", "SlaveReregisteredMessage", "UpdateFrameworkMessage"}
        equal({name for name, _ in agent.messages} - harmless, set(), "messages to the agent")
        for kind in KINDS:
            equal(len(stage.told(kind)), 2, "updates")


def test_task_that_ended_while_its_agent_was_away_is_told_as_what_it_came_to():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks("aware", "plain")
        stage.run_tasks(agent)
        cut_off(stage, agent)
        agent.pongs = True
        agent.reregister([agent.task(s.framework_id, n, FINISHED) for n, s in stage.frameworks.items()],
                         [stage.learnt(n) for n in stage.frameworks])
        for kind in ("aware", "plain"):
            status = stage.wait_told(kind, "TASK_FINISHED", 2)
            equal(status["reason"], "REASON_AGENT_REREGISTERED", "reason")
            # The executor's own word follows, and only its acknowledgement completes the task.
            agent.update(stage.frameworks[kind].framework_id, kind, FINISHED)
            wait_until(lambda k=kind: stage.tasks_of(k)["completed_tasks"] == [k], "the task is completed")


def test_agent_nobody_has_heard_of_is_let_in_with_its_tasks():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks("aware", "plain")
        stage.run_tasks(agent)
        agent.unregister()
        for kind in ("aware", "plain"):
            stage.wait_told(kind, "TASK_LOST")
        stage.come_back(agent, "aware", "plain")
        for kind in ("aware", "plain"):
            status = stage.wait_told(kind, "TASK_RUNNING", 2)
            equal((status["reason"], status["message"]), ("REASON_AGENT_REREGISTERED", "Unknown agent reregistered"),
                  "reason and message")


def check_gone(stage, agent, n):
    for kind in KINDS:
        status = stage.wait_told(kind, "TASK_GONE_BY_OPERATOR" if kind in AWARE else "TASK_LOST", n)
        equal(essence(status)[1:], ("SOURCE_MASTER", "REASON_AGENT_REMOVED_BY_OPERATOR" if kind in AWARE
                                    else "REASON_AGENT_REMOVED"), "source and reason")
        equal(status["message"], "Agent has been marked gone", "message")
        check_masters_word(status, agent)
        check("unreachable_time" not in status, "what is gone is not unreachable")
        # As Mesos shows it.
        where = "completed_tasks" if kind in AWARE else "unreachable_tasks"
        equal({k: v for k, v in stage.tasks_of(kind).items() if v}, {where: [kind]}, "tasks")


def test_task_of_an_agent_that_is_marked_gone_is_gone_by_operator_or_lost():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks()
        stage.run_tasks(agent)
        stage.mark_gone(agent)
        check_gone(stage, agent, 1)
        agent.wait_message("ShutdownMessage")
        for kind in KINDS:
            stage.frameworks[kind].wait_event("FAILURE")
        stage.mark_gone(agent)
        equal(stage.registered(), [], "agents")
        agent.send("ReregisterSlaveMessage", field(2, agent.info()) + field(6, "1.12.0"))
        message = agent.wait_message("ShutdownMessage")
        equal(first(message, 1), b"Agent has been marked gone", "message")


def test_unreachable_task_of_an_agent_that_is_marked_gone_is_gone_by_operator_or_lost():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks()
        stage.run_tasks(agent)
        cut_off(stage, agent)
        check_unreachable(stage, agent)
        stage.mark_gone(agent)
        check_gone(stage, agent, 2)
        for kind in KINDS:
            equal(len(failures(stage, kind)), 1, "failures: it failed once")
        equal((stage.metric("slaves_unreachable"), stage.metric("slave_removals")), (0, 1), "unreachable and removed")


def test_unknown_agent_cannot_be_marked_gone():
    with Stage() as stage:
        agent = stage.add_agent()
        agent.agent_id += "0"
        stage.mark_gone(agent, expect=404)


def test_task_of_an_agent_that_unregisters_is_lost_to_everybody():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks()
        stage.run_tasks(agent)
        n = len(stage.watcher.events)
        agent.unregister()
        for kind in KINDS:
            status = stage.wait_told(kind, "TASK_LOST")
            equal(essence(status), LOST, "status")
            equal(status["message"], "Agent scripted removed: the agent unregistered", "message")
            check_masters_word(status, agent)
            stage.frameworks[kind].wait_event("FAILURE")
            equal(stage.tasks_of(kind), {"tasks": [], "unreachable_tasks": [], "completed_tasks": [kind]}, "tasks")
        stage.watcher.wait_until(lambda: len(stage.watcher.events) >= n + 5, "tasks and the agent")
        equal(stage.watcher.kinds()[n:], ["TASK_UPDATED"] * 4 + ["AGENT_REMOVED"], "events")
        equal((stage.metric("slave_removals"), stage.metric("slave_removals/reason_unregistered")), (1, 1), "removals")


def test_task_on_a_machine_that_goes_down_is_lost_to_everybody():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks()
        stage.run_tasks(agent)
        n = len(stage.watcher.events)
        machine = {"hostname": agent.hostname, "ip": HOST}
        stage.operator("UPDATE_MAINTENANCE_SCHEDULE", update_maintenance_schedule={"schedule": {"windows": [
            {"machine_ids": [machine], "unavailability": {"start": {"nanoseconds": 1}}}]}})
        stage.operator("START_MAINTENANCE", start_maintenance={"machines": [machine]})
        agent.wait_message("ShutdownMessage")
        for kind in KINDS:
            status = stage.wait_told(kind, "TASK_LOST")
            equal(essence(status), LOST, "status")
            check_masters_word(status, agent)
            stage.frameworks[kind].wait_event("FAILURE")
            equal(stage.tasks_of(kind), {"tasks": [], "unreachable_tasks": [], "completed_tasks": [kind]}, "tasks")
        stage.watcher.wait_until(lambda: len(stage.watcher.events) >= n + 5, "tasks and the agent")
        equal(stage.watcher.kinds()[n:], ["TASK_UPDATED"] * 4 + ["AGENT_REMOVED"], "events")
        # Until it is up again nobody there is let in.
        agent.send("ReregisterSlaveMessage", field(2, agent.info()) + field(6, "1.12.0"))
        agent.wait_message("ShutdownMessage")
        stage.operator("STOP_MAINTENANCE", stop_maintenance={"machines": [machine]})
        stage.come_back(agent, "aware")
        equal(stage.wait_told("aware", "TASK_RUNNING", 2)["message"], "Unknown agent reregistered", "message")


def test_updates_of_an_agent_that_was_removed_are_ignored():
    with Stage() as stage:
        agent = stage.add_agent()
        s = stage.add_framework("aware")
        stage.run_task("aware", agent)
        agent.unregister()
        stage.wait_told("aware", "TASK_LOST")
        invalid = stage.metric("invalid_status_updates")
        agent.update(s.framework_id, "aware", FINISHED)
        wait_until(lambda: stage.metric("invalid_status_updates") == invalid + 1, "the update is counted as invalid")
        s.reconcile("aware")
        equal(stage.wait_told("aware", "TASK_UNKNOWN", 2)["reason"], "REASON_RECONCILIATION", "reason")


def test_task_of_an_agent_whose_place_another_takes_is_lost_to_everybody():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks()
        stage.run_tasks(agent)
        before = agent.agent_id
        agent.vanish()
        wait_until(lambda: stage.active() == [], "the agent is inactive")
        agent.come_back()
        agent.register()
        equal(stage.registered(), [agent.agent_id], "agents")
        for kind in CHECKPOINTING:
            status = stage.wait_told(kind, "TASK_LOST")
            equal((essence(status), status["message"]),
                  (LOST, "Agent scripted removed: a new agent registered at the same address"), "status")
            equal(status["agent_id"], {"value": before}, "agent")
        equal((stage.metric("slave_removals"), stage.metric("slave_removals/reason_registered"),
               stage.metric("slave_removals/reason_unregistered")), (1, 1, 0), "removals")


def test_task_without_checkpoints_is_lost_to_everybody_when_the_link_breaks_and_the_others_are_not():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks()
        stage.run_tasks(agent)
        agent.vanish()
        for kind in KINDS:
            if kind in CHECKPOINTING:
                continue
            status = stage.wait_told(kind, "TASK_LOST")
            equal(essence(status), ("TASK_LOST", "SOURCE_MASTER", "REASON_AGENT_DISCONNECTED"), "status")
            equal(status["message"], "Agent scripted disconnected", "message")
            check_masters_word(status, agent)
            equal(stage.tasks_of(kind)["completed_tasks"], [kind], "completed tasks")
        for kind in CHECKPOINTING:
            equal((stage.told(kind), failures(stage, kind)), ([], []), "what was told of what goes on")
            equal(stage.tasks_of(kind)["tasks"], [kind], "tasks")
        # Their resources are free at once, and offered when the agent is back.
        agent.come_back()
        stage.come_back(agent, *CHECKPOINTING)
        used = stage.get("/slaves")["slaves"][0]["used_resources"]["cpus"]
        equal(round(used, 3), 0.2, "used cpus")
        for kind in CHECKPOINTING:
            equal(stage.told(kind), [], "what was told of what goes on")


def test_task_without_checkpoints_that_was_lost_and_lives_is_told_of_when_its_agent_is_back():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks()
        stage.run_tasks(agent)
        # The network, not the agent: what runs there runs on.
        agent.break_links()
        for kind in KINDS:
            if kind not in CHECKPOINTING:
                stage.wait_told(kind, "TASK_LOST")
        stage.come_back(agent, *KINDS)
        for kind in KINDS:
            if kind in CHECKPOINTING:
                equal(stage.told(kind), [], "what was told of what goes on")
            else:
                equal(stage.wait_told(kind, "TASK_RUNNING", 2)["reason"], "REASON_AGENT_REREGISTERED", "reason")
            equal(stage.tasks_of(kind)["tasks"], [kind], "tasks")
        used = stage.get("/slaves")["slaves"][0]["used_resources"]["cpus"]
        equal(round(used, 3), 0.4, "used cpus")


def test_task_that_its_agent_does_not_know_is_asked_about_and_its_answer_passed_on():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks("aware", "plain")
        stage.run_tasks(agent)
        agent.vanish()
        wait_until(lambda: stage.active() == [], "the agent is inactive")
        agent.come_back()
        answer = agent.reregister([], [stage.learnt("aware"), stage.learnt("plain")])
        asked = sorted(first(read(first(read(status), 1)), 1).decode()
                       for m in answer[2] for status in read(m).get(2, []))
        equal(asked, ["aware", "plain"], "tasks asked about")
        agent.update(stage.frameworks["aware"].framework_id, "aware", 9)
        agent.update(stage.frameworks["plain"].framework_id, "plain", 5)
        stage.wait_told("aware", "TASK_DROPPED")
        stage.wait_told("plain", "TASK_LOST")


def test_launch_with_an_offer_that_is_void_is_dropped_or_lost():
    with Stage() as stage:
        agent = stage.add_agent()
        for kind in ("aware", "plain"):
            s = stage.add_framework(kind)
            s.revive()
            offer = s.wait_offer()
            agent.vanish()
            s.wait_event("RESCIND")
            s.launch([s.task("late", "true")], offer)
            state = "TASK_DROPPED" if kind in AWARE else "TASK_LOST"
            status = s.wait_state("late", state)
            equal(essence(status), (state, "SOURCE_MASTER", "REASON_INVALID_OFFERS"), "status")
            check_masters_word(status, agent)
            s.suppress()
            agent.come_back()
            stage.come_back(agent)


def reconcile(stage, kind, task_id, agent_id=None):
    """The answer; None when there was none although a later question was answered."""
    s = stage.frameworks[kind]
    task = {"task_id": {"value": task_id}, **({"agent_id": {"value": agent_id}} if agent_id else {})}
    probe = "probe-%d" % len(s.events)
    n = len(s.statuses)
    s.call("RECONCILE", {"tasks": [task, {"task_id": {"value": probe}, "agent_id": {"value": "nobody"}}]})
    s.wait_state(probe, "TASK_UNKNOWN", "TASK_LOST")
    found = [status for status in s.statuses[n:] if status["task_id"]["value"] == task_id]
    return found[0] if found else None


def check_reconciled(stage, task_id, agent_id, aware_state, message, unreachable_time=False):
    for kind in ("aware", "plain"):
        status = reconcile(stage, kind, task_id, agent_id)
        equal(essence(status), (aware_state if kind in AWARE else "TASK_LOST", "SOURCE_MASTER",
                                "REASON_RECONCILIATION"), "answer")
        equal(status["message"], "Reconciliation: " + message, "message")
        equal("unreachable_time" in status, unreachable_time, "there is an unreachable_time")


def test_reconciliation_names_the_fate_of_what_it_is_asked_about():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks("aware", "plain")
        stage.run_tasks(agent)
        for kind in ("aware", "plain"):
            equal(reconcile(stage, kind, kind)["state"], "TASK_RUNNING", "state")
        check_reconciled(stage, "never", agent.agent_id, "TASK_GONE", "Task is unknown to the agent")
        check_reconciled(stage, "never", None, "TASK_UNKNOWN", "Task is unknown")
        check_reconciled(stage, "never", "nobody", "TASK_UNKNOWN", "Task is unknown")
        cut_off(stage, agent)
        check_reconciled(stage, "never", agent.agent_id, "TASK_UNREACHABLE", "Task is unreachable", True)
        for kind in ("aware", "plain"):
            status = reconcile(stage, kind, kind)
            equal((status["state"], "unreachable_time" in status),
                  ("TASK_UNREACHABLE" if kind in AWARE else "TASK_LOST", True), "answer")
        stage.mark_gone(agent)
        check_reconciled(stage, "never", agent.agent_id, "TASK_GONE_BY_OPERATOR", "Task is gone")


def test_reconciliation_says_nothing_of_an_agent_that_is_still_expected():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks("aware", "plain")
        stage.run_tasks(agent)
        stage.restart_master()
        for kind in ("aware", "plain"):
            equal(reconcile(stage, kind, kind, agent.agent_id), None, "answer")
            equal(reconcile(stage, kind, kind), None, "answer without an agent")
        stage.come_back(agent, "aware", "plain")
        for kind in ("aware", "plain"):
            equal(reconcile(stage, kind, kind, agent.agent_id)["state"], "TASK_RUNNING", "state")


def test_task_of_an_agent_that_comes_to_a_new_master_is_not_told_of():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks("aware", "plain")
        stage.run_tasks(agent)
        stage.restart_master()
        stage.come_back(agent, "aware", "plain")
        for kind in ("aware", "plain"):
            equal(stage.told(kind), [], "what was told of what goes on")
            equal(stage.tasks_of(kind)["tasks"], [kind], "tasks")


def test_kill_of_an_unreachable_task_is_answered_with_its_fate():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks("aware", "plain")
        stage.run_tasks(agent)
        cut_off(stage, agent)
        for kind in ("aware", "plain"):
            state = "TASK_UNREACHABLE" if kind in AWARE else "TASK_LOST"
            stage.wait_told(kind, state)
            stage.frameworks[kind].kill(kind)
            equal(stage.wait_told(kind, state, 2)["reason"], "REASON_RECONCILIATION", "reason")


def test_task_id_is_taken_while_its_task_is_unreachable():
    with Stage() as stage:
        agent = stage.add_agent()
        s = stage.add_framework("aware")
        stage.run_task("aware", agent)
        cut_off(stage, agent)
        stage.wait_told("aware", "TASK_UNREACHABLE")
        other = stage.add_agent(hostname="other")
        s.revive()
        s.launch([s.task("aware", "true")], s.wait_offer(agent_id=other.agent_id))
        status = stage.wait_told("aware", "TASK_ERROR", 2)
        equal(status["reason"], "REASON_TASK_INVALID", "reason")


def test_no_more_unreachable_tasks_are_kept_than_may_be_and_the_oldest_are_forgotten():
    with Stage("--max_unreachable_tasks_per_framework=2") as stage:
        agent = stage.add_agent()
        s = stage.add_framework("aware")
        for task_id in ("t1", "t2", "t3"):
            stage.run_task("aware", agent, task_id)
        cut_off(stage, agent)
        stage.wait_told("aware", "TASK_UNREACHABLE", task_id="t3")
        equal(len(stage.tasks_of("aware")["unreachable_tasks"]), 2, "unreachable tasks")
        # All the same: the agent is known to be unreachable, if it is named.
        for task_id in ("t1", "t2", "t3"):
            equal(reconcile(stage, "aware", task_id, agent.agent_id)["state"], "TASK_UNREACHABLE", "state")
        # And all of them are back with it.
        agent.pongs = True
        agent.reregister([agent.task(s.framework_id, t) for t in ("t1", "t2", "t3")], [stage.learnt("aware")])
        equal(sorted(stage.tasks_of("aware")["tasks"]), ["t1", "t2", "t3"], "tasks")


def test_removed_framework_takes_its_unreachable_tasks_along():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks("aware", "plain")
        stage.run_tasks(agent)
        cut_off(stage, agent)
        for kind in ("aware", "plain"):
            stage.wait_told(kind, "TASK_UNREACHABLE" if kind in AWARE else "TASK_LOST")
            stage.frameworks[kind].teardown()
            stage.watcher.wait_until(lambda k=kind: stage.watcher.states(k)[-1] == "TASK_KILLED", "the task is killed")
        agent.pongs = True
        stage.come_back(agent, "aware", "plain")
        told = sorted(first(read(first(agent.wait_message("ShutdownFrameworkMessage"), 1)), 1).decode() for _ in "12")
        equal(told, sorted(s.framework_id for s in stage.frameworks.values()), "frameworks shut down on the agent")


def test_resources_of_unreachable_tasks_are_free():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks("aware", "plain")
        stage.run_tasks(agent)
        cut_off(stage, agent)
        for kind in ("aware", "plain"):
            stage.frameworks[kind].wait_event("FAILURE")
        for f in stage.get("/frameworks")["frameworks"]:
            equal(f["used_resources"]["cpus"], 0, "used cpus of " + f["name"])
        agent.pongs = True
        stage.come_back(agent, "aware")
        equal(round(stage.get("/slaves")["slaves"][0]["used_resources"]["cpus"], 3), 0.1, "used cpus")


def test_fates_are_told_in_the_order_in_which_they_came():
    """A task may go to and fro as often as its agent does."""
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks("aware", "plain")
        stage.run_tasks(agent)
        for n in range(3):
            cut_off(stage, agent)
            for kind in ("aware", "plain"):
                stage.wait_told(kind, "TASK_UNREACHABLE" if kind in AWARE else "TASK_LOST", 2 * n + 1)
            agent.pongs = True
            stage.come_back(agent, "aware", "plain")
            for kind in ("aware", "plain"):
                stage.wait_told(kind, "TASK_RUNNING", 2 * n + 2)
        for kind in ("aware", "plain"):
            agent.update(stage.frameworks[kind].framework_id, kind, RUNNING)
            stage.wait_told(kind, "TASK_RUNNING", 7)


if __name__ == "__main__":
    main()
