#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two hundred containers in scopes, ended in every way there is, leave nothing: neither on the host nor in systemd."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ends    # noqa: E402
import traces    # noqa: E402
from harness import SOURCE_DIR, equal, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from systemd import MASTER, Host, container_cgroups, main, show, systemctl    # noqa: E402

N_WAVES = 4
SETTINGS = {
    "MESOS_ISOLATION": "filesystem/linux,namespaces/pid,namespaces/ipc,posix/cpu,posix/mem,posix/rlimits,disk/du,"
                       "network/bridge,cgroups/devices,linux/capabilities,linux/nnp,linux/seccomp",
    "MESOS_HTTP_EXECUTOR_DOMAIN_SOCKETS": "true", "MESOS_HOLDFAST_NETWORK_BRIDGE": "hfleak0",
    "MESOS_SECCOMP_CONFIG_DIR": os.path.join(SOURCE_DIR, "isolator", "seccomp"),
    "MESOS_SECCOMP_PROFILE_NAME": "default.json",
    "MESOS_BOUNDING_CAPABILITIES": json.dumps({"capabilities": []}),
    "MESOS_EFFECTIVE_CAPABILITIES": json.dumps({"capabilities": []}),
}


class Leaky(Host):
    def __init__(self, **settings):
        super().__init__(**SETTINGS, **settings)

    def traces(self):
        """With what pid 1 keeps open, and mounted."""
        daemons = (self.agent_pid(), int(show(MASTER, "MainPID")), 1)
        found = traces.of_daemons(daemons, root_pid=1)
        # This program, and systemctl in its hand, are no trace of any container.
        found["processes"] = [p for p in found["processes"] if p[1] not in ("systemctl", "python3")]
        return {**found, "cgroups": sorted(container_cgroups()), "runtime files": traces.below("/run/holdfast"),
                "exit records": traces.below("/var/lib/holdfast/agent/meta/exits"),
                "units": systemctl("list-units", "--all", "--plain", "--no-legend", "holdfast*"),
                "failed units": systemctl("list-units", "--all", "--failed", "--plain", "--no-legend"),
                "transient units": traces.below("/run/systemd/transient")}

    def cgroup_of(self, task_id):
        return next(c for c in container_cgroups() if os.path.basename(self.sandbox(task_id)) in os.path.basename(c))

    def check_no_containers(self):
        """What all share may stay."""
        def ours():
            return [c for c in container_cgroups() if os.path.basename(c) not in ("holdfast-containers.scope", "keeper")]

        wait_until(lambda: not ours(), "the last cgroup goes")

    def is_ready(self, task_id):
        return os.path.exists(os.path.join(self.sandbox(task_id), "ready"))


def leave_nothing(**settings):
    with Leaky(**settings) as host, Scheduler(host.master_addr) as s:
        equal(s.run("first", "true")["state"], "TASK_FINISHED", "state")    # makes what stays: the bridge, the scope for all
        host.check_no_containers()
        before = host.traces()
        marks = [ends.run_wave(host, s, number, before) for number in range(N_WAVES)]
        ends.check_nothing_more(host, before)
        ends.check_gone(marks)


def test_two_hundred_scopes_leave_nothing():
    leave_nothing()


def test_two_hundred_containers_in_one_scope_leave_nothing():
    leave_nothing(MESOS_SYSTEMD_SCOPE="agent")


if __name__ == "__main__":
    main()
