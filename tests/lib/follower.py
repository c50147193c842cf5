# SPDX-License-Identifier: Apache-2.0
"""A framework that goes on whatever happens: it follows the leader, subscribes again with its id, and keeps launching.

    f = Follower("f1", history, find, machine=network["f1"])
    f.start()
    ...
    f.calm()            # launches and kills no more; still answers, reconciles and holds its offers
    f.stop()

`find` says where to try next: redirected() follows what masters say, elected() asks ZooKeeper. One thread does everything,
on the machine's network: no call waits longer than CALL_TIMEOUT_S, and a stream that is silent for too long is given up.
All that it does and is told is noted in the history. What its tasks are is Job's affair.
"""

import collections
import contextlib
import http.client
import json
import random
import select
import socket
import threading
import time

from harness import TIMEOUT_SCALE, Failure
from scheduler import CAPABILITIES, JSON_HEADERS, PATH, TERMINAL, offered, scalar
from zookeeper_client import ZooKeeperClient, ZooKeeperError

CALL_TIMEOUT_S = 3
TICK_S = 0.02
N_TASKS_MAX = 10
# Of what is told, this part is not acknowledged at first, and must come again.
FORGETFUL = 0.05
HELD_MAX_S = 1.0
TROUBLE = (OSError, http.client.HTTPException, ValueError, KeyError, ZooKeeperError)

Job = collections.namedtuple("Job", "command cpus mem")


def redirected(addrs):
    """Asks one master after the other; whoever knows better says so."""
    while True:
        for addr in addrs:
            yield addr


def elected(zookeepers, path):
    """The leader by ZooKeeper's word: the data of the first in line."""
    while True:
        for addr in zookeepers:
            try:
                with contextlib.closing(ZooKeeperClient(addr, timeout=CALL_TIMEOUT_S)) as client:
                    yield leader_of(client, path)
            except (OSError, ZooKeeperError, ValueError, KeyError):
                yield None


def leader_of(client, path):
    """(ip, port) of the leader, None when there is none."""
    names = [n for n in client.children(path) if n.startswith("json.info_")]
    if not names:
        return None
    info = json.loads(client.get(path + "/" + min(names, key=lambda n: int(n.split("_")[1])))[0])
    return info["address"]["ip"], info["address"]["port"]


class Stream:
    """A subscription, read as it comes: chunks of records of events."""

    def __init__(self, addr, call):
        self.addr = addr
        body = json.dumps(call).encode()
        self._socket = socket.create_connection(addr, timeout=CALL_TIMEOUT_S)
        self._raw = self._records = b""
        try:
            self._socket.sendall(b"POST %s HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: application/json\r\n"
                                 b"Accept: application/json\r\nContent-Length: %d\r\n\r\n"
                                 % (PATH.encode(), addr[0].encode(), addr[1], len(body)) + body)
            while b"\r\n\r\n" not in self._raw:
                self._receive()
        except BaseException:
            self._socket.close()
            raise
        head, self._raw = self._raw.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        self._socket.setblocking(self.status != 200)

    def _receive(self):
        piece = self._socket.recv(65536)
        if not piece:
            raise ConnectionError("the stream was closed")
        self._raw += piece

    def events(self, wait_s):
        """What came within that time."""
        if select.select([self._socket], [], [], wait_s)[0]:
            self._receive()
        self._take_chunks()
        while b"\n" in self._records:
            digits, rest = self._records.split(b"\n", 1)
            if len(rest) < int(digits):
                return
            self._records = rest[int(digits):]
            yield json.loads(rest[:int(digits)])

    def _take_chunks(self):
        while b"\r\n" in self._raw:
            digits, rest = self._raw.split(b"\r\n", 1)
            size = int(digits, 16)
            if len(rest) < size + 2:
                return
            if size == 0:
                raise ConnectionError("the stream was ended")
            self._records += rest[:size]
            self._raw = rest[size + 2:]

    def close(self):
        self._socket.close()


class Follower:
    def __init__(self, name, history, find, jobs, info=None, machine=None, seed=0, silence_s=10):
        """`jobs(task_id, rng)` makes a Job; `silence_s`: a stream without a heartbeat for so long is dead."""
        self.name = name
        self.role = name
        self.info = {"user": "root", "name": name, "roles": [name], "checkpoint": True, "failover_timeout": 1e6,
                     "capabilities": [{"type": t} for t in CAPABILITIES], **(info or {})}
        self.history = history
        self.framework_id = None
        self.master = None          # the id of the one that subscribed us
        self.last_states = {}       # {task: state} as told last
        self.over = set()           # tasks whose agents told their end
        self.resources = {}         # {task: its Job}
        self.agents = {}            # {task: the id of the one it was launched on}
        self.offers = {}            # {id: (held since, offer)}
        self.n_subscribed = 0
        self.crash = None           # what went wrong with the framework itself
        self._jobs = jobs
        self._find = find
        self._machine = machine
        self._rng = random.Random("%s-%d" % (name, seed))
        self._silence_s = silence_s * TIMEOUT_SCALE
        self._stream = None
        self._call_connection = None
        self._wishes = collections.Counter()
        self._calm = self._leaving = False
        self._next = collections.Counter()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def calm(self):
        self._calm = True

    def excite(self):
        self._calm = False

    def stop(self, teardown=False):
        if teardown:
            self._wishes["TEARDOWN"] += 1
            deadline = time.monotonic() + 20 * TIMEOUT_SCALE
            while self._wishes["TEARDOWN"] and time.monotonic() < deadline:
                time.sleep(TICK_S)
        self._leaving = True
        self._thread.join(20 * TIMEOUT_SCALE)

    @property
    def is_subscribed(self):
        return self._stream is not None and self.master is not None

    def unsettled(self):
        """Tasks whose end is not known from their agents."""
        return [t for t in list(self.last_states) if t not in self.over]

    # The thread

    def _run(self):
        try:
            if self._machine:
                self._machine.move_in()
            while not self._leaving:
                self._live()
        except Exception as e:    # the framework must not be what fails
            self.crash = e
            self.history.note("crash", self.name, what=repr(e))
            raise

    def _live(self):
        try:
            if self._stream is None:
                self._subscribe(next(self._find))
            else:
                for event in self._stream.events(TICK_S):
                    self._handle(event)
                if time.monotonic() - self._heard_at > self._silence_s:
                    raise ConnectionError("silence")
                self._tick()
        except TROUBLE as e:
            self._drop(repr(e))

    def _drop(self, why):
        if self._stream:
            self._stream.close()
            self.history.note("unsubscribed", self.name, why=why, master=self.master)
        self._stream = self.master = None
        self._hang_up()
        self.offers = {}
        # The next leader is not there at once, and is not to be stormed.
        time.sleep(self._rng.uniform(0.05, 0.2))

    # Subscription

    def _subscribe(self, addr, n_redirects=1):
        if addr is None:
            raise ConnectionError("no leader")
        info = dict(self.info)
        call = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        if self.framework_id:
            call["framework_id"] = info["id"] = {"value": self.framework_id}
        self._asked_at = self.history.now()
        stream = Stream(addr, call)
        if stream.status == 200:
            self._stream, self._heard_at = stream, time.monotonic()
            return
        stream.close()
        if stream.status == 307 and n_redirects:
            host, port = stream.headers["location"].split("//", 1)[1].split("/", 1)[0].rsplit(":", 1)
            self._subscribe((host, int(port)), n_redirects - 1)
        else:
            if stream.status != 503:
                self.history.note("refused", self.name, call="SUBSCRIBE", status=stream.status)
            raise ConnectionError("SUBSCRIBE was answered %d" % stream.status)

    # Events

    def _handle(self, event):
        self._heard_at = time.monotonic()
        kind = event["type"]
        if kind == "SUBSCRIBED":
            self._note_subscribed(event["subscribed"])
        elif kind == "OFFERS":
            for offer in event["offers"]["offers"]:
                self.offers[offer["id"]["value"]] = (time.monotonic(), offer)
        elif kind == "RESCIND":
            self.offers.pop(event["rescind"]["offer_id"]["value"], None)
        elif kind == "UPDATE":
            self._note_update(event["update"]["status"])
        elif kind == "FAILURE":
            failure = event["failure"]
            self.history.note("failure", self.name, agent=failure.get("agent_id", {}).get("value"),
                              executor=failure.get("executor_id", {}).get("value"))
        elif kind == "ERROR":
            self.history.note("error", self.name, message=event["error"].get("message"))
            raise ConnectionError("told an error")

    def _note_subscribed(self, subscribed):
        self.framework_id = subscribed["framework_id"]["value"]
        self.master = subscribed["master_info"]["id"]
        self.n_subscribed += 1
        self.history.note("act", self.name, master=self.master, sent=self._asked_at, what="SUBSCRIBED")
        self._call("RECONCILE", {"tasks": []})

    def _note_update(self, status):
        task, uuid = status["task_id"]["value"], status.get("uuid")
        self.history.note("update", self.name, task=task, state=status["state"], source=status.get("source"),
                          reason=status.get("reason"), uuid=uuid, message=status.get("message"), master=self.master)
        if task not in self.over or uuid is not None:
            self.last_states[task] = status["state"]
        if uuid is None:
            return
        if status["state"] in TERMINAL:
            self.over.add(task)
        if self._rng.random() >= FORGETFUL:
            self.history.note("acknowledge", self.name, task=task, uuid=uuid, master=self.master)
            self._call("ACKNOWLEDGE", {k: status[k] for k in ("agent_id", "task_id", "uuid")})

    # Calls

    def _call(self, kind, body=None):
        """True when the master took it; one that does not know us any more is left."""
        call = {"type": kind, "framework_id": {"value": self.framework_id}}
        if body is not None:
            call[kind.lower()] = body
        sent = self.history.now()
        headers = {**JSON_HEADERS, "Mesos-Stream-Id": self._stream.headers["mesos-stream-id"]}
        if self._call_connection is None:
            self._call_connection = http.client.HTTPConnection(*self._stream.addr, timeout=CALL_TIMEOUT_S)
        self._call_connection.request("POST", PATH, json.dumps(call), headers)
        answer = self._call_connection.getresponse()
        text = answer.read().decode()
        if answer.status != 202:
            self.history.note("refused", self.name, call=kind, status=answer.status, text=text[:100], master=self.master)
            raise ConnectionError("%s was answered %d" % (kind, answer.status))
        self.history.note("act", self.name, master=self.master, sent=sent, what=kind)
        return True

    def _hang_up(self):
        if self._call_connection:
            self._call_connection.close()
        self._call_connection = None

    # What it does by itself

    def _due(self, what, interval_s):
        """Every so often, with some jitter."""
        now = time.monotonic()
        if now < self._next[what]:
            return False
        self._next[what] = now + interval_s * self._rng.uniform(0.5, 1.5)
        return True

    def _tick(self):
        if self.master is None:
            return
        if self._wishes["TEARDOWN"]:
            self._call("TEARDOWN")
            self._wishes["TEARDOWN"] = 0
        if self._calm:
            if self._due("reconcile", 0.5):
                self._reconcile(self.unsettled())
            if self._due("revive", 1):
                self._call("REVIVE")
            return
        if self._due("launch", 0.4):
            self._launch()
        if self._due("kill", 1.5):
            self._kill()
        if self._due("decline", 0.5):
            self._decline()
        if self._due("reconcile", 3):
            unsettled = self.unsettled()
            self._reconcile(self._rng.sample(unsettled, min(len(unsettled), 5)))
        if self._due("reconcile all", 9):
            self._call("RECONCILE", {"tasks": []})

    def _reconcile(self, tasks):
        """With the agent or without: what becomes of those that are unknown depends on it."""
        if not tasks:
            return
        named = self._rng.random() < 0.5
        self._call("RECONCILE", {"tasks": [
            {"task_id": {"value": t}, **({"agent_id": self.agents[t]} if named else {})} for t in tasks]})

    def _launch(self):
        open_tasks = [t for t in self.unsettled() if self.last_states[t] not in TERMINAL]
        if not self.offers or len(open_tasks) >= N_TASKS_MAX:
            return
        offer_id = self._rng.choice(list(self.offers))
        _, offer = self.offers.pop(offer_id)
        left, infos = {name: offered(offer, name) for name in ("cpus", "mem")}, []
        for _ in range(self._rng.randint(1, 3)):
            task = "%s-%04d" % (self.name, len(self.last_states) + 1)
            job = self._jobs(task, self._rng)
            if job.cpus > left["cpus"] or job.mem > left["mem"]:
                break
            left["cpus"], left["mem"] = left["cpus"] - job.cpus, left["mem"] - job.mem
            infos.append(self._task_info(task, job, offer["agent_id"]))
            self.last_states[task] = "TASK_STAGING"
            self.resources[task] = job
            self.agents[task] = offer["agent_id"]
            self.history.note("launch", self.name, task=task, agent=offer["agent_id"]["value"], offer=offer_id,
                              master=self.master, command=job.command.splitlines()[-1])
        operations = [{"type": "LAUNCH", "launch": {"task_infos": infos}}] if infos else []
        self._call("ACCEPT", {"offer_ids": [{"value": offer_id}], "operations": operations,
                              "filters": {"refuse_seconds": 0}})

    def _task_info(self, task, job, agent_id):
        return {"name": task, "task_id": {"value": task}, "agent_id": agent_id, "command": {"value": job.command},
                "resources": [scalar("cpus", job.cpus, self.role), scalar("mem", job.mem, self.role)]}

    def _kill(self):
        """Some task, in whatever state: a call may get lost, so all that were to be killed are, again."""
        open_tasks = self.unsettled()
        if not open_tasks:
            return
        task = self._rng.choice(open_tasks)
        self.history.note("kill", self.name, task=task)
        self._call("KILL", {"task_id": {"value": task}})

    def _decline(self):
        now = time.monotonic()
        old = [i for i, (since, _) in self.offers.items() if now - since > HELD_MAX_S]
        if old:
            for offer_id in old:
                del self.offers[offer_id]
            self._call("DECLINE", {"offer_ids": [{"value": i} for i in old], "filters": {"refuse_seconds": 1}})


def need(follower):
    """A framework that is not well has nothing to say about masters."""
    if follower.crash:
        raise Failure("%s crashed: %r" % (follower.name, follower.crash))
