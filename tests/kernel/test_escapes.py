#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A task that means harm, confined by all we have: each attempt to get out fails, the agent lives, nothing is left.

What is tried from inside is in try-escapes; here are the host it is tried on, and attacks that take their time.
"""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import own_network    # noqa: E402
from harness import SOURCE_DIR, Cluster, check, children_named, equal, http_call, is_alive, main, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402

ISOLATORS = ("filesystem/linux", "namespaces/pid", "namespaces/ipc", "posix/cpu", "posix/mem", "posix/rlimits", "disk/du",
             "network/bridge", "cgroups/devices", "linux/capabilities", "linux/nnp", "linux/seccomp")
NONE = json.dumps({"capabilities": []})
TRIES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "try-escapes")

# Of no user of this host.
STRANGER = 54321

PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable

# Without an image, root's files are root's in the container, too; no capability is needed for that. The console is among
# the devices that Mesos allows to all.
ROOTS_OWN = {"open_the_console", "read_a_file_of_root", "write_a_file_of_root", "link_to_a_file_of_root_and_open_it",
             "make_a_hard_link_to_a_file_of_root"}


class Fortress(Cluster):
    def __init__(self, *flags, isolators=ISOLATORS):
        super().__init__(launcher="linux", agent_flags=(
            "--isolation=" + ",".join(isolators), "--http_executor_domain_sockets", "--holdfast_network_bridge=hfescape0",
            "--bounding_capabilities=" + NONE, "--effective_capabilities=" + NONE,
            "--seccomp_config_dir=" + os.path.join(SOURCE_DIR, "isolator", "seccomp"),
            "--seccomp_profile_name=default.json", *flags))
        self.agent_pid = self.agent().pid

    def check_holds(self):
        """The agent is the same and serves."""
        check(is_alive(self.agent_pid) and self.agent().pid == self.agent_pid, "the agent died")
        equal(http_call(self.agent().addr, "GET", "/health").status, 200, "health of the agent")

    def cgroup_of(self, container_id):
        return os.path.join(self.cgroup, container_id)


def task_of(s, user, task_id, *argv, **fields):
    task = s.task(task_id, **fields)
    task["command"] = {"shell": False, "value": argv[0], "arguments": list(argv), "user": user}
    # Without a word about it, Mesos gives a container shared memory of its own, but for the files in /dev/shm.
    task["container"] = {"type": "MESOS", "linux_info": {"ipc_mode": "PRIVATE"}}
    return task


class Host:
    """What an attacker knows of, and would like to have."""

    def __init__(self, cluster, s):
        self.cluster = cluster
        s.launch([task_of(s, "root", "victim", "/bin/sh", "-c", "echo secret >secret; exec sleep 1000")])
        s.wait_state("victim", "TASK_RUNNING")
        self.sandbox, = cluster.sandboxes("victim")
        wait_until(lambda: os.path.exists(self.sandbox + "/secret"), "the victim has its secret")
        self.secret = cluster.work_path("secret-of-root")
        with open(self.secret, "w") as f:
            f.write("secret\n")
        os.chmod(self.secret, 0o600)
        self.shm = "/dev/shm/holdfast-escape-%d" % os.getpid()
        with open(self.shm, "w") as f:
            f.write("secret\n")
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.shm_id = self.libc.shmget(0, 4096, 0o1666)
        self.loopback = socket.create_server(("127.0.0.1", 0))
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind("\0holdfast-escape-%d" % os.getpid())
        self.abstract.listen()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.unlink(self.shm)
        self.libc.shmctl(self.shm_id, 0, None)
        self.loopback.close()
        self.abstract.close()

    def facts(self):
        containers = self.cluster.work_path("agent-run", "containers")
        victim = os.path.basename(self.sandbox)
        launcher = children_named("holdfast-launch")[0]
        return {
            "runtime_directory": self.cluster.work_path("agent-run"),
            "work_directory": self.cluster.work_path("agent"),
            "launcher_socket": os.path.join(containers, victim, "launcher.sock"),
            "launcher_pid": launcher,
            "exit_record": self.cluster.work_path("agent", "meta", "exits", victim),
            "victim_sandbox": self.sandbox,
            "victim_cgroup": self.cluster.cgroup_of(victim),
            "victim_pid": children_named("sleep")[0],
            "cgroup_on_the_host": self.cluster.cgroup_of(victim),
            "secret_of_root": self.secret,
            "shm_file": self.shm,
            "shm_id": self.shm_id,
            "loopback_port": self.loopback.getsockname()[1],
            "abstract_socket": "holdfast-escape-%d" % os.getpid(),
            "other_uid": STRANGER,
        }


def attack(cluster, s, user):
    """{attempt: what became of it} from inside of a container."""
    with Host(cluster, s) as host:
        program, facts = cluster.work_path("try-escapes"), cluster.work_path("facts")
        shutil.copy(TRIES, program)
        os.chmod(program, 0o755)
        with open(facts, "w") as f:
            json.dump(host.facts(), f)
        os.chmod(facts, 0o644)
        victim_pid = host.facts()["victim_pid"]
        name = "attacker-" + user
        s.launch([task_of(s, user, name, program, facts)])
        status = s.wait_terminal(name, timeout=60)
        output = cluster.read_sandbox(name) + cluster.read_sandbox(name, "stderr")
        equal(status["state"], "TASK_FINISHED", "end of the attacker: %s\n%s" % (status.get("message"), output))
        check(is_alive(victim_pid), "the victim was hit")
        equal(s.states("victim"), ["TASK_STARTING", "TASK_RUNNING"], "states of the victim")
        s.kill("victim")
        s.wait_state("victim", "TASK_KILLED")
    print(output)
    lines = [line.split(": ", 1)[0].split(" ", 1) for line in output.splitlines()]
    return {line[1].split(",")[0]: line[0] for line in lines if line[0] in ("held", "ESCAPED")}


def test_no_attempt_of_a_user_without_rights_gets_out():
    with Fortress() as cluster, Scheduler(cluster.master_addr) as s:
        found = attack(cluster, s, "nobody")
        check(len(found) >= 75, "only %d attempts were made" % len(found))
        equal([name for name, end in found.items() if end != "held"], [], "what got out")
        cluster.check_holds()


def test_no_attempt_of_a_root_without_capabilities_gets_out():
    with Fortress() as cluster, Scheduler(cluster.master_addr) as s:
        found = attack(cluster, s, "root")
        check(len(found) >= 75, "only %d attempts were made" % len(found))
        equal({name for name, end in found.items() if end != "held"} - ROOTS_OWN, set(), "what got out")
        cluster.check_holds()


def test_task_that_kills_all_it_can_see_kills_itself():
    with Fortress() as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([task_of(s, "nobody", "victim", "/bin/sleep", "1000")])
        s.wait_state("victim", "TASK_RUNNING")
        s.launch([task_of(s, "nobody", "kills", "/bin/sh", "-c", "kill -9 -1; sleep 1000")])
        equal(s.wait_terminal("kills")["state"], "TASK_FAILED", "state")
        equal(s.states("victim"), ["TASK_STARTING", "TASK_RUNNING"], "states of the victim")
        cluster.check_holds()
        s.kill("victim")
        s.wait_state("victim", "TASK_KILLED")


def test_daemons_that_hide_end_with_their_container():
    hide = "import os, time\n" \
           "for n in range(5):\n" \
           "    if os.fork() == 0:\n" \
           "        os.setsid()\n" \
           "        if os.fork():\n" \
           "            os._exit(0)\n" \
           "        os.closerange(0, 1000)\n" \
           "        open('pid-%d' % n, 'w').close()\n" \
           "        time.sleep(1000)\n" \
           "while not all(os.path.exists('pid-%d' % n) for n in range(5)):\n" \
           "    time.sleep(0.01)\n"
    with Fortress() as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([task_of(s, "nobody", "hides", PYTHON, "-c", hide)])
        equal(s.wait_terminal("hides")["state"], "TASK_FINISHED", "state")
        cluster.check_no_containers()
        cluster.check_holds()


def test_what_holds_its_namespaces_open_does_not_keep_them():
    hold = "import os, socket, time\n" \
           "fds = [os.open('/proc/self/ns/' + n, os.O_RDONLY) for n in os.listdir('/proc/self/ns')]\n" \
           "server = socket.create_server(('0.0.0.0', 0))\n" \
           "os.fork()\n" \
           "os.setsid() if os.getpgrp() != os.getpid() else None\n" \
           "time.sleep(1000)\n"
    with Fortress() as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([task_of(s, "nobody", "holds", PYTHON, "-c", hold)])
        s.wait_state("holds", "TASK_RUNNING")
        s.kill("holds")
        s.wait_terminal("holds")
        cluster.check_no_containers()
        wait_until(lambda: {name for _, name in socket.if_nameindex()} == {"lo", "hfescape0"}, "its interface goes")
        cluster.check_holds()


def test_launcher_that_is_killed_leaves_nothing_running():
    with Fortress() as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([task_of(s, "nobody", "orphan", "/bin/sh", "-c", "(setsid sleep 1000 &) ; exec sleep 1000")])
        s.wait_state("orphan", "TASK_RUNNING")
        launcher, = children_named("holdfast-launch")
        os.kill(launcher, signal.SIGKILL)
        equal(s.wait_terminal("orphan")["state"], "TASK_FAILED", "state")
        cluster.check_no_containers()
        cluster.check_holds()


def test_links_in_a_sandbox_lead_no_reader_out():
    with Fortress() as cluster, Scheduler(cluster.master_addr) as s:
        secret = cluster.work_path("of-root")
        with open(secret, "w") as f:
            f.write("treasure\n")
        os.chmod(secret, 0o600)
        s.launch([task_of(s, "nobody", "links", "/bin/sh", "-c", "ln -s %s link; ln -s / top; rm stdout; ln -s %s stdout; "
                          "echo written" % (secret, secret))])
        s.wait_terminal("links")
        sandbox, = cluster.sandboxes("links")
        for path in ("link", "top" + secret, "stdout"):
            answer = http_call(cluster.agent().addr, "GET", "/files/read?offset=0&path=%s/%s" % (sandbox, path))
            check(b"treasure" not in answer.body, "%s is read: %s" % (path, answer.body))
        with open(secret) as f:
            equal(f.read(), "treasure\n", "the file")
        cluster.check_holds()


def test_full_disk_of_one_is_its_own_end():
    with Fortress("--enforce_container_disk_quota", "--container_disk_watch_interval=100ms") as cluster, \
            Scheduler(cluster.master_addr) as s:
        task = task_of(s, "nobody", "fills", "/bin/sh", "-c", "dd if=/dev/zero of=big bs=1M count=64; exec sleep 1000")
        task["resources"].append({"name": "disk", "type": "SCALAR", "scalar": {"value": 16}})
        s.launch([task])
        equal(s.wait_terminal("fills")["reason"], "REASON_CONTAINER_LIMITATION_DISK", "reason")
        cluster.check_no_containers()
        cluster.check_holds()


def test_container_that_stops_and_starves_its_executor_is_ended_all_the_same():
    # Of the same user, so the kernel lets it.
    stop = "import os, signal, time\n" \
           "me = os.getpid()\n" \
           "for p in map(int, filter(str.isdigit, os.listdir('/proc'))):\n" \
           "    if p not in (1, me):\n" \
           "        os.kill(p, signal.SIGSTOP)\n" \
           "open('done', 'w').close()\n" \
           "time.sleep(1000)\n"
    with Fortress("--executor_shutdown_grace_period=1secs") as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([task_of(s, "nobody", "stops", PYTHON, "-c", stop)])
        s.wait_state("stops", "TASK_RUNNING")
        wait_until(lambda: os.path.exists(cluster.sandboxes("stops")[0] + "/done"), "it has stopped its executor")
        s.teardown()
        cluster.check_no_containers()
        cluster.check_holds()


if __name__ == "__main__":
    own_network.enter()
    main()
