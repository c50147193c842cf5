#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Agents and tools find the leading master in ZooKeeper and follow it as it changes. Who leads is up to the test: it
writes the znodes itself, as a Mesos master would, for masters that know nothing of it."""

import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import (HOST, TIMEOUT_SCALE, Cluster, check, equal, http_get, main, program,  # noqa: E402
                     temporary_directory, wait_until)
from scheduler import Scheduler    # noqa: E402
from zookeeper import Ensemble    # noqa: E402

GROUP = "/mesos"
NO_MASTER = 125
SESSION = "--zk_session_timeout=2secs"


def info(master, master_id=None):
    """MasterInfo as Mesos 1.12 writes it."""
    port = master.addr[1]
    return json.dumps({
        "address": {"hostname": HOST, "ip": HOST, "port": port}, "capabilities": [{"type": "AGENT_UPDATE"}],
        "hostname": HOST, "id": master_id or "id-%d" % port, "ip": 16777343, "pid": "master@%s:%d" % (HOST, port),
        "port": port, "version": "1.12.0"}, separators=(",", ":"))


def found(master, active=True):
    """Ids of the agents that a master counts as registered."""
    return [a["id"] for a in http_get(master.addr, "/slaves").json()["slaves"] if a["active"] == active]


def leader_of(agent):
    """What the agent says its master is; None when it has none."""
    return http_get(agent.addr, "/state").json().get("master_hostname")


class Stand:
    """Two masters that know nothing of each other, ZooKeeper, and an agent that looks for them there."""

    def __init__(self, agent_flags=(), master=None, credentials=None):
        self.zookeeper = Ensemble()
        self.client = self.zookeeper.client(credentials=credentials)
        self.client.ensure(GROUP)
        self.cluster = Cluster(n_agents=1, start=False, agent_flags=(SESSION, *agent_flags))
        self.cluster.add_master()
        agent = self.cluster.agent()
        url = master or self.zookeeper.url(GROUP, credentials)
        agent.argv = ["--master=" + url if a.startswith("--master=") else a for a in agent.argv]
        for daemon in self.cluster.masters:
            daemon.start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.client.abandon()
        self.zookeeper.__exit__(*exception)
        self.cluster.__exit__(*exception)

    @property
    def agent(self):
        return self.cluster.agent()

    def master(self, n):
        return self.cluster.master(n)

    def elect(self, n, number):
        self.client.create("%s/json.info_%010d" % (GROUP, number), info(self.master(n)))

    def depose(self, number):
        self.client.delete("%s/json.info_%010d" % (GROUP, number))

    def wait_registered(self, n):
        return wait_until(lambda: found(self.master(n)), "the agent is registered with master %d" % n)[0]


def test_agent_registers_with_the_leader_and_follows_the_next_one_with_its_tasks():
    with Stand() as s:
        s.elect(0, 5)
        s.agent.start()
        agent_id = s.wait_registered(0)
        with Scheduler(s.master(0).addr) as scheduler:
            scheduler.launch([scheduler.task("stays", "exec sleep 1000")])
            scheduler.wait_state("stays", "TASK_RUNNING")
            s.elect(1, 4)
            equal(s.wait_registered(1), agent_id, "the agent's id with the new leader")
            state = http_get(s.master(1).addr, "/state").json()
            tasks = [t["id"] for f in state["frameworks"] for t in f["tasks"]]
            equal(tasks, ["stays"], "tasks that the new leader knows")
            # The former one, which does not know that it was one, hears of the agent again.
            s.depose(4)
            wait_until(lambda: http_get(s.master(0).addr, "/slaves").json()["slaves"][0].get("reregistered_time"),
                       "the agent is back")
            equal(s.wait_registered(0), agent_id, "the agent's id with the former leader")
            scheduler.kill("stays")
            scheduler.wait_state("stays", "TASK_KILLED")


def test_agent_without_a_leader_is_not_registered_and_its_tasks_run_on():
    with Stand() as s:
        s.elect(0, 1)
        s.agent.start()
        agent_id = s.wait_registered(0)
        with Scheduler(s.master(0).addr) as scheduler:
            scheduler.launch([scheduler.task("ends", "while [ ! -e go ]; do sleep 0.05; done; exit 3")])
            scheduler.wait_state("ends", "TASK_RUNNING")
            s.depose(1)
            wait_until(lambda: leader_of(s.agent) is None, "the agent has no master")
            sandbox = s.cluster.sandboxes("ends")[-1]
            with open(os.path.join(sandbox, "go"), "w", encoding="ascii"):
                pass
            wait_until(lambda: "TASK_FAILED" in http_get(s.agent.addr, "/state").text, "the task has ended")
            s.elect(0, 2)
            equal(s.wait_registered(0), agent_id, "the agent's id")
            scheduler.wait_state("ends", "TASK_FAILED")


def test_agent_that_starts_before_there_is_a_leader_waits_for_one():
    with Stand() as s:
        s.client.delete(GROUP)
        s.agent.start()
        equal(leader_of(s.agent), None, "the agent's master")
        s.client.ensure(GROUP)
        s.elect(1, 0)
        s.wait_registered(1)
        equal(leader_of(s.agent), HOST, "the agent's master")


def test_agent_starts_and_finds_its_leader_when_zookeeper_comes_late():
    with Stand() as s:
        s.elect(0, 1)
        s.zookeeper.server().kill9()
        s.agent.start()
        s.zookeeper.server().start()
        s.wait_registered(0)


def test_short_absence_of_zookeeper_is_not_noticed_and_a_long_one_ends_the_registration():
    with Stand(agent_flags=()) as s:
        s.elect(0, 1)
        s.agent.start()
        s.wait_registered(0)
        s.zookeeper.server().freeze()
        s.zookeeper.server().resume()
        equal(len(found(s.master(0))), 1, "agents")
        s.zookeeper.server().freeze()
        wait_until(lambda: leader_of(s.agent) is None, "the agent does not know who leads")
        s.zookeeper.server().resume()
        s.wait_registered(0)
        wait_until(lambda: leader_of(s.agent) == HOST, "the agent has a master again")


def test_only_the_leader_is_listened_to():
    with Stand() as s:
        s.elect(0, 1)
        s.agent.start()
        s.wait_registered(0)
        s.elect(1, 0)
        s.wait_registered(1)
        # The former leader's end is nothing to the agent.
        s.master(0).kill9()
        wait_until(lambda: leader_of(s.agent) == HOST, "the agent has a master")
        equal(len(found(s.master(1))), 1, "agents of the leader")
        s.master(0).start()


def test_garbage_of_a_leader_is_none_and_what_it_hides_is_found_again():
    with Stand() as s:
        s.elect(0, 7)
        s.agent.start()
        s.wait_registered(0)
        for data in (b"", b"{]", b" " * (1024 * 1024 - 1024)):
            s.client.create(GROUP + "/json.info_0000000003", data)
            wait_until(lambda: leader_of(s.agent) is None, "the agent has no master")
            s.depose(3)
            s.wait_registered(0)
            wait_until(lambda: leader_of(s.agent) == HOST, "the agent has a master again")


def test_master_may_be_named_by_a_file_with_the_password_in_it():
    with Stand(credentials="holdfast:secret") as s:
        path = s.cluster.work_path("master-url")
        with open(path, "w", encoding="ascii") as f:
            f.write(s.zookeeper.url(GROUP, "holdfast:secret") + "\n")
        s.agent.argv = ["--master=file://" + path if a.startswith("--master=") else a for a in s.agent.argv]
        s.elect(0, 1)
        s.agent.start()
        s.wait_registered(0)
        check("secret" not in s.agent.log(), "the password is in the log")
        check("secret" not in http_get(s.agent.addr, "/flags").text, "the password is among the flags")


def run_agent(*flags):
    with temporary_directory() as directory:
        result = subprocess.run([program("holdfast-agent"), "--work_dir=" + directory, *flags], capture_output=True,
                                text=True, timeout=60, check=False)
    return result.returncode, result.stderr


def test_master_that_cannot_be_one_is_refused_with_the_reason():
    for url, reason in (("zk://h", "there is no path"), ("zk://user:secret@h/", "there is no path"),
                        ("zk://h:0/m", "port"), ("nowhere", "HOST:PORT"), ("http://h/m", "HOST:PORT")):
        status, text = run_agent("--master=" + url)
        check(status != 0 and reason in text, "%s was answered %r" % (url, text))
        check("secret" not in text, "the password is shown")


# Tools

def holdfast(verb, master, *flags, timeout=60):
    return subprocess.run([program("holdfast"), verb, *(["--master=" + master] if master else []), *flags],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout * TIMEOUT_SCALE,
                          check=False)


def test_tools_find_the_leader_by_url_by_file_and_by_environment():
    with Stand(credentials="holdfast:secret") as s:
        s.elect(0, 1)
        s.agent.start()
        agent_id = s.wait_registered(0)
        url = s.zookeeper.url(GROUP, "holdfast:secret")
        path = s.cluster.work_path("url")
        with open(path, "w", encoding="ascii") as f:
            f.write(url + "\n")
        for master in (url, "file://" + path):
            result = holdfast("agents", master, "--json")
            equal(result.returncode, 0, "exit status (%s)" % result.stderr)
            equal(result.stderr, "", "stderr")
            check(agent_id in result.stdout, "no agent in %r" % result.stdout)
        os.environ["HOLDFAST_MASTER"] = url
        try:
            equal(holdfast("tasks", None).returncode, 0, "exit status with HOLDFAST_MASTER")
        finally:
            del os.environ["HOLDFAST_MASTER"]


def test_tools_say_that_nobody_leads_and_that_zookeeper_is_away():
    with Stand(credentials="holdfast:secret") as s:
        url = s.zookeeper.url(GROUP, "holdfast:secret")
        none = holdfast("agents", url)
        s.zookeeper.server().kill9()
        away = holdfast("agents", url)
        for result, text in ((none, "No master leads"), (away, "No answer from ZooKeeper")):
            equal(result.returncode, NO_MASTER, "exit status (%s)" % result.stderr)
            check(text in result.stderr, "%r is not in %r" % (text, result.stderr))
            check("secret" not in result.stderr, "the password is shown")
        s.zookeeper.server().start()


def test_run_goes_on_with_the_next_leader():
    with Stand() as s:
        s.elect(0, 5)
        s.agent.start()
        s.wait_registered(0)
        go = s.cluster.work_path("go")
        run = subprocess.Popen([program("holdfast"), "run", "--master=" + s.zookeeper.url(GROUP), "--name=moves",
                                "--command=while [ ! -e %s ]; do sleep 0.05; done; exit 9" % go],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_until(lambda: "TASK_RUNNING" in http_get(s.master(0).addr, "/state").text, "the task runs")
        s.elect(1, 2)
        s.wait_registered(1)

        def subscribed():
            frameworks = http_get(s.master(1).addr, "/state").json()["frameworks"]
            return frameworks and frameworks[0]["connected"]

        wait_until(subscribed, "the scheduler is subscribed with the new leader")
        with open(go, "w", encoding="ascii"):
            pass
        out, _ = run.communicate(timeout=60 * TIMEOUT_SCALE)
        equal(run.returncode, 9, "exit status (%s)" % out)
        check("another master leads" in out, "nothing is said of it: %r" % out)


def test_agent_ends_in_the_middle_of_everything():
    """With a session that is being made, has been lost, or has a request under way."""
    with Stand() as s:
        s.zookeeper.server().freeze()
        s.agent.start()
        equal(s.agent.stop(), 0, "exit status before there is a session")
        s.zookeeper.server().resume()
        s.elect(0, 1)
        s.agent.start()
        s.wait_registered(0)
        s.zookeeper.server().freeze()
        equal(s.agent.stop(), 0, "exit status while ZooKeeper is stopped")
        s.zookeeper.server().resume()
        s.agent.start()
        s.agent.signal(signal.SIGTERM)
        equal(s.agent.process.wait(20), 0, "exit status at once")


if __name__ == "__main__":
    main()
