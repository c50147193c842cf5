#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sessions with a real ZooKeeper, and the election of masters on them, through tests/process/zk-driver."""

import contextlib
import os
import queue
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from harness import BUILD_DIR, HOST, TIMEOUT_SCALE, check, equal, main, skip, wait_until
from zookeeper import Ensemble
from zookeeper_client import ALL, CREATE, EPHEMERAL, GET, READ, SEQUENTIAL, ZooKeeperClient

SESSION_MS = 4000
INFO = ('{"address":{"hostname":"%s","ip":"10.0.0.%d","port":5050},"hostname":"%s","id":"id-%s","ip":16777343,'
        '"pid":"master@10.0.0.%d:5050","port":5050,"version":"1.12.0"}')
SYNC = 9
CREATE_SEQUENTIAL = struct.pack(">i", EPHEMERAL | SEQUENTIAL)


def info(name, number):
    return INFO % (name, number, name, name, number)


def leader(name, number):
    return "leader id-%s master@10.0.0.%d:5050 %s 10.0.0.%d 5050" % (name, number, name, number)


class Driver:
    """A zk-driver; what it prints is expected in order."""

    def __init__(self, url, session_ms=SESSION_MS, detect=False):
        path = os.path.join(BUILD_DIR, "tests/process/zk-driver")
        if not os.access(path, os.X_OK):
            skip("zk-driver is not built")
        wrapper = os.environ.get("HOLDFAST_TEST_WRAPPER", "").split()
        self.process = subprocess.Popen(
            [*wrapper, path, *(["--detect"] if detect else []), url, str(session_ms)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.log = []
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_log, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _read_log(self):
        self.log.extend(self.process.stderr)

    def __enter__(self):
        return self

    def __exit__(self, kind, _value, _traceback):
        if kind is not None:
            print("--- end of the driver's log\n" + "".join(self.log[-40:]))
        self.process.send_signal(signal.SIGCONT)
        if kind is None:
            self.quit()
        else:
            self.process.kill()
            self.process.wait()

    def quit(self):
        if self.process.poll() is None:
            with contextlib.suppress(BrokenPipeError):
                self.send("quit")
        equal(self.process.wait(20 * TIMEOUT_SCALE), 0, "the driver's exit code")

    def send(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def next(self, timeout=20):
        try:
            return self._lines.get(timeout=timeout * TIMEOUT_SCALE)
        except queue.Empty:
            raise AssertionError("the driver says nothing for %g s" % timeout) from None

    def expect(self, *lines):
        for line in lines:
            equal(self.next(), line, "the driver's word")

    def expect_start(self, start):
        line = self.next()
        check(line is not None and line.startswith(start), "the driver says %r, expected %r..." % (line, start))
        return line[len(start):]

    def ask(self, request, answer):
        self.send(request)
        self.expect(answer)

    def quiet(self):
        """Nothing has been said: what comes next is the answer to this."""
        self.ask("exists /", "exists 0")


@contextlib.contextmanager
def connected(url, session_ms=SESSION_MS):
    with Driver(url, session_ms) as driver:
        driver.expect("state connected")
        yield driver


class Proxy:
    """Between a client and a server; cuts the connection in place of the answer to a request that `cut` finds, and
    keeps back requests that `hold` finds until `release` is set."""

    def __init__(self, server, cut, hold=lambda frame: False):
        self.server = server
        self.cut = cut
        self.hold = hold
        self.held = threading.Event()
        self.release = threading.Event()
        self.n_cut = 0
        self.listener = socket.create_server((HOST, 0))
        self.addr = self.listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.server)
                threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client, server):
        """Requests and answers one after the other, as this client's come."""
        asked = {}

        def back():
            with contextlib.suppress(OSError):
                while (frame := self._frame(server)) is not None:
                    if struct.unpack_from(">i", frame)[0] in asked:
                        self.n_cut += 1
                        client.shutdown(socket.SHUT_RDWR)
                        break
                    client.sendall(struct.pack(">i", len(frame)) + frame)

        threading.Thread(target=back, daemon=True).start()
        with contextlib.suppress(OSError):
            while (frame := self._frame(client)) is not None:
                if self.n_cut == 0 and self.cut(frame):
                    asked[struct.unpack_from(">i", frame)[0]] = True
                if self.hold(frame):
                    self.held.set()
                    self.release.wait(20 * TIMEOUT_SCALE)
                server.sendall(struct.pack(">i", len(frame)) + frame)
        server.close()

    @staticmethod
    def _frame(s):
        def read(n):
            data = b""
            while len(data) < n:
                piece = s.recv(n - len(data))
                if not piece:
                    return None
                data += piece
            return data
        head = read(4)
        return read(struct.unpack(">i", head)[0]) if head else None

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


# Sessions

def test_znodes_are_made_read_changed_and_removed():
    with Ensemble() as zookeeper, connected(zookeeper.url()) as d:
        d.ask("ensure /mesos/a/b", "ensured")
        d.ask("ensure /mesos/a/b", "ensured")
        d.ask("create /mesos/x hello", "created /mesos/x")
        d.ask("create /mesos/x again", "error the znode exists")
        d.ask("get /mesos/x", "data 0 hello")
        d.ask("set /mesos/x 0 world", "set 1")
        d.ask("set /mesos/x 0 late", "error somebody else has changed the znode")
        d.ask("exists /mesos/x", "exists 1")
        d.send("children /mesos")
        equal(sorted(d.expect_start("children ").split(",")), ["a", "x"], "children")
        d.ask("delete /mesos/a -1", "error the znode has children")
        d.ask("delete /mesos/x 0", "error somebody else has changed the znode")
        d.ask("delete /mesos/x 1", "deleted")
        d.ask("get /mesos/x", "error there is no such znode")
        d.ask("get no-path", "refused EINVAL")


def test_multi_is_all_or_nothing_and_names_the_one_that_failed():
    with Ensemble() as zookeeper, connected(zookeeper.url()) as d:
        d.ask("ensure /m", "ensured")
        d.ask("multi create /m/a 0 1 ; create /m/b 0 2 ; set /m -1 x ; check /m 1", "done")
        d.ask("multi create /m/c 0 1 ; set /m/a 9 x ; delete /m/b -1", "error 1 somebody else has changed the znode")
        d.ask("multi check /m 0 ; create /m/c 0 1", "error 0 somebody else has changed the znode")
        d.ask("multi create /m/c 0 1 ; create /m/a 0 1", "error 1 the znode exists")
        with zookeeper.client() as client:
            equal(client.children("/m"), ["a", "b"], "children")


def test_what_the_server_would_hang_up_on_is_refused():
    with Ensemble() as zookeeper, connected(zookeeper.url()) as d:
        d.ask("large /large %d" % (1024 * 1024 - 32768), "created /large")
        d.ask("large /larger %d" % (1024 * 1024), "refused EMSGSIZE")
        d.ask("many 17000 /", "refused ENOBUFS")
        # One of them is the probe, if it is under way just then.
        check(int(d.expect_start("many ")) in (16383, 16384), "not as many were taken as there may be")
        d.ask("ensure /still/here", "ensured")


def test_watches_tell_of_changes_and_survive_the_connection():
    with Ensemble() as zookeeper, connected(zookeeper.url(), 10000) as d:
        d.ask("ensure /w", "ensured")
        d.ask("watch-children /w", "children ")
        d.ask("watch-exists /w/x", "error there is no such znode")
        zookeeper.server(0).restart()
        d.expect("state connecting", "state connected")
        with zookeeper.client() as client:
            client.create("/w/x")
            equal(sorted((d.next(), d.next())), ["changed /w", "changed /w/x"], "changes")
            client.create("/w/y")
            d.quiet()


def test_names_are_looked_up_and_a_server_that_does_not_answer_is_passed_over():
    with Ensemble() as zookeeper:
        port = zookeeper.server(0).addr[1]
        with socket.create_server((HOST, 0)) as silent, \
                connected("zk://localhost:%d,%s:%d/m" % (port, HOST, silent.getsockname()[1])) as d:
            d.quiet()


def test_unknown_names_are_looked_up_again():
    with Driver("zk://no-such-host.invalid/m") as d:
        wait_until(lambda: sum("No address is known" in line for line in d.log) >= 2, "a second attempt")
        d.ask("get /", "refused ENOTCONN")


def test_server_that_comes_late_is_found():
    with Ensemble(start=False) as zookeeper, Driver(zookeeper.url()) as d:
        zookeeper.start()
        d.expect("state connected")
        d.quiet()


def test_requests_end_when_the_connection_is_lost():
    with Ensemble() as zookeeper, connected(zookeeper.url(), 10000) as d:
        d.ask("ensure /r", "ensured")
        zookeeper.server(0).freeze()
        d.send("get /r")
        d.send("multi create /r/a 0 1 ; set /r -1 x")
        d.ask("mark", "marked")
        zookeeper.server(0).kill9()
        d.expect("state connecting", "error the connection was lost", "error 0 the connection was lost")
        d.ask("get /r", "refused ENOTCONN")
        zookeeper.server(0).start()
        d.expect("state connected")
        d.ask("get /r", "data 0 ")


def test_session_ends_by_our_own_clock_while_the_server_is_stopped():
    with Ensemble() as zookeeper, connected(zookeeper.url()) as d:
        d.ask("ensure /e", "ensured")
        d.ask("ephemeral /e/x 1", "created /e/x")
        frozen = time.monotonic()
        zookeeper.server(0).freeze()
        d.send("get /e")
        d.expect("state connecting", "error the connection was lost", "state expired")
        took = time.monotonic() - frozen
        check(took <= SESSION_MS / 1000 + 0.3 * TIMEOUT_SCALE,
              "the session was given up after %.2f s, the server may have ended it before" % took)
        d.ask("get /e", "refused ENOTCONN")
        zookeeper.server(0).resume()
        with zookeeper.client() as client:
            wait_until(lambda: not client.exists("/e/x"), "the server gives it up, too")


def test_session_ends_before_the_server_ends_it_when_nothing_gets_through():
    """The lease counts from what was sent last and answered, so that we know before anybody else does."""
    with Ensemble() as zookeeper:
        proxy = Proxy(zookeeper.server(0).addr, lambda frame: False)
        with contextlib.closing(proxy), connected("zk://%s:%d/m" % proxy.addr) as d, zookeeper.client() as client:
            d.ask("ephemeral /alive 1", "created /alive")
            proxy.close()
            proxy.cut = lambda frame: True
            d.expect("state connecting", "state expired")
            check(client.exists("/alive"), "the server ended the session before we knew")
            wait_until(lambda: not client.exists("/alive"), "the server ends the session")


def test_reads_do_not_lengthen_a_session_that_owns_znodes():
    """A server that has lost the ensemble's leader goes on answering them, until something has to go there."""
    passed, losing = [], threading.Event()

    def hold(frame):
        if struct.unpack_from(">ii", frame)[1] != SYNC:
            return False
        if not losing.is_set():
            passed.append(time.monotonic())
            return False
        proxy.close()
        return True

    with Ensemble() as zookeeper:
        proxy = Proxy(zookeeper.server(0).addr, lambda frame: False, hold)
        with contextlib.closing(proxy), connected("zk://%s:%d/m" % proxy.addr) as d:
            d.ask("ephemeral /x 1", "created /x")
            wait_until(lambda: passed, "the ensemble's leader is asked")
            losing.set()
            line = "exists 0"
            while line == "exists 0":
                d.send("exists /")
                line = d.next()
            while line != "state expired":
                line = d.next()
            took = time.monotonic() - passed[-1]
            check(took <= SESSION_MS / 1000 + 0.3 * TIMEOUT_SCALE, "the session was given up after %.2f s" % took)


def test_session_that_the_server_has_ended_is_over():
    with Ensemble() as zookeeper, connected(zookeeper.url()) as d:
        d.ask("ephemeral /x 1", "created /x")
        d.process.send_signal(signal.SIGSTOP)
        with zookeeper.client() as client:
            wait_until(lambda: not client.exists("/x"), "the server ends the session")
        d.process.send_signal(signal.SIGCONT)
        line = d.next()
        if line == "state connecting":
            line = d.next()
        equal(line, "state expired", "the driver's word")


def test_process_that_was_stopped_knows_before_it_does_anything_else():
    with Ensemble() as zookeeper, connected(zookeeper.url()) as d:
        d.quiet()
        d.ask("busy %d" % (SESSION_MS * 2), "busy")
        d.send("mark")
        d.expect("state expired", "marked")


def test_short_absence_of_the_server_does_not_end_the_session():
    with Ensemble() as zookeeper, connected(zookeeper.url(), 20000) as d:
        d.ask("ephemeral /x 1", "created /x")
        zookeeper.server(0).kill9()
        d.expect("state connecting")
        zookeeper.server(0).start()
        d.expect("state connected")
        d.ask("exists /x", "exists 0")


def test_session_moves_to_another_server_of_the_ensemble():
    with Ensemble(3) as zookeeper, connected(zookeeper.url(), 20000) as d:
        d.ask("ephemeral /x 1", "created /x")
        address = next(line for line in d.log if "Connected to ZooKeeper at" in line).split(" at ")[1].split(",")[0]
        server = next(s for s in zookeeper.servers if "%s:%d" % s.addr == address)
        server.kill9()
        d.expect("state connecting", "state connected")
        d.ask("exists /x", "exists 0")


def test_session_that_is_left_ends_at_once():
    with Ensemble() as zookeeper, zookeeper.client() as client:
        with connected(zookeeper.url(), 60000) as d:
            d.ask("ephemeral /x 1", "created /x")
        check(not client.exists("/x"), "the ephemeral znode outlived its session")


def test_session_may_be_freed_by_an_answer_and_requests_forgotten():
    with Ensemble() as zookeeper:
        with connected(zookeeper.url()) as d:
            d.send("get /\nget /\nfree-on-answer /\nget /")
            d.expect("data 0 ", "data 0 ", "freed")
        with connected(zookeeper.url()) as d:
            d.ask("watch-children /", "children zookeeper")
            d.send("get /\nforget\nexists /")
            d.expect("exists 0")
            d.ask("create /x 1", "changed /")
            d.expect("created /x")


def test_credentials_own_their_znodes_and_everybody_reads_them():
    with Ensemble() as zookeeper:
        with connected(zookeeper.url(credentials="holdfast:secret")) as d:
            d.ask("ensure /mesos", "ensured")
            d.ask("sequence /mesos/json.info_ {}", "created /mesos/json.info_0000000000")
            with zookeeper.client() as client:
                for path in ("/mesos", "/mesos/json.info_0000000000"):
                    acl = client.acl(path)
                    equal(acl[0], (READ, "world", "anyone"), "first entry of the ACL")
                    equal((acl[1][:2], acl[1][2].split(":")[0]), ((ALL, "digest"), "holdfast"), "second entry")
            with connected(zookeeper.url()) as stranger:
                stranger.ask("get /mesos/json.info_0000000000", "data 0 {}")
                stranger.ask("set /mesos -1 x", "error the znode's access control list forbids it")
                stranger.ask("create /mesos/x 1", "error the znode's access control list forbids it")
                stranger.ask("ensure /mesos", "ensured")
                stranger.ask("ensure /mesos/below", "error the znode's access control list forbids it")
            with connected(zookeeper.url(credentials="holdfast:secret")) as friend:
                friend.ask("create /mesos/x 1", "created /mesos/x")
        check(not any("secret" in line for line in d.log), "the password is in the log")


def test_znodes_are_open_without_credentials():
    with Ensemble() as zookeeper, connected(zookeeper.url()) as d, zookeeper.client() as client:
        d.ask("ensure /mesos", "ensured")
        equal(client.acl("/mesos"), ((ALL, "world", "anyone"),), "ACL")


# Election

def test_candidates_are_znodes_as_mesos_makes_them():
    with Ensemble() as zookeeper, connected(zookeeper.url("/a/mesos")) as d, zookeeper.client() as client:
        d.ask("contend " + info("one", 1), "candidate json.info_0000000000")
        data, stat = client.get("/a/mesos/json.info_0000000000")
        equal(data.decode(), info("one", 1), "data")
        check(stat.ephemeral_owner != 0, "the candidate is not ephemeral")
        equal(client.get("/a/mesos")[0], b"", "the group's data")


def test_next_candidate_leads_when_the_first_one_dies():
    with Ensemble() as zookeeper, connected(zookeeper.url()) as one, connected(zookeeper.url()) as two:
        one.ask("contend " + info("one", 1), "candidate json.info_0000000000")
        two.ask("contend " + info("two", 2), "candidate json.info_0000000001")
        one.ask("detect", leader("one", 1))
        two.ask("detect", leader("one", 1))
        one.process.kill()
        two.expect(leader("two", 2))
        one.process.wait()
        with connected(zookeeper.url()) as third:
            third.ask("contend " + info("three", 3), "candidate json.info_0000000002")
            third.ask("detect", leader("two", 2))
        two.quiet()
        one.quit = lambda: None


def test_candidate_whose_znode_is_removed_has_lost_and_stands_again():
    with Ensemble() as zookeeper, connected(zookeeper.url()) as d, zookeeper.client() as client:
        d.ask("contend " + info("one", 1), "candidate json.info_0000000000")
        d.ask("detect", leader("one", 1))
        client.delete("/mesos/json.info_0000000000")
        equal(sorted((d.next(), d.next())), ["leader none", "lost json.info_0000000000"], "what is told")
        equal(sorted((d.next(), d.next())), ["candidate json.info_0000000001", leader("one", 1)], "what is told")


def test_candidate_has_lost_when_the_session_is_over():
    with Ensemble() as zookeeper, connected(zookeeper.url()) as d:
        d.ask("contend " + info("one", 1), "candidate json.info_0000000000")
        d.ask("detect", leader("one", 1))
        zookeeper.server(0).freeze()
        d.expect("state connecting", "state expired", "lost json.info_0000000000", "leader none")
        zookeeper.server(0).resume()


def test_candidate_keeps_its_znode_over_a_restart_of_the_server():
    with Ensemble() as zookeeper, connected(zookeeper.url(), 20000) as d:
        d.ask("contend " + info("one", 1), "candidate json.info_0000000000")
        d.ask("detect", leader("one", 1))
        zookeeper.server(0).restart()
        d.expect("state connecting", "state connected")
        d.quiet()
        with zookeeper.client() as client:
            equal(client.children("/mesos"), ["json.info_0000000000"], "candidates")
            client.delete("/mesos/json.info_0000000000")
        equal(sorted((d.next(), d.next())), ["leader none", "lost json.info_0000000000"], "what is told")


def test_znode_whose_creation_was_not_answered_is_found_and_not_made_twice():
    with Ensemble() as zookeeper, zookeeper.client() as client:
        client.create("/mesos")
        client.create("/mesos/json.info_", info("other", 9), SEQUENTIAL)
        proxy = Proxy(zookeeper.server(0).addr,
                      lambda frame: struct.unpack_from(">ii", frame)[1] == CREATE and
                      frame.endswith(CREATE_SEQUENTIAL))
        with contextlib.closing(proxy), connected("zk://%s:%d/mesos" % proxy.addr, 10000) as d:
            d.send("contend " + info("one", 1))
            d.expect("state connecting", "state connected", "candidate json.info_0000000001")
            equal(proxy.n_cut, 1, "answers that were cut off")
            equal(client.children("/mesos"), ["json.info_0000000000", "json.info_0000000001"], "candidates")


def test_candidate_that_may_not_write_says_so_and_tries_again():
    with Ensemble() as zookeeper:
        with connected(zookeeper.url(credentials="a:b")) as owner:
            owner.ask("ensure /mesos", "ensured")
        with connected(zookeeper.url()) as d:
            d.send("contend " + info("one", 1))
            wait_until(lambda: sum("control list forbids it" in line for line in d.log) >= 2, "a second attempt")


def test_smallest_number_of_any_label_leads():
    with Ensemble() as zookeeper, zookeeper.client() as client, connected(zookeeper.url()) as d:
        d.send("detect")
        d.quiet()
        client.ensure("/mesos/log_replicas")
        client.ensure("/mesos/holdfast/agents")
        client.create("/mesos/json.info_0000000007", info("seven", 7))
        d.expect(leader("seven", 7))
        client.create("/mesos/0000000003", b"master@10.0.0.3:5050")
        d.expect("leader  master@10.0.0.3:5050 10.0.0.3 10.0.0.3 5050")
        protobuf = b"\n\x01x\x10\xff\x80\x80\x08\x18\xba'\"\x15master@127.0.0.1:5050*\tlocalhost"
        client.create("/mesos/info_0000000002", protobuf)
        d.expect("leader x master@127.0.0.1:5050 localhost 127.0.0.1 5050")
        client.delete("/mesos/info_0000000002")
        d.expect("leader  master@10.0.0.3:5050 10.0.0.3 10.0.0.3 5050")
        client.delete("/mesos/0000000003")
        d.expect(leader("seven", 7))
        client.delete("/mesos/json.info_0000000007")
        d.expect("leader none")


def test_garbage_in_the_leading_znode_is_no_leader_and_harms_nobody():
    with Ensemble() as zookeeper, zookeeper.client() as client, connected(zookeeper.url()) as d:
        client.ensure("/mesos")
        client.create("/mesos/json.info_0000000009", info("nine", 9))
        d.ask("detect", leader("nine", 9))
        garbage = (b"", b"{", b"{}", b"\0" * 16, b"[" * 100000, b'{"id":"x","ip":1,"port":1,"hostname":"a\\r\\nb"}',
                   b" " * (1024 * 1024 - 1024))
        for n, data in enumerate(garbage):
            path = "/mesos/json.info_%010d" % n
            client.create(path, data)
            d.expect("leader none")
            client.delete(path)
            d.expect(leader("nine", 9))
        client.create("/mesos/other_0000000001", info("other", 1))
        d.expect("leader none")
        client.delete("/mesos/other_0000000001")
        d.expect(leader("nine", 9))


def test_leader_that_goes_while_it_is_looked_at_is_not_waited_for():
    with Ensemble() as zookeeper, zookeeper.client() as client:
        client.ensure("/mesos")
        client.create("/mesos/json.info_0000000001", info("one", 1))
        client.create("/mesos/json.info_0000000002", info("two", 2))
        proxy = Proxy(zookeeper.server(0).addr, lambda frame: False,
                      lambda frame: struct.unpack_from(">ii", frame)[1] == GET and b"info_0000000001" in frame)
        with contextlib.closing(proxy), connected("zk://%s:%d/mesos" % proxy.addr, 10000) as d:
            d.send("detect")
            check(proxy.held.wait(20 * TIMEOUT_SCALE), "the leader's znode is not looked at")
            client.delete("/mesos/json.info_0000000001")
            proxy.release.set()
            d.expect(leader("two", 2))


def test_detector_makes_a_new_session_and_finds_the_leader_again():
    with Ensemble() as zookeeper:
        with zookeeper.client() as client:
            client.ensure("/mesos")
            client.create("/mesos/json.info_0000000001", info("one", 1))
        with Driver(zookeeper.url(), detect=True) as d:
            d.expect(leader("one", 1))
            zookeeper.server(0).freeze()
            d.expect("leader none")
            zookeeper.server(0).resume()
            d.expect(leader("one", 1))


def test_detector_waits_for_a_group_that_is_not_there_and_makes_none():
    with Ensemble() as zookeeper, Driver(zookeeper.url("/later/mesos"), detect=True) as d, zookeeper.client() as client:
        wait_until(lambda: any("Connected to ZooKeeper" in line for line in d.log), "the session")
        equal(client.children("/"), ["zookeeper"], "znodes")
        client.ensure("/later/mesos")
        client.create("/later/mesos/json.info_", info("one", 1), EPHEMERAL | SEQUENTIAL)
        d.expect(leader("one", 1))


def test_master_named_by_its_address_leads_without_zookeeper():
    with Driver("localhost:5050", detect=True) as d:
        d.expect("leader  master@127.0.0.1:5050 localhost 127.0.0.1 5050")


def test_no_memory_is_lost_or_misused():
    if not shutil.which("valgrind"):
        skip("no valgrind")
    with open(os.path.join(BUILD_DIR, "tests/process/zk-driver"), "rb") as f:
        if b"libasan" in f.read():
            skip("sanitizers look themselves")
    os.environ["HOLDFAST_TEST_WRAPPER"] = ("valgrind -q --error-exitcode=99 --leak-check=full "
                                           "--show-leak-kinds=definite,indirect,possible")
    try:
        test_multi_is_all_or_nothing_and_names_the_one_that_failed()
        test_session_may_be_freed_by_an_answer_and_requests_forgotten()
        test_requests_end_when_the_connection_is_lost()
        test_candidate_has_lost_when_the_session_is_over()
        test_detector_makes_a_new_session_and_finds_the_leader_again()
        test_znode_whose_creation_was_not_answered_is_found_and_not_made_twice()
    finally:
        del os.environ["HOLDFAST_TEST_WRAPPER"]


if __name__ == "__main__":
    main()
