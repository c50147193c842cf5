# SPDX-License-Identifier: Apache-2.0
"""What must be true of a history, however many faults are in it. Each check returns the violations it found.

The truth about a task is what it wrote to the disk itself, see Truth; a framework's view is what it was told. A master
that answers as leader acts; two do so at once when one acts between two acts of another.

Of the updates a task's agent sends, which have a uuid, the framework must get the end exactly as it was, once, however
often it is sent again. What a master says by itself, without a uuid, is an opinion: TASK_LOST or TASK_UNREACHABLE of a
task that runs may be taken back, but must have been by the time all is quiet. Only a task that was never started may
end with one, and then must not be started any more.
"""

import collections

TERMINAL = ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_LOST", "TASK_ERROR", "TASK_DROPPED", "TASK_GONE",
            "TASK_GONE_BY_OPERATOR")
# A master's last word about what was never started.
NEVER_STARTED = ("TASK_DROPPED", "TASK_LOST", "TASK_GONE", "TASK_UNKNOWN", "TASK_ERROR", "TASK_KILLED")
# What cannot be taken back, even by a master.
FINAL = ("TASK_DROPPED", "TASK_ERROR", "TASK_GONE", "TASK_GONE_BY_OPERATOR")
# Nor a loss for these reasons, told to frameworks that do not know better words.
FINAL_LOSSES = ("REASON_INVALID_OFFERS", "REASON_TASK_INVALID", "REASON_INVALID_FRAMEWORKID", "REASON_TASK_UNAUTHORIZED")
RANKS = {"TASK_STAGING": 0, "TASK_STARTING": 1, "TASK_RUNNING": 2, "TASK_KILLING": 3}

# starts: when, by history's clock. status: what it ended with by itself, None if it did not get there.
Truth = collections.namedtuple("Truth", "starts status alive")


def violation(task, text, *args):
    return "%s: %s" % (task, text % args if args else text)


# Leaders

def check_leaders(history):
    """No master acts once another has, unless that one is done."""
    acts = collections.defaultdict(list)
    for event in history.of("act"):
        acts[event.fields["master"]].append(event)
    found = []
    for one, ones in acts.items():
        earliest, latest = min(ones, key=lambda e: e.at), max(ones, key=lambda e: e.fields["sent"])
        for other, others in acts.items():
            between = [e for e in others if e.fields["sent"] > earliest.at and e.at < latest.fields["sent"]]
            if one != other and between:
                found.append("two leaders: %s acted at %.3f (for %s) and was asked again at %.3f (by %s); %s acted at "
                             "%.3f (for %s)" % (one, earliest.at, earliest.who, latest.fields["sent"], latest.who,
                                                other, between[0].at, between[0].who))
    return found


def check_epochs(history):
    """The registry's epoch never goes back, and whoever wrote it before another did does not write again."""
    found, value, writers = [], None, []
    for event in history.of("epoch"):
        if value is not None and event.fields["value"] < value:
            found.append("the registry's epoch went from %d to %d at %.3f" % (value, event.fields["value"], event.at))
        value, master = event.fields["value"], event.fields["master"]
        if master in writers[:-1]:
            found.append("%s wrote the registry at %.3f, after %s had" % (master, event.at, writers[-1]))
        elif master not in writers:
            writers.append(master)
    return found


# Tasks

def by_task(history):
    told = collections.defaultdict(list)
    for event in history.of("launch", "kill", "update"):
        told[event.fields["task"]].append(event)
    return told


def updates_of(events):
    return [e for e in events if e.kind == "update"]


def first_of_each_uuid(updates):
    seen, out = set(), []
    for event in updates:
        uuid = event.fields["uuid"]
        if uuid is not None and uuid not in seen:
            seen.add(uuid)
            out.append(event)
    return out


def ends_of(updates):
    """The terminal updates of its agent, those that were sent again once."""
    return [e for e in first_of_each_uuid(updates) if e.fields["state"] in TERMINAL]


def check_order(task, updates):
    """What the agent says comes in the order of a task's life."""
    states = [e.fields["state"] for e in first_of_each_uuid(updates)]
    ranks = [4 if state in TERMINAL else RANKS.get(state, 5) for state in states]
    if ranks != sorted(set(ranks)):
        return [violation(task, "its states came as %s", states)]
    return []


def check_revival(task, updates):
    """Whoever has ended stays so: later words are the same, or that nobody remembers."""
    ends = ends_of(updates)
    if not ends:
        return []
    forgotten = ("TASK_UNKNOWN", "TASK_GONE", "TASK_LOST")
    return [violation(task, "told as %s at %.3f, after its end as %s at %.3f", e.fields["state"], e.at,
                      ends[0].fields["state"], ends[0].at)
            for e in updates if e.at > ends[0].at and e.fields["uuid"] is None
            and e.fields["state"] != ends[0].fields["state"] and e.fields["state"] not in forgotten]


def is_final(update):
    state, reason = update.fields["state"], update.fields["reason"]
    if update.fields["uuid"] is not None:
        return state in TERMINAL
    return state in FINAL or (state == "TASK_LOST" and reason in FINAL_LOSSES)


def check_late_start(task, updates, truth):
    """What was told to be over is not started afterwards."""
    return [violation(task, "started at %.3f, after %s was told at %.3f", start, e.fields["state"], e.at)
            for start in truth.starts for e in updates if is_final(e) and start > e.at]


def check_never_started(task, updates, killed):
    # It may have been killed before it came to write its first word.
    if killed and [e.fields["state"] for e in ends_of(updates)] == ["TASK_KILLED"]:
        return []
    found = [violation(task, "was never started, but told as %s at %.3f", e.fields["state"], e.at)
             for e in updates if e.fields["state"] in ("TASK_RUNNING", "TASK_FINISHED")]
    last = updates[-1].fields["state"] if updates else None
    if last not in NEVER_STARTED or (last == "TASK_KILLED" and not killed):
        found.append(violation(task, "was never started; the last word about it is %s", last))
    return found


def check_running(task, updates):
    found = [violation(task, "runs, but its end was told: %s at %.3f", e.fields["state"], e.at) for e in ends_of(updates)]
    last = updates[-1].fields["state"] if updates else None
    if last != "TASK_RUNNING":
        found.append(violation(task, "runs, but the last word about it is %s", last))
    return found


def check_ended(task, updates, truth, killed):
    if truth.status is None and not killed:
        return [violation(task, "has died, and nobody killed it")]
    ends = ends_of(updates)
    if len(ends) != 1:
        return [violation(task, "has ended, and its end was told %d times: %s", len(ends),
                          [e.fields["state"] for e in ends])]
    state = ends[0].fields["state"]
    right = {None: (), 0: ("TASK_FINISHED",)}.get(truth.status, ("TASK_FAILED",))
    # A kill may have been on its way when it ended by itself.
    right += ("TASK_KILLED",) if killed else ()
    if state not in right:
        return [violation(task, "ended with status %s%s, but was told as %s", truth.status,
                          " after a kill" if killed else "", state)]
    message = ends[0].fields["message"] or ""
    if state == "TASK_FAILED" and "status %d" % truth.status not in message:
        return [violation(task, "ended with status %d, but was told: %s", truth.status, message)]
    return []


def check_task(task, events, truth):
    updates = updates_of(events)
    killed = any(e.kind == "kill" for e in events)
    found = check_order(task, updates) + check_revival(task, updates) + check_late_start(task, updates, truth)
    if len(truth.starts) > 1:
        found.append(violation(task, "was started %d times, at %s", len(truth.starts), truth.starts))
    if not truth.starts:
        found += check_never_started(task, updates, killed)
    elif truth.alive:
        found += check_running(task, updates)
    else:
        found += check_ended(task, updates, truth, killed)
    return found


def check_tasks(history, truths):
    """`truths`: {task: Truth}, of those that left traces. All is quiet."""
    told = by_task(history)
    nothing = Truth((), None, False)
    found = [violation(task, "runs for nobody who launched it") for task in truths if task not in told]
    for task, events in sorted(told.items()):
        found += check_task(task, events, truths.get(task, nothing))
    return found


def concerned(violations, history):
    """The events about the tasks that violations name."""
    names = {v.split(":", 1)[0] for v in violations}
    return [e for e in history.of("launch", "kill", "update", "acknowledge", "task") if e.fields.get("task") in names]
