# SPDX-License-Identifier: Apache-2.0
"""A master and an agent played by the test, for programs that talk to them.

    with FakeMaster() as master, FakeAgent() as agent:
        ... start the program with --master=master.address ...
        master.offer(agent)
        task = master.wait_launch()
        master.update(task, "TASK_FINISHED", message="Command exited with status 0")

The test's own thread is the script: it sends events and waits for calls, which server threads put
into `calls` in the order they came.
"""

import base64
import http.server
import json
import os
import threading
import uuid

from harness import TIMEOUT_SCALE, Failure, check

FRAMEWORK_ID = "fake-master-0001"
AGENT_ID = "fake-master-S0"
HOST = "127.0.0.1"


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_):
        pass    # clients that hang up are part of the game


class Fake:
    """HTTP on loopback; subclasses have get(request) and post(request, body)."""

    def __init__(self):
        self._port = 0
        self.start()

    def start(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.get(self)

            def do_POST(self):
                outer.post(self, self.rfile.read(int(self.headers["Content-Length"])))

        self._server = Server((HOST, self._port), Handler)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self):
        """Nobody answers any more; start() listens at the same address again."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self):
        return "%s:%d" % (HOST, self._port)

    @property
    def port(self):
        return self._port

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @staticmethod
    def answer(request, status, body=b"", headers=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        elif isinstance(body, str):
            body = body.encode()
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "application/json",
                            **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)


class Stream:
    """One subscription: records are written as chunks by whoever sends."""

    def __init__(self, request, stream_id):
        self.request = request
        self.stream_id = stream_id
        self.closed = threading.Event()

    def send(self, event):
        record = json.dumps(event).encode()
        self.send_raw(b"%d\n%s" % (len(record), record))

    def send_raw(self, data):
        self.request.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.request.wfile.flush()

    def close(self):
        self.closed.set()


class FakeMaster(Fake):
    def __init__(self, refuse=None, heartbeat_s=15.0):
        self.refuse = refuse              # (status, text) for SUBSCRIBE
        self.redirect = None              # "host:port" of the leader
        self.reject = {}                  # call type: (status, text)
        self.state = {"slaves": [], "frameworks": [], "completed_frameworks": []}
        self.heartbeat_s = heartbeat_s
        self.calls = []
        self.stream = None
        self.n_offers = 0
        self._taken = 0
        self._changed = threading.Condition()
        super().__init__()

    def stop(self):
        if self.stream:
            self.stream.close()
        super().stop()

    # Server threads

    def get(self, request):
        if request.path == "/state":
            self.answer(request, 200, self.state)
        elif request.path == "/version":
            self.answer(request, 200, {"version": "9.9.9"})
        else:
            self.answer(request, 404)

    def post(self, request, body):
        call = json.loads(body)
        with self._changed:
            self.calls.append({**call, "_stream_id": request.headers.get("Mesos-Stream-Id")})
            self._changed.notify_all()
        if self.redirect:
            self.answer(request, 307, headers={"Location": "//%s%s" % (self.redirect, request.path)})
        elif call["type"] == "SUBSCRIBE":
            self._subscribe(request)
        elif call["type"] in self.reject:
            self.answer(request, *self.reject[call["type"]])
        elif not self.stream or request.headers.get("Mesos-Stream-Id") != self.stream.stream_id:
            self.answer(request, 400, "wrong stream")
        else:
            self.answer(request, 202)

    def _subscribe(self, request):
        if self.refuse:
            self.answer(request, *self.refuse)
            return
        stream = Stream(request, str(uuid.uuid4()))
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Transfer-Encoding", "chunked")
        request.send_header("Mesos-Stream-Id", stream.stream_id)
        request.end_headers()
        stream.send({"type": "SUBSCRIBED", "subscribed": {"framework_id": {"value": FRAMEWORK_ID},
                                                          "heartbeat_interval_seconds": self.heartbeat_s}})
        stream.send({"type": "HEARTBEAT"})
        with self._changed:
            self.stream = stream
            self._changed.notify_all()
        stream.closed.wait()
        request.close_connection = True

    # The script

    def _wait(self, predicate, what, timeout=15):
        with self._changed:
            if not self._changed.wait_for(predicate, timeout * TIMEOUT_SCALE):
                raise Failure("%s: not in time; calls %s" % (what, [c["type"] for c in self.calls]))
            return predicate()

    def wait_call(self, kind):
        """The next call of this type; those before it are passed over."""
        def find():
            return next((n for n, c in enumerate(self.calls) if n >= self._taken and c["type"] == kind), -1) + 1
        self._taken = self._wait(find, "a call " + kind)
        return self.calls[self._taken - 1]

    def wait_subscription(self, old=None):
        return self._wait(lambda: self.stream is not old and self.stream, "a subscription")

    def calls_of(self, kind):
        with self._changed:
            return [c for c in self.calls if c["type"] == kind]

    def send(self, event):
        self.wait_subscription()
        self.stream.send(event)

    def offer(self, agent, cpus=4.0, mem=1024.0, role="*", reserved=None, extra=()):
        """Sends one offer of `agent`; its id."""
        self.n_offers += 1
        offer_id = "fake-master-O%d" % self.n_offers
        resources = []
        for name, value in (("cpus", cpus), ("mem", mem)):
            resource = {"name": name, "type": "SCALAR", "scalar": {"value": value}, "allocation_info": {"role": role}}
            if reserved:
                resource["reservations"] = [{"type": "STATIC", "role": reserved}]
            resources.append(resource)
        self.send({"type": "OFFERS", "offers": {"offers": [{
            "id": {"value": offer_id}, "framework_id": {"value": FRAMEWORK_ID}, "agent_id": {"value": AGENT_ID},
            "hostname": "fake-agent", "allocation_info": {"role": role}, "resources": resources + list(extra),
            "url": {"scheme": "http", "path": "/slave(1)",
                    "address": {"hostname": "fake-agent", "ip": HOST, "port": agent.port}}}]}})
        return offer_id

    def wait_launch(self):
        """The TaskInfo of the next ACCEPT."""
        call = self.wait_call("ACCEPT")
        tasks = call["accept"]["operations"][0]["launch"]["task_infos"]
        check(len(tasks) == 1, "not one task: %r" % tasks)
        return tasks[0]

    def update(self, task, state, acknowledged=True, **fields):
        """Sends a status, by default with a uuid, and then waits for its acknowledgement; the uuid."""
        status = {"task_id": task["task_id"], "state": state, "source": "SOURCE_EXECUTOR", "timestamp": 1.5,
                  "agent_id": {"value": AGENT_ID}, "executor_id": task["task_id"], **fields}
        if acknowledged:
            status.setdefault("uuid", base64.b64encode(uuid.uuid4().bytes).decode())
        self.send({"type": "UPDATE", "update": {"status": status}})
        if acknowledged:
            call = self.wait_call("ACKNOWLEDGE")
            check(call["acknowledge"]["uuid"] == status["uuid"], "another update was acknowledged: %r" % call)
        return status.get("uuid")


class FakeAgent(Fake):
    """An agent with the sandbox of one executor, whose files a test writes into `directory`."""

    def __init__(self, directory=None):
        self.directory = directory
        self.executors = []           # as /state has them
        self.completed = []
        self.containers = []          # as /containers has them; a function: what it returns
        self.calls = []
        self.on_call = None           # called with each call but READ_FILE
        super().__init__()

    def add_executor(self, executor_id, container="c0ffee00-0000-4000-8000-000000000000"):
        self.executors.append({"id": executor_id, "directory": self.directory, "container": container, "tasks": []})

    def get(self, request):
        if request.path == "/state":
            self.answer(request, 200, {"hostname": "node1",
                                       "frameworks": [{"id": FRAMEWORK_ID, "executors": self.executors,
                                                       "completed_executors": self.completed}],
                                       "completed_frameworks": []})
        elif request.path == "/containers":
            self.answer(request, 200, self.containers() if callable(self.containers) else self.containers)
        else:
            self.answer(request, 404)

    def post(self, request, body):
        call = json.loads(body)
        if call["type"] != "READ_FILE":
            self.calls.append(call)
            if self.on_call:
                self.on_call(call)
            self.answer(request, 200)
            return
        path, offset = call["read_file"]["path"], call["read_file"]["offset"]
        if os.path.dirname(path) != self.directory or not os.path.exists(path):
            self.answer(request, 404, "no such file")
            return
        with open(path, "rb") as f:
            size = f.seek(0, os.SEEK_END)
            f.seek(offset)
            data = f.read(65536)
        self.answer(request, 200, {"type": "READ_FILE", "read_file": {
            "size": size, "data": base64.b64encode(data).decode()}})
