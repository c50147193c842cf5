#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The clock that other tests move: what it shows to daemons, and what it keeps from their children."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from clock import Clock
from harness import Cluster, check, equal, http_get, main, wait_until
from libprocess_agent import LibprocessAgent
from scheduler import Scheduler


def metric(cluster, name):
    return http_get(cluster.master_addr, "/metrics/snapshot").json()[name]


def is_near(value, wanted):
    return wanted - 0.01 <= value <= wanted + 30


def test_frozen_clock_stands_still_and_shows_what_it_was_moved_by():
    with Clock() as clock, Cluster(n_agents=0, clock=clock) as cluster:
        before = metric(cluster, "master/uptime_secs")
        wait_until(lambda: metric(cluster, "master/uptime_secs") == before, "the clock stands")
        clock.advance(100)
        equal(round(metric(cluster, "master/uptime_secs") - before, 3), 100, "seconds that passed")


def test_running_clock_goes_on_from_where_it_was_moved_to():
    with Clock(frozen=False) as clock, Cluster(n_agents=0, clock=clock) as cluster:
        clock.advance(1000)
        uptime = metric(cluster, "master/uptime_secs")
        check(is_near(uptime, 1000), "the master is %g s up" % uptime)
        wait_until(lambda: metric(cluster, "master/uptime_secs") > uptime, "time goes on")


def test_fast_clock_starts_with_the_world_and_runs_ahead():
    with Clock(frozen=False, rate=10) as clock, Cluster(n_agents=0, clock=clock) as cluster:
        check(is_near(clock.wall(), time.time()), "it began %g s off" % (clock.wall() - time.time()))
        with LibprocessAgent(cluster.master_addr) as agent:
            agent.register()
            start = time.monotonic()
            agent.wait_messages("PingSlaveMessage", 4)
            check(time.monotonic() - start < 45, "45 s took %g s" % (time.monotonic() - start))
        clock.freeze()
        before = metric(cluster, "master/uptime_secs")
        clock.advance(100)
        equal(round(metric(cluster, "master/uptime_secs") - before, 3), 100, "seconds that passed")
        clock.run()
        wait_until(lambda: metric(cluster, "master/uptime_secs") > before + 110, "time goes on")


def test_timers_on_the_way_ring_one_after_the_other():
    with Clock() as clock, Cluster(n_agents=0, clock=clock) as cluster:
        with LibprocessAgent(cluster.master_addr) as agent:
            agent.register()
            stops = []
            clock.advance(46, lambda: stops.append(clock.wall()))
            agent.wait_messages("PingSlaveMessage", 4)
            check(len(stops) >= 3, "stopped %d times on the way" % len(stops))


def test_setting_the_wall_clock_leaves_timers_alone():
    with Clock() as clock, Cluster(n_agents=0, clock=clock) as cluster:
        with LibprocessAgent(cluster.master_addr) as agent:
            agent.register()
            agent.wait_message("PingSlaveMessage")
            before = metric(cluster, "master/uptime_secs")
            clock.step(-3600)
            clock.step(86400)
            check(metric(cluster, "master/uptime_secs") - before > 80000, "the wall clock was not set")
            equal(agent.count("PingSlaveMessage"), 0, "pings")
            clock.advance(15.5)
            agent.wait_message("PingSlaveMessage")


def test_clock_is_kept_over_restarts():
    with Clock() as clock, Cluster(n_agents=0, clock=clock) as cluster:
        clock.advance(5000)
        cluster.master().restart()
        started = http_get(cluster.master_addr, "/state").json()["start_time"]
        check(abs(started - clock.wall()) < 0.1, "started at %f, it is %f" % (started, clock.wall()))


def test_containers_live_in_real_time_and_see_nothing_of_the_clock():
    with Clock(frozen=False) as clock, Cluster(clock=clock) as cluster, Scheduler(cluster.master_addr) as s:
        clock.advance(1000, cluster.wait_agents)
        s.run("t", "date +%s; env")
        lines = cluster.read_sandbox("t").splitlines()
        check(abs(int(lines[0]) - time.time()) < 100, "the task has another time: %s" % lines[0])
        equal([line for line in lines if line.startswith(("LD_PRELOAD", "HOLDFAST_TEST_CLOCK"))], [], "variables")


if __name__ == "__main__":
    main()
