#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that others wrote for Mesos run a task on Holdfast: an npm package, and curl."""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import SOURCE_DIR, TIMEOUT_SCALE, Cluster, check, equal, main, skip    # noqa: E402

HERE = os.path.join(SOURCE_DIR, "tests", "clients")
PACKAGE = "mesos-framework@0.5.3"


def cache_directory():
    return os.environ.get("HOLDFAST_TEST_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "holdfast-tests")


def install_package():
    """The directory with the package's node_modules; npm's own cache makes the second time quick."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            skip("%s is not installed" % tool)
    directory = os.path.join(cache_directory(), "npm-" + PACKAGE)
    if not os.path.exists(os.path.join(directory, "node_modules", "mesos-framework")):
        os.makedirs(directory, exist_ok=True)
        result = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save",
                                 "--prefix", directory, PACKAGE], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180, check=False)
        if result.returncode != 0:
            skip("npm cannot install %s here: %s" % (PACKAGE, result.stdout.strip().splitlines()[-1:]))
    return directory


def run_client(argv, cwd=None, **env):
    return subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60 * TIMEOUT_SCALE, env={**os.environ, **env}, check=False)


def test_command_scheduler_of_npm_mesos_framework_runs_a_task():
    directory = install_package()
    with Cluster() as cluster:
        os.mkdir(cluster.work_path("logs"))    # the package wants to write into ./logs
        result = run_client(["node", os.path.join(HERE, "mesos-framework.js"), *map(str, cluster.master_addr)],
                            cwd=cluster.directory, NODE_PATH=os.path.join(directory, "node_modules"))
        print(result.stdout, end="")
        equal(result.returncode, 0, "exit status of the client")
        check("TASK_FINISHED" in result.stdout, "no TASK_FINISHED")


def test_script_of_curl_calls_runs_a_task():
    if not shutil.which("curl"):
        skip("curl is not installed")
    with Cluster() as cluster:
        result = run_client(["sh", os.path.join(HERE, "curl-scheduler.sh"), "%s:%d" % cluster.master_addr,
                             "echo by curl"])
        print(result.stdout, end="")
        equal(result.returncode, 0, "exit status of the script")
        check("TASK_FINISHED" in result.stdout, "no TASK_FINISHED")


if __name__ == "__main__":
    main()
