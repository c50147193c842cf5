#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A custom executor that an agent starts: the v1 executor API in JSON, as a stranger would speak it.

A task finishes at once, unless its id starts with "hold": then it runs until it is killed. One called
"count-N" reports the numbers from 1 to N, each as a status of its own, before it finishes; "verbose-N"
goes to and fro between two states N times and has 1 MiB to say each time. A message is answered with the same bytes in reverse. When the agent goes away the executor subscribes again and says
what was not acknowledged. Everything it sees goes to stdout, hence into its sandbox.
"""

import base64
import http.client
import json
import os
import sys
import threading
import time
import uuid

PATH = "/api/v1/executor"
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


class Executor:
    def __init__(self, environ):
        host, port = environ["MESOS_AGENT_ENDPOINT"].rsplit(":", 1)
        self.addr = (host, int(port))
        self.ids = {"framework_id": {"value": environ["MESOS_FRAMEWORK_ID"]},
                    "executor_id": {"value": environ["MESOS_EXECUTOR_ID"]}}
        self.checkpoint = environ.get("MESOS_CHECKPOINT") == "1"
        self.tasks = {}         # those of which no update has been acknowledged yet
        self.updates = {}       # not acknowledged, by uuid
        self.unsent = []        # those of them that no agent was there for, in order
        self.subscribed = False
        self.lock = threading.RLock()

    def post(self, call):
        """True when the agent took the call."""
        connection = http.client.HTTPConnection(*self.addr, timeout=20)
        try:
            connection.request("POST", PATH, json.dumps({**self.ids, **call}, ensure_ascii=False).encode(), HEADERS)
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != 202:
                print("%s: %d %s" % (call["type"], answer.status, text), flush=True)
            return answer.status == 202
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def status(self, task_id, state, **fields):
        return {"task_id": {"value": task_id}, "state": state, "source": "SOURCE_EXECUTOR",
                "uuid": base64.b64encode(uuid.uuid4().bytes).decode(), "timestamp": time.time(),
                "executor_id": self.ids["executor_id"], **fields}

    def update(self, task_id, state, **fields):
        status = self.status(task_id, state, **fields)
        with self.lock:
            self.updates[status["uuid"]] = {"status": status}
            self.unsent.append(status["uuid"])
            self.flush()

    def flush(self):
        """What could not be sent goes with the next subscription."""
        while self.subscribed and self.unsent:
            update = self.updates[self.unsent.pop(0)]
            self.subscribed = self.post({"type": "UPDATE", "update": update})

    def count(self, task_id):
        for n in range(1, int(task_id.split("-")[1]) + 1):
            self.update(task_id, "TASK_RUNNING", message=str(n))
            time.sleep(0.005)
        self.update(task_id, "TASK_FINISHED")

    def be_verbose(self, task_id):
        """One after the other: the agent does not take more than it may keep."""
        for n in range(int(task_id.split("-")[1])):
            status = self.status(task_id, ("TASK_STARTING", "TASK_RUNNING")[n % 2], message="\u00e9" * (1 << 19))
            while not self.post({"type": "UPDATE", "update": {"status": status}}):
                time.sleep(0.1)
        self.update(task_id, "TASK_FINISHED")

    def handle(self, event):
        """False when the executor is to end."""
        kind = event["type"]
        print(kind, flush=True)
        if kind == "SUBSCRIBED":
            with self.lock:
                self.subscribed = True
                self.flush()
        elif kind == "LAUNCH":
            task = event["launch"]["task"]
            task_id = task["task_id"]["value"]
            self.tasks[task_id] = task
            self.update(task_id, "TASK_RUNNING")
            if task_id.startswith("count-"):
                threading.Thread(target=self.count, args=(task_id,), daemon=True).start()
            elif task_id.startswith("verbose-"):
                threading.Thread(target=self.be_verbose, args=(task_id,), daemon=True).start()
            elif not task_id.startswith("hold"):
                self.update(task_id, "TASK_FINISHED", message="done", data=base64.b64encode(b"result").decode())
        elif kind == "KILL":
            self.update(event["kill"]["task_id"]["value"], "TASK_KILLED", message="as asked")
        elif kind == "ACKNOWLEDGED":
            with self.lock:
                self.updates.pop(event["acknowledged"]["uuid"], None)
            self.tasks.pop(event["acknowledged"]["task_id"]["value"], None)
        elif kind == "MESSAGE":
            data = base64.b64decode(event["message"]["data"])[::-1]
            self.post({"type": "MESSAGE", "message": {"data": base64.b64encode(data).decode()}})
        return kind != "SHUTDOWN"

    def serve(self):
        """One subscription, to its end; False when told to shut down."""
        with self.lock:
            self.subscribed = False
            self.unsent.clear()
            call = {"type": "SUBSCRIBE", **self.ids,
                    "subscribe": {"unacknowledged_tasks": list(self.tasks.values()),
                                  "unacknowledged_updates": list(self.updates.values())}}
        connection = http.client.HTTPConnection(*self.addr)
        connection.request("POST", PATH, json.dumps(call), HEADERS)
        answer = connection.getresponse()
        if answer.status != 200:
            print("SUBSCRIBE: %d %s" % (answer.status, answer.read().decode()), flush=True)
            return True
        while True:
            digits = answer.readline()
            if not digits:
                return True
            left, record = int(digits), b""
            while left:
                piece = answer.read(left)
                if not piece:
                    return True
                record, left = record + piece, left - len(piece)
            if not self.handle(json.loads(record)):
                return False

    def run(self):
        goes_on = True
        while goes_on:
            try:
                goes_on = self.serve()
            except (OSError, http.client.HTTPException, ValueError) as e:
                print("disconnected: %r" % e, flush=True)
            if not self.checkpoint:
                return
            time.sleep(0.2)    # the agent is away: ask again soon


if __name__ == "__main__":
    sys.exit(Executor(os.environ).run())
