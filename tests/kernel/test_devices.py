#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cgroups/devices: the usual devices open, others do not, whoever made the node."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, check, equal, main, program, skip, temporary_directory    # noqa: E402
from scheduler import Scheduler    # noqa: E402

NOBODY = 65534
ISOLATION = "--isolation=process,cgroups/devices"
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable

# Makes a node of each device in the sandbox and opens it, as it was asked to; prints what became of it.
OPEN = """
import errno, os, stat
for name, kind, major, minor, flags in %r:
    try:
        os.mknod(name, (stat.S_IFBLK if kind == "b" else stat.S_IFCHR) | 0o666, os.makedev(major, minor))
    except OSError as e:
        print(name, "mknod", errno.errorcode[e.errno])
        continue
    try:
        os.close(os.open(name, flags | os.O_NONBLOCK))
        print(name, "opened")
    except OSError as e:
        print(name, errno.errorcode[e.errno])
"""


def opener(*devices):
    return {"shell": False, "value": PYTHON, "arguments": ["python3", "-c", OPEN % (devices,)]}


def cluster_with(*flags):
    if os.geteuid() != 0:
        skip("device nodes are made by root")
    return Cluster(launcher="linux", agent_flags=flags)


def outcome(cluster, s, task_id, *devices):
    status = s.run(task_id, opener(*devices))
    equal(status["state"], "TASK_FINISHED", "state (%s)" % status.get("message"))
    return dict(line.split(" ", 1) for line in cluster.read_sandbox(task_id).splitlines())


def test_the_usual_devices_open_and_others_do_not():
    with cluster_with(ISOLATION) as cluster, Scheduler(cluster.master_addr) as s:
        found = outcome(cluster, s, "devices",
                        ("null", "c", 1, 3, os.O_RDWR), ("zero", "c", 1, 5, os.O_RDONLY),
                        ("urandom", "c", 1, 9, os.O_RDONLY),
                        # Of the host's memory, its log and its disks; and one that is nothing at all.
                        ("mem", "c", 1, 1, os.O_RDONLY), ("kmsg", "c", 1, 11, os.O_RDONLY),
                        ("loop", "b", 7, 0, os.O_RDONLY), ("disk", "b", 8, 0, os.O_RDWR),
                        ("nothing", "c", 4000, 5, os.O_RDONLY))
        for name in ("null", "zero", "urandom"):
            equal(found[name], "opened", name)
        for name in ("mem", "kmsg", "loop", "disk", "nothing"):
            equal(found[name], "EPERM", name)


def test_the_hosts_own_nodes_are_refused_too():
    if not os.path.exists("/dev/kmsg"):
        skip("this host has no /dev/kmsg")
    with cluster_with(ISOLATION) as cluster, Scheduler(cluster.master_addr) as s:
        s.run("hosts", "echo yes > /dev/null && echo null; cat /dev/kmsg > /dev/null || true")
        equal(cluster.read_sandbox("hosts").strip(), "null", "stdout")
        check("Operation not permitted" in cluster.read_sandbox("hosts", "stderr"), "/dev/kmsg was read")


def test_without_the_isolator_they_open():
    with cluster_with("--isolation=process") as cluster, Scheduler(cluster.master_addr) as s:
        equal(outcome(cluster, s, "kmsg", ("kmsg", "c", 1, 11, os.O_RDONLY))["kmsg"], "opened", "kmsg")


def test_the_operator_allows_a_device_by_path_with_the_access_that_is_said():
    if not os.path.exists("/dev/kmsg"):
        skip("this host has no /dev/kmsg")
    allowed = {"allowed_devices": [{"device": {"path": "/dev/kmsg"}, "access": {"read": True}}]}
    with cluster_with(ISOLATION, "--allowed_devices=" + json.dumps(allowed)) as cluster, \
            Scheduler(cluster.master_addr) as s:
        found = outcome(cluster, s, "kmsg", ("read", "c", 1, 11, os.O_RDONLY), ("write", "c", 1, 11, os.O_WRONLY),
                        ("both", "c", 1, 11, os.O_RDWR), ("mem", "c", 1, 1, os.O_RDONLY))
        equal(found, {"read": "opened", "write": "EPERM", "both": "EPERM", "mem": "EPERM"}, "what opened")


def test_containers_are_held_by_their_program_over_a_restart_of_the_agent():
    with cluster_with(ISOLATION) as cluster, Scheduler(cluster.master_addr) as s:
        go = cluster.work_path("go")
        s.launch([s.task("late", "until test -e %s; do sleep 0.05; done; cat /dev/kmsg" % go)])
        s.wait_state("late", "TASK_RUNNING")
        cluster.agent().kill9()
        cluster.agent().start()
        cluster.wait_reregistered(cluster.agent())
        with open(go, "w"):
            pass
        equal(s.wait_terminal("late")["message"], "Command exited with status 1", "message")


def refusal(*flags, user=None):
    with temporary_directory() as d:
        os.chmod(d, 0o777)
        result = subprocess.run([program("holdfast-agent"), "--master=127.0.0.1:1", "--work_dir=" + d + "/work",
                                 "--runtime_dir=" + d + "/run", "--no-systemd_enable_support", *flags],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, check=False,
                                user=user)
        equal(result.returncode, 1, "status (%s)" % result.stdout)
        return result.stdout


def test_what_cannot_be_is_refused_at_start_with_the_reason():
    check("--launcher=linux" in refusal(ISOLATION, "--launcher=posix"), "launcher")
    if os.geteuid() == 0:
        text = refusal(ISOLATION, "--launcher=linux", user=NOBODY)
        check("right to load BPF programs" in text, text)
        one = '{"allowed_devices":[{"device":{"path":"/dev/none"}%s}]}'
        for flag, why in (("{}x", "allowed_devices"), (one % "", "access"),
                          (one % ',"access":{"read":true}', "/dev/none")):
            text = refusal(ISOLATION, "--launcher=linux", "--allowed_devices=" + flag)
            check(why in text, "%s: %s" % (flag, text))


if __name__ == "__main__":
    main()
