# SPDX-License-Identifier: Apache-2.0
"""What holdfast-launcher keeps of its own rights once the command runs, and that it can still do its work."""

import errno
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import become_reaper, check, equal, main, program, reap_orphans, skip, wait_until  # noqa: E402
from launcher import RUNNING, Directory, command_message, has_ended                             # noqa: E402

NOBODY = 65534
CAP_KILL = 1 << 5
CAP_SYS_PTRACE = 1 << 19
AS_NOBODY = "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)"


def sh(script):
    return ["/bin/sh", "-c", script]


def need_root():
    if os.geteuid() != 0:
        skip("only root has rights to give up")


def has_sanitizers():
    return b"libasan" in subprocess.run(["ldd", program("holdfast-launcher")], capture_output=True, check=True).stdout


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def rights(pid):
    s = status(pid)
    return {name: int(s[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}


def is_confined(launcher):
    return lambda: status(launcher.pid)["NoNewPrivs"] == "1" and (has_sanitizers() or
                                                                  status(launcher.pid)["Seccomp"] == "2")


def launch_confined(d, argv, **plan):
    launcher = d.launch(argv, **plan)
    launcher.hello()
    launcher.go()
    launcher.started()
    wait_until(is_confined(launcher), "the launcher confines itself")
    return launcher


def is_empty(cgroup):
    reap_orphans()
    with open(cgroup + "/cgroup.events") as f:
        return "populated 0" in f.read()


def test_roots_launcher_keeps_the_right_to_signal_and_nothing_else():
    need_root()
    with Directory() as d:
        waiting = d.launch(sh("sleep 60"), container_id="waiting")
        waiting.hello()
        check(rights(waiting.pid)["CapEff"] & 1 << 21, "a launcher that is to start something has no rights")
        equal(status(waiting.pid)["Seccomp"], "0", "filter before the start")

        launcher = launch_confined(d, sh("sleep 60"))
        equal(rights(launcher.pid), {"CapInh": 0, "CapPrm": CAP_KILL, "CapEff": CAP_KILL, "CapBnd": 0, "CapAmb": 0},
              "rights")


def test_what_it_gave_up_its_container_has_all_the_same():
    need_root()
    with Directory() as d:
        script = "sleep 0.2; grep -E 'Cap(Eff|Bnd)|NoNew|Seccomp:' /proc/self/status"
        told = d.run(sh(script), fetcher=command_message(sh("true"), ["PATH=/bin:/usr/bin"]))
        equal(told["wait_status"], 0, "status")
        own = status(os.getpid())
        seen = dict(line.split(":\t") for line in d.output().splitlines())
        equal(seen, {name: own[name] for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}, "the command's")


def test_launchers_of_others_give_up_what_they_can():
    need_root()
    with Directory() as d:
        for name in ("", "/exits", "/sandbox"):
            os.chown(d.path + name, NOBODY, NOBODY)
        launcher = launch_confined(d, sh("sleep 60"), uid=NOBODY, gid=NOBODY, spawner=AS_NOBODY)
        equal(rights(launcher.pid)["CapPrm"], 0, "rights")
        launcher.kill(signal.SIGKILL)
        equal(launcher.ended()["exit"]["wait_status"], signal.SIGKILL, "status")


def test_confined_it_signals_other_users_and_accepts_agents_and_writes_its_record():
    need_root()
    with Directory() as d:
        os.chown(d.sandbox, NOBODY, NOBODY)
        script = "trap 'echo hup' HUP; echo up; setsid sleep 1000 & while :; do sleep 0.02; done"
        launcher = launch_confined(d, sh(script), uid=NOBODY, gid=NOBODY)
        wait_until(lambda: "up" in d.output(), "the command is up")
        equal(launcher.reply(launcher.kill(signal.SIGHUP, main_only=True)), 0, "errno of a signal to the command")
        wait_until(lambda: "hup" in d.output(), "the signal arrives")
        for _ in range(3):
            again = launcher.connect()
            equal(again.hello()["state"], RUNNING, "state")
        equal(again.reply(again.update([("cgroup.max.depth", "1")])), errno.ENOENT, "errno of an update without cgroup")
        equal(again.reply(again.kill(signal.SIGHUP)), 0, "errno of a signal to all")
        again.kill(signal.SIGKILL)
        ended = again.ended()
        equal((ended["recorded"], ended["left_behind"]), (1, 0), "end")
        equal(launcher.wait(), 0, "exit status of the launcher")
        equal(launcher.record(), ended["exit"], "the record")
        check(not os.path.exists(launcher.runtime_dir), "the runtime directory is left")


# A /proc that shows others only to a group and to those who may trace them, in a mount namespace of the launcher's own.
HIDING = """import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for result in (libc.unshare(0x20000), libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None),
               libc.mount(b"proc", b"/proc", b"proc", 0, b"hidepid=2,gid=54321")):
    if result:
        sys.exit("%s" % os.strerror(ctypes.get_errno()))
"""


def test_where_proc_hides_the_container_its_processes_are_found_and_killed():
    need_root()
    with Directory() as d:
        os.chown(d.sandbox, NOBODY, NOBODY)
        script = "(setsid sh -c 'echo $$ > inner; exec sleep 1000') & echo up; exec sleep 1000"
        launcher = launch_confined(d, sh(script), uid=NOBODY, gid=NOBODY, spawner=HIDING)
        equal(rights(launcher.pid)["CapEff"], CAP_KILL | CAP_SYS_PTRACE, "rights")
        path = d.sandbox + "/inner"
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path), "both are up")
        with open(path) as f:
            inner = int(f.read())
        equal(launcher.reply(launcher.kill(signal.SIGKILL)), 0, "errno")
        equal(launcher.ended()["left_behind"], 0, "left behind")
        wait_until(has_ended(inner), "what has a session of its own ends")
        launcher.wait()


def test_a_record_behind_a_door_that_has_closed_is_written():
    need_root()
    with Directory() as d:
        home = d.path + "/home"
        os.makedirs(home + "/exits")
        launcher = launch_confined(d, sh("sleep 0.3; exit 7"), record_path=home + "/exits/c1")
        os.chown(home, NOBODY, NOBODY)
        os.chmod(home, 0o700)
        equal(launcher.ended()["recorded"], 1, "recorded")
        launcher.wait()
        launcher.record_path = home + "/exits/c1"
        equal(launcher.record()["wait_status"], 7 << 8, "status")


def test_a_barred_cgroup_is_killed_all_the_same():
    need_root()
    with open("/proc/self/mountinfo") as f:
        mounts = [line.split()[4] for line in f if " - cgroup2 " in line]
    if not mounts:
        skip("no cgroup2 hierarchy is mounted")
    path = "/holdfast-launcher-self-%d" % os.getpid()
    try:
        os.mkdir(mounts[0] + path)
    except OSError as e:
        skip("no cgroup of our own below %s: %s" % (mounts[0], e.strerror))
    payload = mounts[0] + path + "/payload"
    try:
        with Directory() as d:
            script = "chown 54321 %s/cgroup.kill; chmod 0 %s/cgroup.kill; echo barred; sleep 1000" % (payload, payload)
            launcher = d.launch(sh(script))
            launcher.hello()
            launcher.go(path)
            launcher.started()
            wait_until(is_confined(launcher), "the launcher confines itself")
            wait_until(lambda: "barred" in d.output(), "the way is barred")
            launcher.kill(signal.SIGKILL)
            ended = launcher.ended()
            equal((ended["exit"]["wait_status"], ended["left_behind"]), (signal.SIGKILL, 0), "end")
            launcher.wait()
            check(not os.path.exists(payload), "the cgroup is left")
    finally:
        with open(mounts[0] + path + "/cgroup.kill", "w") as f:
            f.write("1")
        wait_until(lambda: is_empty(mounts[0] + path), "the cgroup empties")
        for name in ("payload/main", "payload", "supervisor", ""):
            if os.path.isdir(os.path.join(mounts[0] + path, name)):
                os.rmdir(os.path.join(mounts[0] + path, name))


if __name__ == "__main__":
    become_reaper()
    main()
