"""Being signed in: what a browser holds, and what is kept of it. Pure functions; times are Unix seconds.

The browser holds a secret of 256 random bits. Only its SHA-256 is kept: a secret like that cannot be guessed
from it, so nothing slower is needed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from dffmpeg.model.identities import Identity, Role

MOST = 32
"""Sessions that one identity may have at a time; one more ends the oldest."""

LOGIN = "login"
"""The purpose of a token that signs somebody in."""

JOIN = "join"
"""The purpose of a token by which a new identity joins."""

_CSRF = b"dffmpeg: what a page adds to what changes something, v1"
_STAMP = b"dffmpeg: what an identity is when it signs in, v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session's row.

    Attributes:
        digest: of its secret, see `digest_of`.
        stamp: of its identity and the key by which it signed in, see `stamp_of`.
    """

    digest: str
    client_id: str
    stamp: str
    created_at: float
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What may be redeemed once.

    Attributes:
        digest: of its secret, see `digest_of`.
        purpose: what it is good for: for nothing else.
        client_id: whom it is about; None where it does not say.
        role: the one that it gives; None where it does not say.
        allowed_networks: those that it gives, CIDRs.
        verifier: what whoever redeems it proves to know, where it does not travel itself; never shown.
        used_by: who has joined by it.
    """

    digest: str
    purpose: str
    client_id: str | None = None
    role: Role | None = None
    allowed_networks: tuple[str, ...] = ()
    created_at: float
    expires_at: float
    verifier: bytes | None = field(default=None, repr=False)
    used_by: str | None = None


def new_secret() -> str:
    """256 random bits, as they may stand in a cookie, a URL and a header."""
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """What is kept of a secret: its SHA-256, hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def csrf_of(secret: str) -> str:
    """What a page of this session sends along with whatever changes something.

    Another site's page can have a browser send the cookie, but neither read it nor this.
    """
    return hmac.new(secret.encode("utf-8", "surrogateescape"), _CSRF, "sha256").hexdigest()


def stamp_of(identity: Identity, key: bytes) -> str:
    """What whoever came in by one of an identity's keys is known by; another key or role has another one."""
    return hmac.new(key, _STAMP + identity.role.value.encode(), "sha256").hexdigest()


def stands(stamp: str, identity: Identity | None, now: float) -> bool:
    """Whether the key behind a stamp is good now, and the role what it was."""
    if identity is None:
        return False
    return any(hmac.compare_digest(stamp, stamp_of(identity, key)) for key in identity.keys(now))


def holds(session: Session, identity: Identity | None, now: float) -> bool:
    """Whether somebody is still signed in: for a time, and for as long as the identity is what it was."""
    if identity is None or identity.client_id != session.client_id or session.expires_at <= now:
        return False
    return stands(session.stamp, identity, now)
