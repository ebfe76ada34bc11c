"""From facts to alerts: what is said, and that it does not flicker."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from dffmpeg.model import alerts
from dffmpeg.model.alerts import (
    LINGERS,
    Alert,
    DatabaseFacts,
    Facts,
    Stranded,
    WorkerFacts,
    conditions,
    follow,
)

GIB = 1 << 30


def stranded(jobs: int, why: str, *, possible: bool = False, program: str = "ffmpeg") -> Stranded:
    return Stranded(program=program, jobs=jobs, why=why, possible=possible)


@pytest.mark.parametrize(
    ("facts", "kind", "severity", "subject", "words"),
    [
        (
            Facts(stranded=[stranded(1, "it lacks the label gpu")]),
            "no_worker", "error", "ffmpeg", ["1 ffmpeg job waits", "label gpu", "Add a worker"],
        ),
        (
            Facts(stranded=[stranded(2, "w1 is offline", possible=True), stranded(5, "no ffmpeg")]),
            "no_worker", "error", "ffmpeg", ["7 ffmpeg jobs wait", "no ffmpeg; w1 is offline", "resume a"],
        ),
        (
            Facts(workers=[WorkerFacts(worker_id="w1", quarantined=True, hold_reason="3 failures")]),
            "quarantined", "warning", "w1", ["w1", "3 failures", "resume it"],
        ),
        (
            Facts(workers=[WorkerFacts(worker_id="w1", offline=True, lost_jobs=2, lost_at=5.0)]),
            "worker_lost", "warning", "w1", ["w1", "2 jobs", "its machine"],
        ),
        (
            Facts(workers=[WorkerFacts(worker_id="w1", mounts={"Movies": "gone", "TV": "healthy"})]),
            "mount_gone", "error", "w1", ["the mount Movies is not there", "See to the mount"],
        ),
        (
            Facts(workers=[WorkerFacts(worker_id="w1", mounts={"NAS": "hung: it sleeps"})]),
            "mount_gone", "error", "w1", ["the mount NAS does not answer (it sleeps)"],
        ),
        (Facts(downlinks={"mqtt": 5.0}), "downlink_down", "error", "mqtt", ["mqtt", "its server"]),
        (Facts(silent={"01A": 5.0}), "coordinator_silent", "warning", "01A", ["01A", "its machine"]),
        (
            Facts(databases=[DatabaseFacts(name="jobs", answers=False)]),
            "database", "error", "jobs", ["The database does not answer"],
        ),
        (
            Facts(databases=[DatabaseFacts(name="auth,jobs", answers=False), DatabaseFacts(name="streams")]),
            "database", "error", "auth,jobs", ["The database of auth, jobs does not answer"],
        ),
        (
            Facts(databases=[DatabaseFacts(name="jobs", seconds=2.04)]),
            "database", "warning", "jobs", ["slow", "2.0 s"],
        ),
        (
            Facts(databases=[DatabaseFacts(name="jobs", free=100 << 20, size=100 * GIB)]),
            "disk_full", "error", "jobs", ["100 MiB", "retention"],
        ),
    ],
)  # fmt: skip
def test_each_says_what_is_wrong_and_what_to_do(
    facts: Facts, kind: str, severity: str, subject: str, words: Iterable[str]
) -> None:
    (alert,) = conditions(facts)
    assert (alert.kind, alert.severity, alert.subject) == (kind, severity, subject)
    for word in words:
        assert word in alert.text


@pytest.mark.parametrize(
    "facts",
    [
        Facts(),
        Facts(workers=[WorkerFacts(worker_id="w1", mounts={"TV": "healthy", "X": "unknown"})]),
        # It left by itself; and nobody looks at its mounts now.
        Facts(workers=[WorkerFacts(worker_id="w1", offline=True, mounts={"TV": "gone"})]),
        # It was lost, and is back.
        Facts(workers=[WorkerFacts(worker_id="w1", lost_jobs=1, lost_at=5.0)]),
        Facts(databases=[DatabaseFacts(name="jobs", seconds=0.9, free=2 * GIB, size=100 * GIB)]),
        # Of a small disk a twentieth is what counts.
        Facts(databases=[DatabaseFacts(name="jobs", free=GIB // 2, size=4 * GIB)]),
    ],
)
def test_nothing_to_say(facts: Facts) -> None:
    assert conditions(facts) == []


@pytest.mark.parametrize(
    ("facts", "key"),
    [
        (Facts(databases=[DatabaseFacts(name="jobs", seconds=0.7)]), ("database", "jobs")),
        (Facts(databases=[DatabaseFacts(name="jobs", free=240 << 20, size=4 * GIB)]), ("disk_full", "jobs")),
    ],
)
def test_what_is_shown_needs_a_clear_improvement(facts: Facts, key: alerts.Key) -> None:
    assert conditions(facts) == []
    assert [alert.key for alert in conditions(facts, [key])] == [key]


def shown(standing: dict[alerts.Key, alerts.Standing]) -> list[tuple[str, float | None]]:
    return [(alert.subject, alert.since) for alert in alerts.shown(standing)]


def test_what_passes_is_not_shown_and_what_comes_again_does_not_flicker() -> None:
    found = conditions(Facts(stranded=[stranded(1, "why")]))
    standing = follow({}, found, 100.0)
    assert shown(standing) == []
    assert shown(follow(standing, [], 101.0)) == []
    standing = follow(standing, found, 105.0)
    assert shown(standing) == [("ffmpeg", 100.0)]
    gone = follow(standing, [], 106.0)
    assert shown(gone) == [("ffmpeg", 100.0)]
    back = follow(gone, found, 107.0)
    assert shown(back) == [("ffmpeg", 100.0)]
    assert shown(follow(back, [], 107.0 + LINGERS)) == []


def test_a_state_is_shown_at_once_and_since_it_began() -> None:
    quarantined = conditions(Facts(workers=[WorkerFacts(worker_id="w1", quarantined=True)]))
    assert shown(follow({}, quarantined, 50.0)) == [("w1", 50.0)]
    down = conditions(Facts(downlinks={"mqtt": 40.0}))
    assert shown(follow({}, down, 50.0)) == [("mqtt", 40.0)]
    assert shown(follow({}, conditions(Facts(downlinks={"mqtt": 49.5})), 50.0)) == []


def test_errors_come_first_and_then_the_oldest() -> None:
    found: list[Alert] = conditions(
        Facts(
            workers=[
                WorkerFacts(worker_id="w2", quarantined=True),
                WorkerFacts(worker_id="w1", offline=True, lost_jobs=1, lost_at=5.0),
            ],
            downlinks={"mqtt": 40.0},
        )
    )
    standing = follow({}, found, 50.0)
    assert [alert.subject for alert in alerts.shown(standing)] == ["mqtt", "w1", "w2"]


def test_jobs_of_which_nobody_looked_why() -> None:
    found = conditions(Facts(stranded=[stranded(2, "")]))
    assert found[0].text.startswith("2 ffmpeg jobs wait, and no worker takes them. Add a worker")
    found = conditions(Facts(stranded=[stranded(2, "it lacks the label gpu"), stranded(1, "")]))
    assert found[0].text.startswith(
        "3 ffmpeg jobs wait, and no worker takes them: it lacks the label gpu. Add"
    )
