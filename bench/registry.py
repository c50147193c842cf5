#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the master's registry costs with many agents, in SQLite and in ZooKeeper.

    registry.py [N]

Prints, for each of them: how many agents a second are admitted when they come together, how long one
takes that comes alone, how long the next leader reads them all, and what memory that takes. The
ZooKeeper is one server that does not wait for the disk, so its figures are those of the protocol.
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "lib"))
import zookeeper
from harness import BUILD_DIR, Skip, temporary_directory

PROGRAM = os.path.join(BUILD_DIR, "bench", "registry")


def run(n, kind, place):
    for what in ("store", "load"):
        print(subprocess.run([PROGRAM, what, str(n), kind, place], check=True, text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL).stdout, end="", flush=True)


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 50000
    print("# registry of %d agents" % n)
    with temporary_directory() as directory:
        run(n, "sqlite", os.path.join(directory, "registry.db"))
    try:
        zookeeper.JAVA[zookeeper.JAVA.index("-Xmx64m")] = "-Xmx512m"    # it has all of it in memory, too
        with zookeeper.Ensemble() as ensemble:
            run(n, "zookeeper", ensemble.url())
    except Skip as e:
        print("# %s" % e)


if __name__ == "__main__":
    main()
