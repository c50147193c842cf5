# SPDX-License-Identifier: Apache-2.0
"""An agent that only speaks to the master, in libprocess messages, and says what the test tells it to.

    with LibprocessAgent(cluster.master_addr) as agent:
        agent.register()
        scheduler.launch([scheduler.task("t", "true")])
        agent.wait_task("t")
        agent.update("t", RUNNING)

Messages of the master are kept in `messages` as (name, fields) in the order they came; pings are
answered unless `pongs` is False. Field numbers are those of Mesos's messages.
"""

import os
import socket
import struct
import threading
import time
from uuid import uuid4

from harness import HOST, TIMEOUT_SCALE, Failure
from wire import field, first, read

STARTING, RUNNING, FINISHED, FAILED, KILLED, LOST, STAGING = range(7)
DROPPED = 9
SOURCE_EXECUTOR = 2
CAPABILITIES = (1, 2, 3, 7)     # MULTI_ROLE, HIERARCHICAL_ROLE, RESERVATION_REFINEMENT, AGENT_DRAINING


def identity(value):
    return field(1, value)


def scalar(name, value, role=None):
    return (field(1, name) + field(2, 0) + field(3, field(1, float(value)))
            + (field(11, field(1, role)) if role else field(6, "*")))


class LibprocessAgent:
    def __init__(self, master_addr, cpus=4, mem=1024, hostname="scripted", pongs=True,
                 capabilities=CAPABILITIES, host=HOST):
        self.master_addr = master_addr
        self.host = host
        self.hostname = hostname
        self.resources = scalar_list(("cpus", cpus), ("mem", mem))
        self.pongs = pongs
        self.capabilities = capabilities
        self.agent_id = None
        self.messages = []
        self.n_pings = 0
        self.is_up = False
        self.n_accepted = 0     # connections of the master so far
        self._changed = threading.Condition()
        self._incoming = []
        self._out = None
        self._listener = None
        self.listen()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.vanish()

    # The process

    def listen(self, port=0):
        self.reads = True
        self._listener = socket.create_server((self.host, port))
        self.port = self._listener.getsockname()[1]
        self.pid = "slave(1)@%s:%d" % (self.host, self.port)
        self.is_up = True
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def vanish(self):
        """What a killed agent looks like: all its connections break."""
        self.is_up = False
        for s in [self._listener, self._out, *self._incoming]:
            if s:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                s.close()
        self._listener = self._out = None
        self._incoming = []

    def come_back(self):
        self.listen(self.port)

    def stop_reading(self):
        """What a stopped process looks like, until it vanishes."""
        self.reads = False

    def break_links(self):
        """The connections to it break, and nothing else: it listens and answers."""
        incoming, self._incoming = self._incoming, []
        for s in incoming:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._incoming.append(connection)
            self.n_accepted += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        stream = connection.makefile("rb")
        try:
            while self.reads:
                line = stream.readline().decode()
                if not line:
                    return
                name = line.split()[1].rsplit("/", 1)[1].replace("mesos.internal.", "")
                self._handle(name, read(read_body(stream)))
        except (OSError, ValueError):
            pass

    def _handle(self, name, message):
        if name == "PingSlaveMessage":
            if self.pongs:
                self.send("PongSlaveMessage")
        with self._changed:
            self.n_pings += name == "PingSlaveMessage"
            if name == "SlaveRegisteredMessage":
                self.agent_id = first(read(first(message, 1)), 1).decode()
            self.messages.append((name, message))
            self._changed.notify_all()

    # Waiting

    def wait_message(self, name, where=lambda message: True, timeout=10):
        """Takes the first message of that name for which the condition holds."""
        deadline = time.monotonic() + timeout * TIMEOUT_SCALE
        with self._changed:
            while True:
                for item in self.messages:
                    if item[0] == name and where(item[1]):
                        self.messages.remove(item)
                        return item[1]
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Failure("no %s from the master within %g s; it sent %s" % (
                        name, timeout, [n for n, _ in self.messages]))
                self._changed.wait(left)

    def wait_messages(self, name, count):
        """That many of that name have come; they stay."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.count(name) >= count, 10 * TIMEOUT_SCALE):
                raise Failure("%d %s, not %d" % (self.count(name), name, count))

    def count(self, name):
        return sum(n == name for n, _ in self.messages)

    def wait_task(self, task_id):
        """The TaskInfo of a RunTaskMessage."""
        def is_it(message):
            return first(read(first(read(first(message, 4)), 2)), 1) == task_id.encode()
        return read(first(self.wait_message("RunTaskMessage", is_it), 4))

    # Speaking

    def send(self, name, body=b""):
        request = ("POST /master/mesos.internal.%s HTTP/1.1\r\nUser-Agent: libprocess/%s\r\n"
                   "Libprocess-From: %s\r\nConnection: Keep-Alive\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                   % (name, self.pid, self.pid, len(body))).encode() + body
        if self._out is None:
            self._out = socket.create_connection(self.master_addr)
            threading.Thread(target=drain, args=(self._out,), daemon=True).start()
        self._out.sendall(request)

    def info(self, with_id=True):
        return (field(1, self.hostname) + self.resources + field(7, True) + field(8, self.port)
                + (field(6, identity(self.agent_id)) if with_id and self.agent_id else b""))

    def register(self, checkpointed=()):
        self.ask_to_register(checkpointed)
        return self.wait_message("SlaveRegisteredMessage")

    def ask_to_register(self, checkpointed=()):
        """Whatever the answer."""
        capabilities = b"".join(field(4, field(1, c)) for c in self.capabilities)
        self.send("RegisterSlaveMessage", field(1, self.info(False)) + field(2, "1.12.0") + capabilities
                  + b"".join(field(3, r) for r in checkpointed) + field(5, field(1, os.urandom(16))))

    def reregister(self, tasks=(), frameworks=None, **more):
        """With what report() takes."""
        self.send("ReregisterSlaveMessage", self.report(tasks, frameworks, **more))
        return self.wait_message("SlaveReregisteredMessage")

    def report(self, tasks=(), frameworks=None, executors=(), completed=(), checkpointed=()):
        """A ReregisterSlaveMessage with tasks as task() makes them, frameworks as framework() does (None: those of
        the tasks), executors as executor(), completed frameworks as archive(), resources as scalar()."""
        if frameworks is None:
            owners = {first(read(first(read(t), 3)), 1).decode() for t in tasks}
            frameworks = [self.framework(f) for f in sorted(owners)]
        return (field(2, self.info()) + b"".join(field(3, t) for t in tasks)
                + b"".join(field(4, e) for e in executors) + b"".join(field(5, c) for c in completed)
                + field(6, "1.12.0") + b"".join(field(7, r) for r in checkpointed)
                + b"".join(field(8, f) for f in frameworks)
                + b"".join(field(9, field(1, c)) for c in self.capabilities) + field(10, field(1, os.urandom(16))))

    def unregister(self):
        self.send("UnregisterSlaveMessage", field(1, identity(self.agent_id)))

    def framework(self, framework_id, name="learnt", failover_timeout=None, aware=True):
        """A FrameworkInfo with MULTI_ROLE and, unless told otherwise, PARTITION_AWARE, role *."""
        return (field(1, "root") + field(2, name) + field(3, identity(framework_id)) + field(4, failover_timeout)
                + field(5, True) + field(10, field(1, 6)) + (field(10, field(1, 5)) if aware else b"") + field(12, "*"))

    def executor(self, framework_id, executor_id, cpus=1, mem=32):
        """An ExecutorInfo as an agent reports it."""
        return (field(1, identity(executor_id)) + field(5, scalar("cpus", cpus, "*"))
                + field(5, scalar("mem", mem, "*")) + field(7, field(3, "run")) + field(8, identity(framework_id)))

    def archive(self, framework, tasks):
        """A framework with tasks that are over, as an agent remembers it."""
        return field(1, framework) + b"".join(field(3, t) for t in tasks)

    def task(self, framework_id, task_id, state=RUNNING, cpus=0.1, mem=32):
        """A Task as an agent reports it."""
        return (field(1, task_id) + field(2, identity(task_id)) + field(3, identity(framework_id))
                + field(5, identity(self.agent_id)) + field(6, state)
                + field(7, scalar("cpus", cpus, "*")) + field(7, scalar("mem", mem, "*")))

    def update(self, framework_id, task_id, state, uuid=None, latest=None, message=None):
        uuid = uuid or uuid4().bytes
        status = (field(1, identity(task_id)) + field(2, state) + field(4, message)
                  + field(5, identity(self.agent_id)) + field(6, time.time()) + field(9, SOURCE_EXECUTOR)
                  + field(11, uuid))
        update = (field(1, identity(framework_id)) + field(3, identity(self.agent_id)) + field(4, status)
                  + field(5, time.time()) + field(6, uuid) + field(7, state if latest is None else latest))
        self.send("StatusUpdateMessage", field(1, update) + field(2, self.pid))
        return uuid

    def exited_executor(self, framework_id, executor_id, status):
        self.send("ExitedExecutorMessage", field(1, identity(self.agent_id)) + field(2, identity(framework_id))
                  + field(3, identity(executor_id)) + field(4, status))

    def executor_message(self, framework_id, executor_id, data):
        self.send("ExecutorToFrameworkMessage", field(1, identity(self.agent_id))
                  + field(2, identity(framework_id)) + field(3, identity(executor_id)) + field(4, data))


def scalar_list(*pairs):
    return b"".join(field(3, scalar(name, value)) for name, value in pairs)


def double(raw):
    return struct.unpack("<d", raw)[0] if isinstance(raw, bytes) else raw


def drain(connection):
    try:
        while connection.recv(4096):
            pass
    except OSError:
        pass


def read_body(stream):
    length, chunked = 0, False
    while True:
        line = stream.readline().strip().lower()
        if not line:
            break
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
        if line.startswith(b"transfer-encoding:") and b"chunked" in line:
            chunked = True
    if not chunked:
        return stream.read(length)
    body = b""
    while True:
        n = int(stream.readline(), 16)
        body += stream.read(n)
        stream.readline()
        if n == 0:
            return body
