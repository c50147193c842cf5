#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The master's books: after anything that may happen every resource is where it belongs."""

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from books import check_books
from harness import Cluster, http_get, main, wait_until
from libprocess_agent import FAILED, FINISHED, KILLED, RUNNING, LibprocessAgent
from scheduler import Scheduler, offered

STEPS = 1000
CPUS = 8


class World:
    """Agents and schedulers, and which tasks we believe to run where."""

    def __init__(self, cluster, seed):
        self.cluster = cluster
        self.rng = random.Random(seed)
        self.agents = []
        self.schedulers = []
        self.running = {}       # (framework id, task id): agent
        self.n_tasks = 0

    def state(self):
        return http_get(self.cluster.master_addr, "/state").json()

    def agent_of(self, offer):
        return next(a for a in self.agents if a.agent_id == offer["agent_id"]["value"])

    def launch(self):
        s = self.rng.choice(self.schedulers)
        if not s.offers:
            return
        offer = s.offers.pop(self.rng.randrange(len(s.offers)))
        names = []
        tasks = []
        for _ in range(self.rng.randrange(4)):
            self.n_tasks += 1
            names.append("t%d" % self.n_tasks)
            tasks.append(s.task(names[-1], "true", cpus=self.rng.choice([0.1, 0.5, 100]), mem=32))
        agent = self.agent_of(offer)
        s.launch(tasks, offer, refuse_seconds=self.rng.choice([0.0, 3600.0]))
        # Answered means done: what the master did not take (a void offer, too much) it does not show.
        shown = {t["id"] for f in self.state()["frameworks"] for t in f["tasks"]}
        for name in names:
            if name in shown:
                agent.wait_task(name)
                self.running[s.framework_id, name] = agent

    def decline(self):
        s = self.rng.choice(self.schedulers)
        if s.offers:
            s.decline([s.offers.pop()], refuse_seconds=self.rng.choice([0.0, 3600.0]))

    def revive(self):
        self.rng.choice(self.schedulers).revive()

    def update(self):
        if not self.running:
            return
        framework_id, task_id = self.rng.choice(sorted(self.running))
        agent = self.running[framework_id, task_id]
        if not agent.is_up:
            return
        state = self.rng.choice([RUNNING, FINISHED, FAILED, KILLED])
        agent.update(framework_id, task_id, state)
        if state != RUNNING:
            del self.running[framework_id, task_id]

    def cut(self):
        agent = self.rng.choice(self.agents)
        agent.vanish()
        agent.is_up = False
        wait_until(lambda: not self.is_active(agent), "the agent is inactive")

    def mend(self):
        for agent in self.agents:
            if not agent.is_up:
                agent.come_back()
                agent.is_up = True
                mine = [k for k, a in self.running.items() if a is agent]
                agent.reregister([agent.task(f, t, cpus=self.cpus(f, t)) for f, t in mine],
                                 [agent.framework(f) for f in sorted({f for f, _ in mine})])

    def cpus(self, framework_id, task_id):
        for f in self.state()["frameworks"]:
            for t in f["tasks"]:
                if (f["id"], t["id"]) == (framework_id, task_id):
                    return t["resources"]["cpus"]
        return 0.1

    def is_active(self, agent):
        return any(s["active"] for s in self.state()["slaves"] if s["id"] == agent.agent_id)

    def resubscribe(self):
        self.rng.choice(self.schedulers).subscribe()


def test_every_resource_is_where_it_belongs_after_anything_that_may_happen():
    seed = int(os.environ.get("HOLDFAST_TEST_SEED", random.randrange(1 << 32)))
    print("HOLDFAST_TEST_SEED=%d" % seed)
    with Cluster(n_agents=0) as cluster:
        world = World(cluster, seed)
        for n in range(3):
            agent = LibprocessAgent(cluster.master_addr, cpus=CPUS, mem=100000, hostname="h%d" % n)
            agent.is_up = True
            agent.register()
            world.agents.append(agent)
        world.schedulers = [Scheduler(cluster.master_addr, "s%d" % n) for n in range(2)]
        steps = [world.launch] * 8 + [world.update] * 8 + [world.decline] * 3
        steps += [world.revive, world.resubscribe, world.cut, world.mend]
        for n in range(STEPS):
            world.rng.choice(steps)()
            if n % 20 == 0:
                check_books(cluster)
        world.mend()
        check_books(cluster)

        for (framework_id, task_id), agent in world.running.items():
            agent.update(framework_id, task_id, FINISHED)
        for s in world.schedulers:
            s.teardown()
            s.disconnect()

        def is_all_free():
            return all(slave[which]["cpus"] == 0 for slave in world.state()["slaves"]
                       for which in ("used_resources", "offered_resources"))
        wait_until(is_all_free, "nothing is used and nothing offered")
        with Scheduler(cluster.master_addr, "last") as s:
            s.wait_until(lambda: round(sum(offered(o, "cpus") for o in s.offers), 3) == 3 * CPUS, "all is offered")
        for agent in world.agents:
            agent.vanish()


if __name__ == "__main__":
    main()
