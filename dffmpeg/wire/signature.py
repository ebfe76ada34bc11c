"""Request signatures, version 1: HMAC-SHA256 over method, path, time and body digest.

The secret is 32 random bytes, carried in configuration files as standard base64.
Pure functions: the clock is the caller's, so that a test can choose the time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

CLIENT_ID_HEADER = "x-dffmpeg-client-id"
TIMESTAMP_HEADER = "x-dffmpeg-timestamp"
SIGNATURE_HEADER = "x-dffmpeg-signature"

KEY_BYTES = 32


class SignatureError(ValueError):
    """The request carries no usable signature; the text says what is wrong, without any secret."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request's headers claim, before anything was verified."""

    client_id: str
    timestamp: int
    signature: bytes


def generate_key() -> bytes:
    """A fresh random secret of `KEY_BYTES` bytes."""
    return secrets.token_bytes(KEY_BYTES)


def encode_key(key: bytes) -> str:
    """The secret as it stands in configuration files: base64, standard alphabet (RFC 4648, section 4)."""
    return base64.b64encode(key).decode("ascii")


def decode_key(text: str) -> bytes:
    """The secret behind its base64 form.

    Raises:
        ValueError: the text is not base64 of exactly `KEY_BYTES` bytes.
    """
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"expected base64 (standard alphabet) of {KEY_BYTES} bytes") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"expected {KEY_BYTES} bytes in base64, got {len(key)}")
    return key


def _mac(key: bytes, method: str, path: str, timestamp: int, body_digest: str) -> bytes:
    text = f"{method.upper()}|{path}|{timestamp}|{body_digest}"
    return hmac.digest(key, text.encode("utf-8", "surrogateescape"), "sha256")


def sign(client_id: str, key: bytes, method: str, path: str, body: bytes, *, now: float) -> dict[str, str]:
    """The three headers that sign a request.

    Args:
        path: without query string, and without a prefix that a reverse proxy strips.
        body: the raw bytes, empty for none.
        now: Unix time in seconds.
    """
    timestamp = int(now)
    mac = _mac(key, method, path, timestamp, hashlib.sha256(body).hexdigest())
    return {
        CLIENT_ID_HEADER: client_id,
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: base64.b64encode(mac).decode("ascii"),
    }


def read_claim(headers: Mapping[str, str]) -> Claim:
    """Parse the signature headers.

    Args:
        headers: names in lower case.

    Raises:
        SignatureError: a header is missing or malformed.
    """
    client_id = headers.get(CLIENT_ID_HEADER, "")
    stamp = headers.get(TIMESTAMP_HEADER, "")
    text = headers.get(SIGNATURE_HEADER, "")
    for name, value in ((CLIENT_ID_HEADER, client_id), (TIMESTAMP_HEADER, stamp), (SIGNATURE_HEADER, text)):
        if not value:
            raise SignatureError(f"header {name} is missing")
    # int() also takes signs, underscores and other scripts' digits: none of them is a timestamp here.
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise SignatureError(f"header {TIMESTAMP_HEADER} must be whole Unix seconds")
    try:
        signature = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError(f"header {SIGNATURE_HEADER} must be base64") from None
    return Claim(client_id, int(stamp), signature)


def verify(
    claim: Claim, key: bytes, method: str, path: str, body_digest: str, *, now: float, drift: float
) -> None:
    """Check a claim against the identity's secret.

    Args:
        body_digest: lower-case hexadecimal SHA-256 of the raw body.
        now: Unix time in seconds.
        drift: how many seconds the two clocks may differ, either way.

    Raises:
        SignatureError: the time is too far off, or the signature is another one.
    """
    expected = _mac(key, method, path, claim.timestamp, body_digest)
    if not hmac.compare_digest(expected, claim.signature):
        raise SignatureError("the signature does not match")
    if abs(now - claim.timestamp) > drift:
        raise SignatureError(f"the timestamp is more than {drift:g} s off; are both clocks right?")
