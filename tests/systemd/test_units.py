#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `make install` gives systemd is valid: units, the master's user, the catalog."""

import os
import pwd
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import SOURCE_DIR, check, equal    # noqa: E402
from systemd import AGENT, MASTER, main, run, show    # noqa: E402


def test_units_have_no_mistakes():
    paths = [show(unit, "FragmentPath") for unit in (AGENT, MASTER, "holdfast-agent.socket", "holdfast.slice")]
    equal(run("systemd-analyze", "verify", "--man=no", *paths), "", "complaints")


def test_user_of_the_master_is_made_by_sysusers():
    run("systemd-sysusers")
    equal(show(MASTER, "User"), pwd.getpwnam("holdfast").pw_name, "user of the master")


def test_journal_explains_every_message_id():
    run("journalctl", "--update-catalog")
    with open(os.path.join(SOURCE_DIR, "common", "base", "message_id.h")) as f:
        ids = re.findall(r'"([0-9a-f]{32})"', f.read())
    check(ids, "no ids")
    for message_id in ids:
        check("Defined-By: Holdfast" in run("journalctl", "--dump-catalog", message_id), message_id + " is not explained")


if __name__ == "__main__":
    main()
