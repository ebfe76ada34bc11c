import pytest
from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.errors import BadInput
from dffmpeg.wire import bytestring, codec, times
from dffmpeg.wire.jobs import SubmitRequest


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "body is not valid JSON: it is empty"),
        (b"{", "not valid JSON"),
        (b'{"binary_name": NaN}', "not valid JSON"),
        (b'{"binary_name": "\\ud800"}', "not valid JSON"),
        (b'{"binary_name": "\xff"}', "not valid JSON"),
        (b"[]", "body: expected an object, got a list"),
        (b"{}", "body: binary_name is missing"),
        (b'{"binary_name": 1}', "binary_name: expected a string, got a whole number"),
        (b'{"binary_name": ""}', "binary_name: expected a string of at least 1 characters"),
        (b'{"binary_name": "../x"}', "binary_name: expected a string of letters, digits, '_', '-' and '.'"),
        (b'{"binary_name": "ffmpeg\\n"}', "binary_name: expected a string of letters, digits"),
        (b'{"binary_name": "ffmpeg", "arguments": "x"}', "arguments: expected a list, got a string"),
        (
            b'{"binary_name": "ffmpeg", "arguments": ["a", 1]}',
            "arguments[1]: expected a string or an object, got",
        ),
        (b'{"binary_name": "ffmpeg", "heartbeat_interval": -1}', "heartbeat_interval: expected a number"),
        (b'{"binary_name": "ffmpeg", "heartbeat_interval": 1e999}', "heartbeat_interval"),
        (b'{"binary_name": "ffmpeg", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
def test_what_does_not_fit_names_the_field(body: bytes, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        codec.decode(body, SubmitRequest)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_fields_are_ignored() -> None:
    assert codec.decode(b'{"binary_name": "ffmpeg", "from_the_future": {}}', SubmitRequest).arguments == []


@given(st.binary().filter(lambda raw: b"\0" not in raw))
def test_every_byte_string_survives_json(raw: bytes) -> None:
    request = SubmitRequest(binary_name="ffmpeg", arguments=[bytestring.to_wire(raw)])
    back = codec.decode(codec.encode(request), SubmitRequest)
    assert bytestring.list_from_wire(back.arguments, "arguments") == (raw,)


def test_utf8_travels_as_text() -> None:
    assert bytestring.to_wire("é\n".encode()) == "é\n"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("a\0b", r"arguments\[1\]: a NUL byte"),
        (bytestring.Base64("??"), r"arguments\[1\]\.b64: expected base64"),
    ],
)
def test_byte_strings_that_are_none(value: bytestring.ByteString, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        bytestring.list_from_wire(["fine", value], "arguments")


def test_what_is_not_utf8_is_shown_escaped() -> None:
    assert bytestring.display(b"caf\xe9") == "caf\\udce9"


@given(st.floats(0, 4_000_000_000))
def test_times(seconds: float) -> None:
    assert abs(times.from_wire(times.to_wire(seconds)) - seconds) < 2e-6


def test_a_time_without_a_zone_is_utc() -> None:
    assert times.from_wire("1970-01-02T00:00:00") == 86400.0
