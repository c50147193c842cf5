#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The agent's disk is full: what cannot be written down does not happen, and what happened is told once there is room."""

import contextlib
import errno
import os
import shutil
import signal
import sqlite3
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, check, children_named, equal, is_alive, is_healthy, main, skip, wait_until    # noqa: E402
from libprocess_master import Stand, executor_info, reserve, scalar, task_info    # noqa: E402
from scheduler import Scheduler    # noqa: E402

TMPFS = 'mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@"'
EXECUTOR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "executor.py")
BEGUN = ["TASK_STARTING", "TASK_RUNNING"]


class SmallDisk:
    """A file system of the agent's own for its work_dir, in a mount namespace that ends with it and its tasks."""

    def __init__(self, cluster):
        agent = cluster.agent()
        self.path = cluster.work_path("agent")
        os.makedirs(self.path, exist_ok=True)
        agent.argv = ["unshare", "--mount", "sh", "-c", TMPFS, self.path, *agent.argv]
        agent.start()
        self.ballast = "/proc/%d/root%s/ballast" % (agent.pid, self.path)

    def fill(self):
        with open(self.ballast, "wb", buffering=0) as f:
            for size in (1 << 16, 1):
                try:
                    while True:
                        f.write(b"\0" * size)
                except OSError as e:
                    equal(e.errno, errno.ENOSPC, "errno")

    def clear(self):
        os.unlink(self.ballast)

    def stored(self, key):
        """What the database says of it, "" for nothing: a copy, since it is in the namespace of the agent."""
        source = os.path.join(os.path.dirname(self.ballast), "meta", "agent.db")
        with tempfile.TemporaryDirectory() as directory:
            copy = os.path.join(directory, "agent.db")
            for suffix in ("", "-wal"):
                shutil.copyfile(source + suffix, copy + suffix)
            with contextlib.closing(sqlite3.connect(copy)) as db:
                row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
                return row[0] if row else ""


def waits_for(gate, status):
    return "while [ ! -e %s ]; do sleep 0.05; done; exit %d" % (gate, status)


def test_agent_outlives_a_full_disk_and_tells_each_end_when_there_is_room():
    if os.geteuid() != 0:
        skip("only root mounts a file system")
    with Cluster(start=False) as cluster:
        cluster.master().start()
        disk = SmallDisk(cluster)
        cluster.wait_agents()
        agent = cluster.agent()
        pid = agent.pid
        gate = cluster.work_path("gate")
        with Scheduler(cluster.master_addr) as s:
            s.launch([s.task("beheaded", "exec sleep 1000")])
            s.wait_state("beheaded", "TASK_RUNNING")
            # Its child has the name, too, until it executes the command.
            wait_until(lambda: len(children_named("holdfast-executor", pid)) == 1, "the command is executed")
            (executor,) = children_named("holdfast-executor", pid)
            s.launch([s.task("seven", waits_for(gate, 7))])
            s.wait_state("seven", "TASK_RUNNING")
            disk.fill()

            witness = cluster.work_path("witness")
            s.launch([s.task("late", "touch %s; exit 3" % witness)])
            wait_until(lambda: "No space left on device" in agent.log(), "the agent says why")
            open(gate, "w").close()
            os.kill(executor, signal.SIGKILL)
            wait_until(lambda: "Cannot record an update of task 'seven'" in agent.log(), "the agent says what waits")
            check(is_alive(pid) and is_healthy(agent.addr), "the agent does not serve:\n" + agent.log_tail())
            check(not os.path.exists(witness), "a task was started that was not written down")
            for name in ("seven", "beheaded"):
                equal(s.states(name), BEGUN, "states while there is no room for another")

            disk.clear()
            equal(s.wait_terminal("late")["message"],
                  "Failed to launch container: the agent cannot record the task", "end of late")
            equal(s.wait_terminal("seven").get("message"), "Command exited with status 7", "end of seven")
            equal(s.wait_terminal("beheaded")["reason"], "REASON_EXECUTOR_TERMINATED", "end of beheaded")
            for name in ("seven", "beheaded"):
                equal(s.states(name), [*BEGUN, "TASK_FAILED"], "states, each once")
            equal(s.run("after", "exit 5").get("message"), "Command exited with status 5", "a task once there is room")
            check(agent.is_running(), "the agent ended:\n" + agent.log_tail())


def test_reservation_and_drain_wait_for_room_and_nothing_is_promised_before():
    if os.geteuid() != 0:
        skip("only root mounts a file system")
    with Stand() as stand:
        disk = SmallDisk(stand.cluster)
        stand.master.wait_registration(1)
        stand.master.run(task_info("live", "exec sleep 1000"))
        stand.master.wait_state("live", "TASK_RUNNING")
        disk.fill()
        resource = scalar("disk", 10, "ops", allocated="ops")
        uuid = stand.master.apply(reserve(resource))
        wait_until(lambda: "No space left on device" in stand.agent.log(), "the agent says why")
        stand.master.drain(max_grace_s=1)
        wait_until(lambda: "Cannot record that the agent is to be drained" in stand.agent.log(), "the agent says what is not")
        stand.master.run(task_info("late", "true"))
        stand.master.wait_state("late", "TASK_DROPPED")
        equal((stand.master.operations, stand.master.states("live")), ([], BEGUN), "what is told while there is no room")
        disk.clear()
        stand.master.acknowledge_operation(stand.master.wait_operation(uuid))
        stand.master.wait_state("live", "TASK_KILLED")
        wait_until(lambda: "drain_config" not in stand.state(), "the agent is drained")


def test_drain_that_is_over_does_not_come_back_after_the_disk_was_full():
    if os.geteuid() != 0:
        skip("only root mounts a file system")
    with Stand() as stand:
        disk = SmallDisk(stand.cluster)
        stand.master.wait_registration(1)
        own = executor_info("own", "exec %s %s" % (sys.executable, EXECUTOR))
        stand.master.run(task_info("quick", None, executor=own))
        stand.master.wait_state("quick", "TASK_FINISHED")
        stand.master.drain()
        wait_until(lambda: disk.stored("drain_config"), "the command is stored")
        launcher, = children_named("holdfast-launcher")
        disk.fill()
        os.kill(launcher, signal.SIGKILL)
        wait_until(lambda: "agent is drained" in stand.agent.log(), "the last executor is gone")
        disk.clear()
        wait_until(lambda: "drain_config" not in stand.state(), "the agent is drained")
        wait_until(lambda: not disk.stored("drain_config"), "the command is forgotten for good")
        stand.master.run(task_info("after", "true"))
        stand.master.wait_state("after", "TASK_FINISHED")


def test_operation_is_shown_as_pending_until_its_outcome_is_written():
    if os.geteuid() != 0:
        skip("only root mounts a file system")
    with Stand() as stand:
        disk = SmallDisk(stand.cluster)
        stand.master.wait_registration(1)
        disk.fill()
        uuid = stand.master.apply(reserve(scalar("disk", 10, "ops", allocated="ops")))
        wait_until(lambda: "No space left on device" in stand.agent.log(), "the agent says why")
        equal([o["latest_status"]["state"] for o in stand.operations()], ["OPERATION_PENDING"], "states")
        disk.clear()
        stand.master.wait_operation(uuid)
        equal([o["latest_status"]["state"] for o in stand.operations()], ["OPERATION_FINISHED"], "states")


if __name__ == "__main__":
    main()
