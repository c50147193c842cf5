# SPDX-License-Identifier: Apache-2.0
"""holdfast-executor against a scripted agent: what tasks report, how they are killed, who survives whom."""

import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from fake_agent import FakeAgent  # noqa: E402
from harness import HOST, check, descendants, equal, is_alive, main, wait_until  # noqa: E402
from wire import field, first, read  # noqa: E402

ORDINARY = ["TASK_STARTING", "TASK_RUNNING"]


def run_to_end(**task):
    with FakeAgent() as agent:
        executor = agent.start_executor()
        agent.launch("task-1", **task)
        end = agent.wait_for_end()
        equal(executor.wait(10), 0, "exit code of the executor")
        equal(agent.states()[:2], ORDINARY, "states before the end")
        equal({u.source for u in agent.updates}, {2}, "sources")
        equal(len({u.uuid for u in agent.updates}), len(agent.updates), "different uuids")
        return agent, end


def read_pid(agent, name):
    wait_until(lambda: agent.text(name).strip(), "the task writes " + name)
    return int(agent.text(name))


def test_a_command_that_succeeds_is_finished():
    agent, end = run_to_end(value="echo hello; echo oops >&2")
    equal((end.state, end.message, end.reason), ("TASK_FINISHED", "Command exited with status 0", None))
    equal(agent.text("stdout"), "hello\n", "stdout")
    equal(agent.text("stderr"), "oops\n", "stderr")


def test_a_command_that_fails_is_failed_with_its_status():
    _, end = run_to_end(value="exit 3")
    equal((end.state, end.message), ("TASK_FAILED", "Command exited with status 3"))


def test_signals_are_named():
    _, end = run_to_end(value="kill -9 $$")
    equal((end.state, end.message), ("TASK_FAILED", "Command terminated with signal Killed"))
    _, end = run_to_end(value="ulimit -c 0; kill -SEGV $$")
    equal((end.state, end.message), ("TASK_FAILED", "Command terminated with signal Segmentation fault"))


def test_what_cannot_be_executed_has_run_and_failed():
    agent, end = run_to_end(value="/nonexistent/prog", shell=False, arguments=["prog"])
    equal((end.state, end.message), ("TASK_FAILED", "Command exited with status 1"))
    check("/nonexistent/prog" in agent.text("stderr"), "stderr says why")
    _, end = run_to_end(value="this_command_does_not_exist_xyz")
    equal((end.state, end.message), ("TASK_FAILED", "Command exited with status 127"))


def test_arguments_are_passed_as_they_are():
    agent, _ = run_to_end(value="/bin/echo", shell=False, arguments=["echo", "one", "two  words", "$HOME"])
    equal(agent.text("stdout"), "one two  words $HOME\n", "stdout")


def test_the_environment_is_merged_and_holds_no_token():
    with FakeAgent() as agent:
        executor = agent.start_executor(FOO="outer", KEPT="kept", MESOS_EXECUTOR_AUTHENTICATION_TOKEN="secret")
        agent.launch("task-1", "env", env={"FOO": "inner", "NEW": "a=b"})
        agent.wait_for("TASK_FINISHED")
        executor.wait(10)
        lines = agent.text("stdout").splitlines()
        for line in ("FOO=inner", "KEPT=kept", "NEW=a=b", "MESOS_ALLOCATION_ROLE=web", "MESOS_FRAMEWORK_ID=framework-1"):
            check(line in lines, "%s in %r" % (line, lines))
        check("FOO=outer" not in lines, "one FOO")
        check("secret" not in agent.text("stdout"), "no token")


def test_a_task_has_a_session_and_default_signals():
    agent, _ = run_to_end(value="ps -o pid=,sid= -p $$; grep -E 'Sig(Blk|Ign)' /proc/self/status")
    ids, *masks = agent.text("stdout").splitlines()
    pid, sid = ids.split()
    equal(pid, sid, "the session's leader")
    equal({line.split()[1] for line in masks}, {"0" * 16}, "masks")


def test_a_kill_ends_the_whole_tree_also_other_sessions():
    with FakeAgent() as agent:
        executor = agent.start_executor()
        agent.launch("task-1", "(setsid sleep 1000 & echo $! > daemon); sleep 1000 & echo $! > child; wait")
        pids = [read_pid(agent, "daemon"), read_pid(agent, "child")]
        agent.kill("task-1")
        end = agent.wait_for_end()
        equal((end.state, end.message, end.reason), ("TASK_KILLED", "Command terminated with signal Terminated", None))
        equal(agent.states(), ORDINARY + ["TASK_KILLING", "TASK_KILLED"])
        equal(executor.wait(10), 0, "exit code of the executor")
        check(not any(is_alive(pid) for pid in pids), "nothing is left")


def test_a_framework_without_the_killing_state_is_not_told():
    with FakeAgent(killing_state=False) as agent:
        agent.start_executor()
        agent.launch("task-1", "sleep 1000")
        agent.wait_for("TASK_RUNNING")
        agent.kill("task-1")
        agent.wait_for("TASK_KILLED")
        equal(agent.states(), ORDINARY + ["TASK_KILLED"])


def test_what_ignores_sigterm_is_killed_after_the_grace_period():
    with FakeAgent() as agent:
        executor = agent.start_executor()
        agent.launch("task-1", "trap '' TERM; echo ready; while true; do sleep 0.1; done", grace=0.3)
        wait_until(lambda: "ready" in agent.text("stdout"), "the trap is set")
        began = time.monotonic()
        agent.kill("task-1")
        end = agent.wait_for_end()
        check(time.monotonic() - began >= 0.3, "there was a grace period")
        equal((end.state, end.message), ("TASK_KILLED", "Command terminated with signal Killed"))
        equal(executor.wait(10), 0, "exit code of the executor")


def test_a_second_kill_shortens_the_grace_period_only():
    with FakeAgent() as agent:
        agent.start_executor()
        agent.launch("task-1", "trap '' TERM; echo ready; while true; do sleep 0.1; done")
        wait_until(lambda: "ready" in agent.text("stdout"), "the trap is set")
        agent.kill("task-1", grace=1000)
        agent.wait_for("TASK_KILLING")
        agent.kill("task-1", grace=2000)
        agent.kill("another", grace=0)
        agent.kill("task-1", grace=0.1)
        agent.wait_for("TASK_KILLED")
        equal(agent.states().count("TASK_KILLING"), 1, "TASK_KILLING")


def test_max_completion_time_fails_the_task():
    with FakeAgent() as agent:
        executor = agent.start_executor()
        agent.launch("task-1", "sleep 1000", max_completion=0.2)
        end = agent.wait_for_end()
        equal((end.state, end.message, end.reason),
              ("TASK_FAILED", "Command terminated with signal Terminated", "MAX_COMPLETION_TIME_REACHED"))
        equal(agent.states(), ORDINARY + ["TASK_FAILED"])
        equal(executor.wait(10), 0, "exit code of the executor")


def test_shutdown_kills_the_task_or_just_ends():
    with FakeAgent() as agent:
        executor = agent.start_executor()
        agent.launch("task-1", "sleep 1000")
        agent.wait_for("TASK_RUNNING")
        agent.shutdown()
        agent.wait_for("TASK_KILLED")
        equal(executor.wait(10), 0, "exit code of the executor")
    with FakeAgent() as agent:
        executor = agent.start_executor()
        agent.shutdown()
        equal(executor.wait(10), 0, "exit code of the executor")


def test_after_a_shutdown_it_does_not_wait_long_for_an_acknowledgement():
    with FakeAgent() as agent:
        executor = agent.start_executor()
        agent.launch("task-1", "sleep 1000")
        agent.wait_for("TASK_RUNNING")
        agent.acknowledge = False
        agent.shutdown()
        agent.wait_for("TASK_KILLED")
        equal(executor.wait(10), 1, "exit code of the executor")
    with FakeAgent() as agent:
        executor = agent.start_executor()
        agent.acknowledge = False
        agent.launch("task-1", "true")
        agent.wait_for("TASK_FINISHED")
        agent.shutdown()
        equal(executor.wait(10), 1, "exit code of the executor")


def test_a_second_task_and_a_group_are_refused():
    with FakeAgent() as agent:
        agent.start_executor()
        agent.launch("task-1", "sleep 1000")
        agent.wait_for("TASK_RUNNING")
        agent.launch("task-2", "true")
        agent.launch_group("task-3", "task-4")
        wait_until(lambda: agent.states().count("TASK_FAILED") == 3, "three refusals")
        equal([u.task_id for u in agent.updates if u.state == "TASK_FAILED"], ["task-2", "task-3", "task-4"])
        agent.kill("task-1")
        agent.wait_for("TASK_KILLED")


def test_a_status_while_the_agent_is_away_is_delivered_afterwards():
    with FakeAgent() as agent:
        executor = agent.start_executor()
        agent.launch("task-1", "while [ ! -e go ]; do sleep 0.02; done; exit 7")
        agent.wait_for("TASK_RUNNING")
        agent.go_away()
        open(agent.path("go"), "w").close()
        wait_until(lambda: not descendants(executor.pid), "the task ends")
        check(executor.poll() is None, "the executor waits for an agent")
        agent.acknowledge = False
        agent.come_back()
        end = agent.wait_for("TASK_FAILED")
        equal((end.message, end.via), ("Command exited with status 7", "subscribe"))
        # An agent that goes away again before it has stored the update gets the same one once more.
        agent.go_away()
        del agent.updates[:]
        agent.acknowledge = True
        agent.come_back()
        again = agent.wait_for("TASK_FAILED")
        equal(again.uuid, end.uuid, "uuid")
        equal(executor.wait(10), 0, "exit code of the executor")
        equal(agent.subscriptions[1][0], [], "tasks of which an update was acknowledged")


def test_a_task_without_an_acknowledged_update_is_named_again():
    with FakeAgent() as agent:
        agent.acknowledge = False
        agent.start_executor()
        agent.launch("task-1", "sleep 1000")
        agent.wait_for("TASK_RUNNING")
        agent.go_away()
        agent.come_back()
        wait_until(lambda: len(agent.subscriptions) == 2, "a second subscription")
        equal(agent.subscriptions[1], (["task-1"], 2), "what is not acknowledged")
        wait_until(lambda: [u.state for u in agent.updates if u.via == "subscribe"] == ORDINARY, "its updates come again")
        for update in agent.updates[-2:]:
            agent.send_acknowledgement(update)
        agent.acknowledge = True
        agent.kill("task-1")
        agent.wait_for("TASK_KILLED")


def test_updates_keep_their_order_while_the_agent_recovers():
    with FakeAgent() as agent:
        agent.start_executor()
        agent.update_status = 503
        agent.launch("task-1", "touch ran")
        wait_until(lambda: os.path.exists(agent.path("ran")) and agent.n_refused >= 2, "the task runs unheard")
        agent.update_status = 202
        agent.wait_for("TASK_FINISHED")
        equal(agent.states(), ORDINARY + ["TASK_FINISHED"])


def test_an_agent_that_refuses_subscriptions_is_asked_again():
    with FakeAgent() as agent:
        executor = agent.start_executor()
        agent.launch("task-1", "sleep 1000")
        agent.wait_for("TASK_RUNNING")
        agent.subscribe_status = 503
        agent.go_away()
        agent.come_back()
        wait_until(lambda: agent.n_refused >= 2, "it asks again")
        check(executor.poll() is None, "the executor lives")
        agent.subscribe_status = 200
        wait_until(lambda: len(agent.subscriptions) == 2, "a second subscription")
        agent.kill("task-1")
        agent.wait_for("TASK_KILLED")


def test_without_checkpointing_the_task_ends_with_the_agent():
    with FakeAgent(checkpoint=False) as agent:
        executor = agent.start_executor()
        agent.launch("task-1", "echo $$ > pid; exec sleep 1000")
        pid = read_pid(agent, "pid")
        agent.wait_for("TASK_RUNNING")
        agent.go_away()
        equal(executor.wait(10), 1, "exit code of the executor")
        check(not is_alive(pid), "the task is gone")


def test_when_no_agent_comes_back_the_task_ends():
    with FakeAgent(recovery_timeout="300ms") as agent:
        executor = agent.start_executor()
        agent.launch("task-1", "echo $$ > pid; exec sleep 1000")
        pid = read_pid(agent, "pid")
        agent.wait_for("TASK_RUNNING")
        agent.go_away()
        equal(executor.wait(10), 1, "exit code of the executor")
        check(not is_alive(pid), "the task is gone")


def test_a_killed_executor_leaves_no_task():
    with FakeAgent() as agent:
        executor = agent.start_executor()
        agent.launch("task-1", "echo $$ > pid; exec sleep 1000")
        pid = read_pid(agent, "pid")
        executor.kill()
        executor.wait()
        wait_until(lambda: not is_alive(pid), "the task dies")


def test_sigterm_ends_the_task_with_grace():
    with FakeAgent() as agent:
        executor = agent.start_executor()
        agent.launch("task-1", "trap 'echo bye; exit 0' TERM; echo ready; while true; do sleep 0.05; done")
        wait_until(lambda: "ready" in agent.text("stdout"), "the trap is set")
        executor.send_signal(signal.SIGTERM)
        end = agent.wait_for_end()
        equal((end.state, end.message), ("TASK_KILLED", "Command exited with status 0 after its container was stopped"))
        check("bye" in agent.text("stdout"), "the task had its say")
        equal(executor.wait(10), 0, "exit code of the executor")


def test_a_stopped_task_has_its_own_grace_period():
    with FakeAgent() as agent:
        executor = agent.start_executor()
        agent.launch("task-1", "trap '' TERM; echo ready; while true; do sleep 0.1; done", grace=0.3)
        wait_until(lambda: "ready" in agent.text("stdout"), "the trap is set")
        executor.send_signal(signal.SIGTERM)
        end = agent.wait_for_end()
        equal((end.state, end.message),
              ("TASK_KILLED", "Command terminated with signal Killed after its container was stopped"))
        equal(executor.wait(10), 0, "exit code of the executor")


def test_a_stop_amid_a_kill_is_told_as_that_kill():
    with FakeAgent() as agent:
        executor = agent.start_executor()
        agent.launch("task-1", "trap 'echo term' TERM; echo ready; while true; do sleep 0.05; done", grace=0.5)
        wait_until(lambda: "ready" in agent.text("stdout"), "the trap is set")
        agent.kill("task-1")
        wait_until(lambda: "term" in agent.text("stdout"), "the kill is under way")
        executor.send_signal(signal.SIGTERM)
        equal(agent.wait_for_end().message, "Command terminated with signal Killed")


def test_a_stopped_executor_waits_for_an_agent_as_long_as_for_a_shutdown():
    with FakeAgent() as agent:
        executor = agent.start_executor(MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD="300ms")
        agent.launch("task-1", "exec sleep 1000")
        agent.wait_for("TASK_RUNNING")
        agent.go_away()
        executor.send_signal(signal.SIGTERM)
        equal(executor.wait(10), 1, "exit code of the executor")
    with FakeAgent() as agent:
        executor = agent.start_executor()
        agent.launch("task-1", "exec sleep 1000")
        agent.wait_for("TASK_RUNNING")
        agent.go_away()
        executor.send_signal(signal.SIGTERM)
        wait_until(lambda: not descendants(executor.pid), "the task ends")
        agent.come_back()
        equal(agent.wait_for("TASK_KILLED").via, "subscribe", "how its end was told")
        equal(executor.wait(10), 0, "exit code of the executor")


def test_what_the_task_leaves_behind_ends_with_the_executor():
    with FakeAgent() as agent:
        executor = agent.start_executor()
        agent.launch("task-1", "setsid sleep 1000 & echo $! > pid")
        pid = read_pid(agent, "pid")
        agent.wait_for("TASK_FINISHED")
        equal(executor.wait(10), 0, "exit code of the executor")
        wait_until(lambda: not is_alive(pid), "the daemon is gone")


def test_the_agents_socket_serves_as_well():
    with FakeAgent(unix=True) as agent:
        executor = agent.start_executor()
        agent.launch("task-1", "exit 5")
        equal(agent.wait_for("TASK_FAILED").message, "Command exited with status 5")
        equal(executor.wait(10), 0, "exit code of the executor")


def test_without_an_agent_it_says_what_is_missing():
    with FakeAgent() as agent:
        executor = agent.start_executor(MESOS_AGENT_ENDPOINT="nowhere")
        equal(executor.wait(10), 1, "exit code")
        check("MESOS_AGENT_ENDPOINT" in agent.text("stderr"), agent.text("stderr"))


# Checks

def health_check(kind, part, delay=0.05, interval=0.05, failures=None, grace=None, timeout=None):
    return (part + field(2, delay) + field(3, interval) + field(5, failures) + field(6, grace) + field(4, timeout)
            + field(8, kind))


def check_result(update):
    """(type, value) of the check's part of a status; the value is None where there is no result."""
    status = first(update.fields, 15)
    message = read(status)
    return first(message, 1), next((first(read(message[n][0]), 1) for n in (2, 3, 4) if n in message), None)


def test_an_unhealthy_task_is_told_of_and_killed():
    with FakeAgent() as agent:
        agent.start_executor()
        health = health_check(1, field(7, field(3, "exit 7")), failures=2, grace=0.0)
        agent.launch("task-1", "sleep 1000", health=health)
        end = agent.wait_for_end()
        equal([(u.state, u.reason, u.healthy) for u in agent.updates],
              [("TASK_STARTING", None, None), ("TASK_RUNNING", None, None), ("TASK_RUNNING", "HEALTH", 0),
               ("TASK_RUNNING", "HEALTH", 0), ("TASK_KILLING", None, None), ("TASK_KILLED", None, 0)])
        equal(end.message, "Command terminated with signal Terminated")


def test_a_healthy_task_is_told_of_once():
    with FakeAgent() as agent:
        agent.start_executor()
        agent.launch("task-1", "while [ $(wc -l < checked || echo 0) -lt 3 ]; do sleep 0.02; done 2> /dev/null",
                     health=health_check(1, field(7, field(3, "echo x >> checked"))))
        agent.wait_for("TASK_FINISHED")
        equal([(u.state, u.reason, u.healthy) for u in agent.updates],
              [("TASK_STARTING", None, None), ("TASK_RUNNING", None, None), ("TASK_RUNNING", "HEALTH", 1),
               ("TASK_FINISHED", None, None)])


def test_failures_within_the_grace_period_are_overlooked():
    with FakeAgent() as agent:
        agent.start_executor()
        agent.launch("task-1", "while [ $(wc -l < checked || echo 0) -lt 4 ]; do sleep 0.02; done 2> /dev/null",
                     health=health_check(1, field(7, field(3, "echo x >> checked; exit 1")), failures=1, grace=100.0))
        agent.wait_for("TASK_FINISHED")
        equal(agent.states(), ORDINARY + ["TASK_FINISHED"])


def test_a_check_that_hangs_is_a_failure():
    with FakeAgent() as agent:
        agent.start_executor()
        health = health_check(1, field(7, field(3, "sleep 1000")), failures=1, grace=0.0, timeout=0.1)
        agent.launch("task-1", "sleep 1000", health=health)
        equal(agent.wait_for_end().state, "TASK_KILLED")


def serve_http(status):
    listener = socket.create_server((HOST, 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)

    threading.Thread(target=serve, daemon=True).start()
    return listener, listener.getsockname()[1]


def test_http_health_is_a_status_below_400():
    for status, healthy in ((200, 1), (302, 1), (404, 0)):
        listener, port = serve_http(status)
        with FakeAgent() as agent:
            agent.start_executor()
            part = field(1, field(1, port) + field(2, "/health"))
            agent.launch("task-1", "sleep 1000", health=health_check(2, part, grace=0.0))
            update = wait_until(lambda: next((u for u in agent.updates if u.reason), None), "a result")
            equal((update.reason, update.healthy), ("HEALTH", healthy))
            agent.kill("task-1")
            agent.wait_for("TASK_KILLED")
        listener.close()


def test_tcp_health_is_a_connection():
    listener, port = serve_http(200)
    for expected in (1, 0):
        if not expected:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with FakeAgent() as agent:
            agent.start_executor()
            agent.launch("task-1", "sleep 1000", health=health_check(3, field(9, field(1, port)), grace=0.0))
            update = wait_until(lambda: next((u for u in agent.updates if u.reason), None), "a result")
            equal((update.reason, update.healthy), ("HEALTH", expected))
            agent.kill("task-1")
            agent.wait_for("TASK_KILLED")


def test_a_check_tells_each_change_of_its_result():
    with FakeAgent() as agent:
        agent.start_executor()
        info = (field(1, 1) + field(2, field(1, field(3, "test -e x || { touch x; exit 4; }; echo >> again")))
                + field(4, 0.05) + field(5, 0.05))
        agent.launch("task-1", "while [ $(wc -l < again || echo 0) -lt 3 ]; do sleep 0.02; done 2> /dev/null", check_info=info)
        agent.wait_for("TASK_FINISHED")
        equal([(u.state, u.reason, check_result(u)) for u in agent.updates],
              [("TASK_STARTING", None, (1, None)), ("TASK_RUNNING", None, (1, None)),
               ("TASK_RUNNING", "CHECK", (1, 4)), ("TASK_RUNNING", "CHECK", (1, 0)),
               ("TASK_FINISHED", None, (1, None))])


if __name__ == "__main__":
    main()
