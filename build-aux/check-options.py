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

# Program in the build tree, its verbs if it has any, man page.
PROGRAMS = (
    ("holdfast-master", (), "holdfast-master.8"),
    ("holdfast-agent", (), "holdfast-agent.8"),
    ("holdfast-fetcher", (), "holdfast-fetcher.8"),
    ("holdfast-launcher", (), "holdfast-launcher.8"),
    ("holdfast", ("run", "agents", "tasks", "top", "logs", "kill", "drain", "deactivate", "reactivate", "gone", "maintenance",
                  "version"), "holdfast.1"),
)


def options_of_help(program, verbs):
    """{verb: options}; the verb is "" for a program without verbs."""
    found = {}
    for verb in verbs or ("",):
        text = subprocess.run([program, *filter(None, [verb]), "--help"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, check=True).stdout
        found[verb] = set(re.findall(r"^ +--(?:\[no-\])?([a-z][a-z0-9_-]*)", text, re.M))
    return found


def options_of_page(path, verbs):
    """The same from the page: lines such as `.BI \\-\\-work_dir= PATH`, below `.SS VERB` where there are verbs."""
    with open(path) as f:
        text = f.read().replace("\\-", "-")
    sections = re.split(r"^\.S[HS] \"?([^\n\"]*)\"?\n", text, flags=re.M)
    by_title = dict(zip(sections[1::2], sections[2::2])) if verbs else {"": text}
    return {verb: set(re.findall(r"^\.(?:B|BI|BR) \"?--(?:\[no-\])?([a-z][a-z0-9_-]*)", by_title.get(verb, ""), re.M))
            for verb in verbs or ("",)}


def main():
    n_checked, wrong = 0, []
    for name, verbs, page in PROGRAMS:
        program = os.path.join(BUILD_DIR, name)
        if not os.access(program, os.X_OK):
            continue
        n_checked += 1
        if not os.path.exists(os.path.join(SOURCE_DIR, "docs", "man", page)):
            wrong.append("%s has no man page" % name)
            continue
        helped = options_of_help(program, verbs)
        shown = options_of_page(os.path.join(SOURCE_DIR, "docs", "man", page), verbs)
        for verb in helped:
            wrong += ["%s does not have --%s of %s" % (page, option, verb or name)
                      for option in sorted(helped[verb] - shown[verb])]
            wrong += ["%s has --%s, which %s --help does not" % (page, option, verb or name)
                      for option in sorted(shown[verb] - helped[verb])]
    print("\n".join(wrong) or "%d programs and their man pages agree" % n_checked)
    sys.exit(1 if wrong else 0 if n_checked else 77)


if __name__ == "__main__":
    main()
