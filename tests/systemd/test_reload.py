#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""systemd is told to reload, and to execute itself again, while one scope after the other is made.

Replies and signals of its bus get lost then, and so does the connection: what became of a launch the
agent must find out.
"""

import concurrent.futures
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, is_alive, n_open_fds, wait_until    # noqa: E402
from scheduler import Scheduler    # noqa: E402
from systemd import AGENT, Host, main, scopes, show, start_task, systemctl    # noqa: E402

N_ROUNDS, N_TASKS = 15, 12


def give(command, pause_s):
    """Gives systemd a command after a pause."""
    time.sleep(pause_s)
    systemctl(command)


def check_end(s, name, code):
    status = s.wait_terminal(name, timeout=60)
    equal((status["state"], status.get("message")),
          ("TASK_FAILED" if code else "TASK_FINISHED", "Command exited with status %d" % code), "end of " + name)
    equal(s.states(name), ["TASK_STARTING", "TASK_RUNNING", status["state"]], "states of " + name)


def launch_amid(command):
    with Host() as host, Scheduler(host.master_addr) as s, concurrent.futures.ThreadPoolExecutor(1) as aside:
        _, pids = start_task(host, s)
        s.run("first", "true")
        wait_until(lambda: len(scopes()) == 1, "the first scope goes")
        agent, fds = host.agent_pid(), n_open_fds(host.agent_pid())
        for n in range(N_ROUNDS):
            s.launch([s.task("t%d-%d" % (n, code), "exit %d" % code) for code in range(N_TASKS)])
            # From before the first scope is asked for to after the last one is there.
            disturbance = aside.submit(give, command, n * 0.005)
            for code in range(N_TASKS):
                check_end(s, "t%d-%d" % (n, code), code)
            disturbance.result()
        equal(host.agent_pid(), agent, "pid of the agent")
        equal(show(AGENT, "NRestarts"), "0", "restarts of the agent")
        check(all(is_alive(pid) for pid in pids), "a process of the task that was there before died")
        wait_until(lambda: len(scopes()) == 1, "scopes go with their tasks; there are %s" % scopes())
        wait_until(lambda: n_open_fds(agent) <= fds + 1, "the agent closes its fds")
        equal(systemctl("list-units", "--failed", "--no-legend"), "", "failed units")
        s.kill("steady")
        equal(s.wait_terminal("steady")["state"], "TASK_KILLED", "state")


def test_launches_amid_a_reload_of_systemd():
    launch_amid("daemon-reload")


def test_launches_amid_a_reexecution_of_systemd():
    launch_amid("daemon-reexec")


if __name__ == "__main__":
    main()
