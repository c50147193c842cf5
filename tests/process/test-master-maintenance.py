#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Maintenance: schedules, what frameworks are told and asked, machines that go down and come up again."""

import json
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from harness import check, equal, http_call, http_get, main, wait_until    # noqa: E402
from libprocess_agent import LibprocessAgent    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from verbs import Scene, ident, machine, window    # noqa: E402
from wire import first    # noqa: E402

HERE = machine("scripted", "127.0.0.1")
THERE = machine("elsewhere", "10.0.0.1")
SCHEDULED = '{"hostname":"scripted","ip":"127.0.0.1"}'


def post(scene, path, body, method="POST"):
    answer = http_call(scene.cluster.master_addr, method, path, body)
    return answer.status, answer.text


def replies(scene):
    """{framework id: answer} of the machine that is draining."""
    machines = scene.operator.maintenance_status()["draining_machines"]
    return {s["framework_id"]["value"]: s["status"] for s in machines[0].get("statuses", ())}


def inverse_offers(scheduler, count=1):
    """All so far, when there are that many."""
    def have():
        offers = [o for e in scheduler.events_of("INVERSE_OFFERS") for o in e["inverse_offers"]["inverse_offers"]]
        return offers if len(offers) >= count else None
    return scheduler.wait_until(have, "%d inverse offers" % count)


def answer(scheduler, kind, offer, refuse_seconds=None):
    filters = {} if refuse_seconds is None else {"filters": {"refuse_seconds": refuse_seconds}}
    scheduler.call(kind, {"inverse_offer_ids": [offer["id"]], **filters})


def rescinded(scheduler):
    return [e["rescind_inverse_offer"]["inverse_offer_id"] for e in scheduler.events_of("RESCIND_INVERSE_OFFER")]


def test_schedule_is_shown_as_it_was_given_by_both_ways():
    with Scene() as scene:
        given = {"windows": [window(HERE, THERE, start=1, duration=2), window(machine("third"), start=3)]}
        scene.operator.do("UPDATE_MAINTENANCE_SCHEDULE", schedule=given)
        equal(scene.operator.maintenance_schedule(), given, "GET_MAINTENANCE_SCHEDULE")
        equal(http_get(scene.cluster.master_addr, "/maintenance/schedule").json(), given, "/maintenance/schedule")
        equal(http_get(scene.cluster.master_addr, "/master/maintenance/schedule?jsonp=f").text[:2], "f(", "jsonp")
        status = {"draining_machines": [{"id": THERE}, {"id": HERE}, {"id": machine("third")}]}
        equal(scene.operator.maintenance_status(), status, "GET_MAINTENANCE_STATUS")
        equal(http_get(scene.cluster.master_addr, "/maintenance/status").json(), status, "/maintenance/status")
        scene.operator.schedule()
        equal(scene.operator.maintenance_schedule(), {}, "after it was cleared")
        equal(http_get(scene.cluster.master_addr, "/maintenance/status").text, "{}", "status after that")


def test_schedule_by_the_classic_endpoint_replaces_the_one_before():
    with Scene() as scene:
        scene.operator.schedule(window(HERE))
        equal(post(scene, "/maintenance/schedule", json.dumps({"windows": [window(THERE)]})), (200, ""), "answer")
        equal(scene.operator.maintenance_status(), {"draining_machines": [{"id": THERE}]}, "status")


def test_offers_of_a_machine_in_the_schedule_come_again_with_the_time_it_will_be_away():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        before = s.wait_offer()
        check("unavailability" not in before, "offer %s" % before)
        scene.operator.schedule(window(machine("SCRIPTED", "127.0.0.1"), start=7, duration=9))
        equal(s.wait_event("RESCIND")["rescind"]["offer_id"], before["id"], "rescinded offer")
        during = s.wait_offer()
        equal(during["unavailability"], {"start": {"nanoseconds": 7}, "duration": {"nanoseconds": 9}}, "offer")
        scene.operator.schedule()
        after = s.wait_offer()
        check("unavailability" not in after, "offer %s" % after)


def test_framework_is_asked_once_about_the_agent_it_uses_and_its_answer_is_shown():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        scene.operator.schedule(window(HERE, start=7))
        offer, = inverse_offers(s)
        equal((offer["agent_id"], offer["framework_id"], offer["unavailability"]),
              (ident(scene.id), ident(s.framework_id), {"start": {"nanoseconds": 7}}), "inverse offer")
        equal(offer["url"]["path"], "/slave(1)", "path of its url")
        check("resources" not in offer, "inverse offer %s" % offer)
        frameworks = scene.operator.do("GET_FRAMEWORKS")["frameworks"]
        equal([o["id"] for o in frameworks[0]["inverse_offers"]], [offer["id"]], "GET_FRAMEWORKS")
        equal(replies(scene), {}, "answers before there is one")
        answer(s, "ACCEPT_INVERSE_OFFERS", offer, 3600.0)
        wait_until(lambda: replies(scene) == {s.framework_id: "ACCEPT"}, "the answer is shown")
        scene.operator.schedule(window(HERE, start=7))
        equal(replies(scene), {s.framework_id: "ACCEPT"}, "answers after the same schedule")
        equal(len(inverse_offers(s)), 1, "inverse offers")


def test_framework_is_asked_again_when_its_refusal_ends_and_may_change_its_mind():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        scene.operator.schedule(window(HERE))
        answer(s, "DECLINE_INVERSE_OFFERS", inverse_offers(s)[0], 0.0)
        wait_until(lambda: replies(scene) == {s.framework_id: "DECLINE"}, "the first answer")
        second = inverse_offers(s, 2)[1]
        equal(replies(scene), {s.framework_id: "DECLINE"}, "answers while it is asked again")
        answer(s, "ACCEPT_INVERSE_OFFERS", second, 3600.0)
        wait_until(lambda: replies(scene) == {s.framework_id: "ACCEPT"}, "the second answer")


def test_frameworks_that_do_not_use_the_machine_are_not_asked():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        with LibprocessAgent(scene.cluster.master_addr, hostname="other") as other:
            other.register()
            scene.operator.schedule(window(THERE))
            s.wait_offer(agent_id=scene.id)
            s.wait_offer(agent_id=other.agent_id)
            scene.operator.schedule(window(HERE))
            s.wait_until(lambda: len(s.events_of("RESCIND")) == 1, "one offer is rescinded")
            equal([o["agent_id"]["value"] for o in inverse_offers(s)], [scene.id], "agents asked about")


def test_another_schedule_takes_the_question_back_and_asks_anew():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        scene.operator.schedule(window(HERE, start=1))
        old = inverse_offers(s)[0]
        scene.operator.schedule(window(HERE, start=2))
        new = inverse_offers(s, 2)[1]
        equal(rescinded(s), [old["id"]], "rescinded")
        equal(new["unavailability"], {"start": {"nanoseconds": 2}}, "the new one")
        answer(s, "ACCEPT_INVERSE_OFFERS", old, 3600.0)
        answer(s, "DECLINE_INVERSE_OFFERS", new, 3600.0)
        wait_until(lambda: replies(scene) == {s.framework_id: "DECLINE"}, "the answer to the new one")
        scene.operator.schedule(window(HERE, start=3))
        equal(replies(scene), {}, "answers after a third schedule")
        scene.operator.schedule()
        s.wait_until(lambda: len(rescinded(s)) == 2, "the last is rescinded, too")


def test_question_is_taken_back_when_the_agent_is_deactivated_or_lost():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        scene.operator.schedule(window(HERE))
        inverse_offers(s)
        scene.operator.deactivate(scene.id)
        s.wait_until(lambda: len(rescinded(s)) == 1, "rescinded by deactivation")
        scene.operator.reactivate(scene.id)
        inverse_offers(s, 2)
        scene.agent.unregister()
        s.wait_until(lambda: len(rescinded(s)) == 2, "rescinded by removal")


def test_answers_to_questions_of_others_are_ignored():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s, Scheduler(scene.cluster.master_addr) as thief:
        scene.run_task(s)
        thief.call("SUPPRESS", {})
        scene.operator.schedule(window(HERE))
        offer = inverse_offers(s)[0]
        answer(thief, "ACCEPT_INVERSE_OFFERS", offer)
        answer(s, "DECLINE_INVERSE_OFFERS", {"id": {"value": "nonsense"}})
        answer(s, "DECLINE_INVERSE_OFFERS", offer)
        wait_until(lambda: replies(scene) == {s.framework_id: "DECLINE"}, "its own answer")


def test_question_ends_with_the_offer_timeout():
    with Scene("--offer_timeout=1secs") as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        scene.operator.schedule(window(HERE))
        first_id = inverse_offers(s)[0]["id"]
        s.wait_until(lambda: first_id in rescinded(s), "the first is rescinded")
        inverse_offers(s, 2)


def test_resubscribed_framework_is_asked_again_without_a_word_about_the_old_question():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        scene.operator.schedule(window(HERE))
        old = inverse_offers(s)[0]
        s.subscribe()
        new = inverse_offers(s, 2)[1]
        check(new["id"] != old["id"], "the same question was asked twice")
        equal(rescinded(s), [], "rescinded")


def test_machine_that_goes_down_takes_its_agents_along():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        scene.operator.schedule(window(HERE, THERE))
        scene.operator.down(HERE)
        equal(first(scene.agent.wait_message("ShutdownMessage"), 1), b"Operator initiated 'Machine DOWN'", "message")
        status = s.wait_state("t", "TASK_LOST")
        equal((status["reason"], status["message"]),
              ("REASON_AGENT_REMOVED", "Agent scripted removed: Operator initiated 'Machine DOWN'"), "status")
        s.wait_event("FAILURE")
        equal(scene.operator.slave(scene.id), None, "agent")
        equal(scene.operator.maintenance_status(), {"draining_machines": [{"id": THERE}], "down_machines": [HERE]},
              "status")


def test_agents_of_a_machine_that_is_down_are_sent_away_until_it_is_up():
    with Scene() as scene:
        scene.operator.schedule(window(HERE))
        scene.operator.down(machine("Scripted", "127.0.0.1"))
        scene.agent.wait_message("ShutdownMessage")
        for _ in range(2):
            with LibprocessAgent(scene.cluster.master_addr) as another:
                another.ask_to_register()
                equal(first(another.wait_message("ShutdownMessage"), 1), b"Machine is `DOWN`", "message")
            scene.restart_master()
        scene.operator.up(HERE)
        equal((scene.operator.maintenance_status(), scene.operator.maintenance_schedule()), ({}, {}), "maintenance")
        scene.return_agent()
        scene.operator.wait_active(scene.id)


def test_machine_that_is_up_leaves_its_window_and_others_stay():
    with Scene() as scene:
        scene.operator.schedule(window(HERE, THERE, start=1), window(machine("third"), start=2))
        scene.operator.down(THERE, machine("third"))
        scene.operator.up(THERE, machine("third"))
        equal(scene.operator.maintenance_schedule(), {"windows": [window(HERE, start=1)]}, "schedule")
        equal(scene.operator.maintenance_status(), {"draining_machines": [{"id": HERE}]}, "status")


def test_all_of_it_survives_the_master():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.operator.schedule(window(HERE, start=7), window(THERE, start=8))
        scene.operator.down(THERE)
        schedule, status = scene.operator.maintenance_schedule(), scene.operator.maintenance_status()
        scene.restart_master()
        equal((scene.operator.maintenance_schedule(), scene.operator.maintenance_status()), (schedule, status),
              "after a restart")
        s.subscribe()
        scene.return_agent()
        equal(s.wait_offer()["unavailability"], {"start": {"nanoseconds": 7}}, "offer")


def test_agent_that_comes_to_a_machine_in_the_schedule_is_offered_with_the_time():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.operator.schedule(window(machine("later", "127.0.0.1"), start=7))
        with LibprocessAgent(scene.cluster.master_addr, hostname="later") as later:
            later.register()
            equal(s.wait_offer(agent_id=later.agent_id)["unavailability"], {"start": {"nanoseconds": 7}}, "offer")


def test_machine_by_name_or_address_alone_is_another_machine():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.operator.schedule(window(machine("scripted"), {"ip": "127.0.0.1"}))
        check("unavailability" not in s.wait_offer(), "an agent has the plans of another machine")


def test_what_makes_no_sense_is_refused_in_mesos_words():
    with Scene() as scene:
        o = scene.operator
        def refuse_schedule(text, *windows):
            schedule = {"windows": list(windows)}
            o.refused("UPDATE_MAINTENANCE_SCHEDULE", 400, text, schedule=schedule)
            equal(post(scene, "/maintenance/schedule", json.dumps(schedule)), (400, text), "/maintenance/schedule")
        def refuse_machines(text, *machines, down=True):
            o.refused("START_MAINTENANCE" if down else "STOP_MAINTENANCE", 400, text, machines=list(machines))
            equal(post(scene, "/machine/down" if down else "/machine/up", json.dumps(machines)), (400, text),
                  "/machine/...")

        refuse_schedule("List of machines in the maintenance window is empty", window())
        refuse_schedule("Unavailability 'duration' is negative", window(HERE, duration=-1))
        refuse_schedule("Both 'hostname' and 'ip' for a machine are empty", window({}))
        refuse_schedule("Failed to parse IPv4: x", window(machine("a", "x")))
        refuse_schedule("Machine '%s' appears more than once in the schedule" % SCHEDULED, window(HERE), window(HERE))
        equal(o.maintenance_schedule(), {}, "schedule after all that")

        o.schedule(window(HERE, THERE))
        refuse_machines("List of machines is empty")
        refuse_machines("Machine '%s' appears more than once in the schedule" % SCHEDULED, HERE, HERE)
        refuse_machines('Machine \'{"hostname":"zork"}\' is not part of a maintenance schedule', machine("zork"))
        refuse_machines("Machine '%s' is not in DOWN mode and cannot be brought up" % SCHEDULED, HERE, down=False)
        o.down(HERE)
        refuse_machines("Machine '%s' is not in DRAINING mode and cannot be brought down" % SCHEDULED, THERE, HERE)
        refuse_schedule("Machine '%s' is deactivated and cannot be removed from the schedule" % SCHEDULED,
                        window(THERE))
        equal(o.maintenance_status(), {"draining_machines": [{"id": THERE}], "down_machines": [HERE]}, "status")


def test_classic_endpoints_take_what_mesos_takes_and_refuse_the_rest():
    with Scene() as scene:
        syntax = "syntax error at line 1 near: "
        equal(post(scene, "/maintenance/schedule", ""), (400, syntax), "no schedule")
        equal(post(scene, "/machine/down", ""), (400, syntax), "no machines")
        equal(post(scene, "/maintenance/schedule", "[]"), (400, "Unexpected JSON type parsed"), "a list")
        equal(post(scene, "/machine/up", "{}"), (400, "Unexpected JSON type parsed"), "an object")
        equal(post(scene, "/maintenance/schedule", '{"windows":[{"machine_ids":[],"unavailability":{}}]}'),
              (400, "Missing required fields: windows[0].unavailability.start"), "no start")
        for path, allowed in (("/maintenance/status", "'GET'"), ("/maintenance/schedule", "'GET', 'POST'"),
                              ("/machine/down", "'POST'"), ("/machine/up", "'POST'")):
            equal(post(scene, path, "", "PUT"),
                  (405, "405 Method Not Allowed. Expecting one of { %s }, but received 'PUT'." % allowed), path)


def test_changes_that_come_together_are_judged_one_after_the_other():
    with Scene() as scene:
        scene.operator.schedule(window(HERE))
        body = json.dumps({"type": "START_MAINTENANCE", "start_maintenance": {"machines": [HERE]}})
        request = ("POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                   "Accept: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)).encode()
        connections = [socket.create_connection(scene.cluster.master_addr) for _ in range(3)]
        for connection in connections:
            connection.sendall(request)
        equal(sorted(int(c.recv(4096).split()[1]) for c in connections), [200, 400, 400], "answers")
        for connection in connections:
            connection.close()


if __name__ == "__main__":
    main()
