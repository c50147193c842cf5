#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ZooKeeper that other tests use: what tests/lib/zookeeper.py and zookeeper_client.py promise."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, main, wait_until    # noqa: E402
from zookeeper import Ensemble    # noqa: E402
from zookeeper_client import (BAD_VERSION, CREATOR_ACL, EPHEMERAL, NODE_EXISTS, SEQUENTIAL, ZooKeeperClient,    # noqa: E402
                              ZooKeeperError)


def code_of(function, *args, **options):
    try:
        function(*args, **options)
    except ZooKeeperError as e:
        return e.code
    return 0


def test_nodes_are_made_read_changed_and_removed():
    with Ensemble() as zookeeper, zookeeper.client() as client:
        client.ensure("/mesos/deep")
        equal(client.create("/mesos/a", b"one"), "/mesos/a", "path")
        equal(code_of(client.create, "/mesos/a"), NODE_EXISTS, "error")
        equal(client.set("/mesos/a", b"two", 0).version, 1, "version")
        equal(code_of(client.set, "/mesos/a", b"three", 0), BAD_VERSION, "error")
        equal(client.get("/mesos/a")[0], b"two", "data")
        equal(client.tree("/mesos"), {"/mesos": b"", "/mesos/a": b"two", "/mesos/deep": b""}, "tree")
        client.delete("/mesos/a")
        equal(client.exists("/mesos/a"), None, "what was removed")
        equal(client.children("/mesos"), ["deep"], "children")
        equal(client.children("/nowhere"), [], "children of nothing")


def test_ephemeral_nodes_go_with_their_session_and_numbers_go_on():
    with Ensemble() as zookeeper, zookeeper.client() as watcher:
        watcher.ensure("/mesos")
        with zookeeper.client() as client:
            equal(client.create("/mesos/json.info_", b"", EPHEMERAL | SEQUENTIAL), "/mesos/json.info_0000000000", "path")
            equal(watcher.get("/mesos/json.info_0000000000")[1].ephemeral_owner, client.session_id, "owner")
        equal(watcher.children("/mesos"), [], "children after the session was closed")
        client = zookeeper.client(timeout=1.0)
        equal(client.create("/mesos/json.info_", b"", EPHEMERAL | SEQUENTIAL), "/mesos/json.info_0000000001", "path")
        client.abandon()
        wait_until(lambda: not watcher.children("/mesos"), "the abandoned session is given up")


def test_nodes_with_credentials_are_their_creators():
    with Ensemble() as zookeeper, zookeeper.client() as stranger:
        with zookeeper.client(credentials="user:secret") as client:
            client.create("/own", b"data", acl=CREATOR_ACL)
        equal(stranger.get("/own")[0], b"data", "what a stranger reads")
        check(code_of(stranger.set, "/own", b"else") != 0, "a stranger changed it")
        equal(sorted((p, s) for p, s, _ in stranger.acl("/own")), [(1, "world"), (31, "digest")], "ACL")


def test_data_outlives_kill_and_sessions_outlive_a_restart():
    with Ensemble() as zookeeper:
        server = zookeeper.server()
        with zookeeper.client() as client:
            client.create("/kept", b"data")
            first_pid = server.pid
            server.kill9()
            equal(server.ask("ruok"), "", "answer of the dead")
        server.start()
        check(server.pid != first_pid, "it did not die")
        with zookeeper.client() as client:
            equal(client.get("/kept")[0], b"data", "data after the restart")
        server.freeze()
        try:
            ZooKeeperClient(server.addr, timeout=0.5)
            check(False, "a frozen server answered")
        except OSError:
            pass
        server.resume()
        equal(server.mode(), "standalone", "mode")


def test_three_servers_go_on_when_their_leader_is_killed():
    with Ensemble(3) as zookeeper:
        equal(sorted(s.mode() for s in zookeeper.servers), ["follower", "follower", "leader"], "modes")
        with zookeeper.client() as client:
            client.create("/kept", b"data")
        leader = next(s for s in zookeeper.servers if s.mode() == "leader")
        others = [s for s in zookeeper.servers if s is not leader]
        leader.kill9()
        wait_until(lambda: sorted(str(s.mode()) for s in others) == ["follower", "leader"], "a new leader", 30)
        with zookeeper.client() as client:
            equal(client.get("/kept")[0], b"data", "data of the new leader")
        leader.start()
        equal(leader.mode(), "follower", "mode of the former leader")


if __name__ == "__main__":
    main()
