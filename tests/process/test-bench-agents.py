#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The simulated cluster of bench/ works: a small one, and nothing is said about how fast it is."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from harness import SOURCE_DIR, check, equal, main
from zookeeper import need_zookeeper

N_AGENTS = 50


def figures(*parts):
    """What bench/master.py prints, by name."""
    done = subprocess.run(
        [sys.executable, os.path.join(SOURCE_DIR, "bench", "master.py"), "--agents=%d" % N_AGENTS, "--seconds=1",
         "--schedulers=5", "--gc-interval=1", *parts], stdout=subprocess.PIPE, text=True, check=False)
    equal(done.returncode, 0, "exit status of bench/master.py")
    return {line.split()[0]: float(line.split()[1]) for line in done.stdout.splitlines() if line[0] != "#"}


def test_agents_come_back_to_a_new_master_whether_it_has_heard_of_them_or_not():
    found = figures("known", "unknown", "stampede")
    for part in ("known", "unknown", "stampede"):
        check(found[part + "_time"] > 0, "%s took no time" % part)
        check(found[part + "_rss_peak"] > 0, "%s took no memory" % part)


def test_agents_come_back_to_the_next_leader():
    need_zookeeper()
    found = figures("failover")
    check(found["failover_election"] > 0 and found["failover_time"] > 0, "the failover took no time: %s" % found)


def test_a_trivial_master_answers_agents_as_well():
    check(figures("floor")["floor_time"] > 0, "answers took no time")


def test_what_is_declined_is_offered_again():
    found = figures("offers")
    check(0 < found["offers_round_p50"] <= found["offers_round_max"], "rounds of offers: %s" % found)


def test_tasks_are_launched_and_come_to_their_end():
    found = figures("tasks")
    check(found["tasks_rate_half_1"] > 0 and found["tasks_rate_half_2"] > 0, "no task finished: %s" % found)


if __name__ == "__main__":
    main()
