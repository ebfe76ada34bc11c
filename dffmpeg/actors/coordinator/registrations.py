"""What a registration makes of a worker's row. Pure, but for the token."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dffmpeg.model import instances
from dffmpeg.model.abilities import UNTRIED, Abilities, ordered
from dffmpeg.model.workers import Worker, WorkerState
from dffmpeg.wire.workers import RegisterRequest

ACTIVE = frozenset({WorkerState.ONLINE, WorkerState.DRAINING})


def registered(
    worker_id: str,
    request: RegisterRequest,
    before: Worker | None,
    *,
    transport: str,
    metadata: Mapping[str, Any],
    home: str | None,
    now: float,
) -> Worker:
    """The worker's row.

    Args:
        before: as it was, if there was one.
        transport: the downlink that was chosen, and what the worker has to know of it.
        home: of a worker that is new.
        now: Unix seconds.
    """
    active = before is not None and before.state in ACTIVE and instances.same(before, request.instance)
    abilities, named = _abilities(request, before)
    return Worker(
        worker_id=worker_id,
        state=WorkerState(request.status) if active else WorkerState.REGISTERING,
        capabilities=tuple(request.capabilities),
        binaries=tuple(request.binaries),
        paths=tuple(request.paths),
        supported_transports=tuple(request.supported_transports),
        registration_interval=request.registration_interval,
        slots=request.slots,
        version=request.version,
        transport=transport,
        transport_metadata=_of_instance(metadata, request.instance),
        registration_token=None if active else _token(before),
        draining=request.status == "draining",
        last_seen=now,
        registered_at=before.registered_at if active and before else now,
        labels=tuple(request.labels),
        resources=request.resources,
        weight=request.weight,
        abilities=abilities,
        abilities_digest=named,
        benchmark=request.benchmark,
        substitutions=request.substitutions,
        hours=request.hours,
        mounts=request.mounts,
        hold=before.hold if before else None,
        hold_reason=before.hold_reason if before else None,
        hold_until=before.hold_until if before else None,
        strikes=before.strikes if before else 0,
        home=before.home if before else home,
        instance=request.instance,
        sole_on=request.sole_on,
        load=request.load,
        read_only=tuple(request.read_only),
    )


def fell_back(before: Worker | None, chosen: str, preferred: str) -> bool:
    """Whether a worker goes over to a downlink that is not the one it would rather have.

    Args:
        before: as it was, if there was one.
        chosen: the name of the downlink that it uses from now on.
        preferred: the name of the one that it would use if that worked.
    """
    used = before.transport if before is not None and before.state in instances.PRESENT else None
    return chosen not in (preferred, used)


def _of_instance(metadata: Mapping[str, Any], instance: str | None) -> dict[str, Any]:
    found = dict(metadata)
    if instance is not None and "path" in found:
        # Only this process may listen there.
        found["path"] += f"/{instance}"
    return found


def _token(before: Worker | None) -> str:
    """A worker that registers again in the middle of its handshake may have the token on its way back."""
    return (before.registration_token if before is not None else None) or secrets.token_urlsafe(24)


def _abilities(request: RegisterRequest, before: Worker | None) -> tuple[Mapping[str, Abilities], str | None]:
    """What the worker can do, and the name that it gave that; no name where it has to say it again."""
    if request.abilities or request.abilities_digest is None:
        sent = {name: ordered(abilities) for name, abilities in request.abilities.items()}
        return sent, request.abilities_digest
    if before is not None and before.abilities_digest == request.abilities_digest:
        return before.abilities, before.abilities_digest
    # They are not known here, which is not the same as those of a worker that cannot tell.
    return dict.fromkeys(request.binaries, UNTRIED), None


def offers_other(before: Worker | None, now: Worker) -> bool:
    """Whether there may be jobs for which it matters now what this worker is."""
    if before is None:
        return True
    as_now = replace(before, last_seen=now.last_seen, registered_at=now.registered_at, load=now.load)
    return as_now != now
