#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The agent's stored state torn, flipped, of another version, unwritable, or on a full disk.

Strict agents refuse what is damaged, by name and with a way out, and touch nothing. Others go on with what can be
read, and end what they then do not know. HOLDFAST_TEST_SEED repeats a run.
"""

import contextlib
import ctypes
import json
import os
import random
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import (Cluster, Failure, check, equal, http_get, is_alive, is_healthy, main, program,  # noqa: E402
                     reap_orphans, wait_until)
from mounts import in_mount_namespace, libc, mount_tmpfs    # noqa: E402
from scheduler import Scheduler    # noqa: E402

SEED = int(os.environ.get("HOLDFAST_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)


def read_bytes(path):
    with open(path, "rb") as f:
        return f.read()


class Stand:
    """A cluster with a live task and an update nobody acknowledged, whose agent is away; trials with its stored state."""

    def __init__(self, crash, **options):
        self.cluster = Cluster(**options)
        try:
            self.meta = self.cluster.work_path("agent", "meta")
            self.scheduler = Scheduler(self.cluster.master_addr, acknowledge=lambda s: s["state"] != "TASK_FINISHED")
            s = self.scheduler
            path = self.cluster.work_path("pid")
            s.launch([s.task("live", "echo $$ >%s.new; mv %s.new %s; exec sleep 1000" % (path, path, path)),
                      s.task("short", "true")])
            s.wait_state("live", "TASK_RUNNING")
            s.wait_state("short", "TASK_FINISHED")
            self.pid = int(wait_until(lambda: os.path.exists(path) and read_bytes(path), "the task writes its pid"))
            if crash:
                self.cluster.agent().kill9()
            else:
                self.cluster.agent().stop()
            self.good = {name: read_bytes(os.path.join(self.meta, name)) for name in os.listdir(self.meta)
                         if os.path.isfile(os.path.join(self.meta, name)) and not name.endswith("-shm")}
            self.argv = self.cluster.agent().argv
        except BaseException:
            self.cluster.__exit__(*sys.exc_info())
            raise

    def put(self, files):
        for name in os.listdir(self.meta):
            if os.path.isfile(os.path.join(self.meta, name)):
                os.unlink(os.path.join(self.meta, name))
        for name, data in files.items():
            with open(os.path.join(self.meta, name), "wb") as f:
                f.write(data)

    def stored(self):
        return {name: read_bytes(os.path.join(self.meta, name)) for name in os.listdir(self.meta)
                if os.path.isfile(os.path.join(self.meta, name)) and not name.endswith("-shm")}

    def start(self, *flags):
        """True when the agent answers; False when it has refused to start."""
        agent = self.cluster.agent()
        agent.argv = [*self.argv, *flags]
        self.log_start = len(agent.log())
        agent.start(wait_ready=False)
        wait_until(lambda: not agent.is_running() or is_healthy(agent.addr), "the agent answers or refuses")
        return agent.is_running()

    def log(self):
        return self.cluster.agent().log()[self.log_start:]

    def check_refused(self, files, *words):
        equal(self.cluster.agent().process.returncode, 1, "exit status of the agent")
        for word in words:
            check(word in self.log(), "%r is not in its words:\n%s" % (word, self.log()))
        equal({k: len(v) for k, v in self.stored().items()}, {k: len(v) for k, v in files.items()}, "stored files")
        check(self.stored() == files, "the agent that refused changed what is stored")
        check(is_alive(self.pid), "the agent that refused ended a task")

    def check_sane(self):
        """What lives is known, what is not known does not live."""
        def settled():
            reap_orphans({d.pid for d in self.cluster.agents + self.cluster.masters if d.is_running()})
            answer = http_get(self.cluster.agent().addr, "/state")
            return answer.status == 200 and self.knows_live(answer.json()) == is_alive(self.pid)
        check(self.cluster.agent().is_running(), "the agent died:\n" + self.cluster.agent().log_tail())
        wait_until(settled, "the agent knows what lives")

    @staticmethod
    def knows_live(state):
        return any(e["id"] == "live" for f in state["frameworks"] for e in f["executors"])

    def close(self):
        agent = self.cluster.agent()
        if agent.is_running():
            agent.kill9()
        agent.argv = self.argv
        self.put(self.good)
        agent.start()
        self.cluster.wait_agents(1)
        self.scheduler.teardown()
        self.scheduler.disconnect()
        self.cluster.close()


@contextlib.contextmanager
def stand(crash, **options):
    s = Stand(crash, **options)
    try:
        yield s
    except BaseException:
        s.cluster.__exit__(*sys.exc_info())
        raise
    s.close()


def flip(data, at, rng):
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1:]


def damages(good, rng, n):
    """(what it is, files): flips and cuts in the larger of the stored files, where most of the state is."""
    name = max(good, key=lambda k: len(good[k]))
    data = good[name]
    for i in range(n):
        at = rng.randrange(len(data))
        kind = i % 4
        if kind == 3:
            yield "%s cut at %d of %d" % (name, at, len(data)), {**good, name: data[:at]}
        elif kind == 2:
            length = min(rng.randrange(1, 5000), len(data) - at)
            garbage = data[:at] + rng.randbytes(length) + data[at + length:]
            yield "%s with %d random bytes at %d" % (name, length, at), {**good, name: garbage}
        else:
            yield "%s flipped at %d" % (name, at), {**good, name: flip(data, at, rng)}


def run_damages(crash, strict, n):
    rng = random.Random("%d %s %s" % (SEED, crash, strict))
    print("seed %d" % SEED)
    n_refused = n_started = n_lost = done = 0
    while done < n:
        with stand(crash) as s:
            for what, files in damages(s.good, rng, n - done):
                done += 1
                s.put(files)
                try:
                    if not s.start("--strict" if strict else "--no-strict"):
                        check(strict, "a lenient agent refused to start:\n" + s.log())
                        s.check_refused(files, s.meta + "/agent.db", "--no-strict")
                        n_refused += 1
                        continue
                    s.check_sane()
                    n_started += 1
                    errors = http_get(s.cluster.agent().addr, "/metrics/snapshot").json()["slave/recovery_errors"]
                    check(not strict or errors == 0, "a strict agent went on with %d errors" % errors)
                    check(errors > 0 or "damaged" not in s.log(), "damage was not counted:\n" + s.log())
                    s.cluster.agent().kill9()
                except Failure as e:
                    raise Failure("%s: %s" % (what, e)) from None
                if not is_alive(s.pid):
                    n_lost += 1
                    break    # it takes a new one to go on
    print("%d refused, %d started, of these %d without the task" % (n_refused, n_started, n_lost))
    return n_refused


def test_strict_agent_refuses_a_damaged_database_or_is_right_to_start():
    check(run_damages(crash=False, strict=True, n=32) > 0, "nothing was refused")


def test_strict_agent_refuses_a_damaged_log_or_is_right_to_start():
    check(run_damages(crash=True, strict=True, n=32) > 0, "nothing was refused")


def test_lenient_agent_goes_on_with_what_is_left_of_the_database():
    run_damages(crash=False, strict=False, n=16)


def test_lenient_agent_goes_on_with_what_is_left_of_the_log():
    run_damages(crash=True, strict=False, n=16)


def test_file_that_is_no_database_is_refused_or_moved_aside():
    with stand(crash=False) as s:
        files = {"agent.db": b"these are not the pages you are looking for\n" * 1000}
        s.put(files)
        check(not s.start("--strict"), "a strict agent took it")
        s.check_refused(files, s.meta + "/agent.db", "--no-strict", "move")
        check(s.start("--no-strict"), "a lenient agent refused it")
        s.check_sane()
        check(not is_alive(s.pid), "a task nobody knows lives on")
        equal(read_bytes(s.meta + "/agent.db.damaged-1"), files["agent.db"], "what was moved aside")
        check(http_get(s.cluster.agent().addr, "/metrics/snapshot").json()["slave/recovery_errors"] > 0, "not counted")
        s.cluster.wait_agents(1)
        equal(s.scheduler.run("after", "true", timeout=40)["state"], "TASK_FINISHED", "a task of the agent that went on")


def test_damaged_messages_in_a_whole_database_are_told_by_name():
    """SQLite finds nothing wrong with these."""
    for sql, what in (("UPDATE executors SET info = x'ff' WHERE id = 'live'", "live"),
                      ("UPDATE tasks SET info = x'0a' WHERE id = 'live'", "live"),
                      ("UPDATE frameworks SET info = x''", "framework"),
                      ("UPDATE updates SET body = x'ffff'", "update"),
                      ("UPDATE updates SET uuid = x'00'", "updates"),
                      ("UPDATE executors SET directory = 'relative'", "executors"),
                      ("UPDATE executors SET container_id = '../../../../etc'", "executors"),
                      ("UPDATE meta SET value = x'ff' WHERE key = 'agent_info'", "agent info"),
                      ("DROP TRIGGER framework_gone; DELETE FROM frameworks", "framework")):
        with stand(crash=False) as s:
            with contextlib.closing(sqlite3.connect(s.meta + "/agent.db")) as db:
                db.executescript(sql)
                db.commit()
            files = s.stored()
            try:
                check(not s.start("--strict"), "a strict agent started")
                s.check_refused({**files}, s.meta + "/agent.db", "--no-strict")
                check(s.start("--no-strict"), "a lenient agent refused:\n" + s.log())
                s.check_sane()
                check(what in s.log(), "%r is not named:\n%s" % (what, s.log()))
                check(http_get(s.cluster.agent().addr, "/metrics/snapshot").json()["slave/recovery_errors"] > 0,
                      "not counted")
            except Failure as e:
                raise Failure("%s: %s" % (sql, e)) from None


def test_database_of_a_later_version_is_refused_by_strict_and_lenient_alike():
    with stand(crash=False) as s:
        with contextlib.closing(sqlite3.connect(s.meta + "/agent.db")) as db:
            db.execute("PRAGMA user_version = 1000")
            db.commit()
        files = s.stored()
        for flag in ("--strict", "--no-strict"):
            check(not s.start(flag), "the agent started with " + flag)
            s.check_refused(files, s.meta + "/agent.db", "later version", "move the file away")


def test_exit_record_that_is_damaged_makes_the_end_unknown():
    for data in (b"", b"\xff" * 100, None):
        with stand(crash=True) as s:
            executor, = [e for e in inspect(s)["executors"] if e["id"] == "live"]
            record = os.path.join(s.meta, "exits", executor["container_id"])
            os.kill(executor["launcher_pid"], 9)
            wait_until(lambda s=s: reap_orphans({d.pid for d in s.cluster.masters}) or not is_alive(s.pid),
                       "the task dies with its launcher")
            if data is not None:
                with open(record, "wb") as f:
                    f.write(data)
            check(s.start(), "the agent refused an exit record:\n" + s.log())
            status = s.scheduler.wait_terminal("live", timeout=40)
            equal(status["state"], "TASK_FAILED", "state")
            check("exited with status 0" not in status.get("message", ""), "an exit status was invented")
            wait_until(lambda record=record: not os.path.exists(record), "the record goes")


def inspect(s):
    result = subprocess.run([program("holdfast-agent"), "--inspect=json", "--work_dir=" + s.cluster.work_path("agent")],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=60)
    return json.loads(result.stdout)


# Disks

def fill(path):
    """Takes all the space there is; returns the file to remove."""
    name = os.path.join(path, "ballast")
    with open(name, "wb", buffering=0) as f:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while f.write(b"x" * size) == size:
                    pass
    return name


def on_a_full_disk(size):
    cluster = Cluster(start=False)
    with cluster:
        meta = cluster.work_path("agent", "meta")
        mount_tmpfs(meta, "size=" + size)
        cluster.start()
        with Scheduler(cluster.master_addr) as s:
            gate = cluster.work_path("gate")
            s.launch([s.task("waiting", "while [ ! -e %s ]; do sleep 0.05; done; exit 3" % gate)])
            s.wait_state("waiting", "TASK_RUNNING")
            ballast = fill(meta)
            agent = cluster.agent()

            # It cannot be recorded: refused, and told so without being recorded either.
            s.launch([s.task("refused", "touch %s" % cluster.work_path("ran"))])
            status = s.wait_terminal("refused", timeout=30)
            check("cannot record" in status.get("message", ""), "message: %s" % status.get("message"))
            check(not os.path.exists(cluster.work_path("ran")), "a task ran that was not recorded")

            # An end that cannot be recorded is kept to ourselves, and by its executor.
            open(gate, "w").close()
            wait_until(lambda: "Cannot record an update of task 'waiting'" in agent.log(), "the agent says what is wrong")
            equal(s.states("waiting")[-1], "TASK_RUNNING", "the last state the framework has heard of")
            check(meta + "/agent.db" in agent.log(), "the file is not named")
            check(agent.is_running() and is_healthy(agent.addr), "the agent is gone")

            # Nor is anything of it lost by dying now.
            agent.kill9()
            os.unlink(ballast)
            agent.start()
            status = s.wait_terminal("waiting", timeout=40)
            equal((status["state"], status.get("message")), ("TASK_FAILED", "Command exited with status 3"), "the end")

            # With the agent alive throughout.
            os.unlink(gate)
            s.launch([s.task("second", "while [ ! -e %s ]; do sleep 0.05; done; exit 4" % gate)])
            s.wait_state("second", "TASK_RUNNING")
            ballast = fill(meta)
            open(gate, "w").close()
            wait_until(lambda: "Cannot record an update of task 'second'" in agent.log(), "the agent says what is wrong")
            equal(s.states("second")[-1], "TASK_RUNNING", "the last state the framework has heard of")
            os.unlink(ballast)
            status = s.wait_terminal("second", timeout=40)
            equal(status.get("message"), "Command exited with status 4", "the end")
            equal(s.states("second").count("TASK_FAILED"), 1, "ends told")
            equal(s.run("after", "true", timeout=40)["state"], "TASK_FINISHED", "a task after all that")
            agent.restart()
            cluster.wait_reregistered(agent)
        cluster.close()
        libc.umount2(meta.encode(), 2)


def test_full_disk_lets_nothing_out_that_is_not_recorded_and_everything_afterwards():
    in_mount_namespace(lambda: on_a_full_disk("2m"))


def on_a_read_only_disk(size):
    s = Stand(crash=False)
    with s.cluster:
        mount_tmpfs(s.cluster.work_path("copy"), "size=" + size)
        subprocess.run(["cp", "-a", s.meta + "/.", s.cluster.work_path("copy")], check=True)
        copy = s.cluster.work_path("copy").encode()
        for source, flags in ((copy, 0x1000), (None, 0x1000 | 0x20 | 1)):    # bind, then remount read-only
            if libc.mount(source, s.meta.encode(), None, flags, None) != 0:
                raise Failure("cannot bind: %s" % os.strerror(ctypes.get_errno()))
        check(not s.start(), "the agent started with a read-only disk")
        equal(s.cluster.agent().process.returncode, 1, "exit status")
        check(s.meta + "/agent.db" in s.log() and "ead-only" in s.log(), "words: " + s.log())
        check(is_alive(s.pid), "the task died")
        equal(inspect(s)["errors"], [], "errors of an inspection")
        libc.umount2(s.meta.encode(), 2)
        libc.umount2(copy, 2)
        s.close()


def test_read_only_disk_is_refused_by_name_and_can_be_inspected():
    in_mount_namespace(lambda: on_a_read_only_disk("8m"))


if __name__ == "__main__":
    main()
