#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an agent tells a master when it is back, field by field, and how both find out what either has lost."""

import contextlib
import os
import signal
import socket
import sqlite3
import sys
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, children_named, equal, http_get, main, wait_until    # noqa: E402
from crash import EXECUTOR    # noqa: E402
from libprocess_master import (AGENT_ID, FRAMEWORK_ID, Stand, executor_info, framework,    # noqa: E402
                               reconciliation, scalar, task_info)
from libprocess_agent import identity    # noqa: E402
from wire import field, first, read    # noqa: E402

STARTING, RUNNING, FINISHED, FAILED, STAGING = 0, 1, 2, 3, 6
SOURCE_AGENT, REASON_RECONCILIATION = 1, 9
# MULTI_ROLE to TASK_RESOURCE_LIMITS: what the recorded agents told.
CAPABILITIES = [1, 2, 3, 4, 5, 6, 7, 8]
CUSTOM = "exec %s %s" % (sys.executable, EXECUTOR)


def text(message, number):
    """Of an id in a message."""
    value = first(message, number)
    return value and first(read(value), 1).decode()


def tasks_of(fields, number=3):
    return {text(read(t), 2): read(t) for t in fields.get(number, [])}


def executors_of(fields):
    return sorted(text(read(e), 1) for e in fields.get(4, []))


def frameworks_of(fields):
    return [text(read(f), 3) for f in fields.get(8, [])]


def completed_of(fields):
    """{framework id: [task ids]}"""
    return {text(read(first(read(a), 1)), 3): list(tasks_of(read(a))) for a in fields.get(5, [])}


def run(stand, name, command=None, executor=None):
    stand.master.run(task_info(name, command, executor=executor and executor_info(
        executor[0], executor[1], scalar("cpus", 0.1, allocated="ops"), scalar("mem", 32, allocated="ops"))))


def lose_master(stand):
    """The same agent registers again, as with a master that has failed over."""
    stand.n_registrations = len(stand.master.registrations)
    stand.master.hang_up()
    return stand.wait_registered()


def test_first_registration_has_an_agent_and_nothing_else():
    with Stand() as stand:
        fields = stand.start_agent()
        equal(stand.master.registrations[0][0], "RegisterSlaveMessage", "message")
        equal(first(fields, 2), b"1.12.0", "version")
        equal([first(read(c), 1) for c in fields[4]], CAPABILITIES, "capabilities")
        check(text(read(first(fields, 1)), 6) is None, "an agent without an id tells one")


def start_all_kinds(stand):
    """Tasks in each stage of their life, in executors of ours and of others, in each of theirs."""
    stand.start_agent()
    run(stand, "running", "exec sleep 1000")
    run(stand, "hold-1", executor=("custom", CUSTOM))
    run(stand, "over", "true")
    for name, state in (("running", "TASK_RUNNING"), ("hold-1", "TASK_RUNNING"), ("over", "TASK_FINISHED")):
        stand.master.wait_state(name, state)
    wait_until(lambda: len(http_get(stand.agent.addr, "/state").json()["frameworks"][0]["completed_executors"]) == 1,
               "the task is over")
    others = set(children_named("holdfast-executor") + children_named("python3"))
    run(stand, "orphan", executor=("ended", "exec sleep 1000"))
    run(stand, "queued", executor=("mute", "exec sleep 1000"))
    pid, = wait_until(lambda: [p for p in set(children_named("sleep")) - others if is_of(stand, p, "ended")],
                      "the executor that is to end")
    stand.master.acknowledge = False
    os.kill(pid, signal.SIGKILL)
    stand.master.wait_state("orphan", "TASK_FAILED")
    run(stand, "unheard", "exit 3")
    # Its first update is the only one that is told: the next ones wait for its acknowledgement.
    stand.master.wait_state("unheard", "TASK_STARTING")
    wait_until(lambda: agent_task(stand, "unheard")["state"] == "TASK_FAILED", "the agent knows its end")


def is_of(stand, pid, executor_id):
    with open("/proc/%d/environ" % pid, "rb") as f:
        return b"MESOS_EXECUTOR_ID=" + executor_id.encode() in f.read().split(b"\0")


def agent_task(stand, task_id):
    for f in http_get(stand.agent.addr, "/state").json()["frameworks"]:
        for e in f["executors"]:
            for task in e["tasks"] + e["completed_tasks"]:
                if task["id"] == task_id:
                    return task
    return {"state": None}


def check_inventory(stand, fields, queued):
    info, tasks = read(first(fields, 2)), tasks_of(fields)
    equal(stand.master.registrations[-1][0], "ReregisterSlaveMessage", "message")
    equal((text(info, 6), first(info, 1), first(info, 8)), (AGENT_ID, b"127.0.0.1", stand.agent.addr[1]), "agent")
    equal(first(info, 7), 1, "checkpoint, which old masters ask for")
    equal(first(fields, 6), b"1.12.0", "version")
    equal([first(read(c), 1) for c in fields[9]], CAPABILITIES, "capabilities")
    equal(first(read(first(fields, 10)), 1), stand.master.version, "version of its resources, which an update repeats")
    equal(frameworks_of(fields), [FRAMEWORK_ID], "frameworks")
    equal(first(fields, 8), framework(), "what is known of the framework")
    # Neither ours, which masters do not know, nor one that has ended and holds nothing.
    equal([e for e in executors_of(fields) if queued or e != "mute"], ["custom", "mute"][:1 + queued], "executors")
    states = {"running": RUNNING, "hold-1": RUNNING, "orphan": FAILED, "unheard": FAILED, "queued": STAGING}
    equal({t: first(tasks[t], 6) for t in tasks if t in states and (queued or t != "queued")},
          {t: s for t, s in states.items() if queued or t != "queued"}, "states of tasks")
    equal({t: text(tasks[t], 4) for t in states if t in tasks and t != "queued"},
          {"running": None, "hold-1": "custom", "orphan": "ended", "unheard": None}, "executors of tasks")
    for task_id, task in tasks.items():
        equal((text(task, 3), text(task, 5)), (FRAMEWORK_ID, AGENT_ID), "framework and agent of " + task_id)
        check(task.get(7), "%s has no resources" % task_id)
    # What was told last of it, which is not its state. A framework that heard of an end is not told again that it runs.
    for task_id, state in (("running", RUNNING), ("hold-1", RUNNING), ("orphan", FAILED), ("unheard", STARTING)):
        equal(first(tasks[task_id], 9), state, "update state of " + task_id)
        equal(len(first(tasks[task_id], 10)), 16, "bytes of the uuid of " + task_id)
    equal(completed_of(fields), {FRAMEWORK_ID: ["over"]}, "what is over")


def test_new_master_is_told_all_that_an_agent_has():
    with Stand() as stand:
        start_all_kinds(stand)
        fields = lose_master(stand)
        check_inventory(stand, fields, queued=True)
        finish(stand)


def test_restarted_agent_tells_all_that_it_had():
    with Stand() as stand:
        start_all_kinds(stand)
        before = stand.master.version
        # The executor that never subscribed is on its way out: nobody knows what it would have done.
        fields = stand.restart_agent()
        check_inventory(stand, fields, queued=False)
        check(stand.master.version != before, "another life of the agent has the resource version of the last")
        finish(stand)


def test_answer_of_a_master_that_has_just_gone_registers_nobody():
    with Stand() as stand:
        stand.start_agent()
        for _ in range(10):
            before = len(stand.master.registrations)
            stand.master.hang_ups_before_answers = 1
            stand.master.hang_up()
            stand.master.wait(lambda n=before: len(stand.master.registrations) >= n + 2, "the agent asks again")


def finish(stand):
    """What was not acknowledged is told until it is, to whoever is the master."""
    stand.master.acknowledge = True
    fields = lose_master(stand)
    check(FRAMEWORK_ID in frameworks_of(fields), "the framework is gone")
    for task_id in ("orphan", "unheard"):
        stand.master.wait_state(task_id, "TASK_FAILED")
    equal(stand.master.states("unheard"), ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"], "updates of unheard")
    stand.master.shutdown_framework()


# Tasks that one of the two has lost

def test_agent_tells_of_tasks_that_it_never_got_and_of_no_others():
    with Stand() as stand:
        stand.start_agent()
        run(stand, "running", "exec sleep 1000")
        stand.master.wait_state("running", "TASK_RUNNING")
        stand.master.reconciliations = reconciliation("running", "lost-1", "lost-2")
        lose_master(stand)
        for name in ("lost-1", "lost-2"):
            status = stand.master.wait_state(name, "TASK_DROPPED")
            equal((status.source, status.reason), (SOURCE_AGENT, REASON_RECONCILIATION), "source and reason of " + name)
            check(uuid.UUID(bytes=status.uuid), "it cannot be acknowledged")
        equal(stand.master.states("running"), ["TASK_STARTING", "TASK_RUNNING"], "updates of the task that runs")
        stand.master.shutdown_framework()


def test_frameworks_that_know_no_partitions_hear_that_the_task_is_lost():
    with Stand() as stand:
        stand.start_agent()
        stand.master.reconciliations = reconciliation("lost", capabilities=())
        lose_master(stand)
        equal(stand.master.wait_state("lost", "TASK_LOST").reason, REASON_RECONCILIATION, "reason")


def test_agent_that_lost_its_memory_tells_that_its_tasks_are_gone():
    with Stand() as stand:
        stand.start_agent()
        run(stand, "forgotten", "exec sleep 1000")
        stand.master.wait_state("forgotten", "TASK_RUNNING")
        stand.master.reconciliations = reconciliation("forgotten")
        stand.agent.kill9()
        # Only who it is was kept.
        forget_work(stand)
        fields = stand.start_agent()
        equal((frameworks_of(fields), tasks_of(fields)), ([], {}), "frameworks and tasks")
        status = stand.master.wait_state("forgotten", "TASK_DROPPED")
        equal((status.source, status.reason), (SOURCE_AGENT, REASON_RECONCILIATION), "source and reason")
        stand.cluster.check_no_containers()


def forget_work(stand):
    with contextlib.closing(sqlite3.connect(stand.cluster.work_path("agent", "meta", "agent.db"))) as db:
        for table in ("frameworks", "executors", "tasks", "updates"):
            db.execute("DELETE FROM " + table)
        db.commit()


def test_agent_asked_again_and_again_tells_until_it_is_heard():
    with Stand() as stand:
        stand.start_agent()
        stand.master.acknowledge = False
        stand.master.reconciliations = reconciliation("lost")
        lose_master(stand)
        told = stand.master.wait_state("lost", "TASK_DROPPED").uuid
        n_before = len(stand.master.messages)
        lose_master(stand)
        stand.master.wait(lambda: any(name == "StatusUpdateMessage" for name, _ in stand.master.messages[n_before:]),
                          "the update comes again")
        equal([s.uuid for s in stand.master.statuses if s.task_id == "lost"], [told], "uuids of its updates")


def test_framework_that_changes_its_mind_about_checkpointing_leaves_nothing_that_cannot_be_read():
    """Mesos's masters do not let it. What began without a record has none that the rest could depend on."""
    for before in (False, True):
        with Stand() as stand:
            stand.start_agent()
            own = executor_info("own", CUSTOM)
            stand.master.run(task_info("hold-1", None, executor=own), checkpoint=before)
            stand.master.wait_state("hold-1", "TASK_RUNNING")
            stand.master.send("UpdateFrameworkMessage", field(1, identity(FRAMEWORK_ID)) + field(2, "")
                              + field(3, framework(checkpoint=not before)))
            stand.master.run(task_info("hold-2", None, executor=own), checkpoint=not before)
            stand.master.wait_state("hold-2", "TASK_RUNNING")
            fields = stand.restart_agent()
            equal(sorted(tasks_of(fields)), ["hold-1", "hold-2"] if before else [], "tasks after a restart")
            if before:
                stand.master.shutdown_framework()


def test_kill_sent_before_a_registration_says_nothing_of_what_has_ended():
    with Stand() as stand:
        stand.start_agent()
        with socket.create_connection(stand.agent.addr) as late:
            run(stand, "over", "true")
            stand.master.wait_state("over", "TASK_FINISHED")
            wait_until(lambda: http_get(stand.agent.addr, "/state").json()["completed_frameworks"], "the task is over")
            stand.master.forget_connection()
            lose_master(stand)
            stand.master.send_late(late, "KillTaskMessage", stand.master.kill_message("over"))
        run(stand, "next", "true")
        stand.master.wait_state("next", "TASK_FINISHED")
        equal(stand.master.states("over")[-1], "TASK_FINISHED", "the last word about the task that was over")
        stand.master.kill("never")
        stand.master.wait_state("never", "TASK_DROPPED", "TASK_LOST")


def test_task_sent_before_a_registration_is_not_started_after_it():
    with Stand() as stand:
        stand.start_agent()
        with socket.create_connection(stand.agent.addr) as late:
            stand.master.forget_connection()
            stand.master.reconciliations = reconciliation("lost")
            lose_master(stand)
            status = stand.master.wait_state("lost", "TASK_DROPPED")
            equal((status.source, status.reason), (SOURCE_AGENT, REASON_RECONCILIATION), "source and reason")
            stand.master.send_late(late, "RunTaskMessage", stand.master.run_message(task_info("lost", "exec sleep 1000")))
        equal(http_get(stand.agent.addr, "/state").json()["frameworks"], [], "frameworks with something to run")
        equal(stand.cluster.sandboxes("lost"), [], "sandboxes of the lost task")
        run(stand, "next", "true")
        stand.master.wait_state("next", "TASK_FINISHED")
        equal(stand.master.states("lost"), ["TASK_DROPPED"], "states of the lost task")


if __name__ == "__main__":
    main()
