"""When a program counts as stalled."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from dffmpeg.model.stalls import StallWatch, Vitals

STILL = Vitals(cpu=5, moved=100)


def silent(watch: StallWatch, *seen: Vitals, seconds: float = 1.0) -> float:
    found = 0.0
    for number, vitals in enumerate(seen, start=1):
        found = watch.look(vitals, number * seconds)
    return found


@pytest.mark.parametrize(
    ("seen", "seconds"),
    [
        ([STILL], 0.0),
        ([STILL] * 4, 3.0),
        ([STILL, STILL, Vitals(cpu=6, moved=100), STILL], 0.0),
        ([STILL, STILL, Vitals(cpu=5, moved=101), Vitals(cpu=5, moved=101)], 1.0),
        ([STILL] + [Vitals(cpu=5, moved=100, waits=True)] * 5, 0.0),
        ([STILL] + [Vitals(cpu=5, moved=100, stopped=True)] * 5, 5.0),
        ([STILL] + [Vitals(cpu=5, moved=100, stopped=True, waits=True)] * 5, 5.0),
    ],
    ids=["first", "still", "cpu", "moves", "waits", "stopped", "stopped while it waits"],
)
def test_signs_of_life(seen: list[Vitals], seconds: float) -> None:
    assert silent(StallWatch(1.0, 0.0), *seen) == seconds


def test_time_in_which_nobody_looked_does_not_count() -> None:
    assert silent(StallWatch(1.0, 0.0), STILL, STILL, seconds=1000.0) == 2.0


@pytest.mark.parametrize(
    ("happens", "stopped", "seconds"),
    [
        (lambda watch: watch.signaled(signal.SIGTSTP), True, 0.0),
        (lambda watch: watch.signaled(signal.SIGSTOP), True, 0.0),
        (lambda watch: watch.typed(b"p"), False, 0.0),
        (lambda watch: watch.typed(b"p"), True, 3.0),
        (lambda watch: watch.typed(b"c"), False, 0.0),
        (lambda watch: watch.typed(b"q?"), False, 3.0),
        (lambda watch: watch.typed(b"pu"), False, 3.0),
        (lambda watch: watch.typed(b"c\n"), False, 3.0),
        (lambda watch: watch.typed(b"up"), False, 0.0),
        (lambda watch: watch.signaled(signal.SIGUSR1), False, 3.0),
    ],
)
def test_what_its_caller_has_paused_is_not_stalled(
    happens: Callable[[StallWatch], None], stopped: bool, seconds: float
) -> None:
    watch = StallWatch(1.0, 0.0)
    happens(watch)
    assert silent(watch, *[Vitals(cpu=5, moved=100, stopped=stopped)] * 4) == seconds


def test_it_counts_again_once_its_caller_lets_it_go_on() -> None:
    watch = StallWatch(1.0, 0.0)
    watch.signaled(signal.SIGTSTP)
    stopped = Vitals(cpu=5, moved=100, stopped=True)
    assert silent(watch, *[stopped] * 4) == 0.0
    watch.signaled(signal.SIGCONT)
    assert [watch.look(STILL, now) for now in (5.0, 6.0)] == [1.0, 2.0]


def test_a_key_that_goes_on_after_another_message() -> None:
    watch = StallWatch(1.0, 0.0)
    for keys in (b"p", b"?", b"u", b""):
        watch.typed(keys)
    assert silent(watch, STILL, STILL) == 1.0
