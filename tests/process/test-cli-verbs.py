#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""holdfast agents, tasks, top, logs, kill and version against a scripted master and agent."""

import fcntl
import json
import os
import pty
import shutil
import struct
import subprocess
import sys
import tempfile
import termios

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


# Top

class Containers:
    """What an agent answers: one container of Holdfast's and one of Mesos's, a second later each time."""

    def __init__(self):
        self.n_asked = 0

    def __call__(self):
        self.n_asked += 1
        at = 1000.0 + self.n_asked
        pressure = {"some_avg10": 2.5, "some_total_secs": 1.0, "full_avg10": 0.0, "full_total_secs": 0.0}
        busy = {"container_id": "c2", "executor_id": "busy", "framework_id": FRAMEWORK_ID,
                "statistics": {"timestamp": at, "cpus_user_time_secs": 0.4 * at, "cpus_system_time_secs": 0.1 * at,
                               "cpus_throttled_time_secs": 0.25 * at, "cpus_soft_limit": 0.5, "cpus_limit": 1.0,
                               "mem_rss_bytes": 1 << 20, "mem_total_bytes": 2 << 20, "mem_limit_bytes": 64 << 20},
                "holdfast_statistics": {"cpu_pressure": pressure, "mem_pressure": pressure, "pids": 7}}
        plain = {"container_id": "c1", "executor_id": "plain", "framework_id": "other",
                 "statistics": {"timestamp": at, "cpus_user_time_secs": 3.0, "cpus_system_time_secs": 1.0,
                                "cpus_soft_limit": 0.2, "mem_rss_bytes": 4 << 20, "mem_limit_bytes": 32 << 20}}
        return [plain, busy]


def test_top_prints_once_what_containers_use_where_nobody_looks():
    with Play() as p:
        p.agent.containers = Containers()
        out, err = p.holdfast("top", "--interval=100ms")
        lines = [line.split() for line in out.splitlines()]
        equal(lines[0], "TASK FRAMEWORK HOST CPU% CPUS MEM MB LIMIT PIDS WCPU% WMEM% WIO% THR%".split())
        equal(lines[1], "busy test-framework node1 50.0 1.00 2.0 64 7 2.5 2.5 - 25".split())
        equal(lines[2], "plain other node1 0.0 0.20 4.0 32 - - - - -".split())
        equal((len(lines), err), (3, ""))
        check("\033" not in out, "control sequences without a terminal")
        out, _ = p.holdfast("top", "--interval=100ms", "--sort=mem")
        equal([line.split()[0] for line in out.splitlines()], ["TASK", "plain", "busy"])


def test_top_prints_json_for_programs_without_what_is_not_known():
    with Play() as p:
        p.agent.containers = Containers()
        busy, plain = json.loads(p.holdfast("top", "--json", "--interval=100ms")[0])
        equal({k: v for k, v in plain.items() if k != "cpus_used"},
              {"container_id": "c1", "executor_id": "plain", "framework_id": "other", "framework_name": "other",
               "hostname": "node1", "cpus": 0.2, "mem_bytes": 4 << 20, "mem_limit_bytes": 32 << 20})
        equal((plain["cpus_used"], round(busy["cpus_used"], 6), round(busy["throttled"], 6)), (0.0, 0.5, 0.25))
        equal((busy["pids"], busy["cpus_limit"], busy["mem_wait_percent"]), (7, 1.0, 2.5))


def test_top_of_one_agent_needs_no_master():
    with Play() as p:
        p.agent.containers = Containers()
        p.master.stop()
        argv = [program("holdfast"), "top", "--agent=" + p.agent.address, "--interval=100ms"]
        done = subprocess.run(argv, capture_output=True, timeout=30 * TIMEOUT_SCALE, check=False)
        equal(done.returncode, 0, done.stderr)
        equal([line.split()[:3] for line in done.stdout.decode().splitlines()[1:]],
              [["busy", FRAMEWORK_ID, "node1"], ["plain", "other", "node1"]])


def test_top_shows_the_others_when_an_agent_is_silent():
    with Play() as p:
        p.agent.containers = Containers()
        gone = {**p.master.state["slaves"][0], "id": "gone", "pid": "slave(1)@127.0.0.1:%d" % free_port()}
        p.master.state["slaves"].append(gone)
        out, _ = p.holdfast("top", "--interval=100ms")
        equal(len(out.splitlines()), 3, "lines")
        p.master.state["slaves"].pop(0)
        _, err = p.holdfast("top", "--interval=100ms", code=1)
        check("No answer from" in err, err)


def test_top_refuses_what_it_does_not_understand():
    with Play() as p:
        check("expected cpu" in p.holdfast("top", "--sort=size", code=USAGE)[1], "no word of --sort")
        check("at least" in p.holdfast("top", "--interval=0ns", code=USAGE)[1], "no word of --interval")


def test_top_on_a_terminal_is_renewed_until_q_and_leaves_the_screen_as_it_was():
    with Play() as p:
        p.agent.containers = Containers()
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(program("holdfast"), p.argv("top", "--interval=100ms"))
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 3, 80, 0, 0))
        shown = b""
        try:
            wait_until(lambda: p.agent.containers.n_asked >= 4, "it looks again and again")
            os.write(fd, b"q")
            while True:
                try:
                    data = os.read(fd, 65536)
                except OSError:
                    break    # the terminal's other side is closed
                if not data:
                    break
                shown += data
        finally:
            status = os.waitpid(pid, 0)[1]
            os.close(fd)
        equal(status, 0, "exit status")
        check(shown.startswith(b"\033[?1049h") and shown.endswith(b"\033[?1049l"), shown)
        pictures = shown.split(b"\033[H")[1:]
        check(len(pictures) >= 3, "%d pictures" % len(pictures))
        check(b"containers: 2 on 1 agent," in pictures[-1] and b"TASK" in pictures[-1], pictures[-1])
        check(b"plain" not in pictures[-1], "more lines than the screen has: %r" % pictures[-1])


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
