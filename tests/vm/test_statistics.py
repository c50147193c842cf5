#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Statistics of containers where the kernel has the controllers: each figure that Mesos names, and ours beside it."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, http_get, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from systemd import AGENT, Host, systemctl    # noqa: E402
from vm import main_inside    # noqa: E402

MB = 1 << 20
# 40 MB of its own, a file of 8 MB in the page cache, a child, a thread more than its first, all the cpu it can get.
WORK = """exec python3 -c '
import subprocess, threading
own = bytearray(40 << 20)
open("file", "wb").write(bytes(8 << 20))
child = subprocess.Popen(["sleep", "1000"])
threading.Thread(target=child.wait).start()
print("ready", flush=True)
while True: pass'"""


def container(host):
    try:
        answer = http_get(host.agent_addr, "/containers")
        return answer.json()[0] if answer.status == 200 and answer.json() else None
    except (OSError, ValueError):
        return None


def measuring_host(**settings):
    return Host(MESOS_ISOLATION="cgroups/cpu,cgroups/mem,cgroups/pids", MESOS_HOLDFAST_PIDS_MAX="100",
                MESOS_CGROUPS_CPU_ENABLE_PIDS_AND_TIDS_COUNT="true", **settings)


def start(host, s, **fields):
    s.launch([s.task("work", WORK, **fields)])
    s.wait_state("work", "TASK_RUNNING")
    wait_until(lambda: "ready" in host.read_sandbox("work"), "it works")


def check_statistics(s):
    equal((s["cpus_soft_limit"], s["cpus_limit"]), (0.2, 0.5), "cpus: what was asked for, and the limit")
    equal((s["mem_soft_limit_bytes"], s["mem_limit_bytes"]), (160 * MB, 232 * MB), "memory, likewise")
    check(s["cpus_user_time_secs"] > 0 and s["cpus_nr_periods"] > 0, s)
    check(s["cpus_nr_throttled"] > 0 and s["cpus_throttled_time_secs"] > 0, s)
    check(40 * MB < s["mem_anon_bytes"] < 120 * MB and s["mem_rss_bytes"] == s["mem_anon_bytes"], s)
    check(8 * MB <= s["mem_file_bytes"] == s["mem_cache_bytes"], s)
    check(s["mem_total_bytes"] > s["mem_anon_bytes"], s)
    for name in ("mem_kmem_usage_bytes", "mem_kmem_tcp_usage_bytes", "mem_mapped_file_bytes", "mem_unevictable_bytes"):
        check(name in s, "%s is missing from %s" % (name, s))
    # The executor, the task, and its child.
    check(s["processes"] == 3 and s["threads"] >= 4, s)


def test_each_figure_is_there_and_right_after_a_restart_too():
    with measuring_host() as host, Scheduler(host.master_addr) as s:
        start(host, s, cpus=0.1, mem=128.0, limits={"cpus": {"value": 0.4}, "mem": {"value": 200.0}})
        wait_until(lambda: container(host)["statistics"].get("cpus_nr_throttled", 0) > 1, "it is throttled")
        before = container(host)
        check_statistics(before["statistics"])
        more = before["holdfast_statistics"]
        equal(more["pids_limit"], 100, "pids.max")
        check(more["pids"] >= 4 and set(more["mem_events"]) == {"low", "high", "max", "oom", "oom_kill"}, more)

        since = time.time()
        systemctl("restart", AGENT)
        after = wait_until(lambda: container(host), "the agent tells of its container")
        check_statistics(after["statistics"])
        equal(set(after["statistics"]), set(before["statistics"]), "fields")
        check(after["statistics"]["cpus_user_time_secs"] >= before["statistics"]["cpus_user_time_secs"], after)
        host.wait_registered(since)
        s.kill("work")
        s.wait_terminal("work")


def test_request_is_the_limit_of_cpus_with_cfs():
    with measuring_host(MESOS_CGROUPS_ENABLE_CFS="true") as host, Scheduler(host.master_addr) as s:
        start(host, s, cpus=0.3, mem=96.0)
        statistics = container(host)["statistics"]
        equal((statistics["cpus_soft_limit"], statistics["cpus_limit"]), (0.4, 0.4))
        s.kill("work")
        s.wait_terminal("work")


main_inside()
