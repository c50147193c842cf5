#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The registry in ZooKeeper: tests/unit/test-registry against a real one."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import BUILD_DIR, check, main    # noqa: E402
from zookeeper import Ensemble    # noqa: E402


def test_zookeeper_does_as_any_store():
    with Ensemble() as zookeeper:
        result = subprocess.run([os.path.join(BUILD_DIR, "tests/unit/test-registry")],
                                env={**os.environ, "ZOOKEEPER_HOSTS": zookeeper.hosts}, check=False)
        check(result.returncode == 0, "it failed")


if __name__ == "__main__":
    main()
