#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The network that other tests use: what tests/lib/network.py promises."""

import contextlib
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import network    # noqa: E402
from harness import check, equal, main, wait_until    # noqa: E402

PORT = 5050
# For what does not come. A lost packet is sent again after 0.2 s, 0.4 s and so on.
SHORT_S = 0.3
# For what does.
PATIENCE_S = 10


class Echo:
    """Sends back what it gets, one connection at a time."""

    def __init__(self, machine):
        with machine.inside():
            self._listener = socket.create_server((machine.address, PORT))
        self.n_bytes = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                while data := connection.recv(100):
                    self.n_bytes += len(data)
                    connection.sendall(data)


def connect(machine, to, timeout=PATIENCE_S):
    with machine.inside():
        return socket.create_connection((to.address, PORT), timeout=timeout)


def answers(s, timeout=PATIENCE_S):
    s.settimeout(timeout)
    try:
        return bool(s.recv(100))
    except socket.timeout:
        return False


def test_machines_reach_each_other_until_the_link_is_cut():
    with network.Network(["one", "two", "three"]) as net, Echo(net["two"]):
        s = connect(net["one"], net["two"])
        s.sendall(b"a")
        check(answers(s), "no answer")
        net.cut_both("one", "two")
        s.sendall(b"b")
        check(not answers(s, SHORT_S), "an answer over a link that is cut")
        try:
            connect(net["one"], net["two"], SHORT_S)
            check(False, "a connection over a link that is cut")
        except socket.timeout:
            pass
        net.heal_both("one", "two")
        check(answers(s), "what was sent meanwhile does not come")


def test_one_direction_can_be_cut_by_itself():
    with network.Network(["one", "two"]) as net, Echo(net["two"]) as echo:
        s = connect(net["one"], net["two"])
        net.cut("two", "one")
        s.sendall(b"a")
        wait_until(lambda: echo.n_bytes == 1, "what is sent over the direction that is left")
        check(not answers(s, SHORT_S), "an answer over the direction that is cut")
        net.heal_all()
        check(answers(s), "no answer after it was healed")


def test_others_are_not_concerned_by_a_cut():
    with network.Network(["one", "two", "three"]) as net, Echo(net["two"]):
        net.cut_both("one", "two")
        s = connect(net["three"], net["two"])
        s.sendall(b"a")
        check(answers(s), "no answer to a third")
        s = socket.create_connection((net["two"].address, PORT), timeout=PATIENCE_S)
        s.close()


def test_unplugged_machine_cannot_be_reached_and_that_is_said():
    with network.Network(["one", "two"]) as net, Echo(net["two"]):
        net.unplug("two")
        try:
            connect(net["one"], net["two"])
            check(False, "a connection to an unplugged machine")
        except socket.timeout:
            check(False, "nothing was said")
        except OSError:
            pass
        net.plug("two")
        connect(net["one"], net["two"])


def test_nothing_of_it_is_seen_outside():
    names = {name for _, name in socket.if_nameindex()}
    with network.Network(["one"]):
        equal({name for _, name in socket.if_nameindex()} - names, {"cable1"}, "new interfaces beside the router")
        check(os.getpid() < 10, "the process namespace is not its own")


if __name__ == "__main__":
    network.enter()
    main()
