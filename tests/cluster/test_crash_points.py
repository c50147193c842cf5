#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Agent and launcher die at each durable step and each message in turn, and no work is lost, repeated or lied about.

A first run of each story counts the points it passes; then there is one run for each, in which the daemon dies
there. HOLDFAST_TEST_POINT=NAME:N runs only that one.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, is_alive, main, wait_until    # noqa: E402
from crash import EXECUTOR, Story, need_crash_points, report, run_jobs    # noqa: E402

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


def visit_all(title, function):
    need_crash_points()
    counted = run_jobs(function, [(title, None)])
    report(title + ", counting", counted)
    points = counted[0].result[2]
    only = os.environ.get("HOLDFAST_TEST_POINT")
    points = [p for p in points if only in (None, p)]
    outcomes = run_jobs(function, [(title, p) for p in points])
    died = sum(o.result[0] > 0 for o in outcomes if o.result)
    fates = [f for o in outcomes if o.result for f in o.result[1]]
    print("%s: %d points of %d names, %d deaths; tasks: %s" % (
        title, len(points), len({p.rsplit(":", 1)[0] for p in points}), died,
        ", ".join("%d %s" % (fates.count(f), f) for f in sorted(set(fates)))))
    report(title, outcomes)
    check(died >= 0.9 * len(points), "only %d of %d points were met again" % (died, len(points)))


def test_agent_may_die_at_any_point_of_its_first_life():
    visit_all("first life", from_the_start)


def test_agent_may_die_at_any_point_of_its_recovery():
    visit_all("recovery", in_recovery)


if __name__ == "__main__":
    main()
