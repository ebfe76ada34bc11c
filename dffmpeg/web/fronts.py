"""As what a browser sees this coordinator, when there may be reverse proxies before it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dffmpeg.web.connections import SECURE_KEY, Scope

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


@dataclass(frozen=True, slots=True)
class Front:
    """What is before the path in a browser's URLs.

    Attributes:
        host: name and port, as the Host header has them; "" where there are several, and None where there is
            none, which no browser leaves out.
        secure: whether it is spoken to by TLS.
        prefix: the path below which a proxy has us; "" for none, or where it does not tell.
    """

    host: str | None = None
    secure: bool = False
    prefix: str = ""


def front_of(scope: Scope, *, believed: bool) -> Front:
    """Find it out.

    Args:
        believed: whether the request comes from a proxy that is trusted. Such a one has to replace what came
            to it in X-Forwarded-Host, -Proto and -Prefix, or to add to its end.
    """
    told = {name: _last(scope, name) if believed else None for name in (_HOST, _PROTO, _PREFIX_HEADER)}
    hosts = headers(scope, b"host")
    host = (hosts[0] if len(hosts) == 1 else "") if hosts else None
    ours = "https" if (scope.get("state") or {}).get(SECURE_KEY) else "http"
    prefix = (told[_PREFIX_HEADER] or "").rstrip("/")
    return Front(
        host=told[_HOST] or host,
        secure=(told[_PROTO] or ours) == "https",
        prefix=prefix if _PREFIX.fullmatch(prefix) else "",
    )


_HOST, _PROTO, _PREFIX_HEADER = b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-prefix"


def headers(scope: Scope, wanted: bytes) -> list[str]:
    """The values of a header, in order.

    Args:
        wanted: its name, in lower case.
    """
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]


def _last(scope: Scope, name: bytes) -> str | None:
    values = [part.strip() for value in headers(scope, name) for part in value.split(",")]
    return values[-1] if values else None
