#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What becomes of agents, tasks and frameworks when a leading master goes, one story at a time.

Three masters and their agents have machines of their own, see tests/lib/network.py; the framework stands where it
reaches all of them, and subscribes with whoever the test says leads. test_faults.py has all of it at once.
"""

import contextlib
import json
import os
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import network    # noqa: E402
from arena import Arena    # noqa: E402
from follower import Follower    # noqa: E402
from harness import check, equal, http_call, http_get, is_alive, main, wait_until    # noqa: E402
from history import History    # noqa: E402
from judge import check_leaders, check_tasks    # noqa: E402
from scheduler import JSON_HEADERS, PATH, Scheduler    # noqa: E402
from witness import Witness, read_epoch    # noqa: E402

# Long enough for a ZooKeeper to be started anew.
SESSION = "--zk_session_timeout=4secs"
FAILOVER_S = 30
SIGKILL = -signal.SIGKILL


class Story:
    """A leader, its standbys, agents, and a framework with tasks."""

    def __init__(self, n_zookeepers=1, n_agents=2):
        self.history = History()
        self.arena = Arena(self.history, n_agents=n_agents, n_zookeepers=n_zookeepers, n_frameworks=1,
                           master_flags=[SESSION], agent_flags=[SESSION, "--registration_backoff_factor=100ms"])

    def __enter__(self):
        self.arena.__enter__()
        try:
            self.arena.start()
            self.leader = self.arena.wait_leader()
            self.arena.wait_until(lambda: len(self.agents()) == len(self.arena.agents), "all agents are registered")
            self.s = Scheduler(self.address)
            self.known_agents = self.agents()
        except BaseException:
            self.arena.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, *exception):
        self.s.disconnect()
        self.arena.__exit__(*exception)

    @property
    def address(self):
        return self.arena.masters[self.leader].addr

    @property
    def leading(self):
        """The process that leads."""
        return self.arena.masters[self.leader]

    def agents(self):
        return sorted(self.arena.active_agents())

    # Tasks

    def marks(self, name):
        """The pids of those who were started by this name."""
        with contextlib.suppress(FileNotFoundError), open(os.path.join(self.arena.directory, name), encoding="ascii") as f:
            return [int(line) for line in f]
        return []

    def task(self, name):
        return self.s.task(name, "echo $$ >>%s; exec sleep 1000" % os.path.join(self.arena.directory, name))

    def launch(self, *names):
        for name in names:
            self.s.launch([self.task(name)])
            self.s.wait_state(name, "TASK_RUNNING")
            wait_until(lambda name=name: self.marks(name), name + " has left its mark")

    def check_untouched(self, names, pids):
        equal([self.marks(n) for n in names], pids, "pids of those that were started")
        check(all(is_alive(pid) for (pid,) in pids), "a task has died")
        states = {t["id"]: t["state"] for f in http_get(self.address, "/state").json()["frameworks"] for t in f["tasks"]}
        equal(states, {n: "TASK_RUNNING" for n in names}, "tasks of the leader")

    # Leaders

    def follow(self):
        """The framework subscribes with the next leader, which then has all agents as they were."""
        former = self.leading.pid
        self.leader = self.arena.wait_until(lambda: self._other_leader(former), "another master leads", FAILOVER_S)
        self.s.addr = self.address
        self.s.subscribe()
        self.arena.wait_until(lambda: self.agents() == self.known_agents, "the same agents are with the new leader",
                              FAILOVER_S)

    def _other_leader(self, former):
        name = self.arena.leader()
        return name if name and self.arena.masters[name].pid != former else None

    def check_serves(self, name="after"):
        """Tasks can be launched and killed."""
        self.launch(name)
        self.s.kill(name)
        self.s.wait_state(name, "TASK_KILLED")

    def epoch(self):
        with self.arena.ensemble.client() as client:
            return read_epoch(client)


NAMES = ["one", "two", "three", "four"]


def test_standby_leads_when_the_leader_is_killed_and_tasks_notice_nothing():
    with Story() as story:
        story.launch(*NAMES)
        pids, framework_id = [story.marks(n) for n in NAMES], story.s.framework_id
        story.arena.kill(story.leader, away_s=2)
        story.follow()
        equal(story.s.framework_id, framework_id, "the framework's id")
        story.s.reconcile(*NAMES)
        story.s.wait_until(lambda: all(story.s.states(n)[-1] == "TASK_RUNNING" for n in NAMES), "all run")
        story.check_untouched(NAMES, pids)
        story.check_serves()


def test_stopped_leader_that_goes_on_after_its_session_ends_without_acting():
    with Story() as story:
        story.launch("one")
        pids = [story.marks("one")]
        former, former_stream = story.leading, story.s.stream_id
        offer = story.s.wait_offer()
        former.signal(signal.SIGSTOP)
        # Waits in the kernel for whoever reads it.
        waiting = [ask(former.addr, *request) for request in (
            (PATH, launch_call(story, offer), {"Mesos-Stream-Id": former_stream}),
            ("/api/v1", {"type": "GET_MASTER"}, {}), ("/api/v1", {"type": "GET_AGENTS"}, {}))]
        story.follow()
        epoch = story.epoch()
        former.signal(signal.SIGCONT)
        wait_until(lambda: not former.is_running(), "the former leader ends")
        check(former.process.returncode > 0, "it ended with %d" % former.process.returncode)
        for s in waiting:
            check(not answer_of(s).startswith(("HTTP/1.1 200", "HTTP/1.1 202")), "the former leader answered")
        equal(story.epoch(), epoch, "changes of the registry's epoch")
        story.check_serves()
        equal(story.marks("late"), [], "pids of the task launched with the former leader")
        story.check_untouched(["one"], pids)


def launch_call(story, offer):
    task = {**story.task("late"), "agent_id": offer["agent_id"]}
    return {"type": "ACCEPT", "framework_id": {"value": story.s.framework_id},
            "accept": {"offer_ids": [offer["id"]], "operations": [{"type": "LAUNCH", "launch": {"task_infos": [task]}}]}}


def ask(addr, path, call, headers):
    """Makes the call, and does not wait for the answer."""
    body = json.dumps(call)
    lines = ["POST %s HTTP/1.1" % path, "Host: %s:%d" % addr, "Content-Length: %d" % len(body), "Connection: close",
             *("%s: %s" % item for item in {**JSON_HEADERS, **headers}.items())]
    s = socket.create_connection(addr, timeout=10)
    s.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
    return s


def answer_of(s):
    answer = b""
    with s, contextlib.suppress(OSError):
        while piece := s.recv(65536):
            answer += piece
    return answer.decode()


def test_zookeeper_may_be_restarted_without_anybody_noticing():
    with Story() as story:
        story.launch("one")
        pid, server = story.leading.pid, story.arena.ensemble.server()
        server.kill9()
        story.launch("two")
        server.start()
        story.launch("three")
        # The session that a new one has with it is as good as the one before.
        wait_until(story.epoch, "ZooKeeper serves")
        equal((story.arena.wait_leader(), story.leading.pid), (story.leader, pid), "the leader")
        equal(len(story.s.events_of("SUBSCRIBED")), 1, "subscriptions")
        story.check_untouched(["one", "two", "three"], [story.marks(n) for n in ("one", "two", "three")])


def test_leader_ends_when_zookeeper_stays_away_and_tasks_run_on():
    with Story() as story:
        story.launch(*NAMES)
        pids, former = [story.marks(n) for n in NAMES], story.leading
        story.arena.ensemble.server().kill9()
        wait_until(lambda: not former.is_running(), "the leader ends", 15)
        check(former.process.returncode > 0, "it ended with %d" % former.process.returncode)
        check(all(is_alive(pid) for (pid,) in pids), "a task has died")
        # The others wait for better times; who asks is told that there is no leader.
        for name, standby in story.arena.masters.items():
            if name != story.leader:
                wait_until(lambda m=standby: http_call(m.addr, "POST", PATH, {"type": "SUBSCRIBE"}).status == 503,
                           "%s knows of no leader" % name)
        story.arena.ensemble.server().start()
        story.follow()
        story.check_untouched(NAMES, pids)
        story.check_serves()


def test_leader_cut_off_from_zookeeper_gives_way_to_one_that_is_not():
    with Story() as story:
        story.launch("one")
        pids, former = [story.marks("one")], story.leading
        with Witness(story.history, {n: d.addr for n, d in story.arena.masters.items()}):
            # One direction is enough: ZooKeeper hears nothing of it any more.
            story.arena.network.cut(story.leader, "zookeeper1")
            wait_until(lambda: not former.is_running(), "the leader ends", 15)
            check(former.process.returncode > 0, "it ended with %d" % former.process.returncode)
            story.follow()
            story.arena.network.heal_all()
        equal(check_leaders(story.history), [], "violations")
        story.check_untouched(["one"], pids)
        story.check_serves()


def test_leader_stays_when_one_of_three_zookeeper_servers_dies():
    with Story(n_zookeepers=3) as story:
        story.launch("one")
        pid = story.leading.pid
        for server in story.arena.ensemble.servers:
            server.kill9()
            story.launch("without-" + server.name)
            server.start()
            equal((story.arena.wait_leader(), story.leading.pid), (story.leader, pid), "the leader")
        equal(len(story.s.events_of("SUBSCRIBED")), 1, "subscriptions")


def test_masters_are_replaced_one_by_one_while_tasks_are_launched():
    with Story(n_agents=3) as story:
        arena, history = story.arena, story.history
        story.s.teardown()
        follower = Follower("framework1", history, arena.find(by_zookeeper=False), arena.ledger.job,
                            machine=arena.network["framework1"]).start()
        with Witness(history, {n: d.addr for n, d in arena.masters.items()}):
            for name, master in arena.masters.items():
                n_tasks = len(follower.last_states)
                arena.wait_until(lambda n=n_tasks: len(follower.last_states) > n + 5, "some tasks are launched")
                equal(master.stop(), 0, "%s's status" % name)
                master.start()
            arena.wait_until(lambda: follower.is_subscribed, "the framework is subscribed", FAILOVER_S)
            follower.calm()
            arena.wait_until(lambda: not check_tasks(history, arena.ledger.truths(history)), "quiet", 60)
        equal(check_leaders(history), [], "violations")
        check(len({e.fields["master"] for e in history.of("act")}) > 1, "there was one leader only")
        follower.stop()


if __name__ == "__main__":
    network.enter(need_root=True)
    main()
