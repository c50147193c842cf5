# SPDX-License-Identifier: Apache-2.0
"""holdfast-launcher with hand-written plans that have namespaces."""

import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import (become_reaper, check, descendants, equal, is_alive, main, program,  # noqa: E402
                     skip, wait_until)
from launcher import (EXITED, FAILED, MOUNT, PID, Directory, command_message, is_small_build,  # noqa: E402
                      pss_kib, sh)

NOBODY = 65534
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable


def need_root():
    if os.geteuid() != 0:
        skip("only root may make namespaces")


def launch_and_go(d, argv, **plan):
    launcher = d.launch(argv, **plan)
    launcher.hello()
    launcher.go()
    return launcher, launcher.started()["pid"]


def said(d, pattern):
    """What the container printed, once it matches."""
    wait_until(lambda: os.path.exists(d.sandbox + "/stdout") and re.search(pattern, d.output()), "it says " + pattern)
    return re.search(pattern, d.output()).group(1)


def status_of(pid, key):
    with open("/proc/%d/status" % pid) as f:
        return next(line.split(None, 1)[1].strip() for line in f if line.startswith(key + ":"))


# The init

def test_a_command_below_an_init_ends_as_it_ends():
    need_root()
    with Directory() as d:
        for i, (script, status) in enumerate((
                ("exit 0", 0), ("exit 7", 7 << 8), ("exit 255", 255 << 8), ("kill -9 $$", 9), ("kill -15 $$", 15),
                ("ulimit -c 0; kill -SEGV $$", 11), ("no-such-program", 127 << 8))):
            told = d.run(sh(script), container_id="c%d" % i, unshare=[MOUNT, PID])
            equal((told["kind"], told.get("wait_status")), (EXITED, status), "the end of %r" % script)
            equal(d.launchers[-1].record(), told, "the record")


def test_a_command_that_cannot_be_executed_below_an_init_is_named():
    need_root()
    with Directory() as d:
        told = d.run(["/no/such/program"], unshare=[MOUNT, PID])
        equal((told["kind"], told["step"], told["error"]), (FAILED, "execute", 2), "the failure")


def test_process_1_is_the_init_and_the_command_a_child_of_it():
    need_root()
    with Directory() as d:
        script = "echo pid $$ parent $PPID; cat /proc/1/comm; ls /proc | grep -c '^[0-9]'"
        equal(d.run(sh(script), unshare=[MOUNT, PID])["wait_status"], 0, "status")
        found = d.output().split("\n")
        equal(found[:2], ["pid 2 parent 1", "holdfast-init"], "processes")
        check(int(found[2]) <= 5, "the host's processes are seen: " + found[2])


def test_signals_reach_the_command_through_the_init():
    need_root()
    with Directory() as d:
        for name in ("TERM", "INT", "HUP", "USR1", "WINCH", "QUIT"):
            cid = "c" + name
            script = "trap 'exit 42' %s; echo ready %s; while :; do sleep 0.05; done" % (name, cid)
            launcher, _ = launch_and_go(d, sh(script), container_id=cid, unshare=[MOUNT, PID])
            said(d, "(ready %s)" % cid)
            equal(launcher.reply(launcher.kill(getattr(signal, "SIG" + name), main_only=True)), 0, "errno")
            equal(launcher.ended()["exit"]["wait_status"], 42 << 8, "the end by SIG" + name)


def test_a_command_that_handles_no_signal_dies_of_it():
    need_root()
    with Directory() as d:
        for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGKILL):
            cid = "c%d" % number
            launcher, _ = launch_and_go(d, sh("echo ready %s; exec sleep 60" % cid), container_id=cid,
                                        unshare=[MOUNT, PID])
            said(d, "(ready %s)" % cid)
            launcher.kill(number, main_only=True)
            equal(launcher.ended()["exit"]["wait_status"], int(number), "the end by %s" % number)


def test_a_command_of_another_user_is_signalled_too():
    need_root()
    with Directory() as d:
        os.chown(d.sandbox, NOBODY, NOBODY)
        launcher, _ = launch_and_go(d, sh("echo ready x; exec sleep 60"), uid=NOBODY, gid=NOBODY, unshare=[MOUNT, PID])
        said(d, "(ready x)")
        launcher.kill(signal.SIGTERM, main_only=True)
        equal(launcher.ended()["exit"]["wait_status"], signal.SIGTERM, "the end")


ORPHANS = """
import os, sys, time
for i in range(300):
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(0.05 if i % 2 else 0)
            os._exit(0)
        os._exit(0)
for i in range(300):
    os.wait()
def others():
    return [p for p in os.listdir("/proc") if p.isdigit() and int(p) not in (1, os.getpid())]
for i in range(200):
    if not others():
        sys.exit(0)
    time.sleep(0.05)
print(others(), [open("/proc/%s/stat" % p).read() for p in others()][:3])
sys.exit(1)
"""


def test_orphans_are_reaped():
    need_root()
    with Directory() as d:
        told = d.run([PYTHON, "-c", ORPHANS], unshare=[MOUNT, PID])
        equal(told["wait_status"], 0, "zombies: " + d.output())


def test_daemons_end_with_the_command():
    need_root()
    with Directory() as d:
        os.mkfifo(d.path + "/fifo")
        script = "setsid sh -c 'sleep 300 & sleep 300 & echo ready 1; wait' & read x < ../fifo; exit 3"
        launcher, pid = launch_and_go(d, sh(script), unshare=[MOUNT, PID])
        said(d, "(ready [0-9]+)")
        inside = descendants(pid)
        check(len(inside) >= 4, "processes: %s" % inside)
        with open(d.path + "/fifo", "w") as f:
            f.write("\n")
        equal(launcher.ended()["exit"]["wait_status"], 3 << 8, "status")
        launcher.wait()
        check(not any(is_alive(p) for p in (pid, *inside)), "something lives")


def test_kill_9_of_the_launcher_leaves_nothing():
    need_root()
    with Directory() as d:
        script = "setsid sh -c 'sleep 300 & sleep 300' & sleep 300 & echo ready x; sleep 300"
        launcher, pid = launch_and_go(d, sh(script), unshare=[MOUNT, PID])
        said(d, "(ready x)")
        inside = [pid, *descendants(pid)]
        check(len(inside) >= 5, "processes: %s" % inside)
        launcher.kill9()
        wait_until(lambda: not any(is_alive(p) for p in inside), "all end")


def test_kill_9_of_the_init_is_the_end_by_signal_9():
    need_root()
    with Directory() as d:
        launcher, pid = launch_and_go(d, sh("echo ready x; sleep 300"), unshare=[MOUNT, PID])
        said(d, "(ready x)")
        os.kill(pid, signal.SIGKILL)
        equal(launcher.ended()["exit"]["wait_status"], signal.SIGKILL, "the end")


def test_the_init_cannot_be_killed_stopped_or_read_from_inside():
    need_root()
    with Directory() as d:
        os.chown(d.sandbox, NOBODY, NOBODY)
        script = ("for s in KILL STOP TERM SEGV 64; do kill -$s 1 2>/dev/null; done; "
                  "for f in root cwd exe fd/3 mem maps environ; do cat /proc/1/$f 2>/dev/null | head -c 1; "
                  "readlink /proc/1/$f; done; ls /proc/1/fd 2>/dev/null; echo alive; exit 5")
        told = d.run(sh(script), uid=NOBODY, gid=NOBODY, unshare=[MOUNT, PID])
        equal((told["wait_status"], d.output()), (5 << 8, "alive\n"), "the end, and what is seen")
        os.unlink(d.sandbox + "/stdout")
        # Root passes signals on to itself by way of the init, and dies of them: but not the init.
        told = d.run(sh("trap '' TERM; kill -KILL 1; kill -STOP 1; kill -TERM 1; sleep 0.1; exit 6"),
                     container_id="c2", unshare=[MOUNT, PID])
        equal(told["wait_status"], 6 << 8, "the end")


def test_the_init_holds_next_to_nothing():
    need_root()
    with Directory() as d:
        launcher, pid = launch_and_go(d, sh("echo ready x; sleep 300"), unshare=[MOUNT, PID],
                                      environment=["SECRET=" + "x" * 100000])
        said(d, "(ready x)")
        # Its first acts run beside the command's.
        wait_until(lambda: status_of(pid, "CapEff") == "%016x" % (1 << 5), "it has CAP_KILL and no other")
        equal(len(os.listdir("/proc/%d/fd" % pid)), 1, "descriptors")
        equal((os.readlink("/proc/%d/cwd" % pid), status_of(pid, "NoNewPrivs")), ("/", "1"), "directory and rights")
        with open("/proc/%d/maps" % pid) as f:
            heap = next(line for line in f if line.endswith("[heap]\n"))
        start, end = (int(n, 16) for n in heap.split()[0].split("-"))
        with open("/proc/%d/mem" % pid, "rb") as f:
            f.seek(start)
            check(b"xxxx" not in f.read(end - start), "it knows the command's environment")
        if is_small_build():
            print("    PSS of an init: %d KiB, of its launcher: %d KiB" % (pss_kib(pid), pss_kib(launcher.pid)))
            check(pss_kib(pid) <= 150, "an init of %d KiB" % pss_kib(pid))
        launcher.kill(signal.SIGKILL)


def test_a_fetcher_has_an_init_of_its_own_before_the_command():
    need_root()
    with Directory() as d:
        fetcher = command_message(["/bin/sh", "-c", "echo fetched as $$ >&2; sleep 300 &"])
        told = d.run(sh("echo then $$; exit 4"), fetcher=fetcher, unshare=[MOUNT, PID])
        equal((told["wait_status"], d.output(), d.output("stderr")), (4 << 8, "then 2\n", "fetched as 2\n"), "both")
        told = d.run(sh("true"), container_id="c2", fetcher=command_message(["/bin/sh", "-c", "exit 9"]),
                     unshare=[MOUNT, PID])
        equal((told["step"], told["wait_status"]), ("fetch", 9 << 8), "a fetcher that fails")


if __name__ == "__main__":
    become_reaper()
    main()
