#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The judge of the fault run complains about bad histories and bad books, and about no good one."""

import collections
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from audit import Account, Books, check_books, unused    # noqa: E402
from harness import check, equal, main    # noqa: E402
from history import History    # noqa: E402
from judge import Truth, check_epochs, check_leaders, check_tasks, concerned    # noqa: E402

STARTING, RUNNING, KILLING = "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING"
FINISHED, FAILED, KILLED = "TASK_FINISHED", "TASK_FAILED", "TASK_KILLED"
LOST, UNREACHABLE, DROPPED, UNKNOWN = "TASK_LOST", "TASK_UNREACHABLE", "TASK_DROPPED", "TASK_UNKNOWN"


class Tale:
    """A history with one task, told in short: a state is its agent's word, *state the master's, "kill" a call."""

    def __init__(self, *words):
        self.history = History()
        self.history.note("launch", "f1", at=0.0, task="t", agent="a", offer="o", master="m")
        for n, word in enumerate(words, 1):
            self._note(float(n), word)

    def _note(self, at, word):
        if word == "kill":
            self.history.note("kill", "f1", at=at, task="t")
            return
        state, _, rest = word.partition("/")
        masters = state.startswith("*")
        state = state.lstrip("*")
        uuid = None if masters else "uuid-%s-%s" % (state, rest)
        message = "Command exited with status %s" % (rest or "3") if state == FAILED else None
        self.history.note("update", "f1", at=at, task="t", state=state, uuid=uuid, reason=rest if masters else None,
                          source="SOURCE_MASTER" if masters else "SOURCE_EXECUTOR", message=message, master="m")

    def accept(self, truth):
        equal(check_tasks(self.history, {"t": truth} if truth else {}), [], "violations")

    def refuse(self, truth, *words):
        found = check_tasks(self.history, {"t": truth} if truth else {})
        check(found, "nothing was found")
        text = "\n".join(found)
        for word in words:
            check(word in text, "no %r in %s" % (word, text))
        check(concerned(found, self.history), "no history of it")


def ended(status=0, starts=(0.5,)):
    return Truth(starts, status, False)


ALIVE = Truth((0.5,), None, True)
DEAD = Truth((0.5,), None, False)


def test_good_lives_are_accepted():
    Tale(STARTING, RUNNING, FINISHED).accept(ended())
    Tale(STARTING, STARTING, RUNNING, FAILED, FAILED).accept(ended(3))
    Tale(STARTING, RUNNING, "kill", KILLING, KILLED).accept(DEAD)
    Tale(STARTING, RUNNING, "kill", FINISHED).accept(ended())
    Tale(STARTING, RUNNING).accept(ALIVE)
    Tale(STARTING, RUNNING, "*" + UNREACHABLE, "*" + RUNNING).accept(ALIVE)
    Tale(STARTING, RUNNING, "*" + LOST + "/REASON_SLAVE_REMOVED", "*" + RUNNING, FINISHED).accept(ended())
    Tale(STARTING, RUNNING, FINISHED, "*" + FINISHED, "*" + UNKNOWN).accept(ended())


def test_good_ends_of_what_never_started_are_accepted():
    Tale("*" + DROPPED).accept(None)
    Tale("*" + LOST + "/REASON_INVALID_OFFERS").accept(None)
    Tale("*" + UNREACHABLE, "*" + UNKNOWN).accept(None)
    Tale("kill", "*" + KILLED).accept(None)
    Tale(STARTING, "kill", KILLED).accept(None)
    Tale(STARTING, RUNNING, "kill", KILLED).accept(None)


def test_task_started_twice_is_found():
    Tale(STARTING, RUNNING, FINISHED).refuse(ended(starts=(0.5, 0.7)), "started 2 times")


def test_task_that_nobody_launched_is_found():
    found = check_tasks(History(), {"t": ALIVE})
    equal(found, ["t: runs for nobody who launched it"], "violations")


def test_lost_task_is_found():
    Tale(STARTING, RUNNING).refuse(DEAD, "nobody killed it")
    Tale().refuse(None, "the last word about it is None")
    Tale(STARTING).refuse(None, "the last word about it is TASK_STARTING")
    Tale("*" + UNREACHABLE).refuse(None, "the last word about it is TASK_UNREACHABLE")


def test_end_that_is_not_told_or_told_twice_is_found():
    Tale(STARTING, RUNNING).refuse(ended(), "told 0 times")
    Tale(STARTING, RUNNING, "*" + LOST).refuse(ended(), "told 0 times")
    Tale(STARTING, RUNNING, FINISHED + "/1", FINISHED + "/2").refuse(ended(), "told 2 times", "came as")


def test_wrong_end_is_found():
    Tale(STARTING, RUNNING, FINISHED).refuse(ended(3), "status 3", "TASK_FINISHED")
    Tale(STARTING, RUNNING, FAILED + "/1").refuse(ended(3), "status 3", "status 1")
    Tale(STARTING, RUNNING, KILLED).refuse(ended(), "TASK_KILLED")
    Tale(STARTING, RUNNING, "kill", FINISHED).refuse(DEAD, "TASK_FINISHED")
    Tale("*" + KILLED).refuse(None, "never started")


def test_end_of_what_runs_is_found():
    Tale(STARTING, RUNNING, FINISHED).refuse(ALIVE, "its end was told")
    Tale(STARTING, RUNNING, "*" + LOST).refuse(ALIVE, "the last word about it is TASK_LOST")
    Tale(STARTING).refuse(ALIVE, "the last word about it is TASK_STARTING")


def test_start_of_what_was_told_to_be_over_is_found():
    Tale("*" + DROPPED, STARTING, RUNNING).refuse(Truth((1.5,), None, True), "after TASK_DROPPED was told")
    Tale("*" + LOST + "/REASON_INVALID_OFFERS", RUNNING).refuse(Truth((1.5,), None, True), "after TASK_LOST")
    Tale("*" + LOST + "/REASON_SLAVE_REMOVED", RUNNING).accept(Truth((1.5,), None, True))


def test_revival_and_wrong_order_are_found():
    Tale(STARTING, RUNNING, FINISHED, "*" + RUNNING).refuse(ended(), "after its end")
    Tale(RUNNING, STARTING, FINISHED).refuse(ended(), "came as")
    Tale("*" + RUNNING, "*" + DROPPED).refuse(None, "never started, but told as TASK_RUNNING")
    Tale(STARTING, RUNNING, KILLED).refuse(None, "never started, but told as TASK_RUNNING")


# Leaders

def acts(*told):
    history = History()
    for master, sent, at in told:
        history.note("act", "f1", at=at, master=master, sent=sent)
    return check_leaders(history)


def test_leaders_one_after_the_other_are_accepted():
    equal(acts(("a", 0, 1), ("a", 2, 3), ("b", 3.5, 4), ("b", 5, 6), ("c", 7, 8)), [], "violations")
    # It cannot be said which of them was first.
    equal(acts(("a", 0, 1), ("b", 2, 5), ("a", 3, 4)), [], "violations")
    equal(acts(("a", 0, 1), ("b", 1.5, 2), ("a", 1.9, 5)), [], "violations")


def test_two_leaders_at_once_are_found():
    found = acts(("a", 0, 1), ("b", 2, 3), ("a", 4, 5))
    equal(len(found), 1, "violations")
    check(found[0].startswith("two leaders: a"), found[0])


def epochs(*told):
    history = History()
    for value, master in told:
        history.note("epoch", "witness", value=value, master=master)
    return check_epochs(history)


def test_epochs_one_after_the_other_are_accepted():
    equal(epochs((1, "a"), (1, "a"), (3, "a"), (4, "b"), (7, "c")), [], "violations")


def test_epoch_that_goes_back_is_found():
    check("went from 3 to 2" in epochs((1, "a"), (3, "a"), (2, "a"))[0], "nothing")


def test_write_of_a_former_leader_is_found():
    equal(len(epochs((1, "a"), (2, "b"), (3, "a"), (4, "b"))), 1, "violations")


# Books

def amount(cpus, mem=0):
    return +collections.Counter({"cpus": cpus, "mem": mem})


def good_books(**changes):
    account = Account(amount(2000, 64000), {"web": amount(100, 32000)}, {"web": amount(1900, 32000)})
    books = Books({"a": account}, {"a": account}, {"t": ("a", "web", RUNNING, amount(100, 32000))},
                  {"o": ("a", "web", amount(1900, 32000))},
                  {"master/cpus_total": 2.0, "master/cpus_used": 0.1, "master/mem_total": 64.0, "master/mem_used": 32.0,
                   "master/disk_total": 0.0, "master/disk_used": 0.0, "master/tasks_running": 1.0,
                   "master/outstanding_offers": 1.0, "master/slaves_active": 1.0})
    return books._replace(**changes)


TASKS = {"t": ("web", amount(100, 32000))}


def complaints(books, tasks=None, offers=("o",), n_agents=1):
    return "\n".join(check_books(books, TASKS if tasks is None else tasks, offers, n_agents))


def test_good_books_are_accepted():
    equal(complaints(good_books()), "", "complaints")
    equal(unused(good_books()), {}, "unused")


def test_books_that_disagree_are_found():
    other = good_books().agents["a"]._replace(offered={})
    check("GET_AGENTS and /slaves differ" in complaints(good_books(listed={"a": other})), "no complaint")
    check("by its offers" in complaints(good_books(agents={"a": other}, listed={"a": other})), "no complaint")
    equal(unused(good_books(agents={"a": other})), {"a": amount(1900, 32000)}, "unused")
    check("not in the books" in complaints(good_books(tasks={})), "no complaint")
    check("does not run" in complaints(good_books(), tasks={}), "no complaint")
    check("in frameworks' hands only: ['p']" in complaints(good_books(), offers=("o", "p")), "no complaint")
    check("not 2" in complaints(good_books(), n_agents=2), "no complaint")
    check("of batch" in complaints(good_books(tasks={"t": ("a", "batch", RUNNING, amount(100, 32000))})), "no complaint")
    wrong = {**good_books().metrics, "master/cpus_used": 0.2, "master/tasks_running": 2.0}
    text = complaints(good_books(metrics=wrong))
    check("master/cpus_used" in text and "master/tasks_running" in text, text)


def test_more_in_use_than_there_is_is_found():
    account = Account(amount(1000, 64000), {"web": amount(100, 32000)}, {"web": amount(1900, 32000)})
    check("-1000 thousandths of cpus" in complaints(good_books(agents={"a": account}, listed={"a": account})), "nothing")


if __name__ == "__main__":
    main()
