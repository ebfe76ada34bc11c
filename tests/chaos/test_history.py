"""The checker refuses every history that a correct cluster does not have, and only those."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.history import (
    Attempt,
    Disturbance,
    Ending,
    Execution,
    History,
    Submission,
    excused,
    violations,
)

DONE = Execution(key="k", worker="w1", begun=11.0, ended=12.0, exit_code=0)
CUT_SHORT = Execution(key="k", worker="w1", begun=11.0)
AGAIN = Execution(key="k", worker="w2", begun=31.0, ended=32.0, exit_code=0)

ONCE = (Attempt(number=1, worker="w1", assigned=10.0, ended=12.1, outcome="completed"),)
TWICE = (
    Attempt(number=1, worker="w1", assigned=10.0, ended=30.0, outcome="lost"),
    Attempt(number=2, worker="w2", assigned=30.5, ended=32.1, outcome="completed"),
)
ENDING = Ending(job_id="j", key="k", status="completed", exit_code=0, attempts=ONCE)
RIGHT = History(
    submissions=(Submission(key="k", job_id="j", digest="d"),),
    executions=(DONE,),
    endings=(ENDING,),
    digests={"k": "d"},
)
MOVED = replace(RIGHT, endings=(replace(ENDING, attempts=TWICE),), executions=(CUT_SHORT, AGAIN))
IN_VAIN = replace(
    MOVED, executions=(DONE, AGAIN), disturbances=(Disturbance(target="w1", begin=12.05, end=25.0),)
)
CANCELED = replace(
    RIGHT,
    submissions=(Submission(key="k", job_id="j", canceled=True),),
    executions=(CUT_SHORT,),
    endings=(replace(ENDING, status="canceled", exit_code=None),),
)
FAILED = replace(
    RIGHT,
    submissions=(Submission(key="k", job_id="j", exit_code=3),),
    executions=(replace(DONE, exit_code=3),),
    endings=(replace(ENDING, status="failed", exit_code=3),),
)


def struck(*disturbances: Disturbance) -> History:
    return replace(IN_VAIN, disturbances=disturbances)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param(RIGHT, id="once"),
        pytest.param(MOVED, id="moved"),
        pytest.param(IN_VAIN, id="its worker was struck before it could tell"),
        pytest.param(
            struck(
                Disturbance(target="coordinator", begin=12.0, end=26.0),
                Disturbance(target="w1", begin=27.0, end=28.0),
            ),
            id="nobody was there to be told, and then its worker was struck",
        ),
        pytest.param(
            struck(Disturbance(target="w1", begin=5.0, end=29.0)), id="its worker was cut off all the time"
        ),
        pytest.param(
            replace(
                struck(Disturbance(target="database", begin=11.5, end=13.0)),
                silences=((11.6, 25.0),),
                lease=20.0,
            ),
            id="nobody answered for as long as the lease",
        ),
        pytest.param(CANCELED, id="canceled"),
        pytest.param(replace(CANCELED, executions=()), id="canceled before it ran"),
        pytest.param(replace(RIGHT, submissions=CANCELED.submissions), id="ended before it was canceled"),
        pytest.param(FAILED, id="failed as it should"),
        pytest.param(replace(RIGHT, submissions=(), unanswered=frozenset("k")), id="unanswered, and it ran"),
        pytest.param(
            replace(RIGHT, submissions=(), unanswered=frozenset("k"), executions=(), endings=()),
            id="unanswered, and it does not exist",
        ),
    ],
)
def test_it_takes_what_is_right(history: History) -> None:
    assert violations(history) == []


@pytest.mark.parametrize(
    ("history", "kind"),
    [
        pytest.param(replace(RIGHT, endings=(), executions=()), "lost", id="lost"),
        pytest.param(replace(RIGHT, endings=(replace(ENDING, status="pending"),)), "stuck", id="pending"),
        pytest.param(replace(RIGHT, endings=(replace(ENDING, status="canceling"),)), "stuck", id="canceling"),
        pytest.param(
            replace(RIGHT, endings=(replace(ENDING, status="failed", exit_code=1),)), "wrong", id="failed"
        ),
        pytest.param(
            replace(FAILED, endings=(replace(ENDING, status="failed", exit_code=4),)), "wrong", id="exit code"
        ),
        pytest.param(replace(FAILED, endings=(ENDING,)), "wrong", id="completed in place of failed"),
        pytest.param(replace(RIGHT, executions=()), "wrong", id="completed without having run"),
        pytest.param(replace(RIGHT, executions=(CUT_SHORT,)), "wrong", id="completed without an end"),
        pytest.param(replace(RIGHT, digests={"k": "e"}), "wrong", id="other output"),
        pytest.param(replace(RIGHT, digests={}), "wrong", id="no output"),
        pytest.param(
            replace(CANCELED, submissions=(Submission(key="k", job_id="j"),)),
            "wrong",
            id="canceled by nobody",
        ),
        pytest.param(replace(IN_VAIN, disturbances=()), "twice", id="again for no reason"),
        pytest.param(
            struck(Disturbance(target="w2", begin=12.05, end=25.0)), "twice", id="another worker was struck"
        ),
        pytest.param(
            struck(Disturbance(target="w1", begin=5.0, end=11.9)), "twice", id="struck before its end"
        ),
        pytest.param(
            struck(Disturbance(target="w1", begin=24.0, end=28.0)), "twice", id="time enough to tell"
        ),
        pytest.param(
            struck(Disturbance(target="w1", begin=30.1, end=31.0)),
            "twice",
            id="given up before it was struck",
        ),
        pytest.param(
            replace(
                IN_VAIN, endings=(replace(ENDING, attempts=(replace(TWICE[0], outcome="failed"), TWICE[1])),)
            ),
            "twice",
            id="again though its end was known",
        ),
        pytest.param(
            replace(
                struck(Disturbance(target="database", begin=11.5, end=13.0)),
                silences=((11.6, 17.0), (17.0, 25.0)),
                lease=20.0,
            ),
            "twice",
            id="nobody answered, for moments",
        ),
        pytest.param(replace(RIGHT, executions=(DONE, AGAIN)), "twice", id="without an attempt"),
        pytest.param(
            replace(RIGHT, executions=(CUT_SHORT, replace(DONE, begun=11.5))),
            "twice",
            id="twice in one attempt",
        ),
        pytest.param(
            replace(RIGHT, endings=(ENDING, replace(ENDING, job_id="i")), unanswered=frozenset("k")),
            "twice",
            id="one submission, two jobs",
        ),
        pytest.param(
            replace(MOVED, executions=(replace(DONE, ended=31.5), AGAIN)), "together", id="two at once"
        ),
        pytest.param(replace(RIGHT, submissions=()), "invented", id="a job of nobody's"),
        pytest.param(
            replace(RIGHT, executions=(DONE, replace(DONE, key="x"))),
            "invented",
            id="an execution of nobody's",
        ),
        pytest.param(replace(RIGHT, alive=frozenset("k")), "left", id="still running"),
    ],
)
def test_it_refuses_what_is_wrong(history: History, kind: str) -> None:
    assert kind in {one.kind for one in violations(history)}


def test_it_counts_what_ran_in_vain() -> None:
    assert excused(RIGHT) == excused(MOVED) == 0
    assert excused(IN_VAIN) == 1
