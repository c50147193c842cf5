#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Masters, ZooKeeper, agents and two frameworks on a network of their own, on which everything that can fails.

The masters' clocks run ten times as fast as the world's, those of agents three times: timeouts are ordinary, and three
minutes of faults are half an hour of trouble. A plan of faults is drawn from a seed, see tests/lib/faults.py: kill -9,
SIGSTOP, links cut in one or both directions, cables pulled, clocks set. The frameworks launch and kill all the while.
After each chapter of the plan everything is healed, and then must come to rest: what frameworks were told is what tasks
wrote to the disk, and the leader's books are right. Throughout, no two masters may act as leaders. Whatever is violated
is printed with the seed and the history.

HOLDFAST_TEST_SEED=N (1), HOLDFAST_TEST_FAULT_SECONDS=N (180, of faults; what it takes to find rest comes on top),
HOLDFAST_TEST_ZOOKEEPERS=N (1, servers), HOLDFAST_TEST_HISTORY=FILE (to keep the whole history).
"""

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import faults    # noqa: E402
import network    # noqa: E402
from arena import TROUBLE, Arena    # noqa: E402
from audit import amounts, check_books, read_books, unused    # noqa: E402
from clock import has_sanitizers    # noqa: E402
from follower import Follower, need    # noqa: E402
from harness import Failure, equal, main, wait_until    # noqa: E402
from history import History, text_of    # noqa: E402
from judge import check_epochs, check_leaders, check_tasks, concerned    # noqa: E402
from scheduler import scalar    # noqa: E402
from witness import Witness    # noqa: E402

SEED = int(os.environ.get("HOLDFAST_TEST_SEED", "1"))
FAULT_SECONDS = float(os.environ.get("HOLDFAST_TEST_FAULT_SECONDS", "180"))
N_ZOOKEEPERS = int(os.environ.get("HOLDFAST_TEST_ZOOKEEPERS", "1"))
CHAPTER_SECONDS = 39.0
QUIET_TIMEOUT_S = 90
N_EVENTS_PRINTED = 150
SLOW_S = 15
# More than --agent_reregister_timeout; in steps that are less than a session, which is not to end.
ABSENCE_S, HURRY_S, HURRY_PAUSE_S = 660, 5, 0.1
AWARE = {"capabilities": [{"type": t} for t in ("PARTITION_AWARE", "TASK_KILLING_STATE", "RESERVATION_REFINEMENT",
                                                 "MULTI_ROLE")]}
UNAWARE = {"capabilities": [{"type": t} for t in ("RESERVATION_REFINEMENT", "MULTI_ROLE")]}
RATES = {"master": 10, "agent": 3}
# As they are meant, by the daemons' own clocks.
PING_S, SESSION_S = {"master": 10}, {"master": 20, "agent": 10}
AGENT_FLAGS = ("--registration_backoff_factor=500ms", "--executor_registration_timeout=10mins",
               "--executor_reregistration_timeout=15secs", "--executor_shutdown_grace_period=1mins")


def rate(kind):
    return 1 if has_sanitizers() else RATES[kind]


def seconds_of(table, kind):
    """A duration that takes as long in the world whether clocks can be had or not."""
    return "%dms" % (1000 * table[kind] / RATES[kind] * rate(kind))


def master_flags(zookeeper):
    flags = ["--agent_ping_timeout=%s" % seconds_of(PING_S, "master"), "--max_agent_ping_timeouts=3"]
    return flags + (["--zk_session_timeout=" + seconds_of(SESSION_S, "master")] if zookeeper else [])


def agent_flags(zookeeper):
    return [*AGENT_FLAGS] + (["--zk_session_timeout=" + seconds_of(SESSION_S, "agent")] if zookeeper else [])


class Run:
    def __init__(self, arena, seed):
        self.arena = arena
        self.history = arena.history
        self.followers = [
            Follower("framework%d" % n, self.history, arena.find(by_zookeeper=n == 2), arena.ledger.job, info,
                     arena.network["framework%d" % n], seed) for n, info in ((1, AWARE), (2, UNAWARE))]

    def start(self):
        for follower in self.followers:
            follower.start()

    def check_well(self):
        """What must hold at every moment."""
        self.arena.check_crashes()
        for follower in self.followers:
            need(follower)

    # Quiet

    def settle(self):
        """Waits until nothing is violated any more; what still is in the end, is told."""
        for follower in self.followers:
            follower.calm()
        found = ["nothing was looked at"]

        def is_settled():
            self.check_well()
            before = found[:1]
            try:
                found[:] = self.violations()
            except TROUBLE as e:
                found[:] = ["somebody does not answer: %r" % e]
            if found[:1] != before:
                self.history.note("unrest", "test", what=found[0] if found else "none")
            return not found

        try:
            self.arena.wait_until(is_settled, "quiet", QUIET_TIMEOUT_S)
        except Failure:
            raise Failure("no rest was found:\n%s" % "\n".join(found)) from None
        self.history.note("quiet", "test", tasks=len(self.truths))

    def violations(self):
        leader = self.arena.leader()
        if not leader:
            return ["nobody leads"]
        self.truths = self.arena.ledger.truths(self.history)
        found = check_tasks(self.history, self.truths)
        books = read_books(self.arena.masters[leader].addr)
        running = {task: (f.role, amounts([scalar("cpus", f.resources[task].cpus), scalar("mem", f.resources[task].mem)]))
                   for f in self.followers for task, truth in self.truths.items() if truth.alive and task in f.resources}
        offers = [i for f in self.followers for i in list(f.offers)]
        found += check_books(books, running, offers, len(self.arena.agents))
        found += ["agent %s: %s is neither used nor offered" % item for item in unused(books).items()]
        found += ["%s is not subscribed" % f.name for f in self.followers if not f.is_subscribed]
        return found + self.arena.check_zookeeper(leader)

    def judge_leaders(self):
        found = check_leaders(self.history) + check_epochs(self.history)
        if found:
            raise Failure("\n".join(found))

    # Telling

    def tell(self, failure):
        events = sorted(self.history.events, key=lambda e: e.at)
        self.save()
        print("--- about the tasks\n%s" % text_of(concerned(str(failure).splitlines(), self.history)))
        print("--- faults\n%s" % text_of(self.history.of("fault", "heal", "exit", "start", "quiet", "unsubscribed", "unrest")))
        print("--- the last events\n%s" % text_of(events[-N_EVENTS_PRINTED:]))

    def save(self):
        path = os.environ.get("HOLDFAST_TEST_HISTORY")
        if path:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text_of(self.history.events) + "\n")

    def summary(self):
        count = {kind: len(self.history.of(kind)) for kind in ("launch", "kill", "update", "fault", "act")}
        starts = [t for t in self.truths.values() if t.starts]
        masters = {e.fields["master"] for e in self.history.of("act")}
        print("%(launch)d tasks were launched, %(kill)d kills sent, %(update)d updates received; %(fault)d faults" % count)
        print("%d tasks were started; %d masters led; %d acts of leaders were seen" % (len(starts), len(masters),
                                                                                       count["act"]))


def play(arena, plan, seconds):
    run = Run(arena, SEED)
    try:
        arena.start()
        arena.wait_leader()
        arena.wait_until(lambda: len(arena.active_agents()) == len(arena.agents), "all agents are active")
        run.start()
        arena.wait_until(lambda: all(f.is_subscribed for f in run.followers), "both frameworks are subscribed")
        masters = {name: d.addr for name, d in arena.masters.items()}
        with Witness(arena.history, masters, [d.addr for d in arena.zookeepers.values()]):
            play_chapters(run, plan, seconds)
            play_absence(run)
        run.judge_leaders()
        run.summary()
        run.save()
        for follower in run.followers:
            follower.stop(teardown=True)
        wait_until(lambda: not any(t.alive for t in arena.ledger.truths(arena.history).values()), "all tasks end")
    except BaseException as e:
        print("SEED %d" % SEED)
        run.tell(e)
        raise


def play_chapters(run, plan, seconds):
    nemesis = faults.Nemesis(run.arena, plan)
    end_s = 0
    while end_s < seconds:
        end_s = min(end_s + CHAPTER_SECONDS, seconds)
        for follower in run.followers:
            follower.excite()
        nemesis.run(end_s, run.check_well)
        start = time.monotonic()
        nemesis.heal_all()
        run.settle()
        run.judge_leaders()
        took_s = time.monotonic() - start
        print("chapter to %g s: %d faults so far, quiet after %.1f s" % (end_s, nemesis.n_done, took_s))
        if took_s > SLOW_S:
            print(text_of(run.history.of("unrest")[-15:]))
        nemesis.pause(time.monotonic() - start)


def play_absence(run):
    """An agent dies together with the leader, and its host is not back before the next one has given it up."""
    arena, away = run.arena, "agent1"
    if not arena.rates:
        return
    for follower in run.followers:
        follower.excite()
    n_unreachable = len(run.history.of("failure"))
    arena.kill(away, away_s=1e6)
    arena.kill(arena.wait_leader(), away_s=0.5)
    leader = arena.wait_leader()
    arena.wait_until(lambda: all(f.is_subscribed for f in run.followers), "both frameworks are subscribed")
    for _ in range(int(ABSENCE_S / HURRY_S)):
        arena.move_clock(leader, HURRY_S, HURRY_S)
        run.check_well()
        arena.wait_until(lambda at=time.monotonic(): time.monotonic() > at + HURRY_PAUSE_S, "the next step")
    equal(arena.leader(), leader, "the leader")
    arena.wait_until(lambda: len(run.history.of("failure")) >= n_unreachable + len(run.followers), "both are told of it")
    equal(len(arena.active_agents()), len(arena.agents) - 1, "agents that are left")
    arena.start_daemon(away)
    run.settle()
    run.judge_leaders()


def run_faults(n_masters, n_zookeepers, seconds):
    print("seed %d, %g s of faults" % (SEED, seconds))
    with Arena(History(), n_masters=n_masters, n_zookeepers=n_zookeepers, master_flags=master_flags(n_zookeepers),
               agent_flags=agent_flags(n_zookeepers), rates=RATES) as arena:
        play(arena, faults.draw(random.Random(SEED), list(arena.network.machines), seconds), seconds)


def test_three_masters_survive_all_kinds_of_faults():
    run_faults(3, N_ZOOKEEPERS, FAULT_SECONDS)


def test_one_master_with_its_registry_in_a_file_survives_all_kinds_of_faults():
    run_faults(1, 0, FAULT_SECONDS / 4)


if __name__ == "__main__":
    network.enter(need_root=True)
    main()
