# SPDX-License-Identifier: Apache-2.0
"""Whether a master's books are right: what it says in several places agrees, and adds up by agent and by role, when all
is quiet and the truth about tasks is known.

    books = read_books(leader.addr)
    violations = check_books(books, expected)

Amounts are thousandths, by name: {"cpus": 100, "mem": 32000}. Roles count: what is used or offered is booked on one.
"""

import collections

from harness import http_call, http_get

NAMES = ("cpus", "mem", "disk")

# One agent: amounts in all, and used and offered by role.
Account = collections.namedtuple("Account", "total used offered")
# agents: {id: Account}, from GET_AGENTS. listed: the same from /slaves. tasks: {id: (agent, role, state, amounts)}.
# offers: {id: (agent, role, amounts)}. metrics: {name: value}.
Books = collections.namedtuple("Books", "agents listed tasks offers metrics")


def thousandths(value):
    return round(value * 1000)


def amounts(resources):
    """Of a list of Resource messages."""
    out = collections.Counter()
    for r in resources:
        if "scalar" in r:
            out[r["name"]] += thousandths(r["scalar"]["value"])
    return +out


def plain_amounts(model):
    """Of a {name: number} model; ports and the like are text."""
    return +collections.Counter({name: thousandths(model.get(name, 0)) for name in NAMES})


def by_role(resources):
    roles = collections.defaultdict(list)
    for r in resources:
        roles[r.get("allocation_info", {}).get("role", "*")].append(r)
    return {role: amounts(rs) for role, rs in roles.items() if amounts(rs)}


def added(parts):
    return sum(parts, collections.Counter())


def read_books(addr):
    agents = http_call(addr, "POST", "/api/v1", {"type": "GET_AGENTS"}).json()["get_agents"].get("agents", [])
    slaves = http_get(addr, "/slaves").json()["slaves"]
    state = http_get(addr, "/state").json()
    metrics = http_get(addr, "/metrics/snapshot").json()
    tasks = {t["id"]: (t["slave_id"], t.get("role"), t["state"], plain_amounts(t["resources"]))
             for f in state["frameworks"] for t in f["tasks"] + f["unreachable_tasks"]}
    offers = {o["id"]: (o["slave_id"], o["allocation_info"]["role"], plain_amounts(o["resources"]))
              for f in state["frameworks"] for o in f["offers"]}
    return Books(
        {a["agent_info"]["id"]["value"]: Account(amounts(a.get("total_resources", [])),
                                                 by_role(a.get("allocated_resources", [])),
                                                 by_role(a.get("offered_resources", []))) for a in agents},
        {a["id"]: Account(amounts(a["unreserved_resources_full"]) + amounts(
            [r for rs in a["reserved_resources_full"].values() for r in rs]),
            by_role(a["used_resources_full"]), by_role(a["offered_resources_full"])) for a in slaves},
        tasks, offers, metrics)


def free_of(account):
    free = collections.Counter(account.total)
    free.subtract(added(account.used.values()))
    free.subtract(added(account.offered.values()))
    return free


def check_books(books, tasks, offers, n_agents):
    """`tasks`: {id: (role, amounts)} that run in truth. `offers`: ids that frameworks hold."""
    found = []
    if len(books.agents) != n_agents:
        found.append("%d agents are in the books, not %d" % (len(books.agents), n_agents))
    if books.agents != books.listed:
        found.append("GET_AGENTS and /slaves differ: %s, %s" % (books.agents, books.listed))
    return found + check_tasks(books, tasks) + check_offers(books, offers) + check_sums(books) + check_metrics(books)


def check_tasks(books, tasks):
    found = ["%s runs, and is not in the books" % t for t in sorted(tasks.keys() - books.tasks.keys())]
    found += ["%s is in the books as %s, and does not run" % (t, books.tasks[t][2])
              for t in sorted(books.tasks.keys() - tasks.keys())]
    for task in sorted(tasks.keys() & books.tasks.keys()):
        _, role, state, booked = books.tasks[task]
        if state != "TASK_RUNNING" or (role, booked) != tasks[task]:
            found.append("%s is in the books as %s with %s of %s, and runs with %s" % (
                task, state, dict(booked), role, tasks[task]))
    return found


def check_offers(books, offers):
    if set(books.offers) == set(offers):
        return []
    return ["offers in the books only: %s; in frameworks' hands only: %s" % (
        sorted(set(books.offers) - set(offers)), sorted(set(offers) - set(books.offers)))]


def check_sums(books):
    """Each agent's used and offered are those of its tasks and offers, and free is what is left, never less than nothing."""
    found = []
    for agent, account in sorted(books.agents.items()):
        used, offered = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter)
        for where, role, _, booked in books.tasks.values():
            if where == agent:
                used[role] += booked
        for where, role, booked in books.offers.values():
            if where == agent:
                offered[role] += booked
        if account.used != dict(used):
            found.append("agent %s: used %s, by its tasks %s" % (agent, account.used, dict(used)))
        if account.offered != dict(offered):
            found.append("agent %s: offered %s, by its offers %s" % (agent, account.offered, dict(offered)))
        found += ["agent %s: %d thousandths of %s are free" % (agent, value, name)
                  for name, value in sorted(free_of(account).items()) if value < 0]
    return found


def check_metrics(books):
    found = []
    for name in NAMES:
        total = sum(a.total[name] for a in books.agents.values())
        used = sum(added(a.used.values())[name] for a in books.agents.values())
        for suffix, value in (("total", total), ("used", used)):
            metric = thousandths(books.metrics.get("master/%s_%s" % (name, suffix), -1))
            if metric != value:
                found.append("master/%s_%s is %d thousandths, by the agents %d" % (name, suffix, metric, value))
    for metric, value in (("master/tasks_running", len(books.tasks)), ("master/outstanding_offers", len(books.offers)),
                          ("master/slaves_active", len(books.agents))):
        if books.metrics.get(metric) != value:
            found.append("%s is %s, by the books %d" % (metric, books.metrics.get(metric), value))
    return found


def unused(books):
    """What of the cluster is neither used nor offered: {agent: amounts}."""
    return {agent: dict(+free_of(account)) for agent, account in books.agents.items() if +free_of(account)}
