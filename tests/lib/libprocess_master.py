# SPDX-License-Identifier: Apache-2.0
"""A master that only speaks to one agent, in libprocess messages, and says what the test tells it to.

    with Stand() as stand:
        stand.start_agent()
        stand.master.apply(reserve(scalar("cpus", 1, "ops")))
        status = stand.master.wait_operation("OPERATION_FINISHED")

Registrations are answered. Updates of tasks are acknowledged unless `acknowledge` is False, those of
operations by the test, or if `acknowledge_operations` is True. Messages of the agent are kept in `messages` as (name, fields) in the order
they came. Field numbers are those of Mesos's messages.
"""

import os
import socket
import threading
import time
from uuid import uuid4

from harness import HOST, TIMEOUT_SCALE, Cluster, Failure, check, http_call, http_get, wait_until
from libprocess_agent import drain, identity, read_body
from wire import field, first, read

FRAMEWORK_ID = "scripted-0000"
AGENT_ID = "scripted-S0"
STATIC, DYNAMIC = 1, 2
RESERVE, UNRESERVE, CREATE, DESTROY, GROW_VOLUME, SHRINK_VOLUME = 2, 3, 4, 5, 11, 12
OPERATION_STATES = {1: "OPERATION_PENDING", 2: "OPERATION_FINISHED", 5: "OPERATION_DROPPED"}
TASK_STATES = {0: "TASK_STARTING", 1: "TASK_RUNNING", 2: "TASK_FINISHED", 3: "TASK_FAILED", 4: "TASK_KILLED",
               5: "TASK_LOST", 8: "TASK_KILLING", 9: "TASK_DROPPED", 11: "TASK_GONE", 12: "TASK_GONE_BY_OPERATOR"}
PARTITION_AWARE, TASK_KILLING_STATE = 5, 2


# Resources and operations

def scalar(name, value, *reserved, volume=None, allocated=None):
    """`reserved` to roles, dynamically; volume=(id, path)."""
    disk = None
    if volume:
        disk = field(1, field(1, volume[0])) + field(2, field(1, volume[1]) + field(3, 1))
    return (field(1, name) + field(2, 0) + field(3, field(1, float(value))) + field(7, disk)
            + (field(11, field(1, allocated)) if allocated else b"")
            + b"".join(field(13, field(3, role) + field(4, DYNAMIC)) for role in reserved))


def operation(kind, number, body, name=None):
    return field(1, kind) + (field(12, identity(name)) if name else b"") + field(number, body)


def many(resources):
    return b"".join(field(1, r) for r in resources)


def reserve(*resources, name=None):
    return operation(RESERVE, 3, many(resources), name)


def unreserve(*resources, name=None):
    return operation(UNRESERVE, 4, many(resources), name)


def create(*volumes, name=None):
    return operation(CREATE, 5, many(volumes), name)


def destroy(*volumes, name=None):
    return operation(DESTROY, 6, many(volumes), name)


def grow(volume, addition, name=None):
    return operation(GROW_VOLUME, 13, field(1, volume) + field(2, addition), name)


def shrink(volume, subtract, name=None):
    return operation(SHRINK_VOLUME, 14, field(1, volume) + field(2, field(1, float(subtract))), name)


def framework(checkpoint=True, capabilities=(PARTITION_AWARE, TASK_KILLING_STATE)):
    return (field(1, "root") + field(2, "scripted") + field(3, identity(FRAMEWORK_ID)) + field(5, checkpoint)
            + b"".join(field(10, field(1, c)) for c in capabilities) + field(12, "ops"))


def reconciliation(*task_ids, capabilities=(PARTITION_AWARE,)):
    """The master has these tasks on its books, and asks."""
    def status(task_id):
        return field(1, identity(task_id)) + field(2, 1) + field(5, identity(AGENT_ID))
    return field(2, field(1, identity(FRAMEWORK_ID)) + b"".join(field(2, status(t)) for t in task_ids)
                 + field(3, framework(capabilities=capabilities)))


def duration(seconds):
    return field(1, int(seconds * 1e9))


def task_info(task_id, command, *resources, grace_s=None, executor=None):
    resources = resources or (scalar("cpus", 0.1, allocated="ops"), scalar("mem", 32, allocated="ops"))
    return (field(1, task_id) + field(2, identity(task_id)) + field(3, identity(AGENT_ID))
            + b"".join(field(4, r) for r in resources) + field(5, executor)
            + field(7, field(3, command) if command else None)
            + field(12, None if grace_s is None else field(1, duration(grace_s))))


def executor_info(executor_id, command, *resources):
    return (field(1, identity(executor_id)) + b"".join(field(5, r) for r in resources) + field(7, field(3, command))
            + field(8, identity(FRAMEWORK_ID)) + field(15, 2))


class Status:
    """Of a task."""

    def __init__(self, message):
        update = read(first(message, 1))
        status = read(first(update, 4))
        self.task_id = first(read(first(status, 1)), 1).decode()
        self.state = TASK_STATES[first(status, 2)]
        self.message = (first(status, 4) or b"").decode()
        self.source = first(status, 9)
        self.reason = first(status, 10)
        self.uuid = first(status, 11)
        self.framework_id = first(update, 1)

    def __repr__(self):
        return "%s of %s (reason %s, %r)" % (self.state, self.task_id, self.reason, self.message)


class OperationStatus:
    def __init__(self, message):
        status = read(first(message, 3))
        self.state = OPERATION_STATES[first(status, 2)]
        self.message = (first(status, 3) or b"").decode()
        self.uuid = first(read(first(status, 5)), 1) if first(status, 5) else None
        name = first(status, 1)
        self.name = first(read(name), 1).decode() if name else None
        self.operation_uuid = first(read(first(message, 5)), 1)

    def __repr__(self):
        return "%s of %s (%r)" % (self.state, self.name, self.message)


class LibprocessMaster:
    def __init__(self):
        self.acknowledge = True
        self.gone = False            # the agent was marked gone: it is told to shut down
        self.is_deaf = False         # to registrations
        self.total_ping_timeout_s = None
        self.acknowledge_operations = False
        self.reconciliations = b""   # of the next SlaveReregisteredMessage, as reconciliation() makes them
        self.hang_ups_before_answers = 0
        self.messages = []
        self.statuses = []
        self.operations = []
        self.registrations = []      # (name, fields)
        self.version = None          # of the agent's resources
        self._agent = None           # (host, port)
        self._out = None
        self._incoming = []
        self._changed = threading.Condition()
        self._send_lock = threading.Lock()
        self._listener = socket.create_server((HOST, 0))
        self.addr = self._listener.getsockname()
        self.pid = "master@%s:%d" % (HOST, self.addr[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        for s in (self._listener, self._out, *self._incoming):
            if s:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                s.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._incoming.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        stream = connection.makefile("rb")
        try:
            while True:
                line = stream.readline().decode()
                if not line:
                    return
                self._handle(line.split()[1].rsplit("/", 1)[1].replace("mesos.internal.", ""), read(read_body(stream)))
        except (OSError, ValueError, IndexError):
            pass

    def _handle(self, name, m):
        answer = None
        with self._changed:
            if name in ("RegisterSlaveMessage", "ReregisterSlaveMessage"):
                info = read(first(m, 1 if name == "RegisterSlaveMessage" else 2))
                self._agent = (HOST, first(info, 8))
                self.registrations.append((name, m))
                answer = ("SlaveRegisteredMessage" if name == "RegisterSlaveMessage" else "SlaveReregisteredMessage",
                          field(1, identity(AGENT_ID)) + self._connection(name) + self.reconciliations)
                if self.gone:
                    answer = ("ShutdownMessage", field(1, "Agent has been marked gone"))
                if self.is_deaf:
                    answer = None
            elif name == "UpdateSlaveMessage":
                self.version = first(read(first(m, 7)), 1)
            elif name == "StatusUpdateMessage":
                status = Status(m)
                if status.uuid not in [s.uuid for s in self.statuses]:
                    self.statuses.append(status)
                if self.acknowledge:
                    answer = ("StatusUpdateAcknowledgementMessage",
                              field(1, identity(AGENT_ID)) + field(2, status.framework_id)
                              + field(3, identity(status.task_id)) + field(4, status.uuid))
            elif name == "UpdateOperationStatusMessage":
                status = OperationStatus(m)
                self.operations.append(status)
                if self.acknowledge_operations and status.uuid:
                    answer = ("AcknowledgeOperationStatusMessage",
                              field(1, field(1, status.uuid)) + field(2, field(1, status.operation_uuid)))
            self.messages.append((name, m))
            self._changed.notify_all()
        if name == "ReregisterSlaveMessage" and self.hang_ups_before_answers > 0:
            self.hang_ups_before_answers -= 1
            self.hang_up()
        if answer:
            self.send(*answer)

    def _connection(self, name):
        if self.total_ping_timeout_s is None:
            return b""
        return field(2 if name == "RegisterSlaveMessage" else 3, field(1, float(self.total_ping_timeout_s)))

    # Waiting

    def wait(self, predicate, what, timeout=20):
        """The first true value of predicate()."""
        deadline = time.monotonic() + timeout * TIMEOUT_SCALE
        with self._changed:
            while True:
                value = predicate()
                if value:
                    return value
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Failure("%s: not within %g s; tasks %s, operations %s, messages %s" % (
                        what, timeout, self.statuses, self.operations, [n for n, _ in self.messages]))
                self._changed.wait(left)

    def wait_state(self, task_id, *states):
        """The first status of the task in one of the states."""
        return self.wait(lambda: next((s for s in self.statuses if s.task_id == task_id and s.state in states), None),
                         "%s of %s" % (states, task_id))

    def states(self, task_id):
        return [s.state for s in self.statuses if s.task_id == task_id]

    def wait_operation(self, operation_uuid, state="OPERATION_FINISHED"):
        return self.wait(lambda: next((o for o in self.operations if o.operation_uuid == operation_uuid
                                       and o.state == state), None), state)

    def count(self, name):
        return sum(n == name for n, _ in self.messages)

    def wait_registration(self, n):
        """The fields of the nth one, from 1, of an agent that has not died amid one."""
        return self.wait_registration_after(n - 1, n - 1)

    def wait_registration_after(self, n_registrations, n_updates):
        self.wait(lambda: len(self.registrations) > n_registrations and self.count("UpdateSlaveMessage") > n_updates,
                  "registration %d" % (n_registrations + 1))
        return self.registrations[n_registrations][1]

    # Speaking

    def _request(self, name, body):
        return ("POST /slave(1)/mesos.internal.%s HTTP/1.1\r\nUser-Agent: libprocess/%s\r\nLibprocess-From: %s\r\n"
                "Connection: Keep-Alive\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                % (name, self.pid, self.pid, len(body))).encode() + body

    def send(self, name, body=b""):
        request = self._request(name, body)
        with self._send_lock:
            for _ in range(2):
                try:
                    if self._out is None:
                        self._out = socket.create_connection(self._agent)
                        threading.Thread(target=drain, args=(self._out,), daemon=True).start()
                    self._out.sendall(request)
                    return
                except OSError:
                    self._out = None

    def hang_up(self):
        """What a master that dies looks like; the same one is there again at once."""
        connections, self._incoming = self._incoming, []
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()

    def forget_connection(self):
        """To an agent that was killed."""
        with self._send_lock:
            self._out = None

    def send_late(self, connection, name, body):
        """Over a connection of the test's own, until the agent has dealt with it."""
        connection.sendall(self._request(name, body))
        line = connection.recv(4096).split(b"\r\n")[0]
        check(line.startswith(b"HTTP/1.1 202"), "answered %r" % line)

    def ping(self, connected=True):
        """Sent, and answered."""
        n = self.count("PongSlaveMessage")
        self.send("PingSlaveMessage", field(1, connected))
        self.wait(lambda: self.count("PongSlaveMessage") > n, "a pong")

    def run_message(self, info, checkpoint=True, version=None, capabilities=(PARTITION_AWARE, TASK_KILLING_STATE)):
        return (field(1, identity(FRAMEWORK_ID)) + field(2, framework(checkpoint, capabilities)) + field(4, info)
                + field(5, field(2, field(1, version or self.version))))

    def run(self, info, **options):
        self.send("RunTaskMessage", self.run_message(info, **options))

    @staticmethod
    def kill_message(task_id):
        return field(1, identity(FRAMEWORK_ID)) + field(2, identity(task_id))

    def kill(self, task_id):
        self.send("KillTaskMessage", self.kill_message(task_id))

    def apply(self, info, version=None, uuid=None):
        """The uuid of the operation."""
        uuid = uuid or uuid4().bytes
        self.send("ApplyOperationMessage", field(1, identity(FRAMEWORK_ID)) + field(2, info) + field(3, field(1, uuid))
                  + field(4, field(2, field(1, version or self.version))))
        return uuid

    def apply_and_acknowledge(self, info):
        uuid = self.apply(info)
        status = self.wait_operation(uuid)
        self.acknowledge_operation(status)
        return status

    def acknowledge_operation(self, status):
        self.send("AcknowledgeOperationStatusMessage", field(1, field(1, status.uuid))
                  + field(2, field(1, status.operation_uuid)))

    def reconcile(self, *operation_uuids):
        self.send("ReconcileOperationsMessage", b"".join(field(1, field(1, field(1, u))) for u in operation_uuids))

    def checkpoint(self, *resources):
        self.send("CheckpointResourcesMessage", many(resources))

    def drain(self, max_grace_s=None, mark_gone=False):
        grace = None if max_grace_s is None else duration(max_grace_s)
        self.send("DrainSlaveMessage", field(1, field(1, grace) + field(2, mark_gone)))

    def shutdown_framework(self):
        self.send("ShutdownFrameworkMessage", field(1, identity(FRAMEWORK_ID)))


class Stand:
    """One agent of ours and a scripted master."""

    def __init__(self, **options):
        self.master = LibprocessMaster()
        self.cluster = Cluster(n_agents=0, start=False, **options)
        self.cluster.masters[0].addr = self.master.addr
        self.agent = self.cluster.add_agent()
        self.cluster.masters.clear()
        self.n_registrations = self.n_updates = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            self.cluster.__exit__(kind, value, trace)
        finally:
            self.master.close()

    def start_agent(self, env=None):
        self.master.forget_connection()
        self.n_registrations = len(self.master.registrations)
        self.n_updates = self.master.count("UpdateSlaveMessage")
        self.agent.start(env=env)
        return self.wait_registered()

    def wait_registered(self):
        """The fields of the registration that comes after those there were when the agent was started."""
        return self.master.wait_registration_after(self.n_registrations, self.n_updates)

    def restart_agent(self):
        self.agent.kill9()
        return self.start_agent()

    def state(self):
        return http_get(self.agent.addr, "/state").json()

    def call(self, kind):
        return http_call(self.agent.addr, "POST", "/api/v1", {"type": kind}).json()

    def operations(self):
        return self.call("GET_OPERATIONS")["get_operations"].get("operations", [])

    def volume(self, volume_id, role="ops"):
        return os.path.join(self.cluster.work_path("agent"), "volumes", "roles", role, volume_id)

    def wait_volume(self, volume_id, there=True):
        wait_until(lambda: os.path.isdir(self.volume(volume_id)) == there, "volume %s is %sthere" % (
            volume_id, "" if there else "not "))
