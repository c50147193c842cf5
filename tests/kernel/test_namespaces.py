#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""filesystem/linux, volumes, namespaces/pid and namespaces/ipc: looked at, and attacked, from inside of real tasks."""

import encodings.idna    # noqa: F401 (whoever isn't root may not be able to load it when a socket needs it)
import os
import signal
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, cgroup2_mount, check, descendants, equal, is_alive, main, program, skip, \
    wait_until  # noqa: E402
from scheduler import Scheduler                                     # noqa: E402

NOBODY = 65534
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
ISOLATION = "--isolation=filesystem/linux,namespaces/pid,namespaces/ipc"
NAMESPACES = ("mnt", "pid", "ipc", "cgroup", "uts", "net", "user")


def isolated(*flags, isolation=ISOLATION):
    if os.geteuid() != 0:
        skip("only root may make namespaces")
    return Cluster(launcher="linux", agent_flags=[isolation, *flags])


def volume(container_path, source=None, kind="HOST_PATH", mode="RW", **fields):
    key = {"HOST_PATH": "host_path", "SANDBOX_PATH": "sandbox_path"}[kind]
    return {"container_path": container_path, "mode": mode, "source": {"type": kind, key: {**source, **fields}}}


def host(path, container_path, mode="RW", **fields):
    return volume(container_path, {"path": path}, mode=mode, **fields)


def sandbox(path, container_path, kind="SELF", mode="RW"):
    return volume(container_path, {"path": path, "type": kind}, kind="SANDBOX_PATH", mode=mode)


def container(*volumes, **linux_info):
    return {"type": "MESOS", "volumes": list(volumes), **({"linux_info": linux_info} if linux_info else {})}


def finishes(s, task_id, command, **fields):
    status = s.run(task_id, command, **fields)
    equal(status["state"], "TASK_FINISHED", "state of %s (%s)" % (task_id, status.get("message")))


def fails(s, task_id, message, **fields):
    status = s.run(task_id, "true", **fields)
    equal((status["state"], status.get("reason")), ("TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED"), task_id)
    check(message in status["message"], "%s: %s" % (task_id, status["message"]))


def write(path, text="", owner=None):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    if owner is not None:
        os.chown(path, owner, owner)


def host_namespace(name):
    return os.readlink("/proc/self/ns/" + name)


# Every namespace, from inside

def test_namespaces_are_the_containers_own_and_the_others_the_hosts():
    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        finishes(s, "look", "for n in %s; do readlink /proc/self/ns/$n; done" % " ".join(NAMESPACES))
        found = dict(zip(NAMESPACES, cluster.read_sandbox("look").splitlines()))
        own = {name for name in NAMESPACES if found[name] != host_namespace(name)}
        equal(own, {"mnt", "pid", "ipc", "cgroup"}, "namespaces of its own")


def test_container_sees_its_own_processes_and_an_init():
    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        finishes(s, "look", "cat /proc/1/comm; for p in /proc/[0-9]*; do cat $p/comm; done; test ! -e /proc/%d/root"
                 % os.getpid())
        lines = cluster.read_sandbox("look").splitlines()
        equal(lines[0], "holdfast-init", "process 1")
        check(set(lines) <= {"holdfast-init", "holdfast-execut", "sh", "cat"}, "processes: %s" % lines)


def test_cgroups_begin_with_the_containers_own():
    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        finishes(s, "look", "grep ^0: /proc/self/cgroup; d=$(grep ' - cgroup2 ' /proc/self/mountinfo | tail -n 1 | "
                 "cut -d' ' -f5); cat $d/cgroup.procs; find $d -mindepth 1 -type d")
        lines = cluster.read_sandbox("look").splitlines()
        equal(lines[0], "0::/", "its cgroup")
        check("1" in lines and "2" in lines, "processes in its root: %s" % lines)
        check(not [line for line in lines if line.startswith("/")], "other cgroups are seen: %s" % lines)


def test_cgroups_of_others_are_hidden_also_where_the_kernels_files_are_read_only():
    with isolated("--bounding_capabilities={}", isolation=ISOLATION + ",linux/capabilities") as cluster, \
            Scheduler(cluster.master_addr) as s:
        finishes(s, "look", "cd %s && grep -c . cgroup.procs; find . -mindepth 1 -type d; "
                 "echo 1 > /proc/sys/kernel/sysrq || mkdir new || echo refused" % cgroup2_mount())
        lines = cluster.read_sandbox("look").splitlines()
        check(lines and int(lines[0]) < 10, "processes in its root: %s" % lines)
        equal(lines[1:], ["refused"], "what else it sees and may do")


def test_host_keeps_its_mounts_and_gains_none():
    def mounts():
        with open("/proc/self/mountinfo") as f:
            return f.read()

    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        before = mounts()
        write(cluster.work_path("srv/file"))
        finishes(s, "mount", "mount -t tmpfs inner data && grep -c inner /proc/self/mountinfo",
                 container=container(host(cluster.work_path("srv"), "data")))
        equal(mounts(), before, "mounts of the host")


def test_a_task_may_ask_for_the_hosts_processes_and_be_refused():
    look = "readlink /proc/self/ns/pid; readlink /proc/self/ns/ipc"
    shared = container(share_pid_namespace=True, ipc_mode="SHARE_PARENT")
    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        finishes(s, "shared", look, container=shared)
        equal(cluster.read_sandbox("shared").splitlines(), [host_namespace("pid"), host_namespace("ipc")], "namespaces")
    with isolated("--disallow_sharing_agent_pid_namespace", "--disallow_sharing_agent_ipc_namespace") as cluster, \
            Scheduler(cluster.master_addr) as s:
        fails(s, "pid", "Sharing agent pid namespace with top-level container is not allowed",
              container=container(share_pid_namespace=True))
        fails(s, "ipc", "Sharing agent IPC namespace with top-level container is not allowed",
              container=container(ipc_mode="SHARE_PARENT"))
        finishes(s, "none", "grep -q ' /dev/shm ' /proc/self/mountinfo && touch /dev/shm/holdfast-test-%d" % os.getpid())
        check(not os.path.exists("/dev/shm/holdfast-test-%d" % os.getpid()), "/dev/shm is shared")


# Endings

def test_statuses_are_true_by_code_and_by_signal():
    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        for command, message in (("exit 7", "Command exited with status 7"),
                                 ("kill -9 $$", "Command terminated with signal Killed"),
                                 ("kill -TERM $$", "Command terminated with signal Terminated")):
            task_id = command.replace(" ", "-").replace("$", "s")
            status = s.run(task_id, command)
            equal((status["state"], status["message"]), ("TASK_FAILED", message), command)


ORPHANS = """
import os, time
for i in range(20):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.wait()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "1000"])
    os._exit(0)
os.wait()
"""


def test_zombies_are_reaped_and_daemons_end():
    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        write(cluster.work_path("orphans.py"), ORPHANS)
        finishes(s, "many", "%s %s; while grep -l zombie /proc/[0-9]*/status; do sleep 0.05; done; pgrep -c sleep"
                 % (PYTHON, cluster.work_path("orphans.py")), timeout=40)
        equal(cluster.read_sandbox("many").splitlines()[-1], "1", "daemons at the end")
        wait_until(lambda: "sleep" not in descendants(cluster.agent().pid).values(), "daemons end")


def init_of(cluster, task_id):
    """The pid of the init of the only container there is."""
    def find():
        for name in os.listdir("/proc"):
            try:
                with open("/proc/%s/comm" % name) as f, open("/proc/%s/cgroup" % name) as g:
                    if f.read() == "holdfast-init\n" and os.path.basename(cluster.cgroup) in g.read():
                        return int(name)
            except (OSError, ValueError):
                pass
        return None
    wait_until(find, "%s has an init" % task_id)
    return find()


def parent_of(pid):
    with open("/proc/%d/stat" % pid) as f:
        return int(f.read().rsplit(")", 1)[1].split()[1])


def test_kill_9_of_the_launcher_leaves_nothing_even_without_an_agent():
    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task("deep", "setsid sh -c 'sleep 1000 & sleep 1000' & sleep 1000")])
        s.wait_state("deep", "TASK_RUNNING")
        init = init_of(cluster, "deep")
        launcher = parent_of(init)
        wait_until(lambda: len(descendants(init)) >= 5, "it has processes")
        inside = [init, *descendants(init)]
        cluster.agent().kill9()
        os.kill(launcher, signal.SIGKILL)
        wait_until(lambda: not any(is_alive(pid) for pid in inside), "all end")
        cluster.agent().start()
        s.wait_terminal("deep", timeout=40)


def test_tasks_live_through_a_restart_of_the_agent():
    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        write(cluster.work_path("srv/file"), "still\n")
        s.launch([s.task("steady", "while [ ! -e data/stop ]; do sleep 0.05; done; cat data/file; exit 3",
                         container=container(host(cluster.work_path("srv"), "data")))])
        s.wait_state("steady", "TASK_RUNNING")
        cluster.agent().kill9()
        cluster.agent().start()
        cluster.wait_reregistered(cluster.agent())
        write(cluster.work_path("srv/stop"))
        status = s.wait_terminal("steady")
        equal((status["state"], status["message"]), ("TASK_FAILED", "Command exited with status 3"), "the end")
        equal(cluster.read_sandbox("steady"), "still\n", "output")


# /dev/shm

def test_shm_is_of_the_size_asked_for_and_full_at_it():
    fill = "dd if=/dev/zero of=/dev/shm/x bs=1M count=%d 2>/dev/null; stat -c %%s /dev/shm/x; stat -fc '%%b %%S' /dev/shm"
    with isolated("--default_container_shm_size=3MB") as cluster, Scheduler(cluster.master_addr) as s:
        for name, info, megabytes in (("asked", {"shm_size": 5}, 5), ("default", {}, 3)):
            finishes(s, name, fill % 8, container=container(ipc_mode="PRIVATE", **info))
            written, size = cluster.read_sandbox(name).splitlines()
            equal(int(written), megabytes << 20, "bytes written")
            equal(eval(size.replace(" ", "*")), megabytes << 20, "bytes there are")
        fails(s, "odd", "Only support specifying the size of /dev/shm when the IPC mode is `PRIVATE`",
              container=container(shm_size=5))
        finishes(s, "unset", "! grep -q ' /dev/shm tmpfs' /proc/self/mountinfo || touch /dev/shm/holdfast-%d" % os.getpid())


def test_queues_of_one_are_not_anothers():
    make = "ipcmk -Q >/dev/null; ipcs -q | grep -c 0x"
    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        if subprocess.run(["which", "ipcmk"], capture_output=True, check=False).returncode != 0:
            skip("no ipcmk here")
        for name in ("one", "two"):
            finishes(s, name, make)
            equal(cluster.read_sandbox(name), "1\n", "queues")


# Volumes

def test_volumes_are_where_they_are_said_to_be():
    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        write(cluster.work_path("srv/file"), "of the host\n")
        asked = container(
            host(cluster.work_path("srv"), "rw"), host(cluster.work_path("srv"), "deep/down/ro", "RO"),
            host(cluster.work_path("srv/file"), "single"), host(cluster.work_path("srv"), "/mnt"),
            {"container_path": "old", "mode": "RW", "host_path": cluster.work_path("srv")},
            sandbox("mine/tmp", "/media"), sandbox("mine/tmp", "other"),
            {"container_path": "relative", "mode": "RO", "host_path": "mine"})
        finishes(s, "look", "cat rw/file deep/down/ro/file single /mnt/file old/file; touch deep/down/ro/x && echo wrote; "
                 "touch relative/x && echo wrote; echo more >/media/note; cat other/note relative/tmp/note mine/tmp/note",
                 container=asked)
        equal(cluster.read_sandbox("look"), "of the host\n" * 5 + "more\n" * 3, "what is read")


def test_volumes_that_cannot_be_are_refused_or_named():
    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        srv = cluster.work_path("srv")
        write(srv + "/file")
        none = cluster.work_path("none")
        unshared = (host(srv, "data", mount_propagation={"mode": "BIDIRECTIONAL"}), "is not under a shared mount")
        for i, (asked, message) in enumerate((
                unshared if not under_shared_mount(srv) else (host(none, "x"), none),
                (host(none, "data"), "Failed to mount '%s' at '" % none),
                (host(srv, "/no/such/place"), "at '/no/such/place': No such file or directory"),
                (host("relative", "data"), "Path 'relative' in HOST_PATH volume is not absolute"),
                (host(srv, "../out"), "'../out'"), (host(srv, "/mnt/../etc"), "'..'"),
                (host(srv, "/"), "would hide the sandbox"), (host(srv, cluster.directory), "would hide the sandbox"),
                (sandbox("x", "data", "PARENT"), "PARENT sandbox path only works for nested container"),
                (sandbox("../x", "data"), "'../x' in SANDBOX_PATH volume"),
                (sandbox("/etc", "data"), "'/etc' in SANDBOX_PATH volume"),
                ({"container_path": "data", "mode": "RW", "source": {
                    "type": "DOCKER_VOLUME", "docker_volume": {"driver": "x", "name": "y"}}},
                 "of a kind that this agent does not have"))):
            fails(s, "t%d" % i, message, container=container(asked))
        fails(s, "image", "Unsupported container image type: DOCKER", container={
            "type": "MESOS", "mesos": {"image": {"type": "DOCKER", "docker": {"name": "busybox"}}}})
        equal(os.listdir(srv), ["file"], "what is on the host")


def under_shared_mount(path):
    found = subprocess.run(["findmnt", "-nro", "PROPAGATION", "--target", path], capture_output=True, text=True,
                           check=False)
    return "shared" in found.stdout


def test_host_directories_are_made_where_the_operator_allows_it():
    with tempfile.TemporaryDirectory(prefix="holdfast-forced-") as base, \
            isolated("--host_path_volume_force_creation=/nowhere:" + base) as cluster, \
            Scheduler(cluster.master_addr) as s:
        finishes(s, "made", "echo kept >data/file", container=container(host(base + "/a/b", "data")))
        with open(base + "/a/b/file") as f:
            equal(f.read(), "kept\n", "what is there afterwards")
        os.symlink("/etc", base + "/link")
        fails(s, "link", "Too many levels of symbolic links", container=container(host(base + "/link/x", "data")))
        fails(s, "dots", "No such file", container=container(host(base + "/../holdfast-none", "data")))
        fails(s, "beside", "No such file", container=container(host(base + "-beside", "data")))


def test_shared_volume_tells_its_mounts_to_the_host():
    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        srv = cluster.work_path("srv")
        os.makedirs(srv)
        subprocess.run(["mount", "-t", "tmpfs", "none", srv], check=True)
        try:
            subprocess.run(["mount", "--make-shared", srv], check=True)
            os.mkdir(srv + "/x")
            for mode, seen in (("HOST_TO_CONTAINER", False), ("BIDIRECTIONAL", True)):
                finishes(s, mode, "mount -t tmpfs inner data/x && touch data/x/made",
                         container=container(host(srv, "data", mount_propagation={"mode": mode})))
                equal(os.path.exists(srv + "/x/made"), seen, "seen with " + mode)
            subprocess.run(["umount", srv + "/x"], check=True)
        finally:
            subprocess.run(["umount", "-R", srv], check=True)


# What a directory holds was put there by strangers: by what was fetched, by a task before.
def test_links_lead_no_volume_out_of_the_sandbox():
    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        out, srv = cluster.work_path("out"), cluster.work_path("srv")
        write(out + "/precious", "precious\n")
        write(srv + "/file", "host\n")
        for name, links, asked in (
                ("absolute", {"t": out}, host(srv, "box/t")), ("parent", {"p": out}, host(srv, "box/p/t")),
                ("chain", {"a": "b", "b": out}, host(srv, "box/a/t")), ("inside", {"i": "."}, host(srv, "box/i/t")),
                ("root", {"r": "/"}, host(srv, "box/r" + out)), ("up", {"u": "../../../.."}, host(srv, "box/u/t")),
                ("process", {"f": "/proc/self/root"}, host(srv, "box/f" + out)),
                ("file", {"g": out + "/precious"}, host(srv + "/file", "box/g")),
                ("loop", {"l": "l"}, host(srv, "box/l")), ("dangling", {"d": out + "/new"}, host(srv, "box/d"))):
            shared = cluster.work_path("shared-" + name)
            os.mkdir(shared)
            for link, target in links.items():
                os.symlink(target, os.path.join(shared, link))
            fails(s, name, "': Too many levels of symbolic links", container=container(host(shared, "box"), asked))
            equal(os.listdir(out), ["precious"], "what is outside after " + name)


def test_what_is_fetched_is_there_when_the_task_runs():
    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        write(cluster.work_path("fetched"), "content\n")
        task = s.task("fetch", "cat fetched")
        task["command"]["uris"] = [{"value": "file://" + cluster.work_path("fetched")}]
        s.launch([task])
        equal(s.wait_terminal("fetch").get("message"), "Command exited with status 0", "the end")
        equal(cluster.read_sandbox("fetch"), "content\n", "output")


def test_links_that_a_fetched_archive_brings_are_not_followed_to_a_source():
    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        path = cluster.work_path("links.tar")
        with tarfile.open(path, "w") as tar:
            link = tarfile.TarInfo("link")
            link.type, link.linkname = tarfile.SYMTYPE, "stdout"
            tar.addfile(link)
        task = s.task("source", "true", container=container(sandbox("link", "data")))
        task["command"]["uris"] = [{"value": "file://" + path}]
        s.launch([task])
        status = s.wait_terminal("source")
        check(status["message"].endswith("Too many levels of symbolic links"), status["message"])


# What is the host's

def test_sandboxes_of_others_and_sockets_of_launchers_are_not_there():
    with isolated() as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task("victim", "echo secret >secret; sleep 1000")])
        s.wait_state("victim", "TASK_RUNNING")
        wait_until(lambda: os.path.exists(cluster.sandboxes("victim")[-1] + "/secret"), "it wrote its secret")
        work, run = cluster.work_path("agent"), cluster.work_path("agent-run")
        victim = cluster.sandboxes("victim")[-1]
        check(os.path.exists(os.path.join(run, "containers")), "no runtime directory")
        finishes(s, "spy", "cat %s/secret; ls %s; ls -A %s/meta; ls -A %s/containers; touch %s/x; mkdir %s/y; "
                 "ls -d %s/slaves/*/frameworks/*/executors/*; pwd; ls" % (victim, work, work, run, work, run + "/containers",
                                                                         work))
        lines = cluster.read_sandbox("spy").splitlines()
        equal(lines[0], "slaves", "what is in the work directory")
        equal(len([line for line in lines if "/executors/" in line and "/runs/" not in line]), 1, "executors: %s" % lines)
        check("stdout" in lines, "its own sandbox is not there")
        s.kill("victim")
        s.wait_terminal("victim")


def test_setuid_programs_gain_nothing_from_files_mounted_over_the_hosts():
    with isolated() as cluster, Scheduler(cluster.master_addr, info={"user": "nobody"}) as s:
        write(cluster.work_path("srv/shells"), "/bin/true\n")
        os.chmod(cluster.work_path("srv"), 0o755)
        look = "cd / && cd \"$MESOS_SANDBOX\" && grep NoNewPrivs /proc/self/status; id -u"
        finishes(s, "plain", look, container=container(host(cluster.work_path("srv"), "data")))
        equal(cluster.read_sandbox("plain").split(), ["NoNewPrivs:", "0", str(NOBODY)], "a relative path")
        finishes(s, "over", look + "; cat /etc/shells",
                 container=container(host(cluster.work_path("srv/shells"), "/etc/shells")))
        equal(cluster.read_sandbox("over").split(), ["NoNewPrivs:", "1", str(NOBODY), "/bin/true"], "an absolute path")


ATTACK = r"""
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, f):
    try:
        print(name, "->", f())
    except OSError as e:
        pass
def call(f):
    ctypes.set_errno(0)
    if f() < 0:
        raise OSError(ctypes.get_errno(), "")
    return "done"
# To its own user the kernel says that it was done.
attempt("kill init", lambda: (os.kill(1, 9), os.kill(1, 19), open("/proc/1/status").read().index("S (sleeping)"))
        and os.listdir("/proc/1/fd"))
attempt("ptrace init", lambda: call(lambda: libc.ptrace(16, 1, 0, 0)))
attempt("root of init", lambda: os.listdir("/proc/1/root"))
attempt("fd of init", lambda: os.listdir("/proc/1/fd"))
attempt("memory of init", lambda: open("/proc/1/mem", "rb").read(1))
attempt("environment of init", lambda: open("/proc/1/environ", "rb").read(1))
attempt("unmount work dir", lambda: call(lambda: libc.umount2(os.environ["WORK"].encode(), 2)))
attempt("mount over", lambda: call(lambda: libc.mount(b"x", b".", b"tmpfs", 0, None)))
attempt("enter host's mounts", lambda: call(lambda: libc.setns(os.open("/proc/1/ns/mnt", 0), 0)))
attempt("write cgroup", lambda: open("/sys/fs/cgroup/unified/cgroup.procs", "w").write("0"))
attempt("chroot", lambda: os.chroot("/"))
for fd in os.listdir("/proc/self/fd"):
    if int(fd) > 2 and os.path.exists("/proc/self/fd/" + fd) and not os.readlink("/proc/self/fd/" + fd).startswith("/proc"):
        print("descriptor", fd, os.readlink("/proc/self/fd/" + fd))
# In a user namespace of its own it may do more, but not undo what was done to it.
pid = os.fork()
if pid == 0:
    uid = os.getuid()
    if libc.unshare(0x10000000 | 0x20000) == 0:
        try:
            open("/proc/self/setgroups", "w").write("deny")
            open("/proc/self/uid_map", "w").write("0 %d 1" % uid)
        except OSError:
            pass
        attempt("unmount work dir in a user namespace", lambda: call(lambda: libc.umount2(os.environ["WORK"].encode(), 2)))
        attempt("unmount proc in a user namespace", lambda: call(lambda: libc.umount2(b"/proc", 2)))
        attempt("look below", lambda: [n for n in os.listdir(os.environ["WORK"]) if n != "slaves"] or call(lambda: -1))
    os._exit(0)
os.waitpid(pid, 0)
"""


def test_ways_out_of_a_users_container_are_closed():
    with isolated() as cluster, Scheduler(cluster.master_addr, info={"user": "nobody"}) as s:
        write(cluster.work_path("attack.py"), ATTACK)
        os.chmod(cluster.work_path("attack.py"), 0o644)
        finishes(s, "attack", "WORK=%s %s %s" % (cluster.work_path("agent"), PYTHON, cluster.work_path("attack.py")))
        equal(cluster.read_sandbox("attack"), "", "what worked")


# Starting

def refusal(*flags, as_user=None, launcher="linux"):
    with Cluster(start=False) as cluster:
        argv = [program("holdfast-agent"), "--master=127.0.0.1:1", "--ip=127.0.0.1", "--no-hostname_lookup", "--port=0",
                "--work_dir=" + cluster.work_path("a"), "--runtime_dir=" + cluster.work_path("r"),
                "--launcher=" + launcher, "--no-systemd_enable_support", "--cgroups_root=holdfast-none", *flags,
                "--dry-run=/dev/null"]
        if as_user is not None:
            os.chmod(cluster.directory, 0o777)
        result = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                                timeout=60, user=as_user, group=as_user, extra_groups=[] if as_user else None)
        check(result.returncode != 0, "it starts")
        return result.stderr


def test_what_does_not_go_together_is_refused_at_start():
    if os.geteuid() != 0:
        skip("other refusals come first")
    for isolation, launcher, message in (
            ("namespaces/pid", "linux", "namespaces/pid needs filesystem/linux"),
            ("namespaces/ipc,filesystem/posix", "linux", "namespaces/ipc needs filesystem/linux"),
            ("filesystem/linux,filesystem/posix", "linux", "exclude each other"),
            ("filesystem/linux", "posix", "filesystem/linux needs --launcher=linux"),
            ("volume/host_path", "linux", "volume/host_path needs filesystem/linux")):
        found = refusal("--isolation=" + isolation, launcher=launcher)
        check(message in found, "%s: %s" % (isolation, found))


def test_plain_agent_refuses_what_it_cannot_do_in_the_words_of_mesos():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        fails(s, "volume", "Failed to launch container: Volumes in ContainerInfo is not supported",
              container=container(host("/tmp", "data")))
        fails(s, "image", "Failed to launch container: Unsupported container image type: DOCKER", container={
            "type": "MESOS", "mesos": {"image": {"type": "DOCKER", "docker": {"name": "busybox"}}}})
        fails(s, "docker", "None of the enabled containerizers (mesos) could create a container",
              container={"type": "DOCKER", "docker": {"image": "busybox"}})


# Without root

def as_nobody(function):
    """Runs it in a child that is nobody; a failure there is one here."""
    if os.geteuid() != 0:
        return function()
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        try:
            function()
            os._exit(0)
        except BaseException as e:
            print("    as nobody: %s: %s" % (type(e).__name__, e), flush=True)
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    check(status == 0, "it failed as nobody")
    return None


def rootless_works():
    return subprocess.run(["unshare", "-Ur", "-m", "-p", "-f", "mount", "-t", "proc", "x", "/proc"],
                          user=NOBODY if os.geteuid() == 0 else None, capture_output=True,
                          check=False).returncode == 0


def run_rootless():
    with Cluster(agent_flags=[ISOLATION, "--no-switch_user"]) as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task("victim", "echo secret >secret; sleep 1000")])
        s.wait_state("victim", "TASK_RUNNING")
        work, run = cluster.work_path("agent"), cluster.work_path("agent-run")
        write(cluster.work_path("srv/file"), "of the host\n")
        write(cluster.work_path("attack.py"), ATTACK)
        finishes(s, "look", "for n in mnt pid ipc user; do readlink /proc/self/ns/$n; done; id -u; cat data/file; "
                 "cat /proc/1/comm; ls %s; ls -A %s/containers; grep CapEff /proc/self/status" % (work, run),
                 container=container(host(cluster.work_path("srv"), "data")))
        lines = cluster.read_sandbox("look").splitlines()
        check(not {host_namespace(n) for n in ("mnt", "pid", "ipc", "user")} & set(lines[:4]), "namespaces: %s" % lines)
        equal(lines[4:], [str(os.getuid()), "of the host", "holdfast-init", "slaves", "CapEff:\t" + "0" * 16], "what it sees")
        finishes(s, "attack", "WORK=%s %s %s" % (work, PYTHON, cluster.work_path("attack.py")))
        equal(cluster.read_sandbox("attack"), "", "what worked")
        status = s.run("seven", "exit 7")
        equal(status["message"], "Command exited with status 7", "the end")
        s.kill("victim")
        s.wait_terminal("victim")


def test_agent_of_a_user_isolates_what_a_user_may():
    if not rootless_works():
        skip("this kernel gives user namespaces to root only")
    as_nobody(run_rootless)


def test_user_without_user_namespaces_is_told_which_switch_it_is():
    if os.geteuid() != 0:
        skip("only root may forbid them")
    path = "/proc/sys/user/max_user_namespaces"
    with open(path) as f:
        before = f.read()
    try:
        with open(path, "w") as f:
            f.write("0")
    except OSError as e:
        skip("they cannot be forbidden here: %s" % e)
    try:
        found = refusal("--isolation=filesystem/linux", as_user=NOBODY, launcher="posix")
    finally:
        with open(path, "w") as f:
            f.write(before)
    check("user.max_user_namespaces is 0" in found, found)


if __name__ == "__main__":
    main()
