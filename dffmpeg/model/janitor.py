"""The janitor's runs: what may be asked of it, and what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Action = Literal["run_all", "clean_workers", "clean_jobs", "successors", "messages", "retention", "vacuum"]
"""`run_all` is all of the others."""

ACTIONS: tuple[str, ...] = get_args(Action)

PERIODIC = "periodic"
"""The action of a run that nobody asked for: what is due at its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JanitorRun:
    """One run's row. Times are Unix seconds UTC.

    Attributes:
        action: one of `ACTIONS`, or `PERIODIC`.
        ended_at: None while it is under way, and for ever where the coordinator died in it.
        result: how many of what: `jobs_removed`, `workers_adopted`, … Only steps that were taken are named.
    """

    run_id: str
    action: str
    started_at: float
    ended_at: float | None = None
    result: Mapping[str, int] = field(default_factory=dict)
