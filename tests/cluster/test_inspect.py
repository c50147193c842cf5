#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""holdfast-agent --inspect shows what is stored, while an agent runs and while none does, and changes nothing."""

import hashlib
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, check, equal, http_get, is_alive, main, program, temporary_directory    # noqa: E402
from scheduler import Scheduler    # noqa: E402


def inspect(work_dir, *flags):
    return subprocess.run([program("holdfast-agent"), "--work_dir=" + work_dir, *flags], text=True, timeout=60,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)


def inspect_json(work_dir):
    result = inspect(work_dir, "--inspect=json")
    equal((result.returncode, result.stderr), (0, ""), "status and complaints")
    return json.loads(result.stdout)


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def test_running_agent_is_shown_as_it_is():
    deaf = [True]
    with Cluster() as cluster, Scheduler(cluster.master_addr, acknowledge=lambda status: not deaf[0]) as s:
        s.launch([s.task("live", "exec sleep 1000")])
        s.wait_state("live", "TASK_STARTING")
        agent_id = http_get(cluster.agent().addr, "/state").json()["id"]
        stored = inspect_json(cluster.work_path("agent"))
        equal(stored["agent_id"], agent_id, "agent id")
        equal(stored["agent_info"]["id"]["value"], agent_id, "agent id in its info")
        with open("/proc/sys/kernel/random/boot_id") as f:
            equal(stored["boot_id"], f.read().strip(), "boot id")
        equal([f["id"] for f in stored["frameworks"]], [s.framework_id], "frameworks")
        equal(stored["frameworks"][0]["name"], "test-scheduler", "name of the framework")
        executor, = stored["executors"]
        equal((executor["id"], executor["framework_id"], executor["generated"], executor["subscribed"]),
              ("live", s.framework_id, True, True), "executor")
        equal(executor["directory"], cluster.sandboxes("live")[0], "sandbox")
        check(executor["directory"].endswith(executor["container_id"]), "container id")
        check(is_alive(executor["launcher_pid"]) and executor["launcher_start"] > 0, "launcher")
        equal([(t["id"], t["executor_id"]) for t in stored["tasks"]], [("live", "live")], "tasks")
        equal(stored["tasks"][0]["info"]["task_id"]["value"], "live", "task info")
        first = stored["updates"][0]
        equal((first["task_id"], first["state"], first["acknowledged"]), ("live", "TASK_STARTING", False), "first update")
        equal(len(first["uuid"]), 36, "length of a uuid")
        equal(stored["errors"], [], "errors")

        deaf[0] = False
        cluster.agent().kill9()
        cluster.agent().start()
        s.wait_state("live", "TASK_RUNNING")
        s.kill("live")
        s.wait_state("live", "TASK_KILLED")


def test_text_names_what_json_names_also_after_a_crash():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task("live", "exec sleep 1000")])
        s.wait_state("live", "TASK_RUNNING")
        cluster.agent().kill9()
        database = cluster.work_path("agent", "meta", "agent.db")
        before = digest(database)
        stored = inspect_json(cluster.work_path("agent"))
        result = inspect(cluster.work_path("agent"), "--inspect")
        equal((result.returncode, result.stderr), (0, ""), "status and complaints")
        executor = stored["executors"][0]
        for text in (stored["agent_id"], stored["boot_id"], s.framework_id, executor["container_id"],
                     executor["directory"], "process %d" % executor["launcher_pid"], "TASK_STARTING",
                     stored["updates"][0]["uuid"]):
            check(text in result.stdout, "%s is not shown in:\n%s" % (text, result.stdout))
        equal(digest(database), before, "the database")
        cluster.agent().start()
        cluster.wait_reregistered(cluster.agent())
        s.kill("live")
        s.wait_state("live", "TASK_KILLED")


def test_nothing_stored_is_said_and_nothing_is_made():
    with temporary_directory() as d:
        result = inspect(d, "--inspect")
        equal(result.returncode, 1, "status")
        check(d + "/meta/agent.db" in result.stderr, "the file is not named: " + result.stderr)
        equal(os.listdir(d), [], "what is in the directory")
        equal(inspect(d, "--inspect=xml").returncode, 1, "status for an unknown format")


def test_damage_is_named_and_the_rest_is_shown():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        equal(s.run("short", "true")["state"], "TASK_FINISHED", "state")
        cluster.agent().stop()
        database = cluster.work_path("agent", "meta", "agent.db")
        with open(database, "r+b") as f:
            good = f.read()
            # Every page but the first, which holds the schema.
            f.seek(4096)
            f.write(b"\xff" * (len(good) - 4096))
        result = inspect(cluster.work_path("agent"), "--inspect=json")
        equal(result.returncode, 1, "status")
        stored = json.loads(result.stdout)
        check(stored["errors"] and database in result.stderr, "nothing is said of the damage: " + result.stderr)

        with open(database, "wb") as f:
            f.write(b"not a database, but long enough to look at" * 100)
        result = inspect(cluster.work_path("agent"), "--inspect")
        equal(result.returncode, 1, "status")
        check(database in result.stderr, "the file is not named: " + result.stderr)
        with open(database, "wb") as f:
            f.write(good)
        cluster.agent().start()
        cluster.wait_agents()


if __name__ == "__main__":
    main()
