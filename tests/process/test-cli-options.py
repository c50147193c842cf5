#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The completion of holdfast offers what --help shows, no more and no less. (build-aux/check-options.py
holds --help against the man pages.)"""

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from fake_master import FakeMaster  # noqa: E402
from harness import BUILD_DIR, SOURCE_DIR, Skip, check, equal, main, program, skip  # noqa: E402

VERBS = ["agents", "deactivate", "drain", "gone", "kill", "logs", "maintenance", "reactivate", "run", "tasks", "top",
         "version"]
COMPLETION = os.path.join(SOURCE_DIR, "cli", "completion", "holdfast")


def complete(*words):
    """What Tab behind the last word offers."""
    if not shutil.which("bash"):
        skip("there is no bash")
    script = ('source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; _holdfast; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    directory = os.path.dirname(program("holdfast"))
    done = subprocess.run(["bash", "-c", script, COMPLETION, *words], capture_output=True, text=True, check=True,
                          env={**os.environ, "PATH": directory + ":" + os.environ["PATH"]})
    equal(done.stderr, "", "stderr of the completion")
    return sorted(filter(None, done.stdout.splitlines()))


def options_of_help(*command):
    """As the completion is to offer them."""
    text = subprocess.run([program(command[0]), *command[1:], "--help"], capture_output=True, text=True, check=True).stdout
    found = []
    for no, name, value in re.findall(r"^  --(\[no-\])?([a-z][a-z0-9_-]*)(=?)", text, re.M):
        found += ["--" + name + value] + (["--no-" + name] if no else [])
    return sorted(found)


def test_every_verb_is_offered():
    equal(complete("holdfast", ""), sorted([*VERBS, "--help", "--version"]))
    equal(complete("holdfast", "lo"), ["logs"])


def test_every_verb_has_help_and_offers_its_options():
    for verb in VERBS:
        options = options_of_help("holdfast", verb)
        check("--help" in options and "--version" in options and "--master=" in options, (verb, options))
        equal(complete("holdfast", verb, "--"), options, "options of " + verb)


def test_a_beginning_narrows_the_offer():
    equal(complete("holdfast", "run", "--no-c"), ["--no-checkpoint"])
    equal(complete("holdfast", "run", "--nosuch"), [])


def test_tasks_are_offered_where_a_task_is_expected():
    with FakeMaster() as master:
        tasks = [{"id": "hello.%d" % n, "name": "hello", "state": "TASK_RUNNING"} for n in range(2)]
        master.state["frameworks"] = [{"id": "f", "name": "f", "tasks": tasks}]
        equal(complete("holdfast", "logs", "--master=" + master.address, "he"), ["hello.0", "hello.1"])
        equal(complete("holdfast", "kill", "--master=" + master.address, "hello.1"), ["hello.1"])


def test_agents_and_machines_are_offered_where_they_are_expected():
    with FakeMaster() as master:
        master.state["slaves"] = [{"id": "S%d" % n, "hostname": "node%d" % n} for n in range(2)]
        flag = "--master=" + master.address
        for verb in ("drain", "deactivate", "reactivate", "gone"):
            equal(complete("holdfast", verb, flag, ""), ["S0", "S1", "node0", "node1"], verb)
        equal(complete("holdfast", "maintenance", ""), ["cancel", "down", "schedule", "show", "up"], "commands")
        equal(complete("holdfast", "maintenance", "down", flag, "n"), ["node0", "node1"], "machines")


def test_daemons_offer_their_options():
    n_checked = 0
    for name in ("holdfast-agent", "holdfast-master"):
        try:
            program(name)
        except Skip:
            continue
        equal(complete(name, "--"), options_of_help(name), "options of " + name)
        n_checked += 1
    if n_checked == 0:
        skip("no daemon is built in " + BUILD_DIR)


if __name__ == "__main__":
    main()
