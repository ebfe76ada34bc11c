"""The queue's switch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Whether jobs are given to workers.

    Attributes:
        reason: what whoever paused it said.
        by: who changed it last; None as long as nobody did.
        at: when, Unix seconds.
    """

    paused: bool = False
    reason: str | None = None
    by: str | None = None
    at: float | None = None
