#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Upgrades across releases: what a former release started lives on under the agent of today, and the other way round.

The programs of former releases are kept in tests/frozen. In each story three kinds of work are started by one pair
of releases, their agent is killed, one task ends while no agent is there, and an agent of another release takes over.
"""

import base64
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import BIN_DIR, Cluster, check, equal, is_alive, main, program, wait_until    # noqa: E402
from crash import EXECUTOR, Story    # noqa: E402
from frozen import frozen_programs, mixed_programs, put_database    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from wire import field    # noqa: E402

RELEASES = ("0.1",)


class Upgrade(Story):
    """A story whose agent can be replaced by one of another release."""

    def use(self, programs, helpers):
        """The agent is started from one directory, and starts launchers and executors from another."""
        agent = self.cluster.agent()
        agent.argv = [os.path.join(programs, "holdfast-agent")] + [
            a for a in agent.argv[1:] if not a.startswith("--launcher_dir")] + ["--launcher_dir=" + helpers]
        return self

    def replace_agent(self, programs, helpers, meanwhile=lambda: None):
        """As a package does it: the programs are exchanged, then the agent is restarted, here without a warning."""
        self.stop_keeping()
        self.agent.kill9()
        meanwhile()
        self.use(programs, helpers).start_agent()
        self.wait(self.is_reregistered, "the agent is back")

    def launch_work(self):
        custom = self.executor("custom", self.command("custom", "exec %s %s" % (sys.executable, EXECUTOR)))
        self.launch(self.s.task("stays", self.command("stays", "exec sleep 1000")),
                    self.s.task("seven", self.behind_gate("seven", "exit 7")),
                    self.s.task("later", self.command(
                        "later", "while [ ! -e %s.2 ]; do sleep 0.02; done; exit 9" % self.gate)),
                    self.s.task("hold-1", executor=custom))
        self.wait_running("stays", "seven", "later", "hold-1")

    def end_seven(self):
        self.open_gate()
        wait_until(lambda: self.has_ended("seven"), "seven ends")

    def judge_work(self):
        """The work of launch_work() after any number of agents, the last of which is there."""
        self.wait_end("seven")
        equal(self.check_end("seven", "TASK_FAILED", "Command exited with status 7"), "ran", "fate of seven")
        for task, name in (("stays", "stays"), ("later", "later"), ("hold-1", "custom")):
            equal(self.check_lives(task, name), "ran", "fate of " + task)
        # An end and a kill under the new agent.
        open(self.gate + ".2", "w").close()
        self.wait_end("later")
        equal(self.check_end("later", "TASK_FAILED", "Command exited with status 9"), "ran", "fate of later")
        self.kill("stays")
        equal(self.check_end("stays", "TASK_KILLED", None), "ran", "fate of stays")
        check(not is_alive(self.ran("stays")[0]), "a killed task lives on")
        equal(self.s.run("new", "exit 3").get("message"), "Command exited with status 3", "a task of the new agent")
        self.teardown()


@contextlib.contextmanager
def upgrade(release):
    with frozen_programs(release) as frozen, Upgrade() as story:
        yield story, frozen


def test_containers_of_a_former_release_are_taken_over_by_the_agent_of_today():
    for release in RELEASES:
        with upgrade(release) as (story, frozen):
            story.use(frozen, frozen).start_agent()
            story.launch_work()
            story.replace_agent(BIN_DIR, BIN_DIR, story.end_seven)
            story.judge_work()


def test_agent_of_today_serves_executors_of_a_former_release_from_the_start():
    for release in RELEASES:
        with upgrade(release) as (story, frozen), mixed_programs(frozen, "holdfast-executor") as mixed:
            story.use(BIN_DIR, mixed).start_agent()
            story.launch_work()
            story.replace_agent(BIN_DIR, BIN_DIR, story.end_seven)
            story.judge_work()


def test_launcher_of_a_former_release_starts_what_it_understands_and_nothing_else():
    """A plan may ask for confinement that it has never heard of."""
    for release in RELEASES:
        with upgrade(release) as (story, frozen), mixed_programs(frozen, "holdfast-launcher") as mixed:
            story.use(BIN_DIR, mixed).start_agent()
            end = story.s.run("plain", "exit 3")
            if end.get("message") != "Command exited with status 3":
                equal((end["state"], end["source"], end["reason"]),
                      ("TASK_FAILED", "SOURCE_AGENT", "REASON_CONTAINER_LAUNCH_FAILED"), "end of plain")
            story.replace_agent(BIN_DIR, BIN_DIR)
            equal(story.s.run("new", "exit 3").get("message"), "Command exited with status 3", "a task of the new agent")
            story.teardown()


def test_running_agent_of_a_former_release_uses_the_launchers_and_executors_of_today():
    """A package exchanges the programs some time before the agent is restarted, and that may fail at first."""
    for release in RELEASES:
        with upgrade(release) as (story, frozen):
            story.use(frozen, BIN_DIR).start_agent()
            story.launch_work()
            story.replace_agent(frozen, BIN_DIR, story.end_seven)
            story.replace_agent(BIN_DIR, BIN_DIR)
            story.judge_work()


def test_agent_of_a_former_release_refuses_what_a_later_one_stored_and_harms_nothing():
    """A downgrade: the way back is the later release."""
    for release in RELEASES:
        with upgrade(release) as (story, frozen):
            story.use(BIN_DIR, BIN_DIR).start_agent()
            story.launch_work()
            story.stop_keeping()
            story.agent.kill9()
            story.use(frozen, frozen).agent.start(wait_ready=False)
            check(story.agent.process.wait(20) != 0, "the former agent ended well")
            check("written by a later version" in story.agent.log(), "the log does not say why:\n" + story.agent.log_tail())
            story.end_seven()
            story.use(BIN_DIR, BIN_DIR).start_agent()
            story.judge_work()


# What they stored

def schema_of(path):
    with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % path, uri=True)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


def inspect(work_dir):
    result = subprocess.run([program("holdfast-agent"), "--inspect=json", "--work_dir=" + work_dir],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=60)
    return json.loads(result.stdout)


def move_to(path, port):
    """The agent that stored this listens there now; of a field that comes twice the last one counts."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        info = db.execute("SELECT value FROM meta WHERE key = 'agent_info'").fetchone()[0]
        db.execute("UPDATE meta SET value = ? WHERE key = 'agent_info'", (info + field(8, port),))
        db.commit()


def take_over_database(release):
    with Cluster(start=False) as cluster:
        agent, path = cluster.agent(), cluster.work_path("agent", "meta", "agent.db")
        os.makedirs(os.path.dirname(path))
        put_database(release, path)
        move_to(path, agent.addr[1])
        before = inspect(cluster.work_path("agent"))
        unheard = {u["task_id"]: u["uuid"] for u in before["updates"] if not u["acknowledged"]}
        equal(sorted(unheard), ["count-3", "unheard"], "tasks with updates that were not acknowledged")
        cluster.start()
        with Scheduler(cluster.master_addr, "frozen", framework_id=before["frameworks"][0]["id"]) as s:
            for task in ("count-3", "unheard"):
                status = s.wait_terminal(task)
                equal(status["state"], "TASK_FINISHED", "state of " + task)
                equal(status_uuid(status), unheard[task], "uuid of the update of " + task)
            for task in ("steady", "hold-1"):
                status = s.wait_terminal(task)
                equal((status["state"], status["reason"]),
                      ("TASK_FAILED", "REASON_EXECUTOR_TERMINATED"), "end of " + task)
            equal(cluster.active_agents()[0]["id"], before["agent_id"], "id of the agent")
            equal(s.run("new", "exit 3").get("message"), "Command exited with status 3", "a task of the new agent")
        after = inspect(cluster.work_path("agent"))
        check(after["schema"] >= before["schema"] and after["errors"] == [], "after: %s" % after)


def status_uuid(status):
    return str(uuid.UUID(bytes=base64.b64decode(status["uuid"])))


def test_database_of_a_former_release_is_taken_over_with_all_that_is_in_it():
    for release in RELEASES:
        take_over_database(release)


if __name__ == "__main__":
    main()
