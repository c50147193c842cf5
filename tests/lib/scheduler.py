# SPDX-License-Identifier: Apache-2.0
"""A scripted v1 scheduler, speaking JSON.

    with Scheduler(cluster.master_addr) as s:
        s.launch([s.task("hello", "echo hello")])
        status = s.wait_state("hello", "TASK_FINISHED")

It keeps the offers it gets, acknowledges every update that has a uuid (unless `acknowledge` says no),
and keeps statuses in the order they came, those that were sent again only once: an update is known by
its uuid. Events are read by a thread; every method here is for the test's own thread.
"""

import http.client
import json
import socket
import threading
import time

from harness import TIMEOUT_SCALE, Answer, Failure, check

PATH = "/api/v1/scheduler"
JSON_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
TERMINAL = ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_LOST", "TASK_ERROR", "TASK_DROPPED",
            "TASK_GONE", "TASK_GONE_BY_OPERATOR")
CAPABILITIES = ("MULTI_ROLE", "PARTITION_AWARE", "TASK_KILLING_STATE", "RESERVATION_REFINEMENT")


def scalar(name, value, role="*"):
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, "allocation_info": {"role": role}}


def offered(offer, name):
    """How much of a scalar resource an offer has."""
    return sum(r["scalar"]["value"] for r in offer["resources"] if r["name"] == name and "scalar" in r)


class EventStream:
    """The subscription: RecordIO events from a chunked answer."""

    def __init__(self, addr, call, headers=None):
        self._connection = http.client.HTTPConnection(*addr)
        self._connection.request("POST", PATH, json.dumps(call), {**JSON_HEADERS, **(headers or {})})
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self.headers = self._answer.headers
        if self.status != 200:
            raise Failure("SUBSCRIBE was answered %d %s" % (self.status, self._answer.read().decode()))
        self._sock = self._answer.fp.raw._sock

    def __iter__(self):
        while True:
            digits = self._answer.readline()
            if not digits:
                return
            left, record = int(digits), b""
            while left:
                piece = self._answer.read(left)
                if not piece:
                    return
                record += piece
                left -= len(piece)
            yield json.loads(record)

    def close(self):
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Scheduler:
    def __init__(self, addr, name="test-scheduler", info=None, framework_id=None, subscribe=True,
                 acknowledge=lambda status: True):
        self.addr = addr
        self.info = {"user": "root", "name": name, "roles": ["*"], "checkpoint": True,
                     "failover_timeout": 3600.0,
                     "capabilities": [{"type": t} for t in CAPABILITIES], **(info or {})}
        self.framework_id = framework_id
        self.offers = []
        self.statuses = []      # each update once
        self.n_resent = 0       # updates that came again with a uuid we had
        self.events = []        # (monotonic seconds, event)
        self.error = None
        self._acknowledge = acknowledge
        self._uuids = set()
        self._changed = threading.Condition()
        self._local = threading.local()     # a kept-alive connection for each thread's calls
        self._stream = None
        self._connected = False
        if subscribe:
            self.subscribe()

    def __enter__(self):
        return self

    def __exit__(self, kind, _value, _traceback):
        if kind is None and self._connected:
            self.teardown()
        self.disconnect()

    # Subscription

    def subscribe(self):
        """Subscribes, again with the id we already have, and waits for SUBSCRIBED."""
        call = {"type": "SUBSCRIBE", "subscribe": {"framework_info": dict(self.info)}}
        if self.framework_id:
            identity = {"value": self.framework_id}
            call["framework_id"] = call["subscribe"]["framework_info"]["id"] = identity
        self.disconnect()
        stream = EventStream(self.addr, call)
        self.stream_id = stream.headers["Mesos-Stream-Id"]
        self.offers = []
        n_before = len(self.events_of("SUBSCRIBED"))
        self._stream, self._connected = stream, True
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()
        self._wait(lambda: len(self.events_of("SUBSCRIBED")) > n_before, "SUBSCRIBED")
        return self

    def disconnect(self):
        """Hangs up without a word, as a scheduler that dies does."""
        self._connected = False
        if self._stream:
            self._stream.close()
            self._thread.join(5)
            self._stream = None
        self._local = threading.local()

    def _read(self, stream):
        try:
            for event in stream:
                self._handle(event)
        except (OSError, ValueError, http.client.HTTPException) as e:
            if self._connected:
                self.error = repr(e)
        with self._changed:
            if self._stream is stream:
                self._connected = False
            self._changed.notify_all()

    def _handle(self, event):
        kind = event["type"]
        with self._changed:
            self.events.append((time.monotonic(), event))
            if kind == "SUBSCRIBED":
                self.framework_id = event["subscribed"]["framework_id"]["value"]
            elif kind == "OFFERS":
                self.offers += event["offers"]["offers"]
            elif kind == "RESCIND":
                gone = event["rescind"]["offer_id"]
                self.offers = [o for o in self.offers if o["id"] != gone]
            elif kind == "UPDATE":
                self._note(event["update"]["status"])
            elif kind == "ERROR":
                self.error = event["error"].get("message", "")
            self._changed.notify_all()
        # A resent update is acknowledged again: the first acknowledgement may have been lost.
        if kind == "UPDATE" and "uuid" in event["update"]["status"] \
                and self._acknowledge(event["update"]["status"]):
            self._acknowledge_quietly(event["update"]["status"])

    def _note(self, status):
        uuid = status.get("uuid")
        if uuid is not None and uuid in self._uuids:
            self.n_resent += 1
            return
        if uuid is not None:
            self._uuids.add(uuid)
        self.statuses.append(status)

    def _acknowledge_quietly(self, status):
        try:
            self.acknowledge(status)
        except (OSError, http.client.HTTPException):
            pass    # the master is gone: the update comes again

    # Waiting

    def _wait(self, predicate, what, timeout=20):
        deadline = time.monotonic() + timeout * TIMEOUT_SCALE
        with self._changed:
            while True:
                value = predicate()
                if value:
                    return value
                left = deadline - time.monotonic()
                if left <= 0 or not self._connected:
                    why = "the stream was closed" if left > 0 else "not within %g s" % timeout
                    raise Failure("%s: %s; error %r, statuses %s" % (
                        what, why, self.error,
                        [(s["task_id"]["value"], s["state"], s.get("message")) for s in self.statuses[-10:]]))
                self._changed.wait(min(left, 1))

    def wait_until(self, predicate, what, timeout=20):
        """Waits for something that events bring about."""
        return self._wait(predicate, what, timeout)

    def wait_state(self, task_id, *states, timeout=20):
        """The status with which the task came to one of the states."""
        def find():
            return next((s for s in self.statuses
                         if s["task_id"]["value"] == task_id and s["state"] in states), None)
        return self._wait(find, "%s becomes %s" % (task_id, " or ".join(states)), timeout)

    def wait_terminal(self, task_id, timeout=20):
        return self.wait_state(task_id, *TERMINAL, timeout=timeout)

    def wait_offer(self, cpus=0.1, mem=32, agent_id=None, timeout=20):
        """Takes an offer that is big enough out of those we hold."""
        def find():
            for offer in self.offers:
                if offered(offer, "cpus") >= cpus and offered(offer, "mem") >= mem \
                        and agent_id in (None, offer["agent_id"]["value"]):
                    self.offers.remove(offer)
                    return offer
            return None
        return self._wait(find, "an offer of %g cpus and %g MB" % (cpus, mem), timeout)

    def wait_offers(self, cpus=0.1, mem=32, timeout=20):
        """Takes offers of one agent that together are big enough: what is freed bit by bit is offered bit by bit."""
        def find():
            by_agent = {}
            for offer in self.offers:
                offers = by_agent.setdefault(offer["agent_id"]["value"], [])
                offers.append(offer)
                if sum(offered(o, "cpus") for o in offers) >= cpus - 1e-6 \
                        and sum(offered(o, "mem") for o in offers) >= mem:
                    self.offers = [o for o in self.offers if o not in offers]
                    return offers
            return None
        return self._wait(find, "offers of %g cpus and %g MB" % (cpus, mem), timeout)

    def events_of(self, kind):
        return [e for _, e in self.events if e["type"] == kind]

    def wait_event(self, kind, count=1, timeout=20):
        return self._wait(lambda: self.events_of(kind)[count - 1:], "%d events %s" % (count, kind), timeout)[0]

    def states(self, task_id):
        """The task's states in the order they were reported."""
        return [s["state"] for s in self.statuses if s["task_id"]["value"] == task_id]

    # Calls

    def call(self, kind, body=None, expect=202, headers=None):
        """Makes a call; another answer than the expected status is a failure."""
        call = {"type": kind, "framework_id": {"value": self.framework_id}}
        if body is not None:
            call[kind.lower()] = body
        answer = self._post(json.dumps(call),
                            {**JSON_HEADERS, "Mesos-Stream-Id": self.stream_id, **(headers or {})})
        if expect is not None:
            check(answer.status == expect, "%s was answered %r" % (kind, answer))
        return answer

    def _post(self, body, headers):
        """Made again once when the kept-alive connection turns out to be closed."""
        for again in (True, False):
            try:
                connection = self._call_connection()
                connection.request("POST", PATH, body, headers)
                answer = connection.getresponse()
                return Answer(answer.status, answer.headers, answer.read())
            except (http.client.HTTPException, OSError):
                self._local.connection = None
                if not again:
                    raise
        return None

    def _call_connection(self):
        if getattr(self._local, "connection", None) is None:
            self._local.connection = http.client.HTTPConnection(*self.addr, timeout=20 * TIMEOUT_SCALE)
            self._local.connection.connect()
            self._local.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._local.connection

    def acknowledge(self, status):
        return self.call("ACKNOWLEDGE", {k: status[k] for k in ("agent_id", "task_id", "uuid")}, expect=None)

    def accept(self, offers, operations, refuse_seconds=0.0):
        return self.call("ACCEPT", {"offer_ids": [o["id"] for o in offers], "operations": operations,
                                    "filters": {"refuse_seconds": refuse_seconds}})

    def decline(self, offers, refuse_seconds=0.0):
        return self.call("DECLINE", {"offer_ids": [o["id"] for o in offers],
                                     "filters": {"refuse_seconds": refuse_seconds}})

    def kill(self, task_id, **fields):
        return self.call("KILL", {"task_id": {"value": task_id}, **fields})

    def reconcile(self, *task_ids):
        return self.call("RECONCILE", {"tasks": [{"task_id": {"value": t}} for t in task_ids]})

    def revive(self):
        return self.call("REVIVE")

    def suppress(self):
        return self.call("SUPPRESS")

    def teardown(self):
        return self.call("TEARDOWN")

    # Tasks

    def task(self, task_id, command=None, cpus=0.1, mem=32.0, **fields):
        """A TaskInfo without agent; launch() fills that in from the offer."""
        task = {"name": task_id, "task_id": {"value": task_id},
                "resources": [scalar("cpus", cpus), scalar("mem", mem)]}
        if isinstance(command, str):
            task["command"] = {"value": command}
        elif command:
            task["command"] = command
        return {**task, **fields}

    def launch(self, tasks, offer=None, refuse_seconds=0.0):
        """Launches tasks in one ACCEPT of the offer given, or of as many as they need; returns the first of them."""
        if offer is None:
            need = {name: sum(r["scalar"]["value"] for t in tasks for r in t["resources"] if r["name"] == name)
                    for name in ("cpus", "mem")}
            offers = self.wait_offers(need["cpus"], need["mem"])
        else:
            offers = [offer]
        infos = [{**t, "agent_id": offers[0]["agent_id"]} for t in tasks]
        self.accept(offers, [{"type": "LAUNCH", "launch": {"task_infos": infos}}], refuse_seconds)
        return offers[0]

    def run(self, task_id, command, timeout=20, **fields):
        """Launches a command task and waits for its last status."""
        self.launch([self.task(task_id, command, **fields)])
        return self.wait_terminal(task_id, timeout)
