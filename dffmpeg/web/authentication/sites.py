"""Whose page asks: a browser sends along what other sites' pages have it ask for."""

from __future__ import annotations

from dffmpeg.actors.coordinator.operations import Forbidden
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.model import hosts
from dffmpeg.web.connections import Scope
from dffmpeg.web.fronts import headers
from dffmpeg.web.origins import origin


class Sites:
    """Tells our own pages from others'."""

    def __init__(self, config: CoordinatorConfig) -> None:
        self._known = frozenset(config.security.dashboard_origins)

    def require_same(self, scope: Scope) -> None:
        """Refuse what a page of another site has a browser ask for.

        What is no browser says nothing of pages, and passes. So does what another coordinator passed on: it
        has looked itself. A link that leads here may stand on any page.

        Raises:
            Forbidden: it is another site's.
        """
        found = origin(scope)
        if found.passage is not None:
            return
        if _values(scope, b"sec-fetch-site") - {"same-origin", "none"} and not _is_link(scope):
            raise Forbidden("not for a page of another site")
        for said in _values(scope, b"origin"):
            host = found.front.host
            if said not in self._known and not (host and hosts.is_same(said, host)):
                raise Forbidden(
                    f"not for a page of {said[:100]!r}; if that is the dashboard's own address, [security] "
                    "dashboard_origins has to name it"
                )


def _is_link(scope: Scope) -> bool:
    reads = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
    return reads and _values(scope, b"sec-fetch-mode") == {"navigate"}


def _values(scope: Scope, name: bytes) -> set[str]:
    return {value.strip() for value in headers(scope, name)}
