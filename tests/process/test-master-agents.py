#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The master against a scripted agent: how agents come in, answer, are cut off, return and go."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from harness import Cluster, check, equal, http_call, http_get, main, wait_until
from libprocess_agent import DROPPED, FINISHED, RUNNING, LibprocessAgent, double, identity, scalar_list
from scheduler import Scheduler
from wire import field, first, read

QUICK_PINGS = ("--agent_ping_timeout=1secs", "--max_agent_ping_timeouts=2")
EXECUTOR = {"executor_id": {"value": "e"}, "command": {"value": "run"}, "resources": [
    {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.0}},
    {"name": "mem", "type": "SCALAR", "scalar": {"value": 32.0}}]}


def text(message, number):
    """The value of an id that is a field of the message."""
    return first(read(first(message, number)), 1).decode()


def slaves(cluster):
    return http_get(cluster.master_addr, "/slaves").json()


def run_task(scheduler, agent, task_id="t", **fields):
    scheduler.launch([scheduler.task(task_id, "true", **fields)])
    agent.wait_task(task_id)
    agent.update(scheduler.framework_id, task_id, RUNNING)
    scheduler.wait_state(task_id, "TASK_RUNNING")


def test_registered_agent_gets_an_id_and_the_ping_timeout_and_is_pinged_first():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        registered = agent.register()
        check(agent.agent_id.endswith("-S0"), "id is %s" % agent.agent_id)
        equal(double(first(read(first(registered, 2)), 1)), 75.0, "total ping timeout")
        agent.wait_message("PingSlaveMessage", lambda m: first(m, 1) == 1)
        equal([s["id"] for s in slaves(cluster)["slaves"]], [agent.agent_id], "agents")


def test_agent_that_asks_twice_is_told_the_same_id():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        before = agent.agent_id
        agent.register()
        equal(agent.agent_id, before, "id")
        equal(len(slaves(cluster)["slaves"]), 1, "number of agents")


def test_agent_that_repeats_itself_is_answered_each_time_on_the_connection_there_is():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        for _ in range(3):
            agent.reregister()
        equal(agent.n_accepted, 1, "connections of the master")
        check(slaves(cluster)["slaves"][0]["active"], "the agent is not active")


def test_agent_that_restarts_before_the_master_knows_is_answered_on_a_new_connection():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        for number in range(2, 6):
            cluster.master().signal(signal.SIGSTOP)
            agent.vanish()
            agent.come_back()
            agent.send("ReregisterSlaveMessage", agent.report())
            cluster.master().signal(signal.SIGCONT)
            agent.wait_message("SlaveReregisteredMessage")
            equal(agent.n_accepted, number, "connections of the master")


def test_another_agent_at_the_address_of_one_that_is_cut_off_takes_its_place():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        before = agent.agent_id
        agent.vanish()
        wait_until(lambda: not slaves(cluster)["slaves"][0]["active"], "the agent is inactive")
        agent.come_back()
        agent.register()
        check(agent.agent_id != before, "the new agent has the old one's id")
        equal([s["id"] for s in slaves(cluster)["slaves"]], [agent.agent_id], "agents")


def test_run_task_message_says_what_mesos_says():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            s.launch([s.task("t", "sleep 1", labels={"labels": [{"key": "k", "value": "v"}]})])
            message = agent.wait_message("RunTaskMessage")
            task = read(first(message, 4))
            equal(text(read(first(message, 2)), 3), s.framework_id, "framework id")
            equal(first(message, 3), b"@0.0.0.0:0", "pid of a framework that has none")
            equal(first(message, 6), 1, "launch_executor")
            equal(len(message[5]), 1, "number of resource versions")
            equal((text(task, 2), text(task, 3)), ("t", agent.agent_id), "task and agent")
            resource = read(task[4][0])
            check(6 not in resource, "a new agent is sent the old role field")
            equal(first(read(first(resource, 11)), 1), b"*", "allocation role")
            check(10 in task, "labels are missing")
            agent.update(s.framework_id, "t", FINISHED)
            s.wait_state("t", "TASK_FINISHED")


def test_update_goes_to_the_framework_and_its_acknowledgement_back():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr, acknowledge=lambda status: False) as s:
            s.launch([s.task("t", "true")])
            agent.wait_task("t")
            uuid = agent.update(s.framework_id, "t", RUNNING)
            status = s.wait_state("t", "TASK_RUNNING")
            equal(status["source"], "SOURCE_EXECUTOR", "source")
            s.acknowledge(status)
            ack = agent.wait_message("StatusUpdateAcknowledgementMessage")
            equal((text(ack, 1), text(ack, 2), text(ack, 3), first(ack, 4)),
                  (agent.agent_id, s.framework_id, "t", uuid), "acknowledgement")


def test_resources_are_offered_again_at_the_end_and_the_task_stays_until_that_is_acknowledged():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr, cpus=1, mem=64) as agent:
        agent.register()
        with Scheduler(cluster.master_addr, acknowledge=lambda status: status["state"] != "TASK_FINISHED") as s:
            run_task(s, agent, cpus=1, mem=64)
            agent.update(s.framework_id, "t", FINISHED)
            status = s.wait_state("t", "TASK_FINISHED")
            s.wait_offer(cpus=1, mem=64)
            tasks = http_get(cluster.master_addr, "/frameworks").json()["frameworks"][0]
            equal([t["state"] for t in tasks["tasks"]], ["TASK_FINISHED"], "live tasks")
            s.acknowledge(status)
            tasks = http_get(cluster.master_addr, "/frameworks").json()["frameworks"][0]
            equal((len(tasks["tasks"]), len(tasks["completed_tasks"])), (0, 1), "live and completed tasks")


def test_latest_state_frees_resources_before_its_update_comes():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr, cpus=1, mem=64) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            s.launch([s.task("t", "true", cpus=1, mem=64)])
            agent.wait_task("t")
            agent.update(s.framework_id, "t", RUNNING, latest=FINISHED)
            s.wait_state("t", "TASK_RUNNING")
            s.wait_offer(cpus=1, mem=64)
            s.reconcile("t")
            s.wait_until(lambda: s.states("t")[-1:] == ["TASK_RUNNING"] and len(s.states("t")) == 2, "an answer")


def test_update_of_an_unknown_task_is_passed_on_all_the_same():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            agent.update(s.framework_id, "never-launched", RUNNING)
            s.wait_state("never-launched", "TASK_RUNNING")
            agent.wait_message("StatusUpdateAcknowledgementMessage")


def test_agent_whose_link_breaks_is_not_offered_until_it_is_back_with_its_tasks():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            run_task(s, agent)
            s.wait_until(lambda: s.offers, "the rest is offered")
            agent.vanish()
            s.wait_event("RESCIND")
            equal(slaves(cluster)["slaves"][0]["active"], False, "active")
            equal(s.states("t"), ["TASK_RUNNING"], "states")
            agent.come_back()
            agent.reregister([agent.task(s.framework_id, "t")], [agent.framework(s.framework_id)])
            s.wait_until(lambda: s.offers, "the agent is offered again")
            equal(s.states("t"), ["TASK_RUNNING"], "states")
            agent.wait_message("UpdateFrameworkMessage")


def test_agent_is_asked_about_tasks_it_does_not_list():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            run_task(s, agent)
            agent.vanish()
            s.wait_until(lambda: not slaves(cluster)["slaves"][0]["active"], "the agent is inactive")
            agent.come_back()
            answer = agent.reregister()
            asked = read(first(answer, 2))
            equal(text(asked, 1), s.framework_id, "framework")
            equal([text(read(status), 1) for status in asked[2]], ["t"], "tasks")


def test_kill_while_the_agent_is_away_is_sent_when_it_is_back():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            run_task(s, agent)
            agent.vanish()
            wait_until(lambda: not slaves(cluster)["slaves"][0]["active"], "the agent is inactive")
            s.kill("t")
            agent.come_back()
            agent.reregister([agent.task(s.framework_id, "t")], [agent.framework(s.framework_id)])
            equal(text(agent.wait_message("KillTaskMessage"), 2), "t", "task")


def test_tasks_of_a_framework_without_checkpoints_are_lost_with_the_link():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr, info={"checkpoint": False}) as s:
            run_task(s, agent)
            agent.vanish()
            status = s.wait_state("t", "TASK_LOST")
            equal((status["reason"], status["message"]),
                  ("REASON_AGENT_DISCONNECTED", "Agent scripted disconnected"), "reason, message")


def test_agent_that_answers_no_pings_is_unreachable_and_its_tasks_come_back_with_it():
    with Cluster(n_agents=0, master_flags=QUICK_PINGS) as cluster, \
            LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            run_task(s, agent)
            agent.pongs = False
            status = s.wait_state("t", "TASK_UNREACHABLE")
            equal((status["source"], status["reason"], status["message"]),
                  ("SOURCE_MASTER", "REASON_AGENT_REMOVED", "health check timed out"), "who and why")
            check("unreachable_time" in status, "no unreachable_time")
            check("uuid" not in status, "an update of the master has a uuid")
            equal(s.wait_event("FAILURE")["failure"], {"agent_id": {"value": agent.agent_id}}, "failure")
            equal(slaves(cluster)["slaves"], [], "agents")
            s.reconcile("t")
            s.wait_until(lambda: s.states("t").count("TASK_UNREACHABLE") == 2, "an answer")
            agent.pongs = True
            agent.reregister([agent.task(s.framework_id, "t")], [agent.framework(s.framework_id)])
            s.wait_until(lambda: s.states("t")[-1] == "TASK_RUNNING", "the task is back")
            equal((s.statuses[-1]["reason"], s.statuses[-1]["message"]),
                  ("REASON_AGENT_REREGISTERED", "Unreachable agent re-reregistered"), "reason, message")


def test_ids_of_unreachable_tasks_are_free_again_when_their_agent_returns_without_them():
    with Cluster(n_agents=0, master_flags=QUICK_PINGS) as cluster, \
            LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            run_task(s, agent)
            agent.pongs = False
            s.wait_state("t", "TASK_UNREACHABLE")
            agent.pongs = True
            agent.reregister([], [agent.framework(s.framework_id)])
            framework = http_get(cluster.master_addr, "/frameworks").json()["frameworks"][0]
            equal((framework["tasks"], framework["unreachable_tasks"]), ([], []), "tasks")
            run_task(s, agent)


def test_agent_whose_resources_make_no_sense_is_not_recorded_and_may_try_again():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        good, agent.resources = agent.resources, scalar_list(("cpus", -1))
        for _ in range(3):
            agent.send("RegisterSlaveMessage", field(1, agent.info(False)) + field(2, "1.12.0"))
        agent.agent_id = "made-up-S0"
        agent.send("ReregisterSlaveMessage", field(2, agent.info()) + field(6, "1.12.0"))
        agent.agent_id, agent.resources = None, good
        agent.register()
        agent.vanish()
        cluster.master().kill9()
        cluster.master().start()
        equal([a["id"] for a in slaves(cluster)["recovered_slaves"]], [agent.agent_id], "recovered agents")


def test_agent_that_returns_at_the_address_of_another_takes_its_place():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent, \
            LibprocessAgent(cluster.master_addr) as other:
        agent.register()
        other.register()
        for a in (agent, other):
            a.vanish()
        wait_until(lambda: not any(x["active"] for x in slaves(cluster)["slaves"]), "both are inactive")
        agent.listen(other.port)
        agent.reregister()
        equal([(a["id"], a["pid"]) for a in slaves(cluster)["slaves"]], [(agent.agent_id, agent.pid)], "agents")
        other.listen()
        other.reregister()
        equal(sorted(a["pid"] for a in slaves(cluster)["slaves"]), sorted([agent.pid, other.pid]), "agents")


def check_sent_away(cluster, agent, other):
    """That one comes with the id of a registered agent."""
    other.agent_id = agent.agent_id
    other.send("ReregisterSlaveMessage", field(2, other.info()) + field(6, "1.12.0"))
    message = other.wait_message("ShutdownMessage")
    equal(first(message, 1), b"Agent attempted to re-register from a different IP or hostname", "message")
    equal([(a["id"], a["pid"], a["active"]) for a in slaves(cluster)["slaves"]], [(agent.agent_id, agent.pid, True)],
          "agents")


def test_agent_that_comes_back_under_another_hostname_is_sent_away():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent, \
            LibprocessAgent(cluster.master_addr, hostname="elsewhere") as other:
        agent.register()
        check_sent_away(cluster, agent, other)


def test_agent_that_comes_back_from_another_address_is_sent_away():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent, \
            LibprocessAgent(cluster.master_addr, host="127.0.0.2") as other:
        agent.register()
        check_sent_away(cluster, agent, other)


def n_stores(cluster):
    """There are statistics of two or more."""
    metrics = http_get(cluster.master_addr, "/metrics/snapshot").json()
    return metrics.get("registrar/state_store_ms/count", int(metrics["registrar/state_store_ms"] > 0))


def test_agent_is_written_to_the_registry_again_only_when_it_has_changed():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        n = n_stores(cluster)
        check(n > 0, "nothing was written")
        agent.reregister()
        equal(n_stores(cluster), n, "writes, of an agent that is back as it was")
        agent.resources = scalar_list(("cpus", 5), ("mem", 1024))
        agent.reregister()
        equal(n_stores(cluster), n + 1, "writes, of an agent that has changed")
        for resources, n_more in ((agent.resources, 0), (scalar_list(("cpus", 6), ("mem", 1024)), 1)):
            cluster.master().restart()
            agent.vanish()
            agent.come_back()
            agent.resources = resources
            n = n_stores(cluster)
            agent.reregister()
            equal(n_stores(cluster), n + n_more, "writes of a new master")


def test_agent_that_is_awaited_comes_to_the_address_of_another_and_is_linked_there():
    """The one is let in at once, since the registry has it; the other's end is recorded later."""
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent, \
            LibprocessAgent(cluster.master_addr) as other:
        agent.register()
        other.register()
        for a in (agent, other):
            a.vanish()
        cluster.master().kill9()
        cluster.master().start()
        agent.listen(other.port)
        agent.reregister()
        agent.vanish()
        other.come_back()
        other.reregister()
        wait_until(lambda: [a["id"] for a in slaves(cluster)["slaves"]] == [other.agent_id], "one has the other's place")
        check(slaves(cluster)["slaves"][0]["active"], "it is cut off")
        other.vanish()
        wait_until(lambda: not slaves(cluster)["slaves"][0]["active"], "its end is noticed")


def test_repeated_registration_does_not_undo_what_was_launched_since_the_first():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr, cpus=4, mem=1024) as agent:
        agent.register()
        agent.break_links()
        wait_until(lambda: not slaves(cluster)["slaves"][0]["active"], "the agent is cut off")
        report = agent.report()
        agent.send("ReregisterSlaveMessage", report)
        agent.wait_message("SlaveReregisteredMessage")
        with Scheduler(cluster.master_addr) as s:
            s.launch([s.task("a", executor=EXECUTOR)])
            agent.wait_message("RunTaskMessage")
            agent.send("ReregisterSlaveMessage", report)
            agent.wait_message("SlaveReregisteredMessage")
            equal(slaves(cluster)["slaves"][0]["used_resources"]["cpus"], 1.1, "used cpus")


def test_executor_the_agent_does_not_list_is_charged_until_its_tasks_are_answered_for():

    def used():
        return round(slaves(cluster)["slaves"][0]["used_resources"]["cpus"], 3)
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr, cpus=4, mem=1024) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            s.launch([s.task("a", executor=EXECUTOR), s.task("b", executor=EXECUTOR)])
            agent.wait_messages("RunTaskMessage", 2)
            agent.reregister()
            equal(used(), 1.2, "used cpus")
            agent.update(s.framework_id, "a", DROPPED)
            wait_until(lambda: used() == 1.1, "the first is dropped")
            agent.update(s.framework_id, "b", DROPPED)
            wait_until(lambda: used() == 0, "the executor goes with the last task")
            s.launch([s.task("c", executor=EXECUTOR)])
            agent.wait_task("c")
            agent.reregister()
            agent.update(s.framework_id, "c", RUNNING)
            agent.update(s.framework_id, "c", FINISHED)
            wait_until(lambda: used() == 1.0, "one that has spoken stays when its task ends")


def test_two_agents_that_claim_the_same_id_at_once_are_one():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent, \
            LibprocessAgent(cluster.master_addr) as twin:
        agent.register()
        agent.vanish()
        cluster.master().kill9()
        cluster.master().start()
        agent.come_back()
        twin.agent_id = agent.agent_id
        for a in (agent, twin):
            # What has changed has to be recorded, and the other comes meanwhile.
            a.resources = scalar_list(("cpus", 5), ("mem", 1024))
            a.send("ReregisterSlaveMessage", field(2, a.info()) + field(6, "1.12.0"))
        wait_until(lambda: agent.count("SlaveReregisteredMessage") + twin.count("SlaveReregisteredMessage"),
                   "one of them is back")

        def is_the_one():
            agent.send("ReregisterSlaveMessage", field(2, agent.info()) + field(6, "1.12.0"))
            return [a["pid"] for a in slaves(cluster)["slaves"]] == [agent.pid]
        wait_until(is_the_one, "there is one agent")


def test_unregistered_agent_is_removed_and_its_tasks_are_lost():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            run_task(s, agent)
            agent.unregister()
            status = s.wait_state("t", "TASK_LOST")
            equal((status["reason"], status["message"]),
                  ("REASON_AGENT_REMOVED", "Agent scripted removed: the agent unregistered"), "reason, message")
            s.wait_event("FAILURE")
            equal(slaves(cluster), {"slaves": [], "recovered_slaves": []}, "agents")


def test_agent_marked_gone_is_shut_down_and_stays_out():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            run_task(s, agent)
            answer = http_call(cluster.master_addr, "POST", "/api/v1",
                               '{"type":"MARK_AGENT_GONE","mark_agent_gone":{"agent_id":{"value":"%s"}}}'
                               % agent.agent_id, {"Content-Type": "application/json"})
            equal(answer.status, 200, "status")
            agent.wait_message("ShutdownMessage")
            equal(s.wait_state("t", "TASK_GONE_BY_OPERATOR")["reason"], "REASON_AGENT_REMOVED_BY_OPERATOR", "reason")
            agent.send("ReregisterSlaveMessage", field(2, agent.info()) + field(6, "1.12.0"))
            agent.wait_message("ShutdownMessage")
            equal(slaves(cluster)["slaves"], [], "agents")


def test_restarted_master_knows_whom_to_wait_for_and_learns_tasks_and_frameworks_from_them():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        s = Scheduler(cluster.master_addr)
        run_task(s, agent)
        cluster.master().kill9()
        s.disconnect()
        agent.vanish()
        agent.listen(agent.port)
        cluster.master().start()
        equal([a["id"] for a in slaves(cluster)["recovered_slaves"]], [agent.agent_id], "recovered agents")
        agent.reregister([agent.task(s.framework_id, "t")], [agent.framework(s.framework_id)])
        equal(slaves(cluster)["recovered_slaves"], [], "recovered agents")
        framework = http_get(cluster.master_addr, "/frameworks").json()["frameworks"][0]
        equal((framework["id"], framework["recovered"], [t["id"] for t in framework["tasks"]]),
              (s.framework_id, True, ["t"]), "framework")
        with s:
            s.subscribe()
            s.reconcile("t")
            s.wait_until(lambda: s.statuses[-1].get("reason") == "REASON_RECONCILIATION", "an answer")
            equal(s.statuses[-1]["state"], "TASK_RUNNING", "state")


def test_agents_of_removed_frameworks_are_told_also_when_they_return_later():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        s = Scheduler(cluster.master_addr)
        run_task(s, agent)
        s.teardown()
        s.disconnect()
        equal(text(agent.wait_message("ShutdownFrameworkMessage"), 1), s.framework_id, "framework")
        agent.vanish()
        wait_until(lambda: not slaves(cluster)["slaves"][0]["active"], "the agent is inactive")
        agent.come_back()
        agent.reregister([agent.task(s.framework_id, "t")], [agent.framework(s.framework_id)])
        equal(text(agent.wait_message("ShutdownFrameworkMessage"), 1), s.framework_id, "framework")


def test_agents_are_told_of_the_end_of_those_frameworks_only_that_had_a_task_anywhere():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent, \
            LibprocessAgent(cluster.master_addr, hostname="other") as other:
        agent.register()
        idle = Scheduler(cluster.master_addr)
        idle.teardown()
        idle.disconnect()
        s = Scheduler(cluster.master_addr)
        run_task(s, agent)
        other.register()
        s.teardown()
        s.disconnect()
        for one in (agent, other):
            equal(text(one.wait_message("ShutdownFrameworkMessage"), 1), s.framework_id, "framework")


def test_custom_executor_is_charged_once_and_its_end_is_told():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr, cpus=4, mem=1024) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            s.launch([s.task("a", executor=EXECUTOR), s.task("b", executor=EXECUTOR)])
            first_run = agent.wait_message("RunTaskMessage")
            second_run = agent.wait_message("RunTaskMessage")
            equal((first(first_run, 6), first(second_run, 6)), (1, 0), "launch_executor")
            equal(slaves(cluster)["slaves"][0]["used_resources"]["cpus"], 1.2, "used cpus")
            agent.executor_message(s.framework_id, "e", b"hello")
            equal(s.wait_event("MESSAGE")["message"]["data"], "aGVsbG8=", "data")
            agent.exited_executor(s.framework_id, "e", 9)
            equal(s.wait_event("FAILURE")["failure"],
                  {"agent_id": {"value": agent.agent_id}, "executor_id": {"value": "e"}, "status": 9}, "failure")
            equal(round(slaves(cluster)["slaves"][0]["used_resources"]["cpus"], 3), 0.2, "used cpus")


def test_garbage_in_messages_is_dropped_and_counted():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.send("RegisterSlaveMessage", b"\xff\xff\xff")
        agent.send("NoSuchMessage", b"")
        agent.send("StatusUpdateMessage", field(1, field(1, identity("f"))))
        agent.register()
        metrics = http_get(cluster.master_addr, "/metrics/snapshot").json()
        equal(metrics["master/dropped_messages"], 3.0, "dropped messages")


if __name__ == "__main__":
    main()
