#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A host that is shut down in good order and booted again: what its tasks come to, and who hears of it.

Two boots of one disk: the framework of the first writes down what it is told until the very end, the
framework of the second is the same one again and hears the rest.
"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, wait_until    # noqa: E402
from scheduler import TERMINAL, Scheduler    # noqa: E402
from systemd import (AGENT, MASTER, SOCKET, Host, Machine, custom_executor, main_outside,    # noqa: E402
                     power_off, systemctl)

NOTES = "/var/tmp/notes"
STOPPED = " after its container was stopped"

# What a task does, once it is ready, about SIGTERM, and what is told of its end.
COMMANDS = {
    "plain": ("touch %s; exec sleep 1000", "Command terminated with signal Terminated"),
    "polite": ("trap 'exit 0' TERM; touch %s; while :; do sleep 0.05; done", "Command exited with status 0"),
    "angry": ("trap 'exit 7' TERM; touch %s; while :; do sleep 0.05; done", "Command exited with status 7"),
    "deaf": ("trap '' TERM; touch %s; while :; do sleep 0.05; done", "Command terminated with signal Killed"),
}
TASKS = (*COMMANDS, "hold")
QUICK = ("polite", "hold")
BEGINNING = ["TASK_STARTING", "TASK_RUNNING"]


def boot_id():
    with open("/proc/sys/kernel/random/boot_id") as f:
        return f.read().strip()


def outlive_the_services():
    """At shutdown this program is stopped after agent and master, as a framework elsewhere would be."""
    directory = "/run/systemd/system/holdfast-test.service.d"
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "order.conf"), "w") as f:
        f.write("[Unit]\nBefore=%s %s\n" % (AGENT, MASTER))
    systemctl("daemon-reload")


def ready(name):
    return "/tmp/%s-is-ready" % name


def launch(s, names):
    s.launch([s.task(name, COMMANDS[name][0] % ready(name)) if name in COMMANDS else s.task(name, executor=custom_executor(s))
              for name in names], s.wait_offer(cpus=2, mem=512))
    for name in names:
        s.wait_state(name, "TASK_RUNNING")
    wait_until(lambda: all(os.path.exists(ready(name)) for name in names if name in COMMANDS), "every trap is set")


def first_boot(names, at_shutdown=lambda s: None, before_shutdown=lambda: None):
    """Runs tasks until the machine is off; from some time before that on "plain" is not acknowledged."""
    forgotten = set()
    with open(NOTES, "w", buffering=1) as notes:
        def note(status):
            notes.write(json.dumps(status) + "\n")
            return status["task_id"]["value"] not in forgotten

        outlive_the_services()
        systemctl("enable", MASTER, SOCKET, AGENT)
        host = Host()
        s = Scheduler(host.master_addr, acknowledge=note)
        launch(s, names)
        with open(NOTES + ".ids", "w") as f:
            json.dump({"framework": s.framework_id, "boot": boot_id(), "agent": host.agents()[0]["id"]}, f)
        forgotten.add("plain")
        before_shutdown()
        power_off(lambda: at_shutdown(s))


class Told:
    """All that the framework was told in both boots, each update once."""

    def __init__(self, names):
        with open(NOTES) as f:
            by_uuid = {status["uuid"]: status for status in map(json.loads, f)}
        with open(NOTES + ".ids") as f:
            ids = json.load(f)
        check(boot_id() != ids["boot"], "this is the same boot")
        self.before = list(by_uuid.values())
        with Host() as host, Scheduler(host.master_addr, framework_id=ids["framework"]) as s:
            s.wait_until(lambda: all(self._is_over(s, name) for name in names), "all ends are told")
            equal(host.agents()[0]["id"], ids["agent"], "the agent's id")
            equal(s.run("after", "true")["state"], "TASK_FINISHED", "end of a task of the new boot")
            self.after = [x for x in s.statuses if x["uuid"] not in by_uuid]
            self.again = {x["task_id"]["value"] for x in s.statuses if x["uuid"] in by_uuid}

    def _is_over(self, s, name):
        return any(x["task_id"]["value"] == name and x["state"] in TERMINAL for x in self.before + s.statuses)

    def of(self, name):
        return [x for x in self.before + self.after if x["task_id"]["value"] == name]

    def states(self, name):
        return [x["state"] for x in self.of(name)]

    def end(self, name):
        last = self.of(name)[-1]
        return last["state"], last["message"], last.get("reason"), last["source"]


EXECUTOR_TERMINATED = ("TASK_FAILED", "Executor terminated", "REASON_EXECUTOR_TERMINATED", "SOURCE_AGENT")


def shut_down_with_agent():
    def launch_one_more(s):
        s.wait_state("plain", "TASK_KILLING")
        s.launch([s.task("late", "true")])

    first_boot(TASKS, launch_one_more)


def after_shutdown_with_agent():
    told = Told((*TASKS, "late"))
    for name, (_, message) in COMMANDS.items():
        equal(told.states(name), [*BEGINNING, "TASK_KILLING", "TASK_KILLED"], "states of " + name)
        equal(told.end(name), ("TASK_KILLED", message + STOPPED, None, "SOURCE_EXECUTOR"), "end of " + name)
    equal(told.states("hold"), ["TASK_RUNNING", "TASK_FAILED"], "states of the custom executor's task")
    equal(told.end("hold"), EXECUTOR_TERMINATED, "end of the custom executor's task")

    # Told before the host was off, but for what had to wait for an acknowledgement.
    equal({x["task_id"]["value"] for x in told.after} - {"after", "late"}, {"plain"}, "tasks told of after the boot")
    equal(told.again - {"late"}, {"plain"}, "tasks of which an update came again")

    # A host on its way down starts nothing more, and nobody is made to try it again and again.
    equal(told.states("late"), ["TASK_DROPPED"], "states of the late task")
    equal(told.end("late")[3], "SOURCE_AGENT", "who says so")


def shut_down_quickly():
    first_boot(QUICK)


def after_quick_shutdown():
    told = Told(QUICK)
    equal({x["task_id"]["value"] for x in told.after}, {"after"}, "tasks told of after the boot")
    equal(told.again, set(), "tasks of which an update came again")
    for name in QUICK:
        equal(told.states(name)[-1], "TASK_FAILED" if name == "hold" else "TASK_KILLED", "state of " + name)


def shut_down_without_agent():
    first_boot(TASKS, before_shutdown=lambda: systemctl("stop", SOCKET, AGENT))


def after_shutdown_without_agent():
    told = Told(TASKS)
    for name in COMMANDS:
        equal(told.states(name), [*BEGINNING, "TASK_FAILED"], "states of " + name)
    for name in TASKS:
        equal(told.end(name), EXECUTOR_TERMINATED, "end of " + name)


def test_tasks_of_a_host_that_is_shut_down_are_killed_and_told_while_the_agent_is_still_there():
    with Machine(disk=True) as machine:
        machine.run(shut_down_with_agent)
        machine.run(after_shutdown_with_agent)


def test_ends_that_come_at_the_last_moment_are_told_in_it():
    with Machine(disk=True) as machine:
        machine.run(shut_down_quickly)
        machine.run(after_quick_shutdown)


def test_tasks_of_a_host_that_is_shut_down_without_agent_are_told_after_the_next_boot():
    with Machine(disk=True) as machine:
        machine.run(shut_down_without_agent)
        machine.run(after_shutdown_without_agent)


if __name__ == "__main__":
    main_outside()
