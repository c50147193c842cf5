#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is over can still be asked about: after a restart of the agent, and of a master that never saw it."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, check, equal, http_call, http_get, main, program, wait_until    # noqa: E402
from crash import EXECUTOR    # noqa: E402
from libprocess_master import Stand, executor_info, task_info    # noqa: E402
from scheduler import Scheduler, scalar    # noqa: E402


def ask(addr, call):
    answer = http_call(addr, "POST", "/api/v1", json.dumps({"type": call}), {"Content-Type": "application/json"})
    return answer.json()[call.lower()]


def executor(s, name):
    return {"executor_id": {"value": name}, "framework_id": {"value": s.framework_id},
            "resources": [scalar("cpus", 0.1), scalar("mem", 32)],
            "command": {"value": "exec %s %s" % (sys.executable, EXECUTOR)}}


def by_name(items, key):
    return sorted(items, key=lambda item: json.dumps(item[key]))


def history(agent):
    """All that the agent tells of what is over, but for the order in which it does."""
    state = http_get(agent.addr, "/state").json()
    tasks = ask(agent.addr, "GET_TASKS")
    executors = ask(agent.addr, "GET_EXECUTORS")
    frameworks = ask(agent.addr, "GET_FRAMEWORKS")
    return {"frameworks": by_name(state["completed_frameworks"], "id"),
            "live": {f["id"]: (f["completed_executors"], {e["id"]: e["completed_tasks"] for e in f["executors"]})
                     for f in state["frameworks"]},
            "tasks": by_name(tasks["completed_tasks"], "task_id"),
            "executors": by_name(executors.get("completed_executors", []), "executor_info"),
            "framework infos": by_name(frameworks.get("completed_frameworks", []), "framework_info")}


def n_live_executors(agent):
    return len(ask(agent.addr, "GET_EXECUTORS").get("executors", []))


def stored(cluster, table):
    """-1 while the agent has the database to itself."""
    path = cluster.work_path("agent", "meta", "agent.db")
    try:
        with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % path, uri=True)) as db:
            return db.execute("SELECT count(*) FROM " + table).fetchone()[0]
    except sqlite3.OperationalError:
        return -1


def completed_ids(addr):
    return sorted(t["task_id"]["value"] for t in ask(addr, "GET_TASKS").get("completed_tasks", []))


def wait_completed(addr, ids, what):
    wait_until(lambda: completed_ids(addr) == sorted(ids), "%s (%s) are over at %s" % (what, ids, addr))


def start_history(s):
    """One framework at work, with a live executor that has ended tasks and two command tasks that are over."""
    s.launch([s.task(name, executor=executor(s, "custom")) for name in ("hold-1", "quick-1", "quick-2")])
    s.wait_state("hold-1", "TASK_RUNNING")
    for name in ("quick-1", "quick-2"):
        s.wait_terminal(name)
    s.run("seven", "exit 7")
    s.run("labelled", "true", labels={"labels": [{"key": "k", "value": "v"}]})
    return ["quick-1", "quick-2", "seven", "labelled"]


def restart(cluster, crash):
    agent = cluster.agent()
    if crash:
        agent.kill9()
        agent.start()
    else:
        agent.restart()
    cluster.wait_reregistered(agent)


def test_restarted_agent_tells_of_what_is_over_as_it_did_before():
    for crash in (True, False):
        with Cluster() as cluster, contextlib.ExitStack() as stack:
            agent = cluster.agent()
            with Scheduler(cluster.master_addr, "ended") as gone:
                gone.run("of-another", "exit 3")
            with Scheduler(cluster.master_addr, "forgetful", info={"checkpoint": False}) as forgetful:
                forgetful.run("not-stored", "true")
            ended = start_history(stack.enter_context(Scheduler(cluster.master_addr, "working")))
            wait_completed(agent.addr, [*ended, "of-another", "not-stored"], "tasks")
            wait_until(lambda: n_live_executors(agent) == 1, "only one executor is left")
            before = history(agent)
            restart(cluster, crash)
            wait_completed(agent.addr, [*ended, "of-another"], "tasks of frameworks that checkpoint")
            after = history(agent)
            before["frameworks"] = [f for f in before["frameworks"] if f["name"] != "forgetful"]
            before["tasks"] = [t for t in before["tasks"] if t["task_id"]["value"] != "not-stored"]
            before["executors"] = [e for e in before["executors"]
                                   if e["executor_info"]["executor_id"]["value"] != "not-stored"]
            before["framework infos"] = [f for f in before["framework infos"]
                                         if f["framework_info"]["name"] != "forgetful"]
            for part in before:
                equal(after[part], before[part], part)
            # Sandboxes of what is over are found as before, too.
            path = before["frameworks"][0]["completed_executors"][0]["directory"]
            equal(http_get(agent.addr, "/files/browse?path=" + path).status, 200, "status of a sandbox")


def test_restart_at_any_time_tells_of_each_task_once():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        ids = []
        for i in range(6):
            ids.append("task-%d" % i)
            s.run(ids[-1], "exit %d" % i)
            restart(cluster, crash=i % 2)
        wait_completed(cluster.agent().addr, ids, "tasks")
        wait_until(lambda: (stored(cluster, "completed_tasks"), stored(cluster, "completed_executors"),
                            stored(cluster, "completed_frameworks")) == (6, 6, 1), "6 tasks, 6 executors, 1 framework")


def test_older_executors_and_tasks_give_way_to_newer_ones_in_memory_and_on_the_disk():
    with Cluster(agent_flags=["--max_completed_executors_per_framework=3"]) as cluster, \
            Scheduler(cluster.master_addr) as s:
        many = ["quick-%03d" % i for i in range(210)]
        s.launch([s.task(name, cpus=0.001, mem=1, executor=executor(s, "custom")) for name in ["hold-1", *many]])
        for name in many:
            s.wait_terminal(name, timeout=60)
        for i in range(5):
            s.run("task-%d" % i, "true")

        def sizes():
            return stored(cluster, "completed_tasks"), stored(cluster, "completed_executors")
        for _ in range(2):
            wait_until(lambda: [t for t in completed_ids(cluster.agent().addr) if t.startswith("task-")]
                       == ["task-2", "task-3", "task-4"], "3 command tasks are left")
            wait_until(lambda: sizes() == (203, 3), "200 tasks of the live executor and 3 are stored")
            equal(len(completed_ids(cluster.agent().addr)), 203, "tasks that the agent tells of")
            restart(cluster, crash=True)


def test_framework_that_comes_back_takes_its_history_along_on_the_disk_as_well():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        s.run("first", "true")
        wait_until(lambda: stored(cluster, "completed_frameworks") == 1, "nothing of the framework is left")
        s.launch([s.task("second", "exec sleep 1000")])
        s.wait_state("second", "TASK_RUNNING")
        wait_until(lambda: stored(cluster, "completed_frameworks") == 0, "the framework is back")
        restart(cluster, crash=True)
        framework, = http_get(cluster.agent().addr, "/state").json()["frameworks"]
        equal([e["id"] for e in framework["completed_executors"]], ["first"], "completed executors")
        equal(http_get(cluster.agent().addr, "/state").json()["completed_frameworks"], [], "completed frameworks")


def test_what_is_stored_goes_with_its_sandbox():
    with Cluster(agent_flags=["--gc_delay=1secs"]) as cluster, Scheduler(cluster.master_addr) as s:
        s.run("old", "true")
        wait_until(lambda: not cluster.sandboxes("old"), "the sandbox goes")
        wait_until(lambda: stored(cluster, "completed_executors") == stored(cluster, "completed_tasks") == 0,
                   "what was stored goes")
        equal(completed_ids(cluster.agent().addr), ["old"], "tasks that this life of the agent knows")
        restart(cluster, crash=True)
        equal(completed_ids(cluster.agent().addr), [], "tasks that the next life knows")


def test_inspection_shows_what_is_over():
    with Cluster() as cluster, Scheduler(cluster.master_addr, "working") as s:
        s.run("seven", "exit 7")
        wait_until(lambda: stored(cluster, "completed_frameworks") == 1, "all is over")
        argv = [program("holdfast-agent"), "--work_dir=" + cluster.work_path("agent")]
        text = subprocess.run([*argv, "--inspect"], stdout=subprocess.PIPE, check=True, text=True, timeout=60).stdout
        for words in ("Completed tasks\n  seven  TASK_FAILED", "Completed executors\n  seven", "'working'"):
            check(words in text, "%r is not in:\n%s" % (words, text))
        found = json.loads(subprocess.run([*argv, "--inspect=json"], stdout=subprocess.PIPE, check=True,
                                          timeout=60).stdout)
        task, = found["completed_tasks"]
        equal((task["id"], task["state"], task["framework_id"]), ("seven", "TASK_FAILED", s.framework_id), "task")
        over, = found["completed_executors"]
        equal((over["id"], over["generated"], over["container_id"]), ("seven", True, task["container_id"]), "executor")
        equal([f["id"] for f in found["completed_frameworks"]], [s.framework_id], "frameworks")


# A master that never saw it

def master_history(addr):
    """{framework id: (whether it is over, [completed task ids])}"""
    state = http_get(addr, "/state").json()
    return {f["id"]: (over, sorted(t["id"] for t in f["completed_tasks"]))
            for over in (False, True) for f in state["completed_frameworks" if over else "frameworks"]}


def test_new_master_learns_what_is_over_and_refuses_nobody_for_it():
    with Cluster() as cluster:
        master = cluster.master()
        idle = Scheduler(cluster.master_addr, "idle")
        idle.run("long-ago", "exit 9")
        wait_completed(cluster.agent().addr, ["long-ago"], "tasks")
        idle.disconnect()
        s = Scheduler(cluster.master_addr, "working")
        ended = start_history(s)
        wait_completed(cluster.agent().addr, [*ended, "long-ago"], "tasks")
        shown = {t["id"]: t for f in http_get(master.addr, "/state").json()["frameworks"]
                 for t in f["completed_tasks"]}
        s.disconnect()
        master.kill9()
        master.start()
        cluster.wait_agents()
        # The framework at work is known by its live task; of the other there is nothing but history.
        wait_until(lambda: master_history(master.addr) == {s.framework_id: (False, sorted(ended)),
                                                           idle.framework_id: (True, ["long-ago"])},
                   "the new master knows what is over")
        equal(completed_ids(master.addr), sorted([*ended, "long-ago"]), "GET_TASKS")
        equal([f["framework_info"]["id"]["value"] for f in ask(master.addr, "GET_FRAMEWORKS")["completed_frameworks"]],
              [idle.framework_id], "GET_FRAMEWORKS")
        for f in http_get(master.addr, "/state").json()["completed_frameworks"]:
            check(0 < f["registered_time"] <= f["unregistered_time"], "times of what is over: %s" % f)
        state = http_get(master.addr, "/state").json()
        for f in state["frameworks"] + state["completed_frameworks"]:
            for task in f["completed_tasks"]:
                equal(task, shown[task["id"]], "a completed task")
        # It was not removed: it may subscribe, work, and has its past again.
        with s, idle:
            idle.subscribe()
            idle.run("again", "exit 1")
            s.subscribe()
            wait_until(lambda: master_history(master.addr) == {s.framework_id: (False, sorted(ended)),
                                                               idle.framework_id: (False, ["again", "long-ago"])},
                       "the framework that is back has its past")
            restart(cluster, crash=True)
            equal(master_history(master.addr)[idle.framework_id], (False, ["again", "long-ago"]), "after the agent's restart")


def test_task_whose_agent_died_before_it_heard_of_the_acknowledgement_is_over_once():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        agent, master = cluster.agent(), cluster.master()
        for i in range(8):
            s.run("task-%d" % i, "true")
            # The master may have sent the acknowledgement, and the agent may have recorded it.
            agent.kill9()
            agent.start()
            cluster.wait_reregistered(agent)
        expected = ["task-%d" % i for i in range(8)]
        wait_completed(agent.addr, expected, "tasks")
        wait_completed(master.addr, expected, "tasks")


def test_agent_that_was_unreachable_tells_nothing_twice():
    with Cluster(master_flags=["--agent_ping_timeout=1secs", "--max_agent_ping_timeouts=2"]) as cluster, \
            Scheduler(cluster.master_addr) as s:
        agent, master = cluster.agent(), cluster.master()
        ended = []
        for task in ("same-id", "same-id", "other"):
            del s.statuses[:]
            s.run(task, "true")
            ended.append(task)
            wait_completed(master.addr, ended, "tasks")
        agent.signal(19)
        wait_until(lambda: not cluster.active_agents() and not http_get(master.addr, "/slaves").json()["slaves"],
                   "the agent is unreachable", timeout=30)
        agent.signal(18)
        cluster.wait_agents()
        equal(completed_ids(master.addr), ["other", "same-id", "same-id"], "completed tasks")


def test_task_with_much_to_say_is_told_in_full_and_remembered_in_brief():
    """What of it there is no room for is not taken, until the framework has acknowledged some."""
    with Stand() as stand:
        stand.start_agent()
        stand.master.acknowledge = False
        own = executor_info("own", "exec %s %s" % (sys.executable, EXECUTOR))
        stand.master.run(task_info("verbose-6", None, executor=own))
        wait_until(lambda: "Not taking a status of task 'verbose-6'" in stand.agent.log(), "the agent says what waits")
        stand.master.acknowledge = True
        stand.master.hang_up()
        stand.master.wait_state("verbose-6", "TASK_FINISHED")
        equal([len(s.message) for s in stand.master.statuses if s.message], [1 << 19] * 6, "lengths of messages")
        wait_completed(stand.agent.addr, ["verbose-6"], "tasks")
        for _ in range(2):
            task, = ask(stand.agent.addr, "GET_TASKS")["completed_tasks"]
            # Bytes, of a character that has two.
            equal([len(s["message"]) for s in task["statuses"][1:-1]], [8192] * 6, "of what is remembered")
            stand.restart_agent()
        stand.master.shutdown_framework()


if __name__ == "__main__":
    main()
