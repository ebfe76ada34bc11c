"""Bodies about the janitor's runs."""

from __future__ import annotations

import msgspec


class JanitorRecord(msgspec.Struct, kw_only=True):
    """One run of the janitor. Times are ISO 8601 UTC.

    Attributes:
        action: what was asked for, or `periodic`.
        ended_at: None while it is under way, and for ever where the coordinator died in it.
        result: how many of what.
    """

    run_id: str
    action: str
    started_at: str
    ended_at: str | None
    result: dict[str, int]
