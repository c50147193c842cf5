# SPDX-License-Identifier: Apache-2.0
"""What happened, in one order, told by everybody who took part.

    history = History()
    history.note("update", "f1", task="f1-0001", state="TASK_RUNNING", uuid=...)

Kinds and their fields, beside `at` (seconds since the start, when it was noted) and `who`:

    act         master, sent: this master answered as the leader what was asked at `sent`
    launch      task, agent, offer, master: is about to be sent
    kill        task: is about to be sent
    update      task, state, source, reason, uuid, message, master: was received; `reason` and the like may be None
    acknowledge task, uuid
    epoch       value, master: how often the registry's was written, and by whom at last, as ZooKeeper has it
    start, exit who: a daemon; status
    fault, heal what

Anything else is for the reader only.
"""

import collections
import threading
import time

Event = collections.namedtuple("Event", "at kind who fields")


class History:
    def __init__(self):
        self._lock = threading.Lock()
        self._origin = time.monotonic()
        self.events = []

    def now(self):
        return time.monotonic() - self._origin

    def wall_to_at(self, seconds):
        """When that was, for what has only the time of day: a file."""
        return seconds - (time.time() - self.now())

    def note(self, kind, who, at=None, **fields):
        with self._lock:
            event = Event(self.now() if at is None else at, kind, who, fields)
            self.events.append(event)
        return event

    def of(self, *kinds):
        with self._lock:
            return [e for e in self.events if e.kind in kinds]


def line_of(event):
    fields = " ".join("%s=%s" % (k, v) for k, v in event.fields.items() if v is not None)
    return "%9.3f %-11s %-8s %s" % (event.at, event.kind, event.who, fields)


def text_of(events):
    return "\n".join(line_of(e) for e in sorted(events, key=lambda e: e.at))
