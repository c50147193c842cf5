#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to masters, agents and schedulers, in whatever order: nobody's view stays wrong.

A thousand steps, drawn by a seed that is printed, are each one thing that happens: to the master, to the link of an
agent, to a scheduler, or to a task. Time passes only when a step says so. Now and then all come back, and then

    - no task was started twice, and those that run are those that the master and their framework know
    - each end of a task was told to its framework
    - each resource is used, offered, or free to be offered
"""

import collections
import contextlib
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from books import check_books, state, wait_balanced
from clock import Clock, has_sanitizers
from harness import Cluster, check, equal, http_call, main, wait_until
from libprocess_agent import FAILED, FINISHED
from model_agent import ModelAgent
from scheduler import CAPABILITIES, TERMINAL, Scheduler

STEPS = int(os.environ.get("HOLDFAST_TEST_STEPS", "1000"))
STEPS_TO_REST = 50
PATIENT = ("--agent_ping_timeout=15mins", "--max_agent_ping_timeouts=1000")
REREGISTER_TIMEOUT = 600
NAMES = {FINISHED: "TASK_FINISHED", FAILED: "TASK_FAILED", 4: "TASK_KILLED"}


class World:
    def __init__(self, cluster, clock, seed, reuses_ids):
        self.cluster, self.clock, self.reuses_ids = cluster, clock, reuses_ids
        self.rng = random.Random(seed)
        self.n_tasks = self.n_schedulers = 0
        self.is_led = True
        self.agents = [ModelAgent(cluster.master_addr, cpus=8, mem=8192, hostname="h%d" % n) for n in range(4)]
        for agent in self.agents:
            agent.register()
        self.schedulers = []
        self.launched = collections.defaultdict(dict)     # by framework: {task: id of its agent}
        self.history = []
        while len(self.schedulers) < 3:
            self.new_scheduler()

    def new_scheduler(self):
        self.n_schedulers += 1
        capabilities = [{"type": t} for t in CAPABILITIES if self.n_schedulers % 3 or t != "PARTITION_AWARE"]
        self.schedulers.append(Scheduler(self.cluster.master_addr, "s%d" % self.n_schedulers,
                                         {"failover_timeout": 1e6, "capabilities": capabilities}))

    def pick_scheduler(self):
        """One that can make calls, or None."""
        there = [s for s in self.schedulers if s._connected]
        return self.rng.choice(there) if there and self.is_led else None

    def pick_task(self):
        keys = sorted((n, key) for n, agent in enumerate(self.agents) for key in agent.running())
        if not keys:
            return None, None
        n, key = self.rng.choice(keys)
        return self.agents[n], key

    # Tasks

    def launch(self):
        s = self.pick_scheduler()
        if not s or not s.offers:
            return
        offer = s.offers.pop(self.rng.randrange(len(s.offers)))
        tasks = []
        for _ in range(self.rng.randrange(1, 4)):
            tasks.append(s.task(self.pick_id(s), "true", cpus=self.rng.choice([0.1, 0.5])))
            self.launched[s.framework_id][tasks[-1]["name"]] = offer["agent_id"]["value"]
        s.launch(tasks, offer, refuse_seconds=0.0)

    def pick_id(self, s):
        if self.reuses_ids and self.rng.random() < 0.5:
            last = {status["task_id"]["value"]: status["state"] for status in s.statuses}
            ended = [task for task in self.launched[s.framework_id] if last.get(task) in TERMINAL]
            if ended:
                return self.rng.choice(ended)
        self.n_tasks += 1
        return "t%d" % self.n_tasks

    def end(self):
        agent, key = self.pick_task()
        if agent:
            agent.end(key, self.rng.choice([FINISHED, FAILED]))

    def kill(self):
        _, key = self.pick_task()
        s = next((s for s in self.schedulers if key and s.framework_id == key[0]), None)
        if s and s._connected and self.is_led:
            s.kill(key[1])

    def decline(self):
        s = self.pick_scheduler()
        if s and s.offers:
            s.decline([s.offers.pop()], refuse_seconds=0.0)

    # Schedulers

    def hang_up(self):
        self.rng.choice(self.schedulers).disconnect()

    def subscribe(self):
        if self.is_led:
            self.rng.choice(self.schedulers).subscribe()

    def reconcile(self):
        s = self.pick_scheduler()
        if s:
            s.call("RECONCILE", {"tasks": []})

    def replace(self):
        s = self.pick_scheduler()
        if s:
            s.teardown()
            s.disconnect()
            self.schedulers.remove(s)
            self.new_scheduler()

    # Agents

    def cut(self):
        self.rng.choice(self.agents).vanish()

    def mend(self):
        if self.is_led:
            for agent in self.agents:
                if not agent.is_up and self.rng.random() < 0.7:
                    agent.come_back()

    def lose(self):
        """Who is away now was so for too long."""
        if self.is_led:
            self.clock.advance(REREGISTER_TIMEOUT + 1)

    # The master

    def kill_master(self):
        self.cluster.master().kill9()
        self.is_led = False
        for agent in self.agents:
            agent.vanish()
        for s in self.schedulers:
            s.disconnect()

    def start_master(self):
        if not self.is_led:
            self.cluster.master().start()
            self.is_led = True

    # All is well again

    def rest(self):
        self.start_master()
        for agent in self.agents:
            if not agent.is_up:
                agent.come_back()
        for s in self.schedulers:
            if not s._connected:
                s.subscribe()
        self.tear_down_forgotten()
        wait_until(lambda: all(agent.is_quiet() for agent in self.agents), "all updates are acknowledged")
        wait_until(lambda: self.known_to_master() == self.running(), "the master knows what runs")
        n_runs = sum(len(agent.running()) for agent in self.agents)
        equal(n_runs, len(self.running()), "tasks that run, at how many agents ever")
        for s in self.schedulers:
            self.check_view(s)
        if not self.reuses_ids:
            self.check_starts()
            self.check_ends()
        wait_balanced(self.cluster, self.schedulers[0])

    def tear_down_forgotten(self):
        """A master that was told of a framework's end may have died before an agent was: an operator's job."""
        ours = {s.framework_id for s in self.schedulers}
        for f in state(self.cluster)["frameworks"]:
            if f["id"] not in ours:
                equal(f["recovered"], True, "a removed framework is back, and recovered")
                equal(http_call(self.cluster.master_addr, "POST", "/teardown", "frameworkId=" + f["id"]).status, 200,
                      "status")

    def print_views(self):
        for agent in self.agents:
            print("agent", agent.agent_id, {key: (t.state, t.updates) for key, t in agent.tasks.items()})
        for s in self.schedulers:
            print("scheduler", s.framework_id, s._connected, s.error,
                  [(x["task_id"]["value"], x["state"], x.get("message")) for x in s.statuses[-20:]])
        print("master", sorted(self.known_to_master()) if self.is_led else "down")

    def running(self):
        return {key for agent in self.agents for key in agent.running()}

    def known_to_master(self):
        return {(f["id"], t["id"]) for f in state(self.cluster)["frameworks"] for t in f["tasks"]}

    def check_view(self, s):
        """What the framework believes when it has asked about all that it does not know the end of."""
        closed = {}
        for status in s.statuses:
            closed[status["task_id"]["value"]] = "uuid" in status and status["state"] in TERMINAL
        open_tasks = {t: a for t, a in self.launched[s.framework_id].items() if not closed.get(t)}
        n = len(s.statuses)
        s.call("RECONCILE", {"tasks": [{"task_id": {"value": t}, "agent_id": {"value": a}}
                                       for t, a in open_tasks.items()] or [{"task_id": {"value": "nothing"}}]})
        s.wait_until(lambda: len(s.statuses) - n >= len(open_tasks), "answers about %s" % list(open_tasks))
        last = {status["task_id"]["value"]: status["state"] for status in s.statuses}
        runs = {task for framework_id, task in self.running() if framework_id == s.framework_id}
        for task in self.launched[s.framework_id]:
            if task in runs:
                equal(last[task], "TASK_RUNNING", "what the framework believes of task " + task)
            else:
                check(last[task] in TERMINAL, "the framework believes that task %s is %s" % (task, last[task]))

    def check_ends(self):
        schedulers = {s.framework_id: s for s in self.schedulers}
        for agent in self.agents:
            for (framework_id, task), end in agent.ended.items():
                if framework_id in schedulers:
                    told = schedulers[framework_id].states(task)
                    check(NAMES[end] in told, "task %s is %s, its framework was told %s" % (task, NAMES[end], told))

    def check_starts(self):
        starts = collections.Counter()
        for agent in self.agents:
            starts.update(agent.n_starts)
        equal({key: n for key, n in starts.items() if n > 1}, {}, "tasks that were started twice")


def adversity(reuses_ids):
    seed = int(os.environ.get("HOLDFAST_TEST_SEED", random.randrange(1 << 32)))
    print("HOLDFAST_TEST_SEED=%d" % seed)
    # With sanitizers there is no clock to be moved, and no agent is away for too long.
    with contextlib.nullcontext() if has_sanitizers() else Clock() as clock, \
            Cluster(n_agents=0, clock=clock, master_flags=PATIENT) as cluster:
        world = World(cluster, clock, seed, reuses_ids)
        steps = [world.launch] * 12 + [world.end] * 8 + [world.kill] * 3 + [world.decline] * 2
        steps += [world.hang_up, world.subscribe, world.subscribe, world.reconcile, world.cut, world.mend, world.mend]
        often = list(steps)
        rarely = [world.replace, world.lose if clock else world.mend, world.kill_master, world.start_master, world.start_master]
        try:
            for n in range(1, STEPS + 1):
                step = world.rng.choice(often if world.rng.random() < 0.95 else rarely)
                world.history.append(step.__name__)
                step()
                if n % STEPS_TO_REST == 0:
                    world.history.append("rest")
                    world.rest()
                elif n % 10 == 0 and world.is_led:
                    check_books(cluster)
        except BaseException:
            print("step %d: %s" % (len(world.history), " ".join(world.history[-2 * STEPS_TO_REST:])))
            world.print_views()
            raise
        print("%d tasks, %d masters, %d second runs" % (
            world.n_tasks, 1 + world.history.count("kill_master"),
            cluster.master().log().count("ending it on the latter")))
        for s in world.schedulers:
            s.teardown()
            s.disconnect()
        wait_until(lambda: not world.running(), "all tasks are ended with their frameworks")
        for agent in world.agents:
            agent.vanish()


def test_every_view_is_right_again_after_whatever_has_happened():
    adversity(reuses_ids=False)


def test_every_view_is_right_again_also_of_frameworks_that_use_ids_of_tasks_they_think_over():
    adversity(reuses_ids=True)


if __name__ == "__main__":
    main()
