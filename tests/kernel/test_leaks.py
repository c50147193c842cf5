#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two hundred containers, confined by all there is and ended in every way there is, leave nothing on the host.

The test has network, mounts and IPC of its own, so that whatever it finds there is of its containers.
"""

import json
import os
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ends    # noqa: E402
import mounts    # noqa: E402
import own_network    # noqa: E402
import traces    # noqa: E402
from harness import (SOURCE_DIR, Cluster, check, children_named, equal, is_alive, main, reap_orphans,    # noqa: E402
                     wait_until)
from scheduler import Scheduler    # noqa: E402

N_WAVES = 4
ISOLATORS = ("filesystem/linux", "namespaces/pid", "namespaces/ipc", "posix/cpu", "posix/mem", "posix/rlimits", "disk/du",
             "network/bridge", "cgroups/devices", "linux/capabilities", "linux/nnp", "linux/seccomp")
FLAGS = ("--isolation=" + ",".join(ISOLATORS), "--http_executor_domain_sockets", "--holdfast_network_bridge=hfleak0",
         "--seccomp_config_dir=" + os.path.join(SOURCE_DIR, "isolator", "seccomp"), "--seccomp_profile_name=default.json",
         "--bounding_capabilities=" + json.dumps({"capabilities": []}),
         "--effective_capabilities=" + json.dumps({"capabilities": []}))
CLONE_NEWIPC, MS_SHARED = 0x08000000, 0x100000

class Leaky(Cluster):
    def __init__(self):
        super().__init__(launcher="linux", agent_flags=FLAGS)

    def daemons(self):
        return [d.pid for d in self.masters + self.agents if d.is_running()]

    def traces(self):
        reap_orphans({d.process.pid for d in self.agents + self.masters})
        return {**traces.of_daemons(self.daemons()), "cgroups": self.container_cgroups(),
                "runtime files": traces.below(self.work_path("agent-run")),
                "exit records": traces.below(self.work_path("agent", "meta", "exits"))}

    def cgroup_of(self, task_id):
        return os.path.join(self.cgroup, os.path.basename(self.sandboxes(task_id)[-1]))

    def is_ready(self, task_id):
        return any(os.path.exists(os.path.join(d, "ready")) for d in self.sandboxes(task_id))


def start_first(cluster, s):
    """Makes the bridge, among other things that stay. Returns what there is then."""
    equal(s.run("first", "true")["state"], "TASK_FINISHED", "state")
    cluster.check_no_containers()
    # The kernel takes a network namespace down after its last process is gone.
    wait_until(lambda: len(socket.if_nameindex()) == 2, "but for the bridge and lo the interfaces go")
    return cluster.traces()


def test_two_hundred_containers_leave_nothing():
    with Leaky() as cluster, Scheduler(cluster.master_addr) as s:
        before = start_first(cluster, s)
        marks = [ends.run_wave(cluster, s, number, before) for number in range(N_WAVES)]
        ends.check_nothing_more(cluster, before)
        ends.check_gone(marks)


def test_killed_launchers_leave_nothing_running_even_where_the_agent_is_dead():
    names = ["orphan%d" % n for n in range(10)]
    with Leaky() as cluster, Scheduler(cluster.master_addr) as s:
        before = start_first(cluster, s)
        s.launch([ends.run_on(s, name) for name in names])
        for name in names:
            s.wait_state(name, "TASK_RUNNING", timeout=60)
            wait_until(lambda name=name: cluster.is_ready(name), "%s is ready" % name)
        wait_until(lambda: len(children_named("sleep")) == 3 * len(names), "the daemons run")
        launchers = [ends.launcher_of(cluster, name) for name in names]

        cluster.agent().kill9()
        for pid in launchers:
            os.kill(pid, signal.SIGKILL)
        # Nobody is there who could end them: namespaces end with their init, and that with its launcher.
        wait_until(lambda: {pid for pid, _ in cluster.traces()["processes"]} == set(cluster.daemons()), "all processes end")
        check(not any(is_alive(pid) for pid in launchers), "a launcher lives")

        cluster.agent().start()
        cluster.wait_reregistered(cluster.agent())
        for name in names:
            equal(s.wait_terminal(name)["state"], "TASK_FAILED", "state of " + name)
        # The agent is another process, with files of its own.
        ends.check_nothing_more(cluster, {aspect: found for aspect, found in before.items()
                                          if aspect not in ("processes", "open files", "mounts")})


def enter_mounts_and_ipc():
    """What is mounted in a mount namespace made from this one comes back here, unless somebody sees to it."""
    if mounts.libc.unshare(mounts.CLONE_NEWNS | CLONE_NEWIPC) != 0:
        print("SKIP: no namespaces of our own can be had here")
        sys.exit(77)
    for flag in (mounts.MS_PRIVATE, MS_SHARED):
        equal(mounts.libc.mount(None, b"/", None, mounts.MS_REC | flag, None), 0, "result of mount()")


if __name__ == "__main__":
    own_network.enter()
    enter_mounts_and_ipc()
    main()
