#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The master against scripted schedulers: what is refused and how, streams, offers, operators' views."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from harness import Cluster, check, equal, http_call, http_get, main, wait_until
from libprocess_agent import FINISHED, RUNNING, LibprocessAgent
from scheduler import JSON_HEADERS, PATH, EventStream, Scheduler
from wire import field, first, read

PROTOBUF = {"Content-Type": "application/x-protobuf", "Accept": "application/x-protobuf"}
N_RECONCILED = 12000     # more than the master writes at once to a scheduler that does not read
INFO = {"user": "root", "name": "x"}
MULTI_ROLE = {"capabilities": [{"type": "MULTI_ROLE"}]}


def post(cluster, body, path=PATH, headers=None):
    body = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return http_call(cluster.master_addr, "POST", path, body, JSON_HEADERS if headers is None else headers)


def subscription(**info):
    return {"type": "SUBSCRIBE", "subscribe": {"framework_info": {**INFO, **info}}}


def refusal(cluster, call):
    """What a SUBSCRIBE that is refused says, over a stream that ends then."""
    events = list(EventStream(cluster.master_addr, call))
    equal([e["type"] for e in events], ["ERROR"], "events")
    return events[0]["error"]["message"]


def operator(cluster, kind, **parts):
    return post(cluster, {"type": kind, **parts}, "/api/v1")


def test_malformed_calls_are_refused_in_the_order_and_words_of_mesos():
    invalid = "Failed to validate scheduler::Call: "
    unconvertible = "Failed to convert JSON into Call protobuf: "
    cases = [
        ({}, "{}", 400, "Expecting 'Content-Type' to be present"),
        ({"Content-Type": "application/json; charset=utf-8"}, "{}", 415,
         "Expecting 'Content-Type' of application/json or application/x-protobuf"),
        (JSON_HEADERS, "", 400, "Failed to parse body into JSON: syntax error at line 1 near: "),
        (JSON_HEADERS, "[]", 400, unconvertible + "Expecting a JSON object"),
        (PROTOBUF, b"\xff", 400, "Failed to parse body into Call protobuf"),
        (JSON_HEADERS, "{}", 400, invalid + "Expecting 'type' to be present"),
        (JSON_HEADERS, '{"type":"ZORK"}', 400, invalid + "Expecting 'type' to be present"),
        (JSON_HEADERS, '{"type":"REVIVE"}', 400, invalid + "Expecting 'framework_id' to be present"),
        (JSON_HEADERS, '{"type":"KILL","framework_id":{"value":"f"}}', 400,
         invalid + "Expecting 'kill' to be present"),
        (JSON_HEADERS, '{"type":"KILL","framework_id":{"value":"f"},"kill":{}}', 400,
         unconvertible + "Missing required fields: kill.task_id"),
        (JSON_HEADERS, '{"type":"REVIVE","framework_id":{"value":"nobody"}}', 400, "Framework cannot be found"),
        ({**JSON_HEADERS, "Accept": "text/html"}, json.dumps(subscription()), 406,
         "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"),
        ({**JSON_HEADERS, "Mesos-Stream-Id": "x"}, json.dumps(subscription()), 400,
         "Subscribe calls should not include the 'Mesos-Stream-Id' header"),
        (JSON_HEADERS, json.dumps({**subscription(), "framework_id": {"value": "f"}}), 400,
         invalid + "'framework_id' differs from 'subscribe.framework_info.id'"),
    ]
    with Cluster(n_agents=0) as cluster:
        for headers, body, status, words in cases:
            answer = post(cluster, body, headers=headers)
            equal((answer.status, answer.text), (status, words), "answer to %r" % body)
        answer = http_get(cluster.master_addr, PATH)
        equal((answer.status, answer.headers["Allow"]), (405, "POST"), "GET")


def test_refused_subscription_is_an_event_and_the_end_of_the_stream():
    with Cluster(n_agents=0) as cluster:
        equal(refusal(cluster, subscription(roles=["a"])),
              "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable", "words")
        equal(refusal(cluster, subscription(**MULTI_ROLE, roles=["a b"])),
              "'FrameworkInfo.roles' contains invalid role: Role component 'a b' is invalid because it contains "
              "backspace or whitespace", "words")
        call = subscription(**MULTI_ROLE, roles=["a"])
        call["subscribe"]["suppressed_roles"] = ["zork"]
        equal(refusal(cluster, call), "Suppressed roles { zork } are not contained in the set of roles", "words")
        equal(http_get(cluster.master_addr, "/frameworks").json()["frameworks"], [], "frameworks")


def test_calls_need_the_stream_of_the_framework():
    with Cluster(n_agents=0) as cluster, Scheduler(cluster.master_addr) as s:
        call = {"type": "REVIVE", "framework_id": {"value": s.framework_id}}
        answer = post(cluster, call)
        equal((answer.status, answer.text),
              (400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header"), "without stream id")
        answer = s.call("REVIVE", headers={"Mesos-Stream-Id": "wrong"}, expect=400)
        equal(answer.text, "The stream ID 'wrong' included in this request didn't match the stream ID currently "
                           "associated with framework ID " + s.framework_id, "words")
        s.call("REVIVE")
        s.disconnect()
        wait_until(lambda: post(cluster, call).status == 403, "the framework is not subscribed")
        s.subscribe()


def test_newer_subscription_ends_the_older_and_voids_its_offers_without_a_word():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        older = Scheduler(cluster.master_addr)
        offer = older.wait_offer()
        with Scheduler(cluster.master_addr, framework_id=older.framework_id) as newer:
            wait_until(lambda: older.error == "Framework failed over", "the older one is told")
            equal(older.events_of("RESCIND"), [], "rescinded offers")
            newer.wait_offer()
            newer.accept([offer], [{"type": "LAUNCH", "launch": {"task_infos": [
                {**newer.task("t", "true"), "agent_id": offer["agent_id"]}]}}])
            status = newer.wait_state("t", "TASK_DROPPED")
            equal((status["reason"], status["message"]),
                  ("REASON_INVALID_OFFERS", "Task launched with invalid offers: Offer %s is no longer valid"
                   % offer["id"]["value"]), "reason, message")
        older.disconnect()


def test_removed_framework_may_not_come_back():
    with Cluster(n_agents=0) as cluster:
        s = Scheduler(cluster.master_addr)
        s.teardown()
        s.disconnect()
        call = subscription(id={"value": s.framework_id})
        call["framework_id"] = {"value": s.framework_id}
        equal(refusal(cluster, call), "Framework has been removed", "words")


def test_principal_may_not_change_user_and_checkpoint_stay_the_rest_does_change():
    with Cluster(n_agents=0) as cluster, Scheduler(cluster.master_addr) as s:
        call = {**subscription(**s.info, id={"value": s.framework_id}, principal="other"),
                "framework_id": {"value": s.framework_id}}
        equal(refusal(cluster, call), "Changing framework's principal is not allowed.", "words")
        s.info.update(user="nobody", checkpoint=False, name="renamed")
        s.subscribe()
        framework = http_get(cluster.master_addr, "/frameworks").json()["frameworks"][0]
        equal((framework["user"], framework["checkpoint"], framework["name"]), ("root", True, "renamed"), "framework")
        answer = s.call("UPDATE_FRAMEWORK", {"framework_info": {**s.info, "id": {"value": s.framework_id}}}, expect=400)
        equal(answer.text, "FrameworkInfo update is not valid: Updating 'FrameworkInfo.user' is unsupported; attempted "
                           "to update from 'root' to 'nobody'", "words")


def test_framework_without_roles_and_refinement_gets_offers_in_the_old_shape():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        events = iter(EventStream(cluster.master_addr, subscription()))
        offer = next(e for e in events if e["type"] == "OFFERS")["offers"]["offers"][0]
        check("allocation_info" not in offer, "an allocation role is told")
        for resource in offer["resources"]:
            equal((resource.get("role"), "allocation_info" in resource), ("*", False), "resource")
        equal(offer["url"], {"scheme": "http", "path": "/slave(1)", "address": {
            "hostname": "scripted", "ip": "127.0.0.1", "port": agent.port}}, "url")


def test_stream_in_protobuf_is_framed_and_typed():
    with Cluster(n_agents=0) as cluster:
        body = field(2, 1) + field(3, field(1, field(1, "root") + field(2, "x")))
        import http.client
        connection = http.client.HTTPConnection(*cluster.master_addr)
        connection.request("POST", PATH, body, PROTOBUF)
        answer = connection.getresponse()
        equal((answer.status, answer.headers["Content-Type"]), (200, "application/x-protobuf"), "answer")
        event = read(answer.read(int(answer.readline())))
        equal(first(event, 1), 1, "type")
        equal(first(read(first(event, 2)), 2) is not None, True, "heartbeat interval is there")
        event = read(answer.read(int(answer.readline())))
        equal(first(event, 1), 8, "type of the second event")
        connection.close()


def test_declined_offer_goes_to_another_framework_at_once():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr, "one") as one:
            offer = one.wait_offer()
            with Scheduler(cluster.master_addr, "two") as two:
                one.decline([offer], refuse_seconds=3600)
                two.wait_offer()
                equal(one.offers, [], "offers of the one that declined")
                two.suppress()


def test_suppressed_framework_is_not_offered_until_it_revives():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent, \
            Scheduler(cluster.master_addr) as s:
        s.suppress()
        agent.register()
        with Scheduler(cluster.master_addr, "other") as other:
            other.wait_offer()
        equal(s.offers, [], "offers while suppressed")
        s.revive()
        s.wait_offer()


def test_offer_is_withdrawn_after_its_timeout():
    with Cluster(n_agents=0, master_flags=("--offer_timeout=100ms",)) as cluster, \
            LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            s.wait_event("RESCIND")
            s.wait_event("OFFERS", 2)


def test_invalid_tasks_of_one_accept_do_not_stop_the_others():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            s.launch([s.task("good", "true"), s.task("a/b", "true"), s.task("good", "true")], s.wait_offer())
            agent.wait_task("good")
            errors = [s.wait_state("a/b", "TASK_ERROR"), s.wait_state("good", "TASK_ERROR")]
            equal([e["message"] for e in errors],
                  ["'a/b' contains invalid characters", "Task has duplicate ID: good"], "messages")
            equal([(e["source"], e["reason"]) for e in errors], [("SOURCE_MASTER", "REASON_TASK_INVALID")] * 2, "why")


def test_task_group_is_sent_as_one_message_with_its_executor_in_each_task():
    resources = [{"name": n, "type": "SCALAR", "scalar": {"value": v}}
                 for n, v in (("cpus", 0.1), ("mem", 32), ("disk", 0))]
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            offer = s.wait_offer()
            executor = {"type": "DEFAULT", "executor_id": {"value": "e"}, "resources": resources[:2],
                        "framework_id": {"value": s.framework_id}}
            tasks = [{**s.task(t, "true"), "agent_id": offer["agent_id"]} for t in ("a", "b")]
            s.accept([offer], [{"type": "LAUNCH_GROUP", "launch_group": {
                "executor": executor, "task_group": {"tasks": tasks}}}])
            equal([s.wait_state(t, "TASK_ERROR")["message"] for t in ("a", "b")],
                  ["Executor 'e' must specify 'disk' resources"] * 2, "messages")


def test_task_group_of_too_many_tasks_is_refused_as_a_whole():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            offer = s.wait_offer()
            executor = {"type": "DEFAULT", "executor_id": {"value": "e"},
                        "framework_id": {"value": s.framework_id}}
            tasks = [{**s.task("t%d" % i, "true"), "agent_id": offer["agent_id"]} for i in range(257)]
            s.accept([offer], [{"type": "LAUNCH_GROUP", "launch_group": {
                "executor": executor, "task_group": {"tasks": tasks}}}])
            for t in ("t0", "t256"):
                equal(s.wait_state(t, "TASK_ERROR")["message"],
                      "Task group has 257 tasks, more than the 256 it may have", "message")


def test_operations_that_are_not_there_are_refused_by_name():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            s.accept([s.wait_offer()], [{"type": "RESERVE", "id": {"value": "op"}, "reserve": {"resources": []}}])
            status = s.wait_event("UPDATE_OPERATION_STATUS")["update_operation_status"]["status"]
            equal((status["operation_id"]["value"], status["state"]), ("op", "OPERATION_ERROR"), "status")
            check("RESERVE" in status["message"], "message is %r" % status["message"])


def test_reconciliation_answers_what_is_known_and_what_is_not():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            s.launch([s.task("t", "true")])
            agent.wait_task("t")
            s.call("RECONCILE", {"tasks": []})
            equal(s.wait_state("t", "TASK_STAGING")["message"], "Reconciliation: Latest task state", "message")
            s.call("RECONCILE", {"tasks": [
                {"task_id": {"value": "nowhere"}},
                {"task_id": {"value": "not-there"}, "agent_id": {"value": agent.agent_id}}]})
            equal(s.wait_state("nowhere", "TASK_UNKNOWN")["message"], "Reconciliation: Task is unknown", "message")
            equal(s.wait_state("not-there", "TASK_GONE")["message"],
                  "Reconciliation: Task is unknown to the agent", "message")


def test_scheduler_that_reads_slowly_is_told_of_all_its_tasks_and_not_cut_off():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr, cpus=100) as agent:
        agent.register()
        events = EventStream(cluster.master_addr, subscription(failover_timeout=3600.0))
        told = iter(events)
        framework_id = next(told)["subscribed"]["framework_id"]["value"]
        names = ["t%07d-" % i + "x" * 200 for i in range(N_RECONCILED)]
        agent.reregister([agent.task(framework_id, name, cpus=0.001, mem=1) for name in names])
        call = {"type": "RECONCILE", "framework_id": {"value": framework_id}, "reconcile": {"tasks": []}}
        headers = {**JSON_HEADERS, "Mesos-Stream-Id": events.headers["Mesos-Stream-Id"]}
        equal(post(cluster, call, headers=headers).status, 202, "status")
        equal(http_get(cluster.master_addr, "/frameworks").json()["frameworks"][0]["connected"], True, "connected")
        seen = []
        while len(seen) < len(names):
            event = next(told)
            if event["type"] == "UPDATE" and event["update"]["status"]["reason"] == "REASON_RECONCILIATION":
                seen.append(event["update"]["status"]["task_id"]["value"])
        equal(seen == names, True, "each is told once and in order")
        events.close()


def test_operators_see_the_state_and_then_every_change():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        events = iter(OperatorStream(cluster))
        equal(next(events)["subscribed"]["get_state"]["get_agents"], {"agents": [], "recovered_agents": []}, "agents")
        equal(next(events)["type"], "HEARTBEAT", "second event")
        agent.register()
        equal(next(events)["agent_added"]["agent"]["agent_info"]["id"]["value"], agent.agent_id, "agent")
        with Scheduler(cluster.master_addr) as s:
            equal(next(events)["type"], "FRAMEWORK_ADDED", "event")
            s.launch([s.task("t", "true")])
            equal(next(events)["task_added"]["task"]["state"], "TASK_STAGING", "state")
            agent.update(s.framework_id, "t", RUNNING)
            equal(next(events)["task_updated"]["state"], "TASK_RUNNING", "state")
            agent.update(s.framework_id, "t", FINISHED)
            equal(next(events)["task_updated"]["state"], "TASK_FINISHED", "state")
            s.wait_state("t", "TASK_FINISHED")
            wait_until(lambda: agent.count("StatusUpdateAcknowledgementMessage") == 2, "acknowledgements")
        equal(next(events)["type"], "FRAMEWORK_REMOVED", "event")
        agent.unregister()
        equal(next(events)["agent_removed"]["agent_id"]["value"], agent.agent_id, "agent")


class OperatorStream(EventStream):
    def __init__(self, cluster):
        import http.client
        self._connection = http.client.HTTPConnection(*cluster.master_addr)
        self._connection.request("POST", "/api/v1", '{"type":"SUBSCRIBE"}', JSON_HEADERS)
        self._answer = self._connection.getresponse()


def test_operator_calls_are_refused_in_the_words_of_mesos():
    with Cluster(n_agents=0) as cluster:
        cases = [
            ({"type": "GET_METRICS"}, 400, "Failed to validate master::Call: Expecting 'get_metrics' to be present"),
            ({"type": "TEARDOWN", "teardown": {"framework_id": {"value": "nope"}}}, 400,
             "No framework found with specified ID"),
            ({"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": "nope-S0"}}}, 404,
             "Agent 'nope-S0' not found"),
            ({"type": "DRAIN_AGENT", "drain_agent": {"agent_id": {"value": "nope"}}}, 400, "Unknown agent"),
            ({"type": "UNKNOWN"}, 501, "501 Not Implemented."),
        ]
        for call, status, words in cases:
            answer = post(cluster, call, "/api/v1")
            equal((answer.status, answer.text), (status, words), call["type"])


def test_views_agree_whether_asked_the_old_way_or_the_new():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr) as s:
            s.launch([s.task("t", "true", labels={"labels": [{"key": "k", "value": "v"}]})])
            agent.wait_task("t")
            agent.update(s.framework_id, "t", RUNNING)
            s.wait_state("t", "TASK_RUNNING")
            classic = http_get(cluster.master_addr, "/master/tasks").json()["tasks"]
            modern = operator(cluster, "GET_TASKS").json()["get_tasks"]["tasks"]
            equal([(t["id"], t["state"], t["labels"]) for t in classic],
                  [(t["task_id"]["value"], t["state"], t["labels"]["labels"]) for t in modern], "tasks")
            state = operator(cluster, "GET_STATE").json()["get_state"]
            equal(state["get_tasks"]["tasks"], modern, "tasks of GET_STATE")
            answer = http_call(cluster.master_addr, "POST", "/api/v1", '{"type":"GET_TASKS"}',
                               {"Content-Type": "application/json", "Accept": "application/x-protobuf"})
            task = read(first(read(first(read(answer.body), 13)), 2))
            equal(first(read(first(task, 2)), 1), b"t", "task in protobuf")
            answer = http_get(cluster.master_addr, "/state?jsonp=f")
            check(answer.text.startswith("f({") and answer.text.endswith("});"), "no function call")


def test_operator_may_tear_a_framework_down():
    with Cluster(n_agents=0) as cluster:
        s = Scheduler(cluster.master_addr)
        answer = http_call(cluster.master_addr, "POST", "/teardown", "frameworkId=" + s.framework_id)
        equal(answer.status, 200, "status")
        s.disconnect()
        equal(len(http_get(cluster.master_addr, "/frameworks").json()["completed_frameworks"]), 1, "completed frameworks")


def test_scheduler_that_does_not_read_is_cut_off_at_a_bound_and_others_are_served():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        events = EventStream(cluster.master_addr, subscription(name="deaf", failover_timeout=3600.0))
        deaf = next(iter(events))["subscribed"]["framework_id"]["value"]

        def is_connected():
            frameworks = http_get(cluster.master_addr, "/frameworks").json()["frameworks"]
            return next(f["connected"] for f in frameworks if f["id"] == deaf)

        for _ in range(60):
            agent.executor_message(deaf, "e", os.urandom(1 << 20))
        wait_until(lambda: not is_connected(), "the deaf scheduler is cut off")
        with Scheduler(cluster.master_addr) as s:
            s.wait_offer()
        events.close()


def test_sigterm_ends_the_master_at_once_and_cleanly():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        s = Scheduler(cluster.master_addr)
        s.launch([s.task("t", "true")])
        agent.wait_task("t")
        equal(cluster.master().stop(), 0, "exit status")
        s.disconnect()


if __name__ == "__main__":
    main()
