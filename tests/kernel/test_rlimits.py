#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""posix/rlimits and linux/nnp: limits are seen and exceeded from inside of containers."""

import os
import resource
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, check, equal, main, program, skip    # noqa: E402
from scheduler import Scheduler                                     # noqa: E402

ISOLATION = "--isolation=posix/cpu,posix/mem,posix/rlimits,linux/nnp"

# The kernel's lines in /proc/self/limits, by the API's name. What the executor needs to live is left alone.
LINES = {
    "RLMT_CORE": "Max core file size", "RLMT_CPU": "Max cpu time", "RLMT_DATA": "Max data size",
    "RLMT_FSIZE": "Max file size", "RLMT_LOCKS": "Max file locks", "RLMT_MEMLOCK": "Max locked memory",
    "RLMT_MSGQUEUE": "Max msgqueue size", "RLMT_NICE": "Max nice priority", "RLMT_NOFILE": "Max open files",
    "RLMT_NPROC": "Max processes", "RLMT_RSS": "Max resident set", "RLMT_RTPRIO": "Max realtime priority",
    "RLMT_RTTIME": "Max realtime timeout", "RLMT_SIGPENDING": "Max pending signals", "RLMT_STACK": "Max stack size",
    "RLMT_AS": "Max address space",
}


def rlimit(kind, soft=None, hard=None):
    return {"type": kind, **({} if soft is None else {"soft": soft}), **({} if hard is None else {"hard": hard})}


def container(*rlimits):
    return {"type": "MESOS", "rlimit_info": {"rlimits": list(rlimits)}}


def has_sanitizers():
    return b"libasan" in subprocess.run(["ldd", program("holdfast-executor")], capture_output=True, check=False).stdout


def may_raise_limits():
    with open("/proc/self/status") as f:
        effective = next(int(line.split()[1], 16) for line in f if line.startswith("CapEff"))
    return effective >> 24 & 1


def python(text):
    return {"shell": False, "value": sys.executable, "arguments": ["python3", "-c", text]}


def test_every_limit_that_is_asked_for_is_seen_inside():
    values = {kind: (1 << 33) + i for i, kind in enumerate(LINES)}
    values.update(RLMT_NOFILE=300, RLMT_NPROC=4000, RLMT_NICE=5, RLMT_RTPRIO=6, RLMT_SIGPENDING=700)
    if has_sanitizers():
        # They map terabytes, and want no core of that.
        del values["RLMT_AS"], values["RLMT_DATA"], values["RLMT_CORE"]
    if not may_raise_limits():
        for kind in values:
            hard = resource.prlimit(0, getattr(resource, kind.replace("RLMT", "RLIMIT"), 10))[1]
            values[kind] = values[kind] if hard == resource.RLIM_INFINITY else min(values[kind], hard)
    with Cluster(agent_flags=[ISOLATION]) as cluster, Scheduler(cluster.master_addr) as s:
        asked = container(*(rlimit(kind, v, v) for kind, v in values.items()))
        status = s.run("all", "cat /proc/self/limits", container=asked)
        equal(status["state"], "TASK_FINISHED", "state (%s)" % status.get("message"))
        seen = cluster.read_sandbox("all")
        for kind, line in ((kind, LINES[kind]) for kind in values):
            found = next(text for text in seen.splitlines() if text.startswith(line))[len(line):].split()
            equal(found[:2], [str(values[kind])] * 2, kind)


def test_a_limit_without_numbers_is_no_limit():
    if has_sanitizers():
        skip("with sanitizers no program has core files")
    with Cluster(agent_flags=[ISOLATION]) as cluster, Scheduler(cluster.master_addr) as s:
        status = s.run("core", "ulimit -c; ulimit -Hc", container=container(rlimit("RLMT_CORE")))
        equal(status["state"], "TASK_FINISHED", "state")
        check(cluster.read_sandbox("core").endswith("unlimited\nunlimited\n"), cluster.read_sandbox("core"))


def test_a_file_larger_than_its_limit_ends_the_writer():
    with Cluster(agent_flags=[ISOLATION]) as cluster, Scheduler(cluster.master_addr) as s:
        # Python ignores the signal, as it does SIGPIPE; a program that does not care is ended by it.
        text = ("import os, signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); "
                "fd = os.open('big', os.O_CREAT | os.O_WRONLY)\nwhile True: os.write(fd, b'x' * 4096)")
        limit = container(rlimit("RLMT_FSIZE", 65536, 65536), rlimit("RLMT_CORE", 0, 0))
        status = s.run("big", python(text), container=limit)
        equal(status["state"], "TASK_FAILED", "state")
        check("signal" in status["message"] and signal.strsignal(signal.SIGXFSZ) in status["message"],
              status["message"])
        sandbox = cluster.sandboxes("big")[0]
        equal(os.path.getsize(os.path.join(sandbox, "big")), 65536, "size of the file")


def test_descriptors_beyond_the_limit_are_refused():
    with Cluster(agent_flags=[ISOLATION]) as cluster, Scheduler(cluster.master_addr) as s:
        text = ("import errno, os\ntry:\n while True: last = os.dup(0)\n"
                "except OSError as e: print(errno.errorcode[e.errno], last)")
        status = s.run("open", python(text), container=container(rlimit("RLMT_NOFILE", 100, 100)))
        equal(status["state"], "TASK_FINISHED", "state (%s)" % status.get("message"))
        check(cluster.read_sandbox("open").endswith("EMFILE 99\n"), cluster.read_sandbox("open"))


def test_cpu_time_beyond_the_limit_ends_the_task():
    with Cluster(agent_flags=[ISOLATION]) as cluster, Scheduler(cluster.master_addr) as s:
        status = s.run("spin", "while :; do :; done", container=container(rlimit("RLMT_CPU", 1, 1)))
        equal(status["state"], "TASK_FAILED", "state")
        check(signal.strsignal(signal.SIGKILL) in status["message"], status["message"])


def test_a_hard_limit_is_not_raised_again_by_an_ordinary_user():
    if os.geteuid() != 0:
        skip("only root may run tasks as somebody else")
    with Cluster(agent_flags=[ISOLATION]) as cluster, Scheduler(cluster.master_addr) as s:
        command = {"value": "ulimit -n 101 2>/dev/null || echo refused", "user": "nobody"}
        s.run("raise", command, container=container(rlimit("RLMT_NOFILE", 100, 100)))
        check(cluster.read_sandbox("raise").endswith("refused\n"), cluster.read_sandbox("raise"))


def test_limits_that_cannot_be_fail_the_launch_with_the_reason():
    with Cluster(agent_flags=[ISOLATION]) as cluster, Scheduler(cluster.master_addr) as s:
        cases = {
            "half": (rlimit("RLMT_NOFILE", 10), "RLMT_NOFILE has only one of a soft and a hard limit"),
            "order": (rlimit("RLMT_NPROC", 10, 9), "soft limit of RLMT_NPROC, 10, is above its hard limit, 9"),
        }
        for name, (limit, expected) in cases.items():
            status = s.run(name, "true", container=container(limit))
            equal((status["state"], status["reason"]), ("TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED"), name)
            check(expected in status["message"], status["message"])
        equal(s.run("after", "true")["state"], "TASK_FINISHED", "the next task")


def test_without_the_isolator_limits_mean_nothing():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        status = s.run("half", "ulimit -n", container=container(rlimit("RLMT_NOFILE", 10)))
        equal(status["state"], "TASK_FINISHED", "state")
        check(not cluster.read_sandbox("half").endswith("10\n"), "the limit holds")


def test_setuid_programs_give_nothing_to_a_container_with_nnp():
    if os.geteuid() != 0:
        skip("only root may make such a program")
    with Cluster(agent_flags=[ISOLATION], n_agents=1) as cluster, Scheduler(cluster.master_addr) as s:
        program = cluster.work_path("id")
        with open("/usr/bin/id", "rb") as source, open(program, "wb") as target:
            target.write(source.read())
        os.chmod(program, 0o4755)
        command = {"value": "grep NoNewPrivs /proc/self/status; %s -u" % program, "user": "nobody"}
        equal(s.run("setuid", command)["state"], "TASK_FINISHED", "state")
        equal(cluster.read_sandbox("setuid").split()[-3:], ["NoNewPrivs:", "1", "65534"], "what it became")
    with Cluster(agent_flags=["--isolation=process"]) as cluster, Scheduler(cluster.master_addr) as s:
        program = cluster.work_path("id")
        with open("/usr/bin/id", "rb") as source, open(program, "wb") as target:
            target.write(source.read())
        os.chmod(program, 0o4755)
        equal(s.run("setuid", {"value": program + " -u", "user": "nobody"})["state"], "TASK_FINISHED", "state")
        if cluster.read_sandbox("setuid").split()[-1] != "0":
            skip("setuid programs give nothing here anyhow: mounted nosuid, or restricted")


if __name__ == "__main__":
    main()
