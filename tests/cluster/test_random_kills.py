#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The agent is killed with -9 at random moments, again and again, while work comes and goes.

HOLDFAST_TEST_KILLS=N (200), HOLDFAST_TEST_SEED=N (1).
"""

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, main    # noqa: E402
from crash import EXECUTOR, Story    # noqa: E402

N_KILLS = int(os.environ.get("HOLDFAST_TEST_KILLS", "200"))
SEED = int(os.environ.get("HOLDFAST_TEST_SEED", "1"))
RESOURCES = "cpus:64;mem:65536;disk:65536"
# The longest life of an agent here; recovery takes some 0.2 s of it when there are executors.
LIFE_MAX_S = 0.5
N_AT_A_TIME = 20


class Launcher:
    """Keeps some tasks on their way."""

    def __init__(self, story, rng):
        self.story, self.rng, self.names = story, rng, []

    def command(self, name):
        return self.story.command(name, self.rng.choice(("exit 3", "sleep 0.1; exit 3", "sleep 0.5; exit 3")))

    def launch_some(self):
        story = self.story
        running = [n for n in self.names if not story.end_of(n)]
        offer = story.take_offer() if len(running) < N_AT_A_TIME else None
        if offer:
            names = ["t%04d" % (len(self.names) + n) for n in range(self.rng.randint(1, 4))]
            self.names += names
            story.s.launch([story.s.task(n, self.command(n)) for n in names], offer)


def kill_at_random(story, rng, between):
    for _ in range(N_KILLS):
        story.agent.start(wait_ready=False)
        end = time.monotonic() + rng.uniform(0, LIFE_MAX_S)
        while time.monotonic() < end:
            between()
            time.sleep(0.01)
        story.agent.kill9()


def test_agent_killed_at_random_loses_no_task_and_tells_each_end_once():
    print("seed %d, %d kills" % (SEED, N_KILLS))
    rng = random.Random(SEED)
    with Story(resources=RESOURCES) as story:
        launcher = Launcher(story, rng)
        kill_at_random(story, rng, launcher.launch_some)
        story.start_agent()
        story.wait_end(*launcher.names)
        fates = [story.check_end(name, "TASK_FAILED", "Command exited with status 3") for name in launcher.names]
        print("%d tasks, %d of them dropped before they were started; %d updates were sent again" % (
            len(fates), fates.count("dropped"), story.s.n_resent))
        check(fates.count("ran") > N_KILLS // 4, "too few tasks came to run")
        story.teardown()


def test_stream_of_updates_across_ten_restarts_has_no_gap_and_no_duplicate():
    n_updates = 600
    task_id = "count-%d" % n_updates
    rng = random.Random(SEED)
    with Story() as story:
        story.start_agent()
        story.launch(story.s.task(task_id, executor=story.executor(
            "custom", "exec %s %s" % (sys.executable, EXECUTOR))))
        story.wait_running(task_id)
        story.stop_keeping()
        for restart in range(10):
            seen = len(story.s.statuses)
            story.wait(lambda n=seen: len(story.s.statuses) > n, "the stream goes on")
            time.sleep(rng.uniform(0, 0.1))
            check(not story.end_of(task_id), "the stream ended before restart %d" % restart)
            story.agent.kill9() if restart % 2 else story.agent.stop()
            story.agent.start()
        story.start_agent_keeper()
        story.wait(lambda: story.end_of(task_id), "the stream ends", timeout=60)
        numbers = [int(x["message"]) for x in story.s.statuses if x.get("message")]
        equal(numbers, list(range(1, n_updates + 1)), "numbers in the order they came")
        print("%d updates over ten restarts, %d sent again" % (len(numbers), story.s.n_resent))
        story.teardown()


if __name__ == "__main__":
    main()
