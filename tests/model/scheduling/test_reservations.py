"""What is kept for classes of jobs where the cluster has less than is reserved."""

from __future__ import annotations

import pytest

from dffmpeg.model.scheduling.policy import Policy, PriorityClass
from dffmpeg.model.scheduling.reservations import granted, shortfalls
from dffmpeg.model.workers import Hold
from tests.model.scheduling.rows import NOW, board, job, worker

HIGH = PriorityClass(name="high", priority=50, reserved=2, resources={"nvenc": 1})
URGENT = PriorityClass(name="urgent", priority=90, reserved=3)
BOTH = Policy(classes=(HIGH, PriorityClass(name="normal", priority=0), URGENT))


@pytest.mark.parametrize(
    ("total", "high", "urgent"),
    [(0, 0, 0), (1, 0, 0), (2, 0, 1), (3, 0, 2), (4, 0, 3), (5, 1, 3), (6, 2, 3), (100, 2, 3)],
)
def test_one_slot_is_left_and_the_highest_class_comes_first(total: int, high: int, urgent: int) -> None:
    assert granted(BOTH, total) == {"urgent": urgent, "high": high}


@pytest.mark.parametrize(("total", "high"), [(0, 0), (1, 0), (2, 1), (9, 1)])
def test_so_is_one_of_each_resource(total: int, high: int) -> None:
    assert granted(BOTH, total, "nvenc") == {"urgent": 0, "high": high}


SLOTS = "scheduling.reserved: 5 slots are reserved, and the workers that take jobs have {}"
NVENC = "scheduling.reserved_resources: 1 slots of nvenc are reserved, and the workers that take jobs have {}"


@pytest.mark.parametrize(
    ("slots", "nvenc", "said"),
    [
        (6, 2, []),
        # Nobody is there, or nobody has such a thing: then nothing is kept from anybody.
        (0, 0, []),
        (6, 0, []),
        (5, 2, [SLOTS.format("5: 4")]),
        (2, 1, [SLOTS.format("2: 1"), NVENC.format("1: 0")]),
    ],
)
def test_what_falls_short_is_said(slots: int, nvenc: int, said: list[str]) -> None:
    found = [str(one) for one in shortfalls(BOTH, slots, {"nvenc": nvenc})]
    assert found == [text + " of them are kept, one is left to everybody" for text in said]


def test_low_work_is_never_kept_from_all_there_is() -> None:
    made = board(*(job(f"n{n}") for n in range(3)), worker("w", 2), classes=(HIGH,))
    assert [one.entry.job_id for one in made.decide(NOW)] == ["n0"]
    assert len(made.ledger.shortfalls()) == 1
    # What a worker has that takes nothing does not count.
    made.set_worker(worker("v", 9, hold=Hold.PAUSED), NOW)
    assert made.decide(NOW) == []
    made.set_worker(worker("v", 9), NOW)
    assert len(made.decide(NOW)) == 2
    assert made.ledger.shortfalls() == []
    made.pool.drop_worker("v")
    assert (made.pool.total, made.pool.total_resources) == (2, {})
