#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An agent without any privilege limits its tasks with the controllers that the user was given."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, skip    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from user_host import UserHost, start, user_show    # noqa: E402
from vm import main_inside    # noqa: E402

# What the agent adds to a command task for its executor.
EXECUTOR_MB = 32
PIDS_MAX = 40


def user_host(**settings):
    host = UserHost(MESOS_LAUNCHER="linux", MESOS_ISOLATION="cgroups/mem,cgroups/pids",
                    MESOS_HOLDFAST_PIDS_MAX=str(PIDS_MAX), **settings)
    missing = {"memory", "pids"} - set(host.controllers())
    if missing:
        skip("the user's manager was not given %s" % ", ".join(sorted(missing)))
    return host.start()


def read(cgroup, name):
    with open("/sys/fs/cgroup%s/payload/%s" % (cgroup, name)) as f:
        return f.read().strip()


def exceed_limits(host, s):
    status = s.run("hog", "python3 -c 'bytearray(300 << 20)'", timeout=60)
    equal((status["state"], status["reason"]), ("TASK_FAILED", "REASON_CONTAINER_LIMITATION_MEMORY"))
    s.run("bomb", "for n in $(seq %d); do sleep 1 & done; wait" % (2 * PIDS_MAX), timeout=60)
    check("fork" in host.read_user_sandbox("bomb", "stderr"), host.read_user_sandbox("bomb", "stderr"))


def test_limits_of_a_users_containers_are_set_and_kept():
    with user_host() as host, Scheduler(host.master_addr) as s:
        scope, _ = start(host, s)
        cgroup = user_show(scope, "ControlGroup")
        equal(int(read(cgroup, "memory.max")), (32 + EXECUTOR_MB) << 20, "memory.max")
        equal(read(cgroup, "pids.max"), str(PIDS_MAX), "pids.max")
        exceed_limits(host, s)
        s.kill("steady")
        s.wait_terminal("steady")


def test_limits_are_kept_in_one_scope_too():
    with user_host(MESOS_SYSTEMD_SCOPE="agent") as host, Scheduler(host.master_addr) as s:
        exceed_limits(host, s)


main_inside()
