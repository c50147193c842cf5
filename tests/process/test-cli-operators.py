#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""holdfast drain, deactivate, reactivate, gone and maintenance: what operators type, against a real master."""

import json
import os
import pty
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from harness import TIMEOUT_SCALE, check, equal, main, program, wait_until    # noqa: E402
from libprocess_agent import LibprocessAgent    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from verbs import Scene, machine, window    # noqa: E402
from wire import first, read    # noqa: E402

USAGE = 64
HERE = machine("scripted", "127.0.0.1")


def argv(scene, verb, *args):
    return [program("holdfast"), verb, "--master=%s:%d" % scene.cluster.master_addr, *args]


def holdfast(scene, verb, *args, code=0):
    """(stdout, stderr) of a verb that must exit with `code`; nobody is there to be asked."""
    done = subprocess.run(argv(scene, verb, *args), capture_output=True, text=True, timeout=30 * TIMEOUT_SCALE,
                          check=False, stdin=subprocess.DEVNULL)
    check(done.returncode == code, "exit code %d: %s%s" % (done.returncode, done.stdout, done.stderr))
    return done.stdout, done.stderr


def on_terminal(scene, answer, verb, *args):
    """(what the terminal shows, exit code) when a person answers like that."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(program("holdfast"), argv(scene, verb, *args))
    shown = b""
    deadline = time.monotonic() + 30 * TIMEOUT_SCALE
    while b"[y/N]" not in shown:
        check(time.monotonic() < deadline, "it does not ask: %r" % shown)
        shown += os.read(fd, 4096)
    os.write(fd, answer.encode() + b"\n")
    try:
        while True:
            shown += os.read(fd, 4096)
    except OSError:
        pass    # the other side is closed
    os.close(fd)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_agents_are_named_by_id_or_host_and_listed_with_their_state():
    with Scene() as scene:
        equal(holdfast(scene, "deactivate", "Scripted")[0], scene.id + ": deactivated\n", "output")
        check(" deactivated " in holdfast(scene, "agents")[0], "the list")
        shown = json.loads(holdfast(scene, "agents", "--json")[0])[0]
        equal((shown["active"], shown["deactivated"]), (False, True), "--json")
        equal(holdfast(scene, "reactivate", scene.id)[0], scene.id + ": reactivated\n", "output")
        check(" active " in holdfast(scene, "agents")[0], "the list")


def test_host_with_two_agents_is_not_enough():
    with Scene() as scene, LibprocessAgent(scene.cluster.master_addr) as other:
        other.register()
        _, err = holdfast(scene, "deactivate", "scripted", code=1)
        equal(err, "holdfast: 2 agents are on host 'scripted': name one by its id\n", "stderr")
        equal([s.get("deactivated") for s in map(scene.operator.slave, (scene.id, other.agent_id))], [False, False])
        holdfast(scene, "deactivate", scene.id, other.agent_id)
        equal([s.get("deactivated") for s in map(scene.operator.slave, (scene.id, other.agent_id))], [True, True])


def test_what_the_master_refuses_is_told_in_its_words():
    with Scene() as scene:
        _, err = holdfast(scene, "reactivate", scene.id, code=1)
        check("answered 400: Agent is not deactivated" in err, err)
        _, err = holdfast(scene, "drain", "nobody", code=1)
        check("answered 400: Unknown agent" in err, err)
        for verb in ("drain", "deactivate", "reactivate", "gone"):
            equal(holdfast(scene, verb, code=USAGE)[1], "holdfast: Expected an AGENT\n", verb)


def test_drain_waits_until_the_agent_is_drained():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        results = []
        waiting = threading.Thread(target=lambda: results.append(
            holdfast(scene, "drain", "--wait", "--max_grace_period=1500ms", "scripted")))
        waiting.start()
        config = read(first(scene.agent.wait_message("DrainSlaveMessage"), 1))
        equal(first(read(first(config, 1)), 1), 1500000000, "grace")
        check(" draining " in holdfast(scene, "agents")[0], "the list")
        check(waiting.is_alive(), "it did not wait")
        scene.kill_task(s)
        waiting.join()
        equal(results[0][0], "%s: draining\n%s: drained\n" % (scene.id, scene.id), "output")
        check(" drained " in holdfast(scene, "agents")[0], "the list")


def test_drain_gives_up_waiting_and_says_so():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        _, err = holdfast(scene, "drain", "--wait", "--timeout=100ms", "scripted", code=1)
        equal(err, "holdfast: '%s' is still draining\n" % scene.id, "stderr")


def test_drain_waits_until_the_agent_is_gone_if_that_is_to_follow():
    with Scene() as scene:
        out, _ = holdfast(scene, "drain", "--wait", "--mark_gone", "scripted")
        equal(out, "%s: draining\n%s: gone\n" % (scene.id, scene.id), "output")


def test_drain_does_not_wait_for_an_agent_that_is_away():
    with Scene("--agent_ping_timeout=1secs", "--max_agent_ping_timeouts=2") as scene:
        scene.cut_off()
        out, err = holdfast(scene, "drain", "--wait", scene.id, code=1)
        equal((out, err), (scene.id + ": draining\n",
                           "holdfast: '%s' is not there: it drains when it returns\n" % scene.id))


def test_people_are_asked_before_what_cannot_be_undone():
    with Scene() as scene:
        for verb, args in (("gone", ()), ("drain", ("--mark_gone",))):
            shown, code = on_terminal(scene, "n", verb, *args, "scripted")
            check("never come back" in shown and "Nothing was done" in shown and code == 1, (shown, code))
        check("drain_info" not in scene.operator.slave(scene.id), "it was drained nevertheless")
        shown, code = on_terminal(scene, "y", "gone", "scripted")
        check(scene.id + ": gone" in shown and code == 0, (shown, code))
        scene.agent.wait_message("ShutdownMessage")


def test_nobody_is_asked_who_said_yes_or_is_not_there():
    with Scene() as scene, LibprocessAgent(scene.cluster.master_addr, hostname="other") as other:
        other.register()
        equal(holdfast(scene, "gone", "other")[0], other.agent_id + ": gone\n")
        equal(holdfast(scene, "gone", "--yes", "scripted")[0], scene.id + ": gone\n")


def test_maintenance_is_planned_begun_and_ended_by_names_of_hosts():
    with Scene() as scene:
        equal(holdfast(scene, "maintenance")[0].split(), "HOST IP MODE BEGINS FOR ACCEPTED DECLINED".split())
        before = time.time()
        out, _ = holdfast(scene, "maintenance", "schedule", "--in=1hrs", "--duration=2hrs", "scripted", "other/10.0.0.9")
        equal(out, "scripted: scheduled\nother: scheduled\n", "output")
        windows = scene.operator.maintenance_schedule()["windows"]
        equal([w["machine_ids"] for w in windows], [[HERE, machine("other", "10.0.0.9")]], "machines")
        start = windows[0]["unavailability"]["start"]["nanoseconds"] / 1e9
        check(before + 3600 <= start <= time.time() + 3600, "start %s" % start)
        equal(windows[0]["unavailability"]["duration"]["nanoseconds"], 7200 * 10**9, "duration")

        rows = [line.split() for line in holdfast(scene, "maintenance", "show")[0].splitlines()]
        equal([(r[0], r[1], r[2], r[-3:]) for r in rows[1:]],
              [("scripted", "127.0.0.1", "draining", ["2hrs", "0", "0"]),
               ("other", "10.0.0.9", "draining", ["2hrs", "0", "0"])])
        shown = json.loads(holdfast(scene, "maintenance", "show", "--json")[0])
        equal((shown["schedule"]["windows"], shown["status"]), (windows, scene.operator.maintenance_status()), "--json")

        holdfast(scene, "maintenance", "down", "127.0.0.1")
        scene.agent.wait_message("ShutdownMessage")
        wait_until(lambda: scene.operator.slave(scene.id) is None, "the agent is removed")
        holdfast(scene, "maintenance", "cancel", "10.0.0.9")
        equal(scene.operator.maintenance_status(), {"down_machines": [HERE]}, "status")
        check("down" in holdfast(scene, "maintenance")[0], "the list")
        _, err = holdfast(scene, "maintenance", "cancel", "scripted", code=1)
        check("is deactivated and cannot be removed from the schedule" in err, err)
        equal(holdfast(scene, "maintenance", "up", "scripted")[0], "scripted: up\n", "output")
        equal(scene.operator.maintenance_schedule(), {}, "schedule")


def test_scheduling_a_machine_again_moves_it_and_leaves_others():
    with Scene() as scene:
        scene.operator.schedule(window(HERE, machine("a"), start=1, duration=3), window(machine("b"), start=2))
        holdfast(scene, "maintenance", "schedule", "b", "scripted")
        windows = scene.operator.maintenance_schedule()["windows"]
        equal([w["machine_ids"] for w in windows], [[machine("a")], [machine("b"), HERE]], "machines")
        check("duration" not in windows[1]["unavailability"], "an end is planned")


def test_answers_of_frameworks_are_counted():
    with Scene() as scene, Scheduler(scene.cluster.master_addr) as s:
        scene.run_task(s)
        holdfast(scene, "maintenance", "schedule", "scripted")
        offer = s.wait_event("INVERSE_OFFERS")["inverse_offers"]["inverse_offers"][0]
        s.call("DECLINE_INVERSE_OFFERS", {"inverse_offer_ids": [offer["id"]], "filters": {"refuse_seconds": 3600.0}})
        wait_until(lambda: holdfast(scene, "maintenance")[0].split()[-2:] == ["0", "1"], "it is counted")


def test_people_are_asked_before_machines_go_down():
    with Scene() as scene:
        holdfast(scene, "maintenance", "schedule", "scripted")
        shown, code = on_terminal(scene, "", "maintenance", "down", "scripted")
        check("Nothing was done" in shown and code == 1, (shown, code))
        equal(scene.operator.maintenance_status(), {"draining_machines": [{"id": HERE}]}, "status")
        holdfast(scene, "maintenance", "down", "--yes", "scripted")
        equal(scene.operator.maintenance_status(), {"down_machines": [HERE]}, "status")


def test_what_is_not_a_machine_or_a_command_is_refused():
    with Scene() as scene, LibprocessAgent(scene.cluster.master_addr, hostname="other") as other:
        other.register()
        for args, code, text in ((("schedule", "zork"), 1, "No machine is known as 'zork': name it as HOSTNAME/IP"),
                                 (("schedule", "127.0.0.1"), 1,
                                  "More than one machine goes by '127.0.0.1': name one as HOSTNAME/IP"),
                                 (("down",), USAGE, "down: expected a MACHINE"),
                                 (("show", "scripted"), USAGE, "show: expected no MACHINE"),
                                 (("oops",), USAGE,
                                  "'oops' is not a command: expected show, schedule, cancel, down or up")):
            equal(holdfast(scene, "maintenance", *args, code=code)[1], "holdfast: %s\n" % text, args)


if __name__ == "__main__":
    main()
