#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Timers of the agent, under a clock of ours, with a scripted master."""

import contextlib
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from clock import Clock
from harness import check, children_named, equal, main, wait_until
from libprocess_master import PARTITION_AWARE, TASK_KILLING_STATE, Stand, executor_info, scalar, task_info

MINUTES = 60
BACKOFF = "--registration_backoff_factor="
# Never registers.
SILENT = executor_info("silent", "sleep 1000", scalar("cpus", 0.1, allocated="ops"), scalar("mem", 32, allocated="ops"))
EXECUTOR_REGISTRATION_TIMEOUT, EXECUTOR_REREGISTRATION_TIMEOUT = 23, 24


@contextlib.contextmanager
def stand(*flags, backoff="1secs"):
    with Clock() as clock, Stand(clock=clock) as s:
        s.clock = clock
        s.agent.argv = [a for a in s.agent.argv if not a.startswith(BACKOFF)] + [BACKOFF + backoff, *flags]
        yield s


def n_registrations(s):
    return len(s.master.registrations)


def wait_registrations(s, n):
    s.master.wait(lambda: n_registrations(s) >= n and s.master.count("UpdateSlaveMessage") >= n, "registration %d" % n)


def is_silent(s, seconds):
    """Nothing is registered while that time passes."""
    n = n_registrations(s)
    s.clock.advance(seconds)
    s.state()
    return n_registrations(s) == n


# Pings

def test_agent_without_pings_for_75_seconds_registers_again():
    with stand() as s:
        s.start_agent()
        check(is_silent(s, 74.9), "it registered before the time")
        s.clock.advance(1.5)
        wait_registrations(s, 2)
        check("no pings" in s.agent.log(), "the log does not say why")


def test_pings_put_that_off():
    with stand() as s:
        s.start_agent()
        for _ in range(20):
            check(is_silent(s, 60), "it registered although it was pinged")
            s.master.ping()
        check(is_silent(s, 74.9), "it registered before the time")
        s.clock.advance(1.5)
        wait_registrations(s, 2)


def test_master_says_how_long_pings_may_fail_to_come():
    with stand() as s:
        s.master.total_ping_timeout_s = 10
        s.start_agent()
        check(is_silent(s, 9.9), "it registered before the time")
        # And says it again to an agent that is back.
        s.master.total_ping_timeout_s = 20
        s.clock.advance(1.5)
        wait_registrations(s, 2)
        check(is_silent(s, 18.4), "it registered before the time")
        s.clock.advance(3)
        wait_registrations(s, 3)


def test_ping_that_says_not_connected_makes_it_register_again():
    with stand() as s:
        s.start_agent()
        s.clock.advance(30)
        s.master.ping(connected=False)
        s.clock.advance(1.1)
        wait_registrations(s, 2)
        s.master.ping()
        check(is_silent(s, 70), "it registered once more")


def test_agent_whose_link_broke_registers_again_within_the_backoff():
    with stand(backoff="10secs") as s:
        s.start_agent()
        s.master.hang_up()
        s.clock.advance(10.1)
        wait_registrations(s, 2)


# Registration

def attempts(s, seconds):
    """When it tried to register, in seconds from now."""
    times, begin = [], s.clock.wall()

    def note():
        # What it sent before its answer has come before that.
        s.master.ping()
        while len(times) < n_registrations(s) - n_before:
            times.append(s.clock.wall() - begin)

    n_before = n_registrations(s)
    s.clock.advance(seconds, note)
    return times


def test_registration_is_repeated_ever_more_slowly_until_it_is_answered():
    with stand() as s:
        s.master.is_deaf = True
        s.agent.start()
        wait_until(lambda: n_registrations(s) == 1, "the first registration")
        times = [0.0, *attempts(s, 20 * MINUTES)]
        gaps = [b - a for a, b in zip(times, times[1:])]
        limits = [min(2 * 2 ** n, 60) for n in range(len(gaps))]
        for gap, limit in zip(gaps, limits):
            check(limit / 10 - 0.01 <= gap <= limit + 0.01, "gaps %s" % gaps)
        check(len(times) >= 20, "%d registrations in 20 minutes" % len(times))
        check(len(set(gaps[6:])) > 1, "all agents would come at the same time: %s" % gaps)
        s.master.is_deaf = False
        s.clock.advance(61)
        s.master.wait(lambda: s.master.count("UpdateSlaveMessage") == 1, "it is registered")
        s.master.ping()
        check(is_silent(s, 70), "it registered once more")


def test_backoff_begins_anew_after_each_loss():
    with stand() as s:
        s.start_agent()
        for _ in range(3):
            s.master.is_deaf = True
            s.master.hang_up()
            n = n_registrations(s)
            s.clock.advance(1.1)
            s.master.wait(lambda n=n: n_registrations(s) > n, "it tries within the factor")
            # By now it waits up to a minute from one try to the next.
            s.clock.advance(10 * MINUTES)
            s.master.is_deaf = False
            n = s.master.count("UpdateSlaveMessage")
            s.clock.advance(61)
            s.master.wait(lambda n=n: s.master.count("UpdateSlaveMessage") > n, "it is registered")


# Executors

def test_executor_has_a_minute_to_register():
    with stand() as s:
        s.start_agent()
        s.master.run(task_info("t", None, executor=SILENT))
        wait_until(lambda: s.state()["frameworks"] and s.state()["frameworks"][0]["executors"], "the executor")
        s.clock.advance(59)
        s.state()
        equal(s.master.states("t"), [], "states before the time")
        s.clock.advance(1.5)
        status = s.master.wait_state("t", "TASK_FAILED")
        equal(status.reason, EXECUTOR_REGISTRATION_TIMEOUT, "reason")
        equal(status.message, "Executor did not register within 1mins", "message")


def test_operator_may_give_executors_less_time_to_register():
    with stand("--executor_registration_timeout=3secs") as s:
        s.start_agent()
        s.master.run(task_info("t", None, executor=SILENT))
        wait_until(lambda: s.state()["frameworks"] and s.state()["frameworks"][0]["executors"], "the executor")
        s.clock.advance(3.5)
        equal(s.master.wait_state("t", "TASK_FAILED").message, "Executor did not register within 3secs", "message")


def check_lost_executor(state, capabilities):
    with stand() as s:
        s.start_agent()
        s.master.run(task_info("t", "sleep 1000"), capabilities=capabilities)
        s.master.wait_state("t", "TASK_RUNNING")
        s.agent.kill9()
        # The task's own process has that name, too, until it executes the command.
        wait_until(lambda: len(children_named("holdfast-executor")) == 1, "the task's command runs")
        (executor,) = children_named("holdfast-executor")
        os.kill(executor, signal.SIGSTOP)
        s.master.forget_connection()
        s.agent.start()
        n = n_registrations(s)
        s.clock.advance(2)
        equal((n_registrations(s), s.master.states("t")), (n, ["TASK_STARTING", "TASK_RUNNING"]), "before the time")
        # Half a second more than it says: an executor may have drawn the longest wait before its first try.
        s.clock.advance(1.1)
        status = s.master.wait_state("t", state)
        equal(status.reason, EXECUTOR_REREGISTRATION_TIMEOUT, "reason")
        equal(status.message, "Executor did not reregister within 2secs", "message")


def test_executor_has_two_seconds_to_come_to_a_restarted_agent():
    check_lost_executor("TASK_GONE", (PARTITION_AWARE, TASK_KILLING_STATE))


def test_framework_that_is_not_aware_of_partitions_hears_that_the_task_is_lost():
    check_lost_executor("TASK_LOST", (TASK_KILLING_STATE,))


# Updates

def pinged_until(s, when):
    while s.clock.wall() < when:
        s.clock.advance(min(50, when - s.clock.wall()))
        s.master.ping()


def test_update_is_sent_again_until_it_is_acknowledged():
    with stand() as s:
        s.master.acknowledge = False
        s.start_agent()
        s.master.run(task_info("t", "sleep 1000"))
        s.master.wait(lambda: s.master.count("StatusUpdateMessage") == 1, "the first update")
        due = s.clock.wall()
        # Ten seconds, then twice as long each time; ten minutes at most.
        for n, delay in enumerate((10, 20, 40, 80, 160, 320, 600, 600), 1):
            due += delay
            pinged_until(s, due - 2)
            equal(s.master.count("StatusUpdateMessage"), n, "updates before %d s" % delay)
            pinged_until(s, due + 2)
            s.master.wait(lambda n=n: s.master.count("StatusUpdateMessage") == n + 1, "update number %d" % (n + 1))
        s.master.acknowledge = True
        pinged_until(s, due + 602)
        s.master.wait_state("t", "TASK_RUNNING")
        s.master.kill("t")
        s.master.wait_state("t", "TASK_KILLED")


# Sandboxes

def test_sandbox_is_kept_for_a_week():
    with stand("--gc_delay=1weeks", "--gc_disk_headroom=0", "--disk_watch_interval=1days") as s:
        s.master.total_ping_timeout_s = 365 * 86400
        s.start_agent()
        s.master.run(task_info("t", "true"))
        s.master.wait_state("t", "TASK_FINISHED")
        wait_until(lambda: s.state()["completed_frameworks"], "the framework is over")
        equal(len(s.cluster.sandboxes("t")), 1, "sandboxes")
        s.clock.advance(6.9 * 86400)
        s.state()
        equal(len(s.cluster.sandboxes("t")), 1, "sandboxes after 6.9 days")
        s.clock.advance(0.2 * 86400)
        wait_until(lambda: not s.cluster.sandboxes("t"), "the sandbox goes")


if __name__ == "__main__":
    main()
