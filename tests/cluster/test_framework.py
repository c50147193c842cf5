#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a framework sees of the whole: offers, filters, reconciliation, coming and going."""

import json
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, check, equal, http_call, is_alive, main, wait_until    # noqa: E402
from scheduler import JSON_HEADERS, PATH, Scheduler, offered    # noqa: E402


def test_offer_has_all_that_the_agent_has():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        offer = s.wait_offer()
        equal((offered(offer, "cpus"), offered(offer, "mem"), offered(offer, "disk")), (8, 8192, 16384), "offered")
        ports = next(r for r in offer["resources"] if r["name"] == "ports")
        equal(ports["ranges"]["range"], [{"begin": 31000, "end": 32000}], "ports")


def test_freed_resources_are_offered_again_at_once():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        s.run("all", "true", cpus=8, mem=8192)
        offer = s.wait_offer(cpus=8, mem=8192, timeout=5)
        equal(offered(offer, "cpus"), 8, "cpus offered")


def test_declined_offer_does_not_come_back_before_its_filter_ends():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        offer = s.wait_offer()
        s.decline([offer], refuse_seconds=3600)
        # Another framework gets it meanwhile: the allocator has had its turn.
        with Scheduler(cluster.master_addr, "other") as other:
            other.decline([other.wait_offer()], refuse_seconds=3600)
            equal(s.offers, [], "offers despite the filter")
        s.revive()
        s.wait_offer()


def test_two_agents_are_both_used():
    with Cluster(n_agents=2) as cluster, Scheduler(cluster.master_addr) as s:
        first, second = s.wait_offer(), s.wait_offer()
        check(first["agent_id"] != second["agent_id"], "two offers of one agent")
        s.launch([s.task("one", "true")], first)
        s.launch([s.task("two", "true")], second)
        s.wait_state("one", "TASK_FINISHED")
        s.wait_state("two", "TASK_FINISHED")


def test_stale_offer_drops_the_tasks():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        offer = s.launch([s.task("good", "true")])
        s.wait_terminal("good")
        s.launch([s.task("stale", "true")], offer)
        status = s.wait_terminal("stale")
        equal(status["state"], "TASK_DROPPED", "state")
        equal((status["source"], status["reason"]), ("SOURCE_MASTER", "REASON_INVALID_OFFERS"), "source, reason")
        equal(status["message"], "Task launched with invalid offers: Offer %s is no longer valid"
              % offer["id"]["value"], "message")


def test_task_that_needs_more_than_offered_is_an_error():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        offer = s.wait_offer()
        s.launch([s.task("greedy", "true", cpus=100), s.task("modest", "true")], offer)
        status = s.wait_terminal("greedy")
        equal((status["state"], status["source"], status["reason"]),
              ("TASK_ERROR", "SOURCE_MASTER", "REASON_TASK_INVALID"), "state, source, reason")
        equal(s.wait_terminal("modest")["state"], "TASK_FINISHED", "state of the other task")


def test_reconciliation_tells_running_and_unknown_tasks():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task("runs", "sleep 1000")])
        s.wait_state("runs", "TASK_RUNNING")
        s.reconcile("runs", "never")
        s.wait_until(lambda: s.states("never"), "answer about the unknown task")
        s.wait_until(lambda: len(s.states("runs")) == 3, "answer about the known task")
        latest = [x for x in s.statuses if x.get("reason") == "REASON_RECONCILIATION"]
        equal({x["task_id"]["value"]: (x["state"], x["message"]) for x in latest},
              {"runs": ("TASK_RUNNING", "Reconciliation: Latest task state"),
               "never": ("TASK_UNKNOWN", "Reconciliation: Task is unknown")}, "answers")
        check(all("uuid" not in x for x in latest), "a reconciliation asks for acknowledgement")
        s.kill("runs")
        s.wait_state("runs", "TASK_KILLED")


def test_framework_that_comes_back_keeps_its_tasks_and_hears_what_it_missed():
    with Cluster() as cluster:
        s = Scheduler(cluster.master_addr)
        gate = cluster.work_path("gate")
        s.launch([s.task("waits", "while [ ! -e %s ]; do sleep 0.05; done; exit 5" % gate)])
        s.wait_state("waits", "TASK_RUNNING")
        identity = s.framework_id
        s.disconnect()
        open(gate, "w").close()
        s.subscribe()
        equal(s.framework_id, identity, "framework id")
        equal(s.wait_terminal("waits", timeout=30).get("message"), "Command exited with status 5", "message")
        s.teardown()
        s.disconnect()


def test_framework_that_stays_away_past_its_failover_timeout_is_removed():
    with Cluster() as cluster:
        s = Scheduler(cluster.master_addr, info={"failover_timeout": 0.2})
        path = cluster.work_path("pid")
        s.launch([s.task("orphan", "echo $$ >%s; exec sleep 1000" % path)])
        s.wait_state("orphan", "TASK_RUNNING")
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path), "the task writes its pid")
        with open(path) as f:
            pid = int(f.read())
        s.disconnect()
        wait_until(lambda: not is_alive(pid), "the task of the framework that is gone ends")
        cluster.check_no_containers()


def test_newer_subscription_takes_over():
    with Cluster() as cluster:
        s = Scheduler(cluster.master_addr)
        with Scheduler(cluster.master_addr, framework_id=s.framework_id) as newer:
            s._wait(lambda: s.error is not None, "ERROR on the older stream")
            equal(s.error, "Framework failed over", "message")
            answer = http_call(cluster.master_addr, "POST", PATH,
                               {"type": "REVIVE", "framework_id": {"value": s.framework_id}},
                               {**JSON_HEADERS, "Mesos-Stream-Id": s.stream_id})
            equal(answer.status, 400, "status of a call on the older stream")
            newer.run("under-new-management", "true")
        s.disconnect()


def test_every_event_is_a_chunk_of_its_own():
    # Clients exist that take a chunk for an event.
    with Cluster() as cluster:
        call = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "root", "name": "raw"}}})
        with socket.create_connection(cluster.master_addr, timeout=20) as peer, peer.makefile("rb") as answer:
            peer.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                         % (PATH.encode(), len(call), call.encode()))
            while answer.readline().strip():
                pass
            for kind in ("SUBSCRIBED", "HEARTBEAT", "OFFERS"):
                chunk = answer.read(int(answer.readline(), 16))
                answer.readline()
                length, record = chunk.split(b"\n", 1)
                equal(len(record), int(length), "bytes beside the length in a chunk")
                equal(json.loads(record)["type"], kind, "type of event")


def test_agent_that_is_stopped_for_good_is_not_offered():
    with Cluster(n_agents=2) as cluster, Scheduler(cluster.master_addr) as s:
        s.wait_until(lambda: len(s.offers) == 2, "offers of both agents")
        cluster.agent(1).kill9()
        s.wait_event("RESCIND")
        s.wait_until(lambda: len(s.offers) == 1, "one offer stays")


if __name__ == "__main__":
    main()
