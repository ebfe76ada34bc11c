"""Priorities by name, and when two submissions are the same."""

from dataclasses import replace

import pytest

from dffmpeg.errors import BadInput
from dffmpeg.model import priorities
from dffmpeg.model.idempotency import difference
from dffmpeg.model.jobs import Job
from dffmpeg.model.needs import Needs
from dffmpeg.model.rules import Rules

CLASSES = {"batch": -50, "urgent": 80}
JOB = Job(
    job_id="J", requester_id="alice", binary_name="ffmpeg", arguments=(b"a",), created_at=1.0, last_update=1.0
)


@pytest.mark.parametrize(("given", "number"), [(None, 0), (7, 7), (-100, -100), ("batch", -50)])
def test_priority(given: int | str | None, number: int) -> None:
    assert priorities.resolve(given, CLASSES) == number


def test_a_class_that_is_not_there() -> None:
    with pytest.raises(BadInput, match="no class 'vip'; there are: urgent, batch"):
        priorities.resolve("vip", CLASSES)
    with pytest.raises(BadInput, match="there are: none"):
        priorities.resolve("vip", {})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"arguments": (b"b",)}, "arguments"),
        ({"binary_name": "ffprobe"}, "binary_name"),
        ({"working_directory": b"$M"}, "working_directory"),
        ({"needs": Needs(encoders=("hevc_nvenc",))}, "needs"),
        ({"labels": ("x",)}, "labels"),
        ({"rules": Rules(retry_exit_codes=(69,))}, "retry_exit_codes"),
        ({"predecessors": ("P",)}, "after"),
    ],
)
def test_other_work(change: dict[str, object], field: str) -> None:
    assert difference(JOB, replace(JOB, **change)) == field  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"job_id": "K", "created_at": 9.0, "last_update": 9.0},
        {"priority": 5, "not_before": 7.0, "ready_at": 7.0},
        {"state": "completed", "attempt": 2, "worker_id": "w", "exit_code": 0, "blocked": 1},
    ],
)
def test_the_same_work(change: dict[str, object]) -> None:
    assert difference(JOB, replace(JOB, **change)) is None  # type: ignore[arg-type]
