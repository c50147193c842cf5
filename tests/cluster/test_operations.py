#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a master does to an agent's resources is done, told and kept, whatever happens in between."""

import base64
import contextlib
import json
import os
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, main, program, wait_until    # noqa: E402
from libprocess_master import (Stand, create, destroy, grow, reserve, scalar, shrink, task_info,    # noqa: E402
                               unreserve)
from wire import first, read    # noqa: E402

DISK = scalar("disk", 100, "ops", allocated="ops")
VOLUME = scalar("disk", 100, "ops", volume=("v1", "data"), allocated="ops")
REASON_INVALID_OFFERS, REASON_RESOURCES_UNKNOWN = 6, 18


def reserved(stand):
    return stand.state()["reserved_resources"]


def with_volume(stand):
    stand.master.apply_and_acknowledge(reserve(DISK, name="r"))
    return stand.master.apply_and_acknowledge(create(VOLUME, name="c"))


def test_reservation_is_made_told_acknowledged_and_undone():
    with Stand() as stand:
        stand.start_agent()
        uuid = stand.master.apply(reserve(scalar("cpus", 1.5, "ops", allocated="ops"), name="r1"))
        status = stand.master.wait_operation(uuid)
        equal((status.name, status.message, len(status.uuid)), ("r1", "", 16), "status")
        equal(reserved(stand), {"ops": {"cpus": 1.5, "mem": 0.0, "disk": 0.0, "gpus": 0.0}}, "reserved")
        equal(stand.state()["unreserved_resources"]["cpus"], 6.5, "cpus left")
        operation, = stand.operations()
        equal((operation["latest_status"]["state"], operation["info"]["type"]), ("OPERATION_FINISHED", "RESERVE"), "state")
        stand.master.acknowledge_operation(status)
        wait_until(lambda: not stand.operations(), "the operation is forgotten")
        stand.master.apply_and_acknowledge(unreserve(scalar("cpus", 1.5, "ops", allocated="ops")))
        equal((reserved(stand), stand.state()["unreserved_resources"]["cpus"]), ({}, 8.0), "after UNRESERVE")


def test_status_of_an_operation_is_repeated_until_it_is_acknowledged():
    with Stand() as stand:
        stand.start_agent()
        uuid = stand.master.apply(reserve(DISK, name="r1"))
        told = stand.master.wait_operation(uuid)
        fields = stand.restart_agent()
        check(7 in fields, "no checkpointed resources in the registration")
        again = stand.master.wait(lambda: stand.master.operations[1:] and stand.master.operations[-1], "it is told again")
        equal((again.uuid, again.operation_uuid), (told.uuid, uuid), "uuids")
        stand.master.acknowledge_operation(again)
        wait_until(lambda: not stand.operations(), "the operation is forgotten")
        n = len(stand.master.operations)
        stand.restart_agent()
        equal((stand.operations(), len(stand.master.operations)), ([], n), "operations after the acknowledgement")
        equal(reserved(stand)["ops"]["disk"], 100.0, "disk reserved")


def test_volume_is_a_directory_that_lives_grows_shrinks_and_goes():
    with Stand() as stand:
        stand.start_agent()
        with_volume(stand)
        check(os.path.isdir(stand.volume("v1")), "no directory")
        with open(os.path.join(stand.volume("v1"), "file"), "w") as f:
            f.write("data")
        full, = stand.state()["reserved_resources_full"]["ops"]
        equal(full["disk"], {"persistence": {"id": "v1"}, "volume": {"mode": "RW", "container_path": "data"}}, "disk")
        stand.restart_agent()
        more = scalar("disk", 50, "ops", allocated="ops")
        stand.master.apply_and_acknowledge(reserve(more))
        stand.master.apply_and_acknowledge(grow(VOLUME, more))
        large = scalar("disk", 150, "ops", volume=("v1", "data"), allocated="ops")
        stand.master.apply_and_acknowledge(shrink(large, 50))
        with open(os.path.join(stand.volume("v1"), "file")) as f:
            equal(f.read(), "data", "what is in the volume")
        stand.master.apply_and_acknowledge(destroy(VOLUME))
        check(not os.path.exists(stand.volume("v1")), "the volume is still there")
        equal(reserved(stand)["ops"]["disk"], 150.0, "disk reserved")


def test_operations_sent_at_once_are_done_in_order():
    with Stand() as stand:
        stand.start_agent()
        uuids = [stand.master.apply(o) for o in (reserve(DISK), create(VOLUME), destroy(VOLUME), create(VOLUME))]
        for uuid in uuids:
            stand.master.wait_operation(uuid)
        equal([o.operation_uuid for o in stand.master.operations], uuids, "order")
        check(os.path.isdir(stand.volume("v1")), "no directory at the end")


def test_what_cannot_be_done_is_dropped_and_the_master_hears_what_there_is():
    with Stand() as stand:
        stand.start_agent()
        old = stand.master.version
        uuid = stand.master.apply(reserve(scalar("cpus", 100, "ops", allocated="ops"), name="r1"))
        status = stand.master.wait_operation(uuid, "OPERATION_DROPPED")
        check("does not contain cpus:100" in status.message, "message " + status.message)
        stand.master.wait_registration(2)
        check(stand.master.version != old, "the resources have the same version")
        uuid = stand.master.apply(reserve(DISK), version=old)
        stand.master.wait_operation(uuid, "OPERATION_DROPPED")
        stand.master.wait_registration(3)
        stand.master.run(task_info("late", "true"), version=old)
        status = stand.master.wait_state("late", "TASK_DROPPED")
        equal(status.reason, REASON_INVALID_OFFERS, "reason")
        equal(reserved(stand), {}, "reserved")


def test_volume_that_cannot_be_made_is_undone_with_what_was_built_on_it():
    with Stand() as stand:
        stand.start_agent()
        os.makedirs(os.path.dirname(os.path.dirname(stand.volume("v1"))))
        with open(os.path.dirname(stand.volume("v1")), "w"):
            pass    # where a directory has to be
        uuids = [stand.master.apply(o) for o in (reserve(DISK), create(VOLUME), destroy(VOLUME))]
        stand.master.wait_operation(uuids[0])
        status = stand.master.wait_operation(uuids[1], "OPERATION_DROPPED")
        check("cannot make the volume" in status.message, "message " + status.message)
        status = stand.master.wait_operation(uuids[2], "OPERATION_DROPPED")
        check("An earlier operation failed" in status.message, "message " + status.message)
        full, = stand.state()["reserved_resources_full"]["ops"]
        check("disk" not in full, "there is a volume: %s" % full)


def test_operation_nobody_knows_is_dropped_when_the_master_asks():
    with Stand() as stand:
        stand.start_agent()
        stand.master.reconcile(b"0123456789abcdef")
        status = stand.master.wait_operation(b"0123456789abcdef", "OPERATION_DROPPED")
        equal(status.uuid, None, "uuid")


def test_operations_that_nobody_acknowledges_are_kept_up_to_what_one_message_holds():
    with Stand() as stand:
        stand.start_agent()
        uuids = []
        for state in ["OPERATION_FINISHED"] * 4 + ["OPERATION_DROPPED"]:
            # With its name, its outcome is three times as long.
            uuids.append(stand.master.apply(reserve(scalar("cpus", 1, "ops", allocated="ops"), name="x" * (1 << 20))))
            stand.master.wait_operation(uuids[-1], state)
        equal([base64.b64decode(o["uuid"]["value"]) for o in stand.operations()], uuids[:4], "operations kept")
        stand.restart_agent()
        equal(len(stand.operations()), 4, "operations kept after a restart")


def test_older_master_says_the_outcome_instead():
    with Stand() as stand:
        stand.start_agent()
        stand.master.checkpoint(scalar("disk", 100, "ops", volume=("v1", "data")))
        stand.wait_volume("v1")
        fields = stand.restart_agent()
        equal(len(fields[7]), 1, "checkpointed resources")
        told = read(fields[7][0])
        check(told[6] == [b"ops"] and 8 in told and 13 not in told, "not in the form that every master reads: %s" % told)
        equal(reserved(stand)["ops"]["disk"], 100.0, "disk reserved")
        stand.master.checkpoint()
        stand.wait_volume("v1", there=False)
        wait_until(lambda: reserved(stand) == {}, "nothing is reserved")


def test_task_that_wants_what_is_not_reserved_is_dropped():
    with Stand() as stand:
        stand.start_agent()
        stand.master.run(task_info("greedy", "true", scalar("cpus", 1, "ops", allocated="ops")))
        status = stand.master.wait_state("greedy", "TASK_DROPPED")
        equal((status.reason, status.message), (
            REASON_RESOURCES_UNKNOWN, "The checkpointed resources being used by the task are unknown to the agent"), "why")


def test_inspection_shows_what_is_stored():
    with Stand() as stand:
        stand.start_agent()
        with_volume(stand)
        uuid = stand.master.apply(reserve(scalar("cpus", 1, "ops", allocated="ops"), name="r1"))
        stand.master.wait_operation(uuid)
        stand.master.drain(max_grace_s=1)
        wait_until(lambda: "drain_config" in stand.state(), "it is draining")
        stand.agent.kill9()
        flags = [program("holdfast-agent"), "--work_dir=" + stand.cluster.work_path("agent")]
        stored = json.loads(subprocess.run([*flags, "--inspect=json"], check=True, stdout=subprocess.PIPE).stdout)
        equal([r["name"] for r in stored["resources"]], ["disk", "cpus"], "resources")
        equal(stored["staged_resources"], None, "staged")
        equal(stored["drain_config"]["max_grace_period"], {"nanoseconds": 1000000000}, "drain")
        operation, = stored["operations"]
        equal((operation["type"], operation["state"], operation["uuid"].replace("-", "")),
              ("RESERVE", "OPERATION_FINISHED", uuid.hex()), "operation")
        text = subprocess.run([*flags, "--inspect"], check=True, text=True, stdout=subprocess.PIPE).stdout
        for words in ("[v1:data]:100", "cpus(reservations: [(DYNAMIC,ops)]):1", "Draining", operation["uuid"],
                      "OPERATION_FINISHED", "RESERVE"):
            check(words in text, "%s is not shown in:\n%s" % (words, text))
        stand.start_agent()


def test_agent_does_not_start_without_what_was_reserved_of_it():
    with Stand() as stand:
        stand.start_agent()
        with_volume(stand)
        stand.agent.stop()
        before = stand.agent.argv
        stand.agent.argv = [a.replace("disk:16384", "disk:50") for a in before]
        stand.agent.start(wait_ready=False)
        wait_until(lambda: not stand.agent.is_running(), "the agent ends")
        equal(stand.agent.process.returncode, 1, "status")
        check("Incompatible agent resources" in stand.agent.log() and "destroy the volumes" in stand.agent.log(), "words")
        stand.agent.argv = before
        stand.start_agent()
        check(os.path.isdir(stand.volume("v1")), "the volume is gone")


def test_new_agent_on_a_rebooted_host_tells_of_the_volumes_that_are_there():
    """Its configuration changed with the reboot, so it is no longer the agent that made them."""
    with Stand() as stand:
        stand.start_agent()
        with_volume(stand)
        stand.agent.kill9()
        with contextlib.closing(sqlite3.connect(stand.cluster.work_path("agent", "meta", "agent.db"))) as db:
            db.execute("UPDATE meta SET value = 'of another boot' WHERE key = 'boot_id'")
            db.commit()
        stand.agent.argv.append("--attributes=rack:a")
        fields = stand.start_agent()
        equal(stand.master.registrations[-1][0], "RegisterSlaveMessage", "message")
        volume, = fields[3]
        equal(first(read(first(read(first(read(volume), 7)), 1)), 1), b"v1", "persistence id")
        check(os.path.isdir(stand.volume("v1")), "the volume is gone")


if __name__ == "__main__":
    main()
