# SPDX-License-Identifier: Apache-2.0
"""An agent that only has the executor API, and says what the test tells it to.

    with FakeAgent() as agent:
        executor = agent.start_executor("task-1")
        agent.launch("task-1", "exit 7")
        agent.wait_for("TASK_FAILED")

go_away() is what a killed agent looks like; come_back() listens on the same port again. Updates are
acknowledged as they come unless `acknowledge` is False; each is kept in `updates`, with the way it came.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import threading

from harness import HOST, check, program, wait_until
from wire import field, first, read, record

STATES = {0: "TASK_STARTING", 1: "TASK_RUNNING", 2: "TASK_FINISHED", 3: "TASK_FAILED", 4: "TASK_KILLED",
          5: "TASK_LOST", 6: "TASK_STAGING", 8: "TASK_KILLING"}
TERMINAL = ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED")
REASONS = {28: "CHECK", 29: "HEALTH", 33: "MAX_COMPLETION_TIME_REACHED"}
CALLS = {1: "SUBSCRIBE", 2: "UPDATE", 3: "MESSAGE", 4: "HEARTBEAT"}
SUBSCRIBED, LAUNCH, KILL, ACKNOWLEDGED, SHUTDOWN, LAUNCH_GROUP = 1, 2, 3, 4, 7, 8
TASK_KILLING_STATE = 2


def value_message(text):
    return field(1, text)


def duration(seconds):
    return field(1, int(seconds * 1e9))


def command(value=None, shell=None, arguments=(), env=None):
    out = field(3, value) + field(6, shell)
    for argument in arguments:
        out += field(7, argument)
    if env:
        out += field(2, b"".join(field(1, field(1, k) + field(2, v)) for k, v in env.items()))
    return out


def task_info(task_id, command_bytes, grace=None, max_completion=None, health=None, check_info=None):
    role = field(1, "cpus") + field(2, 0) + field(3, field(1, 0.1)) + field(11, field(1, "web"))
    return (field(1, task_id) + field(2, value_message(task_id)) + field(3, value_message("agent-1")) + field(4, role)
            + field(7, command_bytes) + field(8, health) + field(13, check_info)
            + field(12, None if grace is None else field(1, duration(grace)))
            + field(14, None if max_completion is None else duration(max_completion)))


class Update:
    def __init__(self, status, via):
        message = read(status)
        text = first(message, 4)
        self.via = via
        self.task_id = first(read(first(message, 1)), 1).decode()
        self.state = STATES[first(message, 2)]
        self.message = None if text is None else text.decode()
        self.reason = REASONS.get(first(message, 10))
        self.source = first(message, 9)
        self.uuid = first(message, 11)
        self.healthy = first(message, 8)
        self.fields = message

    def __repr__(self):
        return "<%s %s %s %s %s>" % (self.task_id, self.state, self.message, self.reason, self.healthy)


class FakeAgent:
    def __init__(self, checkpoint=True, killing_state=True, recovery_timeout="15mins", unix=False):
        self.directory = tempfile.mkdtemp(prefix="holdfast-test-")
        self.acknowledge = True
        self.update_status = 202
        self.subscribe_status = 200
        self.updates = []
        self.subscriptions = []      # (task ids, number of updates) of each
        self.n_refused = 0           # subscriptions and calls answered with another status
        self.processes = []
        self._texts = {}             # what stays to be read after the end
        self._checkpoint = checkpoint
        self._killing_state = killing_state
        self._recovery_timeout = recovery_timeout
        self._path = os.path.join(self.directory, "agent.sock") if unix else None
        self._port = 0
        self._lock = threading.RLock()
        self._connections = set()
        self._stream = None
        self._listener = None
        self.come_back()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.go_away()
        self._texts = {name: self.text(name) for name in ("stdout", "stderr")}
        if not os.environ.get("HOLDFAST_TEST_KEEP"):
            shutil.rmtree(self.directory, ignore_errors=True)

    # The network

    def come_back(self):
        if self._path:
            if os.path.exists(self._path):
                os.unlink(self._path)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self._path)
        else:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, self._port))
            self._port = listener.getsockname()[1]
        listener.listen(16)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def go_away(self):
        with self._lock:
            self._stream = None
            self._shut(self._listener)
            for connection in list(self._connections):
                self._shut(connection)
            self._connections.clear()

    @staticmethod
    def _shut(s):
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
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        stream = connection.makefile("rb")
        try:
            while True:
                line = stream.readline()
                if not line:
                    return
                headers = {}
                while (header := stream.readline().strip()):
                    name, value = header.decode().split(":", 1)
                    headers[name.lower()] = value.strip()
                body = stream.read(int(headers.get("content-length", 0)))
                with self._lock:
                    self._answer(connection, line.decode(), headers, body)
        except (OSError, ValueError):
            pass

    def _answer(self, connection, line, headers, body):
        check(line.startswith("POST /slave(1)/api/v1/executor HTTP/1.1"), line)
        check(headers["content-type"] == "application/x-protobuf", repr(headers))
        call = read(body)
        check(first(read(first(call, 2)), 1) == b"framework-1", "framework id")
        kind = CALLS[first(call, 3)]
        if kind == "SUBSCRIBE":
            self._answer_subscribe(connection, read(first(call, 4, b"")))
        elif kind == "UPDATE":
            status = self.update_status
            connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)
            if status == 202:
                self._take_update(first(read(first(call, 5)), 1), "update")
            else:
                self.n_refused += 1

    def _answer_subscribe(self, connection, subscribe):
        if self.subscribe_status != 200:
            self.n_refused += 1
            connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % self.subscribe_status)
            return
        updates = subscribe.get(2, [])
        tasks = [first(read(first(read(t), 2)), 1).decode() for t in subscribe.get(1, [])]
        self.subscriptions.append((tasks, len(updates)))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n")
        self._stream = connection
        for update in updates:
            self._take_update(first(read(update), 1), "subscribe")
        capability = field(10, field(1, TASK_KILLING_STATE)) if self._killing_state else b""
        framework = field(1, "root") + field(2, "f") + capability
        executor = field(1, value_message("task-1"))
        agent = field(1, "localhost")
        self.send(field(1, SUBSCRIBED) + field(2, field(1, executor) + field(2, framework) + field(3, agent)))

    def _take_update(self, status, via):
        update = Update(status, via)
        self.updates.append(update)
        if self.acknowledge:
            self.send_acknowledgement(update)

    # What the test says

    def send(self, event):
        with self._lock:
            data = record(event)
            if self._stream is not None:
                try:
                    self._stream.sendall(b"%x\r\n" % len(data) + data + b"\r\n")
                except OSError:
                    pass

    def send_acknowledgement(self, update):
        self.send(field(1, ACKNOWLEDGED) + field(3, field(1, value_message(update.task_id)) + field(2, update.uuid)))

    def launch(self, task_id, value=None, **options):
        shape = {k: options.pop(k) for k in ("shell", "arguments", "env") if k in options}
        self.send(field(1, LAUNCH) + field(4, field(1, task_info(task_id, command(value, **shape), **options))))

    def launch_group(self, *task_ids):
        group = b"".join(field(1, task_info(task_id, command("true"))) for task_id in task_ids)
        self.send(field(1, LAUNCH_GROUP) + field(8, field(1, group)))

    def kill(self, task_id, grace=None):
        policy = None if grace is None else field(1, duration(grace))
        self.send(field(1, KILL) + field(5, field(1, value_message(task_id)) + field(2, policy)))

    def shutdown(self):
        self.send(field(1, SHUTDOWN))

    # What the test sees

    def start_executor(self, executor_id="task-1", wrap=(), **env):
        environment = {
            "PATH": os.environ["PATH"], "MESOS_FRAMEWORK_ID": "framework-1", "MESOS_EXECUTOR_ID": executor_id,
            "MESOS_AGENT_ENDPOINT": "%s:%d" % (HOST, self._port), "MESOS_CHECKPOINT": "1" if self._checkpoint else "0",
            "MESOS_RECOVERY_TIMEOUT": self._recovery_timeout, "MESOS_SUBSCRIPTION_BACKOFF_MAX": "100ms",
            "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs", **env}
        if self._path:
            environment["MESOS_DOMAIN_SOCKET"] = self._path
        n = len(self.subscriptions)
        with open(self.path("stdout"), "ab") as out, open(self.path("stderr"), "ab") as err:
            process = subprocess.Popen([*wrap, program("holdfast-executor")], stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=err, env=environment, cwd=self.directory)
        self.processes.append(process)
        wait_until(lambda: len(self.subscriptions) > n or process.poll() is not None, "the executor subscribes")
        return process

    def path(self, name):
        return os.path.join(self.directory, name)

    def text(self, name):
        if name in self._texts:
            return self._texts[name]
        try:
            with open(self.path(name), errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def states(self):
        return [update.state for update in self.updates]

    def find(self, state):
        return next((update for update in self.updates if update.state == state), None)

    def wait_for(self, state):
        return wait_until(lambda: self.find(state), "an update %s (have %r)" % (state, self.updates))

    def wait_for_end(self):
        wait_until(lambda: any(u.state in TERMINAL for u in self.updates), "a terminal update (have %r)" % self.updates)
        return next(u for u in self.updates if u.state in TERMINAL)
