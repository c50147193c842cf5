#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The gate that lets clients whose time runs faster use a ZooKeeper whose does not."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import network    # noqa: E402
from harness import check, equal, main, wait_until    # noqa: E402
from zookeeper import Ensemble    # noqa: E402
from zookeeper_client import EPHEMERAL, ZooKeeperClient    # noqa: E402
from zookeeper_gate import Gate    # noqa: E402

PORT, GATE_PORT, RATE = 2181, 2182, 10


def test_session_of_twenty_fast_seconds_is_one_of_two():
    with network.Network(["zookeeper"]) as net:
        machine = net["zookeeper"]
        with Ensemble(places=[(machine.address, machine.wrap)], port=PORT) as zookeeper:
            gate = Gate(machine, GATE_PORT, PORT, RATE)
            client = ZooKeeperClient((machine.address, GATE_PORT), timeout=20.0)
            equal(client.timeout_ms, 20000, "what the client was granted")
            client.create("/mine", b"x" * 100000, EPHEMERAL)
            equal(client.get("/mine")[0], b"x" * 100000, "data")
            start = time.monotonic()
            client.abandon()
            with zookeeper.client() as watcher:
                wait_until(lambda: not watcher.children("/")[1:], "the session is given up")
            check(time.monotonic() - start < 15, "it took %g s" % (time.monotonic() - start))
            zookeeper.server().kill9()
            try:
                ZooKeeperClient((machine.address, GATE_PORT), timeout=5.0)
                check(False, "the gate is open, and there is nothing behind it")
            except OSError:
                pass
            gate.close()


if __name__ == "__main__":
    network.enter()
    main()
