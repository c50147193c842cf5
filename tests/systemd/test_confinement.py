#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A task starts as a process of the host does, whatever the agent's unit sets for the agent itself."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from systemd import AGENT, Host, main, run, show    # noqa: E402

# All that a unit can hand down and a launcher can take back.
ODD_UNIT = """
UMask=0077
Nice=5
OOMScoreAdjust=-500
IOSchedulingClass=idle
CPUSchedulingPolicy=batch
TimerSlackNSec=1000000
IgnoreSIGPIPE=yes
Environment=ODD_SECRET=of-the-agent
WorkingDirectory=/usr
"""

# A hard limit that was lowered takes CAP_SYS_RESOURCE to raise, which containers often lack.
ODD_HARD_LIMITS = "LimitNOFILE=1234:2345\nLimitCORE=1\nLimitSTACK=16M:32M\n"
ODD_SOFT_LIMITS = "LimitNOFILE=1234:524288\nLimitCORE=1:infinity\nLimitSTACK=16M:infinity\n"
CAP_SYS_RESOURCE = 24

# What a process can tell of itself; run by the task and by a service of systemd with nothing set.
# Its descriptors are listed by a subshell: a shell that redirects or makes a pipe itself has one more for a moment.
PROBE = """
for f in status limits oom_score_adj; do sed "s/^/$f: /" /proc/self/$f; done
for n in mnt pid net ipc uts user cgroup; do echo "ns $n: $(readlink /proc/self/ns/$n)"; done
echo "umask: $(umask)"
echo "nice: $(nice)"
echo "sched: $(chrt -p $$ | tr '\\n' ' ')" | sed 's/pid [0-9]*/pid/g'
echo "io: $(ionice -p $$)"
(ls -l /proc/$$/fd >/tmp/probe.fd)
sed -n 's/.* \\([0-9]*\\) -> /fd \\1: /p' /tmp/probe.fd
env | sed 's/^/env /'
"""


def parse(output):
    """{what: value} of the probe's lines; fds and variables as {what: set}."""
    found = {"fd": {}, "env": {}}
    for line in output.splitlines():
        if line.startswith("env "):
            name, _, value = line[4:].partition("=")
            found["env"][name] = value
        elif line.startswith("fd "):
            number, _, target = line[3:].partition(": ")
            found["fd"][int(number)] = target
        elif line.startswith("limits: "):
            found["limit " + line[8:34].strip()] = line[34:].split()[:2]
        elif line.startswith("status: "):
            name, _, value = line[8:].partition(":")
            # The C library keeps the signals after 31 for itself; what became of them is no one's setting.
            found["status " + name] = "%x" % (int(value, 16) & 0x7fffffff) if name.startswith("Sig") and name != "SigQ" \
                else value.strip()
        elif ": " in line:
            name, _, value = line.partition(": ")
            found[name] = value.strip()
    return found


def probe_host():
    """What a plain service of this systemd sees."""
    with open("/tmp/probe.sh", "w") as f:
        f.write(PROBE)
    # Services ignore SIGPIPE unless told otherwise, which nothing but a service expects.
    return parse(run("systemd-run", "--quiet", "--wait", "--pipe", "--property=IgnoreSIGPIPE=no", "sh", "/tmp/probe.sh"))


def probe_task(host, s):
    s.run("probe", PROBE)
    return parse(host.read_sandbox("probe"))


def check_is_plain(task, host):
    for name in ("mnt", "pid", "net", "ipc", "uts", "user"):
        equal(task["ns " + name], host["ns " + name], name + " namespace")
    for name in ("NoNewPrivs", "Seccomp", "Seccomp_filters", "CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb",
                 "SigBlk", "SigIgn", "Cpus_allowed", "Uid", "Gid", "Umask"):
        equal(task["status " + name], host["status " + name], name)
    for name in ("umask", "nice", "sched", "io", "oom_score_adj"):
        equal(task[name], host[name], name)
    for name in (n for n in host if n.startswith("limit ")):
        equal(task[name], host[name], name)


def check_fds(task):
    equal(set(task["fd"]) - {0, 1, 2}, set(), "fds beside stdin, stdout and stderr (%s)" % task["fd"])
    equal(task["fd"][0], "/dev/null", "stdin")
    for number, name in ((1, "stdout"), (2, "stderr")):
        check(task["fd"][number].endswith("/" + name), "fd %d is %s" % (number, task["fd"][number]))


def check_environment(task):
    for name in ("NOTIFY_SOCKET", "INVOCATION_ID", "JOURNAL_STREAM", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
                 "WATCHDOG_USEC", "WATCHDOG_PID", "MAINPID", "SYSTEMD_EXEC_PID", "STATE_DIRECTORY",
                 "RUNTIME_DIRECTORY", "ODD_SECRET", "MESOS_MASTER", "MESOS_RESOURCES"):
        check(name not in task["env"], "%s=%s comes from the agent's unit" % (name, task["env"].get(name)))
    check(task["env"].get("MESOS_SANDBOX"), "no MESOS_SANDBOX")


def test_task_under_our_unit_is_a_plain_process_of_the_host():
    expected = probe_host()
    with Host() as host, Scheduler(host.master_addr) as s:
        task = probe_task(host, s)
        check_is_plain(task, expected)
        check_fds(task)
        check_environment(task)


def test_task_under_an_odd_unit_is_a_plain_process_of_the_host_all_the_same():
    expected = probe_host()
    can_raise = int(expected["status CapBnd"], 16) >> CAP_SYS_RESOURCE & 1
    print("the launcher %s raise hard limits here" % ("can" if can_raise else "cannot"))
    odd_unit = ODD_UNIT + (ODD_HARD_LIMITS if can_raise else ODD_SOFT_LIMITS)
    with Host(agent_unit=odd_unit) as host, Scheduler(host.master_addr) as s:
        equal(show(AGENT, "LimitNOFILESoft"), "1234", "soft LimitNOFILE of the agent")
        task = probe_task(host, s)
        check_is_plain(task, expected)
        check_fds(task)
        check_environment(task)


def test_our_unit_sets_nothing_that_cannot_be_taken_back():
    with Host():
        expected = {"NoNewPrivileges": "no", "PrivateTmp": "no", "PrivateDevices": "no", "PrivateNetwork": "no",
                    "ProtectSystem": "no", "ProtectHome": "no", "SystemCallFilter": "~", "RestrictNamespaces": "no",
                    "MemoryDenyWriteExecute": "no", "LockPersonality": "no", "RestrictSUIDSGID": "no",
                    "DynamicUser": "no", "RuntimeDirectoryPreserve": "yes", "KillMode": "control-group"}
        equal({name: show(AGENT, name) for name in expected}, expected, "properties of the agent's unit")


if __name__ == "__main__":
    main()
