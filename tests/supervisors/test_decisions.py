"""The decisions as tables."""

from __future__ import annotations

import pytest

from dffmpeg.supervisors import AutoShutdown, Backoff, Restart, Strategy
from dffmpeg.supervisors.decisions import Next, RestartWindow, after_exit, restart_group, shuts_down


@pytest.mark.parametrize(
    ("restart", "crashed", "expected"),
    [
        (Restart.PERMANENT, False, Next.RESTART),
        (Restart.PERMANENT, True, Next.RESTART),
        (Restart.TRANSIENT, False, Next.KEEP),
        (Restart.TRANSIENT, True, Next.RESTART),
        (Restart.TEMPORARY, False, Next.REMOVE),
        (Restart.TEMPORARY, True, Next.REMOVE),
    ],
)
def test_what_follows_an_exit(restart: Restart, crashed: bool, expected: Next) -> None:
    assert after_exit(restart, crashed=crashed) is expected


@pytest.mark.parametrize(
    ("strategy", "failed", "expected"),
    [
        (Strategy.ONE_FOR_ONE, "a", "a"),
        (Strategy.ONE_FOR_ONE, "b", "b"),
        (Strategy.ONE_FOR_ALL, "a", "abc"),
        (Strategy.ONE_FOR_ALL, "c", "abc"),
        (Strategy.REST_FOR_ONE, "a", "abc"),
        (Strategy.REST_FOR_ONE, "b", "bc"),
        (Strategy.REST_FOR_ONE, "c", "c"),
    ],
)
def test_who_is_restarted_together(strategy: Strategy, failed: str, expected: str) -> None:
    assert restart_group(strategy, ("a", "b", "c"), failed) == tuple(expected)


@pytest.mark.parametrize(
    ("auto_shutdown", "significant", "others", "expected"),
    [
        (AutoShutdown.NEVER, False, [], False),
        (AutoShutdown.NEVER, True, [], False),
        (AutoShutdown.ANY_SIGNIFICANT, False, [], False),
        (AutoShutdown.ANY_SIGNIFICANT, True, [], True),
        (AutoShutdown.ANY_SIGNIFICANT, True, [True], True),
        (AutoShutdown.ALL_SIGNIFICANT, False, [], False),
        (AutoShutdown.ALL_SIGNIFICANT, True, [], True),
        (AutoShutdown.ALL_SIGNIFICANT, True, [False], True),
        (AutoShutdown.ALL_SIGNIFICANT, True, [False, True], False),
    ],
)
def test_when_significant_children_end_their_supervisor(
    auto_shutdown: AutoShutdown, significant: bool, others: list[bool], expected: bool
) -> None:
    assert shuts_down(auto_shutdown, significant=significant, others_active=others) is expected


@pytest.mark.parametrize(
    ("intensity", "times", "exceeded"),
    [
        (0, [], False),
        (0, [0.0], True),
        (1, [0.0], False),
        (1, [0.0, 5.0], True),
        (1, [0.0, 5.1], False),
        (3, [0.0, 1.0, 2.0], False),
        (3, [0.0, 1.0, 2.0, 3.0], True),
        (3, [0.0, 1.0, 2.0, 5.1], False),
        (3, [0.0, 1.0, 2.0, 5.1, 5.2], True),
    ],
)
def test_when_restarts_are_too_many(intensity: int, times: list[float], exceeded: bool) -> None:
    window = RestartWindow(intensity, 5.0)
    for time in times:
        window = window.add(time, ValueError(str(time)))
    assert window.exceeded is exceeded
    assert len(window.reasons) <= intensity + 1


@pytest.mark.parametrize(
    ("attempt", "chance", "expected"),
    [
        (1, 0.0, 1.0),
        (2, 0.0, 2.0),
        (3, 0.0, 4.0),
        (4, 0.0, 5.0),
        (10_000, 0.0, 5.0),
        (1, 1.0, 0.5),
        (4, 0.5, 3.75),
    ],
)
def test_how_long_to_wait(attempt: int, chance: float, expected: float) -> None:
    assert Backoff(1.0, 5.0, jitter=0.5).delay(attempt, chance) == expected


@pytest.mark.parametrize(("previous", "uptime", "expected"), [(0, 0.0, 1), (1, 9.9, 2), (7, 10.0, 1)])
def test_a_long_life_starts_the_backoff_over(previous: int, uptime: float, expected: int) -> None:
    assert Backoff(reset_after=10.0).attempt(previous, uptime) == expected


@pytest.mark.parametrize("values", [(-1.0, 1.0, 0.0), (2.0, 1.0, 0.0), (0.0, 1.0, 1.1), (0.0, 1.0, -0.1)])
def test_a_backoff_that_makes_no_sense_is_refused(values: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError):
        Backoff(*values)
