#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Drains and maintenance are in ZooKeeper's hands: the next leader goes on with them."""

import contextlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import (HOST, Daemon, equal, free_port, http_get, main, program, temporary_directory,    # noqa: E402
                     wait_until)
from libprocess_agent import KILLED, RUNNING, LibprocessAgent    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from verbs import Operator, machine, window    # noqa: E402
from wire import first    # noqa: E402
from zookeeper import Ensemble, need_zookeeper    # noqa: E402

PLANNED, DOWN = machine("planned", HOST), machine("down", HOST)


def start_master(name, directory, url):
    port = free_port()
    argv = [program("holdfast-master"), "--ip=" + HOST, "--port=%d" % port, "--hostname=" + HOST, "--zk=" + url,
            "--zk_session_timeout=2secs"]
    return Daemon(name, argv, (HOST, port), directory).start()


def wait_leads(master):
    wait_until(lambda: http_get(master.addr, "/metrics/snapshot").json()["master/elected"] == 1
               and http_get(master.addr, "/state").status == 200, master.name + " leads", timeout=60)


def test_the_next_leader_goes_on_with_drains_and_maintenance():
    need_zookeeper()
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(temporary_directory())
        url = stack.enter_context(Ensemble()).url()
        masters = []
        for name in ("first", "second"):
            masters.append(start_master(name, directory, url))
            stack.callback(masters[-1].kill9)
            wait_leads(masters[0])
        leader, standby = masters

        agent = stack.enter_context(LibprocessAgent(leader.addr, hostname="drained"))
        planned = stack.enter_context(LibprocessAgent(leader.addr, hostname="planned"))
        operator = Operator(leader.addr)
        agent.register()
        s = stack.enter_context(Scheduler(leader.addr))
        s.launch([s.task("t", "true")])
        agent.wait_task("t")
        agent.update(s.framework_id, "t", RUNNING)
        s.wait_state("t", "TASK_RUNNING")
        planned.register()
        operator.drain(agent.agent_id, mark_gone=True)
        operator.schedule(window(PLANNED, DOWN, start=7))
        operator.down(DOWN)
        schedule, status = operator.maintenance_schedule(), operator.maintenance_status()

        leader.kill9()
        wait_leads(standby)
        operator = Operator(standby.addr)
        equal((operator.maintenance_schedule(), operator.maintenance_status()), (schedule, status), "maintenance")
        equal(operator.recovered_slave(agent.agent_id)["drain_info"]["state"], "DRAINING", "the drain")

        s.addr = standby.addr
        s.subscribe()
        for one, tasks in ((agent, [agent.task(s.framework_id, "t")]), (planned, [])):
            one.vanish()
            one.master_addr = standby.addr
            one.come_back()
            one.reregister(tasks)
        agent.wait_message("DrainSlaveMessage")
        equal(s.wait_offer(agent_id=planned.agent_id)["unavailability"], {"start": {"nanoseconds": 7}}, "offer")
        with LibprocessAgent(standby.addr, hostname="down") as late:
            late.ask_to_register()
            equal(first(late.wait_message("ShutdownMessage"), 1), b"Machine is `DOWN`", "message")
        agent.update(s.framework_id, "t", KILLED)
        agent.wait_message("ShutdownMessage")
        wait_until(lambda: operator.slave(agent.agent_id) is None, "it is gone")


if __name__ == "__main__":
    main()
