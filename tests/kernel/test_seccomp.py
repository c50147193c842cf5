#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""linux/seccomp: forbidden system calls are made from inside of containers, and fail as the profile says."""

import errno
import json
import os
import platform
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, check, equal, main, skip    # noqa: E402
from scheduler import Scheduler                                     # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SHIPPED = os.path.join(HERE, "..", "..", "isolator", "seccomp")
ISOLATION = "--isolation=posix/cpu,posix/mem,linux/seccomp,linux/capabilities"
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable

# By x86-64's numbers, with arguments that do no harm: what would be done is refused for another reason, or is nothing.
CALLS = {
    "add_key": (248, b"user", b"holdfast", b"x", 1, -3), "request_key": (249, b"user", b"none", 0, -3),
    "keyctl": (250, 0, -3, 0), "bpf": (321, 0, 0, 0), "io_uring_setup": (425, 1, bytes(120)),
    "userfaultfd": (323, 0), "unshare": (272, 0x10000000), "setns": (308, -1, 0), "mount": (165, b"", b"/none", 0, 0, 0),
    "umount2": (166, b"/none", 0), "pivot_root": (155, b"/none", b"/none"), "chroot": (161, b"/none"),
    "swapon": (167, b"/none", 0), "reboot": (169, 0, 0, 0, 0), "kexec_load": (246, 0, 0, 0, 0),
    "init_module": (175, 0, 0, b""), "delete_module": (176, b"none", 0o4000), "acct": (163, b"/none"),
    "settimeofday": (164, 0, 0), "sethostname": (170, b"", -1), "iopl": (172, 4), "ioperm": (173, -1, -1, 1),
    "open_by_handle_at": (304, -1, 0, 0), "perf_event_open": (298, 0, 0, 0, 0, 0), "personality": (135, 0x0400000),
    "move_pages": (279, 0, 0, 0, 0, 0, 0), "quotactl": (179, 0, 0, 0, 0), "fsopen": (430, b"none", 0),
    "vsock": (41, 40, 1, 0),
    "lookup_dcookie": (212, 0, 0, 0), "getpriority": (140, 0, 0), "getpid": (39,), "sync": (162,),
}


def need_seccomp():
    if platform.machine() != "x86_64":
        skip("the calls are made by x86-64's numbers")
    if os.geteuid() != 0:
        skip("only root runs tasks as somebody else")


def script(names):
    """Prints {name: errno's name or "ok"}; each call is made by a process of its own."""
    return """
import ctypes, errno, json, os
libc = ctypes.CDLL(None, use_errno=True)
def attempt(number, *arguments):
    pid = os.fork()
    if pid == 0:
        r = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
        os._exit(ctypes.get_errno() if r == -1 else 0)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return "signal %%d" %% os.WTERMSIG(status)
    return errno.errorcode.get(os.WEXITSTATUS(status), "ok" if status == 0 else str(status >> 8))
print(json.dumps({name: attempt(*call) for name, call in %r.items()}))
""" % {name: CALLS[name] for name in names}


def attempt(cluster, scheduler, task_id, names=CALLS, user="nobody", **fields):
    command = {"shell": False, "value": PYTHON, "arguments": ["python3", "-c", script(names)], "user": user}
    status = scheduler.run(task_id, command, **fields)
    equal(status["state"], "TASK_FINISHED", "%s (%s)" % (task_id, status.get("message")))
    return json.loads(cluster.read_sandbox(task_id).splitlines()[-1])


def seccomp(**fields):
    return {"type": "MESOS", "linux_info": {"seccomp": fields}}


def write(cluster, name, profile):
    directory = cluster.work_path("profiles")
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, name), "w") as f:
        f.write(profile if isinstance(profile, str) else json.dumps(profile))
    return directory


def shipped(*flags):
    return Cluster(agent_flags=[ISOLATION, "--seccomp_config_dir=" + SHIPPED, "--seccomp_profile_name=default.json",
                                *flags])


def test_each_call_fails_as_its_profile_says():
    need_seccomp()
    denied = [name for name in CALLS if name not in ("getpid", "getpriority", "vsock", "sync")]
    errnos = dict(zip(denied, sorted(e for e in errno.errorcode if 40 < e < 120 and e not in (41, 58))))
    rules = [{"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": e} for name, e in errnos.items()]
    rules += [{"names": ["getpriority"], "action": "SCMP_ACT_KILL_PROCESS"}, {"names": ["sync"], "action": "SCMP_ACT_TRAP"},
              {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 39,
               "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}]}]
    expected = {name: errno.errorcode[e] for name, e in errnos.items()}
    expected.update(getpid="ok", getpriority="signal %d" % signal.SIGSYS, sync="signal %d" % signal.SIGSYS,
                    vsock="ENOTEMPTY")
    check(len(denied) >= 12, "only %d calls" % len(denied))
    with Cluster(start=False, n_agents=0) as cluster:
        directory = write(cluster, "own.json", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})
        cluster.add_agent(ISOLATION, "--seccomp_config_dir=" + directory)
        cluster.start()
        with Scheduler(cluster.master_addr) as s:
            for user in ("root", "nobody"):
                tried = attempt(cluster, s, "own-" + user, user=user, container=seccomp(profile_name="own.json"))
                for name, how in expected.items():
                    # The library gives the syscall's own errno; numbers without a name here are shown as numbers.
                    check(tried[name] in (how, str(errnos.get(name))), "%s: %s instead of %s" % (name, tried[name], how))


def test_the_shipped_profile_keeps_from_the_kernel_what_tasks_need_not():
    need_seccomp()
    forbidden = [name for name in CALLS if name not in ("getpid", "getpriority", "sync")]
    with shipped() as cluster, Scheduler(cluster.master_addr) as s:
        tried = attempt(cluster, s, "nobody")
        wrong = {name: tried[name] for name in forbidden if tried[name] not in ("EPERM", "ENOSYS")}
        equal(wrong, {}, "what is let through")
        equal([tried[name] for name in ("getpid", "getpriority", "sync")], ["ok"] * 3, "what must be let through")

        # Without the filter the kernel itself does these for anybody, or fails otherwise: it is the filter that refuses.
        free = attempt(cluster, s, "unconfined", container=seccomp(unconfined=True))
        others = [name for name in forbidden if free[name] not in ("EPERM", "ENOSYS")]
        check(len(others) >= 8, "the filter makes a difference to %r only (%r)" % (others, free))


def test_capabilities_open_what_they_are_for():
    need_seccomp()
    names = ("chroot", "mount", "acct", "settimeofday", "open_by_handle_at")
    only = {"capabilities": ["SYS_CHROOT"]}
    info = {"effective_capabilities": only, "bounding_capabilities": only}
    with shipped() as cluster, Scheduler(cluster.master_addr) as s:
        for user in ("root", "nobody"):
            tried = attempt(cluster, s, "chroot-" + user, names, user=user, container={"type": "MESOS", "linux_info": info})
            equal(tried, {**dict.fromkeys(names, "EPERM"), "chroot": "ENOENT"}, "what %s may" % user)
        tried = attempt(cluster, s, "root", names, user="root")
        equal(tried["mount"], "ENOENT", "what root may")


def test_filtered_containers_have_no_right_that_the_filter_took():
    need_seccomp()
    with shipped() as cluster, Scheduler(cluster.master_addr) as s:
        for user, effective in (("nobody", 0), ("root", None)):
            status = s.run("status-" + user, {"value": "cat /proc/self/status", "user": user})
            equal(status["state"], "TASK_FINISHED", "state (%s)" % status.get("message"))
            text = cluster.read_sandbox("status-" + user)
            lines = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
            equal((lines["Seccomp"], lines["NoNewPrivs"]), ("2", "0"), "of " + user)
            if effective is not None:
                equal([int(lines[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")], [0] * 4, "rights")


def test_ordinary_programs_notice_nothing():
    need_seccomp()
    work = ("import threading, subprocess, multiprocessing, socket, tempfile, time, os\n"
            "t = [threading.Thread(target=time.sleep, args=(0.01,)) for _ in range(8)]\n"
            "[x.start() for x in t]; [x.join() for x in t]\n"
            "assert subprocess.run(['/bin/sh', '-c', 'exit 3']).returncode == 3\n"
            "with multiprocessing.Pool(2) as p: assert p.map(abs, [-1, -2]) == [1, 2]\n"
            "s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); c.send(b'x')\n"
            "assert s.accept()[0].recv(1) == b'x'\n"
            "with tempfile.NamedTemporaryFile(dir='.') as f: os.sendfile(f.fileno(), f.fileno(), 0, 10)\n"
            "print('all well')")
    with shipped() as cluster, Scheduler(cluster.master_addr) as s:
        command = {"shell": False, "value": PYTHON, "arguments": ["python3", "-c", work], "user": "nobody"}
        status = s.run("work", command)
        equal(status["state"], "TASK_FINISHED", "state (%s)" % status.get("message"))
        check("all well" in cluster.read_sandbox("work"), cluster.read_sandbox("work"))
        if shutil.which("cc"):
            status = s.run("cc", "echo 'int main(void) { return 0; }' >a.c && cc -o a a.c && ./a")
            equal(status["state"], "TASK_FINISHED", "state (%s)" % status.get("message"))


def test_a_profile_that_cannot_be_had_fails_the_launch_with_the_reason():
    need_seccomp()
    with shipped() as cluster, Scheduler(cluster.master_addr) as s:
        cases = {
            "missing": (seccomp(profile_name="none.json"), "none.json': No such file"),
            "path": (seccomp(profile_name="../seccomp/default.json"), "named by a file of that directory"),
            "both": (seccomp(profile_name="default.json", unconfined=True), "both a seccomp profile and none"),
        }
        for name, (container, expected) in cases.items():
            status = s.run(name, "true", container=container)
            equal((status["state"], status["reason"]), ("TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED"), name)
            check(expected in status["message"], status["message"])
        equal(s.run("after", "true")["state"], "TASK_FINISHED", "the next task")


def test_agents_refuse_to_start_with_a_bad_profile_and_name_the_field():
    need_seccomp()
    cases = {
        "cut.json": ("{\"defaultAction\": ", "cut.json': : line"),
        "typo.json": ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_DENY"}]},
                      "typo.json': syscalls[0].action: 'SCMP_ACT_DENY'"),
    }
    for name, (profile, expected) in cases.items():
        with Cluster(n_agents=0) as cluster:
            directory = write(cluster, name, profile)
            agent = cluster.add_agent(ISOLATION, "--seccomp_config_dir=" + directory, "--seccomp_profile_name=" + name)
            agent.start(wait_ready=False)
            equal(agent.process.wait(20), 1, "exit status with " + name)
            check(expected in agent.log(), agent.log())
            cluster.agents.remove(agent)


if __name__ == "__main__":
    main()
