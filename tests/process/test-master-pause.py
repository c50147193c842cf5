#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where there is quota, a new master offers nothing until most agents are back; it waits for none that won't come."""

import contextlib
import json
import os
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from clock import Clock
from harness import Cluster, equal, http_call, http_get, main, wait_until
from libprocess_agent import LibprocessAgent
from scheduler import Scheduler
from wire import field

# Agents that answer no ping while a test moves the clock are not to be given up for it.
PATIENT = ("--agent_ping_timeout=15mins", "--max_agent_ping_timeouts=1000")
MINUTE = 60


def write_quota(cluster):
    """What the registry has when role "web" may have 100 cpus at most."""
    limit = field(3, field(1, "cpus") + field(2, field(1, 100.0)))
    value = field(11, field(1, "web") + limit)
    with contextlib.closing(sqlite3.connect(cluster.work_path("master", "registry.db"))) as db:
        db.execute("INSERT INTO records (kind, id, value) VALUES ('quotas', '/quotas', ?)", (value,))
        db.commit()


@contextlib.contextmanager
def new_master(n_agents, *flags, quota=True, clock=None):
    """(cluster, agents, a scheduler) of a master that follows one with that many agents."""
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(Cluster(n_agents=0, master_flags=flags, clock=clock))
        agents = [stack.enter_context(LibprocessAgent(cluster.master_addr, hostname="h%d" % n))
                  for n in range(n_agents)]
        for agent in agents:
            agent.register()
        cluster.master().kill9()
        if quota:
            write_quota(cluster)
        for agent in agents:
            agent.vanish()
            agent.listen(agent.port)
        cluster.master().start()
        yield cluster, agents, stack.enter_context(Scheduler(cluster.master_addr))


def check_no_offers(cluster, s):
    """Whatever is to be offered at once would come before the answer to a question."""
    for _ in range(2):
        n = len(s.events_of("MESSAGE"))
        s.fence.executor_message(s.framework_id, "e", b"fence")
        s.wait_event("MESSAGE", n + 1)
    equal(s.events_of("OFFERS"), [], "offers")


def mark_gone(cluster, agent):
    call = {"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": agent.agent_id}}}
    answer = http_call(cluster.master_addr, "POST", "/api/v1", json.dumps(call), {"Content-Type": "application/json"})
    equal(answer.status, 200, "status")


def test_offers_wait_until_most_agents_are_back():
    with new_master(5) as (cluster, agents, s):
        s.fence = agents[0]
        for agent in agents[:3]:
            agent.reregister()
        check_no_offers(cluster, s)
        agents[3].reregister()
        s.wait_until(lambda: len(s.offers) == 4, "all four are offered")
        agents[4].reregister()
        s.wait_until(lambda: len(s.offers) == 5, "the fifth is offered")


def test_share_of_agents_to_wait_for_is_the_operators():
    with new_master(5, "--allocator_agent_recovery_factor=0.4") as (cluster, agents, s):
        s.fence = agents[0]
        agents[0].reregister()
        check_no_offers(cluster, s)
        agents[1].reregister()
        s.wait_until(lambda: len(s.offers) == 2, "both are offered")


def test_nobody_waits_without_quota():
    with new_master(5, quota=False) as (_, agents, s):
        agents[0].reregister()
        s.wait_offer()


def test_nobody_waits_for_less_than_one_agent():
    with new_master(1) as (cluster, _, s):
        with LibprocessAgent(cluster.master_addr, hostname="new") as agent:
            agent.register()
            s.wait_offer()


def test_agents_that_were_declared_gone_are_not_waited_for():
    with new_master(5) as (cluster, agents, s):
        s.fence = agents[0]
        for agent in agents[:3]:
            agent.reregister()
        check_no_offers(cluster, s)
        mark_gone(cluster, agents[4])
        s.wait_until(lambda: len(s.offers) == 3, "all three are offered")


def test_agents_that_are_given_up_are_not_waited_for():
    flags = (*PATIENT, "--allocator_recovery_timeout=2hrs")
    with Clock() as clock, new_master(5, *flags, clock=clock) as (cluster, agents, s):
        s.fence = agents[0]
        agents[0].reregister()
        clock.advance(10 * MINUTE - 5)
        check_no_offers(cluster, s)
        clock.advance(10)
        wait_until(lambda: not http_get(cluster.master_addr, "/slaves").json()["recovered_slaves"], "none is missing")
        s.wait_offer()


def test_wait_ends_with_its_timeout_at_the_latest():
    flags = (*PATIENT, "--agent_reregister_timeout=30mins")
    with Clock() as clock, new_master(5, *flags, clock=clock) as (cluster, agents, s):
        s.fence = agents[0]
        agents[0].reregister()
        clock.advance(10 * MINUTE - 5)
        check_no_offers(cluster, s)
        clock.advance(10)
        s.wait_offer()


if __name__ == "__main__":
    main()
