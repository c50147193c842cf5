#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tasks find their persistent volumes in their sandboxes, and what they write there outlives them."""

import contextlib
import os
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, children_named, equal, main, program, skip, wait_until    # noqa: E402
from libprocess_master import (Stand, create, destroy, executor_info, reserve, scalar, task_info)    # noqa: E402
from wire import field    # noqa: E402

EXECUTOR = "exec %s %s" % (sys.executable, os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "lib", "executor.py"))
REASON_LAUNCH_FAILED = 21
NOBODY = 65534


def disk(size=100):
    return scalar("disk", size, "ops", allocated="ops")


def volume(volume_id="v1", path="data", size=100):
    return scalar("disk", size, "ops", volume=(volume_id, path), allocated="ops")


def with_volumes(stand, *volumes):
    stand.start_agent()
    stand.master.apply_and_acknowledge(reserve(disk(100 * len(volumes))))
    stand.master.apply_and_acknowledge(create(*volumes))


def run(stand, task_id, command, *volumes, **fields):
    stand.master.run(task_info(task_id, command, scalar("cpus", 0.1, allocated="ops"), *volumes, **fields))


def write(stand, name, text):
    with open(os.path.join(stand.volume("v1"), name), "w") as f:
        f.write(text)


def read(stand, name, volume_id="v1"):
    with open(os.path.join(stand.volume(volume_id), name)) as f:
        return f.read()


def test_what_a_task_writes_another_finds():
    with Stand() as stand:
        with_volumes(stand, volume(path="deep/er/data"))
        run(stand, "writer", "echo kept > deep/er/data/file", volume(path="deep/er/data"))
        stand.master.wait_state("writer", "TASK_FINISHED")
        equal(read(stand, "file"), "kept\n", "what is in the volume")
        stand.restart_agent()
        run(stand, "reader", "grep -q kept here/file", volume(path="here"))
        stand.master.wait_state("reader", "TASK_FINISHED")
        link = os.path.join(stand.cluster.sandboxes("writer")[0], "deep", "er", "data")
        equal(os.readlink(link), stand.volume("v1"), "link")


def test_volume_belongs_to_the_user_of_its_task():
    if os.geteuid() != 0:
        skip("needs root")
    with Stand() as stand:
        with_volumes(stand, volume())
        write(stand, "old", "root's")
        stand.master.run(task_info("task", None, scalar("cpus", 0.1, allocated="ops"), volume())
                         + field(7, field(3, "echo mine > data/new") + field(5, "nobody")))
        status = stand.master.wait_state("task", "TASK_FINISHED", "TASK_FAILED")
        equal((status.state, read(stand, "new")), ("TASK_FINISHED", "mine\n"), "state and content")
        equal(os.stat(stand.volume("v1")).st_uid, NOBODY, "owner of the volume")
        equal(os.stat(os.path.join(stand.volume("v1"), "old")).st_uid, 0, "owner of what was in it")


def test_task_sent_with_its_volume_waits_until_that_is_there():
    """Also an executor that has one of its own: what one ACCEPT says comes at once."""
    with Stand() as stand:
        stand.start_agent()
        stand.master.apply(reserve(disk(200)))
        stand.master.apply(create(volume()))
        stand.master.apply(create(volume("v2", "own")))
        run(stand, "task", "echo x > data/file", volume())
        own = executor_info("own", "echo y > own/file; " + EXECUTOR, volume("v2", "own"))
        stand.master.run(task_info("quick", None, executor=own))
        stand.master.wait_state("task", "TASK_FINISHED")
        stand.master.wait_state("quick", "TASK_FINISHED")
        equal((read(stand, "file"), read(stand, "file", "v2")), ("x\n", "y\n"), "what is in the volumes")
        stand.master.shutdown_framework()


def test_tasks_of_one_executor_have_their_own_volumes():
    with Stand() as stand:
        with_volumes(stand, volume(), volume("v2", "two"))
        own = executor_info("own", EXECUTOR)
        stand.master.run(task_info("hold-1", None, volume(), executor=own))
        stand.master.wait_state("hold-1", "TASK_RUNNING")
        stand.master.run(task_info("hold-2", None, volume("v2", "two"), executor=own))
        stand.master.wait_state("hold-2", "TASK_RUNNING")
        sandbox, = stand.cluster.sandboxes("own")
        equal([os.readlink(os.path.join(sandbox, n)) for n in ("data", "two")],
              [stand.volume("v1"), stand.volume("v2")], "links")
        stand.master.run(task_info("hold-3", None, volume("v2", "data"), executor=own))
        status = stand.master.wait_state("hold-3", "TASK_FAILED")
        equal(status.reason, REASON_LAUNCH_FAILED, "reason of %s" % status)
        check("another task of the executor" in status.message, "message " + status.message)
        stand.master.shutdown_framework()


def test_sandbox_cannot_lead_the_agent_elsewhere():
    with Stand() as stand:
        with_volumes(stand, volume())
        elsewhere = stand.cluster.work_path("elsewhere")
        os.mkdir(elsewhere)
        own = executor_info("own", "ln -s %s trap; %s" % (elsewhere, EXECUTOR))
        stand.master.run(task_info("hold-1", None, executor=own))
        stand.master.wait_state("hold-1", "TASK_RUNNING")
        for n, path in enumerate(("trap/data", "../data", "a/../../data", "/tmp/data")):
            task_id = "hold-%d" % (n + 2)
            stand.master.run(task_info(task_id, None, volume(path=path), executor=own))
            equal(stand.master.wait_state(task_id, "TASK_FAILED").reason, REASON_LAUNCH_FAILED, "reason for " + path)
        equal(os.listdir(elsewhere), [], "what was written elsewhere")
        stand.master.shutdown_framework()


def test_volume_in_use_is_not_destroyed():
    with Stand() as stand:
        with_volumes(stand, volume())
        run(stand, "task", "exec sleep 1000", volume())
        stand.master.wait_state("task", "TASK_RUNNING")
        uuid = stand.master.apply(destroy(volume()))
        status = stand.master.wait_operation(uuid, "OPERATION_DROPPED")
        equal(status.message, "A task here uses the persistent volume", "message")
        check(os.path.isdir(stand.volume("v1")), "the volume is gone")
        stand.wait_registered()
        stand.master.kill("task")
        stand.master.wait_state("task", "TASK_KILLED")
        wait_until(lambda: not stand.state()["frameworks"], "the executor is gone")
        stand.master.wait_registration(2)
        stand.master.apply_and_acknowledge(destroy(volume()))
        check(not os.path.exists(stand.volume("v1")), "the volume is still there")


def test_task_whose_volume_cannot_be_made_does_not_begin():
    with Stand() as stand:
        stand.start_agent()
        os.makedirs(os.path.dirname(os.path.dirname(stand.volume("v1"))))
        with open(os.path.dirname(stand.volume("v1")), "w"):
            pass    # where a directory has to be
        stand.master.apply(reserve(disk()))
        stand.master.apply(create(volume()))
        run(stand, "task", "touch %s" % stand.cluster.work_path("began"), volume())
        status = stand.master.wait_state("task", "TASK_FAILED", "TASK_DROPPED")
        check(not os.path.exists(stand.cluster.work_path("began")), "it began; %s" % status)


def test_removed_sandbox_leaves_the_volume():
    with Stand() as stand:
        with_volumes(stand, volume())
        stand.agent.argv += ["--gc_delay=0secs", "--disk_watch_interval=1secs"]
        stand.restart_agent()
        run(stand, "writer", "echo kept > data/file", volume())
        stand.master.wait_state("writer", "TASK_FINISHED")
        wait_until(lambda: not stand.cluster.sandboxes("writer"), "the sandbox is removed")
        equal(read(stand, "file"), "kept\n", "what is in the volume")


def make_volumes_late(stand, gate):
    """The agent's programs, but its worker waits for a file first."""
    directory = stand.cluster.work_path("programs")
    os.makedirs(directory)
    worker = program("holdfast-worker")
    for name in os.listdir(os.path.dirname(worker)):
        if name.startswith("holdfast-") and name != "holdfast-worker":
            os.symlink(os.path.join(os.path.dirname(worker), name), os.path.join(directory, name))
    with open(os.path.join(directory, "holdfast-worker"), "w") as f:
        f.write('#!/bin/sh\nwhile [ "$1" = volume-make ] && [ ! -e %s ]; do sleep 0.05; done\nexec %s "$@"\n' % (
            gate, worker))
    os.chmod(f.name, 0o755)
    stand.agent.argv = [a for a in stand.agent.argv if not a.startswith("--launcher_dir=")]
    stand.agent.argv.append("--launcher_dir=" + directory)


def has_subscribed(stand):
    path = stand.cluster.work_path("agent", "meta", "agent.db")
    with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % path, uri=True)) as db:
        return db.execute("SELECT subscribed FROM executors").fetchall() == [(1,)]


def test_task_killed_while_its_volume_is_being_made_leaves_no_executor():
    with Stand() as stand:
        gate = stand.cluster.work_path("gate")
        make_volumes_late(stand, gate)
        stand.start_agent()
        stand.master.apply(reserve(disk()))
        uuid = stand.master.apply(create(volume()))
        run(stand, "task", "sleep 1000", volume())
        wait_until(lambda: has_subscribed(stand), "its executor waits for it")
        stand.master.kill("task")
        stand.master.wait_state("task", "TASK_KILLED")
        wait_until(lambda: not children_named("holdfast-executor"), "its executor ends")
        open(gate, "w").close()
        stand.master.wait_operation(uuid)


if __name__ == "__main__":
    main()
