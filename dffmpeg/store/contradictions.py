"""What rows say of each other, and should not: questions that every engine answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from dffmpeg.model.jobs import LIVE

SHOWN = 20
"""Problems of one kind that are named at most."""

Ask = Callable[[str], Iterable[Sequence[object]]]
"""Runs a query, and returns its rows."""

_LIVE = ", ".join(f"'{state}'" for state in sorted(LIVE))
_ORPHANS = (
    ("attempts", "SELECT DISTINCT job_id FROM attempts WHERE job_id NOT IN (SELECT job_id FROM jobs)"),
    ("output", "SELECT DISTINCT job_id FROM stream_chunks WHERE job_id NOT IN (SELECT job_id FROM jobs)"),
)
_CONTRADICTIONS = (
    (
        "has no worker",
        f"SELECT job_id FROM jobs WHERE state IN ({_LIVE}) AND worker_id IS NULL",  # noqa: S608
    ),
    (
        "has no row of its current attempt",
        f"""SELECT job_id FROM jobs WHERE state IN ({_LIVE}) AND NOT EXISTS (SELECT 1 FROM attempts
            WHERE attempts.job_id = jobs.job_id AND attempts.attempt = jobs.attempt)""",  # noqa: S608
    ),
)


def contradictions(ask: Ask, repositories: Collection[str]) -> Iterator[str]:
    """What is wrong, a line each.

    Args:
        repositories: what stands in this database; rows of others are elsewhere, and not missing.
    """
    if "jobs" not in repositories:
        return
    for what, query in _ORPHANS if "streams" in repositories else _ORPHANS[:1]:
        found = [str(row[0]) for row in ask(query)]
        if found:
            yield f"{what} of {len(found)} jobs that are not there: {_some(found)}"
    for what, query in _CONTRADICTIONS:
        for (job_id,) in ask(f"{query} LIMIT {SHOWN}"):
            yield f"job {job_id} is with a worker and {what}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
