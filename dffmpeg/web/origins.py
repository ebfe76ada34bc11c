"""Where a request comes from: found out once, before anything else is done with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.model.replays import MemoryFull, ReplayWindow
from dffmpeg.web import addresses
from dffmpeg.web.addresses import Address
from dffmpeg.web.connections import PEER_KEY, Scope
from dffmpeg.web.cookies import PLAIN, cookie
from dffmpeg.web.fronts import Front, front_of, headers
from dffmpeg.wire import forwarding, signature
from dffmpeg.wire.forwarding import Passage
from dffmpeg.wire.signature import SignatureError

ORIGIN_KEY = "dffmpeg.origin"

PASSAGES = 500_000
"""That are remembered in a window."""

_FORWARDED = forwarding.HEADER.encode()
_PROXIES = b"x-forwarded-for"
_TRACES = frozenset(
    {_PROXIES, b"forwarded", b"via", b"x-real-ip"}
    | {b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-prefix"}
)
"""By any of which a proxy gives itself away: no browser sends them, nor does a program of ours."""

_SIGNATURE = signature.SIGNATURE_HEADER.encode()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from.

    Attributes:
        address: whose it is; None where that cannot be told, which no check may let pass.
        peer: the other end of the connection, as far as a trusted proxy tells.
        passage: how it came from another coordinator; None where it did not.
        front: as what a browser sees us; of one that was passed on the first coordinator knows that.
        doubtful: it came through a proxy that is not trusted, so that the address is the proxy's.
    """

    address: Address | None
    peer: Address | None
    passage: Passage | None = None
    front: Front = field(default_factory=Front)
    doubtful: bool = False


class Origins:
    """Finds out where requests come from.

    Args:
        key: what coordinators seal with; None where there are no others.
        clock: Unix time in seconds.

    Raises:
        ConfigurationError: a network in the configuration is none.
    """

    def __init__(
        self, config: CoordinatorConfig, key: bytes | None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._proxies = addresses.parse_networks(
            config.security.trusted_proxies, "[security] trusted_proxies"
        )
        self._key = key
        self._drift = config.security.clock_drift
        self._clock = clock
        self._passages = ReplayWindow(2 * self._drift, PASSAGES)

    def of(self, scope: Scope) -> Origin:
        """Where a request comes from.

        Raises:
            SignatureError: it claims to be passed on by a coordinator, and was not.
        """
        peer = _peer(scope)
        sealed = headers(scope, _FORWARDED)
        if sealed:
            passage = self._opened(scope, sealed)
            address = None if passage.address is None else addresses.parse_address(passage.address)
            return Origin(address, peer, passage)
        hops = headers(scope, _PROXIES)
        address = addresses.source(peer, hops, self._proxies)
        believed = peer is not None and addresses.contains(self._proxies, peer)
        front = front_of(scope, believed=believed)
        return Origin(address, peer, front=front, doubtful=not believed and _is_proxied(scope))

    def _opened(self, scope: Scope, sealed: list[str]) -> Passage:
        if self._key is None or len(sealed) != 1:
            # To pass it over would let it go round for ever where secrets differ.
            raise SignatureError(f"header {forwarding.HEADER} has no business here")
        method, said = scope.get("method", "GET"), credential(scope)
        passage = forwarding.opened(self._key, sealed[0], method, target(scope), said or "")
        self._require_new(passage)
        return passage

    def _require_new(self, passage: Passage) -> None:
        """Whoever captured a request on its way between two coordinators must not bring it again."""
        if abs(self._clock() - passage.at) > self._drift:
            raise SignatureError(
                f"it was passed on more than {self._drift:g} s ago; are the coordinators' clocks right?",
                "clock",
            )
        mark = f"{passage.by} {passage.nonce}".encode()
        try:
            new = self._passages.take(mark, time.monotonic())
        except MemoryFull:
            new = False
        if not new:
            raise SignatureError("it was passed on before", "replayed")


def origin(scope: Scope) -> Origin:
    """What was found out about a request."""
    return cast("Origin", scope[ORIGIN_KEY])


def credential(scope: Scope) -> str | None:
    """What a request that is passed on is let in by: its signature, or the cookie of its session.

    Returns:
        None where it is neither; it comes from where one may look without.
    """
    signatures = headers(scope, _SIGNATURE)
    if signatures:
        return signatures[0] if len(signatures) == 1 else ""
    return cookie(scope, PLAIN)


def target(scope: Scope) -> bytes:
    """Path and query, as they travel."""
    path, query = bytes(scope["raw_path"]), bytes(scope["query_string"])
    return path + b"?" + query if query else path


def _is_proxied(scope: Scope) -> bool:
    return any(name in _TRACES for name, _ in scope["headers"])


def _peer(scope: Scope) -> Address | None:
    state = scope.get("state") or {}
    if PEER_KEY in state:
        return cast("Address | None", state[PEER_KEY])
    client = scope.get("client")
    return addresses.parse_address(client[0]) if client else None
