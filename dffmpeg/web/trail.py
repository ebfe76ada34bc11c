"""Writing the audit trail of what is asked for over HTTP: at the one door that all requests come through.

The entry is written as soon as the request has been carried out, before it is answered, at the coordinator
that did so. What is cut off in between, by its caller too, has an entry that says so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
import trio
from quart import g, request
from ulid import ULID
from werkzeug.exceptions import HTTPException

from dffmpeg.actors.coordinator.operations import Forbidden, OperationError, Operations
from dffmpeg.errors import BadInput
from dffmpeg.model.audit import AuditEntry, Outcome, Via, bounded, shortened
from dffmpeg.model.failures import FailureLimit
from dffmpeg.model.identities import Role
from dffmpeg.store import StoreError
from dffmpeg.web import access, requests
from dffmpeg.web.audited import AUDITED, Audited
from dffmpeg.web.authentication import Entrance
from dffmpeg.wire.signature import SignatureError

logger = logging.getLogger("dffmpeg.web.audit")

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds that an entry may take, whatever becomes of its request; less than a coordinator has to stop."""

ADDRESS = 64
"""Characters."""

OTHERS = (60, 60.0)
"""What those who are no administrators may leave in the trail: entries at once, and seconds until there may
be one more."""

_NOTHING = (OperationError, BadInput, SignatureError, HTTPException)
"""By which it is said that nothing was changed."""


class Trail:
    """Keeps the trail.

    Args:
        operations: take the entries.
        clock: Unix time in seconds.
    """

    def __init__(self, operations: Operations, *, clock: Callable[[], float] = time.time) -> None:
        self._operations = operations
        self._clock = clock
        self._others = FailureLimit(*OTHERS, clock=time.monotonic)

    async def followed(self, carry_out: Callable[[], Awaitable[T]]) -> T:
        """Carry out the request in hand, and record it if it is one that leaves an entry."""
        audited = _audited()
        if audited is None:
            return await carry_out()
        outcome: Outcome | None = Outcome.UNCLEAR
        try:
            answer = await carry_out()
            outcome = Outcome.DONE
            return answer
        except Forbidden:
            outcome = Outcome.REFUSED
            raise
        except _NOTHING:
            outcome = None
            raise
        finally:
            if outcome is not None:
                await self._keep(audited, outcome, g.get("entrance"))

    async def refused(self, entrance: Entrance) -> None:
        """Record that the request in hand was refused, because its role may not ask for such a thing."""
        audited = _audited()
        if audited is not None:
            await self._keep(audited, Outcome.REFUSED, entrance)

    async def _keep(self, audited: Audited, outcome: Outcome, entrance: Entrance | None) -> None:
        if entrance is None:
            # A sign-in that failed: nobody in particular. It is in the log.
            return
        administers = entrance.identity.role is Role.ADMIN
        if audited.of_others and not administers and outcome is not Outcome.REFUSED:
            # Nobody else gets at others' jobs.
            return
        entry = _entry(audited, outcome, entrance, self._clock())
        if not administers and self._others.take(entry.actor):
            logger.debug("not in the audit trail, like many before: %s", _line(entry))
            return
        # What was done is done, and so is this, though nobody waits for the answer any more.
        with trio.move_on_after(PATIENCE, shield=True) as scope:
            try:
                if audited.of_others:
                    owner = await self._operations.requester_of(entry.subject or "")
                    if owner == entry.actor:
                        return
                    entry = replace(entry, details=bounded({"requester": owner, **entry.details}))
                await self._operations.record(entry)
            except (StoreError, OperationError) as error:
                logger.error("not in the audit trail (%s): %s", error, _line(entry))
                return
        if scope.cancelled_caught:
            logger.error("not in the audit trail (it took too long): %s", _line(entry))
        else:
            logger.info("%s", _line(entry))


def _audited() -> Audited | None:
    rule = request.url_rule
    return None if rule is None else AUDITED.get(access.key(rule, request.method))


def _entry(audited: Audited, outcome: Outcome, entrance: Entrance, now: float) -> AuditEntry:
    place = (request.view_args or {}).get(audited.subject or "")
    return AuditEntry(
        entry_id=str(ULID.from_timestamp(now)),
        at=now,
        actor=entrance.identity.client_id,
        via=Via.SIGNATURE if entrance.session is None else Via.SESSION,
        # One of IPv6 may have a zone of any length behind it.
        address=None if entrance.address is None else str(entrance.address)[:ADDRESS],
        request_id=g.get("request_id"),
        action=audited.action,
        subject=None if place is None else shortened(str(place)),
        outcome=outcome,
        details=bounded(audited.details(_body())),
    )


def _body() -> Mapping[str, Any]:
    """The body, as far as it was read and is an object."""
    try:
        found = msgspec.json.decode(requests.request_body().content or b"{}")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _line(entry: AuditEntry) -> str:
    said = "".join(f" {name}={value!r}" for name, value in entry.details.items())
    where = entry.address or "nowhere"
    what = " ".join(filter(None, (entry.action, entry.subject)))
    return f"{entry.actor} ({entry.via}, {where}): {what}: {entry.outcome}{said}"
