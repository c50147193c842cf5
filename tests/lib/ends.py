# SPDX-License-Identifier: Apache-2.0
"""Containers by the fifty that end in every way there is, and what the host has because of them.

    before = place.traces()
    marks = [ends.run_wave(place, s, n, before) for n in range(4)]
    ends.check_nothing_more(place, before)
    ends.check_gone(marks)

`place` is where the agent runs. It has traces() (see traces.py), cgroup_of(task_id), is_ready(task_id): whether the
task's sandbox has a file "ready", and read_sandbox(task_id, name).
"""

import contextlib
import os
import signal
import sys

import traces
from harness import Failure, check, equal, wait_until
from scheduler import scalar

PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
N_WAVE = 50

# What tasks leave about, in an IPC namespace of their own. Keyrings are of no namespace; a task can tell which is its
# own when its system calls aren't filtered.
OWN_IPC = {"ipc_mode": "PRIVATE"}
MAKE = "ipcmk -M 4096 -Q -S 2 >made; touch /dev/shm/%s; " % traces.SHM_NAME
DAEMONS = "for n in 1 2; do (setsid sleep 1000 >/dev/null 2>&1 &); done; "
TELL_KEYRING = "%s -c 'import ctypes; print(\"%%08x\" %% ctypes.CDLL(None).syscall(%d, 0, -3, 0))' >keyring; " % (
    PYTHON, traces.SYS_KEYCTL)


def with_container(s, name, command="true", **container):
    return s.task(name, command, container={"type": "MESOS", **container})


def run_on(s, name, *_):
    return with_container(s, name, MAKE + DAEMONS + TELL_KEYRING + "touch ready; exec sleep 1000",
                          linux_info={**OWN_IPC, "seccomp": {"unconfined": True}})


def stubborn(s, name, *_):
    task = with_container(s, name, MAKE + "trap '' TERM; touch ready; while :; do sleep 0.2; done", linux_info=OWN_IPC)
    return {**task, "kill_policy": {"grace_period": {"nanoseconds": 100000000}}}


def finish(s, name, *_):
    return with_container(s, name, MAKE + DAEMONS + "true", linux_info=OWN_IPC)


def fail(s, name, *_):
    return with_container(s, name, MAKE + "kill -9 $$", linux_info=OWN_IPC)


def never_fetched(s, name, *_):
    return s.task(name, {"value": "true", "uris": [{"value": "file:///no/such/file"}]})


def never_launched(s, name, n):
    """Each is stopped by another step."""
    executor = {"executor_id": {"value": name}, "framework_id": {"value": s.framework_id},
                "command": {"shell": False, "value": "/no/such/executor"},
                "resources": [scalar("cpus", 0.1), scalar("mem", 32)]}
    host_path = {"mode": "RW", "source": {"type": "HOST_PATH", "host_path": {"path": "/no/such/directory"}}}
    return (
        lambda: s.task(name, {"value": "true", "user": "no-such-user"}),
        lambda: s.task(name, None, executor=executor),
        lambda: with_container(s, name, volumes=[{"container_path": "data", **host_path}]),
        lambda: with_container(s, name, linux_info={"seccomp": {"profile_name": "no-such-profile.json"}}),
        lambda: with_container(s, name, rlimit_info={"rlimits": [{"type": "RLMT_NOFILE", "hard": 1 << 40, "soft": 1 << 40}]}),
    )[n % 5]()


# In turn. The first three run on until they are killed: by the framework, by the loss of their launcher.
KINDS = (run_on, stubborn, run_on, finish, fail, never_fetched, never_launched, run_on, finish, never_launched)
BY_FRAMEWORK, BY_LAUNCHER, BY_ITSELF, AT_ONCE = (0, 1), (2,), (3, 8), (7,)


def launcher_of(place, task_id):
    with open(os.path.join(place.cgroup_of(task_id), "supervisor", "cgroup.procs")) as f:
        return int(f.read())


class Wave:
    def __init__(self, place, s, number):
        self.place, self.s = place, s
        self.names = ["w%d-%02d-%s" % (number, n, KINDS[n % len(KINDS)].__name__) for n in range(N_WAVE)]
        # Tasks with executors of their own need more than they say.
        offers = s.wait_offers(cpus=0.1 * N_WAVE * 1.5, mem=32 * N_WAVE * 1.5)
        tasks = [{**self.make(n, name), "agent_id": offers[0]["agent_id"]} for n, name in enumerate(self.names)]
        s.accept(offers, [{"type": "LAUNCH", "launch": {"task_infos": tasks}}])

    def make(self, n, name):
        task = KINDS[n % len(KINDS)](self.s, name, n // 5)
        task.get("command", {}).setdefault("user", ("root", "nobody")[n // len(KINDS) % 2])
        return task

    def chosen(self, kinds):
        return [name for n, name in enumerate(self.names) if n % len(KINDS) in kinds]

    def wait_running(self):
        for name in self.chosen(BY_FRAMEWORK + BY_LAUNCHER):
            self.s.wait_state(name, "TASK_RUNNING", timeout=60)
            wait_until(lambda name=name: self.place.is_ready(name), "%s is ready" % name)

    def marks(self):
        """The device programs and session keyrings of those that run on."""
        programs, keyrings = set(), set()
        for name in self.chosen(BY_FRAMEWORK + BY_LAUNCHER):
            programs |= traces.device_programs(os.path.join(self.place.cgroup_of(name), "payload"))
            if name.endswith("run_on"):
                keyrings.add(self.place.read_sandbox(name, "keyring").strip())
        return programs, keyrings

    def end(self):
        for name in self.chosen(BY_LAUNCHER):
            with contextlib.suppress(ProcessLookupError):
                os.kill(launcher_of(self.place, name), signal.SIGKILL)
        for name in self.chosen(BY_FRAMEWORK):
            self.s.kill(name)
        # To be dropped is to fail before there is a container.
        return {name: self.s.wait_terminal(name, timeout=60)["state"].replace("DROPPED", "FAILED") for name in self.names}

    def expected(self):
        return {**dict.fromkeys(self.names, "TASK_FAILED"),
                **dict.fromkeys(self.chosen(BY_ITSELF), "TASK_FINISHED"),
                **dict.fromkeys(self.chosen(BY_FRAMEWORK + AT_ONCE), "TASK_KILLED")}


def run_wave(place, s, number, before):
    """Returns what it had of the host's."""
    wave = Wave(place, s, number)
    for name in wave.chosen(AT_ONCE):
        s.kill(name)
    wave.wait_running()
    seen = traces.difference(before, place.traces())
    check({"processes", "namespaces", "open files", "interfaces", "cgroups", "runtime files"} <= set(seen),
          "fifty containers are seen by no more than %s" % list(seen))
    marks = wave.marks()
    check(all(traces.is_program(n) for n in marks[0]) and marks[1] <= traces.keyrings_of_host(), "they are not there")
    equal(wave.end(), wave.expected(), "ends")
    return marks


def check_nothing_more(place, before):
    """All that `before` has is as it was."""
    left = {}

    def is_as_before():
        left.clear()
        left.update(traces.difference(before, place.traces()))
        return not left

    try:
        wait_until(is_as_before, "nothing is left", 30, interval=0.1)
    except Failure:
        raise Failure("left behind:\n%s" % "\n".join("%s: %s, before: %s" % (aspect, after, earlier)
                                                     for aspect, (earlier, after) in left.items())) from None


def check_gone(marks):
    """What the waves had of the host's."""
    programs, keyrings = (set().union(*sets) for sets in zip(*marks))
    check(len(programs) >= len(marks) * N_WAVE // 5, "only %d device programs were seen" % len(programs))
    wait_until(lambda: not any(traces.is_program(n) for n in programs), "their device programs go")
    equal(len(keyrings), len(marks) * N_WAVE // 5, "session keyrings that were seen")
    wait_until(lambda: not keyrings & traces.keyrings_of_host(), "their keyrings go")
