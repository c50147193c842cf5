#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How command tasks end, and how the framework is told: states, source, reason and message as Mesos gives them."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, check, equal, http_get, main, skip, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402

EXECUTED = ["TASK_STARTING", "TASK_RUNNING"]


def argv(*words):
    return {"shell": False, "value": words[0], "arguments": list(words[1:])}


# task id, command, states after RUNNING, message of the last
ENDINGS = [
    ("finish", "echo hi", "TASK_FINISHED", "Command exited with status 0"),
    ("exit-3", "echo err >&2; exit 3", "TASK_FAILED", "Command exited with status 3"),
    ("exit-255", "exit 255", "TASK_FAILED", "Command exited with status 255"),
    ("signal-9", "kill -9 $$", "TASK_FAILED", "Command terminated with signal Killed"),
    ("sigsegv", "ulimit -c 0; kill -SEGV $$", "TASK_FAILED", "Command terminated with signal Segmentation fault"),
    ("sigterm", "kill $$", "TASK_FAILED", "Command terminated with signal Terminated"),
    ("missing-program", argv("/nonexistent/prog", "prog"), "TASK_FAILED", "Command exited with status 1"),
    ("missing-command", "this_command_does_not_exist_xyz", "TASK_FAILED", "Command exited with status 127"),
    ("argv", argv("/bin/echo", "echo", "one", "two words"), "TASK_FINISHED", "Command exited with status 0"),
]


def test_endings_of_commands_have_the_states_and_messages_of_mesos():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task(task_id, command) for task_id, command, _, _ in ENDINGS])
        for task_id, _, state, message in ENDINGS:
            status = s.wait_terminal(task_id)
            equal(s.states(task_id), [*EXECUTED, state], "states of %s" % task_id)
            equal(status.get("message"), message, "message of %s" % task_id)
            equal(status["source"], "SOURCE_EXECUTOR", "source of %s" % task_id)
            equal(status.get("reason"), None, "reason of %s" % task_id)
        equal(s.n_resent, 0, "updates sent again")
        equal(cluster.read_sandbox("finish").splitlines()[-1], "hi", "stdout of finish")
        equal(cluster.read_sandbox("exit-3", "stderr").splitlines()[-1], "err", "stderr of exit-3")
        equal(cluster.read_sandbox("argv").splitlines()[-1], "one two words", "stdout of argv")


def test_uri_that_cannot_be_fetched_fails_the_launch():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        status = s.run("fetch", {"value": "true", "uris": [{"value": "/nonexistent/file"}]})
        equal(s.states("fetch"), ["TASK_FAILED"], "states")
        equal(status["source"], "SOURCE_AGENT", "source")
        equal(status["reason"], "REASON_CONTAINER_LAUNCH_FAILED", "reason")
        check(status["message"].startswith("Failed to launch container: Failed to fetch all URIs for container '")
              and status["message"].endswith("': exited with status 1"), "message is %r" % status["message"])


def test_uris_are_fetched_before_the_command_starts():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        uris = [{"value": "/etc/hostname"},
                {"value": "file:///etc/os-release", "output_file": "sub/release", "cache": True}]
        s.run("fetch", {"value": "cat hostname; cat sub/release", "uris": uris})
        equal(s.states("fetch"), [*EXECUTED, "TASK_FINISHED"], "states")
        for path in ("/etc/hostname", "/etc/os-release"):
            with open(path) as f:
                check(f.read() in cluster.read_sandbox("fetch"), "%s is not in the output" % path)


def test_unknown_user_drops_the_task():
    if os.getuid() != 0:
        skip("only root changes users")
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        status = s.run("user", {"value": "true", "user": "no_such_user_x"})
        equal(s.states("user"), ["TASK_DROPPED"], "states")
        equal((status["source"], status["reason"]), ("SOURCE_AGENT", "REASON_EXECUTOR_TERMINATED"), "source, reason")
        check("No such user 'no_such_user_x'" in status["message"], "message is %r" % status["message"])


def test_limits_that_no_isolator_would_keep_drop_the_task():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        for name, isolator in (("cpus", "cgroups/cpu"), ("mem", "cgroups/mem")):
            status = s.run(name, "exit 0", limits={name: {"value": 64}})
            equal((status["state"], status["source"], status["reason"]),
                  ("TASK_DROPPED", "SOURCE_AGENT", "REASON_GC_ERROR"), "end")
            check(isolator in status["message"], "message is %r" % status["message"])


def test_command_runs_as_its_user_in_a_sandbox_of_that_user():
    if os.getuid() != 0:
        skip("only root changes users")
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        s.run("user", {"value": "id -un; id -Gn; stat -c %U .; touch file", "user": "nobody"})
        equal(s.states("user"), [*EXECUTED, "TASK_FINISHED"], "states")
        equal(cluster.read_sandbox("user").split(), ["nobody", "nogroup", "nobody"], "user, groups, owner")


def test_environment_is_what_the_task_and_the_agent_say():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        command = {"value": "env; pwd", "environment": {"variables": [
            {"name": "FOO", "value": "bar"}, {"name": "EMPTY", "value": ""}]}}
        status = s.run("environ", command)
        sandbox = cluster.sandboxes("environ")[0]
        lines = cluster.read_sandbox("environ").splitlines()
        variables = dict(line.split("=", 1) for line in lines if "=" in line)
        expected = {
            "FOO": "bar", "EMPTY": "", "MESOS_SANDBOX": sandbox, "MESOS_DIRECTORY": sandbox,
            "MESOS_FRAMEWORK_ID": s.framework_id, "MESOS_EXECUTOR_ID": "environ",
            "MESOS_SLAVE_ID": status["agent_id"]["value"], "MESOS_CHECKPOINT": "1",
            "MESOS_AGENT_ENDPOINT": "%s:%d" % cluster.agent().addr,
            "MESOS_SLAVE_PID": "slave(1)@%s:%d" % cluster.agent().addr,
            "MESOS_RECOVERY_TIMEOUT": "15mins", "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs",
            "MESOS_ALLOCATION_ROLE": "*",
        }
        for name, value in expected.items():
            equal(variables.get(name), value, name)
        equal(lines[-1], sandbox, "working directory")
        for name in ("NOTIFY_SOCKET", "LISTEN_FDS", "top_builddir", "HOLDFAST_TEST_KEEP"):
            check(name not in variables, "%s came from the agent" % name)


def test_completion_time_ends_the_task():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        status = s.run("slow", "sleep 100", max_completion_time={"nanoseconds": 300_000_000})
        equal(s.states("slow"), [*EXECUTED, "TASK_FAILED"], "states")
        equal(status.get("reason"), "REASON_MAX_COMPLETION_TIME_REACHED", "reason")
        equal(status.get("message"), "Command terminated with signal Terminated", "message")


def test_background_processes_end_with_their_task():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        s.run("leaver", "sleep 1000 & (setsid sleep 1001 &) ; exit 0")
        equal(s.states("leaver"), [*EXECUTED, "TASK_FINISHED"], "states")
        cluster.check_no_containers()


def test_output_goes_to_the_sandbox_byte_by_byte():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        s.run("bytes", "head -c 3000000 /dev/zero | tr '\\0' x; printf '\\001\\377' >&2")
        equal(os.path.getsize(os.path.join(cluster.sandboxes("bytes")[0], "stdout")), 3000000, "size of stdout")
        with open(os.path.join(cluster.sandboxes("bytes")[0], "stderr"), "rb") as f:
            equal(f.read()[-2:], b"\x01\xff", "stderr")


def test_id_that_is_used_again_at_once_is_launched_or_dropped_but_never_forgotten():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        def n_over():
            framework, = http_get(cluster.master_addr, "/frameworks").json()["frameworks"]
            return len(framework["completed_tasks"])
        for i in range(30):
            del s.statuses[:]
            end = s.run("again", "true")
            check((end["state"], end.get("message")) in (("TASK_FINISHED", "Command exited with status 0"),
                                                         ("TASK_DROPPED", "Executor terminating")), "end is %s" % end)
            # As soon as the master has the acknowledgement; the agent need not have it yet.
            wait_until(lambda n=i + 1: n_over() == n, "the end is acknowledged", interval=0.0005)


if __name__ == "__main__":
    main()
