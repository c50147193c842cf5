#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Only what is in an executor's container can speak for it."""

import base64
import http.client
import json
import os
import signal
import socket
import sys
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, cgroup2_mount, check, children_named, equal, main, skip, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402

REFUSAL = "The caller is not in the container of the executor"

# Says whatever it is told to the agent, over TCP or a Unix socket, and prints the answer.
SPEAK = """import http.client, socket, sys
where, body = sys.argv[1:]
c = http.client.HTTPConnection("localhost", timeout=10)
if where[0] == "/":
    c.sock = socket.socket(socket.AF_UNIX)
    c.sock.connect(where)
else:
    host, port = where.split(":")
    c.sock = socket.create_connection((host, int(port)))
c.request("POST", "/slave(1)/api/v1/executor", body, {"Content-Type": "application/json", "Accept": "application/json"})
answer = c.getresponse()
print(answer.status, answer.read().decode() if answer.status != 200 else "")
"""


def call(s, executor_id, kind, **fields):
    return {"type": kind, "framework_id": {"value": s.framework_id}, "executor_id": {"value": executor_id}, **fields}


def subscribe(s, executor_id):
    return call(s, executor_id, "SUBSCRIBE", subscribe={"unacknowledged_tasks": [], "unacknowledged_updates": []})


def finished(s, task_id):
    status = {"task_id": {"value": task_id}, "state": "TASK_FINISHED", "source": "SOURCE_EXECUTOR",
              "uuid": base64.b64encode(uuid.uuid4().bytes).decode()}
    return call(s, task_id, "UPDATE", update={"status": status})


def speak_from_outside(where, body):
    connection = http.client.HTTPConnection("localhost", timeout=10)
    if isinstance(where, str):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(where)
    else:
        connection.sock = socket.create_connection(where)
    connection.request("POST", "/slave(1)/api/v1/executor", json.dumps(body), {"Content-Type": "application/json",
                                                                      "Accept": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode() if answer.status != 200 else ""


def check_nobody_else_speaks(*flags):
    with Cluster(launcher="linux", agent_flags=flags) as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task("victim", "exec sleep 1000")])
        s.wait_state("victim", "TASK_RUNNING")
        places = [cluster.agent().addr]
        if flags:
            places.append(cluster.work_path("agent-run", "agent.sock"))
        for place in places:
            for body in (finished(s, "victim"), subscribe(s, "victim")):
                equal(speak_from_outside(place, body), (403, REFUSAL), "answer to a process of the host")
                text = place if isinstance(place, str) else "%s:%d" % place
                name = "attacker-%d" % len(s.statuses)
                task = s.task(name)
                task["command"] = {"shell": False, "value": sys.executable,
                                   "arguments": [sys.executable, "-c", SPEAK, text, json.dumps(body)]}
                s.launch([task])
                equal(s.wait_terminal(name)["state"], "TASK_FINISHED", "the attacker's own end")
                equal(cluster.read_sandbox(name).splitlines()[-1], "403 " + REFUSAL, "answer to another container")
        equal(s.states("victim"), ["TASK_STARTING", "TASK_RUNNING"], "states of the victim")
        check("speaks for executor 'victim'" in cluster.agent().log(), "the log does not tell")
        s.kill("victim")
        equal(s.wait_terminal("victim")["state"], "TASK_KILLED", "end of the victim")


def test_nobody_else_speaks_for_an_executor():
    check_nobody_else_speaks()


def test_nobody_else_speaks_for_an_executor_on_the_unix_socket():
    check_nobody_else_speaks("--http_executor_domain_sockets")


# Of <asm-generic/socket.h>.
SO_PEERPIDFD = 77

# As /proc/net/tcp has it.
FIN_WAIT2 = 5


def tcp_state(*ends):
    """Of the socket with these two ends, None if there is none."""
    wanted = ["%08X:%04X" % (int.from_bytes(socket.inet_aton(ip), sys.byteorder), port) for ip, port in ends]
    with open("/proc/net/tcp") as f:
        for line in f:
            words = line.split()
            if words[1:3] == wanted:
                return int(words[3], 16)
    return None


def test_a_caller_who_hangs_up_at_once_is_not_believed():
    with Cluster(launcher="linux") as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task("victim", "exec sleep 1000")])
        s.wait_state("victim", "TASK_RUNNING")
        agent = cluster.agent()
        body = json.dumps(finished(s, "victim")).encode()
        # The agent looks when nothing is left of the caller but what TCP keeps for its closing, which has no cgroup.
        agent.signal(signal.SIGSTOP)
        try:
            with socket.create_connection(agent.addr) as caller:
                ends = caller.getsockname(), caller.getpeername()
                caller.sendall(b"POST /slave(1)/api/v1/executor HTTP/1.1\r\nHost: localhost\r\n"
                               b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            wait_until(lambda: tcp_state(*ends) == FIN_WAIT2, "the caller's end to be acknowledged")
        finally:
            agent.signal(signal.SIGCONT)
        wait_until(lambda: "speaks for executor 'victim'" in agent.log() or s.states("victim")[-1] != "TASK_RUNNING",
                 "the agent's judgement")
        equal(s.states("victim"), ["TASK_STARTING", "TASK_RUNNING"], "states of the victim")
        s.kill("victim")
        equal(s.wait_terminal("victim")["state"], "TASK_KILLED", "end of the victim")


def has_peer_pid_descriptors():
    a, b = socket.socketpair()
    with a, b:
        try:
            os.close(a.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD))
        except OSError:
            return False
    return True


def next_pid_is(pid):
    with open("/proc/sys/kernel/ns_last_pid", "w") as f:
        f.write(str(pid - 1))


def connection_of_somebody_who_ended(path):
    """Returns it, and the pid that is free again."""
    s = socket.socket(socket.AF_UNIX)
    pid = os.fork()
    if pid == 0:
        s.connect(path)
        os._exit(0)
    equal(os.waitpid(pid, 0)[1], 0, "status of who connected")
    return s, pid


def start_as(pid):
    """Starts a process with this pid. False: somebody else was quicker."""
    next_pid_is(pid)
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    if child == pid:
        return True
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def test_nobody_speaks_by_a_pid_that_became_an_executors():
    if not has_peer_pid_descriptors():
        skip("the kernel gives no pidfd of a peer (Linux 6.5)")
    if not os.access("/proc/sys/kernel/ns_last_pid", os.W_OK):
        skip("the kernel lets nobody choose a pid")
    with Cluster(launcher="linux", agent_flags=("--http_executor_domain_sockets",)) as cluster, \
            Scheduler(cluster.master_addr) as s:
        s.launch([s.task("victim", "exec sleep 1000")])
        s.wait_state("victim", "TASK_RUNNING")
        with open("/proc/%d/cgroup" % children_named("sleep")[0]) as f:
            cgroup = cgroup2_mount() + [line for line in f if line.startswith("0::")][0].strip()[3:]
        for _ in range(100):
            caller, pid = connection_of_somebody_who_ended(cluster.work_path("agent-run", "agent.sock"))
            if start_as(pid):
                break
            caller.close()
        else:
            skip("the pid is always taken by somebody else")
        with open(os.path.join(cgroup, "cgroup.procs"), "w") as f:
            f.write(str(pid))
        connection = http.client.HTTPConnection("localhost", timeout=10)
        connection.sock = caller
        connection.request("POST", "/slave(1)/api/v1/executor", json.dumps(finished(s, "victim")),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        equal((answer.status, answer.read().decode()), (403, REFUSAL), "answer")
        connection.close()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        equal(s.states("victim"), ["TASK_STARTING", "TASK_RUNNING"], "states of the victim")
        s.kill("victim")
        equal(s.wait_terminal("victim")["state"], "TASK_KILLED", "end of the victim")


def test_its_own_children_speak_for_it():
    with Cluster(launcher="linux") as cluster, Scheduler(cluster.master_addr) as s:
        # From deep below, where nobody asked for a new cgroup.
        body = json.dumps(finished(s, "itself")).replace("UPDATE", "HEARTBEAT")
        task = s.task("itself")
        task["command"] = {"shell": False, "value": "sh", "arguments": [
            "sh", "-c", "(setsid sh -c '\"$@\" >answer; touch done' sh \"$@\" &); until [ -e done ]; do sleep 0.05; done; cat answer",
            "sh", sys.executable, "-c", SPEAK, "%s:%d" % cluster.agent().addr, body]}
        s.launch([task])
        equal(s.wait_terminal("itself")["state"], "TASK_FINISHED", "end")
        equal(cluster.read_sandbox("itself").splitlines()[-1].strip(), "202", "answer")


def test_verification_can_be_switched_off():
    with Cluster(launcher="linux", agent_flags=("--no-holdfast_verify_executors",)) as cluster, \
            Scheduler(cluster.master_addr) as s:
        s.launch([s.task("trusting", "exec sleep 1000")])
        s.wait_state("trusting", "TASK_RUNNING")
        equal(speak_from_outside(cluster.agent().addr, finished(s, "trusting"))[0], 202, "answer")
        equal(s.wait_terminal("trusting")["state"], "TASK_FINISHED", "state")


if __name__ == "__main__":
    main()
