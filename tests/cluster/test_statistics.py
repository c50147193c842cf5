#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What containers use: the documents Mesos gives, ended processes counted, and complete after a restart of the agent."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, check, children_named, equal, http_call, http_get, main, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402

# Of an agent with Mesos's default isolation, posix/cpu,posix/mem.
STATISTICS = {"cpus_soft_limit", "cpus_system_time_secs", "cpus_user_time_secs", "mem_limit_bytes", "mem_rss_bytes",
              "mem_soft_limit_bytes", "timestamp"}
MB = 1 << 20


def containers(agent):
    """None while the agent does not answer."""
    try:
        answer = http_get(agent.addr, "/containers")
    except OSError:
        return None
    return answer.json() if answer.status == 200 else None


def start(s, command="exec sleep 1000", **fields):
    s.launch([s.task("steady", command, **fields)])
    s.wait_state("steady", "TASK_RUNNING")


def test_documents_have_the_fields_of_mesos():
    with Cluster() as c, Scheduler(c.master_addr) as s:
        start(s, cpus=0.5, mem=64.0)
        container = containers(c.agent())[0]
        equal(set(container), {"container_id", "executor_id", "executor_name", "framework_id", "source", "statistics",
                               "status"}, "fields of a container")
        equal(set(container["statistics"]), STATISTICS, "fields of its statistics")
        equal(set(container["status"]), {"container_id", "executor_pid"}, "fields of its status")
        equal(container["statistics"]["mem_limit_bytes"], 96 * MB, "the task's memory and its executor's")
        equal(container["statistics"]["cpus_soft_limit"], 0.6, "the task's cpus and its executor's")
        check(container["statistics"]["mem_rss_bytes"] > 100000, container)

        monitored = http_get(c.agent().addr, "/monitor/statistics").json()[0]
        equal(set(monitored), {"executor_id", "executor_name", "framework_id", "source", "statistics"})
        equal(set(monitored["statistics"]), STATISTICS)

        answer = http_call(c.agent().addr, "POST", "/api/v1", b'{"type":"GET_CONTAINERS"}',
                           {"Content-Type": "application/json"}).json()
        called = answer["get_containers"]["containers"][0]
        equal(set(called["resource_statistics"]), STATISTICS)
        equal(called["container_status"]["executor_pid"], container["status"]["executor_pid"])
        s.kill("steady")
        s.wait_terminal("steady")


def test_cgroup_adds_what_the_kernel_knows_beside_what_mesos_tells():
    with Cluster(launcher="linux") as c, Scheduler(c.master_addr) as s:
        start(s)
        container = containers(c.agent())[0]
        equal(set(container["statistics"]), STATISTICS, "fields of its statistics")
        has_pressure = os.path.exists(os.path.join(c.cgroup, "memory.pressure"))
        equal("mem_pressure" in container.get("holdfast_statistics", {}), has_pressure, "whether pressure is told")
        if has_pressure:
            equal(set(container["holdfast_statistics"]["mem_pressure"]),
                  {"some_avg10", "some_total_secs", "full_avg10", "full_total_secs"})
        s.kill("steady")
        s.wait_terminal("steady")


def test_cpu_time_of_ended_processes_is_not_forgotten():
    with Cluster(launcher="linux") as c, Scheduler(c.master_addr) as s:
        # A child burns, and ends; what remains has used nothing.
        start(s, "timeout 1 sh -c 'while :; do :; done'; echo burnt; exec sleep 1000")
        wait_until(lambda: "burnt" in c.read_sandbox("steady"), "the child ends")
        statistics = containers(c.agent())[0]["statistics"]
        used = statistics["cpus_user_time_secs"] + statistics["cpus_system_time_secs"]
        check(used > 0.2, "only %s s were counted" % used)
        s.kill("steady")
        s.wait_terminal("steady")


def test_statistics_are_complete_after_a_restart_before_any_executor_is_back():
    for launcher in ("posix", "linux"):
        with Cluster(launcher=launcher, agent_flags=["--executor_reregistration_timeout=15secs"]) as c, \
                Scheduler(c.master_addr) as s:
            start(s, cpus=0.5, mem=64.0)
            before = containers(c.agent())[0]
            executor = children_named("holdfast-execut")[0]
            os.kill(executor, signal.SIGSTOP)
            try:
                c.agent().kill9()
                c.agent().start()
                # The launcher tells which process is the first; until then a process tree has no root.
                wait_until(lambda: "executor_pid" in containers(c.agent())[0]["status"], "the launcher is found again")
                after = containers(c.agent())[0]
                equal(http_get(c.agent().addr, "/state").status, 503, "status of /state while the executor is away")
            finally:
                os.kill(executor, signal.SIGCONT)
            equal(set(after["statistics"]), STATISTICS, "fields after the restart")
            equal(after["statistics"]["mem_limit_bytes"], before["statistics"]["mem_limit_bytes"])
            equal(after["statistics"]["cpus_soft_limit"], before["statistics"]["cpus_soft_limit"])
            equal(after["status"], before["status"])
            c.wait_reregistered(c.agent())
            s.kill("steady")
            s.wait_terminal("steady")


main()
