"""Who is asking: signature, source address and role, before any handler runs.

The order is that of cost: what needs no memory and no key comes first, and a
body is read only for an identity that exists.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from typing import Protocol

from dffmpeg.actors.coordinator.operations import Forbidden
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.model.identities import Identity
from dffmpeg.web import access
from dffmpeg.web.connections import RequestBody, Scope
from dffmpeg.web.origins import origin
from dffmpeg.wire import signature
from dffmpeg.wire.signature import Claim, SignatureError

logger = logging.getLogger("dffmpeg.web.authentication")

BODY_TIMEOUT = 60.0
"""How long a whole body may take to arrive, seconds."""

_NAMES = (signature.CLIENT_ID_HEADER, signature.TIMESTAMP_HEADER, signature.SIGNATURE_HEADER)
_NO_MATCH = "the signature does not match"
"""Also said of an identity that does not exist: which ones do is not told."""


class Identities(Protocol):
    """Where the identities are."""

    async def get(self, client_id: str) -> Identity | None: ...


class Authentication:
    """Checks requests against the identities.

    Args:
        clock: Unix time in seconds.
    """

    def __init__(
        self, identities: Identities, config: CoordinatorConfig, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._identities = identities
        self._limits = config.limits
        self._drift = config.security.clock_drift
        self._clock = clock
        self._dummy_key = signature.generate_key()

    async def check(self, scope: Scope, route: str, body: RequestBody | None) -> Identity | None:
        """Let a request pass, or not.

        Args:
            route: its name in the table of access.
            body: read in here, if it is worth it; None for a WebSocket.

        Returns:
            The identity behind it; None on an open route.

        Raises:
            SignatureError: not signed, not right, not now, or not from there.
            Forbidden: signed, but by the wrong role.
            RequestEntityTooLarge, RequestTimeout: as `RequestBody.read`.
        """
        roles = access.ACCESS[route]
        if roles is access.OPEN:
            return None
        claim = _read_claim(scope)
        try:
            identity = await self._verify(scope, route, claim, body)
        except SignatureError as error:
            logger.info("refused %s as %r from %s: %s", route, claim.client_id, origin(scope).address, error)
            raise
        if identity.role not in roles:
            raise Forbidden(f"not with the role {identity.role.value}")
        return identity

    async def _verify(self, scope: Scope, route: str, claim: Claim, body: RequestBody | None) -> Identity:
        # Before the look-up, so that the answer does not tell which identities exist.
        if abs(self._clock() - claim.timestamp) > self._drift:
            raise SignatureError(f"the timestamp is more than {self._drift:g} s off; are both clocks right?")
        identity = await self._identities.get(claim.client_id)
        content = b""
        if identity is not None and body is not None:
            limit = self._limits.output_body if route == access.OUTPUT_ROUTE else self._limits.body
            content = await body.read(limit, timeout=BODY_TIMEOUT)
        signature.verify(
            claim,
            self._dummy_key if identity is None else identity.key,
            scope.get("method", "GET"),
            scope["path"],
            hashlib.sha256(content).hexdigest(),
            # It was fresh when it arrived, and the body may have taken its time.
            now=claim.timestamp,
            drift=self._drift,
        )
        if identity is None:
            raise SignatureError(_NO_MATCH)
        address = origin(scope).address
        if address is None or not identity.permits(str(address)):
            raise SignatureError("not from this address")
        return identity


def _read_claim(scope: Scope) -> Claim:
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        text = name.decode("latin-1").lower()
        if text in _NAMES:
            if text in found:
                raise SignatureError(f"header {text} is there twice")
            found[text] = value.decode("latin-1")
    claim = signature.read_claim(found)
    if len(claim.client_id) > 128 or not claim.client_id.isprintable():
        raise SignatureError(_NO_MATCH)
    return claim
