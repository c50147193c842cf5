#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""holdfast agents, tasks, logs, kill and version against a scripted master and agent."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from fake_master import AGENT_ID, FRAMEWORK_ID, FakeAgent, FakeMaster  # noqa: E402
from harness import TIMEOUT_SCALE, check, equal, free_port, main, program, wait_until  # noqa: E402

USAGE, NO_MASTER = 64, 125
CONTAINER = "c0ffee00-0000-4000-8000-000000000000"


def task_json(task_id, name="hello", state="TASK_RUNNING", timestamp=1000.0, **fields):
    return {"id": task_id, "name": name, "state": state, "slave_id": AGENT_ID, "executor_id": "",
            "framework_id": FRAMEWORK_ID, "resources": {"cpus": 0.1, "mem": 32.0, "disk": 0.0, "gpus": 0.0},
            "statuses": [{"state": state, "timestamp": timestamp}], **fields}


class Play:
    """A master that has one agent and one framework, and a sandbox with output."""

    def __init__(self, tasks=(), completed=(), unreachable=()):
        self.lists = {"tasks": list(tasks), "completed_tasks": list(completed), "unreachable_tasks": list(unreachable)}

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="holdfast-verbs-")
        self.agent = FakeAgent(self.directory)
        self.master = FakeMaster()
        self.framework = {"id": FRAMEWORK_ID, "name": "test-framework", **self.lists}
        self.master.state = {"slaves": [{
            "id": AGENT_ID, "hostname": "node1", "pid": "slave(1)@" + self.agent.address, "active": True,
            "resources": {"cpus": 8.0, "mem": 4096.0, "disk": 1000.0}, "used_resources": {"cpus": 0.5, "mem": 64.0}}],
            "frameworks": [self.framework], "completed_frameworks": []}
        for name, text in (("stdout", b"to stdout\n"), ("stderr", b"to stderr\n")):
            self.write(name, text)
        return self

    def __exit__(self, *_):
        self.master.stop()
        self.agent.stop()
        shutil.rmtree(self.directory)

    def write(self, name, data):
        with open(os.path.join(self.directory, name), "ab") as f:
            f.write(data)

    def argv(self, verb, *args):
        return [program("holdfast"), verb, "--master=" + self.master.address, *args]

    def holdfast(self, verb, *args, code=0, **options):
        """(stdout, stderr) of a verb that must exit with `code`."""
        done = subprocess.run(self.argv(verb, *args), capture_output=True, timeout=30 * TIMEOUT_SCALE, check=False,
                              env={k: v for k, v in os.environ.items() if not k.endswith("_MASTER")}, **options)
        check(done.returncode == code, "exit code %d: %s%s" % (done.returncode, done.stdout, done.stderr))
        return done.stdout.decode(), done.stderr.decode()


# Lists

def test_agents_are_listed_in_columns_for_people():
    with Play() as p:
        out, err = p.holdfast("agents")
        lines = out.splitlines()
        equal(lines[0].split(), "AGENT HOST STATE CPUS USED MEM MB USED DISK MB USED".split())
        equal(lines[1].split(), [AGENT_ID, "node1", "active", "8", "0.5", "4096", "64", "1000", "0"])
        equal(err, "", "stderr")
        check("\033" not in out, "colours without a terminal")


def test_agents_are_listed_as_json_for_programs():
    with Play() as p:
        agents = json.loads(p.holdfast("agents", "--json")[0])
        equal(len(agents), 1)
        equal(agents[0]["url"], "http://" + p.agent.address)
        equal(agents[0]["used_resources"], {"cpus": 0.5, "mem": 64.0, "disk": 0.0})


def test_tasks_lists_what_runs_and_with_all_what_is_over():
    with Play([task_json("t1")], [task_json("t2", state="TASK_FAILED")], [task_json("t3", state="TASK_UNREACHABLE")]) as p:
        out, _ = p.holdfast("tasks")
        equal([line.split()[0] for line in out.splitlines()], ["TASK", "t1", "t3"])
        check("node1" in out and "test-framework" in out, out)
        out, _ = p.holdfast("tasks", "--all")
        equal(sorted(line.split()[0] for line in out.splitlines()), ["TASK", "t1", "t2", "t3"])
        tasks = json.loads(p.holdfast("tasks", "--all", "--json")[0])
        equal({t["id"]: t["state"] for t in tasks},
              {"t1": "TASK_RUNNING", "t2": "TASK_FAILED", "t3": "TASK_UNREACHABLE"})
        equal(tasks[0]["executor_id"], "t1")


def test_control_characters_of_names_do_not_reach_the_terminal():
    with Play([task_json("t1", name="evil\033[2Jname")]) as p:
        out, _ = p.holdfast("tasks")
        check("\033" not in out and "evil?[2Jname" in out, out)


# Logs

def test_logs_prints_stdout_or_stderr_of_a_task_by_id_or_name():
    with Play([task_json("hello.1")]) as p:
        p.agent.add_executor("hello.1")
        equal(p.holdfast("logs", "hello.1"), ("to stdout\n", ""))
        equal(p.holdfast("logs", "hello"), ("to stdout\n", ""))
        equal(p.holdfast("logs", "--stderr", "hello.1"), ("to stderr\n", ""))


def test_logs_of_a_finished_task_are_found_too():
    with Play(completed=[task_json("hello.1", state="TASK_FINISHED")]) as p:
        p.agent.add_executor("hello.1")
        p.agent.completed, p.agent.executors = p.agent.executors, []
        equal(p.holdfast("logs", "hello.1")[0], "to stdout\n")


def test_a_custom_executors_sandbox_is_the_tasks():
    with Play([task_json("t1", executor_id="shared")]) as p:
        p.agent.add_executor("shared")
        equal(p.holdfast("logs", "t1")[0], "to stdout\n")


def test_logs_follows_until_the_task_is_over():
    with Play([task_json("hello.1")]) as p:
        p.agent.add_executor("hello.1")
        process = subprocess.Popen(p.argv("logs", "--follow", "hello.1"), stdout=subprocess.PIPE)
        equal(process.stdout.readline(), b"to stdout\n")
        p.write("stdout", b"more\n")
        equal(process.stdout.readline(), b"more\n")
        p.write("stdout", b"last\n")
        p.agent.completed, p.agent.executors = p.agent.executors, []
        equal(process.stdout.read(), b"last\n")
        equal(process.wait(), 0, "exit code")


def test_a_name_that_several_running_tasks_have_is_refused():
    with Play([task_json("hello.1"), task_json("hello.2")]) as p:
        err = p.holdfast("logs", "hello", code=1)[1]
        check("Several tasks are named 'hello'" in err and "hello.1" in err, err)


def test_among_finished_tasks_of_a_name_the_latest_is_meant():
    with Play(completed=[task_json("hello.1", timestamp=1.0), task_json("hello.2", timestamp=2.0)]) as p:
        p.agent.add_executor("hello.2")
        equal(p.holdfast("logs", "hello")[0], "to stdout\n")


def test_what_is_not_there_is_named():
    with Play([task_json("t1")]) as p:
        check("knows no task 'nosuch'" in p.holdfast("logs", "nosuch", code=1)[1], "text")
        check("does not remember task 't1'" in p.holdfast("logs", "t1", code=1)[1], "text")
        p.agent.add_executor("t1")
        os.unlink(os.path.join(p.directory, "stdout"))
        check("does not give" in p.holdfast("logs", "t1", code=1)[1], "text")
        p.master.state["slaves"] = []
        check("is not there" in p.holdfast("logs", "t1", code=1)[1], "text")


# Kill

def kill_play(p, state):
    """The container's end makes the task go to the completed ones."""
    p.agent.add_executor("t1")

    def on_call(_call):
        p.framework["tasks"], p.framework["completed_tasks"] = [], [task_json("t1", state=state)]
    p.agent.on_call = on_call


def test_kill_asks_the_container_to_end_and_waits_for_the_task():
    with Play([task_json("t1")]) as p:
        kill_play(p, "TASK_KILLED")
        equal(p.holdfast("kill", "t1"), ("t1: TASK_KILLED\n", ""))
        equal(p.agent.calls, [{"type": "KILL_CONTAINER", "kill_container": {
            "container_id": {"value": CONTAINER}, "signal": 15}}])


def test_kill_sends_the_signal_that_was_asked_for():
    with Play([task_json("t1")]) as p:
        kill_play(p, "TASK_FAILED")
        p.holdfast("kill", "--signal=SIGKILL", "t1")
        equal(p.agent.calls[0]["kill_container"]["signal"], 9)
        check("expected TERM" in p.holdfast("kill", "--signal=FOO", "t1", code=USAGE)[1], "text")


def test_kill_tells_when_the_task_does_not_end():
    with Play([task_json("t1")]) as p:
        p.agent.add_executor("t1")
        check("'t1' has not ended yet: TASK_RUNNING" in p.holdfast("kill", "--timeout=300ms", "t1", code=1)[1], "text")


def test_kill_refuses_a_task_that_is_over():
    with Play(completed=[task_json("t1", state="TASK_FINISHED")]) as p:
        check("'t1' is over: TASK_FINISHED" in p.holdfast("kill", "t1", code=1)[1], "text")
        equal(p.agent.calls, [])


# All

def test_version_tells_ours_and_the_masters():
    with Play() as p:
        lines = p.holdfast("version")[0].splitlines()
        check(lines[0].startswith("holdfast "), lines)
        check(lines[1].endswith(": 9.9.9"), lines)


def test_a_standby_is_followed_to_the_leader():
    with Play([task_json("t1")]) as p, FakeMaster() as standby:
        standby.get = lambda request: standby.answer(
            request, 307, headers={"Location": "//%s%s" % (p.master.address, request.path)})
        done = subprocess.run([program("holdfast"), "tasks", "--master=" + standby.address], capture_output=True,
                              check=True)
        check(b"t1" in done.stdout, done.stdout)


def test_no_master_and_wrong_answers_are_told():
    done = subprocess.run([program("holdfast"), "tasks", "--master=127.0.0.1:%d" % free_port()], capture_output=True,
                          check=False)
    equal(done.returncode, NO_MASTER, "exit code")
    check(b"No answer from" in done.stderr, done.stderr)
    with Play() as p:
        p.master.get = lambda request: p.master.answer(request, 503, "no leader")
        check("answered 503: no leader" in p.holdfast("tasks", code=1)[1], "text")
        p.master.get = lambda request: p.master.answer(request, 200, "[[[[")
        check("is not JSON" in p.holdfast("tasks", code=1)[1], "text")
        p.master.get = lambda request: p.master.answer(
            request, 200, {"frameworks": 7, "slaves": [1, {"id": 5}], "completed_frameworks": [{"tasks": [None]}]})
        p.holdfast("tasks", "--all")
        p.holdfast("agents")


def test_a_wrong_command_line_is_told():
    with Play() as p:
        check("exactly one TASK" in p.holdfast("logs", code=USAGE)[1], "text")
        check("exactly one TASK" in p.holdfast("kill", "a", "b", code=USAGE)[1], "text")
        check("unknown flag 'nosuch'" in p.holdfast("agents", "--nosuch", code=USAGE)[1], "text")
        check("Unexpected argument" in p.holdfast("tasks", "t1", code=USAGE)[1], "text")
    for argv, text in ((["nosuch"], b"there is no verb 'nosuch'"), ([], b"Usage: holdfast VERB")):
        done = subprocess.run([program("holdfast"), *argv], capture_output=True, check=False)
        equal(done.returncode, USAGE, "exit code")
        check(text in done.stderr, done.stderr)


def test_a_closed_pipe_is_not_a_crash():
    with Play([task_json("t%d" % n) for n in range(2000)]) as p:
        process = subprocess.Popen(p.argv("tasks"), stdout=subprocess.PIPE)
        process.stdout.readline()
        process.stdout.close()
        wait_until(lambda: process.poll() is not None, "its end")
        check(process.returncode >= 0, "ended by signal %d" % -process.returncode)


if __name__ == "__main__":
    main()
