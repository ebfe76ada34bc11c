"""What callers do to programs besides writing to them."""

from __future__ import annotations

from signal import SIGCONT, SIGINT, SIGSTOP, SIGTSTP

import pytest

from dffmpeg.wire.control import Closed, Record, Signal, Size, leaves_stopped


@pytest.mark.parametrize(
    ("records", "before", "after"),
    [
        ([], False, False),
        ([], True, True),
        ([Signal(SIGTSTP)], False, True),
        ([Signal(SIGSTOP)], False, True),
        ([Signal(SIGCONT)], True, False),
        ([Signal(SIGTSTP), Signal(SIGCONT)], False, False),
        ([Signal(SIGCONT), Signal(SIGTSTP), Signal(SIGINT)], False, True),
        ([Signal(SIGINT), Closed(SIGSTOP), Size(SIGSTOP, SIGSTOP)], False, False),
        ([Closed(SIGCONT), Size(SIGCONT, SIGCONT)], True, True),
    ],
)
def test_who_is_stopped(records: list[Record], before: bool, after: bool) -> None:
    assert leaves_stopped(records, before) is after
