"""The way in of whoever is nobody yet: a token that is good once."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable

from dffmpeg.actors.coordinator.operations import Conflict, Forbidden, TooMany
from dffmpeg.model import sessions
from dffmpeg.model.failures import FailureLimit, neighbourhood
from dffmpeg.model.identities import Identity
from dffmpeg.model.sessions import Token
from dffmpeg.store import Duplicate, TokenRepository
from dffmpeg.web.addresses import Address
from dffmpeg.web.authentication.signatures import Identities
from dffmpeg.wire import joining
from dffmpeg.wire.joining import JoinReply, JoinRequest
from dffmpeg.wire.signature import SignatureError

logger = logging.getLogger("dffmpeg.web.authentication")

BY_ADDRESS = (10, 12.0)
"""Failures at once, and seconds until there may be one more."""

_USED = "there is no such token, or it was used, or is too old; dffmpeg-admin token create makes another"


class Joining:
    """Makes identities of those who know a token.

    Args:
        count: told the reason of each that is refused.
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        identities: Identities,
        tokens: TokenRepository,
        count: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._identities = identities
        self._tokens = tokens
        self._count = count
        self._clock = clock
        self._failures = FailureLimit(*BY_ADDRESS, clock=time.monotonic)

    async def join(self, address: Address | None, request: JoinRequest) -> tuple[Identity, JoinReply]:
        """Have somebody join, once; who did so and asks again, the same, is told the same.

        Returns:
            Who has joined, and what it is told, after the commit: the identity is there.

        Raises:
            SignatureError: the token is not known, not theirs, or good no more. Which, is not told.
            Forbidden: not from there.
            Conflict: not under this name. The token can still be used.
            TooMany: it failed too often.
        """
        token, verifier = await self._proven(address, request)
        if token.role is None or token.client_id not in (None, request.client_id):
            raise Conflict(f"the token is for {token.client_id}, and not for {request.client_id}: use --id")
        identity = Identity(
            client_id=request.client_id,
            role=token.role,
            key=joining.key_of(verifier, request.client_id),
            allowed_networks=token.allowed_networks,
            created_at=self._clock(),
        )
        if address is None or not identity.permits(str(address)):
            raise Forbidden("not from this address")
        if token.used_by is None and await self._use(token, identity):
            logger.info("%s joined as a %s from %s", identity.client_id, identity.role, address)
        else:
            await self._require_same(token, identity, address)
        role = identity.role.value
        proof = joining.reply_proof(verifier, identity.client_id, role)
        return identity, JoinReply(client_id=identity.client_id, role=role, proof=proof)

    async def _proven(self, address: Address | None, request: JoinRequest) -> tuple[Token, bytes]:
        who = neighbourhood(address)
        wait = self._failures.take(who)
        if wait:
            raise TooMany("too many have failed to join; try again later", retry_after=wait)
        token = await self._tokens.get(request.token, sessions.JOIN, self._clock())
        verifier = None if token is None else token.verifier
        if token is None or verifier is None or not _proves(verifier, request):
            raise self._refused(address, "no such token")
        self._failures.give_back(who)
        return token, verifier

    async def _use(self, token: Token, identity: Identity) -> bool:
        try:
            return await self._tokens.join(token.digest, identity, self._clock())
        except Duplicate:
            raise Conflict(
                f"there is a user {identity.client_id} already: use --id for another name"
            ) from None

    async def _require_same(self, token: Token, identity: Identity, address: Address | None) -> None:
        """Whoever lost the answer asks again: the identity is there, with the key that is theirs alone."""
        found = await self._identities.look_up(identity.client_id)
        there = found is not None and hmac.compare_digest(found.key, identity.key)
        if not there or (token.used_by or identity.client_id) != identity.client_id:
            raise self._refused(address, "the token was used")

    def _refused(self, address: Address | None, why: str) -> SignatureError:
        self._count("token")
        logger.info("refused to let somebody join from %s: %s", address, why)
        return SignatureError(_USED, "token")


def _proves(verifier: bytes, request: JoinRequest) -> bool:
    return hmac.compare_digest(joining.request_proof(verifier, request.client_id), request.proof)
