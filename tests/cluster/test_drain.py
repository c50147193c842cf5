#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A draining agent ends its tasks, takes no others, and says why; also if it dies meanwhile."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, children_named, equal, main, wait_until    # noqa: E402
from libprocess_master import Stand, executor_info, reserve, scalar, task_info    # noqa: E402

REASON_AGENT_DRAINING = 34
STUBBORN = "trap '' TERM; while :; do sleep 0.1; done"
EXECUTOR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "executor.py")
COMMAND = "exec %s %s" % (sys.executable, EXECUTOR)


def wait_running(stand, *tasks):
    for task_id in tasks:
        stand.master.wait_state(task_id, "TASK_RUNNING")


def wait_drained(stand):
    wait_until(lambda: "drain_config" not in stand.state(), "the agent is drained")


def test_tasks_are_killed_with_the_shorter_grace_and_the_reason_is_told():
    with Stand() as stand:
        stand.start_agent()
        stand.master.run(task_info("meek", "exec sleep 1000"))
        stand.master.run(task_info("stubborn", STUBBORN, grace_s=600))
        stand.master.run(task_info("own", executor=executor_info("own", COMMAND), command=None))
        stand.master.run(task_info("hold", executor=executor_info("own", COMMAND), command=None))
        wait_running(stand, "meek", "stubborn", "hold")
        begin = time.time()
        stand.master.drain(max_grace_s=0.5)
        for task_id in ("meek", "stubborn", "hold"):
            status = stand.master.wait_state(task_id, "TASK_KILLED")
            equal(status.reason, REASON_AGENT_DRAINING, "reason of %s" % status)
        check(time.time() - begin < 60, "the task's own grace was given")
        check("TASK_KILLING" in stand.master.states("meek"), "states of meek: %s" % stand.master.states("meek"))
        killing = stand.master.wait_state("stubborn", "TASK_KILLING")
        equal(killing.reason, REASON_AGENT_DRAINING, "reason of %s" % killing)
        stand.master.shutdown_framework()
        wait_drained(stand)


def test_command_is_shown_and_kept_until_everything_is_acknowledged():
    with Stand() as stand:
        stand.start_agent()
        stand.master.run(task_info("live", "exec sleep 1000"))
        wait_running(stand, "live")
        stand.master.acknowledge = False
        now = time.time()
        stand.master.drain(max_grace_s=2)
        wait_until(lambda: "drain_config" in stand.state(), "it is shown")
        state = stand.state()
        equal(state["drain_config"], {"max_grace_period": {"nanoseconds": 2000000000}, "mark_gone": False}, "config")
        check(abs(state["estimated_drain_start_time_seconds"] - now) < 10, "start %s" % state["estimated_drain_start_time_seconds"])
        shown = stand.call("GET_AGENT")["get_agent"]
        equal(shown["drain_config"]["max_grace_period"], {"nanoseconds": 2000000000}, "GET_AGENT")
        stand.master.wait_state("live", "TASK_KILLING")
        stand.restart_agent()
        check("drain_config" in stand.state(), "the command was forgotten")
        stand.master.acknowledge = True
        stand.restart_agent()
        equal(stand.master.wait_state("live", "TASK_KILLED").reason, REASON_AGENT_DRAINING, "reason")
        wait_drained(stand)
        stand.restart_agent()
        check("drain_config" not in stand.state(), "the command came back")


def test_new_tasks_are_dropped_until_the_agent_is_empty():
    with Stand() as stand:
        stand.start_agent()
        stand.master.run(task_info("live", "exec sleep 1000"))
        wait_running(stand, "live")
        stand.master.acknowledge = False
        stand.master.drain()
        stand.master.run(task_info("late", "true"))
        status = stand.master.wait_state("late", "TASK_DROPPED")
        equal((status.reason, status.message), (REASON_AGENT_DRAINING, "Agent is draining"), "why")
        stand.master.run(task_info("later", "true"), capabilities=())
        equal(stand.master.wait_state("later", "TASK_LOST").reason, REASON_AGENT_DRAINING, "reason")
        stand.master.acknowledge = True
        stand.restart_agent()
        stand.master.wait_state("live", "TASK_KILLED")
        wait_drained(stand)
        stand.master.run(task_info("after", "true"))
        stand.master.wait_state("after", "TASK_FINISHED")


def test_agent_to_be_marked_gone_says_so_of_its_tasks():
    with Stand() as stand:
        stand.start_agent()
        stand.master.run(task_info("live", "exec sleep 1000"))
        wait_running(stand, "live")
        stand.master.drain(max_grace_s=1, mark_gone=True)
        equal(stand.master.wait_state("live", "TASK_GONE_BY_OPERATOR").reason, REASON_AGENT_DRAINING, "reason")
        wait_drained(stand)


def test_agent_that_dies_while_draining_goes_on_with_it():
    """The executor is not there to hear of the first kill."""
    with Stand() as stand:
        stand.start_agent()
        stand.master.run(task_info("live", "exec sleep 1000"))
        wait_running(stand, "live")
        # Its child has the name, too, until it executes the command.
        wait_until(lambda: len(children_named("holdfast-executor")) == 1, "the command is executed")
        executor, = children_named("holdfast-executor")
        os.kill(executor, signal.SIGSTOP)
        stand.master.drain(max_grace_s=1)
        wait_until(lambda: "drain_config" in stand.state(), "it is draining")
        stand.agent.kill9()
        stand.agent.start(wait_ready=False)
        os.kill(executor, signal.SIGCONT)
        equal(stand.master.wait_state("live", "TASK_KILLED").reason, REASON_AGENT_DRAINING, "reason")
        equal(stand.master.states("live").count("TASK_KILLED"), 1, "ends told")
        wait_drained(stand)


def test_empty_agent_is_drained_once_its_operations_are_acknowledged():
    with Stand() as stand:
        stand.start_agent()
        stand.master.drain()
        wait_until(lambda: "The agent is drained" in stand.agent.log(), "it is drained at once")
        uuid = stand.master.apply(reserve(scalar("cpus", 1, "ops", allocated="ops")))
        status = stand.master.wait_operation(uuid)
        stand.master.drain()
        wait_until(lambda: "drain_config" in stand.state(), "it is draining")
        stand.master.acknowledge_operation(status)
        wait_drained(stand)


if __name__ == "__main__":
    main()
