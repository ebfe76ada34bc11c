"""The session's cookie, and the header that comes with it where something is changed."""

from __future__ import annotations

from dffmpeg.web.connections import Scope
from dffmpeg.web.fronts import Front, headers

PLAIN = "dffmpeg_session"
HOST_ONLY = f"__Host-{PLAIN}"
"""Browsers take a cookie of such a name only by TLS, for the whole host, and from that host itself."""

CSRF_HEADER = b"x-dffmpeg-csrf"
"""Carries what only a page of the session can know."""

MAX_VALUE = 128
"""Characters; ours have 43."""


def name_at(front: Front) -> str:
    """What the cookie is called there."""
    return HOST_ONLY if front.secure and not front.prefix else PLAIN


def cookie(scope: Scope, name: str) -> str | None:
    """A cookie's value; None where it is missing, there twice, or nothing of ours."""
    found = [
        value.strip()
        for header in headers(scope, b"cookie")
        for key, separator, value in (part.partition("=") for part in header.split(";"))
        if separator and key.strip() == name
    ]
    if len(found) != 1 or not 0 < len(found[0]) <= MAX_VALUE or not found[0].isascii():
        return None
    return found[0]


def setting(front: Front, value: str, lifetime: float) -> str:
    """A Set-Cookie header.

    Args:
        lifetime: seconds; 0 takes the cookie away.
    """
    parts = [
        f"{name_at(front)}={value}",
        f"Path={front.prefix or '/'}",
        f"Max-Age={int(lifetime)}",
        "HttpOnly",
        "SameSite=Strict",
    ]
    return "; ".join([*parts, "Secure"] if front.secure else parts)
