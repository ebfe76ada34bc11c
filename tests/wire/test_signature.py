import base64
import hashlib
import hmac

import pytest

from dffmpeg.wire.signature import (
    CLIENT_ID_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    SignatureError,
    decode_key,
    encode_key,
    generate_key,
    read_claim,
    sign,
    verify,
)

KEY = bytes(range(32))
BODY = b'{"a": 1}'
DIGEST = hashlib.sha256(BODY).hexdigest()


def test_the_signature_is_the_documented_one() -> None:
    headers = sign("alice", KEY, "post", "/jobs/submit", BODY, now=1700000000.9)
    text = f"POST|/jobs/submit|1700000000|{DIGEST}"
    expected = base64.b64encode(hmac.new(KEY, text.encode(), "sha256").digest()).decode()
    assert headers == {
        CLIENT_ID_HEADER: "alice",
        TIMESTAMP_HEADER: "1700000000",
        SIGNATURE_HEADER: expected,
    }


def test_what_was_signed_verifies() -> None:
    claim = read_claim(sign("alice", KEY, "GET", "/x", b"", now=100.0))
    empty = hashlib.sha256(b"").hexdigest()
    verify(claim, KEY, "GET", "/x", empty, now=130.0, drift=30.0)


@pytest.mark.parametrize(
    ("method", "path", "digest", "key", "now"),
    [
        ("PUT", "/x", DIGEST, KEY, 100.0),
        ("POST", "/y", DIGEST, KEY, 100.0),
        ("POST", "/x", hashlib.sha256(b"other").hexdigest(), KEY, 100.0),
        ("POST", "/x", DIGEST, bytes(32), 100.0),
        ("POST", "/x", DIGEST, KEY, 131.0),
        ("POST", "/x", DIGEST, KEY, 69.0),
    ],
)
def test_anything_else_does_not(method: str, path: str, digest: str, key: bytes, now: float) -> None:
    claim = read_claim(sign("alice", KEY, "POST", "/x", BODY, now=100.0))
    with pytest.raises(SignatureError):
        verify(claim, key, method, path, digest, now=now, drift=30.0)


@pytest.mark.parametrize("missing", [CLIENT_ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER])
def test_a_missing_header_is_named(missing: str) -> None:
    headers = sign("alice", KEY, "GET", "/x", b"", now=100.0)
    del headers[missing]
    with pytest.raises(SignatureError, match=missing):
        read_claim(headers)


@pytest.mark.parametrize("stamp", ["soon", "-1", "1_0", "1.5", "١٢٣", "9" * 13, " 1"])
def test_timestamps_that_are_none(stamp: str) -> None:
    headers = sign("alice", KEY, "GET", "/x", b"", now=100.0) | {TIMESTAMP_HEADER: stamp}
    with pytest.raises(SignatureError, match="whole Unix seconds"):
        read_claim(headers)


@pytest.mark.parametrize("signature", ["é", "????", "abc", "a b="])
def test_signatures_that_are_none(signature: str) -> None:
    headers = sign("alice", KEY, "GET", "/x", b"", now=100.0) | {SIGNATURE_HEADER: signature}
    with pytest.raises(SignatureError, match="base64"):
        read_claim(headers)


def test_keys_are_standard_base64_whatever_their_bytes() -> None:
    # Bytes that the URL-safe alphabet would write in another way.
    key = b"\xfb\xff" * 16
    assert encode_key(key) == base64.b64encode(key).decode()
    assert decode_key(encode_key(key) + "\n") == key
    assert len(generate_key()) == 32
    assert generate_key() != generate_key()


@pytest.mark.parametrize("text", ["", "abc", base64.b64encode(b"x" * 31).decode(), "_-" * 22])
def test_keys_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        decode_key(text)
