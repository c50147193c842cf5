#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""linux/capabilities: every capability is tried from inside of containers that have all, none, or just the one."""

import json
import os
import platform
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, check, equal, main, skip    # noqa: E402
from scheduler import Scheduler                                     # noqa: E402

ISOLATION = "--isolation=posix/cpu,posix/mem,linux/capabilities"
TRIES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "try-capabilities")
# Of no user of this host.
STRANGER = 54320
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable

NAMES = ["CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
         "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
         "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
         "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
         "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
         "CHECKPOINT_RESTORE"]
# A kernel built without it refuses it to everybody.
REFUSED = ("EPERM", "EACCES", "ENOSYS", "ENOENT")


def own_capabilities():
    with open("/proc/self/status") as f:
        mask = next(int(line.split()[1], 16) for line in f if line.startswith("CapPrm"))
    return [name for i, name in enumerate(NAMES) if mask >> i & 1]


def need_root():
    if os.geteuid() != 0:
        skip("only root has capabilities to give")
    if platform.machine() != "x86_64":
        skip("the attempts have system calls by x86-64's numbers")


def capabilities(names):
    return {"capabilities": list(names)}


def container(effective=None, bounding=None):
    info = {}
    if effective is not None:
        info["effective_capabilities"] = capabilities(effective)
    if bounding is not None:
        info["bounding_capabilities"] = capabilities(bounding)
    return {"type": "MESOS", "linux_info": info}


class Ground:
    """A cluster, and what the attempts are made on: files and a process of somebody else's."""

    def __init__(self, *flags):
        need_root()
        self.cluster = Cluster(agent_flags=[ISOLATION, *flags])

    def __enter__(self):
        self.cluster.__enter__()
        self.scheduler = Scheduler(self.cluster.master_addr)
        self.scheduler.__enter__()
        self.directory = self.cluster.work_path("ground")
        os.mkdir(self.directory)
        os.chmod(self.directory, 0o755)
        shutil.copy(TRIES, self.directory)
        for name, mode in (("theirs", 0), ("theirs-open", 0o666)):
            path = os.path.join(self.directory, name)
            with open(path, "w"):
                pass
            os.chown(path, STRANGER, STRANGER)
            os.chmod(path, mode)
        self.victim = os.fork()
        if self.victim == 0:
            os.setresgid(STRANGER, STRANGER, STRANGER)
            os.setresuid(STRANGER, STRANGER, STRANGER)
            os.execv("/bin/sleep", ["sleep", "600"])
        with open(os.path.join(self.directory, "pid"), "w") as f:
            f.write(str(self.victim))
        return self

    def __exit__(self, *exception):
        os.kill(self.victim, 9)
        os.waitpid(self.victim, 0)
        self.scheduler.__exit__(*exception)
        self.cluster.__exit__(*exception)

    def run(self, task_id, script, user="root", **fields):
        status = self.scheduler.run(task_id, {"value": script, "user": user}, **fields)
        equal(status["state"], "TASK_FINISHED", "%s (%s)" % (task_id, status.get("message")))
        return self.cluster.read_sandbox(task_id)

    def attempt(self, task_id, user="root", denied=False, **fields):
        script = "%s %s/try-capabilities %s %s" % (PYTHON, self.directory, self.directory, "--denied" if denied else "")
        return json.loads(self.run(task_id, script, user, **fields).splitlines()[-1])

    def sets(self, task_id, user="root", **fields):
        out = self.run(task_id, "grep Cap /proc/self/status", user, **fields)
        found = dict(line.split(":\t") for line in out.splitlines() if line.startswith("Cap"))
        return {name: {n for i, n in enumerate(NAMES) if int(mask, 16) >> i & 1} for name, mask in found.items()}


def test_without_a_capability_everything_that_takes_one_is_refused():
    with Ground() as ground:
        for user in ("root", "nobody"):
            tried = ground.attempt("none-" + user, user, denied=True, container=container([], []))
            allowed = {name: how for name, how in tried.items() if how not in REFUSED}
            equal(allowed, {}, "what %s may without a capability" % user)
            check(len(tried) >= 30, "only %d were tried" % len(tried))


def test_each_capability_alone_allows_what_it_is_for_whoever_the_user_is():
    with Ground() as ground:
        everything = ground.attempt("all")
        names = [name for name in everything if name in own_capabilities() and everything[name] not in REFUSED]
        check(len(names) >= 20, "only %r can be tried" % names)
        for name in names:
            for user in ("root", "nobody"):
                tried = ground.attempt("%s-%s" % (name, user), user, container=container([name], [name]))
                check(tried[name] not in REFUSED, "%s has %s and is refused: %s" % (user, name, tried[name]))
                allowed = {n for n, how in tried.items() if how not in REFUSED}
                related = {name} | {"DAC_OVERRIDE": {"DAC_READ_SEARCH"}, "SYS_ADMIN": {"PERFMON", "BPF",
                           "CHECKPOINT_RESTORE"}}.get(name, set())
                check(allowed <= related, "%s has %s and may %r" % (user, name, allowed))


def test_sets_are_what_was_asked_for_and_stay_so_through_exec():
    two = {"CHOWN", "KILL"}
    with Ground() as ground:
        for user in ("root", "nobody"):
            found = ground.sets("within-" + user, user, container=container(["KILL"], sorted(two)))
            equal(found, {"CapInh": {"KILL"}, "CapPrm": {"KILL"}, "CapEff": {"KILL"}, "CapBnd": two,
                          "CapAmb": {"KILL"}}, "sets of " + user)
            found = ground.sets("only-" + user, user, container=container(["KILL"]))
            equal((found["CapEff"], found["CapBnd"]), ({"KILL"}, {"KILL"}), "effective alone, " + user)
        found = ground.sets("bound-root", container=container(None, sorted(two)))
        equal((found["CapEff"], found["CapBnd"]), (two, two), "bounding alone, root")
        found = ground.sets("bound-nobody", "nobody", container=container(None, sorted(two)))
        equal((found["CapEff"], found["CapBnd"]), (set(), two), "bounding alone, nobody")


def test_without_a_word_about_them_users_have_what_they_always_had():
    with Ground() as ground:
        own = set(own_capabilities())
        found = ground.sets("root")
        equal((found["CapEff"], found["CapBnd"], found["CapAmb"]), (own, own, set()), "root")
        found = ground.sets("nobody", "nobody")
        equal((found["CapEff"], found["CapBnd"], found["CapAmb"]), (set(), own, set()), "nobody")


def test_flags_are_the_default_and_the_bound_of_all_tasks():
    flags = ["--allowed_capabilities=" + json.dumps(capabilities(["CHOWN"])),
             "--bounding_capabilities=" + json.dumps(capabilities(["CHOWN", "KILL"]))]
    with Ground(*flags) as ground:
        found = ground.sets("default", "nobody")
        equal((found["CapEff"], found["CapBnd"]), ({"CHOWN"}, {"CHOWN", "KILL"}), "default")
        found = ground.sets("asked", "nobody", container=container(["KILL"]))
        equal((found["CapEff"], found["CapBnd"]), ({"KILL"}, {"CHOWN", "KILL"}), "asked for")
        status = ground.scheduler.run("more", "true", container=container(["KILL", "NET_RAW"]))
        equal((status["state"], status["reason"]), ("TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED"), "too much")
        check("Requested capabilities '{ KILL, NET_RAW }', but only '{ CHOWN, KILL }' are allowed" in status["message"],
              status["message"])


def test_agents_refuse_to_start_with_sets_that_cannot_be():
    need_root()
    cases = {
        "--effective_capabilities={\"capabilities\": [\"NONSENSE\"]}": "NONSENSE",
        "--bounding_capabilities=[]": "bounding_capabilities",
    }
    for flag, expected in cases.items():
        with Cluster(n_agents=0) as cluster:
            agent = cluster.add_agent(ISOLATION, flag)
            agent.start(wait_ready=False)
            equal(agent.process.wait(20), 1, "exit status with " + flag)
            check(expected in agent.log(), agent.log())
            cluster.agents.remove(agent)


if __name__ == "__main__":
    main()
