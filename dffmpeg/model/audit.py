"""The audit trail: who did what to the cluster, from where, and what became of it. Pure.

An entry is bounded, whatever was said: nobody fills the trail with one action.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Value = str | int | float | bool | None

LONGEST = 200
"""Characters of a value, of a subject and of a detail's name."""

MOST = 16
"""Details of one entry."""


class Via(StrEnum):
    """By which door somebody came."""

    SIGNATURE = "signature"
    """The API, with a key."""
    SESSION = "session"
    """The API, signed in at the dashboard."""
    MACHINE = "machine"
    """A command on the coordinator's machine, on the database itself; the actor is a user of that machine."""


class Outcome(StrEnum):
    """What became of it. What changed nothing, but for what somebody may not do, leaves no entry."""

    DONE = "done"
    REFUSED = "refused"
    """Whoever asked may not do that; nothing was changed."""
    UNCLEAR = "unclear"
    """It broke off: it may have been done, or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An entry's row.

    Attributes:
        entry_id: a ULID: entries are in its order.
        at: Unix seconds.
        actor: the user, of the cluster or of the machine (`via`).
        address: where it came from; None from the coordinator's own machine.
        request_id: what the lines of the log have too.
        action: its area and its verb, such as `worker.drain`.
        subject: which worker, job, user; None where it is about the cluster.
        details: what else was said; never a secret.
    """

    entry_id: str
    at: float
    actor: str
    via: Via
    address: str | None = None
    request_id: str | None = None
    action: str
    subject: str | None = None
    outcome: Outcome = Outcome.DONE
    details: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRequest:
    """Which entries. None fits all.

    Attributes:
        descending: the newest first.
        after: an entry's id: only what is behind it, in that order.
        offset: how many that fit to leave out.
        action: an action, or an area: all actions in it.
        since, before: Unix seconds; the first is included.
    """

    descending: bool = True
    limit: int = 100
    after: str | None = None
    offset: int = 0
    actor: str | None = None
    action: str | None = None
    since: float | None = None
    before: float | None = None


def shortened(text: str) -> str:
    """A text of at most `LONGEST` characters."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def bounded(said: Mapping[str, object]) -> Mapping[str, Value]:
    """Details as they are kept: plain values, short, and not too many; what is None is left out."""
    given = [(shortened(name), value) for name, value in said.items() if value is not None]
    return {name: _plain(value) for name, value in given[:MOST]}


def _plain(value: object) -> Value:
    if isinstance(value, bool | int | float):
        return value if abs(value) < 1e15 else "out of bounds"
    if isinstance(value, list | tuple):
        return shortened(", ".join(shortened(str(one)) for one in value[:LONGEST]) or "none")
    return shortened(str(value))
