"""Under which name a browser reached us, and whether that name can be somebody else's. Pure functions.

A page of any site can have its own name resolved to an address of ours (DNS rebinding). The browser then
takes our answers for that site's, and who is let in by their address alone would show that page everything.
What it cannot change is the name that the browser sends along.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_RESERVED = (".localhost", ".local", ".internal", ".home.arpa")
"""Which no registry gives away: RFC 6761, RFC 6762, ICANN's resolution of 2024, RFC 8375."""

_AUTHORITY = re.compile(r"(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]*)?", re.ASCII | re.IGNORECASE)
"""What a browser's Host header can be. Anything else may be read in another way elsewhere."""


def name_of(authority: str) -> str:
    """The name or address in a Host header, in lower case, without brackets, port and final dot."""
    text = authority.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].removesuffix(".")


def is_our_own(authority: str, known: Collection[str] = ()) -> bool:
    """Whether a name cannot be one that a stranger has resolved to here.

    Args:
        authority: as in a Host header.
        known: further names of ours, in lower case.

    Returns:
        True for an address, a name without a dot, one of a domain that nobody can register, and a known one.
    """
    if not _AUTHORITY.fullmatch(authority.strip()):
        return False
    name = name_of(authority)
    if name in known:
        return True
    try:
        ip_address(name)
    except ValueError:
        return bool(name) and ("." not in name or name.endswith(_RESERVED))
    return True


def is_same(origin: str, authority: str) -> bool:
    """Whether an Origin header is about the site that a Host header names.

    The schemes are not compared: a proxy that ends TLS need not tell of it.
    """
    scheme, separator, origin_authority = origin.strip().lower().partition("://")
    if not separator or scheme not in _DEFAULT_PORTS or not origin_authority:
        return False
    default = f":{_DEFAULT_PORTS[scheme]}"
    return origin_authority.removesuffix(default) == authority.strip().lower().removesuffix(default)


def checked_origin(text: str) -> str:
    """An origin as browsers write it: scheme, name, and the port where it is not the scheme's own.

    Raises:
        ValueError: it is none, or it holds more.
    """
    parts = urlsplit(text)
    port = parts.port
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        raise ValueError(text)
    if parts.path or parts.query or parts.fragment or not text.isascii() or not text.isprintable():
        raise ValueError(text)
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if port is None or str(port) == _DEFAULT_PORTS[parts.scheme]:
        return f"{parts.scheme}://{name}"
    return f"{parts.scheme}://{name}:{port}"
