"""What one coordinator adds to a request that it passes on to another, so that only coordinators can.

The header says who passes the request on, to whom, and which address it came from. It is sealed with a key
that only the coordinators of one cluster have, together with what the request itself is let in by: on
another request, at another coordinator, or a second time, it is worth nothing. Pure functions.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from ipaddress import ip_address

from dffmpeg.wire.signature import SignatureError, generate_nonce

HEADER = "x-dffmpeg-forwarded"

VERSION = "v2"

_PURPOSE = b"dffmpeg: requests that coordinators pass on, v2"
_UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class Passage:
    """How a request came from one coordinator to another.

    Attributes:
        by: the id of the one that passed it on.
        to: the id of the one that it is meant for.
        address: where it came from, as the first one saw it; None where that is not known.
        at: when it was passed on, Unix seconds by that coordinator's clock.
        nonce: what no other passage has.
    """

    by: str
    to: str
    address: str | None
    at: float = 0.0
    nonce: str = field(default_factory=generate_nonce)


def key_of(secret: str) -> bytes:
    """The key behind a cluster's secret, which so serves no other purpose."""
    return hmac.digest(secret.encode(), _PURPOSE, "sha256")


def seal(key: bytes, passage: Passage, method: str, target: bytes, signature: str) -> str:
    """The header's value.

    Args:
        target: path and query, as they travel.
        signature: that of the request itself, or what else lets it in; "" for nothing.
    """
    text = _text(passage)
    return f"{text} {base64.b64encode(_mac(key, text, method, target, signature)).decode('ascii')}"


def opened(key: bytes, value: str, method: str, target: bytes, signature: str) -> Passage:
    """What a header says; the other arguments are those of the request on which it stands.

    Raises:
        SignatureError: no coordinator of this cluster made it, or not for this request.
    """
    text, _, code = value.rpartition(" ")
    try:
        given = base64.b64decode(code.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        given = b""
    if not hmac.compare_digest(given, _mac(key, text, method, target, signature)):
        raise SignatureError(
            f"header {HEADER} is not of this cluster; is [cluster] secret the same at all coordinators?"
        )
    return _parsed(text)


def _text(passage: Passage) -> str:
    address = passage.address or _UNKNOWN
    return f"{VERSION} {passage.by} {passage.to} {address} {passage.at:.3f} {passage.nonce}"


def _parsed(text: str) -> Passage:
    fields = text.split(" ")
    if len(fields) != 6 or fields[0] != VERSION:
        raise SignatureError(f"header {HEADER} is of another version; do the coordinators differ?")
    _, by, to, address, at, nonce = fields
    return Passage(by, to, None if address == _UNKNOWN else str(ip_address(address)), float(at), nonce)


def _mac(key: bytes, text: str, method: str, target: bytes, signature: str) -> bytes:
    said = b"\n".join((text.encode("utf-8", "replace"), method.upper().encode(), target, signature.encode()))
    return hmac.digest(key, said, "sha256")
