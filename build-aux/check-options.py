#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the options in each program's --help against those in its man page, both ways.

Deprecated spellings need no entry. Exit status 77: none of the programs is built yet.
"""

import os
import re
import subprocess
import sys

SOURCE_DIR = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
BUILD_DIR = os.environ.get("top_builddir", os.path.join(SOURCE_DIR, "build"))

# Program in the build tree, further words, man page.
PROGRAMS = (
    ("master/holdfast-master", (), "holdfast-master.8"),
    ("agent/holdfast-agent", (), "holdfast-agent.8"),
    ("launcher/holdfast-launcher", (), "holdfast-launcher.8"),
    ("executor/holdfast-executor", (), "holdfast-executor.8"),
    ("cli/holdfast", (), "holdfast.1"),
)


def options_of_help(program, words):
    text = subprocess.run([program, *words, "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, check=True).stdout
    return set(re.findall(r"^ +--(?:\[no-\])?([a-z][a-z0-9_-]*)", text, re.M))


def options_of_page(path):
    """Entries of the page: lines such as `.BI \\-\\-work_dir= PATH` after .TP."""
    with open(path) as f:
        text = f.read().replace("\\-", "-")
    return set(re.findall(r"^\.(?:TQ\n|TP\n)?(?:B|BI|BR) \"?--(?:\[no-\])?([a-z][a-z0-9_-]*)", text, re.M))


def main():
    n_checked, wrong = 0, []
    for name, words, page in PROGRAMS:
        program = os.path.join(BUILD_DIR, name)
        if not os.access(program, os.X_OK):
            continue
        n_checked += 1
        if not os.path.exists(os.path.join(SOURCE_DIR, "docs", "man", page)):
            wrong.append("%s has no man page" % name)
            continue
        helped = options_of_help(program, words)
        shown = options_of_page(os.path.join(SOURCE_DIR, "docs", "man", page))
        wrong += ["%s does not have --%s" % (page, option) for option in sorted(helped - shown)]
        wrong += ["%s has --%s, which %s --help does not" % (page, option, name)
                  for option in sorted(shown - helped)]
    print("\n".join(wrong) or "%d programs and their man pages agree" % n_checked)
    sys.exit(1 if wrong else 0 if n_checked else 77)


if __name__ == "__main__":
    main()
