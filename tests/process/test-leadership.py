#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which of several masters leads, what the others answer, and when one has to go; with a real ZooKeeper."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import HOST, Daemon, check, equal, free_port, http_call, http_get, main, program, wait_until  # noqa: E402
from zookeeper import Ensemble, need_zookeeper    # noqa: E402
from zookeeper_client import EPHEMERAL, SEQUENTIAL    # noqa: E402

SESSION_TIMEOUT_S = 4
# (asked for, where the leader has it), as golden/zookeeper shows it.
REDIRECTED = (("/state", "/master/state"), ("/master/state", "/master/state"), ("/redirect", ""),
              ("/slaves?slave_id=x", "/master/slaves?slave_id=x"), ("/master/redirect", ""), ("/roles", "/master/roles"))
LOCAL = ("/health", "/version", "/flags", "/metrics/snapshot", "/registrar(1)/registry", "/files/debug")


class Election:
    """ZooKeeper and masters, which are started one by one."""

    def __init__(self, *flags):
        need_zookeeper()
        self.flags = flags
        self.stack = contextlib.ExitStack()
        self.directory = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-test-"))
        self.ensemble = self.stack.enter_context(Ensemble())
        self.masters = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for m in self.masters:
            if m.is_running():
                m.process.kill()
                m.process.wait()
        self.stack.close()

    def add(self, *flags, url=None, wait_ready=True, session_s=SESSION_TIMEOUT_S):
        port = free_port()
        m = Daemon("master-%d" % len(self.masters),
                   [program("holdfast-master"), "--ip=" + HOST, "--port=%d" % port, "--hostname=" + HOST,
                    "--zk=" + (url or self.ensemble.url()), "--zk_session_timeout=%dsecs" % session_s,
                    *self.flags, *flags], (HOST, port), self.directory)
        self.masters.append(m)
        return m.start(wait_ready)


def elected(m):
    with contextlib.suppress(OSError, http.client.HTTPException):
        answer = http_get(m.addr, "/metrics/snapshot", 2)
        return answer.status == 200 and json.loads(answer.body)["master/elected"] == 1
    return False


def leads(m):
    wait_until(lambda: elected(m) or not m.is_running(), m.name + " leads", timeout=60)
    check(m.is_running(), "%s ended:\n%s" % (m.name, m.log_tail()))
    return m


def location(m, path):
    answer = http_get(m.addr, path)
    return answer.headers["Location"] if answer.status == 307 else "status %d" % answer.status


def knows(standby, leader):
    there = "//%s:%d" % leader.addr
    wait_until(lambda: location(standby, "/redirect") == there, "%s knows %s" % (standby.name, leader.name), timeout=60)
    return there


def ended(m):
    wait_until(lambda: not m.is_running(), m.name + " ends", timeout=60)
    check(m.process.returncode == 1, "%s ended with %s:\n%s" % (m.name, m.process.returncode, m.log_tail()))


def znodes(e):
    with e.ensemble.client() as client:
        return sorted(name for name in client.children("/mesos") if name.startswith("json.info_"))


def test_the_first_leads_and_the_second_says_where_it_is():
    with Election() as e:
        first, second = leads(e.add()), e.add()
        there = knows(second, first)
        for path, where in REDIRECTED:
            equal(location(second, path), there + where, path)
        for path in LOCAL:
            equal(http_get(second.addr, path).status, 200, path)
        check(not elected(second), "both lead")
        equal(http_get(second.addr, "/registrar(1)/registry").body, b"{}", "registry of a standby")
        for path in ("/api/v1", "/api/v1/scheduler", "/master/api/v1/scheduler"):
            answer = http_call(second.addr, "POST", path, {"type": "GET_MASTER"})
            equal((answer.status, answer.headers["Location"], answer.body),
                  (307, there + "/master" + path.removeprefix("/master"), b""), path)
        equal(location(first, "/redirect"), there, "the leader itself")
        equal(http_get(first.addr, "/master/redirect/x").status, 404, "what is below /redirect")


def test_what_others_read_of_a_master_is_as_mesos_writes_it():
    with Election() as e:
        m = leads(e.add())
        node, = znodes(e)
        with e.ensemble.client() as client:
            info = json.loads(client.get("/mesos/" + node)[0])
        port = m.addr[1]
        check(len(info.pop("id")) == 36, "id")
        equal(info, {"address": {"hostname": HOST, "ip": HOST, "port": port}, "hostname": HOST, "ip": 16777343,
                     "capabilities": [{"type": t} for t in ("AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2")],
                     "pid": "master@%s:%d" % (HOST, port), "port": port, "version": "1.12.0"}, "MasterInfo")


def test_the_next_leads_when_the_leader_dies_and_not_sooner():
    with Election() as e:
        first = leads(e.add())
        second, third = e.add(), e.add()
        knows(second, first)
        knows(third, first)
        first.kill9()
        leads(second)
        knows(third, second)
        first.start()
        knows(first, second)
        second.stop()
        leads(third)
        knows(first, third)


def test_a_leader_that_was_stopped_beyond_its_session_ends_before_it_says_anything():
    with Election() as e:
        first, second = leads(e.add()), e.add()
        knows(second, first)
        first.signal(signal.SIGSTOP)
        leads(second)
        # What waits in its socket is not answered any more.
        with socket.create_connection(first.addr) as s:
            s.sendall(b"GET /state HTTP/1.1\r\nHost: x\r\n\r\n")
            first.signal(signal.SIGCONT)
            ended(first)
            with contextlib.suppress(ConnectionResetError):
                equal(s.recv(1024), b"", "what a former leader said")


def test_a_leader_without_zookeeper_ends_and_a_standby_waits():
    with Election() as e:
        first, second = leads(e.add()), e.add()
        knows(second, first)
        e.ensemble.server().freeze()
        ended(first)
        equal(len([line for line in first.log().splitlines() if " error " in line]), 1, "reasons")
        check(second.is_running() and http_get(second.addr, "/health").status == 200, "the standby")
        wait_until(lambda: http_get(second.addr, "/state").status == 503, "nobody leads", timeout=60)
        equal(http_get(second.addr, "/redirect").status, 503, "redirect")
        e.ensemble.server().resume()
        leads(second)


def test_a_short_absence_of_zookeeper_changes_nothing():
    """Short for a server that is started anew on a busy machine."""
    with Election() as e:
        first, second = leads(e.add(session_s=20)), e.add(session_s=20)
        knows(second, first)
        e.ensemble.server().restart()
        with e.ensemble.client() as client:
            client.create("/mesos/later")
        knows(second, first)
        check(first.is_running() and elected(first), "the leader")
        equal(len(znodes(e)), 2, "candidates")


def test_a_leader_whose_znode_is_taken_away_ends():
    with Election() as e:
        first, second = leads(e.add()), e.add()
        knows(second, first)
        with e.ensemble.client() as client:
            client.delete("/mesos/" + znodes(e)[0])
        ended(first)
        leads(second)


def test_a_master_of_the_past_is_a_leader_like_any_other():
    with Election() as e, e.ensemble.client() as old:
        old.create("/mesos")
        old.create("/mesos/json.info_", json.dumps({"id": "old", "hostname": "old.example", "port": 5050, "ip": 16777343,
                                                    "pid": "master@127.0.0.1:5050", "version": "1.4.0"}).encode(),
                   EPHEMERAL | SEQUENTIAL)
        m = e.add()
        wait_until(lambda: location(m, "/state") == "//old.example:5050/master/state", "the old one is seen to lead")
        old.close()
        leads(m)


def test_a_znode_left_by_a_former_session_makes_nobody_lead():
    """It is this master's description, but it ends with the session it is of: then another one leads."""
    with Election() as e, e.ensemble.client() as client:
        client.ensure("/mesos")
        client.create("/mesos/json.info_0000000000", b"somebody", EPHEMERAL)
        m = e.add()
        wait_until(lambda: len(znodes(e)) == 2, "the candidacy")
        own = max(znodes(e))
        client.create("/mesos/json.info_-000000001", client.get("/mesos/" + own)[0], EPHEMERAL)
        client.delete("/mesos/json.info_0000000000")
        wait_until(lambda: "not that of this session" in m.log(), "the other znode is looked at")
        check(not elected(m), "it leads by a znode that is not its own")
        equal(http_get(m.addr, "/state").status, 503, "status")
        client.delete("/mesos/json.info_-000000001")
        leads(m)


def test_credentials_open_the_group_and_others_may_look():
    with Election() as e:
        url = e.ensemble.url(credentials="mesos:secret")
        m = leads(e.add(url=url))
        check("secret" not in m.log(), "the password is in the log")
        with e.ensemble.client() as stranger:
            check(stranger.children("/mesos"), "others may look")


def test_urls_that_cannot_be_are_refused_by_name():
    for url in ("zk://", "zk://host", "zk://host:99999/mesos", "http://host/mesos", "zk://user@host/mesos"):
        result = subprocess.run([program("holdfast-master"), "--zk=" + url, "--port=0", "--ip=" + HOST],
                                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=20)
        equal(result.returncode, 1, url)
        check(b"--zk=" in result.stderr, "%s: %s" % (url, result.stderr))


if __name__ == "__main__":
    main()
