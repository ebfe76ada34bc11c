"""Which of two processes with one identity is the worker."""

from __future__ import annotations

import pytest

from dffmpeg.model.instances import takes_over
from dffmpeg.model.workers import WorkerState
from tests.conformance.rows import worker

ONLINE, DRAINING, REGISTERING = WorkerState.ONLINE, WorkerState.DRAINING, WorkerState.REGISTERING


@pytest.mark.parametrize(
    ("known", "state", "lock", "closed", "takes"),
    [
        # The same process, or one that does not say.
        ("B", ONLINE, None, False, True),
        (None, ONLINE, None, False, True),
        # Another one is there.
        ("A", ONLINE, None, False, False),
        ("A", DRAINING, None, False, False),
        ("A", REGISTERING, None, False, False),
        ("A", ONLINE, "another lock", False, False),
        # It has left, or its connection was closed, or the one that registers has the lock that it had.
        ("A", WorkerState.OFFLINE, None, False, True),
        ("A", WorkerState.ERROR, None, False, True),
        ("A", ONLINE, None, True, True),
        ("A", ONLINE, "the lock", False, True),
    ],
)
def test_who_takes_over(
    known: str | None, state: WorkerState, lock: str | None, closed: bool, takes: bool
) -> None:
    before = worker("w1", state, instance=known, sole_on=lock)
    assert takes_over(before, "B", "the lock", closed=closed) is takes


@pytest.mark.parametrize("state", [ONLINE, DRAINING, REGISTERING])
def test_no_lock_shows_nothing(state: WorkerState) -> None:
    assert not takes_over(worker("w1", state, instance="A"), "B", None, closed=False)


def test_one_that_does_not_say_which_it_is_and_the_first_one() -> None:
    assert takes_over(worker("w1", ONLINE, instance="A"), None, None, closed=False)
    assert takes_over(None, "B", None, closed=False)
