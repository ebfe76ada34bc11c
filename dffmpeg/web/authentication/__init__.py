"""Who is asking, and whether this one may: before any handler runs.

Each way in has a module of its own; `Authentication` is the one door in front of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dffmpeg.actors.coordinator.operations import TooMany
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.model.identities import Role
from dffmpeg.store import SessionRepository, TokenRepository
from dffmpeg.web import access
from dffmpeg.web.authentication.entrance import Entrance, WrongRole
from dffmpeg.web.authentication.failures import Failures
from dffmpeg.web.authentication.replays import Claims, Replays
from dffmpeg.web.authentication.sessions import Sessions
from dffmpeg.web.authentication.signatures import Identities, Signatures
from dffmpeg.web.authentication.sites import Sites
from dffmpeg.web.authentication.viewers import Viewers
from dffmpeg.web.connections import RequestBody, Scope
from dffmpeg.web.fronts import headers
from dffmpeg.wire import signature
from dffmpeg.wire.signature import SignatureError

__all__ = ["Authentication", "Claims", "Entrance", "Identities", "People", "Sessions", "WrongRole"]

_SIGNED = tuple(name.encode() for name in signature.HEADERS)


class People:
    """Where it stands who is signed in, and how one may.

    Attributes:
        sessions: who is.
        tokens: what login links carry.
    """

    def __init__(self, sessions: SessionRepository, tokens: TokenRepository) -> None:
        self.sessions = sessions
        self.tokens = tokens


class Authentication:
    """Checks requests.

    Args:
        people: None where nobody signs in.
        claims: where nonces are claimed for all coordinators; None for this one's memory alone.
        count: told the reason of each request that is refused.
        clock: Unix time in seconds.

    Attributes:
        sessions: the ways to sign in; None where nobody does, or the dashboard is switched off.
        sites: tells our own pages from others'.

    Raises:
        ConfigurationError: a network in the configuration is none.
    """

    def __init__(
        self,
        identities: Identities,
        config: CoordinatorConfig,
        *,
        people: People | None = None,
        claims: Claims | None = None,
        count: Callable[[str], None] = lambda reason: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._limits = config.limits
        replays = Replays(claims, config.security.clock_drift, clock=clock)
        failures = Failures(config.limits.failed_authentications, count)
        self._signatures = Signatures(identities, config, replays, failures, clock=clock)
        self.sites = Sites(config)
        self._viewers = Viewers(config, self.sites)
        self.sessions: Sessions | None = None
        if people is not None and config.web_dashboard_enabled:
            self.sessions = Sessions(
                identities, people.sessions, people.tokens, config, self.sites, count=count, clock=clock
            )

    async def check(self, scope: Scope, route: str, body: RequestBody | None) -> Entrance | None:
        """Let a request pass, or not.

        What is signed, or meant to be, is judged by its signature, whatever else it carries. A session comes
        before being let look by address alone, which one that is over falls back to.

        Args:
            route: its name in the table of access.
            body: read in here, if it is worth it; None for a WebSocket.

        Returns:
            How it came in; None on an open route.

        Raises:
            SignatureError: not signed, not right, not now, not for the first time, or not from there.
            TooMany: the same, like many before; or a cookie, where many were no session's.
            Unavailable: whether it is the first time cannot be told now.
            WrongRole: by the wrong role.
            Forbidden: the same, from the wrong place, or at another page's wish.
            RequestEntityTooLarge, RequestTimeout: as `RequestBody.read`.
        """
        roles = access.ACCESS[route]
        if roles is access.OPEN:
            return None
        signed = any(headers(scope, name) for name in _SIGNED)
        entrance = None if signed else await self._unsigned(scope, route, roles, body)
        if entrance is None and not signed and self.sessions is not None and self.sessions.is_shown(scope):
            raise SignatureError("the session is over; sign in again")
        if entrance is None:
            entrance = await self._signatures.check(scope, route, body)
        if entrance.identity.role not in roles:
            raise WrongRole(entrance)
        return entrance

    async def _unsigned(
        self, scope: Scope, route: str, roles: access.Roles, body: RequestBody | None
    ) -> Entrance | None:
        try:
            entrance = None if self.sessions is None else await self.sessions.check(scope)
        except TooMany:
            # Whoever may look by address alone has no need of the cookie.
            looks = self._viewers.check(scope) if Role.VIEWER in roles else None
            if looks is None:
                raise
            return looks
        if entrance is None:
            return self._viewers.check(scope) if Role.VIEWER in roles else None
        if body is not None and entrance.identity.role in roles:
            limit = self._limits.output_body if route == access.OUTPUT_ROUTE else self._limits.body
            await body.read(limit, timeout=self._limits.body_timeout)
        return entrance
