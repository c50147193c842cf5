#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Agent and launcher die at each durable step and each message in turn, and no work is lost, repeated or lied about.

A first run of each story counts the points it passes; then there is one run for each, in which the daemon dies
there. HOLDFAST_TEST_POINT=NAME:N runs only that one.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, main, wait_until    # noqa: E402
from crash import EXECUTOR, Story, visit_all    # noqa: E402

HELD = ("hold-1", "hold-2")


# Four kinds of work, and an agent that dies amid them

def tasks_of(story):
    s = story.s
    custom = story.executor("custom", story.command("custom", "exec %s %s" % (sys.executable, EXECUTOR)))
    # It never subscribes: how it ended is known from its launcher alone.
    mute = story.executor("mute", story.behind_gate("mute", "exit 7"))
    return [s.task("mute", executor=mute),
            s.task("ends", story.command("ends", "true")),
            s.task("seven", story.behind_gate("seven", "exit 7")),
            s.task("killed", story.command("killed", "exec sleep 1000")),
            *(s.task(name, executor=custom) for name in HELD)]


def judge(story):
    story.wait_end("ends", "seven", "mute")
    fates = [story.check_lives(name, "custom") for name in HELD]
    story.kill("killed")
    fates += [story.check_end("ends", "TASK_FINISHED", "Command exited with status 0"),
              story.check_end("seven", "TASK_FAILED", "Command exited with status 7"),
              story.check_end("killed", "TASK_KILLED", None),
              story.check_end("mute", "TASK_FAILED", "Executor terminated", full=())]
    story.teardown()
    for name in HELD:
        story.check_order(name)
    return fates


def tell_sevens_to_exit(story):
    """While the agent is away."""
    story.open_gate()
    wait_until(lambda: story.has_ended("seven") and story.has_ended("mute"), "seven and mute end")


def from_the_start(job):
    """The agent dies in its first life: registration, launches, updates, ends, kill, shutdown."""
    _, at = job
    with Story() as story:
        story.start_agent(story.env("holdfast-agent", at), lambda: tell_sevens_to_exit(story))
        story.launch(*tasks_of(story))
        story.wait_running("ends", "seven", "killed", *HELD)
        story.open_gate()
        fates = judge(story)
        return story.n_deaths, fates, story.points()


def in_recovery(job):
    """It dies in its second life, in which it finds what the first one left, and what happened meanwhile."""
    _, at = job
    with Story() as story:
        story.start_agent()
        story.launch(*tasks_of(story))
        story.wait_running("ends", "seven", "killed", *HELD)
        wait_until(lambda: story.ran("mute"), "mute is started")
        story.stop_keeping()
        story.agent.kill9()
        tell_sevens_to_exit(story)
        story.start_agent(story.env("holdfast-agent", at))
        fates = judge(story)
        equal(fates, ["ran"] * 6, "what became of the tasks")
        return story.n_deaths, fates, story.points()


def test_agent_may_die_at_any_point_of_its_first_life():
    visit_all("first life", from_the_start)


def test_agent_may_die_at_any_point_of_its_recovery():
    visit_all("recovery", in_recovery)


# The launcher dies

def judge_witness(story, name, message):
    """True of what is told of a container whose witness died: its true end, or that it is not known, or that it
    was never started."""
    end = story.end_of(name)
    story.check_order(name)
    runs = len(story.ran(name))
    check(runs <= 1, "%s was started %d times" % (name, runs))
    equal(end["state"], "TASK_FAILED" if end["source"] == "SOURCE_EXECUTOR" or runs else end["state"], "state")
    if end.get("message") == message:
        equal(runs, 1, "runs of %s, of which %r is told" % (name, message))
        return "true"
    equal(end["source"], "SOURCE_AGENT", "source of %s" % end)
    if end.get("reason") == "REASON_CONTAINER_LAUNCH_FAILED" or end["state"] == "TASK_DROPPED":
        equal(runs, 0, "runs of %s, of which %s is told" % (name, end))
        return "not started"
    equal(end["reason"], "REASON_EXECUTOR_TERMINATED", "reason of %s" % end)
    check(end["message"].startswith("Abnormal executor termination"), "message of %s" % end)
    return "unknown"


def finish(story, at, fates):
    story.teardown()
    return int(at in story.points()), fates, story.points()


def witness_of_a_command(job):
    with Story() as story:
        story.start_agent(story.env("holdfast-launcher", job[1]))
        story.launch(story.s.task("seven", story.command("seven", "exit 7")))
        story.wait_end("seven")
        return finish(story, job[1], [judge_witness(story, "seven", "Command exited with status 7")])


def witness_of_a_mute_executor(job):
    """Nobody but the launcher knows how it ended."""
    with Story() as story:
        story.start_agent(story.env("holdfast-launcher", job[1]))
        mute = story.executor("mute", story.command("mute", "exit 7"))
        story.launch(story.s.task("mute", executor=mute))
        story.wait_end("mute")
        fate = judge_witness(story, "mute", "Executor terminated")
        status = next(iter(story.s.events_of("FAILURE")), {}).get("failure", {}).get("status")
        check(fate != "true" or status == 7 << 8, "the executor's status is told as %r" % status)
        if "file-renamed:1" in story.points():
            equal(fate, "true", "what was recorded is told")
        return finish(story, job[1], [fate])


def witness_that_is_told_to_kill(job):
    with Story() as story:
        story.start_agent(story.env("holdfast-launcher", job[1]))
        stays = story.executor("stays", story.command("stays", "(setsid sleep 1000 &) ; exec sleep 1000"))
        story.launch(story.s.task("stays", executor=stays))
        story.wait(lambda: story.ran("stays") or story.end_of("stays"), "it runs, or not")
        return finish(story, job[1], ["killed"])


def witness_while_the_agent_is_away(job):
    """The agent is killed, the task ends, the agent comes back, and the launcher dies somewhere on the way."""
    with Story() as story:
        story.start_agent(story.env("holdfast-launcher", job[1]))
        story.launch(story.s.task("seven", story.behind_gate("seven", "exit 7")))
        story.wait_running("seven")
        story.stop_keeping()
        story.agent.kill9()
        story.start_agent()
        story.wait(lambda: story.end_of("seven") or story.is_reregistered(), "the agent is back")
        story.open_gate()
        story.wait_end("seven")
        return finish(story, job[1], [judge_witness(story, "seven", "Command exited with status 7")])


def test_launcher_of_a_command_may_die_at_any_point():
    visit_all("launcher of a command", witness_of_a_command)


def test_launcher_of_a_mute_executor_may_die_at_any_point():
    visit_all("launcher of a mute executor", witness_of_a_mute_executor)


def test_launcher_that_is_told_to_kill_may_die_at_any_point():
    visit_all("launcher told to kill", witness_that_is_told_to_kill)


def test_launcher_may_die_at_any_point_while_the_agent_is_away():
    visit_all("launcher, agent away", witness_while_the_agent_is_away)


if __name__ == "__main__":
    main()
