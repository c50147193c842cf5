#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a framework that asks is told of its tasks, wherever these and their agents are."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from clock import Clock
from harness import Cluster, check, equal, http_call, http_get, main, wait_until
from libprocess_agent import FINISHED, RUNNING, LibprocessAgent
from scheduler import CAPABILITIES, JSON_HEADERS, PATH, EventStream, Scheduler

# Agents that answer no ping while a test moves the clock are not to be given up for it.
PATIENT = ("--agent_ping_timeout=15mins", "--max_agent_ping_timeouts=1000")
MINUTE = 60
NOTHING = None
STATES = {RUNNING: "TASK_RUNNING", FINISHED: "TASK_FINISHED"}
NOT_AWARE = ("TASK_UNREACHABLE", "TASK_GONE", "TASK_GONE_BY_OPERATOR", "TASK_UNKNOWN")
MESSAGES = {"TASK_RUNNING": "Latest task state", "TASK_FINISHED": "Latest task state",
            "TASK_UNREACHABLE": "Task is unreachable", "TASK_GONE": "Task is unknown to the agent",
            "TASK_GONE_BY_OPERATOR": "Task is gone", "TASK_UNKNOWN": "Task is unknown"}


def ask(s, questions):
    """{(task, agent): status} of what is answered to questions in one call. The last one always is."""
    s.n_asked = getattr(s, "n_asked", 0) + 1
    fence = ("fence-%d" % s.n_asked, "nowhere")
    n = len(s.statuses)
    s.call("RECONCILE", {"tasks": [{"task_id": {"value": task}, **({"agent_id": {"value": agent}} if agent else {})}
                                   for task, agent in (*questions, fence)]})
    s.wait_state(fence[0], "TASK_UNKNOWN", "TASK_LOST")
    told = [status for status in s.statuses[n:] if status["reason"] == "REASON_RECONCILIATION"]
    answers = {}
    for question in questions:
        if told and told[0]["task_id"]["value"] == question[0]:
            answers[question] = told.pop(0)
    equal([status["task_id"]["value"] for status in told], [fence[0]], "answers besides those in order")
    return answers


def ask_for_all(s):
    """[(task, state)] of what is answered to a call without tasks."""
    n = len(s.statuses)
    s.call("RECONCILE", {"tasks": []})
    s.call("RECONCILE", {"tasks": [{"task_id": {"value": "end-%d" % n}, "agent_id": {"value": "nowhere"}}]})
    s.wait_state("end-%d" % n, "TASK_UNKNOWN", "TASK_LOST")
    return sorted((x["task_id"]["value"], x["state"]) for x in s.statuses[n:-1])


class World:
    """Agents in all the places that they can be, each with a task of its name; the clock stands between steps."""

    def __init__(self, clock, cluster, aware):
        self.clock, self.cluster, self.aware = clock, cluster, aware
        capabilities = [{"type": t} for t in CAPABILITIES if aware or t != "PARTITION_AWARE"]
        self.scheduler = Scheduler(cluster.master_addr, info={"capabilities": capabilities})
        self.agents = {}
        for name in ("here", "away", "cut-off", "pruned", "gone", "ended"):
            agent = self.agents[name] = LibprocessAgent(cluster.master_addr, hostname=name)
            agent.register()
            self.scheduler.launch([self.scheduler.task(name, "true")],
                                  self.scheduler.wait_offer(agent_id=agent.agent_id))
            agent.wait_task(name)
            self.update(name, RUNNING)

    def update(self, name, state):
        self.agents[name].update(self.scheduler.framework_id, name, state)
        self.scheduler.wait_until(lambda: self.scheduler.states(name)[-1:] == [STATES[state]], name)

    def is_active(self, name):
        agents = http_get(self.cluster.master_addr, "/slaves").json()["slaves"]
        return any(a["active"] for a in agents if a["id"] == self.agents[name].agent_id)

    def disconnect(self, name):
        self.agents[name].vanish()
        wait_until(lambda: not self.is_active(name), name + " is inactive")

    def lose(self, name):
        """Nothing is heard of the agent for too long."""
        self.disconnect(name)
        self.clock.advance(10 * MINUTE + 1)
        self.scheduler.wait_state(name, "TASK_UNREACHABLE", "TASK_LOST")

    def mark_gone(self, name):
        call = {"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": self.agents[name].agent_id}}}
        answer = http_call(self.cluster.master_addr, "POST", "/api/v1", json.dumps(call), JSON_HEADERS)
        equal(answer.status, 200, "status")
        self.scheduler.wait_state(name, "TASK_GONE_BY_OPERATOR", "TASK_LOST")

    def fail_over(self):
        self.cluster.master().kill9()
        for agent in self.agents.values():
            agent.vanish()
        self.scheduler.disconnect()
        self.cluster.master().start()
        self.scheduler.subscribe()

    def come_back(self, name):
        agent = self.agents[name]
        agent.listen(agent.port)
        framework_id = self.scheduler.framework_id
        agent.reregister([agent.task(framework_id, name)], [agent.framework(framework_id, aware=self.aware)])

    def expect(self, phase, expected):
        """expected: {(task, name of its agent or None): state, NOTHING if there is no answer}."""
        questions = {(task, name and self.agents[name].agent_id if name in self.agents else name): state
                     for (task, name), state in expected.items()}
        answers = ask(self.scheduler, list(questions))
        for (task, agent_id), state in questions.items():
            self.check_answer("%s: %s on %s" % (phase, task, agent_id), answers.get((task, agent_id)), state, agent_id)

    def check_answer(self, what, status, state, agent_id):
        if state is NOTHING:
            check(status is None, "%s is answered with %r" % (what, status))
            return
        check(status is not None, "%s is not answered" % what)
        told = "TASK_LOST" if state in NOT_AWARE and not self.aware else state
        equal((status["state"], status["message"]), (told, "Reconciliation: " + MESSAGES[state]), what)
        equal((status["source"], status["reason"]), ("SOURCE_MASTER", "REASON_RECONCILIATION"), what)
        check("uuid" not in status, "%s: the answer has a uuid" % what)
        equal("unreachable_time" in status, state == "TASK_UNREACHABLE", what + ": has unreachable_time")
        if agent_id and state not in ("TASK_RUNNING", "TASK_FINISHED"):
            equal(status["agent_id"]["value"], agent_id, what + ": agent")


def every_phase(aware):
    flags = (*PATIENT, "--registry_max_agent_count=1", "--registry_gc_interval=15mins")
    with Clock() as clock, Cluster(n_agents=0, clock=clock, master_flags=flags) as cluster:
        world = World(clock, cluster, aware)
        s = world.scheduler
        world.lose("pruned")
        world.lose("cut-off")
        clock.advance(10 * MINUTE)
        s._acknowledge = lambda status: False
        world.update("ended", FINISHED)
        world.mark_gone("gone")
        world.disconnect("away")
        world.expect("as things are", {
            ("here", "here"): "TASK_RUNNING",
            ("here", None): "TASK_RUNNING",
            ("here", "away"): "TASK_RUNNING",
            ("other", "here"): "TASK_GONE",
            ("away", "away"): "TASK_RUNNING",
            ("away", None): "TASK_RUNNING",
            ("other", "away"): "TASK_GONE",
            ("ended", "ended"): "TASK_FINISHED",
            ("cut-off", "cut-off"): "TASK_UNREACHABLE",
            ("cut-off", None): "TASK_UNREACHABLE",
            ("other", "cut-off"): "TASK_UNREACHABLE",
            ("gone", "gone"): "TASK_GONE_BY_OPERATOR",
            # Tasks that are LOST may yet return, in the eyes of Mesos, wherever they were.
            ("gone", None): "TASK_UNKNOWN" if aware else "TASK_GONE_BY_OPERATOR",
            ("pruned", "pruned"): "TASK_UNKNOWN",
            ("pruned", None): "TASK_UNKNOWN",
            ("other", "nobody"): "TASK_UNKNOWN",
            ("other", None): "TASK_UNKNOWN",
        })
        equal(ask_for_all(s), [("away", "TASK_RUNNING"), ("ended", "TASK_FINISHED"), ("here", "TASK_RUNNING")], "all")

        world.fail_over()
        missing = {
            ("away", "away"): NOTHING,
            ("away", None): NOTHING,
            ("other", "away"): NOTHING,
            ("ended", "ended"): NOTHING,
            ("cut-off", "cut-off"): "TASK_UNREACHABLE",
            ("cut-off", None): NOTHING,
            ("gone", "gone"): "TASK_GONE_BY_OPERATOR",
            ("gone", None): NOTHING,
            ("pruned", "pruned"): "TASK_UNKNOWN",
            ("other", "nobody"): "TASK_UNKNOWN",
            ("other", None): NOTHING,
        }
        world.expect("nobody is back", {**missing, ("here", "here"): NOTHING, ("here", None): NOTHING})
        equal(ask_for_all(s), [], "all while nobody is back")

        world.come_back("here")
        world.expect("one is back", {**missing, ("here", "here"): "TASK_RUNNING", ("here", None): "TASK_RUNNING",
                                     ("other", "here"): "TASK_GONE"})
        equal(ask_for_all(s), [("here", "TASK_RUNNING")], "all when one is back")

        clock.advance(10 * MINUTE + 1)
        wait_until(lambda: not http_get(cluster.master_addr, "/slaves").json()["recovered_slaves"], "they are given up")
        world.expect("the others are given up", {
            ("here", None): "TASK_RUNNING",
            ("away", "away"): "TASK_UNREACHABLE",
            ("away", None): "TASK_UNKNOWN",
            ("ended", "ended"): "TASK_UNREACHABLE",
            ("cut-off", None): "TASK_UNKNOWN",
            ("gone", "gone"): "TASK_GONE_BY_OPERATOR",
            ("gone", None): "TASK_UNKNOWN",
            ("other", None): "TASK_UNKNOWN",
        })

        world.come_back("away")
        world.come_back("cut-off")
        world.expect("they are back after all", {
            ("away", "away"): "TASK_RUNNING",
            ("cut-off", None): "TASK_RUNNING",
            ("other", "cut-off"): "TASK_GONE",
        })
        equal(ask_for_all(s), [(name, "TASK_RUNNING") for name in ("away", "cut-off", "here")], "all at last")
        s.disconnect()
        for agent in world.agents.values():
            agent.vanish()


def test_every_question_in_every_phase_of_a_framework_that_knows_of_partitions():
    every_phase(aware=True)


def test_every_question_in_every_phase_of_a_framework_that_does_not():
    every_phase(aware=False)


# More questions and tasks than fit

N_CALLS, N_QUESTIONS = 8, 15000     # more than 64 MiB of answers


def test_more_answers_than_the_stream_holds_are_given_as_fast_as_they_are_read():
    with Cluster(n_agents=0) as cluster:
        events = EventStream(cluster.master_addr, {"type": "SUBSCRIBE", "subscribe": {
            "framework_info": {"user": "root", "name": "x", "failover_timeout": 3600.0}}})
        told = iter(events)
        framework_id = next(told)["subscribed"]["framework_id"]
        headers = {**JSON_HEADERS, "Mesos-Stream-Id": events.headers["Mesos-Stream-Id"]}
        names = ["t%06d-" % i + "x" * 240 for i in range(N_CALLS * N_QUESTIONS)]
        for n in range(N_CALLS):
            part = names[n * N_QUESTIONS:(n + 1) * N_QUESTIONS]
            call = {"type": "RECONCILE", "framework_id": framework_id,
                    "reconcile": {"tasks": [{"task_id": {"value": name}, "agent_id": {"value": "x" * 250}}
                                            for name in part]}}
            answer = http_call(cluster.master_addr, "POST", PATH, call, headers)
            equal((answer.status, answer.text[:300]), (202, ""), "answer")
        framework = http_get(cluster.master_addr, "/frameworks").json()["frameworks"][0]
        equal(framework["connected"], True, "connected")
        answered = []
        while len(answered) < len(names):
            event = next(told)
            if event["type"] == "UPDATE":
                answered.append(event["update"]["status"]["task_id"]["value"])
        equal(answered == names, True, "each is answered once and in order")
        events.close()


if __name__ == "__main__":
    main()
