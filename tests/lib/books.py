# SPDX-License-Identifier: Apache-2.0
"""The master's books, as its state shows them: every resource is in one place, and nothing in two.

    check_books(cluster)           # at any time: what agents have out is what tasks, executors, offers hold
    wait_balanced(cluster, s)      # at rest, with a scheduler that takes all offers: nothing is lost either
"""

from harness import check, equal, http_get, wait_until

ENDED = ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_LOST", "TASK_ERROR", "TASK_DROPPED", "TASK_GONE",
         "TASK_GONE_BY_OPERATOR", "TASK_UNREACHABLE")
NAMES = ("cpus", "mem")


def state(cluster):
    return http_get(cluster.master_addr, "/state").json()


def _sum(items, agent_id, name):
    return round(sum(i["resources"].get(name, 0) for i in items if i["slave_id"] == agent_id), 3)


def _amount(agent, which, name):
    return round(agent[which].get(name, 0), 3)


def check_books(cluster):
    now = state(cluster)
    tasks = [t for f in now["frameworks"] for t in f["tasks"] if t["state"] not in ENDED]
    executors = [e for f in now["frameworks"] for e in f["executors"]]
    offers = [o for f in now["frameworks"] for o in f["offers"]]
    for agent in now["slaves"]:
        for name in NAMES:
            used = _amount(agent, "used_resources", name)
            held = _amount(agent, "offered_resources", name)
            equal(used, round(_sum(tasks, agent["id"], name) + _sum(executors, agent["id"], name), 3),
                  "used %s of %s" % (name, agent["id"]))
            equal(held, _sum(offers, agent["id"], name), "offered %s of %s" % (name, agent["id"]))
            check(used + held <= agent["resources"].get(name, 0) + 1e-6,
                  "%g %s are out of %s" % (used + held, name, agent["resources"]))


def wait_balanced(cluster, scheduler):
    """All that is not used comes to be offered to a scheduler that refuses nothing: free was what it seemed."""
    def is_balanced():
        for agent in state(cluster)["slaves"]:
            for name in NAMES:
                out = _amount(agent, "used_resources", name) + _amount(agent, "offered_resources", name)
                if agent["active"] and round(out, 3) != _amount(agent, "resources", name):
                    return False
        return True
    scheduler.revive()
    wait_until(is_balanced, "all that is not used is offered")
    check_books(cluster)
