# SPDX-License-Identifier: Apache-2.0
"""Every way to place containers with every way to isolate them: the same tasks run the same, or the agent says why not.

The program that wants the matrix takes it in with

    globals().update(matrix.tests())

as one test per pair, test_<launcher>_with_<isolation>. What a host has not, such as a systemd, is
skipped by name, so that on some host each pair has been run: this machine, a systemd in namespaces, a machine
with a kernel of its own.
"""

import os
import pwd
import subprocess

import harness
from harness import Cluster, Failure, check, cgroup2_mount, equal, skip, wait_until
from scheduler import Scheduler

PROFILES = os.path.join(harness.SOURCE_DIR, "isolator", "seccomp")
CONTAINERS = "holdfast-containers.scope"
N_TASKS = 20

# How an agent is started: its flags, and whether as root.
LAUNCHERS = {
    "posix": {"launcher": "posix"},
    "linux": {"launcher": "linux"},
    "scope": {"launcher": "linux", "systemd": True},
    "one_scope": {"launcher": "linux", "systemd": True, "flags": ["--systemd_scope=agent"]},
    "rootless": {"launcher": "posix", "rootless": True, "flags": ["--no-switch_user"]},
}

# Their --isolation, and the controllers without which it is refused.
ISOLATIONS = {
    "measuring": ("process", ()),
    "limits": ("cgroups/cpu,cgroups/mem,cgroups/pids", ("cpu", "memory", "pids")),
    "devices": ("process,cgroups/devices", ()),
    "privileges": ("process,linux/nnp,linux/capabilities,linux/seccomp,posix/rlimits", ()),
    "filesystem": ("process,filesystem/linux", ()),
    "pid_namespace": ("process,filesystem/linux,namespaces/pid", ()),
    "ipc_namespace": ("process,filesystem/linux,namespaces/ipc", ()),
    "all_namespaces": ("process,filesystem/linux,namespaces/pid,namespaces/ipc,linux/nnp", ()),
    "everything": ("cgroups/cpu,cgroups/mem,cgroups/pids,cgroups/devices,filesystem/linux,namespaces/pid,namespaces/ipc,"
                   "disk/du,network/ports,linux/nnp,linux/capabilities,linux/seccomp,posix/rlimits",
                   ("cpu", "memory", "pids")),
}

# What needs a cgroup of the container's own, and what needs root. The agent must refuse it elsewhere.
OF_CGROUPS = ("limits", "devices", "everything")
OF_ROOT = ("limits", "devices", "privileges", "everything")


def controllers():
    with open(os.path.join(cgroup2_mount(), "cgroup.controllers")) as f:
        return f.read().split()


def user():
    """Whoever is not root: the tests' own user, where there is one."""
    for name in ("tester", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    return skip("there is no user but root")


class MatrixCluster(Cluster):
    def __init__(self, launcher, isolation):
        self.how = LAUNCHERS[launcher]
        self.one_scope = launcher == "one_scope"
        super().__init__(launcher=self.how["launcher"], start=False,
                         agent_flags=["--isolation=" + isolation, "--seccomp_config_dir=" + PROFILES,
                                      "--seccomp_profile_name=default.json", *self.how.get("flags", ())])
        agent = self.agent()
        if self.how.get("systemd"):
            agent.argv.remove("--no-systemd_enable_support")
        if self.how.get("rootless"):
            agent.argv = ["setpriv", "--reuid=%d" % user().pw_uid, "--regid=%d" % user().pw_gid, "--clear-groups",
                          *agent.argv]
            for name in (agent.name, agent.name + "-run"):
                os.mkdir(self.work_path(name))
                os.chown(self.work_path(name), user().pw_uid, user().pw_gid)

    def scheduler(self):
        return Scheduler(self.master_addr, info={"user": user().pw_name if self.how.get("rootless") else "root"})

    def check_no_containers(self, timeout=20):
        # The scope for all, and its keeper, are nobody's; the last one out puts out the light.
        if self.one_scope:
            subprocess.run(["systemctl", "stop", CONTAINERS], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           check=False)
        super().check_no_containers(timeout)


def run_tasks(c):
    """What anybody may expect of a task, however it is placed and isolated."""
    with c.scheduler() as s:
        status = s.run("seven", "echo out; echo err >&2; exit 7")
        equal(status.get("message"), "Command exited with status 7", "message")
        equal(c.read_sandbox("seven").splitlines()[-1], "out", "stdout")
        equal(c.read_sandbox("seven", "stderr").splitlines()[-1], "err", "stderr")

        equal(s.run("signal", "kill -9 $$").get("message"), "Command terminated with signal Killed", "message")

        s.launch([s.task("killed", "echo ready; exec sleep 1000"),
                  s.task("stubborn", "trap '' TERM; echo ready; while :; do sleep 0.1; done",
                         kill_policy={"grace_period": {"nanoseconds": 200000000}})])
        for name in ("killed", "stubborn"):
            s.wait_state(name, "TASK_RUNNING")
            wait_until(lambda name=name: "ready" in c.read_sandbox(name), "%s runs" % name)
            s.kill(name)
        for name in ("killed", "stubborn"):
            equal(s.wait_terminal(name)["state"], "TASK_KILLED", "state of " + name)

        # Neither a session of its own nor the loss of its parent saves a process from the end of its task.
        s.run("daemons", "for n in 1 2 3; do (setsid sleep 1000 >/dev/null 2>&1 &); done; sleep 0.1")

        names = ["t%02d" % n for n in range(N_TASKS)]
        s.launch([s.task(name, "echo $((1 + 1))") for name in names])
        for name in names:
            equal(s.wait_terminal(name, timeout=60)["state"], "TASK_FINISHED", "state of " + name)
            equal(c.read_sandbox(name).splitlines()[-1], "2", "output of " + name)


def refusal(c):
    """What an agent says that does not start; None when it starts."""
    agent = c.agent()
    agent.start(wait_ready=False)
    wait_until(lambda: not agent.is_running() or harness.is_healthy(agent.addr), "the agent answers or ends")
    if agent.is_running():
        return None
    return "\n".join(line for line in agent.log().splitlines() if "--isolation=" in line) or agent.log_tail()


def must_be_refused(launcher, isolation):
    how = LAUNCHERS[launcher]
    needed = ISOLATIONS[isolation][1]
    return (isolation in OF_CGROUPS and how["launcher"] != "linux") or (isolation in OF_ROOT and how.get("rootless")) \
        or (how["launcher"] == "linux" and any(name not in controllers() for name in needed))


def check_refusal(launcher, isolation, text):
    check("is not an isolator" not in text and "not in this version" not in text, text)
    check("--isolation=" in text and len(text.split("': ", 1)[-1]) > 20, "no reason is given: " + text)
    names = [name for name in ISOLATIONS[isolation][0].split(",") if name in text.split("': ", 1)[-1]]
    check(names, "the reason does not name the isolator: " + text)
    # Otherwise "refused" would pass for anything.
    if not must_be_refused(launcher, isolation) and not LAUNCHERS[launcher].get("rootless"):
        can_have_namespaces = subprocess.run(["unshare", "--mount", "--pid", "--ipc", "--fork", "true"], check=False,
                                             stderr=subprocess.DEVNULL).returncode == 0
        check(launcher == "posix" or not can_have_namespaces, "refused without need: " + text)
    print("    refused: " + text.split("--isolation=")[-1])


def run_pair(launcher, isolation):
    if os.geteuid() != 0:
        skip("needs root")
    if LAUNCHERS[launcher].get("systemd") and not os.path.isdir("/run/systemd/system"):
        skip("no systemd runs this host")
    with MatrixCluster(launcher, ISOLATIONS[isolation][0]) as c:
        c.master().start()
        text = refusal(c)
        if text is None and must_be_refused(launcher, isolation):
            raise Failure("the agent starts, with what cannot work")
        if text is None:
            c.wait_agents()
            run_tasks(c)
            return
        equal(c.agent().process.returncode, 1, "exit status of the agent")
        c.agents.clear()
    check_refusal(launcher, isolation, text)


def tests():
    def make(launcher, isolation):
        return lambda: run_pair(launcher, isolation)

    return {"test_%s_with_%s" % pair: make(*pair) for pair in
            ((launcher, isolation) for launcher in LAUNCHERS for isolation in ISOLATIONS)}
