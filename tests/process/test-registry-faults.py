#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the registry was told to be durable is there, whatever dies or is cut off; and nothing is there that was not asked for.

A model says what the registry must look like after each change. Changes are carried out in order, and some of them together,
so after a crash it must look as after the first K changes, where K is at least the number that was reported as done.
"""

import collections
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from crash import read_points
from harness import BUILD_DIR, TIMEOUT_SCALE, check, equal, main, skip, temporary_directory, wait_until
from zookeeper import Ensemble

PROGRAM = os.path.join(BUILD_DIR, "tests", "process", "registry-driver")
SEED = int(os.environ.get("HOLDFAST_TEST_SEED", "20260722"))
GONE, UNKNOWN = "3", "2"    # REGISTRY_E_*
NO_TIMEOUT = 0


class Model:
    """The registry as it should be."""

    def __init__(self):
        self.admitted, self.unreachable, self.gone, self.weights = {}, {}, {}, {}
        self.capabilities = set()

    def copy(self):
        other = Model()
        for name, value in vars(self).items():
            setattr(other, name, value.copy())
        return other

    def shown(self):
        return (self.admitted, self.unreachable, self.gone, self.weights, self.capabilities)

    def change(self, line):
        """None, or the code it is refused with."""
        verb, name, *rest = line.split()
        if verb == "weight":
            self.weights[name] = float(rest[0])
        elif verb == "put":
            if name in self.gone:
                return GONE
            _, drains = self.admitted.get(name) or self.unreachable.pop(name, None) or (None, False)
            self.admitted[name] = (rest[0], drains)
        elif verb == "remove":
            self.admitted.pop(name, None)
        elif verb == "unreachable":
            if name not in self.unreachable and name not in self.gone:
                _, drains = self.admitted.pop(name, (None, False))
                self.unreachable[name] = (int(rest[0]), drains)
        elif verb == "gone":
            if name not in self.gone:
                self.admitted.pop(name, None)
                self.unreachable.pop(name, None)
                self.gone[name] = int(rest[0])
        else:
            drains = verb == "drain"
            place = self.admitted if name in self.admitted else self.unreachable
            if name not in place:
                return UNKNOWN
            place[name] = (place[name][0], drains)
            if drains:
                self.capabilities.add("AGENT_DRAINING")
        return None


def shown(state):
    """The same of what the driver prints."""
    def slaves(part):
        return state.get(part, {}).get("slaves", [])

    def usec(slave):
        return slave["timestamp"]["nanoseconds"] // 1000

    def drains(slave):
        equal("drain_info" in slave, slave["deactivated"], "draining and deactivated")
        return slave["deactivated"]

    return ({s["info"]["id"]["value"]: (s["info"]["hostname"], drains(s)) for s in slaves("slaves")},
            {s["id"]["value"]: (usec(s), drains(s)) for s in slaves("unreachable")},
            {s["id"]["value"]: usec(s) for s in slaves("gone")},
            {w["info"]["role"]: w["info"]["weight"] for w in state.get("weights", [])},
            {c["capability"] for c in state.get("minimum_capabilities", [])})


class Driver:
    """registry-driver, and what it has said."""

    def __init__(self, *argv, env=None, wait=True):
        self.lines = []
        self.process = subprocess.Popen([PROGRAM, *map(str, argv)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, env={**os.environ, **(env or {})}, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if wait:
            self.wait_line("loaded 0")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.end()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def end(self):
        """It has died, or is about to: all it said is there."""
        self.process.wait(30 * TIMEOUT_SCALE)
        self._reader.join()
        self.process.stdout.close()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass

    def is_alive(self):
        return self.process.poll() is None

    def send(self, *lines):
        """False when nobody hears it any more."""
        try:
            self.process.stdin.write("".join(line + "\n" for line in lines))
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def wait_line(self, line, timeout=30):
        wait_until(lambda: line in self.lines or not self.is_alive(), "the driver says '%s'" % line, timeout)
        check(line in self.lines, "the driver ended, it said %s" % self.lines[-5:])

    def answers(self, verb):
        """{number of the change: what it says}, in the order of the lines."""
        parts = [line.split(" ", 2) for line in list(self.lines)]
        return {int(p[1]): p[2] for p in parts if p[0] == verb}

    def wait_done(self, count):
        """So many changes were answered one way or the other."""
        wait_until(lambda: len(self.answers("done")) + len(self.answers("refused")) >= count or not self.is_alive(),
                   "%d changes are answered" % count, 60)

    def state(self):
        count = sum(line.startswith("state ") for line in self.lines)
        self.send("list")
        wait_until(lambda: sum(line.startswith("state ") for line in list(self.lines)) > count, "the state")
        return shown(json.loads(next(line for line in reversed(self.lines) if line.startswith("state "))[6:]))


class History:
    """Changes, and the model after each; those that are refused change nothing."""

    def __init__(self, model=None):
        self.states = [model or Model()]
        self.refusals = {}
        self.n = 0

    def add(self, *lines):
        for line in lines:
            self.n += 1
            model = self.states[-1].copy()
            code = model.change(line)
            if code:
                self.refusals[self.n] = code
            self.states.append(model)
        return lines

    @property
    def last(self):
        return self.states[-1].shown()

    def check_answers(self, driver):
        """Everything was answered: in order, with success, or refused as it must be."""
        done = driver.answers("done")
        equal(list(done), [n for n in range(1, self.n + 1) if n not in self.refusals], "changes in their order")
        equal(set(done.values()), {"0"}, "errors")
        equal(driver.answers("refused"), self.refusals, "refusals")

    def find_prefix(self, state, n_done):
        """How many changes had happened: at least those that were said to be done."""
        for k in range(len(self.states) - 1, n_done - 1, -1):
            if self.states[k].shown() == state:
                return k
        check(False, "after %d of %d changes were done there is\n%s\nexpected one of\n%s" % (
            n_done, self.n, state, "\n".join(str(s.shown()) for s in self.states[n_done:])))


def random_changes(rng, n, n_names=6):
    verbs = ["put"] * 4 + ["unreachable"] * 2 + ["remove", "gone", "drain", "reactivate", "weight"]
    for _ in range(n):
        verb = rng.choice(verbs)
        if verb == "gone" and rng.random() < 0.7:
            verb = "put"
        name = "%s%d" % ("role" if verb == "weight" else "a", rng.randrange(n_names))
        yield "%s %s %d" % (verb, name, rng.randrange(1, 1000))


def last_done(driver):
    return max([n for n, error in driver.answers("done").items() if error == "0"], default=0)


class Sqlite:
    """A place for a registry, and drivers there."""

    def __enter__(self):
        self._temporary = temporary_directory()
        self.path = os.path.join(self._temporary.__enter__(), "registry.db")
        return self

    def __exit__(self, *args):
        self._temporary.__exit__(*args)

    def driver(self, **options):
        return Driver("sqlite", self.path, **options)


class ZooKeeper:
    _numbers = itertools.count()

    def __init__(self, ensemble, hosts=None):
        self.ensemble = ensemble
        self.path = "/registry%d" % next(self._numbers)
        self.hosts = hosts or ensemble.hosts

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def driver(self, session_msec=10000, store_msec=NO_TIMEOUT, **options):
        return Driver("zookeeper", "zk://%s%s" % (self.hosts, self.path), "master%d" % next(self._numbers),
                      session_msec, store_msec, **options)

    def serial(self, client):
        return int(client.get(self.path + "/holdfast/epoch")[0].split()[2])


# Any history

def check_random_histories(place, rng, n):
    history = History()
    with place.driver() as d:
        while history.n < n:
            d.send(*history.add(*random_changes(rng, rng.randrange(1, 20))))
            if rng.random() < 0.3:
                d.wait_done(history.n)
                equal(d.state(), history.last, "state")
        d.wait_done(history.n)
        history.check_answers(d)
        equal(d.state(), history.last, "state")
    with place.driver() as d:
        equal(d.state(), history.last, "state after a restart")


def test_any_history_in_sqlite_is_what_the_model_says():
    with Sqlite() as place:
        check_random_histories(place, random.Random(SEED), 1000)


def test_any_history_in_zookeeper_is_what_the_model_says():
    with Ensemble() as ensemble:
        check_random_histories(ZooKeeper(ensemble), random.Random(SEED), 1000)


# Death of the process

BURSTS = (("put a 1", "put b 1"), ("unreachable a 5", "put c 1"), ("gone b 6", "put a 2", "drain a"),
          ("remove c", "unreachable a 7", "weight r 2"))


def run_bursts(driver, history):
    for burst in BURSTS:
        driver.send(*history.add(*burst))
        driver.wait_done(history.n)


def check_every_point(make_place):
    with open(PROGRAM, "rb") as f:
        if b"HOLDFAST_CRASH_AT" not in f.read():
            skip("built without --enable-crash-points")
    with temporary_directory() as directory, make_place() as place:
        log = os.path.join(directory, "points")
        env = {"HOLDFAST_CRASH_PROGRAM": os.path.basename(PROGRAM), "HOLDFAST_CRASH_LOG": log}
        with place.driver(env=env) as d:
            run_bursts(d, History())
        points = read_points(log)
    fates = collections.Counter()
    for point in points:
        history = History()
        with make_place() as place:
            with place.driver(env={**env, "HOLDFAST_CRASH_AT": point}, wait=False) as d:
                wait_until(lambda: "loaded 0" in d.lines or not d.is_alive(), "it is loaded, or dead")
                run_bursts(d, history)
                if not d.is_alive():
                    d.end()
                    equal(d.process.returncode, -signal.SIGKILL, "end of the driver at %s" % point)
                    fates[point.split(":")[0]] += 1
            with place.driver() as d2:
                history.find_prefix(d2.state(), last_done(d))
    print("%d points, deaths: %s" % (len(points), dict(fates)))
    check(sum(fates.values()) >= 0.75 * len(points), "not enough points were met again")


def test_process_may_die_at_any_point_with_sqlite():
    check_every_point(Sqlite)


def test_process_may_die_at_any_point_with_zookeeper():
    with Ensemble() as ensemble:
        check_every_point(lambda: ZooKeeper(ensemble))


def check_random_deaths(place, rng, n_lives):
    model = Model()
    for _ in range(n_lives):
        history = History(model)
        with place.driver() as d:
            equal(d.state(), model.shown(), "state at the start")
            for _ in range(rng.randrange(1, 6)):
                d.send(*history.add(*random_changes(rng, rng.randrange(1, 30))))
                time.sleep(rng.random() * 0.005)    # where it dies is to be anywhere: this waits for nothing
            d.process.kill()
            d.end()
        with place.driver() as after:
            k = history.find_prefix(after.state(), last_done(d))
        model = history.states[k]


def test_process_may_die_at_any_time_with_sqlite():
    with Sqlite() as place:
        check_random_deaths(place, random.Random(SEED), 25)


def test_process_may_die_at_any_time_with_zookeeper():
    with Ensemble() as ensemble:
        check_random_deaths(ZooKeeper(ensemble), random.Random(SEED), 25)


# ZooKeeper that is cut off

class Proxy:
    """Between a client and a server: what either says can be swallowed, and connections cut."""

    def __init__(self, addr):
        self.addr = addr
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.hosts = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.swallows = {"requests": False, "answers": False}
        self.n_swallowed = 0
        self._pairs = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            try:
                server = socket.create_connection(self.addr)
            except OSError:
                client.close()
                continue
            self._pairs.append((client, server))
            for kind, source, sink in (("requests", client, server), ("answers", server, client)):
                threading.Thread(target=self._forward, args=(kind, source, sink), daemon=True).start()

    def _forward(self, kind, source, sink):
        try:
            while data := source.recv(65536):
                if self.swallows[kind]:
                    self.n_swallowed += 1
                else:
                    sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def swallow(self, kind):
        self.n_swallowed = 0
        self.swallows[kind] = True

    def cut(self):
        """Also lets new connections talk."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for s in pair:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.swallows = {"requests": False, "answers": False}


def test_transaction_whose_answer_was_lost_is_not_repeated():
    with Ensemble() as ensemble, ensemble.client() as client, Proxy(ensemble.server().addr) as proxy:
        place = ZooKeeper(ensemble, proxy.hosts)
        with place.driver() as d:
            proxy.swallow("answers")
            d.send("put a 1")
            wait_until(lambda: client.children(place.path + "/holdfast/agents") == ["a"], "the transaction is done")
            equal(d.answers("done"), {}, "what was done as far as the registry knows")
            proxy.cut()
            d.wait_done(1)
            equal(d.answers("done"), {1: "0"}, "outcome")
            equal(place.serial(client), 1, "transactions")
            d.send("unreachable a 1")
            d.wait_done(2)
            equal((d.answers("done"), place.serial(client)), ({1: "0", 2: "0"}, 2), "outcome, transactions")


def test_transaction_that_did_not_get_through_is_repeated():
    with Ensemble() as ensemble, ensemble.client() as client, Proxy(ensemble.server().addr) as proxy:
        place = ZooKeeper(ensemble, proxy.hosts)
        with place.driver() as d:
            proxy.swallow("requests")
            d.send("put a 1")
            wait_until(lambda: proxy.n_swallowed > 0, "the request is swallowed")
            equal(place.serial(client), 0, "transactions")
            proxy.cut()
            d.wait_done(1)
            equal((d.answers("done"), place.serial(client)), ({1: "0"}, 1), "outcome, transactions")


def test_connections_may_be_cut_at_any_time():
    rng = random.Random(SEED)
    with Ensemble() as ensemble, Proxy(ensemble.server().addr) as proxy:
        place = ZooKeeper(ensemble, proxy.hosts)
        history = History()
        with place.driver() as d:
            for _ in range(40):
                kind = rng.choice(["requests", "answers", None])
                if kind:
                    proxy.swallow(kind)
                d.send(*history.add(*random_changes(rng, rng.randrange(1, 30))))
                time.sleep(rng.random() * 0.01)    # where it is cut is to be anywhere: this waits for nothing
                proxy.cut()
                if rng.random() < 0.5:
                    d.wait_done(history.n)
            d.wait_done(history.n)
            history.check_answers(d)
            equal(d.state(), history.last, "state")
        with place.driver() as d:
            equal(d.state(), history.last, "state after a restart")


def test_loading_goes_on_where_it_was_cut():
    names = ["a%05d" % n for n in range(3000)]
    with Ensemble() as ensemble, Proxy(ensemble.server().addr) as proxy:
        place = ZooKeeper(ensemble, proxy.hosts)
        with place.driver() as d:
            d.send(*["put %s 1" % name for name in names])
            d.wait_done(len(names))
        with place.driver(wait=False) as d:
            for _ in range(5):
                time.sleep(0.02)    # where it is cut is to be anywhere: this waits for nothing
                proxy.cut()
            d.wait_line("loaded 0", 60)
            equal(sorted(d.state()[0]), names, "agents")


def test_server_may_die_and_come_back():
    with Ensemble() as ensemble:
        place = ZooKeeper(ensemble)
        history = History()
        with place.driver(session_msec=30000) as d:
            d.send(*history.add("put a 1"))
            d.wait_done(1)
            ensemble.server().kill9()
            d.send(*history.add("put b 1", "unreachable a 5"))
            ensemble.server().start()
            d.wait_done(history.n)
            history.check_answers(d)
        with place.driver() as d:
            equal(d.state(), history.last, "state")


def test_servers_of_an_ensemble_may_die_one_after_the_other():
    rng = random.Random(SEED)
    with Ensemble(3) as ensemble:
        place = ZooKeeper(ensemble)
        history = History()
        with place.driver(session_msec=30000) as d:
            for n in range(6):
                server = ensemble.server(n % 3)
                d.send(*history.add(*random_changes(rng, rng.randrange(1, 30))))
                server.kill9()
                d.send(*history.add(*random_changes(rng, rng.randrange(1, 30))))
                d.wait_done(history.n)
                server.start()
            history.check_answers(d)
            equal(d.state(), history.last, "state")
        with place.driver() as d:
            equal(d.state(), history.last, "state after a restart")


def test_store_that_is_too_slow_is_given_up():
    with Ensemble() as ensemble:
        place = ZooKeeper(ensemble)
        history = History()
        with place.driver(session_msec=30000, store_msec=300) as d:
            d.send(*history.add("put a 1"))
            d.wait_done(1)
            ensemble.server().freeze()
            d.send(*history.add("put b 1", "put c 1"))
            d.wait_done(3)
            equal(d.answers("done"), {1: "0", 2: "ETIMEDOUT", 3: "ETIMEDOUT"}, "outcomes")
            d.send("put d 1")
            d.wait_done(4)
            check("refused 4 -110" in d.lines, "a registry that has failed took something")
            ensemble.server().resume()
        with place.driver() as d:
            history.find_prefix(d.state(), 1)


def test_registry_ends_with_its_session():
    with Ensemble() as ensemble:
        place = ZooKeeper(ensemble)
        with place.driver(session_msec=1000) as d:
            ensemble.server().kill9()
            d.send("put a 1")
            d.wait_done(1)
            equal(d.answers("done"), {1: "ECONNRESET"}, "outcome")


def test_former_leader_that_was_stopped_for_a_while_cannot_write():
    with Ensemble() as ensemble:
        place = ZooKeeper(ensemble)
        with place.driver() as former:
            former.send("put a 1")
            former.wait_done(1)
            former.process.send_signal(signal.SIGSTOP)
            former.send("gone a 1")
            with place.driver() as leader:
                leader.send("unreachable a 7")
                leader.wait_done(1)
                former.process.send_signal(signal.SIGCONT)
                former.wait_done(2)
                equal(former.answers("done"), {1: "0", 2: "ESTALE"}, "what became of the former one's changes")
                leader.send("put b 1")
                leader.wait_done(2)
                equal(leader.answers("done"), {1: "0", 2: "0"}, "outcomes")
        with place.driver() as d:
            equal(d.state()[:3], ({"b": ("1", False)}, {"a": (7, False)}, {}), "state")


if __name__ == "__main__":
    print("seed %d" % SEED)
    main()
