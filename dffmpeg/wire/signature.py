"""Request signatures: HMAC-SHA256 over what a request is, made by whoever holds the identity's secret.

Version 2 covers method, path, query, sender, time, a nonce and the body's digest, which travels as a header:
so a request is checked by its headers alone, before anything of its body is read. Version 1 is that of older
programs; it leaves out the query, the sender and the nonce.

The secret is 32 random bytes, carried in configuration files as standard base64.
Pure functions: the clock is the caller's, so that a test can choose the time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

CLIENT_ID_HEADER = "x-dffmpeg-client-id"
TIMESTAMP_HEADER = "x-dffmpeg-timestamp"
NONCE_HEADER = "x-dffmpeg-nonce"
DIGEST_HEADER = "x-dffmpeg-digest"
SIGNATURE_HEADER = "x-dffmpeg-signature"

HEADERS = (CLIENT_ID_HEADER, TIMESTAMP_HEADER, NONCE_HEADER, DIGEST_HEADER, SIGNATURE_HEADER)
"""All that sign a request, in lower case."""

KEY_BYTES = 32

NONCE_BYTES = 16

NAME = "dffmpeg-hmac-sha256-v2"
"""The first line of what version 2 signs: no other use of a key can make the same text."""

EMPTY_DIGEST = hashlib.sha256(b"").hexdigest()

_PREFIX = "v2="
_TIMESTAMP = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,12}", re.ASCII)
_NONCE = re.compile(r"[A-Za-z0-9_-]{22,64}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TARGET = re.compile(r"/[!-~]*", re.ASCII)
_METHOD = re.compile(r"[A-Za-z]{1,32}", re.ASCII)


class SignatureError(ValueError):
    """The request carries no usable signature; the text says what is wrong, without any secret.

    Attributes:
        reason: the same in one word, by which such requests are counted.
    """

    def __init__(self, message: str, reason: str = "malformed") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request's headers claim, before anything was verified.

    Attributes:
        version: 1 or 2.
        stamp: the time as it travels, Unix seconds.
        nonce: empty in version 1.
        digest: of the body, SHA-256 in lower-case hexadecimal; None in version 1, where the body tells.
    """

    version: int
    client_id: str
    stamp: str
    nonce: str
    digest: str | None
    signature: bytes

    @property
    def timestamp(self) -> float:
        return float(self.stamp)


def generate_key() -> bytes:
    """A fresh random secret of `KEY_BYTES` bytes."""
    return secrets.token_bytes(KEY_BYTES)


def generate_nonce() -> str:
    """A value that no other request has: 128 random bits, base64 in the URL-safe alphabet."""
    return base64.urlsafe_b64encode(secrets.token_bytes(NONCE_BYTES)).rstrip(b"=").decode("ascii")


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


def canonical(
    method: str, path: str, query: str, client_id: str, stamp: str, nonce: str, digest: str
) -> bytes:
    """The text that version 2 signs: one field a line, of which none can hold the end of a line.

    Args:
        path: as it travels, percent-encoded, but without a prefix that a reverse proxy strips.
        query: as it travels, without the question mark; empty for none.
        stamp: the time as it travels.
        digest: of the body, SHA-256 in lower-case hexadecimal.

    Raises:
        SignatureError: a field holds the end of a line.
    """
    fields = (NAME, method.upper(), path, query, client_id, stamp, nonce, digest)
    if any("\n" in field or "\r" in field for field in fields):
        raise SignatureError("a line ends in what is to be signed")
    return "\n".join(fields).encode("utf-8", "surrogateescape")


def sign(
    client_id: str, key: bytes, method: str, target: str, body: bytes, *, now: float, nonce: str | None = None
) -> dict[str, str]:
    """The headers that sign a request, version 2. Each request needs headers of its own.

    Args:
        target: path and query as they travel, without a prefix that a reverse proxy strips.
        body: the raw bytes, empty for none.
        now: Unix time in seconds.
        nonce: what no other request has; None for one of our own making.

    Raises:
        ValueError: the target is none, or holds what no request line can.
    """
    if not (_TARGET.fullmatch(target) and _METHOD.fullmatch(method)):
        raise ValueError(f"{method} {target!r} is no request that can be signed")
    path, _, query = target.partition("?")
    # Cut, not rounded: a time that has not come yet counts as a clock that is fast.
    stamp = f"{int(now)}.{int(now % 1 * 1000):03}"
    nonce = nonce or generate_nonce()
    digest = hashlib.sha256(body).hexdigest() if body else EMPTY_DIGEST
    mac = hmac.digest(key, canonical(method, path, query, client_id, stamp, nonce, digest), "sha256")
    headers = {
        CLIENT_ID_HEADER: client_id,
        TIMESTAMP_HEADER: stamp,
        NONCE_HEADER: nonce,
        SIGNATURE_HEADER: _PREFIX + base64.b64encode(mac).decode("ascii"),
    }
    if body:
        headers[DIGEST_HEADER] = digest
    return headers


def sign_legacy(
    client_id: str, key: bytes, method: str, path: str, body: bytes, *, now: float
) -> dict[str, str]:
    """The headers of version 1; arguments as for `sign`, but the path is decoded and has no query."""
    stamp = str(int(now))
    mac = _legacy_mac(key, method, path, stamp, hashlib.sha256(body).hexdigest())
    return {
        CLIENT_ID_HEADER: client_id,
        TIMESTAMP_HEADER: stamp,
        SIGNATURE_HEADER: base64.b64encode(mac).decode("ascii"),
    }


def read_claim(headers: Mapping[str, str]) -> Claim:
    """Parse the signature headers.

    Args:
        headers: names in lower case.

    Raises:
        SignatureError: a header is missing or malformed.
    """
    client_id = _required(headers, CLIENT_ID_HEADER)
    stamp = _required(headers, TIMESTAMP_HEADER)
    text = _required(headers, SIGNATURE_HEADER)
    if not text.startswith(_PREFIX):
        # float() and int() also take signs, underscores and other scripts' digits: no timestamp has them.
        _require(_WHOLE, stamp, TIMESTAMP_HEADER, "whole Unix seconds")
        return Claim(1, client_id, stamp, "", None, _decoded(text))
    _require(_TIMESTAMP, stamp, TIMESTAMP_HEADER, "Unix seconds, with at most 6 decimals")
    nonce = _required(headers, NONCE_HEADER)
    _require(_NONCE, nonce, NONCE_HEADER, "22 to 64 characters of URL-safe base64, or of hexadecimal")
    digest = headers.get(DIGEST_HEADER) or EMPTY_DIGEST
    _require(_DIGEST, digest, DIGEST_HEADER, "SHA-256 in lower-case hexadecimal")
    return Claim(2, client_id, stamp, nonce, digest, _decoded(text.removeprefix(_PREFIX)))


def verify(claim: Claim, key: bytes, method: str, target: str) -> None:
    """Check a claim of version 2 against an identity's secret. Its time and its body are not looked at.

    Args:
        target: path and query as they came.

    Raises:
        SignatureError: the signature is another one.
    """
    path, _, query = target.partition("?")
    text = canonical(method, path, query, claim.client_id, claim.stamp, claim.nonce, claim.digest or "")
    _compare(claim, hmac.digest(key, text, "sha256"))


def verify_legacy(claim: Claim, key: bytes, method: str, path: str, body_digest: str) -> None:
    """Check a claim of version 1, as `verify` does.

    Args:
        path: decoded, without the query.
        body_digest: SHA-256 of the raw body in lower-case hexadecimal.
    """
    _compare(claim, _legacy_mac(key, method, path, claim.stamp, body_digest))


def require_body(claim: Claim, body: bytes) -> None:
    """Raises SignatureError where the body is not the one that was signed, in version 2."""
    if not hmac.compare_digest(hashlib.sha256(body).hexdigest(), claim.digest or ""):
        raise SignatureError(f"the body is not the one that header {DIGEST_HEADER} names", "digest")


def require_fresh(claim: Claim, *, now: float, drift: float) -> None:
    """Raises SignatureError, which says by how much, where the two clocks differ by more than they may.

    Args:
        now: Unix time in seconds.
        drift: how many seconds they may differ, either way.
    """
    ahead = claim.timestamp - now
    if abs(ahead) > drift:
        side = "ahead of" if ahead > 0 else "behind"
        raise SignatureError(
            f"the timestamp is {abs(ahead):.0f} s {side} the coordinator's clock, which says {now:.0f}; "
            f"{drift:g} s are allowed: are both clocks right?",
            "clock",
        )


def _required(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise SignatureError(f"header {name} is missing", "missing")
    return value


def _require(pattern: re.Pattern[str], value: str, name: str, expected: str) -> None:
    if not pattern.fullmatch(value):
        raise SignatureError(f"header {name} must be {expected}")


def _decoded(text: str) -> bytes:
    try:
        mac = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError(f"header {SIGNATURE_HEADER} must be base64") from None
    return mac


def _compare(claim: Claim, expected: bytes) -> None:
    if not hmac.compare_digest(expected, claim.signature):
        raise SignatureError("the signature does not match", "signature")


def _legacy_mac(key: bytes, method: str, path: str, stamp: str, body_digest: str) -> bytes:
    text = f"{method.upper()}|{path}|{int(stamp)}|{body_digest}"
    return hmac.digest(key, text.encode("utf-8", "surrogateescape"), "sha256")
