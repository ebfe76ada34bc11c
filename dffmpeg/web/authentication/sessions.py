"""The way in of whoever is signed in: a browser's cookie."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable

import trio

from dffmpeg.actors.coordinator.operations import Forbidden, TooMany
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.model import sessions
from dffmpeg.model.failures import FailureLimit, neighbourhood
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.sessions import Session
from dffmpeg.store import SessionRepository, TokenRepository
from dffmpeg.web.addresses import Address
from dffmpeg.web.authentication.entrance import Entrance
from dffmpeg.web.authentication.guesses import Guesses
from dffmpeg.web.authentication.signatures import Identities
from dffmpeg.web.authentication.sites import Sites
from dffmpeg.web.connections import Scope
from dffmpeg.web.cookies import CSRF_HEADER, cookie, name_at
from dffmpeg.web.fronts import headers
from dffmpeg.web.origins import origin
from dffmpeg.wire import signature
from dffmpeg.wire.signature import SignatureError

logger = logging.getLogger("dffmpeg.web.authentication")

FAILED_AFTER = 0.25
"""Seconds that a sign-in takes which fails, whatever it failed by: longer than any of the ways there."""

BY_ADDRESS = (10, 12.0)
BY_IDENTITY = (20, 30.0)
"""Failures at once, and seconds until there may be one more. Whoever keeps an identity from signing in by
failing for it cannot keep it from redeeming a link."""

_SAFE = ("GET", "HEAD")
_WRONG = "id or key are wrong"
_USED = "the link was used before, or is too old; dffmpeg-admin login-link makes another"


class Sessions:
    """Opens sessions, and lets in by them.

    Args:
        identities: who there is.
        repository: who is signed in.
        tokens: what login links carry.
        count: told the reason of each cookie that is no session's.
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        identities: Identities,
        repository: SessionRepository,
        tokens: TokenRepository,
        config: CoordinatorConfig,
        sites: Sites,
        *,
        count: Callable[[str], None] = lambda reason: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._identities = identities
        self._repository = repository
        self._tokens = tokens
        self._lifetime = config.security.session_lifetime
        self._sites = sites
        self._clock = clock
        self._guesses = Guesses(config.limits.failed_authentications, count)
        self._by_address = FailureLimit(*BY_ADDRESS, clock=time.monotonic)
        self._by_identity = FailureLimit(*BY_IDENTITY, clock=time.monotonic)

    async def check(self, scope: Scope) -> Entrance | None:
        """Let in by a session; None where there is none, or it is over.

        Raises:
            Forbidden: it is one, but the request is not of its page, or not from where its identity may come.
            TooMany: it may be one, but too many from there were none.
        """
        found = origin(scope)
        secret = cookie(scope, name_at(found.front))
        if secret is None:
            return None
        digest = sessions.digest_of(secret)
        tried = self._guesses.admit(found.address, digest)
        session = await self._repository.get(digest)
        identity = None if session is None else await self._identities.get(session.client_id)
        if session is None or identity is None or not sessions.holds(session, identity, self._clock()):
            self._guesses.bad(digest)
            return None
        self._guesses.good(found.address, digest, tried=tried)
        _require_place(identity, found.address)
        if scope["type"] == "websocket" or scope["method"] not in _SAFE:
            self._sites.require_same(scope)
        if scope["type"] == "http" and scope["method"] not in _SAFE:
            given = headers(scope, CSRF_HEADER)
            expected = sessions.csrf_of(secret).encode()
            if len(given) != 1 or not hmac.compare_digest(given[0].encode("latin-1"), expected):
                raise Forbidden(
                    f"header {CSRF_HEADER.decode()} has to say what GET /api/v1/session says as csrf"
                )
        return Entrance(identity, found.address, session, secret, stamp=session.stamp)

    def is_shown(self, scope: Scope) -> bool:
        """Whether a request carries a session, of whatever worth."""
        return cookie(scope, name_at(origin(scope).front)) is not None

    async def with_key(self, address: Address | None, client_id: str, key: str) -> Entrance:
        """Sign in by an identity's key.

        Args:
            key: as it stands in configuration files.

        Returns:
            The new session, which is durable.

        Raises:
            SignatureError: there is no such identity, or the key is another one. Which, is not told.
            Forbidden: right, but not from there, or not for such an identity.
            TooMany: it failed too often.
        """
        begun = trio.current_time()
        limits = ((self._by_address, neighbourhood(address)), (self._by_identity, client_id))
        _take(limits, address)
        # No identity has such a name, and not every database takes it for a question.
        identity = await self._identities.get(client_id) if client_id.isprintable() else None
        proven = _decoded(key)
        if identity is None or not self._is_good(identity, proven):
            logger.info("a sign-in as %r from %s failed", client_id, address)
            await trio.sleep_until(begun + FAILED_AFTER)
            raise SignatureError(_WRONG)
        for limit, who in limits:
            limit.give_back(who)
        return await self._opened(identity, proven, address)

    async def with_link(self, address: Address | None, secret: str) -> Entrance:
        """Sign in by what a login link carries. Raises as `with_key`."""
        limits = ((self._by_address, neighbourhood(address)),)
        _take(limits, address)
        token = await self._tokens.redeem(sessions.digest_of(secret), sessions.LOGIN, self._clock())
        identity = None
        if token is not None and token.client_id is not None:
            identity = await self._identities.get(token.client_id)
        keys = () if identity is None else identity.keys(self._clock())
        if identity is None or token is None or identity.role is not token.role or not keys:
            logger.info("a login link from %s was not good", address)
            raise SignatureError(_USED)
        for limit, who in limits:
            limit.give_back(who)
        return await self._opened(identity, keys[0], address)

    async def end(self, entrance: Entrance) -> None:
        """Sign out."""
        if entrance.session is not None:
            await self._repository.delete(entrance.session.digest)
            logger.info("%s signed out", entrance.identity.client_id)

    def _is_good(self, identity: Identity, key: bytes) -> bool:
        # A sign-in that fails takes the same time whatever it failed by.
        return any(hmac.compare_digest(key, good) for good in identity.keys(self._clock()))

    async def _opened(self, identity: Identity, key: bytes, address: Address | None) -> Entrance:
        _require_place(identity, address)
        if identity.role is Role.WORKER:
            raise Forbidden("workers do not sign in; an administrator, a client or a viewer does")
        secret, now = sessions.new_secret(), self._clock()
        session = Session(
            digest=sessions.digest_of(secret),
            client_id=identity.client_id,
            stamp=sessions.stamp_of(identity, key),
            created_at=now,
            expires_at=now + self._lifetime,
        )
        await self._repository.add(session, sessions.MOST)
        self._guesses.remember(session.digest)
        logger.info("%s signed in from %s", identity.client_id, address)
        return Entrance(identity, address, session, secret, stamp=session.stamp)


def _require_place(identity: Identity, address: Address | None) -> None:
    if address is None or not identity.permits(str(address)):
        raise Forbidden("not from this address")


def _take(limits: tuple[tuple[FailureLimit, str], ...], address: Address | None) -> None:
    for index, (limit, who) in enumerate(limits):
        wait = limit.take(who)
        if wait:
            for earlier, name in limits[:index]:
                earlier.give_back(name)
            logger.info("a sign-in from %s was put off: too many have failed", address)
            raise TooMany("too many sign-ins have failed; try again later", retry_after=wait)


def _decoded(key: str) -> bytes:
    try:
        return signature.decode_key(key)
    except ValueError:
        return b""
