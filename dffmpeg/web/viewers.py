"""Who may look without a signature: whoever comes from one of the configured networks."""

from __future__ import annotations

from quart import request

from dffmpeg.actors.coordinator.operations import Forbidden
from dffmpeg.web import addresses


def require_near(
    source: addresses.Address | None, allowed: addresses.Networks, what: str, option: str
) -> None:
    """Refuse the request in hand, unless it comes from one of these networks.

    Args:
        source: where it comes from, proxies that are trusted taken into account.
        what: what is not open, for the error.
        option: the configuration's entry that would open it.

    Raises:
        Forbidden: it does not.
    """
    peer = request.scope.get("client")
    if "X-Forwarded-For" in request.headers and peer and source == addresses.parse_address(peer[0]):
        # A proxy on this very host would open it to whoever comes through it.
        raise Forbidden(f"{what} not open through a proxy that trusted_proxies does not name")
    if source is None or not addresses.contains(allowed, source):
        raise Forbidden(f"{what} not open to this address; sign the request, or see {option}")
