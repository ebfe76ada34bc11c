"""Hooks: which URLs may be called, in which order, and what follows a call. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from dffmpeg.backoff import Backoff

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCall:
    """One call that is to be made; times are Unix seconds.

    Attributes:
        seq: the order in which calls were decided on; a job's are made in this order at each URL.
        call_id: stands in the body, so that its receiver knows a repetition.
        due_at: when it is tried next; None once it was delivered, or given up.
    """

    seq: int
    call_id: str
    job_id: str
    url: str
    body: bytes
    created_at: float
    due_at: float | None
    tries: int = 0
    delivered_at: float | None = None
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Try again at this time."""

    due_at: float


@dataclass(frozen=True, slots=True)
class Enough:
    """It is not tried again."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a receiver that does not take a call is tried again.

    Args:
        tries: calls at most.
        age: seconds since the event, after which no further try begins.
    """

    tries: int
    age: float
    backoff: Backoff

    def after(self, call: HookCall, now: float, chance: float) -> Again | Enough:
        """What follows a try that failed.

        Args:
            call: as it was before that try.
            chance: a random number from 0 to 1.
        """
        made = call.tries + 1
        due = now + self.backoff.delay(made, chance)
        if made >= self.tries or due > call.created_at + self.age:
            return Enough()
        return Again(due)


def problem(url: str, allowed: Sequence[str]) -> str | None:
    """Why a URL may not be called; None if it may.

    Args:
        allowed: URLs; what lies at or below one of them may be called.
    """
    if not allowed:
        return "this coordinator calls no hooks: its [hooks] allowed is empty"
    parts = _parts(url)
    if parts is None:
        return f"{url!r} is no URL that can be called"
    if any(_below(parts, base) for base in map(_parts, allowed) if base is not None):
        return None
    return f"{url!r} is not below what this coordinator may call: {', '.join(allowed)}"


def unusable(url: str) -> str | None:
    """What was expected where a URL cannot be called, or does not mean the same to whoever reads it."""
    if "#" in url:
        # It would never be sent, so that the receiver gets another URL than the one that was written.
        return "expected a URL without a fragment (#…)"
    return None if _parts(url) is not None else "expected a URL such as https://media.example/hooks/"


def _parts(url: str) -> SplitResult | None:
    # A backslash, a space or a control character is read differently by different programs.
    if not url.isascii() or not url.isprintable() or set(url) & {"\\", " ", "#"}:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        return None
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        return None
    path = unquote(parts.path)
    # A server may resolve `..`, also an encoded one, to what is not below.
    plain = not {".", ".."} & set(path.split("/")) and "\\" not in path and path.isprintable()
    return parts if plain else None


def _below(parts: SplitResult, base: SplitResult) -> bool:
    if (parts.scheme, parts.hostname, _port(parts)) != (base.scheme, base.hostname, _port(base)):
        return False
    if base.query:
        return (parts.path, parts.query) == (base.path, base.query)
    folder = posixpath.join(base.path or "/", "")
    return (parts.path or "/") == base.path or (parts.path or "/").startswith(folder)


def _port(parts: SplitResult) -> int:
    return parts.port or _PORTS[parts.scheme]
