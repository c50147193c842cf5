#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disk, ports and devices of containers that are scopes of systemd, or parts of one."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, free_port, wait_until    # noqa: E402
from scheduler import Scheduler, scalar    # noqa: E402
from systemd import Host, container_cgroups, main, systemctl    # noqa: E402

SETTINGS = {"MESOS_ISOLATION": "process,disk/du,network/ports,cgroups/devices",
            "MESOS_CONTAINER_DISK_WATCH_INTERVAL": "200ms", "MESOS_ENFORCE_CONTAINER_DISK_QUOTA": "true",
            "MESOS_CONTAINER_PORTS_WATCH_INTERVAL": "200ms", "MESOS_ENFORCE_CONTAINER_PORTS": "true"}
LISTEN = """exec python3 -c '
import socket, time
s = socket.socket()
s.bind(("127.0.0.1", %d))
s.listen()
time.sleep(1000)'"""
# Of the kernel's log: a node of its own, so that nothing but the program stands in the way.
KMSG = "mknod kmsg c 1 11 && exec 3<kmsg"


def limited_disk(s, task_id, command):
    task = s.task(task_id, command)
    task["resources"].append(scalar("disk", 4))
    return task


def check_limitations(**settings):
    with Host(**SETTINGS, **settings) as h, Scheduler(h.master_addr) as s:
        port = free_port()
        s.launch([limited_disk(s, "disk", "dd if=/dev/zero of=file bs=1M count=8; sync file; sleep 1000"),
                  s.task("ports", LISTEN % port), s.task("devices", KMSG),
                  limited_disk(s, "modest", "echo yes >/dev/null && sleep 1000")])
        equal(s.wait_terminal("disk")["reason"], "REASON_CONTAINER_LIMITATION_DISK", "reason of the disk")
        status = s.wait_terminal("ports")
        equal(status["reason"], "REASON_CONTAINER_LIMITATION", "reason of the ports")
        check("[%d-%d]" % (port, port) in status["message"], status["message"])
        equal(s.wait_terminal("devices")["state"], "TASK_FAILED", "state of the devices")
        check("Operation not permitted" in h.read_sandbox("devices", "stderr"), h.read_sandbox("devices", "stderr"))
        equal(s.states("modest")[-1], "TASK_RUNNING", "state of the modest one")
        s.kill("modest")
        equal(s.wait_terminal("modest")["state"], "TASK_KILLED", "its end")
        wait_until(lambda: not [c for c in container_cgroups() if "/payload" in c], "the containers' cgroups go")
        # The one for all is nobody's, and stays.
        systemctl("stop", "holdfast-containers.scope", ok=False)


def test_in_a_scope_for_each_container():
    check_limitations()


def test_in_one_scope_for_all_containers():
    check_limitations(MESOS_SYSTEMD_SCOPE="agent")


if __name__ == "__main__":
    main()
