"""Order, limits, reserved slots, and what time does."""

import random
from dataclasses import replace
from typing import Any

import pytest

from dffmpeg.model import transitions
from dffmpeg.model.jobs import JobState
from dffmpeg.model.needs import Needs
from dffmpeg.model.scheduling.board import Board
from dffmpeg.model.scheduling.entries import Shape
from dffmpeg.model.scheduling.policy import Limit, PriorityClass
from dffmpeg.model.workers import WorkerState
from tests.model.scheduling.rows import NOW, board, job, jobs, pairs, running, worker


def one_by_one(made: Board, count: int, *, now: float = NOW, seconds: float = 1.0) -> list[str]:
    """Which jobs start, one after the other, where each ends before the next begins."""
    order = []
    for step in range(count):
        at = now + step * seconds
        decisions = made.decide(at)
        order += jobs(decisions)
        for one in decisions:
            made.forget(one.entry.job_id, at + seconds)
    return order


def test_first_come_first_served() -> None:
    later, first = job("a", created_at=NOW + 1), job("b", created_at=NOW)
    same = job("c", created_at=NOW)
    assert one_by_one(board(later, same, first, worker("w")), 3) == ["b", "c", "a"]


def test_a_higher_priority_goes_first() -> None:
    made = board(*(job(str(p), priority=p) for p in (-100, 0, 100, 50)), worker("w"))
    assert one_by_one(made, 4) == ["100", "50", "0", "-100"]


def test_never_more_than_there_are_slots() -> None:
    made = board(*(job(str(n)) for n in range(20)), running("r", "w"), worker("w", 4), worker("v", 2))
    chosen = [worker_id for _, worker_id in pairs(made.decide(NOW))]
    assert (chosen.count("w"), chosen.count("v")) == (3, 2)
    assert made.decide(NOW) == []


def test_decisions_are_made_in_rounds() -> None:
    made = board(*(job(str(n)) for n in range(5)), worker("w", 9))
    assert [len(made.decide(NOW, 2)) for _ in range(4)] == [2, 2, 1, 0]


def test_a_job_that_fits_nowhere_holds_up_nobody() -> None:
    waiting = [job("odd", binary="ffprobe"), job("lost", paths=("Movies",)), job("b")]
    assert jobs(board(*waiting, worker("w", 3)).decide(NOW)) == ["b"]


def test_requesters_take_turns() -> None:
    rows = [job(f"a{n}", who="alice", created_at=NOW - 10 + n) for n in range(4)]
    rows += [job(f"b{n}", who="bob", created_at=NOW + n) for n in range(2)]
    # Bob came later, but Alice has got something by then.
    assert one_by_one(board(*rows, worker("w")), 6) == ["a0", "b0", "a1", "b1", "a2", "a3"]
    assert jobs(board(*rows, worker("w", 4)).decide(NOW)) == ["a0", "b0", "a1", "b1"]


def test_slot_time_counts_and_not_the_number_of_jobs() -> None:
    made = board(worker("w"), *(job(f"a{n}", who="alice") for n in range(50)))
    for n in range(50):
        made.put(job(f"b{n}", who="bob"), NOW)
    got = {"alice": 0.0, "bob": 0.0}
    now = NOW
    for _ in range(60):
        (decision,) = made.decide(now)
        seconds = 30.0 if decision.entry.requester_id == "alice" else 10.0
        now += seconds
        got[decision.entry.requester_id] += seconds
        made.forget(decision.entry.job_id, now)
    assert abs(got["alice"] - got["bob"]) <= 60.0


def test_who_was_away_has_no_claim_to_what_others_got_meanwhile() -> None:
    made = board(worker("w", 2), *(job(f"a{n:03}", who="alice") for n in range(200)))
    now = NOW
    for _ in range(60):
        for decision in made.decide(now):
            now += 10.0
            made.forget(decision.entry.job_id, now)
    for n in range(40):
        made.put(job(f"b{n:03}", who="bob", created_at=now), now)
    order = one_by_one(made, 20, now=now, seconds=10.0)
    assert 15 <= sum(name.startswith("b") for name in order) <= 25


def test_what_was_used_before_a_restart_is_known_again() -> None:
    made = board(job("a", who="alice", created_at=NOW - 5), job("b", who="bob"), worker("w"))
    made.recall("alice", NOW - 100, NOW - 10, NOW)
    assert one_by_one(made, 2) == ["b", "a"]


def test_a_priority_that_is_passed_over_rises() -> None:
    made = board(job("low", priority=-2), worker("w"), aging=10.0)
    order = []
    for step in range(40):
        now = NOW + step
        made.put(job(f"h{step}", created_at=now), now)
        order += one_by_one(made, 1, now=now)
    # Two points, of 10 s each.
    assert order.index("low") == 21


def test_a_whole_priority_rises_and_is_back_where_it_was_when_one_of_it_had_its_turn() -> None:
    made = board(*(job(f"low{n}", priority=-1) for n in range(3)), worker("w"), aging=10.0)
    order = []
    for step in range(40):
        now = NOW + step
        made.put(job(f"h{step}", created_at=now), now)
        order += one_by_one(made, 1, now=now)
    assert [n for n, name in enumerate(order) if name.startswith("low")] == [11, 22, 33]


def test_what_waits_for_a_time() -> None:
    made = board(job("a", not_before=NOW + 10), worker("w"))
    assert (made.decide(NOW), made.next_moment(NOW)) == ([], NOW + 10)
    assert jobs(made.decide(NOW + 10)) == ["a"]
    assert made.next_moment(NOW + 10) is None


def test_what_waits_for_others() -> None:
    made = board(job("a", blocked=1), job("b", blocked=1, not_before=NOW + 5), worker("w", 2))
    assert made.decide(NOW) == []
    assert made.next_moment(NOW) is None
    made.put(job("a"), NOW)
    made.put(job("b", not_before=NOW + 5), NOW)
    assert jobs(made.decide(NOW)) == ["a"]
    assert made.next_moment(NOW) == NOW + 5


def test_whose_patience_ends() -> None:
    made = board(job("a", pending_timeout=10.0), job("b", pending_timeout=20.0))
    made.decide(NOW)
    assert (made.overdue(), made.next_moment(NOW)) == ([], NOW + 10)
    made.decide(NOW + 10)
    assert [one.job_id for one in made.overdue()] == ["a"]
    made.forget("a", NOW + 10)
    assert (made.overdue(), made.next_moment(NOW + 10)) == ([], NOW + 20)


def test_a_paused_queue_gives_nothing() -> None:
    made = board(job("a"), worker("w"))
    made.paused = True
    assert made.decide(NOW) == []
    made.paused = False
    assert jobs(made.decide(NOW)) == ["a"]


# Limits


@pytest.mark.parametrize(
    "policy", [{"requester": Limit(running=2)}, {"requesters": {"alice": Limit(running=2)}}]
)
def test_so_many_of_one_requester_run(policy: dict[str, Any]) -> None:
    rows = [job(f"a{n}", created_at=NOW - 5) for n in range(4)] + [job("b", who="bob")]
    made = board(*rows, worker("w", 9), **policy)
    assert sorted(jobs(made.decide(NOW))) == ["a0", "a1", "b"]
    made.forget("a0", NOW)
    assert jobs(made.decide(NOW)) == ["a2"]


def test_so_many_with_one_label_run_whoever_has_them() -> None:
    rows = [job(f"n{n}", who=f"u{n}", labels=("night", "x")) for n in range(3)] + [job("b"), job("c")]
    made = board(*rows, worker("w", 9), labels={"night": Limit(running=1)})
    assert sorted(jobs(made.decide(NOW))) == ["b", "c", "n0"]
    made.forget("n0", NOW)
    assert jobs(made.decide(NOW)) == ["n1"]


def test_a_directory_that_a_worker_comes_back_with_for_reading_only() -> None:
    writing = Shape("ffmpeg", ("Films",), (), Needs(writes=("Films",)))
    before = worker("w", paths=("Films",))
    made = board(replace(job("a"), shape=writing), before)
    assert jobs(made.decide(NOW)) == ["a"]
    made.forget("a", NOW)
    made.set_worker(replace(before, read_only=("Films",)), NOW)
    made.put(replace(job("b"), shape=writing), NOW)
    assert jobs(made.decide(NOW)) == []
    made.set_worker(before, NOW)
    assert jobs(made.decide(NOW)) == ["b"]


def test_so_many_may_be_queued() -> None:
    made = board(job("a", labels=("x",)), job("b"), requester=Limit(queued=2), labels={"x": Limit(queued=1)})
    ledger = made.ledger
    assert ledger.full("alice", ()) == "alice has 2 jobs in the queue, as many as it may have"
    assert ledger.full("bob", ()) is None
    assert ledger.full("bob", ("x",)) == "1 jobs with the label x are in the queue, as many as there may be"
    # What runs is not queued.
    made.set_worker(worker("w"), NOW)
    made.decide(NOW)
    assert ledger.full("alice", ("x",)) is None
    assert board(job("a"), queued=1).ledger.full("bob", ()) == "1 jobs are in the queue, as many as it takes"


# Reserved slots

HIGH = PriorityClass(name="high", priority=50, reserved=2, resources={"nvenc": 1})
CLASSES = (PriorityClass(name="normal", priority=0), HIGH)


def test_low_work_leaves_slots_for_high_work() -> None:
    made = board(*(job(f"n{n}") for n in range(9)), worker("w", 3), worker("v", 2), classes=CLASSES)
    assert len(made.decide(NOW)) == 3
    for n in range(3):
        made.put(job(f"h{n}", priority=60), NOW)
    assert jobs(made.decide(NOW)) == ["h0", "h1"]
    # While high work has its slots nothing more is kept.
    made.forget("n0", NOW)
    made.forget("n1", NOW)
    assert jobs(made.decide(NOW)) == ["h2", "n3"]


def test_resources_are_reserved_too() -> None:
    gpu = worker("gpu", 9, resources={"nvenc": 2})
    made = board(*(job(f"n{n}", asks={"nvenc": 1}) for n in range(3)), gpu, classes=CLASSES)
    assert jobs(made.decide(NOW)) == ["n0"]
    made.put(job("h", asks={"nvenc": 1}, priority=50), NOW)
    assert jobs(made.decide(NOW)) == ["h"]


def test_a_low_job_that_has_risen_does_not_hold_up_the_class_that_slots_are_kept_for() -> None:
    gpu = worker("gpu", 9, resources={"nvenc": 2})
    made = board(
        job("low", asks={"nvenc": 1}, priority=-10),
        running("r", "gpu", asks={"nvenc": 1}, resources={"nvenc": 1}),
        gpu,
        classes=CLASSES,
        aging=1.0,
    )
    later = NOW + 1000
    made.put(job("high", asks={"nvenc": 1}, priority=60), later)
    assert jobs(made.decide(later)) == ["high"]


def test_a_class_reaches_up_to_the_next() -> None:
    policy = board(classes=CLASSES).policy
    assert [known and known.name for known in map(policy.class_of, (-1, 0, 49, 50))] == [
        None,
        "normal",
        "normal",
        "high",
    ]


# Resources


def test_what_a_job_asks_for_is_taken_where_it_is_declared() -> None:
    gpu, plain = worker("gpu", 4, resources={"nvenc": 3}), worker("plain", 1, weight=0.1)
    asking = [job(f"j{n}", asks={"nvenc": 2}) for n in range(3)]
    made = board(*asking, gpu, plain)
    first, second = made.decide(NOW)
    assert {(one.worker_id, tuple(one.charge.items())) for one in (first, second)} == {
        ("gpu", (("nvenc", 2),)),
        ("plain", ()),
    }


def test_a_worker_is_kept_for_who_asks_for_much_and_is_always_passed_over() -> None:
    gpu = worker("gpu", 2, resources={"nvenc": 2})
    small = [job(f"s{n:02}", who="bob", asks={"nvenc": 1}) for n in range(60)]
    made = board(*small, job("big", asks={"nvenc": 2}, created_at=NOW + 1), gpu, patience=30.0)
    now = NOW
    busy: list[str] = []
    order: list[str] = []
    for _ in range(60):
        busy += jobs(made.decide(now))
        order = [*order, *(name for name in busy if name not in order)]
        # There is never a moment at which both are free.
        now += 5.0
        made.forget(busy.pop(0), now)
        if "big" in busy or not busy:
            break
    made.decide(now)
    assert made.entries["big"].state is JobState.ASSIGNED
    assert 5 <= len(order) <= 10


# Rows that change


def test_a_transition_does_to_an_entry_what_it_does_to_the_row() -> None:
    made = board(job("a"), worker("w"))
    (decision,) = made.decide(NOW)
    entry = decision.entry
    row = replace(
        entry.shape.job, job_id="a", requester_id="alice", created_at=NOW, last_update=NOW, attempt=0
    )
    assigned = transitions.assign(row, "w", NOW)
    after = entry.after(assigned)
    assert (after.state, after.attempt, after.worker_id) == (JobState.ASSIGNED, 1, "w")
    made.put(after, NOW)
    rejected = transitions.reject(assigned.made(row), 1, "w", NOW + 1, "full", delay=5.0)
    made.put(after.after(rejected), NOW + 1)
    assert (made.ledger.pending, made.pool.free, made.next_moment(NOW + 1)) == (1, 1, NOW + 6)


def test_what_was_decided_and_did_not_happen_is_undone_by_its_row() -> None:
    made = board(job("a"), worker("w"))
    assert jobs(made.decide(NOW)) == ["a"]
    made.put(job("a"), NOW)
    assert made.pool.free == 1
    assert jobs(made.decide(NOW)) == ["a"]


def test_a_worker_that_comes_and_goes() -> None:
    made = board(job("a"), job("b"), worker("w", 2, state=WorkerState.OFFLINE))
    assert made.decide(NOW) == []
    made.set_worker(worker("w", 1), NOW)
    assert jobs(made.decide(NOW)) == ["a"]
    made.set_worker(worker("w", 2), NOW)
    assert jobs(made.decide(NOW)) == ["b"]
    made.set_worker(worker("w", 1), NOW)
    made.forget("a", NOW)
    made.put(job("c"), NOW)
    assert made.decide(NOW) == []
    made.pool.drop_worker("w")
    made.forget("b", NOW)
    assert made.decide(NOW) == []
    assert made.pool.free == 0


def test_the_books_are_empty_when_all_is_over() -> None:
    rng = random.Random(3)
    made = board(*(worker(f"w{n}", 3, resources={"nvenc": 1}) for n in range(3)), classes=CLASSES)
    live: list[str] = []
    for step in range(400):
        now = NOW + step
        asks = {"nvenc": 1} if rng.random() < 0.3 else None
        who, labels = rng.choice("abc"), rng.choice(((), ("x",)))
        made.put(job(f"j{step}", who=who, labels=labels, asks=asks, priority=rng.choice((0, 50))), now)
        live += jobs(made.decide(now))
        while live and rng.random() < 0.5:
            made.forget(live.pop(rng.randrange(len(live))), now)
    for entry in list(made.entries.values()):
        made.forget(entry.job_id, NOW + 500)
    ledger = made.ledger
    assert (ledger.pending, +ledger.queued, +ledger.running, +ledger.running_by_label) == (0, {}, {}, {})
    assert (made.pool.free, made.pool.free_resources) == (9, {"nvenc": 3})
    assert all(not fit.pending and not fit.waiting for fit in made.pool.fits.values())
    assert all(not node.load.used and not any(node.load.taken.values()) for node in made.pool.nodes.values())
