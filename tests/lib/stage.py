# SPDX-License-Identifier: Apache-2.0
"""A master under a clock of ours, scripted agents, and a framework of each kind.

    with Stage() as stage:
        agent = stage.add_agent()
        stage.add_frameworks()
        stage.run_tasks(agent)
        stage.advance(76)

The frameworks are named after what they are: "aware" or "plain", of partitions; "-forgetful" does not
checkpoint. Each runs one task, which has the framework's name. What operators are told is in `watcher`.
"""

import contextlib
import http.client
import json
import threading

from clock import Clock
from harness import HOST, TIMEOUT_SCALE, Cluster, Failure, check, http_call, http_get, wait_until
from libprocess_agent import RUNNING, LibprocessAgent
from scheduler import CAPABILITIES, JSON_HEADERS, EventStream, Scheduler
from wire import field

AWARE = ("aware", "aware-forgetful")
PLAIN = ("plain", "plain-forgetful")
KINDS = AWARE + PLAIN
CHECKPOINTING = ("aware", "plain")
PING_TIMEOUT_S = 15
# What a timer of sd_event may be late by.
ACCURACY_S = 0.25


def framework_info(kind):
    capabilities = [c for c in CAPABILITIES if c != "PARTITION_AWARE" or kind in AWARE]
    return {"capabilities": [{"type": c} for c in capabilities], "checkpoint": kind in CHECKPOINTING}


class Watcher(EventStream):
    """What an operator who subscribes is told: `events`, SUBSCRIBED and heartbeats apart."""

    def __init__(self, addr):
        self._connection = http.client.HTTPConnection(*addr)
        self._connection.request("POST", "/api/v1", '{"type":"SUBSCRIBE"}', JSON_HEADERS)
        self._answer = self._connection.getresponse()
        self._sock = self._answer.fp.raw._sock
        self.events = []
        self.n_heartbeats = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            for event in self:
                with self._changed:
                    if event["type"] == "HEARTBEAT":
                        self.n_heartbeats += 1
                    elif event["type"] != "SUBSCRIBED":
                        self.events.append(event)
                    self._changed.notify_all()

    def kinds(self):
        return [e["type"] for e in self.events]

    def wait_until(self, predicate, what):
        with self._changed:
            if not self._changed.wait_for(predicate, 20 * TIMEOUT_SCALE):
                raise Failure("%s; the operator was told %s" % (what, self.kinds()))

    def states(self, task_id):
        """Of TASK_UPDATED: what the status says."""
        return [e["task_updated"]["status"]["state"] for e in self.events if e["type"] == "TASK_UPDATED"
                and e["task_updated"]["status"]["task_id"]["value"] == task_id]


class Stage:
    def __init__(self, *master_flags):
        self.clock = Clock()
        self.agents = []
        self.frameworks = {}
        self.cluster = Cluster(n_agents=0, master_flags=master_flags, clock=self.clock)
        self.addr = self.cluster.master_addr
        self.watcher = Watcher(self.addr)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        for s in self.frameworks.values():
            s.disconnect()
        for agent in self.agents:
            agent.vanish()
        self.watcher.close()
        try:
            self.cluster.__exit__(kind, value, traceback)
        finally:
            self.clock.__exit__(kind, value, traceback)

    # Who is there

    def add_agent(self, **options):
        agent = LibprocessAgent(self.addr, **options)
        self.agents.append(agent)
        agent.register()
        agent.pinged_since = self.clock.wall(), agent.n_pings
        return agent

    def add_framework(self, kind, name=None, **info):
        s = Scheduler(self.addr, name or kind, info={**framework_info(kind), **info})
        self.frameworks[name or kind] = s
        s.suppress()
        return s

    def add_frameworks(self, *kinds):
        for kind in kinds or KINDS:
            self.add_framework(kind)

    def run_task(self, name, agent, task_id=None):
        """A task of that framework runs on that agent."""
        s, task_id = self.frameworks[name], task_id or name
        s.revive()
        wait_until(lambda: self._pass_offers_on(s, agent), "an offer for " + name)
        s.launch([s.task(task_id, "true")], s.wait_offer(agent_id=agent.agent_id))
        s.suppress()
        agent.wait_task(task_id)
        agent.update(s.framework_id, task_id, RUNNING)
        s.wait_state(task_id, "TASK_RUNNING")
        self.watcher.wait_until(lambda: "TASK_RUNNING" in self.watcher.states(task_id), task_id + " runs")

    def _pass_offers_on(self, s, agent):
        """An offer is all that an agent has, so the others must not keep theirs."""
        for other in self.frameworks.values():
            while other is not s and other.offers:
                other.decline([other.offers.pop()])
        return any(o["agent_id"]["value"] == agent.agent_id for o in s.offers)

    def run_tasks(self, agent):
        for name in self.frameworks:
            self.run_task(name, agent)

    def come_back(self, agent, *names):
        """With the tasks of these frameworks, and no others."""
        chosen = [self.frameworks[n] for n in names]
        agent.reregister([agent.task(s.framework_id, n) for n, s in zip(names, chosen)],
                         [self.learnt(n) for n in names])
        agent.pinged_since = self.clock.wall(), agent.n_pings

    def learnt(self, name):
        """A FrameworkInfo as an agent reports it."""
        s = self.frameworks[name]
        numbers = {"MULTI_ROLE": 6, "PARTITION_AWARE": 5, "TASK_KILLING_STATE": 2, "RESERVATION_REFINEMENT": 7}
        return (field(1, "root") + field(2, name) + field(3, field(1, s.framework_id)) + field(4, 3600.0)
                + field(5, s.info["checkpoint"]) + field(12, "*")
                + b"".join(field(10, field(1, numbers[c["type"]])) for c in s.info["capabilities"]))

    def restart_master(self):
        """Killed, and another in its place; frameworks are back, and agents listen but do not come by themselves."""
        self.cluster.master().kill9()
        for s in self.frameworks.values():
            s.disconnect()
        for agent in self.agents:
            agent.vanish()
            agent.come_back()
            agent.pinged_since = None
        self.cluster.master().start()
        self.watcher = Watcher(self.addr)
        for s in self.frameworks.values():
            s.subscribe()
            s.suppress()

    # Time

    def advance(self, seconds):
        """Agents that answer pings do so on the way."""
        self.clock.advance(seconds, self._wait_for_pongs)
        self._wait_for_pongs()

    def _wait_for_pongs(self):
        for agent in self.agents:
            if not agent.pongs or not agent.is_up or not agent.pinged_since:
                continue
            since, n_before = agent.pinged_since
            n = n_before + int((self.clock.wall() - since) / (PING_TIMEOUT_S + ACCURACY_S))
            wait_until(lambda: agent.n_pings >= n or agent.agent_id not in self.registered(),
                       "%d pings (%d came)" % (n, agent.n_pings))

    def let_it_read(self):
        """What was sent before is dealt with: two requests later all that had come is read."""
        for _ in range(2):
            http_get(self.addr, "/health")

    # What is seen

    def get(self, path):
        return http_get(self.addr, path).json()

    def operator(self, kind, expect=200, **parts):
        answer = http_call(self.addr, "POST", "/api/v1", json.dumps({"type": kind, **parts}), JSON_HEADERS)
        check(answer.status == expect, "%s was answered %r" % (kind, answer))
        return answer

    def mark_gone(self, agent, expect=200):
        return self.operator("MARK_AGENT_GONE", expect, mark_agent_gone={"agent_id": {"value": agent.agent_id}})

    def metric(self, name):
        return self.get("/metrics/snapshot")["master/" + name]

    def active(self):
        """The ids of the agents that are connected and offered."""
        return [a["id"] for a in self.get("/slaves")["slaves"] if a["active"]]

    def registered(self):
        return [a["id"] for a in self.get("/slaves")["slaves"]]

    def told(self, name, task_id=None):
        """The statuses of the task that its framework was told, but for the first RUNNING."""
        return [s for s in self.frameworks[name].statuses if s["task_id"]["value"] == (task_id or name)][1:]

    def wait_told(self, name, state, n=1, task_id=None):
        """The n-th status after the first RUNNING, which must be of that state."""
        self.frameworks[name].wait_until(lambda: len(self.told(name, task_id)) >= n, "%s is told %s" % (name, state))
        status = self.told(name, task_id)[n - 1]
        check(status["state"] == state, "%s was told %s" % (name, status))
        return status

    def tasks_of(self, name):
        """Ids of its tasks, where the master shows them."""
        framework = next(f for f in self.get("/frameworks")["frameworks"] if f["name"] == name)
        return {where: [t["id"] for t in framework[where]]
                for where in ("tasks", "unreachable_tasks", "completed_tasks")}
