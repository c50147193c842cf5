#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Strangers send garbage, too much, too slowly or nothing to both daemons; everyone else is served as before."""

import contextlib
import os
import random
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, check, equal, http_call, is_healthy, main, n_open_fds, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402

APIS = ("/api/v1/scheduler", "/api/v1/executor", "/api/v1", "/master/mesos.internal.RegisterSlaveMessage",
        "/slave(1)/mesos.internal.RunTaskMessage", "/state", "/")
JSON = {"Content-Type": "application/json"}
PROTOBUF = {"Content-Type": "application/x-protobuf"}


def send_raw(addr, data, wait=2.0):
    """Sends bytes and reads until the peer closes or is silent; returns what came."""
    with contextlib.closing(socket.create_connection(addr, timeout=wait)) as s:
        received = b""
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while True:
                piece = s.recv(65536)
                if not piece:
                    break
                received += piece
        except OSError:
            pass
        return received


def raw_requests(rng):
    yield b""
    yield b"\r\n\r\n"
    yield b"GET\r\n\r\n"
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(500)
    yield rng.randbytes(4096)
    yield b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 100_000)
    yield b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000 + b"\r\n"
    yield b"POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"
    yield b"POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"
    yield b"POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    yield b"POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc"
    yield b"POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"
    yield b"GET /%00%2e%2e/%ff HTTP/1.1\r\nHost: x\r\n\r\n"
    yield b"GET /files/read?path=../../../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def bodies(rng):
    """(headers, body) of requests that are HTTP but nothing else."""
    subscribe = b'{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"}}}'
    for _ in range(40):
        damaged = bytearray(subscribe)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        if bytes(damaged[:8]) != b'{"type":':    # else it might be a good SUBSCRIBE, which never ends
            yield JSON, bytes(damaged)
    yield JSON, b"[" * 100_000
    yield JSON, b'{"a":' * 50_000
    yield JSON, b'{"type":"' + b"A" * 1_000_000 + b'"}'
    yield JSON, b"{" + b'"a":{},' * 200_000 + b'"b":1}'
    yield JSON, b"null"
    yield PROTOBUF, b""
    yield PROTOBUF, b"\x0a" * 100_000
    yield PROTOBUF, b"\x0a\xff\xff\xff\xff\x7f" + b"x" * 100
    yield PROTOBUF, b"\x12\x00" * 500_000
    for _ in range(40):
        yield PROTOBUF, rng.randbytes(rng.randint(1, 300))
    yield {"Content-Type": "text/plain"}, b"hello"


def send_bodies(addr, rng):
    for path in APIS:
        for headers, body in bodies(rng):
            try:
                answer = http_call(addr, "POST", path, body, {**headers, "Connection": "close"}, timeout=5)
            except OSError:
                continue    # closed in the middle of too much is an answer too
            check(answer.status >= 200 and answer.status != 500,
                  "%s answered %r to %r" % (path, answer, body[:60]))


def test_garbage_is_refused_and_others_are_served_as_before():
    seed = int(os.environ.get("HOLDFAST_TEST_SEED", random.randrange(2**32)))
    print("seed", seed)
    rng = random.Random(seed)
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task("before", "sleep 1000")])
        s.wait_state("before", "TASK_RUNNING")
        for daemon in (cluster.master(), cluster.agent()):
            for request in raw_requests(rng):
                send_raw(daemon.addr, request)
                check(daemon.is_running(), "%s died of %r" % (daemon.name, request[:80]))
            send_bodies(daemon.addr, rng)
            check(daemon.is_running(), "%s died" % daemon.name)
        equal(s.run("after", "true")["state"], "TASK_FINISHED", "state")
        equal(s.states("before"), ["TASK_STARTING", "TASK_RUNNING"], "states of the task that ran meanwhile")
        s.kill("before")
        s.wait_state("before", "TASK_KILLED")


def test_slow_and_silent_peers_do_not_delay_others():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        with contextlib.ExitStack() as stack:
            for daemon in (cluster.master(), cluster.agent()):
                for n in range(100):
                    peer = stack.enter_context(socket.create_connection(daemon.addr))
                    if n % 2:
                        peer.sendall(b"POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
            equal(s.run("meanwhile", "true", timeout=10)["state"], "TASK_FINISHED", "state")
            for daemon in (cluster.master(), cluster.agent()):
                check(is_healthy(daemon.addr), "%s is not healthy" % daemon.name)


def test_connections_of_peers_that_go_away_are_given_back():
    with Cluster() as cluster:
        daemons = [cluster.master(), cluster.agent()]
        before = {d.name: n_open_fds(d.pid) for d in daemons}
        threads = [threading.Thread(target=send_raw, args=(d.addr, b"GET / HTTP/1.1\r\n", 0.2))
                   for d in daemons for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for d in daemons:
            # A request has a minute; that the peer left amid it may not be noticed earlier.
            wait_until(lambda d=d: n_open_fds(d.pid) <= before[d.name] + 1,
                       "%s closes the connections of 50 peers that went away" % d.name, timeout=75)


def test_scheduler_that_never_reads_is_cut_off_or_kept_within_bounds():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        body = b'{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"root","name":"deaf","roles":["deaf"],' \
               b'"capabilities":[{"type":"MULTI_ROLE"}]}}}'
        deaf = socket.create_connection(cluster.master_addr)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                     b"Accept: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        for n in range(20):
            equal(s.run("meanwhile-%d" % n, "true", timeout=10)["state"], "TASK_FINISHED", "state")
        deaf.close()


if __name__ == "__main__":
    main()
