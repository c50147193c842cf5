# SPDX-License-Identifier: Apache-2.0
"""holdfast-launcher with hand-written plans that have namespaces."""

import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import (become_reaper, check, descendants, equal, is_alive, main, program,  # noqa: E402
                     skip, wait_until)
from launcher import (BIND, EXITED, FAILED, IPC, MOUNT, NODEV, NOSUID, PID, PROC, RDONLY, REMOUNT, SHARED,  # noqa: E402
                      USER, Directory, command_message, is_small_build, mount_message, pss_kib, sh)

NOBODY = 65534
OWN_PIDS = {"unshare": [MOUNT, PID], "mounts": [PROC]}
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
            told = d.run(sh(script), container_id="c%d" % i, **OWN_PIDS)
            equal((told["kind"], told.get("wait_status")), (EXITED, status), "the end of %r" % script)
            equal(d.launchers[-1].record(), told, "the record")


def test_a_command_that_cannot_be_executed_below_an_init_is_named():
    need_root()
    with Directory() as d:
        told = d.run(["/no/such/program"], **OWN_PIDS)
        equal((told["kind"], told["step"], told["error"]), (FAILED, "execute", 2), "the failure")


def test_process_1_is_the_init_and_the_command_a_child_of_it():
    need_root()
    with Directory() as d:
        script = "echo pid $$ parent $PPID; cat /proc/1/comm; ls /proc | grep -c '^[0-9]'"
        equal(d.run(sh(script), **OWN_PIDS)["wait_status"], 0, "status")
        found = d.output().split("\n")
        equal(found[:2], ["pid 2 parent 1", "holdfast-init"], "processes")
        check(int(found[2]) <= 5, "the host's processes are seen: " + found[2])


def test_signals_reach_the_command_through_the_init():
    need_root()
    with Directory() as d:
        for name in ("TERM", "INT", "HUP", "USR1", "WINCH", "QUIT"):
            cid = "c" + name
            script = "trap 'exit 42' %s; echo ready %s; while :; do sleep 0.05; done" % (name, cid)
            launcher, _ = launch_and_go(d, sh(script), container_id=cid, **OWN_PIDS)
            said(d, "(ready %s)" % cid)
            equal(launcher.reply(launcher.kill(getattr(signal, "SIG" + name), main_only=True)), 0, "errno")
            equal(launcher.ended()["exit"]["wait_status"], 42 << 8, "the end by SIG" + name)


def test_a_command_that_handles_no_signal_dies_of_it():
    need_root()
    with Directory() as d:
        for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGKILL):
            cid = "c%d" % number
            launcher, _ = launch_and_go(d, sh("echo ready %s; exec sleep 60" % cid), container_id=cid,
                                        **OWN_PIDS)
            said(d, "(ready %s)" % cid)
            launcher.kill(number, main_only=True)
            equal(launcher.ended()["exit"]["wait_status"], int(number), "the end by %s" % number)


def test_a_command_of_another_user_is_signalled_too():
    need_root()
    with Directory() as d:
        os.chown(d.sandbox, NOBODY, NOBODY)
        launcher, _ = launch_and_go(d, sh("echo ready x; exec sleep 60"), uid=NOBODY, gid=NOBODY, **OWN_PIDS)
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
        told = d.run([PYTHON, "-c", ORPHANS], **OWN_PIDS)
        equal(told["wait_status"], 0, "zombies: " + d.output())


def test_daemons_end_with_the_command():
    need_root()
    with Directory() as d:
        os.mkfifo(d.path + "/fifo")
        script = "setsid sh -c 'sleep 300 & sleep 300 & echo ready 1; wait' & read x < ../fifo; exit 3"
        launcher, pid = launch_and_go(d, sh(script), **OWN_PIDS)
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
        launcher, pid = launch_and_go(d, sh(script), **OWN_PIDS)
        said(d, "(ready x)")
        inside = [pid, *descendants(pid)]
        check(len(inside) >= 5, "processes: %s" % inside)
        launcher.kill9()
        wait_until(lambda: not any(is_alive(p) for p in inside), "all end")


def test_kill_9_of_the_init_is_the_end_by_signal_9():
    need_root()
    with Directory() as d:
        launcher, pid = launch_and_go(d, sh("echo ready x; sleep 300"), **OWN_PIDS)
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
        told = d.run(sh(script), uid=NOBODY, gid=NOBODY, **OWN_PIDS)
        equal((told["wait_status"], d.output()), (5 << 8, "alive\n"), "the end, and what is seen")
        os.unlink(d.sandbox + "/stdout")
        # Root passes signals on to itself by way of the init, and dies of them: but not the init.
        told = d.run(sh("trap '' TERM; kill -KILL 1; kill -STOP 1; kill -TERM 1; sleep 0.1; exit 6"),
                     container_id="c2", **OWN_PIDS)
        equal(told["wait_status"], 6 << 8, "the end")


def test_the_init_holds_next_to_nothing():
    need_root()
    with Directory() as d:
        launcher, pid = launch_and_go(d, sh("echo ready x; sleep 300"), **OWN_PIDS,
                                      environment=["SECRET=" + "x" * 100000])
        said(d, "(ready x)")
        # Its first acts run beside the command's.
        wait_until(lambda: status_of(pid, "CapEff") == "%016x" % (1 << 5), "it has CAP_KILL and no other")
        equal(len(os.listdir("/proc/%d/fd" % pid)), 1, "descriptors")
        equal((os.readlink("/proc/%d/cwd" % pid), status_of(pid, "NoNewPrivs")), ("/", "1"), "directory and rights")
        if is_small_build():
            with open("/proc/%d/maps" % pid) as f:
                heap = next(line for line in f if line.endswith("[heap]\n"))
            start, end = (int(n, 16) for n in heap.split()[0].split("-"))
            with open("/proc/%d/mem" % pid, "rb") as f:
                f.seek(start)
                check(b"xxxx" not in f.read(end - start), "it knows the command's environment")
            print("    PSS of an init: %d KiB, of its launcher: %d KiB" % (pss_kib(pid), pss_kib(launcher.pid)))
            # What is shared counts by the number of those who share it, and here they are two.
            check(pss_kib(pid) <= 300, "an init of %d KiB" % pss_kib(pid))
        launcher.kill(signal.SIGKILL)


def test_a_fetcher_has_an_init_of_its_own_before_the_command():
    need_root()
    with Directory() as d:
        fetcher = command_message(["/bin/sh", "-c", "echo fetched as $$ >&2; sleep 300 &"])
        told = d.run(sh("echo then $$; exit 4"), fetcher=fetcher, **OWN_PIDS)
        equal((told["wait_status"], d.output(), d.output("stderr")), (4 << 8, "then 2\n", "fetched as 2\n"), "both")
        told = d.run(sh("true"), container_id="c2", fetcher=command_message(["/bin/sh", "-c", "exit 9"]),
                     **OWN_PIDS)
        equal((told["step"], told["wait_status"]), ("fetch", 9 << 8), "a fetcher that fails")

# Mounts

def read_mounts(text):
    return {line.split()[4]: line for line in text.splitlines() if " - " in line}


def write(path, text="", mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


def host_mounts():
    with open("/proc/self/mountinfo") as f:
        return f.read()


def test_a_volume_is_there_and_the_host_does_not_see_it():
    need_root()
    with Directory() as d:
        write(d.path + "/host/file", "of the host\n")
        before = host_mounts()
        told = d.run(sh("cat a/b/data/file && echo more >a/b/data/new; sleep 0.1"), unshare=[MOUNT],
                     mounts=[mount_message("a/b/data", d.path + "/host", below=d.sandbox, make=True, owned=True)])
        equal((told.get("wait_status"), d.output()), (0, "of the host\n"), "the end (%s)" % told.get("message"))
        equal(os.listdir(d.sandbox + "/a/b/data"), [], "what the host sees in the mount point")
        check(os.path.exists(d.path + "/host/new"), "it did not write to the volume")
        equal(host_mounts(), before, "mounts of the host")


def test_a_read_only_volume_is_one_with_all_that_is_mounted_in_it():
    need_root()
    with Directory() as d:
        write(d.path + "/host/sub/file")
        subprocess.run(["mount", "-t", "tmpfs", "none", d.path + "/host/sub"], check=True)
        try:
            script = "for f in data/new data/sub/new data/sub/../x; do touch $f 2>/dev/null && echo $f; done; exit 3"
            told = d.run(sh(script), unshare=[MOUNT], mounts=[
                mount_message("data", d.path + "/host", below=d.sandbox, make=True, flags=RDONLY | NOSUID | NODEV)])
            equal((told.get("wait_status"), d.output()), (3 << 8, ""), "what could be written")
            told = d.run(sh("grep ' %s/data' /proc/self/mountinfo" % d.sandbox), container_id="c2", unshare=[MOUNT],
                         mounts=[mount_message("data", d.path + "/host", below=d.sandbox, flags=RDONLY | NOSUID | NODEV)])
            for line in d.output().splitlines():
                check(line.split()[5].startswith("ro,nosuid,nodev"), "options: " + line)
            equal(len(d.output().splitlines()), 2, "mounts")
        finally:
            subprocess.run(["umount", d.path + "/host/sub"], check=True)


def test_a_file_is_mounted_over_a_file():
    need_root()
    with Directory() as d:
        write(d.path + "/host/passwd", "nobody but me\n")
        told = d.run(sh("cat /etc/passwd sub/file"), unshare=[MOUNT], mounts=[
            mount_message("/etc/passwd", d.path + "/host/passwd"),
            mount_message("sub/file", d.path + "/host/passwd", below=d.sandbox, make=True)])
        equal((told.get("wait_status"), d.output()), (0, "nobody but me\n" * 2), "the end")


def test_a_mount_that_fails_is_named_in_the_message():
    need_root()
    with Directory() as d:
        host = d.path + "/host"
        os.mkdir(host)
        for i, (mount, message) in enumerate((
                (mount_message("data", host + "/none", below=d.sandbox, make=True),
                 "Failed to mount '%s/none' at '%s/data': No such file or directory" % (host, d.sandbox)),
                (mount_message(host + "/none", host),
                 "Failed to mount '%s' at '%s/none': No such file or directory" % (host, host)),
                (mount_message("data", "strange", below=d.sandbox, make=True, fstype="nosuchfs"),
                 "Failed to mount 'strange' at '%s/data': No such device" % d.sandbox))):
            told = d.run(sh("true"), container_id="c%d" % i, unshare=[MOUNT], mounts=[
                mount_message("fine", host, below=d.sandbox, make=True), mount])
            equal((told["kind"], told["message"]), (FAILED, message), "the failure")
            equal(d.launchers[-1].record(), told, "the record")


def test_what_a_mount_hides_can_still_be_mounted():
    need_root()
    with Directory() as d:
        write(d.path + "/jobs/mine/file", "mine\n")
        write(d.path + "/jobs/other/file", "another's\n")
        told = d.run(sh("cat %s/jobs/mine/file; ls %s/jobs; touch %s/jobs/new" % (d.path, d.path, d.path)),
                     unshare=[MOUNT], mounts=[
                         mount_message(d.path + "/jobs", "tmpfs", fstype="tmpfs", data="mode=0755,size=64k"),
                         mount_message("mine", d.path + "/jobs/mine", below=d.path + "/jobs", make=True),
                         mount_message(d.path + "/jobs", flags=REMOUNT | BIND | RDONLY)])
        equal(d.output(), "mine\nmine\n", "what is seen")
        equal(told.get("wait_status"), 1 << 8, "the end of a write")


def test_users_pass_through_what_is_made_on_the_way():
    need_root()
    with Directory() as d:
        os.chown(d.sandbox, NOBODY, NOBODY)
        os.mkdir(d.path + "/jobs")
        told = d.run(sh("cd %s/jobs/a/b/mine && touch file && stat -c %%a %s/jobs/a" % (d.path, d.path)), uid=NOBODY,
                     gid=NOBODY, unshare=[MOUNT], mounts=[
                         mount_message(d.path + "/jobs", "tmpfs", fstype="tmpfs", data="mode=0755,size=64k"),
                         mount_message("a/b/mine", d.sandbox, below=d.path + "/jobs", make=True)])
        equal((told.get("wait_status"), d.output()), (0, "755\n"), "the end (%s)" % d.output("stderr"))


def test_directories_are_made_for_the_user_where_the_plan_says_so():
    need_root()
    with Directory() as d:
        os.chown(d.sandbox, NOBODY, NOBODY)
        os.mkdir(d.path + "/made")
        told = d.run(sh("echo mine >data/file; stat -c %u data"), uid=NOBODY, gid=NOBODY, unshare=[MOUNT], mounts=[
            mount_message("data", "a/b", below=d.sandbox, source_below=d.path + "/made", make=True, make_source=True,
                          owned=True)])
        equal((told.get("wait_status"), d.output()), (0, "%d\n" % NOBODY), "the end (%s)" % told.get("message"))
        equal(os.stat(d.path + "/made/a/b/file").st_uid, NOBODY, "owner")
        equal(os.stat(d.sandbox + "/data").st_uid, NOBODY, "owner of the mount point")


def tricks(d):
    """(name, what makes it, target, source below the sandbox or None): paths that lead out of the sandbox."""
    out, box = d.path + "/out", d.sandbox

    def link(name, to):
        return lambda: (os.makedirs(os.path.dirname(os.path.join(box, name)), exist_ok=True),
                        os.symlink(to, os.path.join(box, name)))

    def both(*makers):
        return lambda: [m() for m in makers]

    return [
        ("a target that is a link", link("t", out), "t", None),
        ("a parent that is a link", link("p", out), "p/t", None),
        ("a link to a link", both(link("one", "two"), link("two", out)), "one/t", None),
        ("a relative link", link("rel", "../out"), "rel", None),
        ("a link deep below", link("a/b/c", "../../../out"), "a/b/c/d", None),
        ("a link to what is not there", link("new", out + "/new"), "new", None),
        ("a link through /proc", link("root", "/proc/1/root" + out), "root/t", None),
        ("a link to a descriptor", link("fd", "/proc/self/cwd"), "fd/" + out.lstrip("/"), None),
        ("a link that stays inside", both(link("in", "dir"), lambda: os.makedirs(box + "/dir")), "in", None),
        ("a loop", both(link("l1", "l2"), link("l2", "l1")), "l1/x", None),
        ("a link instead of a file", link("file", out + "/precious"), "file", "FILE"),
        ("a source that is a link", link("src", out), "fine", "src"),
        ("a source below a link", link("srcs", d.path), "fine", "srcs/out"),
        ("a source to be made below a link", link("mk", out), "fine", "mk/made"),
    ]


def test_no_link_leads_a_mount_out_of_the_sandbox():
    need_root()
    with Directory() as d:
        os.makedirs(d.path + "/out/t")
        write(d.path + "/out/precious", "precious\n")
        write(d.path + "/host/file", "host\n")
        found = sorted(os.listdir(d.path + "/out"))
        for i, (name, make, target, source) in enumerate(tricks(d)):
            make()
            if source == "FILE":
                mount = mount_message(target, d.path + "/host/file", below=d.sandbox, make=True)
            elif source:
                mount = mount_message(target, source, below=d.sandbox, source_below=d.sandbox, make=True,
                                      make_source=True)
            else:
                mount = mount_message(target, d.path + "/host", below=d.sandbox, make=True)
            told = d.run(sh("cat %s/out/t/file; ls %s/out; cat fine/precious" % (d.path, d.path)),
                         container_id="c%d" % i, unshare=[MOUNT], mounts=[mount])
            equal((told["kind"], told["error"]), (FAILED, 40), name)
            equal(sorted(os.listdir(d.path + "/out")), found, "what is outside after " + name)


def test_a_link_that_appears_meanwhile_is_no_way_out_either():
    need_root()
    with Directory() as d:
        os.makedirs(d.path + "/out/x")
        os.mkdir(d.path + "/host")
        os.makedirs(d.sandbox + "/dir/x")
        swapper = subprocess.Popen([sys.executable, "-c", """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
os.symlink("../out", "link")
while True:
    libc.renameat2(-100, b"dir", -100, b"link", 2)
"""], cwd=d.sandbox)
        try:
            n_mounted = 0
            for i in range(40):
                told = d.run(sh("[ -e %s/out/x/y ] && echo out; ls -d %s/out/x/*; exit 0" % (d.path, d.path)),
                             container_id="c%d" % i, unshare=[MOUNT],
                             mounts=[mount_message("dir/x/y", d.path + "/host", below=d.sandbox, make=True)])
                n_mounted += told["kind"] == EXITED
                equal(os.listdir(d.path + "/out/x"), [], "what is outside")
            print("    %d of 40 got through" % n_mounted)
        finally:
            swapper.kill()
            swapper.wait()


def test_two_dots_and_odd_paths_are_no_plan():
    need_root()
    with Directory() as d:
        for i, mount in enumerate((
                mount_message("../out", "/etc", below=d.sandbox), mount_message("a/../../out", "/etc", below=d.sandbox),
                mount_message("/abs", "/etc", below=d.sandbox), mount_message("relative", "/etc"),
                mount_message("x", "../etc", below=d.sandbox, source_below=d.sandbox),
                mount_message("x", "etc", below=d.sandbox), mount_message("/made", "/etc", make=True),
                mount_message("x", below=d.sandbox), mount_message("x", "/etc", below="relative"),
                mount_message("x", "/etc", below=d.sandbox, make_source=True),
                mount_message("x" * 5000, "/etc", below=d.sandbox))):
            launcher = d.launch(sh("true"), container_id="c%d" % i, unshare=[MOUNT], mounts=[mount])
            check(launcher.event() is None, "plan %d is taken" % i)
        launcher = d.launch(sh("true"), container_id="x", unshare=[PID], mounts=[PROC])
        check(launcher.event() is None, "mounts without a namespace are made")


def test_mounts_of_the_host_come_in_and_those_of_a_shared_volume_go_out():
    need_root()
    with Directory() as d:
        host = d.path + "/host"
        os.makedirs(host + "/late")
        os.makedirs(host + "/out")
        subprocess.run(["mount", "-t", "tmpfs", "none", host], check=True)
        try:
            subprocess.run(["mount", "--make-shared", host], check=True)
            os.makedirs(host + "/late")
            os.makedirs(host + "/out")
            for shared in (False, True):
                os.mkfifo(d.path + "/fifo")
                cid = "c%d" % shared
                launcher, _ = launch_and_go(
                    d, sh("mount -t tmpfs none data/out && touch data/out/made; echo ready %s; read x <../fifo; "
                          "ls data/late" % cid), container_id=cid, unshare=[MOUNT],
                    mounts=[mount_message("data", host, below=d.sandbox, make=True, flags=SHARED if shared else 0)])
                said(d, "(ready %s)" % cid)
                equal(os.path.exists(host + "/out/made"), shared, "a mount of the container's is seen")
                subprocess.run(["mount", "-t", "tmpfs", "none", host + "/late"], check=True)
                write(host + "/late/comer")
                with open(d.path + "/fifo", "w") as f:
                    f.write("\n")
                launcher.ended()
                launcher.wait()
                equal(d.output().splitlines()[-1], "comer", "what the container sees of a later mount")
                os.unlink(d.path + "/fifo")
                subprocess.run(["umount", host + "/late"], check=True)
                if shared:
                    subprocess.run(["umount", host + "/out"], check=True)
        finally:
            subprocess.run(["umount", "-R", host], check=True)


# A root of its own

def make_root(d):
    """A root with a shell, made by hand."""
    root = d.path + "/root"
    for name in ("proc", "dev", "tmp", "mnt/mesos/sandbox", "bin", "etc", "old"):
        os.makedirs(os.path.join(root, name))
    libraries = subprocess.run(["ldd", "/bin/sh", "/bin/ls", "/bin/cat"], capture_output=True, text=True, check=True)
    for path in {"/bin/sh", "/bin/ls", "/bin/cat", *re.findall(r"(/\S+) \(0x", libraries.stdout)}:
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(os.path.realpath(path), root + path)
    return root


def test_a_root_of_its_own_is_all_that_a_container_sees():
    need_root()
    with Directory() as d:
        root = make_root(d)
        before = host_mounts()
        script = ("echo $PWD; ls /; cat /etc/hostname; ls %s; ls /../..; cat /proc/self/mountinfo; echo here >file"
                  % d.path)
        told = d.run(sh(script), cwd="/mnt/mesos/sandbox", root=root, unshare=[MOUNT, PID], mounts=[
            PROC, mount_message("/mnt/mesos/sandbox", d.sandbox)])
        equal(told.get("wait_status"), 0, "the end (%s)" % (told.get("message") or d.output("stderr")))
        lines = d.output().splitlines()
        tree = sorted(os.listdir(root))
        equal(lines[0], "/mnt/mesos/sandbox", "working directory")
        equal(lines[1:1 + len(tree)], tree, "what is in /")
        check("No such file" in d.output("stderr"), "the host's files are seen")
        mounts = read_mounts(d.output())
        equal(sorted(mounts), ["/", "/mnt/mesos/sandbox", "/proc"], "mounts")
        with open(d.sandbox + "/file") as f:
            equal(f.read(), "here\n", "what was written")
        equal(host_mounts(), before, "mounts of the host")


def test_links_of_a_root_lead_within_it():
    need_root()
    with Directory() as d:
        root = make_root(d)
        os.symlink("/etc", root + "/abs")
        os.symlink("../../../../../../etc", root + "/dots")
        os.symlink("/tmp/deep", root + "/made")
        write(d.path + "/host/file", "host\n")
        mounts = [PROC, mount_message("/mnt/mesos/sandbox", d.sandbox)]
        for name in ("/abs/one", "/dots/two", "/etc/a/b/three", "/../../etc/four"):
            mounts.append(mount_message(name, d.path + "/host", make=True))
        told = d.run(sh("cat /etc/one/file /etc/two/file /etc/a/b/three/file /etc/four/file"),
                     cwd="/mnt/mesos/sandbox", root=root, unshare=[MOUNT, PID], mounts=mounts)
        equal((told.get("wait_status"), d.output()), (0, "host\n" * 4), "the end (%s)" % told.get("message"))
        for name in ("one", "two", "four"):
            check(not os.path.exists("/etc/" + name), "/etc/%s was made on the host" % name)
        told = d.run(sh("true"), container_id="c2", cwd="/", root=root, unshare=[MOUNT, PID], mounts=[
            mount_message("/made/x", d.path + "/host", make=True)])
        equal(told["kind"], FAILED, "a mount point below a link to what is not there")
        check(not os.path.exists("/tmp/deep"), "/tmp/deep was made on the host")


def test_devices_of_the_host_are_bound_into_a_root_that_has_none():
    """As linux/devices plans it."""
    need_root()
    with Directory() as d:
        root = make_root(d)
        mounts = [PROC, mount_message("/mnt/mesos/sandbox", d.sandbox),
                  *(mount_message("/dev/" + name, "/dev/" + name, make=True) for name in ("null", "full"))]
        told = d.run(sh("echo lost >/dev/null && ls /dev; echo x >/dev/full"), cwd="/mnt/mesos/sandbox", root=root,
                     unshare=[MOUNT, PID], mounts=mounts)
        equal(d.output().split(), ["full", "null"], "devices (%s)" % told.get("message"))
        check(told["wait_status"] not in (0, None), "what is written to /dev/full has room there")


# Users

AS_NOBODY = "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)"


def nobodys(d):
    for name in ("", "/exits", "/sandbox"):
        os.chown(d.path + name, NOBODY, NOBODY)
    return {"uid": NOBODY, "gid": NOBODY, "spawner": AS_NOBODY, "uid_map": "65534 65534 1", "gid_map": "65534 65534 1"}


def test_whoever_is_not_root_has_namespaces_by_way_of_a_user_namespace():
    need_root()
    with Directory() as d:
        plan = nobodys(d)
        os.mkdir(d.path + "/host")
        write(d.path + "/host/file", "host\n")
        script = ("id -u; id -g; cat data/file; echo $$; cat /proc/1/comm; grep CapEff /proc/self/status; "
                  "umount data 2>/dev/null && echo unmounted; mount -t tmpfs x data 2>/dev/null && echo mounted; exit 9")
        told = d.run(sh(script), unshare=[USER, MOUNT, PID, IPC], mounts=[
            PROC, mount_message("data", d.path + "/host", below=d.sandbox, make=True, owned=True)], **plan)
        if told["kind"] == FAILED and told.get("error") in (1, 28):
            skip("no user namespaces here: " + told["message"])
        equal(told.get("wait_status"), 9 << 8, "the end (%s)" % told.get("message"))
        equal(d.output().splitlines(), ["65534", "65534", "host", "2", "holdfast-init", "CapEff:\t" + "0" * 16], "what is seen")


def test_a_task_of_the_launchers_own_user_cannot_reach_it_from_a_user_namespace():
    need_root()
    with Directory() as d:
        plan = nobodys(d)
        launcher, _ = launch_and_go(d, sh("echo ready x; read x; sleep 60"), container_id="victim", unshare=[],
                                    **{k: v for k, v in plan.items() if not k.endswith("_map")})
        said(d, "(ready x)")
        os.unlink(d.sandbox + "/stdout")
        script = "import ctypes, os\nfor p in (%d,):\n" % launcher.pid
        script += ("    try:\n        print(os.listdir('/proc/%d/root' % p)[:1])\n    except OSError as e:\n"
                   "        print(e.errno)\n    libc = ctypes.CDLL(None, use_errno=True)\n"
                   "    print(libc.ptrace(16, p, 0, 0), ctypes.get_errno())\n")
        told = d.run([PYTHON, "-c", script], unshare=[USER, MOUNT], **plan)
        if told["kind"] == FAILED:
            skip("no user namespaces here: " + told["message"])
        equal(d.output(), "13\n-1 1\n", "what is reached")
        launcher.kill(signal.SIGKILL)


if __name__ == "__main__":
    become_reaper()
    main()
