"""Messages that wait for a poll."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message's row; `timestamp` is Unix seconds, `payload` JSON."""

    message_id: str
    recipient_id: str
    timestamp: float
    message_type: str
    payload: Mapping[str, Any]
    sender_id: str | None = None
    job_id: str | None = None
