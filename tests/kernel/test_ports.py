#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""network/ports: containers that listen on ports which are not theirs are seen, and ended."""

import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import (HOST, Cluster, check, equal, free_port, main, program, skip,  # noqa: E402
                     temporary_directory, wait_until)
from scheduler import Scheduler    # noqa: E402

WATCH = ("--isolation=process,network/ports", "--container_ports_watch_interval=100ms")
ENFORCE = (*WATCH, "--enforce_container_ports")
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable

# By a grandchild that has left its session; the task itself only waits.
LISTEN = PYTHON + """ -c '
import os, socket, sys, time
family = socket.AF_INET6 if sys.argv[2] == "6" else socket.AF_INET
s = socket.socket(family)
s.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", int(sys.argv[1])))
s.listen()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
s.close()
time.sleep(1000)' %d %s"""

# By a thread with descriptors of its own, which /proc/PID/fd does not show.
HIDE = PYTHON + """ -c '
import ctypes, socket, sys, threading, time
def listen():
    if ctypes.CDLL(None).unshare(0x400) < 0:
        sys.exit("no descriptors of its own")
    with socket.socket() as s:
        s.bind(("127.0.0.1", int(sys.argv[1])))
        s.listen()
        time.sleep(1000)
threading.Thread(target=listen).start()' %d"""


def ports(*numbers):
    return {"name": "ports", "type": "RANGES", "allocation_info": {"role": "*"},
            "ranges": {"range": [{"begin": n, "end": n} for n in numbers]}}


def cluster_with(*flags, offered=(40000,)):
    resources = "cpus:8;mem:8192;disk:16384;ports:[%s]" % ",".join("%d-%d" % (p, p) for p in offered)
    return Cluster(launcher="linux", agent_flags=flags, resources=resources)


def is_listening(port):
    with socket.socket() as s:
        return s.connect_ex((HOST, port)) == 0


def log_says(cluster, text):
    return lambda: text in cluster.agent().log()


def wait_two_looks(cluster, s):
    """Another container's violation is logged, and that of one launched after it: all were looked at in between."""
    for _ in range(2):
        port = free_port()
        s.launch([s.task("probe-%d" % port, LISTEN % (port, "4"))])
        wait_until(log_says(cluster, "[%d-%d]" % (port, port)), "a port is seen")


def test_a_container_that_listens_on_another_port_is_ended_with_the_words_of_mesos():
    mine, foreign = free_port(), free_port()
    with cluster_with(*ENFORCE, offered=(mine,)) as cluster, Scheduler(cluster.master_addr) as s:
        good = s.task("good", LISTEN % (mine, "4"))
        good["resources"].append(ports(mine))
        s.launch([good, s.task("bad", LISTEN % (foreign, "4"))])
        status = s.wait_terminal("bad")
        equal(status["state"], "TASK_FAILED", "state")
        equal(status["reason"], "REASON_CONTAINER_LIMITATION", "reason")
        equal(status["message"], "Container %s is listening on unallocated port(s): [%d-%d]" % (
            status["container_status"]["container_id"]["value"] if "container_status" in status
            else os.path.basename(cluster.sandboxes("bad")[-1]), foreign, foreign), "message")
        (met,) = status["limitation"]["resources"]
        equal((met["name"], met["ranges"]["range"]), ("ports", [{"begin": foreign, "end": foreign}]), "excess")
        wait_until(lambda: not is_listening(foreign), "the port is free again")

        wait_until(lambda: is_listening(mine), "the other task listens")
        equal(s.states("good")[-1], "TASK_RUNNING", "the other task")


def test_ipv6_counts_too():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            port = probe.getsockname()[1]
    except OSError as e:
        skip("no IPv6 here: %s" % e.strerror)
    with cluster_with(*ENFORCE) as cluster, Scheduler(cluster.master_addr) as s:
        equal(s.run("six", LISTEN % (port, "6"))["reason"], "REASON_CONTAINER_LIMITATION", "reason")


def test_without_the_flag_it_is_only_logged_and_once():
    port = free_port()
    with cluster_with(*WATCH) as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task("free", LISTEN % (port, "4"))])
        wait_until(log_says(cluster, "listening on unallocated port(s): [%d-%d]" % (port, port)), "it is logged")
        wait_two_looks(cluster, s)
        equal(cluster.agent().log().count("[%d-%d]" % (port, port)), 1, "times it was logged")
        equal(s.states("free")[-1], "TASK_RUNNING", "state")


def test_ports_out_of_the_isolated_range_are_nobodys_business():
    port = free_port()
    for flags in (["--container_ports_isolated_range=[1-1000]"], ["--check_agent_port_range_only"]):
        with cluster_with(*ENFORCE, *flags, offered=(999,)) as cluster, Scheduler(cluster.master_addr) as s:
            s.launch([s.task("free", LISTEN % (port, "4"))])
            wait_until(lambda p=port: is_listening(p), "the port out of the range is listened on")
            for task_id in ("low", "low-again"):
                equal(s.run(task_id, LISTEN % (999, "4"))["reason"], "REASON_CONTAINER_LIMITATION",
                      "reason of one in the range")
            equal(s.states("free")[-1], "TASK_RUNNING", "the other")


def test_flags_that_cannot_be_are_refused_at_start():
    with temporary_directory() as d:
        for flags, why in ((["--launcher=posix"], "--launcher=linux"),
                           (["--launcher=linux", "--container_ports_isolated_range=5"], "ranges"),
                           (["--launcher=linux", "--container_ports_isolated_range=[1-5]",
                             "--check_agent_port_range_only"], "check_agent_port_range_only")):
            argv = [program("holdfast-agent"), "--master=127.0.0.1:1", "--work_dir=" + d, *WATCH, *flags]
            result = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20,
                                    check=False)
            check(result.returncode == 1 and why in result.stdout, "%s: %s" % (flags, result.stdout))


def test_a_listener_is_seen_wherever_its_descriptor_is():
    port = free_port()
    with cluster_with(*ENFORCE) as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task("hidden", HIDE % port)])
        status = s.wait_terminal("hidden")
        equal((status["state"], status["reason"]), ("TASK_FAILED", "REASON_CONTAINER_LIMITATION"), "end")


if __name__ == "__main__":
    main()
