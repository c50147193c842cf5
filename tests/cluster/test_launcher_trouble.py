#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Launchers in trouble: killed, hung, or of another release than the agent that finds them."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import BIN_DIR, SOURCE_DIR, check, children_named, equal, is_alive, main, wait_until    # noqa: E402
from crash import Story    # noqa: E402

OTHER = os.path.join(SOURCE_DIR, "tests", "lib", "other_launcher.py")
# An agent gives a silent launcher a minute.
SILENCE_S = 60


def launch_steady(story, name):
    """A task that runs for long, and has left a daemon behind; returns its launcher's pid."""
    others = set(children_named("holdfast-launcher"))
    story.launch(story.s.task(name, story.command(
        name, "(setsid sleep 2000 & echo $! >%s) ; exec sleep 1000" % story.ran_path(name + "-daemon"))))
    story.wait_running(name)
    story.wait(lambda: story.ran(name + "-daemon"), "%s leaves a daemon" % name)
    (pid,) = set(children_named("holdfast-launcher")) - others
    return pid


def check_unknown_end(story, name):
    end = story.end_of(name)
    equal((end["state"], end["source"], end["reason"]),
          ("TASK_FAILED", "SOURCE_AGENT", "REASON_EXECUTOR_TERMINATED"), "end of %s" % name)
    check(end["message"].startswith("Abnormal executor termination"), "message is %r" % end["message"])
    equal(len(story.s.states(name)), 3, "states of %s" % name)
    for each in (name, name + "-daemon"):
        wait_until(lambda each=each: story.has_ended(each), "%s has ended" % each)


def test_killed_launcher_takes_its_container_along_and_the_end_is_unknown():
    with Story() as story:
        story.start_agent()
        os.kill(launch_steady(story, "steady"), signal.SIGKILL)
        story.wait_end("steady")
        check_unknown_end(story, "steady")
        story.teardown()


def test_launcher_killed_while_the_agent_is_away_is_found_out_by_the_next_one():
    with Story() as story:
        story.start_agent()
        launcher = launch_steady(story, "steady")
        story.stop_keeping()
        story.agent.kill9()
        os.kill(launcher, signal.SIGKILL)
        wait_until(lambda: story.has_ended("steady"), "the task ends with its launcher")
        story.start_agent()
        story.wait_end("steady")
        check_unknown_end(story, "steady")
        story.teardown()


def test_launcher_that_hangs_is_killed_after_its_deadline():
    """One that hangs after its agent has adopted it, and one that an agent finds hung when it comes back."""
    with Story() as story:
        story.start_agent()
        launchers = [launch_steady(story, "adopted"), launch_steady(story, "found")]
        executors = [wait_executor_of(pid) for pid in launchers]
        story.stop_keeping()
        story.agent.kill9()
        os.kill(launchers[1], signal.SIGSTOP)
        story.start_agent()
        story.wait(story.is_reregistered, "the agent is back")
        os.kill(launchers[0], signal.SIGSTOP)
        # As long as its executor is there, a launcher is not missed: what works is not killed for it.
        for name, pid in zip(("adopted", "found"), executors):
            check(is_alive(story.ran(name + "-daemon")[0]), "%s has been killed" % name)
            os.kill(pid, signal.SIGKILL)
        for name in ("adopted", "found"):
            story.wait(lambda n=name: story.end_of(n), "%s ends" % name, timeout=SILENCE_S + 30)
            check_unknown_end(story, name)
        check(not any(is_alive(pid) for pid in launchers), "a hung launcher lives on")
        story.teardown()


def wait_executor_of(launcher_pid):
    return wait_until(lambda: children_named("holdfast-executor", launcher_pid), "its executor")[0]


def other_launchers(story, version):
    """A directory of our programs, but for the launcher."""
    directory = story.cluster.work_path("bin")
    os.mkdir(directory)
    for name in os.listdir(BIN_DIR):
        if name.startswith("holdfast-") and name != "holdfast-launcher":
            os.symlink(os.path.join(BIN_DIR, name), os.path.join(directory, name))
    path = os.path.join(directory, "holdfast-launcher")
    with open(path, "w") as f:
        f.write("#!/bin/sh\nexec %s %s %d \"$@\"\n" % (sys.executable, OTHER, version))
    os.chmod(path, 0o755)
    return directory


def adopt(version):
    """The agent is upgraded (or downgraded) under a running task: no launcher of its own release is involved."""
    with Story(launcher="posix") as story:
        ours = list(story.agent.argv)
        story.agent.argv = [a for a in ours if not a.startswith("--launcher_dir")] + [
            "--launcher_dir=" + other_launchers(story, version)]
        story.start_agent()
        story.launch(story.s.task("seven", story.behind_gate("seven", "exit 7")),
                     story.s.task("stays", story.command("stays", "exec sleep 1000")),
                     story.s.task("mute", executor=story.executor("mute", story.behind_gate("mute", "exit 7"))))
        story.wait_running("seven", "stays")
        story.wait(lambda: story.ran("mute"), "mute runs")
        story.stop_keeping()
        story.agent.kill9()
        story.agent.argv = ours
        story.start_agent()
        story.wait(lambda: "TASK_RUNNING" in story.s.states("stays") and story.ran("stays"), "it runs")
        story.open_gate()
        story.wait_end("seven", "mute")
        equal(story.check_end("seven", "TASK_FAILED", "Command exited with status 7"), "ran", "fate of seven")
        # It had not subscribed when its agent was replaced, and may have been ended for that.
        check(story.end_of("mute")["state"] in ("TASK_FAILED", "TASK_GONE"), "mute ended %s" % story.end_of("mute"))
        check(is_alive(story.ran("stays")[0]), "the task died")
        story.kill("stays")
        equal(story.check_end("stays", "TASK_KILLED", None), "ran", "fate of stays")
        equal(story.s.run("new", "exit 3").get("message"), "Command exited with status 3", "a task of the new agent")
        story.teardown()


def test_launcher_that_is_older_than_the_agent_is_adopted():
    adopt(0)


def test_launcher_that_is_newer_than_the_agent_is_adopted():
    adopt(99)


if __name__ == "__main__":
    main()
