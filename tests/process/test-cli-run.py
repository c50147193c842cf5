#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""holdfast run against a scripted master: what it calls, what it prints, how it exits."""

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from fake_master import AGENT_ID, FRAMEWORK_ID, FakeAgent, FakeMaster  # noqa: E402
from harness import TIMEOUT_SCALE, check, equal, free_port, main, program, wait_until  # noqa: E402

LEFT, REFUSED, LOST, KILLED, ERROR, FAILED, NO_OFFER, NO_MASTER = 118, 119, 120, 121, 122, 123, 124, 125
USAGE = 64


class Run:
    """A `holdfast run` under way."""

    def __init__(self, master, *flags, name="hello", command="true"):
        argv = [program("holdfast"), "run", "--name=" + name]
        if master:
            argv.append("--master=" + (master if isinstance(master, str) else master.address))
        if command is not None:
            argv.append("--command=" + command)
        argv += flags
        env = {k: v for k, v in os.environ.items() if not k.endswith("_MASTER") and "proxy" not in k.lower()}
        self.directory = tempfile.mkdtemp(prefix="holdfast-run-")
        with open(self._path("out"), "wb") as out, open(self._path("err"), "wb") as err:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory)

    def _path(self, name):
        return os.path.join(self.directory, name)

    def _read(self, name):
        with open(self._path(name), "rb") as f:
            return f.read()

    @property
    def out(self):
        return self._read("out").decode("utf-8", "replace")

    @property
    def err(self):
        return self._read("err").decode("utf-8", "replace")

    def wait_text(self, text, stream="out"):
        wait_until(lambda: text in getattr(self, stream), "%r in std%s" % (text, stream))

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def ends(self, code):
        """It ends by itself with this exit code."""
        try:
            status = self.process.wait(20 * TIMEOUT_SCALE)
        except subprocess.TimeoutExpired:
            status = "still running"
        check(status == code, "exit code %s, expected %s\n%s%s" % (status, code, self.out, self.err))


def run_to_state(state, code, **fields):
    with FakeMaster() as master, FakeAgent() as agent, Run(master) as run:
        master.offer(agent)
        task = master.wait_launch()
        master.update(task, state, **fields)
        master.wait_call("TEARDOWN")
        run.ends(code)
        check(state in run.out, run.out)


# The ordinary way

def test_a_task_runs_to_its_end_and_every_state_is_shown_and_acknowledged():
    with FakeMaster() as master, FakeAgent() as agent, Run(master, command="echo hi") as run:
        info = master.wait_call("SUBSCRIBE")["subscribe"]["framework_info"]
        equal(info["name"], "hello")
        equal(info["checkpoint"], True)
        equal(info["roles"], ["*"])
        check(info["failover_timeout"] > 60, info)
        offer_id = master.offer(agent)
        accept = master.wait_call("ACCEPT")
        equal(accept["accept"]["offer_ids"], [{"value": offer_id}])
        equal(accept["framework_id"], {"value": FRAMEWORK_ID})
        task = accept["accept"]["operations"][0]["launch"]["task_infos"][0]
        equal(task["agent_id"], {"value": AGENT_ID})
        equal(task["command"]["value"], "echo hi")
        equal(task["command"]["shell"], True)
        equal({r["name"]: r["scalar"]["value"] for r in task["resources"]}, {"cpus": 0.1, "mem": 32.0})
        for state in ("TASK_STARTING", "TASK_RUNNING"):
            master.update(task, state)
            run.wait_text(state)
        master.update(task, "TASK_FINISHED", message="Command exited with status 0")
        master.wait_call("TEARDOWN")
        run.ends(0)
        check("TASK_FINISHED   Command exited with status 0" in run.out, run.out)
        equal(run.err, "", "stderr")


def test_the_command_line_becomes_the_task():
    with FakeMaster() as master, FakeAgent() as agent, Run(
            master, "--resources=cpus:2;mem:128;ports:[31005-31006]", "--env=A=1", "--env=B=x=y", "--uris=/a.tgz",
            "--uris=http://h/b", "--role=web", "--user=nobody", "--no-checkpoint", "--", "ls", "-l", command=None) as run:
        info = master.wait_call("SUBSCRIBE")["subscribe"]["framework_info"]
        equal((info["user"], info["roles"], info["checkpoint"]), ("nobody", ["web"], False))
        master.offer(agent, role="web", extra=[{
            "name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 31000, "end": 32000}]},
            "allocation_info": {"role": "web"}}])
        task = master.wait_launch()
        equal(task["command"]["shell"], False)
        equal(task["command"]["value"], "ls")
        equal(task["command"]["arguments"], ["ls", "-l"])
        equal([u["value"] for u in task["command"]["uris"]], ["/a.tgz", "http://h/b"])
        equal({v["name"]: v["value"] for v in task["command"]["environment"]["variables"]}, {"A": "1", "B": "x=y"})
        ports = next(r for r in task["resources"] if r["name"] == "ports")
        equal(ports["ranges"]["range"], [{"begin": 31005, "end": 31006}])
        equal({r["allocation_info"]["role"] for r in task["resources"]}, {"web"})
        master.update(task, "TASK_FINISHED")
        run.ends(0)


def test_what_is_reserved_to_the_role_is_used_first():
    with FakeMaster() as master, FakeAgent() as agent, Run(master, "--role=web", "--resources=cpus:3;mem:64") as run:
        master.offer(agent, cpus=2.0, role="web", reserved="web", extra=[
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 2.0}, "allocation_info": {"role": "web"}}])
        task = master.wait_launch()
        cpus = {("reservations" in r): r["scalar"]["value"] for r in task["resources"] if r["name"] == "cpus"}
        equal(cpus, {True: 2.0, False: 1.0})
        master.update(task, "TASK_FINISHED")
        run.ends(0)


def test_json_is_one_object_per_line():
    with FakeMaster() as master, FakeAgent() as agent, Run(master, "--json") as run:
        master.offer(agent)
        task = master.wait_launch()
        master.update(task, "TASK_FAILED", message="Command exited with status 3", reason="REASON_COMMAND_EXECUTOR_FAILED")
        run.ends(3)
        events = [json.loads(line) for line in run.out.splitlines()]
        equal([e["event"] for e in events], ["task", "launch", "state", "end"])
        equal({e["task_id"] for e in events}, {task["task_id"]["value"]})
        equal(events[1]["hostname"], "fake-agent")
        equal((events[2]["state"], events[2]["message"]), ("TASK_FAILED", "Command exited with status 3"))
        equal(events[3]["exit_code"], 3)


# Exit codes

def test_it_exits_as_the_task_did():
    run_to_state("TASK_FINISHED", 0)
    run_to_state("TASK_FAILED", 7, message="Command exited with status 7")
    run_to_state("TASK_FAILED", 255, message="Command exited with status 255")
    run_to_state("TASK_FAILED", 137, message="Command terminated with signal Killed")
    run_to_state("TASK_FAILED", 139, message="Command terminated with signal Segmentation fault")
    run_to_state("TASK_FAILED", 134, message="Command terminated with signal Aborted (core dumped)")


def test_other_endings_have_codes_of_their_own():
    run_to_state("TASK_FAILED", FAILED, message="Failed to launch container: Failed to fetch all URIs",
                 reason="REASON_CONTAINER_LAUNCH_FAILED", source="SOURCE_AGENT")
    run_to_state("TASK_FAILED", FAILED)
    run_to_state("TASK_KILLED", KILLED, message="Command terminated with signal Terminated")
    run_to_state("TASK_ERROR", ERROR, message="Task uses more resources", source="SOURCE_MASTER", acknowledged=False)
    run_to_state("TASK_LOST", LOST)
    run_to_state("TASK_GONE", LOST)
    run_to_state("TASK_DROPPED", LOST, reason="REASON_AGENT_DISCONNECTED", source="SOURCE_MASTER", acknowledged=False)


# Offers

def test_offers_that_are_too_small_are_declined_with_a_filter():
    with FakeMaster() as master, FakeAgent() as agent, Run(master, "--resources=cpus:2;mem:64") as run:
        small = master.offer(agent, cpus=1.0)
        call = master.wait_call("DECLINE")
        equal(call["decline"]["offer_ids"], [{"value": small}])
        check(call["decline"]["filters"]["refuse_seconds"] > 5, call)
        master.offer(agent, cpus=2.0)
        task = master.wait_launch()
        late = master.offer(agent)
        equal(master.wait_call("DECLINE")["decline"]["offer_ids"], [{"value": late}])
        master.update(task, "TASK_FINISHED")
        run.ends(0)


def test_a_run_without_fitting_offers_can_be_given_up():
    with FakeMaster() as master, FakeAgent() as agent, Run(master, "--offer_timeout=300ms", "--resources=cpus:64;mem:1") as run:
        master.offer(agent)
        master.wait_call("TEARDOWN")
        run.ends(NO_OFFER)
        check("no offer was big enough in time; 1 seen" in run.out, run.out)


def test_an_offer_withdrawn_on_the_way_is_nobodys_fault():
    with FakeMaster() as master, FakeAgent() as agent, Run(master) as run:
        master.offer(agent)
        task = master.wait_launch()
        master.update(task, "TASK_DROPPED", acknowledged=False, source="SOURCE_MASTER", reason="REASON_INVALID_OFFERS",
                      message="Task launched with invalid offers: Offer is no longer valid")
        master.wait_call("REVIVE")
        master.offer(agent)
        again = master.wait_launch()
        equal(again["task_id"], task["task_id"])
        master.update(again, "TASK_FINISHED")
        run.ends(0)


# Interrupts

def test_an_interrupt_kills_the_task_and_waits_for_its_end():
    with FakeMaster() as master, FakeAgent() as agent, Run(master) as run:
        master.offer(agent)
        task = master.wait_launch()
        master.update(task, "TASK_RUNNING")
        run.wait_text("TASK_RUNNING")
        run.interrupt()
        kill = master.wait_call("KILL")
        equal(kill["kill"]["task_id"], task["task_id"])
        equal(kill["kill"]["agent_id"], {"value": AGENT_ID})
        master.update(task, "TASK_KILLING")
        master.update(task, "TASK_KILLED", message="Command terminated with signal Terminated")
        master.wait_call("TEARDOWN")
        run.ends(KILLED)


def test_a_second_interrupt_leaves_without_waiting():
    with FakeMaster() as master, FakeAgent() as agent, Run(master) as run:
        master.offer(agent)
        master.update(master.wait_launch(), "TASK_RUNNING")
        run.interrupt()
        master.wait_call("KILL")
        run.interrupt()
        run.ends(LEFT)
        check("may still be running" in run.out, run.out)


def test_an_interrupt_before_the_launch_leaves_nothing_behind():
    with FakeMaster() as master, Run(master) as run:
        master.wait_subscription()
        run.wait_text("of framework")
        run.interrupt()
        master.wait_call("TEARDOWN")
        run.ends(KILLED)


# The master

def test_an_error_event_ends_the_run():
    with FakeMaster() as master, Run(master) as run:
        master.send({"type": "ERROR", "error": {"message": "Framework has been removed"}})
        run.ends(REFUSED)
        check("Framework has been removed" in run.out, run.out)


def test_a_refused_subscription_ends_the_run_with_the_reason():
    with FakeMaster(refuse=(401, "who are you?")) as master, Run(master) as run:
        run.ends(REFUSED)
        check("401: who are you?" in run.out, run.out)


def test_a_refused_accept_ends_the_run_with_the_reason():
    with FakeMaster() as master, FakeAgent() as agent, Run(master) as run:
        master.reject["ACCEPT"] = (400, "no such thing")
        master.offer(agent)
        master.wait_call("TEARDOWN")
        run.ends(REFUSED)
        check("did not take ACCEPT: 400 no such thing" in run.out, run.out)


def test_the_leader_is_found_through_a_standby():
    with FakeMaster() as standby, FakeMaster() as master, FakeAgent() as agent:
        standby.redirect = master.address
        with Run(standby) as run:
            master.offer(agent)
            task = master.wait_launch()
            master.update(task, "TASK_FINISHED")
            master.wait_call("TEARDOWN")
            run.ends(0)
            equal([c["type"] for c in standby.calls], ["SUBSCRIBE"], "calls at the standby")


def test_a_master_that_goes_away_and_returns_is_subscribed_with_again():
    with FakeMaster() as master, FakeAgent() as agent, Run(master) as run:
        master.offer(agent)
        task = master.wait_launch()
        master.update(task, "TASK_RUNNING")
        old = master.stream
        master.stop()
        run.wait_text("is away")
        master.start()
        again = master.wait_call("SUBSCRIBE")
        equal(again["framework_id"], {"value": FRAMEWORK_ID})
        equal(again["subscribe"]["framework_info"]["id"], {"value": FRAMEWORK_ID})
        master.wait_subscription(old)
        reconcile = master.wait_call("RECONCILE")
        equal(reconcile["reconcile"]["tasks"], [{"task_id": task["task_id"], "agent_id": {"value": AGENT_ID}}])
        equal(reconcile["_stream_id"], master.stream.stream_id)
        master.update(task, "TASK_RUNNING", acknowledged=False, source="SOURCE_MASTER", reason="REASON_RECONCILIATION")
        master.update(task, "TASK_FINISHED", message="Command exited with status 0")
        run.ends(0)
        equal(run.out.count("TASK_RUNNING"), 1, "times the state is shown")


def test_a_kill_asked_for_while_the_master_is_away_is_made_when_it_is_back():
    with FakeMaster() as master, FakeAgent() as agent, Run(master) as run:
        master.offer(agent)
        task = master.wait_launch()
        master.update(task, "TASK_RUNNING")
        master.stop()
        run.wait_text("is away")
        run.interrupt()
        run.wait_text("asked for")
        master.start()
        equal(master.wait_call("KILL")["kill"]["task_id"], task["task_id"])
        master.update(task, "TASK_KILLED")
        run.ends(KILLED)


def test_a_task_the_new_master_has_never_heard_of_is_lost():
    with FakeMaster() as master, FakeAgent() as agent, Run(master) as run:
        master.offer(agent)
        task = master.wait_launch()
        old = master.stream
        master.stream.close()
        master.wait_subscription(old)
        master.wait_call("RECONCILE")
        master.update(task, "TASK_UNKNOWN", acknowledged=False, source="SOURCE_MASTER", reason="REASON_RECONCILIATION")
        run.ends(LOST)


def test_a_silent_master_counts_as_gone():
    with FakeMaster(heartbeat_s=0.1) as master, Run(master) as run:
        old = master.wait_subscription()
        master.wait_subscription(old)
        run.wait_text("nothing was heard of the master")


def test_an_update_sent_twice_is_acknowledged_twice_and_shown_once():
    with FakeMaster() as master, FakeAgent() as agent, Run(master) as run:
        master.offer(agent)
        task = master.wait_launch()
        uuid = master.update(task, "TASK_RUNNING")
        master.update(task, "TASK_RUNNING", uuid=uuid)
        master.update(task, "TASK_FINISHED")
        run.ends(0)
        equal(run.out.count("TASK_RUNNING"), 1, "times the state is shown")


def test_garbage_from_the_master_is_survived():
    with FakeMaster() as master, FakeAgent() as agent, Run(master) as run:
        for garbage in (b"7\n{\"type\"", b"zzz\n", b"99999999999999\n{}", b"2\n[]"):
            old = master.wait_subscription()
            old.send_raw(garbage)
            old.close()
            master.wait_subscription(old)
        master.offer(agent)
        master.update(master.wait_launch(), "TASK_FINISHED")
        run.ends(0)


def test_no_master_at_all_is_told_within_seconds():
    with Run("127.0.0.1:%d" % free_port()) as run:
        run.ends(NO_MASTER)
        check("there is none" in run.out, run.out)


# Output

class Sandbox:
    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="holdfast-sandbox-")
        for name in ("stdout", "stderr"):
            self.append(name, b"")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path)

    def append(self, name, data):
        with open(os.path.join(self.path, name), "ab") as f:
            f.write(data)


def test_output_is_followed_and_keeps_stdout_to_itself():
    with Sandbox() as sandbox, FakeMaster() as master, FakeAgent(sandbox.path) as agent, Run(master, "--follow") as run:
        master.offer(agent)
        task = master.wait_launch()
        master.update(task, "TASK_RUNNING")
        sandbox.append("stdout", b"first\n")
        agent.add_executor(task["task_id"]["value"])
        run.wait_text("first")
        big = b"x" * 200000 + b"\xff\xfe\0half \xe2\x82"
        sandbox.append("stdout", big)
        sandbox.append("stderr", b"trouble\n")
        run.wait_text("trouble", "err")
        sandbox.append("stdout", b"\nlast\n")
        master.update(task, "TASK_FAILED", message="Command exited with status 9")
        run.ends(9)
        equal(run._read("out"), b"first\n" + big + b"\nlast\n", "stdout")
        check("TASK_RUNNING" in run.err and "TASK_FAILED" in run.err, run.err)


def test_followed_output_as_json_is_base64():
    with Sandbox() as sandbox, FakeMaster() as master, FakeAgent(sandbox.path) as agent, Run(
            master, "--follow", "--json") as run:
        master.offer(agent)
        task = master.wait_launch()
        sandbox.append("stderr", b"\xff\0")
        agent.add_executor(task["task_id"]["value"])
        master.update(task, "TASK_RUNNING")
        master.update(task, "TASK_FINISHED")
        run.ends(0)
        events = [json.loads(line) for line in run.out.splitlines()]
        pieces = [e for e in events if e["event"] == "output"]
        equal([(p["stream"], base64.b64decode(p["data"])) for p in pieces], [("stderr", b"\xff\0")])
        equal(run.err, "", "stderr")


def test_what_the_fetcher_said_is_shown_when_the_launch_failed():
    with Sandbox() as sandbox, FakeMaster() as master, FakeAgent(sandbox.path) as agent, Run(master, "--follow") as run:
        master.offer(agent)
        task = master.wait_launch()
        sandbox.append("stderr", b"Failed to fetch 'x': cannot open it\n")
        agent.add_executor(task["task_id"]["value"])
        master.update(task, "TASK_FAILED", message="Failed to launch container: Failed to fetch all URIs",
                      reason="REASON_CONTAINER_LAUNCH_FAILED", source="SOURCE_AGENT")
        run.ends(FAILED)
        check("Failed to fetch 'x': cannot open it" in run.err, run.err)


def test_a_task_whose_sandbox_is_never_shown_ends_all_the_same():
    with FakeMaster() as master, FakeAgent("/nowhere") as agent, Run(master, "--follow") as run:
        master.offer(agent)
        task = master.wait_launch()
        master.update(task, "TASK_RUNNING")
        master.update(task, "TASK_FINISHED")
        run.ends(0)
        check("could not be read" in run.err, run.err)


# The command line

def refused(text, *flags, master="127.0.0.1:1", command="true"):
    with Run(master, *flags, command=command) as run:
        run.ends(USAGE)
        check(text in run.err, "stderr is %r, expected %r in it" % (run.err, text))
        equal(run.out, "", "stdout")


def test_a_wrong_command_line_is_told_before_anything_is_asked():
    refused("No master is named", master=None)
    refused("is not the address of a master", master="nowhere")
    refused("there is no path", master="zk://a:2181")
    refused("No command is given", command=None)
    refused("unknown flag 'nosuch'", "--nosuch=1")
    refused("expected NAME=value", "--env=novalue")
    refused("--resources=", "--resources=cpus")
    refused("a task needs some", "--resources=")
    refused("--role=", "--role=a//b")
    refused("expected a duration", "--offer_timeout=5")


def test_the_master_may_come_from_the_environment():
    with FakeMaster() as master, FakeAgent() as agent:
        for variable in ("HOLDFAST_MASTER", "MESOS_MASTER"):
            env = {**os.environ, variable: master.address}
            process = subprocess.Popen([program("holdfast"), "run", "--command=true"], env=env,
                                       stdout=subprocess.DEVNULL)
            master.stream = None
            master.offer(agent)
            master.update(master.wait_launch(), "TASK_FINISHED")
            equal(process.wait(20 * TIMEOUT_SCALE), 0, "exit code")


if __name__ == "__main__":
    main()
