#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A custom executor that an agent starts: the v1 executor API in JSON, as a stranger would speak it.

A task finishes at once, unless its id starts with "hold": then it runs until it is killed. A message is
answered with the same bytes in reverse. When the agent goes away the executor subscribes again and says
what was not acknowledged. Everything it sees goes to stdout, hence into its sandbox.
"""

import base64
import http.client
import json
import os
import sys
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

    def post(self, call):
        """True when the agent took the call."""
        connection = http.client.HTTPConnection(*self.addr, timeout=20)
        try:
            connection.request("POST", PATH, json.dumps({**self.ids, **call}), HEADERS)
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != 202:
                print("%s: %d %s" % (call["type"], answer.status, text), flush=True)
            return answer.status == 202
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def update(self, task_id, state, **fields):
        token = base64.b64encode(uuid.uuid4().bytes).decode()
        status = {"task_id": {"value": task_id}, "state": state, "source": "SOURCE_EXECUTOR", "uuid": token,
                  "timestamp": time.time(), "executor_id": self.ids["executor_id"], **fields}
        self.updates[token] = {"status": status}
        self.post({"type": "UPDATE", "update": {"status": status}})

    def handle(self, event):
        """False when the executor is to end."""
        kind = event["type"]
        print(kind, flush=True)
        if kind == "LAUNCH":
            task = event["launch"]["task"]
            task_id = task["task_id"]["value"]
            self.tasks[task_id] = task
            self.update(task_id, "TASK_RUNNING")
            if not task_id.startswith("hold"):
                self.update(task_id, "TASK_FINISHED", message="done", data=base64.b64encode(b"result").decode())
        elif kind == "KILL":
            self.update(event["kill"]["task_id"]["value"], "TASK_KILLED", message="as asked")
        elif kind == "ACKNOWLEDGED":
            self.updates.pop(event["acknowledged"]["uuid"], None)
            self.tasks.pop(event["acknowledged"]["task_id"]["value"], None)
        elif kind == "MESSAGE":
            data = base64.b64decode(event["message"]["data"])[::-1]
            self.post({"type": "MESSAGE", "message": {"data": base64.b64encode(data).decode()}})
        return kind != "SHUTDOWN"

    def serve(self):
        """One subscription, to its end; False when told to shut down."""
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
