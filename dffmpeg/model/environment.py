"""Which environment variables travel from a caller to its program: those that change what ffmpeg does.

A pattern is a variable's name, or the beginning of names with a `*` behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

DEFAULT_NAMES = (
    "TZ",
    "LANG",
    "LC_*",
    "FFREPORT",
    "AV_LOG_FORCE_COLOR",
    "AV_LOG_FORCE_NOCOLOR",
    "AV_LOG_FORCE_256COLOR",
    "NO_COLOR",
    "TERM",
    "COLUMNS",
    "LINES",
    "SVT_LOG",
)
"""What both sides' configurations begin with."""

PRIVATE_PREFIXES = (b"DFFMPEG_", b"OTEL_")
"""What begins so is meant for us, and may hold a key: no program sees it."""


def matches(name: bytes, patterns: Iterable[str]) -> bool:
    """Whether a variable is on a list of patterns; our own never are."""
    if name.startswith(PRIVATE_PREFIXES):
        return False
    for pattern in patterns:
        wanted = pattern.encode("utf-8", "surrogateescape")
        if name == wanted or (wanted.endswith(b"*") and name.startswith(wanted[:-1])):
            return True
    return False


def selected(environment: Mapping[bytes, bytes], patterns: Iterable[str]) -> dict[bytes, bytes]:
    """Those variables of an environment that are on the list."""
    listed = tuple(patterns)
    return {name: value for name, value in environment.items() if matches(name, listed)}


def own(environment: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """A worker's own environment as a program may see it."""
    return {name: value for name, value in environment.items() if not name.startswith(PRIVATE_PREFIXES)}


def inherited(
    environment: Mapping[bytes, bytes], given: Mapping[bytes, bytes], patterns: Iterable[str]
) -> dict[bytes, bytes]:
    """What a program gets at a worker on behalf of a caller.

    Args:
        environment: the worker's own.
        given: what the caller sent.
        patterns: the worker's list. A variable on it is the caller's: what the caller
            has not set is not set. Anything else is the worker's, whatever was sent.
    """
    listed = tuple(patterns)
    kept = {name: value for name, value in own(environment).items() if not matches(name, listed)}
    return kept | selected(given, listed)
