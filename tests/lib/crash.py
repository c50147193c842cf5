# SPDX-License-Identifier: Apache-2.0
"""Daemons that die where they are told to, and what must be true afterwards.

A job is one small cluster of its own. run_jobs() runs many of them, some at a time, each in a process
that is the reaper of its cluster. See common/base/crash.c for the points.
"""

import collections
import concurrent.futures
import contextlib
import io
import multiprocessing
import os
import sqlite3
import threading
import time
import traceback

from harness import (SOURCE_DIR, Cluster, Failure, Skip, become_reaper, cgroup2_mount, check,
                     equal, is_alive, is_healthy, kill_descendants, program, skip, wait_until)
from scheduler import TERMINAL, Scheduler, scalar
from wire import first, read

EXECUTOR = os.path.join(SOURCE_DIR, "tests", "lib", "executor.py")
ORDER = {"TASK_STARTING": 0, "TASK_RUNNING": 1, "TASK_KILLING": 2, "TASK_UNKNOWN": 4, **{state: 3 for state in TERMINAL}}
N_JOBS_AT_A_TIME = int(os.environ.get("HOLDFAST_TEST_JOBS", 2 * (os.cpu_count() or 1)))
# What nobody else repeats is repeated by the agent after 10 s.
PATIENCE_S = 30


def need_crash_points():
    with open(program("holdfast-agent"), "rb") as f:
        if b"HOLDFAST_CRASH_AT" not in f.read():
            skip("built without --enable-crash-points")


def placement():
    """The kind of launcher that leaves the most to clean up, of those that work here."""
    try:
        mount = cgroup2_mount()
    except Skip:
        return "posix"
    return "linux" if os.getuid() == 0 and os.access(mount, os.W_OK) else "posix"


# Running many

Outcome = collections.namedtuple("Outcome", "job result text seconds")


def _run_job(function, job):
    start, out, result = time.monotonic(), io.StringIO(), None
    with contextlib.redirect_stdout(out):
        try:
            result = function(job)
        except Exception:    # whatever it is, the other jobs still run
            print("%s\n%s" % (job, traceback.format_exc()))
        finally:
            kill_descendants()
    return Outcome(job, result, out.getvalue(), time.monotonic() - start)


def run_jobs(function, jobs):
    """[Outcome], in the order of the jobs; the result of one that failed is None."""
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(N_JOBS_AT_A_TIME, context, become_reaper) as pool:
        return list(pool.map(_run_job, [function] * len(jobs), jobs))


def report(title, outcomes):
    """Prints what failed; fails if anything did."""
    failed = [o for o in outcomes if o.result is None]
    for outcome in failed:
        print("--- %s" % (outcome.job,))
        print(outcome.text)
    slow = sorted(outcomes, key=lambda o: -o.seconds)[:3]
    print("%s: %d runs, %d failed; slowest %s" % (
        title, len(outcomes), len(failed), ", ".join("%.1f s %s" % (o.seconds, o.job[1:]) for o in slow)))
    check(not failed, "%d of %d runs failed: %s" % (len(failed), len(outcomes), [o.job for o in failed]))


def read_points(path):
    """["name:n"] of a log, in the order they were passed."""
    seen, points = collections.Counter(), []
    try:
        with open(path) as f:
            names = [line.rstrip("\n").split(" ", 1)[1] for line in f]
    except FileNotFoundError:
        names = []
    for name in names:
        seen[name] += 1
        points.append("%s:%d" % (name, seen[name]))
    return points


def visit_all(title, function, choose=lambda name: True):
    """Runs function once to see which points it passes, then once for each of those (of the names chosen) to die there.
    It returns the number of deaths, what became of its tasks, and the points."""
    need_crash_points()
    counted = run_jobs(function, [(title, None)])
    report(title + ", counting", counted)
    only = os.environ.get("HOLDFAST_TEST_POINT")
    points = [p for p in counted[0].result[2] if only in (None, p) and choose(p.rsplit(":", 1)[0])]
    outcomes = run_jobs(function, [(title, p) for p in points])
    died = sum(o.result[0] > 0 for o in outcomes if o.result)
    fates = [f for o in outcomes if o.result for f in o.result[1]]
    print("%s: %d points of %d names, %d deaths; tasks: %s" % (
        title, len(points), len({p.rsplit(":", 1)[0] for p in points}), died,
        ", ".join("%d %s" % (fates.count(f), f) for f in sorted(set(fates)))))
    report(title, outcomes)
    # What comes in one turn of a loop, or in two, is the machine's affair: later runs may well have fewer.
    check(died >= 0.75 * len(points), "only %d of %d points were met again" % (died, len(points)))


# One cluster

def states_of(s, task_id):
    return [x for x in s.statuses if x["task_id"]["value"] == task_id]


class Story:
    """A cluster with one agent that may die at any moment, and tasks that write down that they were started."""

    def __init__(self, **options):
        self.cluster = Cluster(start=False, **{"launcher": placement(), **options})
        self.agent = self.cluster.agent()
        self.gate = self.cluster.work_path("gate")
        self.n_deaths = 0
        self._keeper = None
        self._leaving = threading.Event()
        self.trouble = None

    def __enter__(self):
        self.cluster.master().start()
        self.s = Scheduler(self.cluster.master_addr)
        return self

    def __exit__(self, kind, value, trace):
        if self._keeper:
            self.stop_keeping()
        if kind:
            with contextlib.suppress(Exception):
                print("statuses: %s" % [(x["task_id"]["value"], x["state"], x.get("message"), x.get("reason"))
                                        for x in self.s.statuses])
                for name in ("stdout", "stderr"):
                    print("custom %s: %s" % (name, self.cluster.read_sandbox("custom", name)))
            self.s.disconnect()
        else:
            self._settle()
        return self.cluster.__exit__(kind, value, trace)

    def _settle(self):
        """The last agent is one that came to serve, wherever the one before it died."""
        wait_until(lambda: not self.agent.is_running() or is_healthy(self.agent.addr), "the agent answers")
        if not self.agent.is_running():
            self.agent.start()

    # The agent

    def env(self, program_name, at=None):
        env = {"HOLDFAST_CRASH_PROGRAM": program_name, "HOLDFAST_CRASH_LOG": self.cluster.work_path("points")}
        return {**env, "HOLDFAST_CRASH_AT": at} if at else env

    def points(self):
        return read_points(self.cluster.work_path("points"))

    def start_agent(self, env=None, on_death=lambda: None):
        """Starts the agent; should it die, on_death() is called and it is started again without `env`."""
        self.agent.start(wait_ready=False, env=env)
        self.start_agent_keeper(on_death)

    def start_agent_keeper(self, on_death=lambda: None):
        self._keeper = threading.Thread(target=self._keep, args=(on_death,), daemon=True)
        self._keeper.start()

    def is_reregistered(self):
        return any(a.get("reregistered_time", 0) >= self.agent.started_at for a in self.cluster.active_agents())

    def stop_keeping(self):
        self._leaving.set()
        self._keeper.join()
        self._leaving.clear()
        self._keeper = None

    def _keep(self, on_death):
        try:
            while not self._leaving.wait(0.005):
                if not self.agent.is_running():
                    self.n_deaths += 1
                    on_death()
                    self.agent.start(wait_ready=False)
        except Exception as e:    # told to the test's own thread, which waits for what will not come
            self.trouble = e

    # Tasks

    def ran_path(self, name):
        return self.cluster.work_path(name + ".ran")

    def ran(self, name):
        """The pids of those who were started by this name."""
        try:
            with open(self.ran_path(name)) as f:
                return [int(line) for line in f.read().splitlines()]
        except FileNotFoundError:
            return []

    def command(self, name, rest):
        return "echo $$ >>%s; %s" % (self.ran_path(name), rest)

    def behind_gate(self, name, rest):
        return self.command(name, "while [ ! -e %s ]; do sleep 0.02; done; %s" % (self.gate, rest))

    def open_gate(self):
        open(self.gate, "w").close()

    def executor(self, name, command):
        return {"executor_id": {"value": name}, "framework_id": {"value": self.s.framework_id},
                "resources": [scalar("cpus", 0.1), scalar("mem", 32)], "command": {"value": command}}

    def has_ended(self, name):
        return all(not is_alive(pid) for pid in self.ran(name))

    def launch(self, *tasks):
        self.s.launch(list(tasks), self.wait(lambda: self.take_offer(), "an offer"))

    def take_offer(self):
        offers, self.s.offers = self.s.offers, []
        return offers[0] if offers else None

    # Waiting

    def wait(self, predicate, what, timeout=PATIENCE_S):
        def find():
            if self.trouble:
                raise Failure("the agent could not be started again: %r" % self.trouble)
            return predicate()
        return wait_until(find, what, timeout)

    def end_of(self, task_id):
        return next((x for x in states_of(self.s, task_id) if x["state"] in TERMINAL), None)

    def wait_end(self, *task_ids):
        for task_id in task_ids:
            self.wait(lambda t=task_id: self.end_of(t), "%s ends" % task_id)

    def wait_running(self, *task_ids):
        """Or ended: it may have been dropped."""
        for task_id in task_ids:
            self.wait(lambda t=task_id: self.end_of(t) or any(
                x["state"] == "TASK_RUNNING" for x in states_of(self.s, t)), "%s runs" % task_id)

    def kill(self, task_id):
        """Repeats the call, as a framework must: it is not kept for an agent that is away."""
        asked_at = [0.0]

        def ended():
            if not self.end_of(task_id) and time.monotonic() - asked_at[0] > 1:
                asked_at[0] = time.monotonic()
                self.s.kill(task_id)
            return self.end_of(task_id)
        self.wait(ended, "%s is killed" % task_id)

    def teardown(self):
        self.s.teardown()
        self.s.disconnect()
        self.wait(self.is_clean, "nothing of the framework is left with the agent: %s" % self.leftovers())
        self.check_history()

    # Judging

    def check_order(self, task_id):
        states = self.s.states(task_id)
        ranks = [ORDER[state] for state in states]
        check(ranks == sorted(set(ranks)), "states of %s came as %s" % (task_id, states))

    def check_end(self, task_id, state, message, full=("TASK_STARTING", "TASK_RUNNING")):
        """It ran once and ended like this, or never and nobody says that it did."""
        self.check_order(task_id)
        runs, end, states = len(self.ran(task_id)), self.end_of(task_id), self.s.states(task_id)
        if runs == 0 and end["state"] != state:
            check(end["source"] != "SOURCE_EXECUTOR", "%s never ran, but %s" % (task_id, end))
            check("TASK_RUNNING" not in states, "%s never ran, but went through %s" % (task_id, states))
            return "dropped"
        equal(runs, 1, "runs of %s (%s)" % (task_id, end))
        equal(end["state"], state, "state of %s (%s)" % (task_id, end))
        if message:
            equal(end.get("message"), message, "message of %s" % task_id)
        equal([x for x in states if x != "TASK_KILLING"], [*full, state], "states of %s" % task_id)
        return "ran"

    def check_lives(self, task_id, name):
        """It runs, and is what was started at first; or it was dropped before it was."""
        self.check_order(task_id)
        end = self.end_of(task_id)
        if end:
            check(end["source"] != "SOURCE_EXECUTOR" and "TASK_RUNNING" not in self.s.states(task_id),
                  "%s ended: %s" % (task_id, end))
            return "dropped"
        pids = self.ran(name)
        equal(len(pids), 1, "starts of %s" % name)
        check(is_alive(pids[0]), "%s has died" % name)
        equal(self.s.states(task_id)[-1], "TASK_RUNNING", "state of %s" % task_id)
        return "ran"

    def open_database(self):
        return contextlib.closing(sqlite3.connect(
            "file:%s?mode=ro" % self.cluster.work_path("agent", "meta", "agent.db"), uri=True))

    def check_history(self):
        """What the agent remembers is whole, and nothing is in it twice."""
        with self.open_database() as db:
            frameworks = db.execute("SELECT info FROM completed_frameworks").fetchall()
            containers = [c for (c,) in db.execute("SELECT container_id FROM completed_executors")]
            rows = [(c, read(task)) for c, task in db.execute("SELECT container_id, task FROM completed_tasks")]
        tasks = [(c, first(read(first(task, 2)), 1).decode()) for c, task in rows]
        equal(len(frameworks), bool(containers), "completed frameworks")
        equal(len(set(containers)), len(containers), "containers of the completed executors %s" % containers)
        equal(len(set(tasks)), len(tasks), "completed tasks, %s" % tasks)
        check({c for c, _ in tasks} <= set(containers), "tasks %s of executors %s" % (tasks, containers))
        # Without a status: its framework was removed before it had any.
        for (_, name), (_, task) in zip(tasks, rows):
            check(self.s.states(name) or 8 not in task, "task %s is remembered, of which nothing was told" % name)

    def leftovers(self):
        found = {}
        for name, path in (("exit records", "agent/meta/exits"), ("runtime", "agent-run/containers")):
            with contextlib.suppress(FileNotFoundError):
                found[name] = os.listdir(self.cluster.work_path(path))
        with self.open_database() as db:
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                # What is over is kept.
                if table not in ("meta", "sqlite_sequence") and not table.startswith("completed_"):
                    found[table] = db.execute("SELECT count(*) FROM %s" % table).fetchone()[0]
        if self.cluster.cgroup:
            found["cgroups"] = self.cluster.container_cgroups()
        return {name: what for name, what in found.items() if what}

    def is_clean(self):
        try:
            return not self.leftovers()
        except sqlite3.OperationalError:
            return False    # just being opened by a starting agent
