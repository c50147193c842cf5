# SPDX-License-Identifier: Apache-2.0
"""An agent that does what the master says, and whose tasks end when the test says so.

    agent = ModelAgent(cluster.master_addr)
    agent.register()
    scheduler.launch(...)
    agent.tasks                      # {(framework id, task id): ModelTask}
    agent.end(("f", "t"), FINISHED)

It keeps updates until they are acknowledged, sends them again when it has registered again or its framework has,
answers for tasks it never got, and shuts frameworks down. Nothing runs: this is what a master can know of an agent.
`ended` is how each task ended that did so by itself, and `n_starts` how often each was started.
"""

import collections
from uuid import uuid4

from harness import Failure
from libprocess_agent import DROPPED, FAILED, FINISHED, KILLED, RUNNING, LibprocessAgent
from wire import field, first, read

TERMINAL = (FINISHED, FAILED, KILLED, DROPPED)


def text(message, number):
    return first(read(first(message, number)), 1).decode()


class ModelTask:
    def __init__(self, resources):
        self.resources = resources
        self.state = RUNNING
        self.updates = []        # (state, uuid), oldest first; the first one is under way

    def is_over(self):
        return self.state in TERMINAL


class ModelAgent(LibprocessAgent):
    def __init__(self, master_addr, **options):
        self.tasks = {}
        self.infos = {}          # FrameworkInfo of each framework, by id
        self.ended = {}
        self.n_starts = collections.Counter()
        self.is_up = True
        super().__init__(master_addr, **options)

    # The process

    def vanish(self):
        self.is_up = False
        super().vanish()

    def come_back(self):
        """Registers again, with all it has; False if the master does not answer."""
        self.listen(self.port)
        self.is_up = True
        with self._changed:
            # An end that was acknowledged is no task any more; one that nobody was told of is.
            tasks = [self.report_task(key, t) for key, t in self.tasks.items()]
            frameworks = [self.infos[f] for f in sorted({f for f, _ in self.tasks})]
        self.messages.clear()
        self.send("ReregisterSlaveMessage", self.report(tasks, frameworks))
        try:
            self.wait_message("SlaveReregisteredMessage")
        except Failure:
            self.vanish()
            raise
        self.resend()

    def report_task(self, key, t):
        framework_id, task_id = key
        head = t.updates[0] if t.updates else None
        known = (field(9, head[0]) + field(10, head[1])) if head else b""
        return (field(1, task_id) + field(2, field(1, task_id)) + field(3, field(1, framework_id))
                + field(5, field(1, self.agent_id)) + field(6, t.state) + b"".join(field(7, r) for r in t.resources)
                + known)

    def send(self, name, body=b""):
        """What cannot be sent is lost, and comes again by the rules of who sends it."""
        with self._changed:
            try:
                if self.is_up:
                    super().send(name, body)
            except OSError:
                self._out = None

    # What the master says

    def _handle(self, name, message):
        handler = {"RunTaskMessage": self._run, "KillTaskMessage": self._kill,
                   "ShutdownFrameworkMessage": self._shut_down, "UpdateFrameworkMessage": self._update_framework,
                   "StatusUpdateAcknowledgementMessage": self._acknowledge,
                   "SlaveReregisteredMessage": self._answer_for}.get(name)
        with self._changed:
            if handler and self.is_up:
                handler(message)
        super()._handle(name, message)

    def _run(self, message):
        info = first(message, 2)
        framework_id = text(read(info), 3)
        task = read(first(message, 4))
        key = framework_id, text(task, 2)
        self.infos[framework_id] = info
        self.n_starts[key] += 1
        self.tasks[key] = ModelTask(task[4])
        self._add_update(key, RUNNING)

    def _kill(self, message):
        key = text(message, 1), text(message, 2)
        if key in self.tasks:
            self.end(key, KILLED)
        else:
            self._refuse(key)

    def _shut_down(self, message):
        framework_id = text(message, 1)
        self.tasks = {k: t for k, t in self.tasks.items() if k[0] != framework_id}

    def _update_framework(self, message):
        framework_id = text(message, 1)
        self.infos[framework_id] = first(message, 3)
        self.resend(framework_id)

    def _acknowledge(self, message):
        key, uuid = (text(message, 2), text(message, 3)), first(message, 4)
        t = self.tasks.get(key)
        if not t or not t.updates or t.updates[0][1] != uuid:
            return
        state, _ = t.updates.pop(0)
        if state in TERMINAL:
            del self.tasks[key]
        elif t.updates:
            self._send_update(key)

    def _answer_for(self, message):
        for reconciliation in message.get(2, []):
            asked = read(reconciliation)
            framework_id = text(asked, 1)
            self.infos.setdefault(framework_id, first(asked, 3))
            for status in asked.get(2, []):
                key = framework_id, text(read(status), 1)
                if key not in self.tasks:
                    self._refuse(key)

    # What it has to say

    def _refuse(self, key):
        self.tasks[key] = ModelTask([])
        self.tasks[key].state = DROPPED
        self._add_update(key, DROPPED)

    def end(self, key, state):
        with self._changed:
            t = self.tasks.get(key)
            if t and not t.is_over():
                t.state = state
                self.ended[key] = state
                self._add_update(key, state)

    def _add_update(self, key, state):
        t = self.tasks[key]
        t.updates.append((state, uuid4().bytes))
        if len(t.updates) == 1:
            self._send_update(key)

    def _send_update(self, key):
        t = self.tasks[key]
        state, uuid = t.updates[0]
        self.update(*key, state, uuid, latest=t.state)

    def resend(self, framework_id=None):
        with self._changed:
            for key, t in list(self.tasks.items()):
                if t.updates and framework_id in (None, key[0]):
                    self._send_update(key)

    def is_quiet(self):
        return not any(t.updates for t in self.tasks.values())

    def running(self):
        return {key for key, t in self.tasks.items() if not t.is_over()}

