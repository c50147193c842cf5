#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An agent that was marked gone while it was away: told so by its master, it ends all it has and leaves."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, children_named, equal, is_alive, main, wait_until    # noqa: E402
from libprocess_master import Stand, task_info    # noqa: E402


def run_live_task(stand):
    stand.start_agent()
    stand.master.run(task_info("live", "exec sleep 1000"))
    stand.master.wait_state("live", "TASK_RUNNING")
    return children_named("holdfast-executor") + children_named("holdfast-launcher")


def wait_left(stand, processes):
    wait_until(lambda: not stand.agent.is_running(), "the agent leaves")
    stand.cluster.check_no_containers()
    check(not any(is_alive(pid) for pid in processes), "something of its containers lives")
    names = [name for name, _ in stand.master.messages]
    check("UnregisterSlaveMessage" not in names, "it unregistered, although the master knows better")


def test_agent_that_is_gone_ends_its_containers_and_leaves():
    with Stand() as stand:
        processes = run_live_task(stand)
        stand.master.gone = True
        stand.master.send("ShutdownMessage")
        wait_left(stand, processes)


def test_agent_that_learns_it_when_it_is_back_ends_what_it_found_again():
    with Stand() as stand:
        processes = run_live_task(stand)
        stand.agent.kill9()
        check(all(is_alive(pid) for pid in processes), "its containers did not outlive it")
        stand.master.gone = True
        stand.master.forget_connection()
        stand.agent.start(wait_ready=False)
        wait_left(stand, processes)
        check("marked gone" in stand.agent.log(), "the log does not say why")


def test_agent_that_is_gone_is_told_again_each_time_and_comes_to_no_harm():
    with Stand() as stand:
        processes = run_live_task(stand)
        stand.master.gone = True
        for _ in range(2):
            stand.agent.kill9()
            stand.master.forget_connection()
            stand.agent.start(wait_ready=False)
            wait_left(stand, processes)
        equal(len({name for name, _ in stand.master.registrations[1:]}), 1, "kinds of registration once it had an id")
        equal(stand.master.registrations[-1][0], "ReregisterSlaveMessage", "with its id")


if __name__ == "__main__":
    main()
