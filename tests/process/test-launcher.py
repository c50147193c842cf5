# SPDX-License-Identifier: Apache-2.0
"""holdfast-launcher against a hand-written agent: without a cgroup, and in one where we may make one."""

import ctypes
import errno
import os
import resource
import signal
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import (become_reaper, check, descendants, equal, is_alive, main, program,  # noqa: E402
                     reap_orphans, skip, wait_until)
from launcher import (BIND, Directory, EXITED, FAILED, FETCHING, IPC, MOUNT, NEVER_STARTED, PID,  # noqa: E402
                      RUNNING, UTS, WAITING, command_message, dry_run, field, has_ended,
                      is_small_build, mount_message, pss_kib, sh)

NOBODY = 65534
# Of no user of this host, so that a limit of processes counts those of one test only.
BOMBER = 54321
SH = "/bin/sh"
# One that other users may execute, too.
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable


def is_root():
    return os.geteuid() == 0


def wait_file(path):
    wait_until(lambda: os.path.exists(path) and os.path.getsize(path), path + " is written")
    with open(path) as f:
        return f.read()


def launch_and_go(d, argv, cgroup=None, **plan):
    launcher = d.launch(argv, **plan)
    launcher.hello()
    launcher.go(cgroup)
    launcher.started()
    return launcher


def own_cgroup():
    """A cgroup of this test's own as (directory, path in the hierarchy); skips where there can be none."""
    with open("/proc/self/mountinfo") as f:
        mounts = [line.split()[4] for line in f if " - cgroup2 " in line]
    if not mounts:
        skip("no cgroup2 hierarchy is mounted")
    path = "/holdfast-launcher-test-%d" % os.getpid()
    try:
        os.mkdir(mounts[0] + path)
    except OSError as e:
        skip("no cgroup of our own below %s: %s" % (mounts[0], e.strerror))
    return mounts[0] + path, path


class Cgroup:
    def __enter__(self):
        self.directory, self.path = own_cgroup()
        return self

    def __exit__(self, *_):
        with open(self.directory + "/cgroup.kill", "w") as f:
            f.write("1")
        wait_until(self.is_empty, "the cgroup empties")
        for name in ("payload/main", "payload", "supervisor", "aside", ""):
            if os.path.isdir(os.path.join(self.directory, name)):
                os.rmdir(os.path.join(self.directory, name))

    def is_empty(self):
        reap_orphans()
        with open(self.directory + "/cgroup.events") as f:
            return "populated 0" in f.read()

    def read(self, name):
        with open(os.path.join(self.directory, name)) as f:
            return f.read().strip()

    def procs(self, name):
        with open(os.path.join(self.directory, name, "cgroup.procs")) as f:
            return [int(line) for line in f]


# Ends

def test_an_exit_status_is_told_and_recorded_alike():
    with Directory() as d:
        for status in (0, 7, 255):
            told = d.run(sh("exit %d" % status), container_id="c%d" % status)
            equal((told["kind"], told["wait_status"]), (EXITED, status << 8), "the end")
            equal(d.launchers[-1].record(), told, "the record")
            check(not os.path.exists(d.launchers[-1].runtime_dir), "the runtime directory is left")
            check(told["started_usec"] <= told["ended_usec"], "it ended before it started")


def test_a_signal_is_the_end_that_it_is():
    with Directory() as d:
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV):
            told = d.run(sh("ulimit -c 0; kill -%d $$" % number), container_id="s%d" % number)
            equal(told["wait_status"] & 0x7f, number, "signal")


def test_a_missing_binary_is_a_failure_that_names_it():
    with Directory() as d:
        told = d.run(["/no/such/program"])
        equal((told["kind"], told["step"], told["error"]), (FAILED, "execute", 2), "the failure")
        equal(told["message"], "Failed to execute '/no/such/program': No such file or directory", "message")
        check("wait_status" not in told, "a status was made up")
        equal(d.launchers[0].record(), told, "the record")


def test_a_name_longer_than_any_path_is_cut_in_the_record():
    with Directory() as d:
        told = d.run(["/" + "x" * 100000])
        equal((told["kind"], told["error"]), (FAILED, 36), "failure")
        check(4000 < len(told["message"]) < 5000, "a message of %d bytes" % len(told["message"]))
        equal(d.launchers[0].record(), told, "the record")


def test_programs_are_found_in_the_path_they_are_given_and_nowhere_else():
    with Directory() as d:
        equal(d.run(["sh", "-c", "exit 3"], environment=["PATH=/nowhere:/bin"])["wait_status"], 3 << 8, "status")
        equal(d.run(["sh", "-c", "exit 3"], environment=["PATH=/nowhere"])["error"], 2, "errno")
        os.mkdir(d.path + "/private", 0)
        equal(d.run(["x"], environment=["PATH=%s/sandbox" % d.path])["error"], 2, "errno")
        with open(d.sandbox + "/x", "w") as f:
            f.write("#!/bin/sh\nexit 9\n")
        equal(d.run(["x"], environment=["PATH=%s" % d.sandbox])["error"], 13, "errno of what may not be executed")


def test_a_script_without_an_interpreter_line_runs():
    with Directory() as d:
        path = d.sandbox + "/script"
        with open(path, "w") as f:
            f.write("echo $0 $1\nexit 4\n")
        os.chmod(path, 0o755)
        equal(d.run(["name", "one"], file=path)["wait_status"], 4 << 8, "status")
        equal(d.output(), path + " one\n", "output")


def test_a_working_directory_that_is_not_there_is_named():
    with Directory() as d:
        told = d.run(sh("true"), cwd="/no/such/dir")
        equal((told["step"], told["message"]), ("enter the working directory",
              "Failed to enter the working directory: No such file or directory"), "failure")


def test_a_sandbox_below_a_directory_of_root_alone_serves_its_user():
    with Directory() as d:
        if os.geteuid() != 0:
            skip("only root may change the user")
        os.chown(d.sandbox, NOBODY, NOBODY)
        os.chmod(os.path.dirname(d.sandbox), 0o700)
        equal(d.run(sh("touch mine; exit 5"), uid=NOBODY, gid=NOBODY)["wait_status"], 5 << 8, "exit status")
        check(os.path.exists(os.path.join(d.sandbox, "mine")), "it was elsewhere")
        os.chown(d.sandbox, 0, 0)
        os.chmod(d.sandbox, 0o700)
        told = d.run(sh("true"), uid=NOBODY, gid=NOBODY)
        equal(told["message"], "Failed to enter the working directory: Permission denied", "failure")


# What the program finds

PROBE = """
import os, resource, signal, sys, json, fcntl, ctypes
libc = ctypes.CDLL(None, use_errno=True)
s = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "ids": [os.getresuid(), os.getresgid(), sorted(os.getgroups())],
    "umask": int(s["Umask"], 8), "blocked": int(s["SigBlk"], 16), "ignored": int(s["SigIgn"], 16),
    "fds": sorted(int(f) for f in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + f)),
    "limits": {i: resource.getrlimit(i) for i in range(16)},
    "nice": os.getpriority(os.PRIO_PROCESS, 0), "policy": os.sched_getscheduler(0),
    "cpus": len(os.sched_getaffinity(0)), "slack": libc.prctl(30, 0, 0, 0, 0),
    "pdeathsig": (lambda v: (libc.prctl(2, ctypes.byref(v)), v.value)[1])(ctypes.c_int()),
    "oom": int(open("/proc/self/oom_score_adj").read()), "personality": libc.personality(0xffffffff),
    "ambient": int(s["CapAmb"], 16), "inheritable": int(s["CapInh"], 16), "effective": int(s["CapEff"], 16),
    "session": os.getsid(0) == os.getpid(), "cwd": os.getcwd(),
    "env": dict(os.environ), "argv": sys.argv[1:], "stdin": os.path.realpath("/proc/self/fd/0"),
    "keyring": libc.syscall(250, 0, -3, 0, 0, 0),
}))
"""


def probe(d, **plan):
    import json
    told = d.run([PYTHON, "-I", "-c", PROBE], **plan)
    equal(told.get("wait_status"), 0, "the probe's end (%s, %s)" % (told.get("message"), d.output("stderr")))
    return json.loads(d.output())


# What a badly configured unit might leave to its children.
ODD_SPAWNER = """
import resource, signal, ctypes
libc = ctypes.CDLL(None)
resource.setrlimit(resource.RLIMIT_NOFILE, (500, 4096)); resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, resource.RLIM_INFINITY))
for n in (signal.SIGPIPE, signal.SIGHUP, signal.SIGUSR1, signal.SIGRTMAX): signal.signal(n, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
os.umask(0o137); os.nice(5); os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
libc.prctl(29, 12345678, 0, 0, 0); libc.personality(0x0040000); libc.prctl(41, 1, 0, 0, 0)
open("/proc/self/oom_score_adj", "w").write("321")
os.environ["LD_BIND_NOW"] = "1"; os.environ["NOTIFY_SOCKET"] = "/x"; os.environ["LISTEN_FDS"] = "1"
os.set_inheritable(os.open("/etc/passwd", os.O_RDONLY), True)
"""


def assert_plain(found, what):
    equal((found["blocked"], found["ignored"] & ~0x1000000), (0, 0), what + ": signals blocked, ignored")
    equal(found["fds"], [0, 1, 2], what + ": descriptors")
    equal(found["umask"], 0o22, what + ": umask")
    equal((found["policy"], found["slack"], found["personality"]), (0, 50000, 0), what + ": scheduling")
    equal(found["cpus"], os.cpu_count(), what + ": CPUs")
    equal(found["oom"], 0, what + ": OOM score")
    equal(found["pdeathsig"], signal.SIGKILL, what + ": parent death signal")
    equal((found["ambient"], found["inheritable"]), (0, 0), what + ": capabilities")
    check(found["session"], what + ": no session of its own")
    equal(found["stdin"], "/dev/null", what + ": standard input")


def test_a_program_finds_the_plan_and_the_defaults_of_the_host():
    with Directory() as d:
        # Python ignores SIGPIPE and SIGXFSZ by itself.
        found = probe(d, environment=["A=1", "B=two words", "EMPTY="])
        found["ignored"] &= ~(1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)
        assert_plain(found, "plain")
        found["env"].pop("LC_CTYPE", None)
        equal(found["env"], {"A": "1", "B": "two words", "EMPTY": ""}, "environment")
        equal(found["cwd"], os.path.realpath(d.sandbox), "working directory")
        equal(found["limits"]["3"][0], 8 << 20, "stack limit")
        equal(found["limits"]["7"][0], 1024, "soft limit of descriptors")


def test_what_the_spawner_has_odd_is_not_inherited():
    if not is_root():
        skip("only root may raise what was lowered")
    with Directory() as d:
        plain = probe(d)
        os.unlink(d.sandbox + "/stdout")
        found = probe(d, container_id="c2", spawner=ODD_SPAWNER)
        for f in (plain, found):
            f["ignored"] &= ~(1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)
        assert_plain(found, "odd spawner")
        equal(found["nice"], 0, "nice")
        check(found["keyring"] != plain["keyring"] or found["keyring"] < 0, "both have one session keyring")
        for i in ("3", "7"):
            equal(found["limits"][i][0], plain["limits"][i][0], "soft limit %s" % i)
        for f in (plain, found):
            for key in ("keyring", "limits"):
                del f[key]
        equal(found, plain, "what a program finds")


def test_limits_of_the_plan_win_and_failing_to_set_them_fails_the_launch():
    with Directory() as d:
        found = probe(d, rlimits=[(resource.RLIMIT_NOFILE, 100, 200), (resource.RLIMIT_CORE, 0, 0)])
        equal((found["limits"]["7"], found["limits"]["4"]), ([100, 200], [0, 0]), "limits")
        told = d.run(sh("true"), rlimits=[(resource.RLIMIT_NOFILE, 100, (1 << 64) - 1)])
        equal((told["kind"], told["step"]), (FAILED, "set limits"), "failure")


def test_the_user_is_the_plans_with_its_groups_and_without_capabilities():
    if not is_root():
        skip("only root may change users")
    with Directory() as d:
        os.chown(d.sandbox, NOBODY, NOBODY)
        found = probe(d, uid=NOBODY, gid=NOBODY, groups=[4, 24], umask=0o27)
        equal(found["ids"], [[NOBODY] * 3, [NOBODY] * 3, [4, 24]], "ids")
        equal((found["umask"], found["effective"], found["pdeathsig"]), (0o27, 0, signal.SIGKILL), "rights")
        for name in ("stdout", "stderr"):
            st = os.stat(os.path.join(d.sandbox, name))
            equal((st.st_uid, st.st_gid, st.st_mode & 0o777), (NOBODY, NOBODY, 0o644), name)


def test_no_user_but_itself_for_a_launcher_that_is_not_root():
    if not is_root():
        skip("only root can start a launcher as somebody else")
    with Directory() as d:
        for name in ("", "/exits", "/sandbox"):
            os.chown(d.path + name, NOBODY, NOBODY)
        as_nobody = "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)"
        told = d.run(sh("exit 5"), uid=NOBODY, gid=NOBODY, spawner=as_nobody)
        equal(told.get("wait_status"), 5 << 8, "status (%s)" % told.get("message"))
        told = d.run(sh("true"), uid=0, gid=0, spawner=as_nobody)
        equal((told["kind"], told["error"]), (FAILED, 1), "failure")


def test_output_is_appended_and_links_are_not_followed():
    with Directory() as d:
        with open(d.sandbox + "/stdout", "w") as f:
            f.write("before\n")
        equal(d.run(sh("echo after; echo error >&2"))["wait_status"], 0, "status")
        equal((d.output(), d.output("stderr")), ("before\nafter\n", "error\n"), "output")

        precious = d.path + "/precious"
        open(precious, "w").close()
        for make in (os.symlink, os.link):
            os.unlink(d.sandbox + "/stdout")
            make(precious, d.sandbox + "/stdout")
            told = d.run(sh("echo hello"))
            equal((told["kind"], told["step"]), (FAILED, "open stdout and stderr in the sandbox"), "failure")
        equal(os.path.getsize(precious), 0, "size of what the link points at")
        os.unlink(d.sandbox + "/stdout")
        os.mkfifo(d.sandbox + "/stdout")
        equal(d.run(sh("true"))["kind"], FAILED, "kind with a FIFO")


def test_a_program_reads_its_input_to_the_end():
    with Directory() as d:
        equal(d.run(["/bin/cat"], stdin=b"line\n" * 20000)["wait_status"], 0, "status")
        equal(len(d.output()), 100000, "bytes read")


def test_namespaces_of_the_plan_are_its_own():
    if not is_root():
        skip("only root may make namespaces")
    with Directory() as d:
        script = "readlink /proc/self/ns/uts /proc/self/ns/ipc /proc/self/ns/mnt; echo $$"
        host = [os.readlink("/proc/self/ns/" + n) for n in ("uts", "ipc", "mnt")]
        told = d.run(sh(script), unshare=[UTS, IPC, MOUNT, PID])
        if told["kind"] == FAILED and told.get("error") == 1:
            skip("no namespaces here: " + told["message"])
        equal(told.get("wait_status"), 0, "status")
        found = d.output().split()
        check(not set(host) & set(found[:3]), "shares %s" % (set(host) & set(found[:3])))
        equal(found[3], "2", "pid inside")


# Before the start

def test_nothing_starts_before_go():
    with Directory() as d:
        launcher = d.launch(sh("touch started"))
        hello = launcher.hello()
        equal((hello["state"], hello["pid"], hello["container_id"]), (WAITING, launcher.pid, "c1"), "hello")
        equal(launcher.reply(launcher.kill(signal.SIGTERM)), 3, "errno of a kill")
        equal(launcher.reply(launcher.status()), 0, "errno of a status")
        check("main_pid" not in launcher.hello(), "something runs")
        equal(os.listdir(d.sandbox), [], "files in the sandbox")


def assert_never_started(d, launcher):
    equal(launcher.wait(), 0, "exit status of the launcher")
    equal(launcher.record()["kind"], NEVER_STARTED, "kind")
    equal(os.listdir(d.sandbox), [], "files in the sandbox")


def test_an_agent_that_leaves_before_go_leaves_nothing_running():
    with Directory() as d:
        launcher = d.launch(sh("touch started"))
        launcher.hello()
        launcher.close()
        assert_never_started(d, launcher)


def test_a_release_or_a_stopped_scope_before_go_ends_it_too():
    with Directory() as d:
        launcher = d.launch(sh("touch started"))
        launcher.hello()
        launcher.release()
        equal(launcher.ended()["exit"]["kind"], NEVER_STARTED, "kind")
        assert_never_started(d, launcher)
        launcher = d.launch(sh("touch started"), container_id="c2")
        launcher.hello()
        os.kill(launcher.pid, signal.SIGTERM)
        assert_never_started(d, launcher)


def test_go_twice_starts_once():
    with Directory() as d:
        launcher = d.launch(sh("echo once; sleep 60"))
        launcher.hello()
        launcher.go()
        launcher.started()
        equal(launcher.reply(launcher.go()), 0, "errno")
        wait_until(d.output, "it says something")
        launcher.kill(signal.SIGKILL)
        launcher.ended()
        equal(d.output(), "once\n", "output")


def test_a_bad_plan_is_refused_without_a_start():
    with Directory() as d:
        for plan in ({"version": 99}, {"cwd": "relative"}, {"environment": ["NOVALUE"]}, {"seal": False}):
            launcher = d.launch(sh("touch started"), **plan)
            check(launcher.event() is None, "it says hello")
            check(launcher.wait() != 0, "it ends well")
        equal(os.listdir(d.sandbox), [], "files in the sandbox")


def test_a_hostile_confinement_is_refused_before_anything_is_done():
    hostile = (
        field(1, field(1, "cgroup.procs") + field(2, "0")),
        field(10, 99),
        field(10, MOUNT) + field(11, mount_message("../etc/hosts", "hosts", below="/", source_below="/", flags=BIND)),
        field(12, "/"),    # without a mount namespace
        field(20, field(1, "/bin/touch") + field(2, "br0") + field(3, "10.0.0.1/8") + field(4, "hf0") + field(5, "10.0.0.2/8")),
        field(21, field(1, "../../stolen") + field(2, b"x")),
        field(32, b"1234567"),
        field(33, field(1, 99) + field(2, 0) + field(3, 0)),
    )
    with Directory() as d:
        before = sorted(os.listdir(d.path))
        for confinement in hostile:
            launcher = d.launch(sh("touch started"), confinement=confinement, version=2)
            check(launcher.event() is None, "it says hello to %r" % confinement)
            check(launcher.wait() != 0, "it ends well")
            equal(sorted(os.listdir(d.path)), before, "files beside the sandbox after %r" % confinement)
        equal(os.listdir(d.sandbox), [], "files in the sandbox")


# The agent goes and comes

def test_an_agent_that_comes_back_finds_its_container_and_hears_the_end():
    with Directory() as d:
        os.mkfifo(d.path + "/fifo")
        launcher = launch_and_go(d, sh("echo $$; read x < ../fifo; exit 7"))
        launcher.close()
        again = launcher.connect()
        hello = again.hello()
        equal((hello["state"], hello["pid"]), (RUNNING, launcher.pid), "hello")
        equal(str(hello["main_pid"]), wait_file(d.sandbox + "/stdout").strip(), "main pid")
        with open(d.path + "/fifo", "w") as f:
            f.write("\n")
        equal(again.ended()["exit"]["wait_status"], 7 << 8, "status")
        launcher.wait()


def test_an_end_that_nobody_hears_is_in_the_record():
    with Directory() as d:
        os.mkfifo(d.path + "/fifo")
        launcher = launch_and_go(d, sh("read x < ../fifo; exit 7"))
        launcher.close()
        with open(d.path + "/fifo", "w") as f:
            f.write("\n")
        equal(launcher.wait(), 0, "exit status of the launcher")
        equal(launcher.record()["wait_status"], 7 << 8, "status")


def test_the_newest_connection_wins():
    with Directory() as d:
        launcher = launch_and_go(d, sh("sleep 60"))
        second = launcher.connect()
        equal(second.hello()["state"], RUNNING, "state")
        check(launcher.event() is None, "the first connection lives on")
        second.kill(signal.SIGKILL)
        equal(second.ended()["exit"]["wait_status"], 9, "status")


def test_garbage_from_an_agent_is_the_end_of_its_connection_only():
    with Directory() as d:
        launcher = launch_and_go(d, sh("sleep 60"))
        launcher.sock.send(b"\xff" * 50)
        check(launcher.event() is None, "garbage is answered")
        again = launcher.connect()
        equal(again.hello()["state"], RUNNING, "state")
        again.sock.send(field(1, 77) + field(99, b"from the future"))
        equal(again.reply(77), 95, "errno of an unknown request")
        equal(again.reply(again.kill(99)), 22, "errno of an unknown signal")
        again.kill(signal.SIGKILL)
        again.ended()


def test_strangers_may_not_connect():
    if not is_root():
        skip("only root can try as somebody else")
    with Directory() as d:
        launcher = launch_and_go(d, sh("sleep 60"))
        equal(os.stat(launcher.runtime_dir).st_mode & 0o777, 0o700, "mode of the directory")
        equal(os.stat(launcher.runtime_dir + "/launcher.sock").st_mode & 0o777, 0o700, "mode of the socket")
        # Even if the directory let them.
        for directory in (launcher.runtime_dir, os.path.dirname(launcher.runtime_dir), d.path + "/run"):
            os.chmod(directory, 0o755)
        os.chmod(launcher.runtime_dir + "/launcher.sock", 0o777)
        code = ("import os, socket; os.setresuid(65534, 65534, 65534)\n"
                "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect('%s/launcher.sock')\n"
                "s.settimeout(10)\n"
                "try: print(s.recv(100))\n"
                "except ConnectionResetError: print(b'')" % launcher.runtime_dir)
        equal(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout, b"b''\n", "answer")
        launcher.kill(signal.SIGKILL)
        launcher.ended()


# Killing

def test_a_signal_reaches_all_or_only_the_main_process():
    child = "(trap 'echo child; : > told' TERM; echo up; while :; do sleep 0.05; done) & "
    with Directory() as d:
        # The end of the main process is the end of the others, so it waits for what the child has to say.
        launcher = launch_and_go(d, sh("trap 'while ! [ -e told ]; do sleep 0.01; done; echo main; exit 0' TERM\n" +
                                       child + "echo up; while :; do sleep 0.05; done"))
        wait_until(lambda: d.output() == "up\nup\n", "both are up")
        equal(launcher.reply(launcher.kill(signal.SIGTERM)), 0, "errno")
        equal(launcher.ended()["exit"]["wait_status"], 0, "status")
        equal(d.output(), "up\nup\nchild\nmain\n", "output")

        os.unlink(d.sandbox + "/stdout")
        launcher = launch_and_go(d, sh("trap 'echo main; exit 0' TERM\n" +
                                       child + "echo up; while :; do sleep 0.05; done"), container_id="c2")
        wait_until(lambda: d.output() == "up\nup\n", "both are up")
        launcher.kill(signal.SIGTERM, main_only=True)
        launcher.ended()
        equal(d.output(), "up\nup\nmain\n", "output")


def test_daemons_do_not_outlive_their_container():
    with Directory() as d:
        script = ("(setsid sh -c 'trap \"\" TERM HUP; sleep 1000 & echo $$ > daemon; sleep 1000' &)\n"
                  "while ! [ -s daemon ]; do sleep 0.01; done; exit 3")
        launcher = launch_and_go(d, sh(script))
        pid = int(wait_file(d.sandbox + "/daemon"))
        equal(launcher.ended()["exit"]["wait_status"], 3 << 8, "status")
        launcher.wait()
        check(not is_alive(pid), "the daemon lives")
        equal([n for n in descendants().values() if n == "sleep"], [], "left behind")


def test_a_fork_bomb_ends_with_its_container():
    if not is_root():
        skip("only root can run it as a user with a limit of its own")
    with Directory() as d:
        os.chown(d.sandbox, BOMBER, BOMBER)
        script = "b() { (sleep 0.02; b) 2>/dev/null & (sleep 0.02; b) 2>/dev/null & }; b; sleep 0.3; exit 0"
        launcher = launch_and_go(d, sh(script), uid=BOMBER, gid=BOMBER, rlimits=[(resource.RLIMIT_NPROC, 100, 100)])
        ended = launcher.ended()
        check(not ended["left_behind"], "something was left behind")
        launcher.wait()
        equal([n for n in descendants().values() if n in ("sh", "sleep")], [], "left behind")


def test_a_launcher_that_is_killed_takes_its_child_along():
    with Directory() as d:
        launcher = launch_and_go(d, sh("echo $$; exec sleep 1000"))
        pid = int(wait_file(d.sandbox + "/stdout"))
        launcher.kill9()
        wait_until(has_ended(pid), "the child dies")
        check(not os.path.exists(launcher.record_path), "there is a record that nobody can have written")
        reap_orphans()


def test_a_stopped_scope_leaves_the_command_its_time():
    with Directory() as d:
        launcher = launch_and_go(d, sh("trap 'sleep 0.3; exit 6' TERM; echo up; while :; do sleep 0.05; done"))
        wait_file(d.sandbox + "/stdout")
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGPIPE):
            os.kill(launcher.pid, number)
        launcher.status()
        equal(launcher.hello()["state"], RUNNING, "state")
        launcher.kill(signal.SIGTERM)
        equal(launcher.ended()["exit"]["wait_status"], 6 << 8, "status")


# Fetching

def fetcher(script, stdin=b"input"):
    return command_message([SH, "-c", script], ["PATH=/bin:/usr/bin"], stdin=stdin)


def test_the_fetcher_runs_first_as_the_user_and_in_the_sandbox():
    with Directory() as d:
        uid = NOBODY if is_root() else os.getuid()
        gid = NOBODY if is_root() else os.getgid()
        os.chown(d.sandbox, uid, gid)
        told = d.run(sh("cat fetched; echo main"), uid=uid, gid=gid,
                     fetcher=fetcher("id -u; pwd; cat > fetched; echo fetching >&2"))
        equal(told.get("wait_status"), 0, "status (%s)" % told.get("message"))
        equal(d.output(), "%d\n%s\ninputmain\n" % (uid, d.sandbox), "output")
        equal(d.output("stderr"), "fetching\n", "error output")


def test_a_failed_fetch_is_told_as_frameworks_know_it():
    with Directory() as d:
        told = d.run(sh("touch started"), fetcher=fetcher("exit 1"))
        equal((told["kind"], told["step"], told["wait_status"]), (FAILED, "fetch", 1 << 8), "failure")
        equal(told["message"], "Failed to fetch all URIs for container 'c1': exited with status 1", "message")
        told = d.run(sh("touch started"), fetcher=fetcher("kill -9 $$"))
        equal(told["message"], "Failed to fetch all URIs for container 'c1': terminated with signal Killed", "message")
        told = d.run(sh("touch started"), fetcher=command_message(["/no/fetcher"]))
        equal(told["message"], "Failed to execute '/no/fetcher': No such file or directory", "message")
        check(not os.path.exists(d.sandbox + "/started"), "the command ran all the same")


def test_a_command_runs_in_the_cgroup_that_its_fetcher_was_in():
    with Cgroup() as cgroup, Directory() as d:
        fetcher = command_message([SH, "-c", "setsid sleep 60 & exit 0"])
        launcher = launch_and_go(d, sh("cat /proc/self/cgroup; exit 5"), cgroup=cgroup.path, fetcher=fetcher)
        equal(launcher.ended()["exit"]["wait_status"], 5 << 8, "status")
        check("0::%s/payload/main\n" % cgroup.path in d.output(), d.output())


def test_what_a_fetcher_leaves_behind_does_not_run_beside_the_command():
    with Directory() as d:
        script = "setsid sleep 1000 & echo $! > left"
        launcher = d.launch(sh("sleep 60"), fetcher=fetcher(script))
        launcher.hello()
        launcher.go()
        launcher.started()
        wait_until(has_ended(int(wait_file(d.sandbox + "/left"))), "it ends")
        launcher.kill(signal.SIGKILL)
        launcher.ended()


def test_a_kill_while_fetching_ends_the_launch():
    with Directory() as d:
        launcher = d.launch(sh("touch started"), fetcher=fetcher("echo up; sleep 60"))
        launcher.hello()
        launcher.go()
        wait_file(d.sandbox + "/stdout")
        launcher.status()
        equal(launcher.hello()["state"], FETCHING, "state")
        launcher.kill(signal.SIGKILL)
        equal(launcher.ended()["exit"]["kind"], FAILED, "kind")


# The record

def test_a_record_that_cannot_be_written_is_said_to_be_unrecorded_and_kept():
    with Directory() as d:
        path = d.path + "/late/c1"
        launcher = d.launch(sh("exit 7"), record_path=path)
        launcher.hello()
        launcher.go()
        launcher.started()
        ended = launcher.ended()
        equal((ended["exit"]["wait_status"], ended["recorded"]), (7 << 8, 0), "end")
        again = launcher.connect()
        hello = again.hello()
        equal((hello["exit"]["wait_status"], hello["exit_recorded"]), (7 << 8, 0), "hello")
        os.mkdir(d.path + "/late")
        equal(launcher.wait(), 0, "exit status of the launcher")
        launcher.record_path = path
        equal(launcher.record()["wait_status"], 7 << 8, "status")


def test_an_agent_that_has_the_record_safe_lets_the_launcher_go():
    with Directory() as d:
        launcher = d.launch(sh("exit 7"), record_path=d.path + "/never/c1")
        launcher.hello()
        launcher.go()
        launcher.started()
        equal(launcher.ended()["recorded"], 0, "recorded")
        launcher.release()
        equal(launcher.wait(), 0, "exit status of the launcher")


def test_a_stopped_scope_ends_the_wait_for_a_disk():
    with Directory() as d:
        launcher = launch_and_go(d, sh("exit 7"), record_path=d.path + "/never/c1")
        equal(launcher.ended()["recorded"], 0, "recorded")
        os.kill(launcher.pid, signal.SIGTERM)
        equal(launcher.wait(), 0, "exit status of the launcher")


def test_nothing_that_never_started_waits_for_a_disk():
    with Directory() as d:
        launcher = d.launch(sh("touch started"), record_path=d.path + "/never/c1")
        launcher.hello()
        launcher.close()
        equal(launcher.wait(), 0, "exit status of the launcher")


# In a cgroup

def test_the_container_and_its_launcher_have_their_own_cgroups():
    with Cgroup() as cgroup, Directory() as d:
        launcher = d.launch(sh("echo $$; sleep 60 & cat /proc/self/cgroup; wait"))
        launcher.hello()
        launcher.go(cgroup.path)
        pid = launcher.started()["pid"]
        equal(cgroup.procs("supervisor"), [launcher.pid], "supervisor")
        wait_until(lambda: len(cgroup.procs("payload/main")) == 2, "the payload runs")
        check(pid in cgroup.procs("payload/main"), "main process elsewhere")
        equal((cgroup.procs(""), cgroup.procs("payload")), ([], []), "processes between")
        check("0::%s/payload/main" % cgroup.path in d.output(), d.output())
        equal(launcher.reply(launcher.kill(signal.SIGTERM)), 0, "errno")
        ended = launcher.ended()
        equal((ended["exit"]["wait_status"], ended["left_behind"]), (15, 0), "end")
        launcher.wait()
        check(not os.path.exists(cgroup.directory + "/payload"), "payload is left")


def test_settings_are_made_before_anything_runs_and_changed_while_it_does():
    with Cgroup() as cgroup, Directory() as d:
        launcher = d.launch(sh("sleep 60"), cgroup=[("cgroup.max.descendants", "100")], version=2)
        launcher.hello()
        equal(launcher.reply(launcher.update([("cgroup.max.descendants", "50")])), errno.ESRCH, "errno before the start")
        launcher.go(cgroup.path)
        launcher.started()
        equal(cgroup.read("payload/cgroup.max.descendants"), "100", "at the start")

        equal(launcher.reply(launcher.update([("cgroup.max.descendants", "50")])), 0, "errno of an update")
        equal(cgroup.read("payload/cgroup.max.descendants"), "50", "after an update")
        equal(launcher.reply(launcher.update([("cgroup.max.descendants", "20")], raise_only=True)), 0, "errno")
        equal(cgroup.read("payload/cgroup.max.descendants"), "50", "what is only raised")
        equal(launcher.reply(launcher.update([("cgroup.max.descendants", "max")], raise_only=True)), 0, "errno")
        equal(cgroup.read("payload/cgroup.max.descendants"), "max", "what is raised")
        equal(launcher.reply(launcher.update([("cgroup.max.nothing", "1")])), errno.ENOENT, "errno without the file")
        equal(launcher.reply(launcher.update([("../cgroup.procs", "1")])), errno.EINVAL, "errno outside of the cgroup")
        launcher.kill(signal.SIGKILL)
        launcher.ended()


def test_a_setting_that_cannot_be_made_ends_the_launch_and_is_named():
    with Cgroup() as cgroup, Directory() as d:
        launcher = d.launch(sh("true"), cgroup=[("cgroup.max.descendants", "many")], version=2)
        launcher.hello()
        launcher.go(cgroup.path)
        record = launcher.ended()["exit"]
        equal(record["kind"], FAILED, "kind")
        equal(record["step"], "set cgroup.max.descendants of the container's cgroup to 'many'", "step")
        launcher.wait()
        check(not os.path.exists(cgroup.directory + "/payload"), "payload is left")


def bpf(*instructions):
    """(code, registers, offset, immediate) each; the plan's field of a device program."""
    return field(2, b"".join(struct.pack("<BBhi", *i) for i in instructions))


BPF_RETURN_0 = ((0xb7, 0, 0, 0), (0x95, 0, 0, 0))


def test_a_device_program_holds_from_the_first_process_on():
    if not is_root():
        skip("device programs are loaded by root")
    with Cgroup() as cgroup, Directory() as d:
        launcher = d.launch(sh("echo out; echo lost > /dev/null; echo $?"), confinement=bpf(*BPF_RETURN_0), version=2)
        launcher.hello()
        launcher.go(cgroup.path)
        launcher.started()
        equal(launcher.ended()["exit"]["wait_status"], 0, "status")
        # dash says 2, others 1.
        check(d.output() in ("out\n2\n", "out\n1\n"), "/dev/null was opened: " + d.output())


def test_a_device_program_that_the_kernel_refuses_ends_the_launch():
    loop_without_end = ((0x05, 0, -1, 0), (0x95, 0, 0, 0))
    for program_bytes, cgroup_wanted in ((bpf(*loop_without_end), True), (bpf(*BPF_RETURN_0), False)):
        with Cgroup() as cgroup, Directory() as d:
            launcher = d.launch(sh("true"), confinement=program_bytes, version=2)
            launcher.hello()
            launcher.go(cgroup.path if cgroup_wanted else None)
            record = launcher.ended()["exit"]
            equal((record["kind"], record["step"]), (FAILED, "restrict the container's devices"), "kind and step")
            launcher.wait()


def test_bytes_that_are_no_device_program_are_refused_with_the_plan():
    with Directory() as d:
        for n in (0, 7, 8 * 4097):
            result = dry_run(d.plan(sh("true"), confinement=field(2, b"x" * n), version=2))
            check(result.returncode != 0 and b"no program for devices" in result.stderr, "%d: %r" % (n, result.stderr))
        result = dry_run(d.plan(sh("true"), confinement=bpf(*BPF_RETURN_0), version=2))
        check(b"devices         by a program of 2 instructions" in result.stdout, result.stdout.decode())


def test_a_signal_reaches_also_those_who_fork_away_from_it():
    # Each goes on in a child of its own, over and over, until one of them is hit.
    runner = "import os, sys\n" \
             "open('ready-%s' % sys.argv[1], 'w').close()\n" \
             "while True:\n" \
             "    if os.fork():\n" \
             "        os._exit(0)\n"
    with Cgroup() as cgroup, Directory() as d:
        with open(d.sandbox + "/runner.py", "w") as f:
            f.write(runner)
        launcher = d.launch(sh("trap : TERM; for n in $(seq 40); do %s runner.py $n & done; while :; do read line <gate; done"
                               % sys.executable))
        os.mkfifo(d.sandbox + "/gate")
        launcher.hello()
        launcher.go(cgroup.path)
        main_pid = launcher.started()["pid"]
        wait_until(lambda: all(os.path.exists("%s/ready-%d" % (d.sandbox, n)) for n in range(1, 41)), "they run")
        equal(launcher.reply(launcher.kill(signal.SIGTERM)), 0, "errno")
        wait_until(lambda: cgroup.procs("payload/main") == [main_pid], "none is left to fork")
        equal(cgroup.read("payload/cgroup.freeze"), "0", "frozen")
        launcher.kill(signal.SIGKILL)
        launcher.ended()


def test_in_a_cgroup_too_nothing_outlives_the_command():
    with Cgroup() as cgroup, Directory() as d:
        launcher = d.launch(sh("for i in 1 2 3 4 5 6 7 8; do setsid sh -c 'trap \"\" TERM; sleep 1000' & done; exit 3"))
        launcher.hello()
        launcher.go(cgroup.path)
        launcher.started()
        equal(launcher.ended()["exit"]["wait_status"], 3 << 8, "status")
        launcher.wait()
        check(not os.path.exists(cgroup.directory + "/payload"), "payload is left")
        check(cgroup.is_empty(), "something is left")


def test_what_moves_itself_out_of_its_cgroup_is_killed_all_the_same():
    with Cgroup() as cgroup, Directory() as d:
        os.mkdir(cgroup.directory + "/aside")
        script = "setsid sleep 1000 & echo $! > %s/aside/cgroup.procs; exit 3" % cgroup.directory
        launcher = d.launch(sh(script))
        launcher.hello()
        launcher.go(cgroup.path)
        launcher.started()
        ended = launcher.ended()
        equal((ended["exit"]["wait_status"], ended["left_behind"]), (3 << 8, 0), "end")
        equal(cgroup.procs("aside"), [], "processes that got away")


def test_a_cgroup_that_is_not_there_is_a_failure_that_says_so():
    with Directory() as d:
        launcher = d.launch(sh("touch started"))
        launcher.hello()
        launcher.go("/no/such/cgroup")
        told = launcher.ended()["exit"]
        equal((told["kind"], told["step"]), (FAILED, "prepare the cgroup"), "failure")
        equal(os.listdir(d.sandbox), [], "files in the sandbox")


# By hand, and for months

def test_a_plan_is_shown_without_letting_it_write_to_the_terminal():
    with Directory() as d:
        shown = dry_run(d.plan(["/bin/echo", "a\x1b[2J"], environment=["A=b"], fetcher=fetcher("true"), uid=0, gid=0))
        equal(shown.returncode, 0, "exit status")
        text = shown.stdout.decode()
        for line in ("container       'c1'", "run             '/bin/echo'", "  argument      'a\\x1b[2J'",
                     "  environment   'A=b'", "  input         5 bytes", "umask           0022"):
            check(line in text, "'%s' is not in:\n%s" % (line, text))
        check(dry_run(b"\xff\xff").returncode != 0, "garbage is shown")


def test_help_and_version_are_answered_and_the_rest_refused():
    launcher = program("holdfast-launcher")
    for option in ("--help", "--version"):
        equal(subprocess.run([launcher, option], capture_output=True, check=False).returncode, 0, option)
    for arguments in ([], ["--nonsense"], ["a", "b"]):
        check(subprocess.run([launcher, *arguments], capture_output=True, check=False,
                             stdin=subprocess.DEVNULL).returncode != 0, "%r is taken" % arguments)


def test_a_launcher_is_small_while_its_task_runs():
    if not is_root():
        skip("only root may look")
    if not is_small_build():
        skip("with sanitizers nothing is small")
    with Directory() as d:
        launchers = [launch_and_go(d, sh("sleep 60"), container_id="m%d" % i, environment=["X=" + "x" * 100000])
                     for i in range(4)]
        wait_until(lambda: pss_kib(launchers[0].pid) <= 300, "the launcher is at most 300 KiB")
        print("    PSS of a launcher beside three others: %d KiB" % pss_kib(launchers[0].pid))
        for launcher in launchers:
            launcher.kill(signal.SIGKILL)
            launcher.ended()


if __name__ == "__main__":
    become_reaper()
    main()
