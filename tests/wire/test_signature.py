import base64
import hashlib
import hmac
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dffmpeg.wire import signature
from dffmpeg.wire.signature import (
    CLIENT_ID_HEADER,
    DIGEST_HEADER,
    HEADERS,
    NONCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Claim,
    SignatureError,
    canonical,
    decode_key,
    encode_key,
    generate_key,
    generate_nonce,
    read_claim,
    require_body,
    require_fresh,
    sign,
    sign_legacy,
    verify,
    verify_legacy,
)

KEY = bytes(range(32))
BODY = b'{"a": 1}'
DIGEST = hashlib.sha256(BODY).hexdigest()
NONCE = "AAECAwQFBgcICQoLDA0ODw"
PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"


def signed(method: str = "POST", target: str = "/x?a=1", body: bytes = BODY, now: float = 100.0) -> Claim:
    return read_claim(sign("alice", KEY, method, target, body, now=now))


# Version 2


def test_the_signature_is_the_documented_one() -> None:
    headers = sign("alice", KEY, "post", "/jobs/submit?a=1", BODY, now=1700000000.9876, nonce=NONCE)
    text = f"dffmpeg-hmac-sha256-v2\nPOST\n/jobs/submit\na=1\nalice\n1700000000.987\n{NONCE}\n{DIGEST}"
    expected = base64.b64encode(hmac.new(KEY, text.encode(), "sha256").digest()).decode()
    assert headers == {
        CLIENT_ID_HEADER: "alice",
        TIMESTAMP_HEADER: "1700000000.987",
        NONCE_HEADER: NONCE,
        DIGEST_HEADER: DIGEST,
        SIGNATURE_HEADER: f"v2={expected}",
    }


VECTOR = re.compile(r"^\| `(\w+)` \| `(\S+)` \| `([^`]*)` \| `(v2=\S+)` \|$", re.MULTILINE)


def test_the_published_vectors_are_right() -> None:
    vectors = VECTOR.findall(PROTOCOL.read_text())
    assert len(vectors) >= 4
    for method, target, body, expected in vectors:
        headers = sign("alice", KEY, method, target, body.encode(), now=1700000000.5, nonce=NONCE)
        assert headers[SIGNATURE_HEADER] == expected, (method, target)
        verify(read_claim(headers), KEY, method, target)


def test_nothing_can_be_left_out_or_changed() -> None:
    claim = signed()
    verify(claim, KEY, "POST", "/x?a=1")
    require_body(claim, BODY)
    other = {
        "client_id": "mallory",
        "stamp": "100.001",
        "nonce": generate_nonce(),
        "digest": hashlib.sha256(b"").hexdigest(),
        "signature": claim.signature[:-1],
    }
    for field, value in other.items():
        with pytest.raises(SignatureError, match="does not match"):
            verify(replace(claim, **{field: value}), KEY, "POST", "/x?a=1")  # type: ignore[arg-type]
    for method, target in (("PUT", "/x?a=1"), ("POST", "/y?a=1"), ("POST", "/x?a=2"), ("POST", "/x")):
        with pytest.raises(SignatureError, match="does not match"):
            verify(claim, KEY, method, target)
    with pytest.raises(SignatureError, match="does not match"):
        verify(claim, bytes(32), "POST", "/x?a=1")
    with pytest.raises(SignatureError, match="body is not"):
        require_body(claim, BODY + b" ")


def test_a_body_that_nobody_announced_is_none() -> None:
    claim = signed(body=b"")
    require_body(claim, b"")
    with pytest.raises(SignatureError, match="body"):
        require_body(claim, b"x")


FIELDS = st.text(st.characters(codec="latin-1"), max_size=12)


@given(st.lists(FIELDS, min_size=7, max_size=7), st.lists(FIELDS, min_size=7, max_size=7))
def test_no_two_requests_have_the_same_text(one: list[str], other: list[str]) -> None:
    one[0], other[0] = one[0].upper(), other[0].upper()
    assume(one != other)
    try:
        texts = {canonical(*one), canonical(*other)}
    except SignatureError:
        assert any(end in field for field in one + other for end in "\r\n")
    else:
        assert len(texts) == 2


@given(
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.text("abc/%?&=~-._", max_size=20),
    st.binary(max_size=40),
    st.floats(0, 4e9),
)
def test_what_was_signed_verifies(method: str, rest: str, body: bytes, now: float) -> None:
    claim = signed(method, "/" + rest, body, now)
    verify(claim, KEY, method, "/" + rest)
    require_body(claim, body)
    require_fresh(claim, now=now, drift=0.0011)
    # A time that has not come yet would count as a clock that is fast.
    assert claim.timestamp <= now


@given(st.dictionaries(st.sampled_from(HEADERS), st.text(max_size=80)))
def test_any_headers_are_a_claim_or_refused(headers: dict[str, str]) -> None:
    try:
        claim = read_claim(headers)
    except SignatureError:
        return
    assert claim.version in (1, 2)


@pytest.mark.parametrize("target", ["", "x", "/a b", "/a\nb", "/é", "/\0", "http://x/"])
def test_targets_that_no_request_line_can_hold(target: str) -> None:
    with pytest.raises(ValueError, match="can be signed"):
        sign("alice", KEY, "GET", target, b"", now=1.0)


@pytest.mark.parametrize("missing", [CLIENT_ID_HEADER, TIMESTAMP_HEADER, NONCE_HEADER, SIGNATURE_HEADER])
def test_a_missing_header_is_named(missing: str) -> None:
    headers = sign("alice", KEY, "GET", "/x", b"", now=100.0)
    del headers[missing]
    with pytest.raises(SignatureError, match=missing) as error:
        read_claim(headers)
    assert error.value.reason == "missing"


@pytest.mark.parametrize(
    "stamp", ["soon", "-1", "1_0", "1.", ".5", "1e3", "١٢٣", "9" * 13, " 1", "1.0000001"]
)
def test_timestamps_that_are_none(stamp: str) -> None:
    headers = sign("alice", KEY, "GET", "/x", b"", now=100.0) | {TIMESTAMP_HEADER: stamp}
    with pytest.raises(SignatureError, match="Unix seconds"):
        read_claim(headers)


@pytest.mark.parametrize(
    "nonce", ["short", "x" * 65, "x" * 21, "a b" * 9, "é" * 30, "x" * 30 + "\n", "+/" * 15]
)
def test_nonces_that_are_none(nonce: str) -> None:
    headers = sign("alice", KEY, "GET", "/x", b"", now=100.0) | {NONCE_HEADER: nonce}
    with pytest.raises(SignatureError, match=NONCE_HEADER):
        read_claim(headers)


@pytest.mark.parametrize("digest", ["0", DIGEST.upper(), DIGEST + "0", "g" * 64, DIGEST + "\n"])
def test_digests_that_are_none(digest: str) -> None:
    headers = sign("alice", KEY, "GET", "/x", b"", now=100.0) | {DIGEST_HEADER: digest}
    with pytest.raises(SignatureError, match=DIGEST_HEADER):
        read_claim(headers)


@pytest.mark.parametrize("prefix", ["", "v2="])
@pytest.mark.parametrize("text", ["é", "????", "abc", "a b="])
def test_signatures_that_are_none(prefix: str, text: str) -> None:
    headers = sign("alice", KEY, "GET", "/x", b"", now=100.0)
    headers |= {SIGNATURE_HEADER: prefix + text, TIMESTAMP_HEADER: "100"}
    with pytest.raises(SignatureError, match="base64"):
        read_claim(headers)


def test_nonces_are_all_different() -> None:
    nonces = {generate_nonce() for _ in range(1000)}
    assert len(nonces) == 1000
    assert all(len(base64.urlsafe_b64decode(nonce + "==")) == 16 for nonce in nonces)


@pytest.mark.parametrize(("now", "said"), [(131.5, "32 s behind"), (68.0, "32 s ahead of")])
def test_a_wrong_clock_is_told_by_how_much(now: float, said: str) -> None:
    claim = signed(now=100.0)
    require_fresh(claim, now=130.0, drift=30.0)
    require_fresh(claim, now=70.0, drift=30.0)
    with pytest.raises(SignatureError, match=said) as error:
        require_fresh(claim, now=now, drift=30.0)
    assert f"{now:.0f}" in str(error.value)
    assert error.value.reason == "clock"


# Version 1


def test_the_older_signature_is_as_it_was() -> None:
    headers = sign_legacy("alice", KEY, "post", "/jobs/submit", BODY, now=1700000000.9)
    text = f"POST|/jobs/submit|1700000000|{DIGEST}"
    expected = base64.b64encode(hmac.new(KEY, text.encode(), "sha256").digest()).decode()
    assert headers == {
        CLIENT_ID_HEADER: "alice",
        TIMESTAMP_HEADER: "1700000000",
        SIGNATURE_HEADER: expected,
    }
    claim = read_claim(headers)
    assert claim.version == 1
    verify_legacy(claim, KEY, "POST", "/jobs/submit", DIGEST)
    for method, path, digest in (
        ("PUT", "/jobs/submit", DIGEST),
        ("POST", "/", DIGEST),
        ("POST", "/jobs/submit", ""),
    ):
        with pytest.raises(SignatureError, match="does not match"):
            verify_legacy(claim, KEY, method, path, digest)


@pytest.mark.parametrize("stamp", ["1.5", "1e9", "-1", "٣"])
def test_older_timestamps_are_whole(stamp: str) -> None:
    headers = sign_legacy("alice", KEY, "GET", "/x", b"", now=100.0) | {TIMESTAMP_HEADER: stamp}
    with pytest.raises(SignatureError, match="whole Unix seconds"):
        read_claim(headers)


def test_one_version_is_never_the_other() -> None:
    headers = sign("alice", KEY, "GET", "/x", b"", now=100.0)
    bare = headers | {SIGNATURE_HEADER: headers[SIGNATURE_HEADER][3:], TIMESTAMP_HEADER: "100"}
    with pytest.raises(SignatureError, match="does not match"):
        verify_legacy(read_claim(bare), KEY, "GET", "/x", signature.EMPTY_DIGEST)


# Keys


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
