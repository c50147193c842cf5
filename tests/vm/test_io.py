#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks and devices, on a kernel that has the controllers: nobody writes faster than the operator allows."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, http_get, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from systemd import Host, show, start_task    # noqa: E402
from vm import main_inside    # noqa: E402

DISK = "/dev/ubda"
MIB = 1 << 20
# Past the page cache, so that the time is the disk's.
WRITE = "dd if=/dev/zero of=file bs=64K count=%d oflag=direct 2>/dev/null"
READ = "dd if=file of=/dev/null bs=64K iflag=direct 2>/dev/null"


def payload(scope):
    return os.path.join("/sys/fs/cgroup" + show(scope, "ControlGroup"), "payload")


def read(cgroup, name):
    with open(os.path.join(cgroup, name)) as f:
        return f.read().strip()


def seconds(h, s, task_id, command):
    """How long it took, as the task saw it."""
    script = "a=$(cut -d' ' -f1 /proc/uptime); %s || exit; b=$(cut -d' ' -f1 /proc/uptime); echo $a $b" % command
    status = s.run(task_id, script, timeout=60)
    equal(status["state"], "TASK_FINISHED", "state (%s)" % status.get("message"))
    begin, end = h.read_sandbox(task_id).split()
    return float(end) - float(begin)


def test_disk_is_written_and_read_no_faster_than_the_operator_allows():
    with Host(MESOS_ISOLATION="process,cgroups/blkio") as h, Scheduler(h.master_addr) as s:
        free = seconds(h, s, "free", WRITE % 48)
        check(free < 1.5, "3 MiB took %.1f s without a limit" % free)
    with Host(MESOS_ISOLATION="process,cgroups/io", MESOS_HOLDFAST_IO_MAX=DISK + " wbps=1MB rbps=1MB") as h, \
            Scheduler(h.master_addr) as s:
        slow = seconds(h, s, "slow", WRITE % 48)
        check(2 < slow < 10, "3 MiB took %.1f s with 1 MiB a second" % slow)
        both = seconds(h, s, "both", WRITE % 32 + "; " + READ)
        check(2.5 < both < 14, "2 MiB written and read took %.1f s with 1 MiB a second" % both)


def test_disk_is_asked_no_more_often_than_the_operator_allows():
    with Host(MESOS_ISOLATION="process,cgroups/blkio", MESOS_HOLDFAST_IO_MAX=DISK + " wiops=10") as h, \
            Scheduler(h.master_addr) as s:
        slow = seconds(h, s, "slow", WRITE % 30)
        check(slow > 2, "30 writes took %.1f s with 10 a second" % slow)


def test_what_a_container_reads_and_writes_is_told_per_disk():
    with Host(MESOS_ISOLATION="process,cgroups/blkio") as h, Scheduler(h.master_addr) as s:
        start_task(h, s, "writer", WRITE % 32 + "; exec sleep 1000")

        def written():
            for container in http_get(h.agent_addr, "/containers").json():
                for disk in container["statistics"].get("blkio_statistics", {}).get("throttling", []):
                    values = {v["op"]: v["value"] for v in disk["io_service_bytes"]}
                    if disk["device"] == {"major_number": 98, "minor_number": 0} and values["WRITE"] >= 2 * MIB:
                        return values
            return None
        values = wait_until(written, "2 MiB are told")
        equal(values["TOTAL"], values["READ"] + values["WRITE"] + values["DISCARD"], "sum")
        s.kill("writer")
        s.wait_terminal("writer")


def test_all_cgroups_are_in_the_container_with_what_the_operator_set():
    with Host(MESOS_ISOLATION="cgroups/all", MESOS_HOLDFAST_IO_MAX=DISK + " wbps=9MB riops=70",
              MESOS_HOLDFAST_PIDS_MAX="99") as h, Scheduler(h.master_addr) as s:
        scope, _ = start_task(h, s)
        equal(read(payload(scope), "io.max"), "98:0 rbps=max wbps=%d riops=70 wiops=max" % (9 * MIB), "io.max")
        equal(read(payload(scope), "pids.max"), "99", "pids.max")
        check(read(payload(scope), "memory.max") != "max", "memory.max")
        s.kill("steady")
        s.wait_terminal("steady")


if __name__ == "__main__":
    main_inside()
