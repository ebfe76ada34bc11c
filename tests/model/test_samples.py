"""How figures are put together."""

from __future__ import annotations

from dffmpeg.model.samples import MINUTE, QUARTER, Figures, Sample, begin, quarters, series, total


def minute(at: int, who: str = "a", **figures: float) -> Sample:
    return Sample(MINUTE, at, who, Figures(**figures))  # type: ignore[arg-type]


def test_what_adds_up_and_what_does_not() -> None:
    one = Figures(submitted=2, waits=1, waited=3.0, waited_max=3.0, bytes=10)
    two = Figures(submitted=1, waits=2, waited=1.0, waited_max=0.75, failed=1)
    both = total([one, two])
    assert (both.submitted, both.failed, both.ended, both.waits, both.bytes) == (3, 1, 1, 3, 10)
    assert (both.waited, both.waited_max) == (4.0, 3.0)


def test_the_cluster_is_a_mean_over_looks() -> None:
    found = Figures().with_look(queued=4, running=1, slots=8, used_slots=1)
    found = found.with_look(queued=0, running=2, slots=8, used_slots=3)
    assert (found.mean(found.queued), found.mean(found.used_slots)) == (2.0, 2.0)
    # One who only counts jobs does not make the cluster smaller.
    assert found.plus(Figures(submitted=7)).mean(found.slots) == 8.0
    assert Figures().mean(0) is None


def test_begin() -> None:
    assert (begin(119.9, MINUTE), begin(120.0, MINUTE), begin(899.0, QUARTER)) == (60, 120, 0)


def test_quarters_are_made_of_each_coordinator_s_minutes() -> None:
    found = quarters([minute(0, submitted=1), minute(840, submitted=2), minute(900, submitted=4)])
    assert [(one.step, one.at, one.figures.submitted) for one in found] == [(900, 0, 3), (900, 900, 4)]
    two = quarters([minute(0, "a", failed=1), minute(60, "b", failed=1)])
    assert [(one.coordinator_id, one.figures.failed) for one in two] == [("a", 1), ("b", 1)]


def test_a_history_adds_coordinators_and_shows_gaps() -> None:
    samples = [minute(60, "a", submitted=1), minute(60, "b", submitted=2), minute(180, "a")]
    points = series(samples, MINUTE, 0, 4)
    assert [at for at, _ in points] == [0, 60, 120, 180]
    assert [None if one is None else one.submitted for _, one in points] == [None, 3, None, 0]


def test_minutes_count_only_until_there_is_their_quarter() -> None:
    samples = [
        Sample(QUARTER, 0, "a", Figures(completed=5)),
        minute(60, "a", completed=5),
        minute(120, "b", completed=1),
        minute(900, "a", completed=2),
        minute(1800, "a", completed=9),
    ]
    points = series(samples, QUARTER, 0, 2)
    assert [None if one is None else one.completed for _, one in points] == [6, 2]
