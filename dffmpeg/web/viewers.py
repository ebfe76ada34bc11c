"""Who may look without a signature: whoever comes from one of the configured networks."""

from __future__ import annotations

from quart import request

from dffmpeg.actors.coordinator.operations import Forbidden
from dffmpeg.web import addresses
from dffmpeg.web.origins import origin


def require_near(allowed: addresses.Networks, what: str) -> None:
    """Refuse the request in hand, unless it comes from one of these networks.

    Args:
        what: what is not open, for the error.

    Raises:
        Forbidden: it does not.
    """
    found = origin(request.scope)
    if found.doubtful:
        # A proxy on this very host would open it to whoever comes through it.
        raise Forbidden(f"{what} not open through a proxy that trusted_proxies does not name")
    if found.address is None or not addresses.contains(allowed, found.address):
        raise Forbidden(f"{what} not open to this address")
