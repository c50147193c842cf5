#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""With filesystem/linux a container sees the persistent volumes that are its own, and the agent's socket."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, equal, main, skip, wait_until    # noqa: E402
from libprocess_master import Stand, create, executor_info, reserve, scalar, task_info    # noqa: E402
from scheduler import Scheduler    # noqa: E402

ISOLATION = "--isolation=filesystem/linux,namespaces/pid"
EXECUTOR = "exec %s %s" % (sys.executable, os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "lib", "executor.py"))


def volume(volume_id, path="data"):
    return scalar("disk", 100, "ops", volume=(volume_id, path), allocated="ops")


def isolated_stand(*volumes):
    if os.geteuid() != 0:
        skip("only root may make namespaces")
    stand = Stand(launcher="linux")
    stand.agent.argv += [ISOLATION]
    stand.start_agent()
    stand.master.apply_and_acknowledge(reserve(scalar("disk", 100 * len(volumes), "ops", allocated="ops")))
    stand.master.apply_and_acknowledge(create(*volumes))
    return stand


def write(stand, volume_id, text):
    with open(os.path.join(stand.volume(volume_id), "file"), "w") as f:
        f.write(text)


def test_a_task_sees_its_volume_and_no_other():
    with isolated_stand(volume("mine"), volume("other")) as stand:
        write(stand, "mine", "mine\n")
        write(stand, "other", "another's\n")
        command = "cat data/file; echo more >data/new; ls %s; cat %s/file" % (
            os.path.dirname(stand.volume("mine")), stand.volume("other"))
        stand.master.run(task_info("task", command + "; true", scalar("cpus", 0.1, allocated="ops"), volume("mine")))
        stand.master.wait_state("task", "TASK_FINISHED")
        equal(stand.cluster.read_sandbox("task"), "mine\nmine\n", "what it sees")
        equal(sorted(os.listdir(stand.volume("mine"))), ["file", "new"], "what is in the volume")


def test_an_executor_finds_the_volume_of_a_later_task():
    with isolated_stand(volume("one"), volume("two")) as stand:
        write(stand, "two", "late\n")
        look = "(while ! cat late/file; do sleep 0.05; done; echo saw >late/seen) 2>/dev/null & "
        own = executor_info("own", look + EXECUTOR)
        stand.master.run(task_info("hold-1", None, volume("one"), executor=own))
        stand.master.wait_state("hold-1", "TASK_RUNNING")
        stand.master.run(task_info("hold-2", None, volume("two", "late"), executor=own))
        stand.master.wait_state("hold-2", "TASK_RUNNING")
        seen = os.path.join(stand.volume("two"), "seen")
        wait_until(lambda: os.path.exists(seen), "it sees the volume")
        stand.master.shutdown_framework()


def test_executors_find_the_agents_socket_also_after_its_restart():
    if os.geteuid() != 0:
        skip("only root may make namespaces")
    for place in ("", "agent/socket/a.sock"):
        with Cluster(launcher="linux", n_agents=0, start=False) as cluster:
            flags = [ISOLATION, "--http_executor_domain_sockets"]
            if place:
                os.makedirs(cluster.work_path("agent/socket"))
                flags.append("--domain_socket_location=" + cluster.work_path(place))
            cluster.add_agent(*flags)
            cluster.start()
            with Scheduler(cluster.master_addr) as s:
                s.launch([s.task("steady", "while [ ! -e stop ]; do sleep 0.05; done; exit 5")])
                s.wait_state("steady", "TASK_RUNNING")
                cluster.agent().kill9()
                cluster.agent().start()
                cluster.wait_reregistered(cluster.agent())
                with open(cluster.sandboxes("steady")[-1] + "/stop", "w"):
                    pass
                equal(s.wait_terminal("steady")["message"], "Command exited with status 5", "the end")


if __name__ == "__main__":
    main()
