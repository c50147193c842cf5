# SPDX-License-Identifier: Apache-2.0
"""What operators ask a master for, and what they see of it.

    operator = Operator(cluster.master_addr)
    operator.do("DRAIN_AGENT", agent_id=ident(agent.agent_id), mark_gone=True)
    operator.refused("REACTIVATE_AGENT", 400, "Agent is still in the DRAINING state", agent_id=…)
"""

from harness import Cluster, equal, http_call, http_get, wait_until
from libprocess_agent import KILLED, RUNNING, LibprocessAgent


def ident(agent_id):
    return {"value": agent_id}


class Operator:
    def __init__(self, addr):
        self.addr = addr

    def call(self, kind, **fields):
        return http_call(self.addr, "POST", "/api/v1", {"type": kind, kind.lower(): fields})

    def do(self, kind, **fields):
        """The answer's member; None where it is empty."""
        answer = self.call(kind, **fields)
        equal((answer.status, answer.text if answer.status != 200 else ""), (200, ""), kind)
        return answer.json()[kind.lower()] if answer.body else None

    def refused(self, kind, status, text, **fields):
        answer = self.call(kind, **fields)
        equal((answer.status, answer.text), (status, text), kind)

    # Verbs on agents

    def drain(self, agent_id, **fields):
        self.do("DRAIN_AGENT", agent_id=ident(agent_id), **fields)

    def deactivate(self, agent_id):
        self.do("DEACTIVATE_AGENT", agent_id=ident(agent_id))

    def reactivate(self, agent_id):
        self.do("REACTIVATE_AGENT", agent_id=ident(agent_id))

    def mark_gone(self, agent_id):
        self.do("MARK_AGENT_GONE", agent_id=ident(agent_id))

    # Views

    def agents(self):
        """Those registered, by id, as GET_AGENTS has them."""
        return {a["agent_info"]["id"]["value"]: a for a in self.do("GET_AGENTS").get("agents", ())}

    def slave(self, agent_id):
        """A registered agent as /slaves has it; None: there is none."""
        return next((s for s in http_get(self.addr, "/slaves").json()["slaves"] if s["id"] == agent_id), None)

    def recovered_slave(self, agent_id):
        return next((s for s in http_get(self.addr, "/slaves").json()["recovered_slaves"] if s["id"] == agent_id),
                    None)

    def drain_state(self, agent_id):
        return (self.slave(agent_id) or {}).get("drain_info", {}).get("state")

    def wait_drain_state(self, agent_id, state):
        wait_until(lambda: self.drain_state(agent_id) == state, "agent %s is %s" % (agent_id, state))

    def wait_active(self, agent_id, active=True):
        wait_until(lambda: (self.slave(agent_id) or {}).get("active") == active,
                   "agent %s is %s" % (agent_id, "active" if active else "inactive"))

    def wait_unreachable(self, agent_id):
        wait_until(lambda: self.slave(agent_id) is None and self.recovered_slave(agent_id) is None,
                   "agent %s is unreachable" % agent_id)

    # Maintenance

    def schedule(self, *windows):
        self.do("UPDATE_MAINTENANCE_SCHEDULE", schedule={"windows": list(windows)})

    def maintenance_status(self):
        return self.do("GET_MAINTENANCE_STATUS")["status"]

    def maintenance_schedule(self):
        return self.do("GET_MAINTENANCE_SCHEDULE")["schedule"]

    def down(self, *machines):
        self.do("START_MAINTENANCE", machines=list(machines))

    def up(self, *machines):
        self.do("STOP_MAINTENANCE", machines=list(machines))


def machine(hostname, ip=None):
    return {"hostname": hostname, **({"ip": ip} if ip else {})}


def window(*machines, start=1795292183811742208, duration=None):
    unavailability = {"start": {"nanoseconds": start}}
    if duration is not None:
        unavailability["duration"] = {"nanoseconds": duration}
    return {"machine_ids": list(machines), "unavailability": unavailability}


class Scene:
    """A master, a scripted agent of it, and an operator."""

    def __init__(self, *master_flags, **agent_options):
        self.cluster = Cluster(n_agents=0, master_flags=master_flags)
        self.agent = LibprocessAgent(self.cluster.master_addr, **agent_options)
        self.operator = Operator(self.cluster.master_addr)
        self.agent.register()

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.agent.vanish()
        return self.cluster.__exit__(*why)

    @property
    def id(self):
        return self.agent.agent_id

    def run_task(self, scheduler, task_id="t"):
        scheduler.launch([scheduler.task(task_id, "true")])
        self.agent.wait_task(task_id)
        self.agent.update(scheduler.framework_id, task_id, RUNNING)
        scheduler.wait_state(task_id, "TASK_RUNNING")

    def kill_task(self, scheduler, task_id="t"):
        self.agent.update(scheduler.framework_id, task_id, KILLED)
        scheduler.wait_state(task_id, "TASK_KILLED")

    def restart_master(self):
        self.cluster.master().kill9()
        self.cluster.master().start()

    def cut_off(self):
        """The agent is away until it is unreachable."""
        self.agent.vanish()
        self.operator.wait_unreachable(self.id)

    def return_agent(self, tasks=()):
        self.agent.vanish()
        self.agent.come_back()
        self.agent.reregister(tasks)
