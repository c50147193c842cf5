#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the master must not forget: weights, and the registry as such."""

import contextlib
import errno
import http.client
import json
import os
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from clock import Clock
from harness import (HOST, Cluster, Daemon, Failure, check, equal, free_port, http_call, http_get, main, program, skip,
                     temporary_directory, wait_until)
from libprocess_agent import LibprocessAgent
from scheduler import Scheduler
from zookeeper import Ensemble

MINUTE = 60
DAY = 24 * 60 * MINUTE
JSON = {"Content-Type": "application/json", "Accept": "application/json"}


def call(cluster, kind, **parts):
    answer = http_call(cluster.master_addr, "POST", "/api/v1", json.dumps({"type": kind, **parts}), JSON)
    return answer


def update_weights(cluster, **weights):
    infos = [{"role": role, "weight": weight} for role, weight in weights.items()]
    return call(cluster, "UPDATE_WEIGHTS", update_weights={"weight_infos": infos})


def weights(cluster):
    return {w["role"]: w["weight"] for w in http_get(cluster.master_addr, "/weights").json()}


def registry(cluster):
    return http_get(cluster.master_addr, "/registrar(1)/registry").json()


def ids(cluster, part):
    slaves = registry(cluster).get(part, {}).get("slaves", [])
    return [(s.get("id") or s["info"]["id"])["value"] for s in slaves]


def database(cluster):
    return cluster.work_path("master", "registry.db")


# Weights

def test_weights_of_the_flag_are_stored_and_later_ones_do_not_change_them():
    with Cluster(n_agents=0, master_flags=["--weights=a=2.5,b=3"]) as cluster:
        master = cluster.master()
        wait_until(lambda: weights(cluster) == {"a": 2.5, "b": 3}, "the weights are stored")
        equal({w["info"]["role"] for w in registry(cluster)["weights"]}, {"a", "b"}, "roles in the registry")
        master.stop()
        master.argv[master.argv.index("--weights=a=2.5,b=3")] = "--weights=a=7,c=1"
        master.start()
        equal(weights(cluster), {"a": 2.5, "b": 3}, "weights")
        check("--weights is ignored" in master.log(), "nothing was said of the flag")
        master.stop()
        master.argv.remove("--weights=a=7,c=1")
        master.start()
        equal(weights(cluster), {"a": 2.5, "b": 3}, "weights without the flag")


def test_weights_are_changed_over_both_interfaces_and_kept():
    with Cluster(n_agents=0) as cluster:
        equal(call(cluster, "GET_WEIGHTS").json(), {"type": "GET_WEIGHTS"}, "no weights")
        equal(http_get(cluster.master_addr, "/weights").json(), [], "no weights")
        answer = update_weights(cluster, ops=2.5)
        equal((answer.status, answer.body), (200, b""), "answer")
        equal(call(cluster, "GET_WEIGHTS").json(),
              {"type": "GET_WEIGHTS", "get_weights": {"weight_infos": [{"weight": 2.5, "role": "ops"}]}}, "weights")
        answer = http_call(cluster.master_addr, "PUT", "/weights", '[{"role": "ops", "weight": 3.0}, {"role":"x","weight":2}]')
        equal((answer.status, answer.body), (200, b""), "answer")
        cluster.master().kill9()
        cluster.master().start()
        equal(weights(cluster), {"ops": 3.0, "x": 2.0}, "weights after a restart")
        equal({r["name"]: r["weight"] for r in http_get(cluster.master_addr, "/roles").json()["roles"]},
              {"ops": 3.0, "x": 2.0}, "roles")
        equal({r["name"]: r["weight"] for r in call(cluster, "GET_ROLES").json()["get_roles"]["roles"]},
              {"ops": 3.0, "x": 2.0}, "roles")


def test_weights_that_cannot_be_are_refused_as_mesos_does():
    prefix = "Failed to validate update weights request JSON"
    with Cluster(n_agents=0, master_flags=["--roles=w,x"]) as cluster:
        equal(update_weights(cluster, **{"w x": 1.0}).text,
              prefix + ": Invalid role 'w x': Role component 'w x' is invalid because it contains backspace or "
              "whitespace", "answer")
        equal(update_weights(cluster, w=-1.0).text,
              prefix + " for role 'w': Invalid weight '-1': Weights must be positive", "answer")
        equal(update_weights(cluster, w=2.0, y=1.0).text, prefix + ": Unknown role 'y'", "answer")
        for body, text in (
                ('[{"role":"x","weight":0}]', prefix + " for role 'x': Invalid weight '0': Weights must be positive"),
                ("", "Failed to parse update weights request JSON '': syntax error at line 1 near: "),
                ("{}", "Failed to parse update weights request JSON '{}': Unexpected JSON type parsed")):
            answer = http_call(cluster.master_addr, "PUT", "/weights", body)
            equal((answer.status, answer.text), (400, text), body)
        for body in ("[", "[{}]", "[1]", '[],"weight_infos":[]', '[{"role":"x"}]'):
            equal(http_call(cluster.master_addr, "PUT", "/weights", body).status, 400, body)
        equal(http_call(cluster.master_addr, "POST", "/weights", "[]").status, 405, "status of a POST")
        equal(weights(cluster), {}, "weights")


def test_offers_follow_new_weights():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        with Scheduler(cluster.master_addr, info={"roles": ["ops"]}) as s:
            s.wait_offer()
            update_weights(cluster, other=5.0)
            equal(len(s.events_of("RESCIND")), 0, "offers taken back for a role nobody has")
            update_weights(cluster, ops=2.0)
            s.wait_event("RESCIND")
            s.wait_offer()


# The registry as such

def test_registry_is_shown_as_mesos_shows_its_own():
    with Cluster(n_agents=0) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        equal(set(registry(cluster)), {"master"}, "parts of an empty registry")
        agent.register()
        shown = registry(cluster)
        equal(set(shown), {"master", "slaves"}, "parts")
        equal(shown["master"]["info"]["pid"], "master@%s:%d" % cluster.master_addr, "master")
        (slave,) = shown["slaves"]["slaves"]
        equal(slave["deactivated"], False, "deactivated")
        equal(slave["info"]["id"]["value"], agent.agent_id, "id")
        equal({(r["name"], r["role"], r["type"]) for r in slave["info"]["resources"]} >=
              {("cpus", "*", "SCALAR"), ("mem", "*", "SCALAR")}, True, "resources in the old format")


def give_up(cluster, clock, *agents):
    for agent in agents:
        agent.vanish()
    clock.advance(11 * MINUTE)
    wait_until(lambda: len(ids(cluster, "unreachable")) >= len(agents), "they are unreachable")


def test_unreachable_agents_are_forgotten_beyond_the_count_oldest_first():
    with Clock() as clock, Cluster(n_agents=0, clock=clock, master_flags=[
            "--registry_max_agent_count=2", "--registry_gc_interval=1hrs"]) as cluster, contextlib.ExitStack() as stack:
        known = []
        for _ in range(3):
            agent = stack.enter_context(LibprocessAgent(cluster.master_addr))
            agent.register()
            known.append(agent.agent_id)
            agent.vanish()
            clock.advance(11 * MINUTE)
            wait_until(lambda: agent.agent_id in ids(cluster, "unreachable"), "it is unreachable")
        equal(ids(cluster, "unreachable"), known, "unreachable")
        clock.advance(60 * MINUTE)
        wait_until(lambda: ids(cluster, "unreachable") == known[1:], "the oldest is forgotten")
        cluster.master().restart()
        equal(ids(cluster, "unreachable"), known[1:], "unreachable after a restart")


def test_unreachable_and_gone_agents_are_forgotten_when_they_are_old():
    with Clock() as clock, Cluster(n_agents=0, clock=clock, master_flags=[
            "--registry_max_agent_age=2days", "--registry_gc_interval=1hrs"]) as cluster, \
            LibprocessAgent(cluster.master_addr) as a, LibprocessAgent(cluster.master_addr) as b:
        a.register()
        b.register()
        equal(call(cluster, "MARK_AGENT_GONE", mark_agent_gone={"agent_id": {"value": b.agent_id}}).status, 200, "status")
        a.vanish()
        clock.advance(11 * MINUTE)
        wait_until(lambda: ids(cluster, "unreachable") == [a.agent_id], "it is unreachable")
        equal(ids(cluster, "gone"), [b.agent_id], "gone")
        clock.advance(DAY)
        equal((ids(cluster, "unreachable"), ids(cluster, "gone")), ([a.agent_id], [b.agent_id]), "after a day")
        clock.advance(DAY + 60 * MINUTE)
        wait_until(lambda: set(registry(cluster)) == {"master"}, "both are forgotten")


def test_database_of_the_first_version_keeps_working():
    with Cluster(n_agents=0, start=False) as cluster, LibprocessAgent(cluster.master_addr) as agent:
        cluster.master().start()
        agent.register()
        agent_id = agent.agent_id
        cluster.master().stop()
        with contextlib.closing(sqlite3.connect(database(cluster))) as db:
            (slave,) = db.execute("SELECT value FROM records WHERE kind = 'agents'").fetchone()
            # As that version had it: the AgentInfo alone. It is the first field, and its length has one byte or two.
            n_length = 1 if slave[1] < 128 else 2
            length = slave[1] & 127 | (slave[2] << 7 if n_length == 2 else 0)
            info = slave[1 + n_length:1 + n_length + length]
            db.executescript("""
                DROP TABLE records;
                CREATE TABLE agents (id TEXT PRIMARY KEY, info BLOB NOT NULL) WITHOUT ROWID;
                CREATE TABLE unreachable (id TEXT PRIMARY KEY, since_usec INTEGER NOT NULL) WITHOUT ROWID;
                CREATE TABLE gone (id TEXT PRIMARY KEY, since_usec INTEGER NOT NULL) WITHOUT ROWID;
                INSERT INTO gone VALUES ('g', 5000000);
                PRAGMA user_version = 1;""")
            db.execute("INSERT INTO agents VALUES (?, ?)", (agent_id, info))
            db.commit()
        agent.vanish()
        agent.listen(agent.port)
        cluster.master().start()
        equal((ids(cluster, "slaves"), ids(cluster, "gone")), ([agent_id], ["g"]), "registry")
        agent.reregister()
        equal(ids(cluster, "slaves"), [agent_id], "registry after it is back")


def check_refused(cluster, *texts):
    master = cluster.master()
    try:
        master.start()
    except Failure:
        pass
    wait_until(lambda: not master.is_running(), "the master refuses to start")
    check(master.process.returncode > 0, "exit status %d" % master.process.returncode)
    master.process = None
    for text in texts:
        check(text in master.log(), "'%s' is not in its log" % text)


def damaged(cluster, damage):
    master = cluster.master()
    with LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
    master.stop()
    with open(database(cluster), "r+b") as f:
        damage(f)


def test_master_does_not_start_on_a_database_that_is_damaged():
    def overwrite(f):
        f.write(b"not a database at all, whatever its name says")

    def tear(f):
        f.truncate(4096 + 100)

    for damage in (overwrite, tear):
        with Cluster(n_agents=0) as cluster:
            damaged(cluster, damage)
            check_refused(cluster, database(cluster))


def test_two_masters_do_not_share_a_directory():
    with Cluster(n_agents=0) as cluster:
        second = cluster.add_master()
        second.argv[-1] = "--work_dir=" + os.path.dirname(database(cluster))
        second.start(wait_ready=False)
        wait_until(lambda: not second.is_running(), "the second gives up")
        check("another master uses it" in second.log(), "log of the second:\n" + second.log())
        check(cluster.master().is_running(), "the first is there")
        cluster.master().kill9()
        second.start()


def test_master_does_not_start_on_a_registry_that_a_later_version_used():
    with Cluster(n_agents=0) as cluster:
        cluster.master().stop()
        with contextlib.closing(sqlite3.connect(database(cluster))) as db:
            name = b"WARP_DRIVE"
            capability = b"\x0a" + bytes([len(name)]) + name
            db.execute("INSERT INTO records VALUES ('minimum_capabilities', '', ?)",
                       (b"\x52" + bytes([len(capability)]) + capability,))
            db.commit()
        check_refused(cluster, "WARP_DRIVE", "Start that version again")


def fill_up(path):
    with open(os.path.join(path, "ballast"), "wb", buffering=0) as f:
        for size in (1 << 16, 1):
            try:
                while True:
                    f.write(b"\0" * size)
            except OSError as e:
                equal(e.errno, errno.ENOSPC, "errno")


def test_agent_is_not_let_in_when_the_disk_is_full():
    if os.geteuid() != 0:
        skip("only root mounts a file system")
    with Cluster(n_agents=0, start=False) as cluster:
        master = cluster.master()
        path = cluster.work_path("master")
        os.makedirs(path)
        # In a mount namespace of its own, which ends with it.
        master.argv = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"', path,
                       *master.argv]
        master.start()
        with LibprocessAgent(cluster.master_addr) as first, LibprocessAgent(cluster.master_addr) as second:
            first.register()
            fill_up("/proc/%d/root%s" % (master.pid, path))
            second.ask_to_register()
            wait_until(lambda: not master.is_running(), "the master ends")
            equal(second.count("SlaveRegisteredMessage"), 0, "what the second agent was told")
        check(master.process.returncode > 0, "exit status %d" % master.process.returncode)
        check("No space left on device" in master.log(), "it did not say why")
        master.process = None


def test_flags_of_the_replicated_log_are_accepted_and_explained():
    with Cluster(n_agents=0, master_flags=["--registry=replicated_log", "--quorum=2",
                                           "--log_auto_initialize=true"]) as cluster:
        check("database in --work_dir" in cluster.master().log(), "nothing was said of where the registry is")


# In ZooKeeper

class Masters:
    """ZooKeeper and two masters, the first of which leads."""

    def __init__(self, *flags, session="2secs"):
        with contextlib.ExitStack() as stack:
            self.ensemble = stack.enter_context(Ensemble())
            directory = stack.enter_context(temporary_directory())
            self.masters = []
            stack.callback(self._kill)
            for n in range(2):
                port = free_port()
                argv = [program("holdfast-master"), "--ip=" + HOST, "--port=%d" % port, "--no-hostname_lookup",
                        "--zk=" + self.ensemble.url(), "--zk_session_timeout=" + session, *flags]
                self.masters.append(Daemon("master%d" % n, argv, (HOST, port), directory).start())
                wait_leading(self.masters[0])
            self.stack = stack.pop_all()

    def _kill(self):
        for master in self.masters:
            if master.is_running():
                master.kill9()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return self.stack.__exit__(*args)

    @property
    def master_addr(self):
        return self.masters[0].addr


def wait_leading(master):
    def leads():
        return http_get(master.addr, "/registrar(1)/registry").json() != {}
    wait_until(leads, "%s leads and has read the registry" % master.name, 30)


def test_next_leader_knows_what_the_former_one_was_told():
    with Masters("--weights=r=2") as cluster:
        first, second = cluster.masters
        equal(http_get(second.addr, "/registrar(1)/registry").json(), {}, "registry of a standby")
        with LibprocessAgent(first.addr) as a, LibprocessAgent(first.addr) as b:
            a.register()
            b.register()
            equal(call(cluster, "MARK_AGENT_GONE", mark_agent_gone={"agent_id": {"value": b.agent_id}}).status, 200,
                  "status")
            update_weights(cluster, s=3.0)
            with cluster.ensemble.client() as client:
                equal(client.children("/mesos/holdfast/agents"), [a.agent_id], "agents in ZooKeeper")
                equal(client.children("/mesos/holdfast/gone"), [b.agent_id], "gone agents in ZooKeeper")
            first.kill9()
            wait_leading(second)
            shown = http_get(second.addr, "/registrar(1)/registry").json()
            equal([s["info"]["id"]["value"] for s in shown["slaves"]["slaves"]], [a.agent_id], "agents")
            equal([s["id"]["value"] for s in shown["gone"]["slaves"]], [b.agent_id], "gone agents")
            equal({w["info"]["role"]: w["info"]["weight"] for w in shown["weights"]}, {"r": 2.0, "s": 3.0}, "weights")
            check("in ZooKeeper, below /mesos" in second.log(), "nothing was said of where the registry is")


def test_master_ends_when_the_registry_does_not_answer_in_time():
    with Masters("--registry_store_timeout=1secs", session="30secs") as cluster, LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        cluster.ensemble.server().freeze()
        call_in_vain(cluster, r=1.0)
        wait_until(lambda: not cluster.masters[0].is_running(), "the master ends")
        check("does not answer in time" in cluster.masters[0].log(), "it did not say why")


def call_in_vain(cluster, **weights_wanted):
    """The master dies of it: the answer is an error, if there is one."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        check(update_weights(cluster, **weights_wanted).status == 500, "weights were taken")


if __name__ == "__main__":
    main()
