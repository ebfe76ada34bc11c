"""Joining with a token: what travels, and what both sides make of the token, which does not.

The token is 256 random bits in a text. Both sides derive from it (HKDF-SHA256, RFC 5869) a verifier, and from
that all else, each for a purpose of its own: the proofs by which each shows the other that it knows the
token, and the key of the new identity. Who listens sees proofs, of which nothing can be made.
Pure functions.
"""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Annotated

import msgspec

from dffmpeg.wire.jobs import Name

PATH = "/api/v1/join"

_TEXT = re.compile(r"join-[A-Za-z0-9_-]{43}", re.ASCII)
_SALT = b"dffmpeg: join tokens, v1"

Hexadecimal = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class JoinRequest(msgspec.Struct, kw_only=True):
    """POST /api/v1/join.

    Attributes:
        token: its SHA-256, hexadecimal: says which one, and not what it is.
        client_id: the name to join under.
        proof: see `request_proof`.
    """

    token: Hexadecimal
    client_id: Name
    proof: Hexadecimal


class JoinReply(msgspec.Struct, kw_only=True):
    """Who one is now; the key is for both sides to derive.

    Attributes:
        proof: see `reply_proof`.
    """

    client_id: str
    role: str
    proof: str


def new_token() -> str:
    """A token: 256 random bits as one word, which does not look like an option."""
    return f"join-{secrets.token_urlsafe(32)}"


def is_token(text: str) -> bool:
    """Whether it looks like one."""
    return _TEXT.fullmatch(text) is not None


def verifier_of(token: str) -> bytes:
    """What all else is derived from, 32 bytes: the extraction step of RFC 5869."""
    return hmac.digest(_SALT, token.encode("ascii"), "sha256")


def key_of(verifier: bytes, client_id: str) -> bytes:
    """The key of the identity that joins under this name."""
    return _expanded(verifier, "key", client_id)


def request_proof(verifier: bytes, client_id: str) -> str:
    """What shows that whoever joins under this name knows the token."""
    return _expanded(verifier, "request", client_id).hex()


def reply_proof(verifier: bytes, client_id: str, role: str) -> str:
    """What shows that the answer comes from where the token was made."""
    return _expanded(verifier, "reply", client_id, role).hex()


def _expanded(verifier: bytes, *words: str) -> bytes:
    # The expansion step, of which one block is enough. No name holds the separator.
    return hmac.digest(verifier, "\0".join(words).encode() + b"\x01", "sha256")
