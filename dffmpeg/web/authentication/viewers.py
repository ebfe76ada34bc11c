"""The way in of whoever only looks: by the address that a request comes from."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from dffmpeg.actors.coordinator.operations import Forbidden
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.model import hosts
from dffmpeg.web import addresses
from dffmpeg.web.authentication.entrance import NETWORK_VIEWER, Entrance
from dffmpeg.web.authentication.sites import Sites
from dffmpeg.web.connections import Scope
from dffmpeg.web.origins import origin


class Viewers:
    """Lets look without a key, where the configuration says so.

    Raises:
        ConfigurationError: a network in the configuration is none.
    """

    def __init__(self, config: CoordinatorConfig, sites: Sites) -> None:
        self._enabled = config.web_dashboard_enabled
        self._allowed = addresses.parse_networks(config.allowed_dashboard_ips, "allowed_dashboard_ips")
        self._sites = sites
        known = (urlsplit(text).hostname for text in config.security.dashboard_origins)
        self._names = frozenset({socket.gethostname().lower(), *(name for name in known if name is not None)})

    def check(self, scope: Scope) -> Entrance | None:
        """Let somebody look; None where that takes a signature or a session.

        Raises:
            Forbidden: it comes from where one may look, but a stranger's page may have asked for it.
        """
        found = origin(scope)
        reads = scope.get("method", "GET") in ("GET", "HEAD")
        if not (self._enabled and reads) or found.doubtful or found.address is None:
            return None
        if not addresses.contains(self._allowed, found.address):
            return None
        if found.passage is None:
            host = found.front.host
            if host is not None and not hosts.is_our_own(host, self._names):
                raise Forbidden(
                    f"not without signing in under the name {hosts.name_of(host)[:100]!r}, which anybody "
                    "could have; if it is this coordinator's, [security] dashboard_origins has to name it"
                )
            self._sites.require_same(scope)
        return Entrance(NETWORK_VIEWER, found.address)
