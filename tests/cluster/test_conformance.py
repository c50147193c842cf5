#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The conformance kit, where it is at hand beside the tree: what it counts is printed, and kept beside the log.

A scenario has to be carried through. Some agree with the recordings and have to go on doing so; how much of the
others does is for the reader.
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import SOURCE_DIR, TIMEOUT_SCALE, check, main, program, skip, temporary_directory    # noqa: E402
from zookeeper import need_zookeeper    # noqa: E402

KIT = os.path.abspath(os.path.join(SOURCE_DIR, "..", "shared", "conformance"))
GOLDEN = os.path.abspath(os.path.join(SOURCE_DIR, "..", "shared", "golden"))


def conformance(*scenarios, same=False, known=()):
    """`same`: nothing may differ but what has one of the texts `known`."""
    if not os.path.exists(os.path.join(KIT, "record.py")):
        skip("the conformance kit is not at hand")
    with temporary_directory() as directory:
        out = os.path.join(directory, "out")
        recorded = run(["record.py", "--bin", os.path.dirname(program("holdfast-agent")), "--kind", "holdfast",
                        "--out", out, *scenarios])
        for scenario in scenarios:
            compared = run(["compare.py", out, GOLDEN, "--scenario", scenario])
            lines = compared.stdout.splitlines()
            differences = [line for line in lines if not line.startswith("conformance ")]
            print("\n".join(differences))
            print("\n".join(line for line in lines if line.startswith("conformance ")))
            if same and compared.returncode != 0:
                unknown = [line for line in differences if not any(text in line for text in known)]
                check(differences and not unknown, "%s differs from what was recorded" % scenario)
        print(recorded.stdout)
        check(recorded.returncode == 0, "a scenario could not be carried through")


def run(argv):
    return subprocess.run([sys.executable, os.path.join(KIT, argv[0]), *argv[1:]], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=400 * TIMEOUT_SCALE, check=False)


def test_snapshots_of_an_empty_master():
    conformance("snapshots-empty")


def test_snapshots_of_an_idle_agent():
    conformance("snapshots-agent-idle")


def test_main_flow_of_a_scheduler():
    conformance("scheduler-main")


def test_failover_of_a_scheduler():
    conformance("scheduler-failover", same=True)


def test_recovery_of_an_agent():
    conformance("recovery")


def test_agent_that_is_unreachable_returns_and_is_gone():
    # A Mesos agent forgets to say so when it registers again without having been restarted; ours do checkpoint.
    conformance("unreachable", same=True, known=["$.AGENT_ADDED.agent_added.agent.agent_info.checkpoint: golden no such"])


def test_masters_with_zookeeper():
    need_zookeeper()
    conformance("zookeeper", same=True)


if __name__ == "__main__":
    main()
