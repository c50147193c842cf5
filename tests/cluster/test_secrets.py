#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Variables that are secrets: with a value they reach the task, by reference nobody here can resolve them."""

import base64
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Cluster, equal, http_get, main, check    # noqa: E402
from scheduler import Scheduler    # noqa: E402

VALUE = "s3cret with blanks = and $signs"


def variable(name, **secret):
    return {"name": name, "type": "SECRET", "secret": secret}


def command(text, *variables):
    return {"value": text, "environment": {"variables": list(variables)}}


def by_value(name="PASSWORD", text=VALUE):
    return variable(name, type="VALUE", value={"data": base64.b64encode(text.encode()).decode()})


def by_reference(name="PASSWORD"):
    return variable(name, type="REFERENCE", reference={"name": "vault", "key": "password"})


def test_a_secret_with_a_value_is_in_the_tasks_environment_alone():
    for flags in ([], ["--isolation=process,environment_secret"]):
        with Cluster(agent_flags=flags) as cluster, Scheduler(cluster.master_addr) as s:
            status = s.run("login", command('printf %s "$PASSWORD"', by_value()))
            equal(status["state"], "TASK_FINISHED", "state (%s)" % status.get("message"))
            equal(cluster.read_sandbox("login"), VALUE, "what the task saw")
            encoded = base64.b64encode(VALUE.encode()).decode()
            for addr in (cluster.master_addr, cluster.agent().addr):
                text = http_get(addr, "/state").text
                check(VALUE not in text and encoded not in text, "the secret is in /state of %s" % (addr,))
            for daemon in (cluster.agent(), cluster.master()):
                check(VALUE not in daemon.log() and encoded not in daemon.log(), "the secret is in a log")


def test_a_secret_by_reference_fails_the_launch_in_the_words_of_mesos():
    with Cluster() as cluster, Scheduler(cluster.master_addr) as s:
        status = s.run("login", command("true", by_value("OTHER"), by_reference()))
        equal((status["state"], status["reason"], status["message"]),
              ("TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED",
               "Failed to launch container: Default secret resolver cannot resolve references"), "end")


if __name__ == "__main__":
    main()
