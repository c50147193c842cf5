#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each timer of the master, under a clock of ours: nothing happens before its time, and it does at it.

A timer may be late by a quarter of a second; one that is set again each time, as for pings, by that much each time.
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from harness import check, equal, main, program, wait_until
from libprocess_agent import RUNNING
from stage import Stage
from wire import first

MINUTES = 60


def add_agents(stage, n, **options):
    return [stage.add_agent(hostname="host-%d" % i, **options) for i in range(n)]


def wait_registered(stage, agents):
    wait_until(lambda: sorted(stage.registered()) == sorted(a.agent_id for a in agents),
               "%d agents are registered (%d are)" % (len(agents), len(stage.registered())))


def removals(stage):
    return tuple(stage.metric("slave_unreachable_" + name) for name in ("scheduled", "canceled", "completed"))


# Pings

def test_silent_agent_is_unreachable_after_five_pings_and_not_before():
    with Stage() as stage:
        agent = stage.add_agent(pongs=False)
        stage.advance(74)
        equal(stage.registered(), [agent.agent_id], "agents after 74 s")
        stage.advance(3)
        wait_registered(stage, [])
        equal(agent.n_pings, 5, "pings")


def test_number_and_interval_of_pings_are_the_operators():
    with Stage("--agent_ping_timeout=2secs", "--max_agent_ping_timeouts=3") as stage:
        agent = stage.add_agent(pongs=False)
        stage.advance(5.9)
        equal(stage.registered(), [agent.agent_id], "agents after 5.9 s")
        stage.advance(1)
        wait_registered(stage, [])


def test_one_answer_is_enough_for_another_five_pings():
    with Stage() as stage:
        agent = stage.add_agent(pongs=False)
        stage.advance(62)
        agent.send("PongSlaveMessage")
        stage.let_it_read()
        stage.advance(60)
        equal(stage.registered(), [agent.agent_id], "agents after 122 s")
        stage.advance(30)
        wait_registered(stage, [])


def test_agent_that_answers_is_pinged_for_good():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.advance(30 * MINUTES)
        check(118 <= agent.n_pings <= 121, "%d pings in half an hour" % agent.n_pings)
        equal(stage.registered(), [agent.agent_id], "agents")
        equal(removals(stage), (0, 0, 0), "removals")


def test_setting_the_wall_clock_makes_nobody_unreachable():
    with Stage() as stage:
        agent = stage.add_agent()
        for seconds in (86400, -2 * 86400, 86400):
            stage.clock.step(seconds)
            equal(stage.registered(), [agent.agent_id], "agents")
        stage.advance(30)
        equal(stage.registered(), [agent.agent_id], "agents")


def test_pings_say_whether_the_agent_is_connected():
    with Stage() as stage:
        agent = stage.add_agent()
        equal(first(agent.wait_message("PingSlaveMessage"), 1), 1, "connected")
        agent.break_links()
        wait_until(lambda: stage.active() == [], "the agent is inactive")
        stage.advance(16)
        equal(first(agent.wait_message("PingSlaveMessage"), 1), 0, "connected")
        stage.come_back(agent)
        equal(first(agent.wait_message("PingSlaveMessage"), 1), 1, "connected")


# --agent_reregister_timeout

def check_stays_away(stage, timeout, text):
    agent = stage.add_agent()
    s = stage.add_framework("aware")
    stage.run_task("aware", agent)
    agent.break_links()
    wait_until(lambda: stage.active() == [], "the agent is inactive")
    # It answers all the while.
    stage.advance(timeout - 1)
    equal((stage.registered(), stage.told("aware")), ([agent.agent_id], []), "agents and updates before the time")
    stage.advance(2)
    status = stage.wait_told("aware", "TASK_UNREACHABLE")
    equal(status["message"], "agent did not reregister within %s after disconnecting" % text, "message")
    s.wait_event("FAILURE")
    equal(removals(stage), (1, 0, 1), "removals")


def test_agent_whose_link_broke_has_ten_minutes_to_come_back():
    with Stage() as stage:
        check_stays_away(stage, 10 * MINUTES, "10mins")


def test_operator_may_give_agents_more_time_to_come_back():
    with Stage("--slave_reregister_timeout=15mins") as stage:
        check_stays_away(stage, 15 * MINUTES, "15mins")


def test_agent_that_comes_back_in_time_stays():
    with Stage() as stage:
        agent = stage.add_agent()
        agent.break_links()
        wait_until(lambda: stage.active() == [], "the agent is inactive")
        stage.advance(9 * MINUTES)
        stage.come_back(agent)
        stage.advance(9 * MINUTES)
        equal(stage.active(), [agent.agent_id], "agents")


def check_refused(flag, text):
    answer = subprocess.run([program("holdfast-master"), "--registry=in_memory", flag], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=20, check=False)
    equal(answer.returncode, 1, "exit status with " + flag)
    check(text in answer.stderr, answer.stderr)


def test_less_than_ten_minutes_are_refused():
    check_refused("--agent_reregister_timeout=9mins", "10mins or more")


# Recovered agents

def recovered(stage):
    return [a["id"] for a in stage.get("/slaves")["recovered_slaves"]]


def test_recovered_agent_has_ten_minutes_to_come_to_a_new_master():
    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks("aware", "plain")
        stage.run_tasks(agent)
        stage.restart_master()
        stage.advance(10 * MINUTES - 1)
        equal(recovered(stage), [agent.agent_id], "recovered agents before the time")
        for kind in ("aware", "plain"):
            equal(stage.frameworks[kind].events_of("FAILURE"), [], "failures before the time")
        stage.advance(2)
        for kind in ("aware", "plain"):
            equal(stage.frameworks[kind].wait_event("FAILURE")["failure"], {"agent_id": {"value": agent.agent_id}},
                  "failure")
            # What its tasks are called is not known: nothing is said of them until somebody asks.
            equal(stage.told(kind), [], "updates")
            s = stage.frameworks[kind]
            s.call("RECONCILE", {"tasks": [{"task_id": {"value": kind}, "agent_id": {"value": agent.agent_id}}]})
            stage.wait_told(kind, "TASK_UNREACHABLE" if kind == "aware" else "TASK_LOST")
        equal((recovered(stage), stage.metric("slaves_unreachable")), ([], 1), "recovered and unreachable agents")
        equal((removals(stage), stage.metric("recovery_slave_removals")), ((1, 0, 1), 1), "removals")
        check("did not reregister within 10mins after master failover" in stage.cluster.master().log(),
              "the log does not say why")


def test_recovered_agent_that_comes_in_time_stays():
    with Stage() as stage:
        agent, other = add_agents(stage, 2)
        stage.restart_master()
        stage.advance(9 * MINUTES)
        stage.come_back(agent)
        stage.advance(2 * MINUTES)
        equal((stage.active(), recovered(stage)), ([agent.agent_id], []), "agents")
        equal(stage.metric("slaves_unreachable"), 1, "unreachable agents")
        # Late is not too late.
        stage.come_back(other)
        wait_registered(stage, [agent, other])


def test_recovered_agent_can_be_marked_gone():
    with Stage() as stage:
        agent = stage.add_agent()
        s = stage.add_framework("aware")
        stage.restart_master()
        stage.mark_gone(agent)
        equal(recovered(stage), [], "recovered agents")
        s.wait_event("FAILURE")
        stage.advance(11 * MINUTES)
        equal((stage.metric("slaves_unreachable"), removals(stage)), (0, (0, 0, 0)), "unreachable agents, removals")


def test_master_ends_rather_than_give_up_more_than_the_limit():
    with Stage("--recovery_agent_removal_limit=50%") as stage:
        agents = add_agents(stage, 3)
        stage.restart_master()
        stage.come_back(agents[0])
        master = stage.cluster.master()
        stage.clock.advance(10 * MINUTES + 1)
        wait_until(lambda: not master.is_running(), "the master ends")
        check(master.process.returncode > 0, "status %d" % master.process.returncode)
        check("2 of 3 agents (66.67%) are not back, and --recovery_agent_removal_limit is 50%" in master.log(),
              "the reason is not in the log:\n" + master.log_tail())
        # Nobody was given up by that.
        stage.restart_master()
        equal(len(recovered(stage)), 3, "recovered agents")
        master.stop()
        master.process.returncode = 0


def test_master_goes_on_when_no_more_than_the_limit_stay_away():
    with Stage("--recovery_agent_removal_limit=50%") as stage:
        agents = add_agents(stage, 2)
        stage.restart_master()
        stage.come_back(agents[0])
        stage.advance(10 * MINUTES + 1)
        wait_until(lambda: recovered(stage) == [], "the other one is given up")
        wait_registered(stage, agents[:1])


# --agent_removal_rate_limit

def test_silent_agents_are_given_up_one_after_the_other():
    with Stage("--agent_removal_rate_limit=1/10mins") as stage:
        agents = add_agents(stage, 3, pongs=False)
        stage.advance(77)
        wait_until(lambda: len(stage.registered()) == 2, "the first is unreachable")
        equal(removals(stage), (3, 0, 1), "removals")
        stage.advance(10 * MINUTES - 3)
        equal(len(stage.registered()), 2, "agents before the next turn")
        stage.advance(4)
        wait_until(lambda: len(stage.registered()) == 1, "the second is unreachable")
        stage.advance(10 * MINUTES)
        wait_registered(stage, [])
        equal(removals(stage), (3, 0, 3), "removals")
        equal(stage.metric("slaves_unreachable"), len(agents), "unreachable agents")


def test_answer_while_waiting_for_its_turn_saves_an_agent():
    with Stage("--agent_removal_rate_limit=1/10mins") as stage:
        agents = add_agents(stage, 2, pongs=False)
        stage.advance(77)
        wait_until(lambda: len(stage.registered()) == 1, "the first is unreachable")
        saved = next(a for a in agents if a.agent_id in stage.registered())
        # It is still pinged, and that is what it answers.
        saved.pongs = True
        n = saved.n_pings
        stage.advance(16)
        wait_until(lambda: removals(stage) == (2, 1, 1), "the removal is cancelled")
        check(saved.n_pings > n, "an agent that waits for its turn is not pinged")
        stage.advance(30 * MINUTES)
        equal((stage.registered(), removals(stage)), ([saved.agent_id], (2, 1, 1)), "agents and removals")


def test_agent_that_registers_again_while_waiting_for_its_turn_stays():
    with Stage("--agent_removal_rate_limit=1/10mins") as stage:
        agents = add_agents(stage, 2, pongs=False)
        stage.advance(77)
        wait_until(lambda: len(stage.registered()) == 1, "the first is unreachable")
        saved = next(a for a in agents if a.agent_id in stage.registered())
        stage.come_back(saved)
        saved.pongs = True
        equal(removals(stage), (2, 1, 1), "removals")
        stage.advance(30 * MINUTES)
        equal(stage.active(), [saved.agent_id], "agents")


def test_turn_that_an_agent_did_not_need_is_the_next_ones():
    with Stage("--agent_removal_rate_limit=1/10mins") as stage:
        agents = add_agents(stage, 3, pongs=False)
        stage.advance(77)
        wait_until(lambda: len(stage.registered()) == 2, "the first is unreachable")
        second, third = [a for a in agents if a.agent_id in stage.registered()]
        second.send("PongSlaveMessage")
        wait_until(lambda: removals(stage) == (3, 1, 1), "the removal is cancelled")
        second.pongs = True
        stage.advance(10 * MINUTES)
        wait_registered(stage, [second])
        check(third.agent_id not in stage.registered(), "the third is there")


def test_agent_that_stayed_away_waits_for_its_turn_and_only_its_return_saves_it():
    with Stage("--agent_removal_rate_limit=1/20mins") as stage:
        first_one, second, third = add_agents(stage, 3)
        for agent in (first_one, second, third):
            agent.break_links()
        wait_until(lambda: stage.active() == [], "all are inactive")
        stage.advance(10 * MINUTES + 2)
        wait_until(lambda: len(stage.registered()) == 2, "one is unreachable")
        left = [a for a in (first_one, second, third) if a.agent_id in stage.registered()]
        equal(removals(stage), (3, 0, 1), "removals")
        # Answering pings is not enough: they do so all the while.
        stage.advance(5 * MINUTES)
        equal(removals(stage), (3, 0, 1), "removals")
        stage.come_back(left[0])
        equal(removals(stage), (3, 1, 1), "removals")
        stage.advance(16 * MINUTES)
        wait_registered(stage, [left[0]])


def test_recovered_agents_are_given_up_at_the_same_rate():
    with Stage("--agent_removal_rate_limit=1/10mins") as stage:
        agents = add_agents(stage, 3)
        stage.restart_master()
        stage.advance(10 * MINUTES + 1)
        wait_until(lambda: len(recovered(stage)) == 2, "one is given up")
        returning = next(a for a in agents if a.agent_id in recovered(stage))
        stage.come_back(returning)
        equal(removals(stage), (3, 1, 1), "removals")
        stage.advance(10 * MINUTES)
        wait_until(lambda: recovered(stage) == [], "the last is given up")
        equal((stage.registered(), removals(stage)), ([returning.agent_id], (3, 1, 2)), "agents and removals")


def test_agent_that_waits_for_its_turn_may_unregister_or_be_marked_gone():
    with Stage("--agent_removal_rate_limit=1/10mins") as stage:
        agents = add_agents(stage, 3, pongs=False)
        stage.advance(77)
        wait_until(lambda: len(stage.registered()) == 2, "the first is unreachable")
        second, third = [a for a in agents if a.agent_id in stage.registered()]
        second.unregister()
        stage.mark_gone(third)
        wait_registered(stage, [])
        stage.advance(30 * MINUTES)
        equal(stage.metric("slaves_unreachable"), 1, "unreachable agents")


def test_rates_and_limits_that_make_no_sense_are_refused():
    check_refused("--agent_removal_rate_limit=1", "1/10mins")
    check_refused("--agent_removal_rate_limit=0/10mins", "1/10mins")
    check_refused("--recovery_agent_removal_limit=120%", "0% to 100%")


# Frameworks

def test_framework_has_its_failover_timeout_to_come_back():
    with Stage() as stage:
        agent = stage.add_agent()
        s = stage.add_framework("aware", failover_timeout=3600.0)
        stage.run_task("aware", agent)
        s.disconnect()
        wait_until(lambda: not stage.get("/frameworks")["frameworks"][0]["connected"], "it is disconnected")
        stage.advance(3599)
        equal(stage.tasks_of("aware")["tasks"], ["aware"], "tasks")
        stage.advance(2)
        wait_until(lambda: stage.get("/frameworks")["frameworks"] == [], "it is removed")
        agent.wait_message("ShutdownFrameworkMessage")
        completed = stage.get("/frameworks")["completed_frameworks"][0]
        equal([(t["id"], t["state"]) for t in completed["completed_tasks"]], [("aware", "TASK_KILLED")], "its tasks")


def test_framework_that_comes_back_in_time_stays_and_has_all_its_time_again():
    with Stage() as stage:
        agent = stage.add_agent()
        s = stage.add_framework("aware", failover_timeout=100.0)
        stage.run_task("aware", agent)
        for _ in range(3):
            s.disconnect()
            wait_until(lambda: not stage.get("/frameworks")["frameworks"][0]["connected"], "it is disconnected")
            stage.advance(99)
            s.subscribe()
            stage.advance(50)
            equal(stage.tasks_of("aware")["tasks"], ["aware"], "tasks")


def test_framework_without_failover_timeout_ends_with_its_connection():
    with Stage() as stage:
        s = stage.add_framework("aware", failover_timeout=0.0)
        s.disconnect()
        wait_until(lambda: stage.get("/frameworks")["completed_frameworks"], "it is removed")


def test_schedulers_and_operators_hear_a_heartbeat_each_15_seconds():
    with Stage() as stage:
        s = stage.add_framework("aware")
        s.wait_event("HEARTBEAT")
        stage.watcher.wait_until(lambda: stage.watcher.n_heartbeats == 1, "the first heartbeat")
        begin = stage.clock.wall()
        for n in range(1, 5):
            stage.advance(begin + 15 * n - 0.1 - stage.clock.wall())
            equal((len(s.events_of("HEARTBEAT")), stage.watcher.n_heartbeats), (n, n), "heartbeats before the time")
            stage.advance(begin + 15.26 * n - stage.clock.wall())
            s.wait_event("HEARTBEAT", n + 1)
            stage.watcher.wait_until(lambda n=n: stage.watcher.n_heartbeats == n + 1, "a heartbeat")


def test_offer_is_withdrawn_at_its_timeout_and_not_before():
    with Stage("--offer_timeout=30secs") as stage:
        stage.add_agent()
        s = stage.add_framework("aware")
        s.revive()
        offer = s.wait_offer()
        stage.advance(29.9)
        equal(s.events_of("RESCIND"), [], "withdrawn offers before the time")
        stage.advance(0.5)
        equal(s.wait_event("RESCIND")["rescind"]["offer_id"], offer["id"], "withdrawn offer")


def test_declined_offer_comes_again_when_its_filter_ends():
    with Stage() as stage:
        stage.add_agent()
        s = stage.add_framework("aware")
        s.revive()
        s.decline([s.wait_offer()], refuse_seconds=60.0)
        stage.advance(59.5)
        equal(s.offers, [], "offers before the time")
        stage.advance(2)
        s.wait_offer()


# The registry

def test_unreachable_agents_are_forgotten_by_age_and_their_tasks_with_them():
    with Stage("--registry_max_agent_age=1hrs", "--registry_gc_interval=15mins") as stage:
        agent = stage.add_agent(pongs=False)
        stage.add_frameworks("aware", "plain")
        stage.run_tasks(agent)
        stage.advance(77)
        for kind in ("aware", "plain"):
            stage.frameworks[kind].wait_event("FAILURE")
        stage.advance(60 * MINUTES)
        equal(stage.metric("slaves_unreachable"), 1, "unreachable agents within the age")
        equal(stage.tasks_of("aware")["unreachable_tasks"], ["aware"], "unreachable tasks")
        stage.advance(15 * MINUTES)
        wait_until(lambda: stage.metric("slaves_unreachable") == 0, "it is forgotten")
        for kind in ("aware", "plain"):
            equal(stage.tasks_of(kind)["unreachable_tasks"], [], "unreachable tasks")
            s = stage.frameworks[kind]
            s.call("RECONCILE", {"tasks": [{"task_id": {"value": kind}, "agent_id": {"value": agent.agent_id}}]})
            status = stage.wait_told(kind, "TASK_UNKNOWN" if kind == "aware" else "TASK_LOST", 2)
            equal(status["message"], "Reconciliation: Task is unknown", "message")


def test_no_more_unreachable_agents_are_kept_than_may_be_and_the_oldest_are_forgotten():
    with Stage("--registry_max_agent_count=1", "--registry_gc_interval=15mins") as stage:
        agents = []
        s = stage.add_framework("aware")
        for n in range(3):
            agents.append(stage.add_agent(hostname="host-%d" % n, pongs=False))
            stage.run_task("aware", agents[-1], "t%d" % n)
            stage.advance(77)
            s.wait_event("FAILURE", n + 1)
        equal(stage.metric("slaves_unreachable"), 3, "unreachable agents")
        stage.advance(15 * MINUTES)
        wait_until(lambda: stage.metric("slaves_unreachable") == 1, "all but one are forgotten")
        equal(stage.tasks_of("aware")["unreachable_tasks"], ["t2"], "unreachable tasks")


def test_gone_agents_are_forgotten_by_age():
    with Stage("--registry_max_agent_age=1hrs", "--registry_gc_interval=15mins") as stage:
        agent = stage.add_agent()
        stage.add_framework("plain")
        stage.run_task("plain", agent)
        stage.mark_gone(agent)
        stage.wait_told("plain", "TASK_LOST")
        stage.advance(50 * MINUTES)
        equal(stage.tasks_of("plain")["unreachable_tasks"], ["plain"], "unreachable tasks within the age")
        stage.mark_gone(agent)
        stage.advance(30 * MINUTES)
        wait_until(lambda: stage.tasks_of("plain")["unreachable_tasks"] == [], "its tasks are forgotten")
        stage.mark_gone(agent, expect=404)


if __name__ == "__main__":
    main()
