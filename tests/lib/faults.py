# SPDX-License-Identifier: Apache-2.0
"""Faults by the dozen: a plan drawn from a seed, and somebody who carries it out on an Arena.

    plan = draw(random.Random(seed), names, seconds)       # [Fault]
    Nemesis(arena, plan).run()

A plan is data: what to do to whom, when, and for how long. Only who `leader` is, is decided when the time has come.
Several faults may be there at once, but each time of trouble is followed by one of peace, in which what was torn has
time to mend: else nothing would ever happen that a fault could spoil.
"""

import collections
import heapq
import itertools
import signal
import time

# kind: kill, freeze, cut, cut_one_way, unplug, step, skip, or blackout: all of who's kind are killed. `amount`: seconds
# that a clock moves by.
Fault = collections.namedtuple("Fault", "at_s kind who other lasts_s amount", defaults=(None, 0.0, 0.0))

LEADER = "leader"
TROUBLE_S, PEACE_S = 8.0, 5.0
# How often each kind comes up, in comparison.
WEIGHTS = {"kill": 6, "freeze": 5, "cut": 5, "cut_one_way": 4, "unplug": 2, "step": 2, "skip": 2, "blackout": 1}
LASTS_S = {"kill": (0.1, 4), "freeze": (0.2, 6), "cut": (0.5, 7), "cut_one_way": (0.5, 7), "unplug": (0.5, 6), "blackout": (0.1, 3)}
TICK_S = 0.05


def kinds(names, prefix):
    return [n for n in names if n.startswith(prefix)]


def draw_victim(rng, names, kind):
    """Masters as often as agents, though there are fewer of them, and half of the time the one that leads."""
    if kind == "blackout":
        return rng.choice(kinds(names, "master")[:1] + kinds(names, "agent")[:1] + kinds(names, "zookeeper")[:1])
    groups = [[LEADER], kinds(names, "master")]
    # Executors live in the world's time, and would seem dead to an agent whose own jumps.
    if kind != "skip":
        groups += 2 * [kinds(names, "agent")]
    if kind not in ("step", "skip"):
        groups.append(kinds(names, "zookeeper"))
    if kind == "unplug":
        groups.append(kinds(names, "framework"))
    return rng.choice(rng.choice([g for g in groups if g]))


def draw_link(rng, names):
    """Two machines that have something to say to each other."""
    master = rng.choice((LEADER, rng.choice(kinds(names, "master"))))
    others = [kinds(names, prefix) for prefix in ("zookeeper", "agent", "framework")]
    pair = [master, rng.choice(rng.choice([g for g in others if g]))]
    # An agent or a framework asks ZooKeeper who leads.
    if kinds(names, "zookeeper") and rng.random() < 0.15:
        pair = [rng.choice(kinds(names, "zookeeper")), rng.choice(kinds(names, "agent") + kinds(names, "framework"))]
    elif len(kinds(names, "zookeeper")) > 1 and rng.random() < 0.15:
        pair = rng.sample(kinds(names, "zookeeper"), 2)
    rng.shuffle(pair)
    return pair


def draw_fault(rng, names, at_s):
    kind = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    lasts_s = round(rng.uniform(*LASTS_S[kind]), 1) if kind in LASTS_S else 0.0
    if kind in ("cut", "cut_one_way"):
        return Fault(at_s, kind, *draw_link(rng, names), lasts_s)
    amount = {"step": round(rng.uniform(-3600, 3600)), "skip": round(rng.uniform(0.5, 60), 1)}.get(kind, 0.0)
    return Fault(at_s, kind, draw_victim(rng, names, kind), None, lasts_s, amount)


def draw(rng, names, seconds):
    """Rounds of trouble and peace; two to six faults begin in each trouble."""
    plan, start = [], 0.0
    while start < seconds:
        plan += [draw_fault(rng, names, round(start + rng.uniform(0, TROUBLE_S), 1)) for _ in range(rng.randint(2, 6))]
        start += TROUBLE_S + PEACE_S
    return sorted(plan)


def text_of(fault):
    who = " -> ".join(n for n in (fault.who, fault.other) if n)
    return "%s %s%s%s" % (fault.kind, who, " for %g s" % fault.lasts_s if fault.lasts_s else "",
                          " by %g s" % fault.amount if fault.amount else "")


class Nemesis:
    """Seconds of a plan are the world's; clocks that run faster make more of them."""

    def __init__(self, arena, plan):
        self.arena = arena
        self._start = time.monotonic()
        self._sequence = itertools.count()
        self._queue = [(f.at_s, next(self._sequence), self._begin, f) for f in plan]
        heapq.heapify(self._queue)
        self.n_done = 0

    def run(self, until_s, check=lambda: None):
        """Up to that moment of the plan."""
        while (now := time.monotonic() - self._start) < until_s:
            while self._queue and self._queue[0][0] <= now:
                _, _, what, fault = heapq.heappop(self._queue)
                what(fault)
            self.arena.tend()
            check()
            time.sleep(TICK_S)

    def pause(self, seconds):
        """The plan goes on so much later: what the test did meanwhile is not part of it."""
        self._start += seconds

    def _later(self, fault, what):
        heapq.heappush(self._queue, (time.monotonic() - self._start + fault.lasts_s, next(self._sequence), what, fault))

    # Faults

    def _begin(self, fault):
        leader = self.arena.leader() if LEADER in (fault.who, fault.other) else None
        if leader:
            fault = fault._replace(who=leader if fault.who == LEADER else fault.who,
                                   other=leader if fault.other == LEADER else fault.other)
        elif LEADER in (fault.who, fault.other):
            return    # there is none to suffer
        self.arena.history.note("fault", "nemesis", what=text_of(fault))
        getattr(self, "_" + fault.kind)(fault)
        self.n_done += 1

    def _note_healed(self, fault):
        self.arena.history.note("heal", "nemesis", what=text_of(fault))

    def _kill(self, fault):
        self.arena.kill(fault.who, fault.lasts_s)

    def _blackout(self, fault):
        for name in kinds(self.arena.daemons, fault.who.rstrip("0123456789")):
            self.arena.kill(name, fault.lasts_s)

    def _freeze(self, fault):
        self.arena.signal(fault.who, signal.SIGSTOP)
        self._later(fault, self._thaw)

    def _thaw(self, fault):
        self.arena.signal(fault.who, signal.SIGCONT)
        self._note_healed(fault)

    def _cut(self, fault):
        self.arena.network.cut_both(fault.who, fault.other)
        self._later(fault, self._heal)

    def _cut_one_way(self, fault):
        self.arena.network.cut(fault.who, fault.other)
        self._later(fault, self._heal)

    def _heal(self, fault):
        self.arena.network.heal_both(fault.who, fault.other)
        self._note_healed(fault)

    def _unplug(self, fault):
        self.arena.network.unplug(fault.who)
        self._later(fault, self._plug)

    def _plug(self, fault):
        self.arena.network.plug(fault.who)
        self._note_healed(fault)

    def _step(self, fault):
        """An operator sets the clock of the day."""
        self.arena.move_clock(fault.who, 0, fault.amount)

    def _skip(self, fault):
        """The machine was asleep, and finds all clocks ahead."""
        self.arena.move_clock(fault.who, fault.amount, fault.amount)

    def heal_all(self):
        """What is still to be healed is, now; faults that have not begun wait."""
        self._queue = [item for item in self._queue if item[2] == self._begin]
        heapq.heapify(self._queue)
        self.arena.network.heal_all()
        self.arena.raise_all()
        self.arena.history.note("heal", "nemesis", what="all")
