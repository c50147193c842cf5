#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All that keeps a container from things, at once: what one isolator does must not be undone or forbidden by another."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import own_network    # noqa: E402
from harness import Cluster, check, equal, main, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402

PROFILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "isolator", "seccomp")
ISOLATION = ("--isolation=filesystem/linux,namespaces/pid,namespaces/ipc,network/bridge,network/ports,linux/capabilities,"
             "linux/nnp,linux/seccomp,posix/rlimits,disk/du,cgroups/devices")
LOOK = """cat data/file fetched
for n in mnt pid ipc cgroup net; do readlink /proc/self/ns/$n; done
cat /proc/1/comm
grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp|Uid):' /proc/self/status
stat -fc %b%s /dev/shm >/dev/null; ulimit -n
(setsid sleep 1000 &)
exit 7"""


class Together(Cluster):
    def __init__(self):
        super().__init__(launcher="linux", agent_flags=(ISOLATION, "--http_executor_domain_sockets",
                                                        "--seccomp_config_dir=" + os.path.abspath(PROFILES),
                                                        "--seccomp_profile_name=default.json"))


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def namespaces():
    return [os.readlink("/proc/self/ns/" + n) for n in ("mnt", "pid", "ipc", "cgroup", "net")]


def run_as(user, uid, effective):
    with Together() as cluster, Scheduler(cluster.master_addr, info={"user": user}) as s:
        write(cluster.work_path("srv/file"), "volume\n")
        write(cluster.work_path("fetched"), "uri\n")
        task = s.task("look", LOOK, container={
            "type": "MESOS", "linux_info": {"ipc_mode": "PRIVATE", "shm_size": 4},
            "rlimit_info": {"rlimits": [{"type": "RLMT_NOFILE", "soft": 300, "hard": 300}]},
            "volumes": [{"container_path": "data", "mode": "RO", "source": {
                "type": "HOST_PATH", "host_path": {"path": cluster.work_path("srv")}}}]})
        task["command"]["uris"] = [{"value": "file://" + cluster.work_path("fetched")}]
        s.launch([task])
        status = s.wait_terminal("look")
        equal((status["state"], status["message"]), ("TASK_FAILED", "Command exited with status 7"), "the end")
        lines = cluster.read_sandbox("look").splitlines()
        equal(lines[:2] + lines[7:8] + lines[-1:], ["volume", "uri", "holdfast-init", "300"], "what it sees")
        check(not set(lines[2:7]) & set(namespaces()), "shares %s" % (set(lines[2:7]) & set(namespaces())))
        found = dict(line.split(":\t") for line in lines[8:-1])
        equal((found["Uid"].split()[0], found["NoNewPrivs"], found["Seccomp"]), (str(uid), "1", "2"), "restrictions")
        equal(int(found["CapEff"], 16) != 0, effective, "has capabilities")
        wait_until(lambda: not os.listdir(cluster.work_path("agent-run/containers")), "the launcher tidies up")


def test_a_task_of_root_lives_with_all_of_it():
    run_as("root", 0, True)


def test_a_task_of_a_user_lives_with_all_of_it():
    run_as("nobody", 65534, False)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("SKIP: only root may make namespaces")
        sys.exit(77)
    own_network.enter()
    main()
