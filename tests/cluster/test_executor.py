#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Custom executors: tests/lib/executor.py speaks the v1 executor API with the agent."""

import base64
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import SOURCE_DIR, Cluster, check, equal, main    # noqa: E402
from scheduler import Scheduler, scalar    # noqa: E402

PROGRAM = os.path.join(SOURCE_DIR, "tests", "lib", "executor.py")


def executor(s, executor_id="custom"):
    return {"executor_id": {"value": executor_id}, "framework_id": {"value": s.framework_id},
            "name": "a custom executor", "resources": [scalar("cpus", 0.1), scalar("mem", 32)],
            "command": {"value": "exec %s %s" % (sys.executable, PROGRAM)}}


def launch(s, *task_ids):
    offer = s.wait_offer(cpus=1, mem=256)
    s.launch([s.task(t, executor=executor(s)) for t in task_ids], offer)
    return offer


def test_tasks_of_one_executor_run_in_one_container():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        launch(s, "a", "b")
        for task_id in ("a", "b"):
            status = s.wait_terminal(task_id)
            equal(s.states(task_id), ["TASK_RUNNING", "TASK_FINISHED"], "states of " + task_id)
            equal(status.get("message"), "done", "message")
            equal(base64.b64decode(status["data"]), b"result", "data")
        containers = {x["container_status"]["container_id"]["value"] for x in s.statuses}
        equal(len(containers), 1, "containers")
        launch(s, "c")
        s.wait_state("c", "TASK_FINISHED")
        equal(len(cluster.sandboxes("custom")), 1, "runs of the executor")


def test_kill_and_message_reach_the_executor():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        offer = launch(s, "hold")
        s.wait_state("hold", "TASK_RUNNING")
        s.call("MESSAGE", {"agent_id": offer["agent_id"], "executor_id": {"value": "custom"},
                           "data": base64.b64encode(b"abc").decode()})
        message = s.wait_event("MESSAGE")["message"]
        equal(base64.b64decode(message["data"]), b"cba", "answer of the executor")
        s.kill("hold")
        equal(s.wait_terminal("hold").get("message"), "as asked", "message")


def test_shutdown_ends_the_executor_and_is_told_as_a_failure_event():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        offer = launch(s, "hold")
        s.wait_state("hold", "TASK_RUNNING")
        s.call("SHUTDOWN", {"executor_id": {"value": "custom"}, "agent_id": offer["agent_id"]})
        failure = s.wait_event("FAILURE")["failure"]
        equal(failure["executor_id"]["value"], "custom", "executor id")
        check(s.wait_terminal("hold")["state"] in ("TASK_FAILED", "TASK_KILLED", "TASK_GONE", "TASK_LOST"),
              "states are %s" % s.states("hold"))
        cluster.check_no_containers()


def test_executor_subscribes_again_to_the_restarted_agent():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        launch(s, "hold")
        s.wait_state("hold", "TASK_RUNNING")
        cluster.agent().kill9()
        cluster.agent().start()
        cluster.wait_reregistered(cluster.agent())
        s.kill("hold")
        equal(s.wait_terminal("hold").get("message"), "as asked", "message")
        equal(s.states("hold"), ["TASK_RUNNING", "TASK_KILLED"], "states")
        launch(s, "after")
        s.wait_state("after", "TASK_FINISHED")


def test_executor_that_dies_fails_its_tasks():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        offer = s.wait_offer()
        dying = {**executor(s, "dying"), "command": {"value": "exit 9"}}
        s.launch([s.task("lost", executor=dying)], offer)
        status = s.wait_terminal("lost")
        equal((status["state"], status["source"]), ("TASK_FAILED", "SOURCE_AGENT"), "state, source")
        equal(status["reason"], "REASON_EXECUTOR_TERMINATED", "reason")


if __name__ == "__main__":
    main()
