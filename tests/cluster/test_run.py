#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`holdfast run` and its sisters, as a person uses them."""

import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import TIMEOUT_SCALE, Cluster, check, equal, main, program, skip, wait_until    # noqa: E402


def holdfast(cluster, verb, *flags, timeout=60, **options):
    return subprocess.run([program("holdfast"), verb, "--master=%s:%d" % cluster.master_addr, *flags],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout * TIMEOUT_SCALE, check=False, **options)


def run_task(cluster, command, *flags, **options):
    return holdfast(cluster, "run", "--name=test", "--command=" + command, *flags, **options)


def start_run(cluster, command, *flags):
    return subprocess.Popen([program("holdfast"), "run", "--master=%s:%d" % cluster.master_addr, "--name=test",
                             "--command=" + command, *flags],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def make_tarball(path):
    """A small program with a makefile, as one gets them."""
    files = {
        "hello/Makefile": "hello: hello.c message.c\n\t$(CC) -o $@ hello.c message.c\n",
        "hello/hello.c": "#include <stdio.h>\nconst char *message(void);\n"
                         "int main(void) {\n        puts(message());\n        return 0;\n}\n",
        "hello/message.c": "const char *message(void) {\n        return \"built by a task\";\n}\n",
    }
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))


def test_tarball_is_fetched_built_and_its_result_summed():
    if not shutil.which("make") or not shutil.which("cc"):
        skip("make and cc are not both installed")
    with Cluster() as cluster:
        tarball = cluster.work_path("hello.tar.gz")
        make_tarball(tarball)
        result = run_task(cluster, "make -C hello && hello/hello >output && sha256sum output",
                          "--uris=file://" + tarball, "--follow", "--resources=cpus:1;mem:256")
        equal(result.returncode, 0, "exit status (%s)" % result.stderr)
        expected = hashlib.sha256(b"built by a task\n").hexdigest()
        check("%s  output" % expected in result.stdout, "no checksum in %r" % result.stdout)


def test_exit_status_is_that_of_the_task():
    with Cluster() as cluster:
        for command, status in (("true", 0), ("exit 7", 7), ("no_such_command_xyz", 127)):
            equal(run_task(cluster, command).returncode, status, "exit status of %r" % command)


def test_task_that_dies_of_a_signal_ends_run_as_it_would_end_a_shell():
    with Cluster() as cluster:
        equal(run_task(cluster, "kill -9 $$").returncode, 128 + signal.SIGKILL, "exit status")


def test_states_are_shown_and_output_is_followed():
    with Cluster() as cluster:
        result = run_task(cluster, "echo to stdout; echo to stderr >&2", "--follow")
        equal(result.returncode, 0, "exit status")
        both = result.stdout + result.stderr
        for text in ("TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED", "to stdout", "to stderr"):
            check(text in both, "%r is not in %r" % (text, both))
        check("to stdout" in result.stdout, "stdout of the task is not on stdout")


def test_environment_of_the_task_is_given_by_env():
    with Cluster() as cluster:
        result = run_task(cluster, "echo \"[$GREETING]\"", "--follow", "--env=GREETING=good day")
        check("[good day]" in result.stdout, "output is %r" % result.stdout)


def test_control_c_kills_the_task():
    with Cluster() as cluster:
        ready = cluster.work_path("ready")
        run = start_run(cluster, "touch %s; exec sleep 1000" % ready)
        wait_until(lambda: os.path.exists(ready), "the task runs")
        run.send_signal(signal.SIGINT)
        output, _ = run.communicate(timeout=20 * TIMEOUT_SCALE)
        check("TASK_KILLED" in output, "output is %r" % output)
        check(run.returncode != 0, "a killed task is no success")
        cluster.check_no_containers()


def test_output_is_followed_across_a_restart_of_the_agent():
    with Cluster() as cluster:
        ready, gate = cluster.work_path("ready"), cluster.work_path("gate")
        run = start_run(cluster, "echo before; touch %s; while [ ! -e %s ]; do sleep 0.05; done; echo after; exit 3"
                        % (ready, gate), "--follow")
        wait_until(lambda: os.path.exists(ready), "the task runs")
        cluster.agent().kill9()
        open(gate, "w").close()
        cluster.agent().start()
        output, _ = run.communicate(timeout=60 * TIMEOUT_SCALE)
        equal(run.returncode, 3, "exit status (%s)" % output)
        equal([len(re.findall(r"(?m)^%s$" % w, output)) for w in ("before", "after")], [1, 1],
              "lines in %r" % output)


def test_agents_and_tasks_are_listed_for_people_and_for_programs():
    with Cluster() as cluster:
        ready = cluster.work_path("ready")
        run = start_run(cluster, "touch %s; exec sleep 1000" % ready)
        wait_until(lambda: os.path.exists(ready), "the task runs")
        agents = holdfast(cluster, "agents")
        equal(agents.returncode, 0, "exit status of agents (%s)" % agents.stderr)
        check("127.0.0.1" in agents.stdout, "agents says %r" % agents.stdout)
        tasks = holdfast(cluster, "tasks")
        check("test" in tasks.stdout and "TASK_RUNNING" in tasks.stdout, "tasks says %r" % tasks.stdout)
        for verb in ("agents", "tasks"):
            json.loads(holdfast(cluster, verb, "--json").stdout)
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=20 * TIMEOUT_SCALE)
        cluster.check_no_containers()


def test_master_that_is_not_there_is_told_in_words():
    result = subprocess.run([program("holdfast"), "agents", "--master=127.0.0.1:1"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, timeout=30 * TIMEOUT_SCALE, check=False)
    equal(result.returncode, 125, "exit status")
    check("No answer from http://127.0.0.1:1" in result.stderr, "it says %r" % result.stderr)


if __name__ == "__main__":
    main()
