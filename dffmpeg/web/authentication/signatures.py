"""The way in of everyone with a key: a signature over what is asked for."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.model.identities import Identity
from dffmpeg.model.sessions import stamp_of
from dffmpeg.web import access
from dffmpeg.web.authentication.entrance import Entrance
from dffmpeg.web.authentication.failures import Failures
from dffmpeg.web.authentication.replays import Replays
from dffmpeg.web.connections import RequestBody, Scope
from dffmpeg.web.origins import origin, target
from dffmpeg.wire import signature
from dffmpeg.wire.signature import Claim, SignatureError

_NAMES = {name.encode(): name for name in signature.HEADERS}
_NO_MATCH = "the signature does not match"
"""Also said of an identity that does not exist: which ones do is not told."""

Check = Callable[[bytes], bool]
"""Whether a key has made the signature in hand."""

_NOBODY = Identity(client_id="", role=next(iter(access.EVERYONE)), key=signature.generate_key())
"""Whose signature nobody can make; stands for every identity that does not exist."""


class Identities(Protocol):
    """Where the identities are."""

    async def get(self, client_id: str) -> Identity | None: ...

    def recall(self, client_id: str) -> Identity | None: ...

    async def look_up(self, client_id: str) -> Identity | None: ...

    async def current(self, client_ids: Collection[str]) -> Mapping[str, Identity]: ...


class Signatures:
    """Checks signed requests against the identities.

    The order is that of cost: what needs no memory and no key comes first, then the headers, and a body is
    read only for somebody who has signed what it is to be. (Version 1 signs the body itself: there it is
    read first.)

    Args:
        replays: what was accepted before.
        failures: told what was not.
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        identities: Identities,
        config: CoordinatorConfig,
        replays: Replays,
        failures: Failures,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._identities = identities
        self._limits = config.limits
        self._security = config.security
        self._replays = replays
        self._failures = failures
        self._clock = clock

    async def check(self, scope: Scope, route: str, body: RequestBody | None) -> Entrance:
        """Find the identity that has signed a request.

        Args:
            route: its name in the table of access.
            body: read in here, if it is worth it; None for a WebSocket.

        Raises:
            SignatureError: not signed, not right, not now, not for the first time, or not from there.
            TooMany: the same, like many before.
            Unavailable: whether it is the first time cannot be told now.
            RequestEntityTooLarge, RequestTimeout: as `RequestBody.read`.
        """
        found = _headers(scope)
        try:
            identity, key = await self._verify(scope, route, self._claim(found), body)
            return Entrance(identity, origin(scope).address, stamp=stamp_of(identity, key))
        except SignatureError as error:
            name = (found.get(signature.CLIENT_ID_HEADER) or "")[:128]
            raise self._failures.refused(scope, route, name, error) from None

    def _claim(self, found: dict[str, str | None]) -> Claim:
        for name, value in found.items():
            if value is None:
                raise SignatureError(f"header {name} is there twice")
        claim = signature.read_claim({name: value for name, value in found.items() if value is not None})
        if claim.version == 1 and not self._security.allow_legacy_signatures:
            raise SignatureError(
                "signatures of version 1 are not accepted; use a newer program, "
                "or have [security] allow_legacy_signatures set",
                "version",
            )
        if len(claim.client_id) > 128 or not claim.client_id.isprintable():
            raise SignatureError(_NO_MATCH, "signature")
        return claim

    async def _verify(
        self, scope: Scope, route: str, claim: Claim, body: RequestBody | None
    ) -> tuple[Identity, bytes]:
        # Before the look-up, so that the answer does not tell which identities exist.
        signature.require_fresh(claim, now=self._clock(), drift=self._security.clock_drift)
        passage, method = origin(scope).passage, scope.get("method", "GET")
        limit = self._limits.output_body if route == access.OUTPUT_ROUTE else self._limits.body
        content = b""
        if body is not None and claim.version == 1:
            content = await body.read(limit, timeout=self._limits.body_timeout)
        identity, key = await self._signer(claim, _check(claim, scope, method, content))
        address = origin(scope).address
        if address is None or not identity.permits(str(address)):
            raise SignatureError("not from this address", "address")
        self._replays.remember(claim, "POST" if body is None else method, passage)
        if claim.version > 1:
            if body is not None:
                content = await body.read(limit, timeout=self._limits.body_timeout)
            signature.require_body(claim, content)
        await self._replays.claim(claim, route, content, passage)
        return identity, key

    async def _signer(self, claim: Claim, check: Check) -> tuple[Identity, bytes]:
        """Whose signature it is, and the key that made it.

        One that is wrong takes one look into the database, whether there is such an identity or not, and
        whatever is remembered of it; so does the first one with a key that was replaced elsewhere. What has
        expired is told from that by those who count, and not by whoever asks.
        """
        now = self._clock()
        known = self._identities.recall(claim.client_id)
        key = _signing_key(known, check)
        if known is not None and key in known.keys(now):
            return known, key
        found = await self._identities.look_up(claim.client_id)
        key = _signing_key(found, check)
        if found is not None and key in found.keys(now):
            return found, key
        raise SignatureError(_NO_MATCH, "signature" if key is None else "expired")


def _check(claim: Claim, scope: Scope, method: str, content: bytes) -> Check:
    """What tells whether a key has made the signature."""
    digest = hashlib.sha256(content).hexdigest() if claim.version == 1 else ""
    path = scope["path"] if claim.version == 1 else target(scope).decode("latin-1")

    def check(key: bytes) -> bool:
        try:
            if claim.version == 1:
                signature.verify_legacy(claim, key, method, path, digest)
            else:
                signature.verify(claim, key, method, path)
        except SignatureError:
            return False
        return True

    return check


def _signing_key(identity: Identity | None, check: Check) -> bytes | None:
    """The one of an identity's keys that has signed, whether or not it is still good.

    Two are tried, however many there are: how long it takes tells nothing.
    """
    one = _NOBODY if identity is None else identity
    previous = _NOBODY.key if one.previous is None else one.previous.key
    right = [key for key in (one.key, previous) if check(key)]
    return right[0] if right and identity is not None else None


def _headers(scope: Scope) -> dict[str, str | None]:
    """Those that sign a request; None for one that is there more than once."""
    found: dict[str, str | None] = {}
    for name, value in scope["headers"]:
        text = _NAMES.get(bytes(name))
        if text is not None:
            found[text] = None if text in found else value.decode("latin-1")
    return found
