"""Where a request comes from: found out once, before anything else is done with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.web import addresses
from dffmpeg.web.addresses import Address
from dffmpeg.web.connections import PEER_KEY, Scope
from dffmpeg.wire import forwarding, signature
from dffmpeg.wire.forwarding import Passage
from dffmpeg.wire.signature import SignatureError

ORIGIN_KEY = "dffmpeg.origin"

_FORWARDED = forwarding.HEADER.encode()
_PROXIES = b"x-forwarded-for"
_SIGNATURE = signature.SIGNATURE_HEADER.encode()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from.

    Attributes:
        address: whose it is; None where that cannot be told, which no check may let pass.
        peer: the other end of the connection, as far as a trusted proxy tells.
        passage: how it came from another coordinator; None where it did not.
        doubtful: it came through a proxy that is not trusted, so that the address is the proxy's.
    """

    address: Address | None
    peer: Address | None
    passage: Passage | None = None
    doubtful: bool = False


class Origins:
    """Finds out where requests come from.

    Args:
        key: what coordinators seal with; None where there are no others.

    Raises:
        ConfigurationError: a network in the configuration is none.
    """

    def __init__(self, config: CoordinatorConfig, key: bytes | None) -> None:
        self._proxies = addresses.parse_networks(
            config.security.trusted_proxies, "[security] trusted_proxies"
        )
        self._key = key

    def of(self, scope: Scope) -> Origin:
        """Where a request comes from.

        Raises:
            SignatureError: it claims to be passed on by a coordinator, and was not.
        """
        peer = _peer(scope)
        sealed = _values(scope, _FORWARDED)
        if sealed:
            passage = self._opened(scope, sealed)
            address = None if passage.address is None else addresses.parse_address(passage.address)
            return Origin(address, peer, passage)
        hops = _values(scope, _PROXIES)
        address = addresses.source(peer, hops, self._proxies)
        believed = peer is not None and addresses.contains(self._proxies, peer)
        return Origin(address, peer, doubtful=bool(hops) and not believed)

    def _opened(self, scope: Scope, sealed: list[str]) -> Passage:
        if self._key is None or len(sealed) != 1:
            # To pass it over would let it go round for ever where secrets differ.
            raise SignatureError(f"header {forwarding.HEADER} has no business here")
        signatures = _values(scope, _SIGNATURE)
        return forwarding.opened(
            self._key,
            sealed[0],
            scope.get("method", "GET"),
            target(scope),
            signatures[0] if len(signatures) == 1 else "",
        )


def origin(scope: Scope) -> Origin:
    """What was found out about a request."""
    return cast("Origin", scope[ORIGIN_KEY])


def target(scope: Scope) -> bytes:
    """Path and query, as they travel."""
    path, query = bytes(scope["raw_path"]), bytes(scope["query_string"])
    return path + b"?" + query if query else path


def _peer(scope: Scope) -> Address | None:
    state = scope.get("state") or {}
    if PEER_KEY in state:
        return cast("Address | None", state[PEER_KEY])
    client = scope.get("client")
    return addresses.parse_address(client[0]) if client else None


def _values(scope: Scope, header: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == header]
