"""Times on the wire: ISO 8601, UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def to_wire(seconds: float) -> str:
    """Unix seconds as `2026-01-31T12:00:00.123456+00:00`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def from_wire(text: str) -> float:
    """Unix seconds of an ISO 8601 time; one without a zone is taken as UTC.

    Raises:
        ValueError: not ISO 8601.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
