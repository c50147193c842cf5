# SPDX-License-Identifier: Apache-2.0
"""Somebody who asks every master, again and again, whether it leads, and ZooKeeper for the registry's epoch.

It stands on the router, so it reaches masters that nobody else reaches: one that was cut off must not act either.
"""

import contextlib
import http.client
import threading

from harness import http_call
from zookeeper_client import ZooKeeperClient, ZooKeeperError

INTERVAL_S = 0.1
TIMEOUT_S = 1
EPOCH = "/mesos/holdfast/epoch"
TROUBLE = (OSError, http.client.HTTPException, ValueError, KeyError)


def read_epoch(client):
    """(how often it was written, the id of the master that did so last)."""
    data, stat = client.get(EPOCH)
    return stat.version, data.decode().split()[1]


class Witness:
    def __init__(self, history, masters, zookeepers=()):
        """`masters`: {name: address}; `zookeepers`: addresses."""
        self._history = history
        self._leaving = threading.Event()
        self._threads = [threading.Thread(target=self._watch_master, args=item, daemon=True) for item in masters.items()]
        if zookeepers:
            self._threads.append(threading.Thread(target=self._watch_epoch, args=(zookeepers,), daemon=True))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._leaving.set()
        for thread in self._threads:
            thread.join(10)

    def _watch_master(self, name, addr):
        while not self._leaving.wait(INTERVAL_S):
            with contextlib.suppress(*TROUBLE):
                sent = self._history.now()
                answer = http_call(addr, "POST", "/api/v1", {"type": "GET_MASTER"}, timeout=TIMEOUT_S)
                if answer.status == 200:
                    info = answer.json()["get_master"]["master_info"]
                    self._history.note("act", "witness", master=info["id"], sent=sent, what=name)

    def _watch_epoch(self, zookeepers):
        last = None
        while not self._leaving.wait(INTERVAL_S):
            for addr in zookeepers:
                with contextlib.suppress(OSError, ZooKeeperError), ZooKeeperClient(addr, TIMEOUT_S) as client:
                    epoch = read_epoch(client)
                    if epoch != last:
                        self._history.note("epoch", "witness", value=epoch[0], master=epoch[1])
                    last = epoch
                    break
