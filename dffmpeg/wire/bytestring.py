"""Byte strings in JSON: arguments and file names are bytes, and not every one is UTF-8.

What is valid UTF-8 travels as a JSON string, which older programs understand;
anything else as `{"b64": "…"}`, so that no byte is ever lost or guessed at.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable

import msgspec

from dffmpeg.errors import BadInput


class Base64(msgspec.Struct, frozen=True):
    """Bytes that are not UTF-8, as base64 (RFC 4648, section 4)."""

    b64: str


ByteString = str | Base64


def to_wire(value: bytes) -> ByteString:
    """The JSON form of a byte string."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return Base64(base64.b64encode(value).decode("ascii"))


def from_wire(value: ByteString, field: str) -> bytes:
    """The bytes behind a JSON form.

    Args:
        field: how an error names the place, such as `arguments[3]`.

    Raises:
        BadInput: not base64, or a NUL byte, which no argument or file name can hold.
    """
    if isinstance(value, str):
        raw = value.encode("utf-8")
    else:
        try:
            raw = base64.b64decode(value.b64, validate=True)
        except (binascii.Error, ValueError):
            raise BadInput(f"{field}.b64: expected base64") from None
    if b"\0" in raw:
        raise BadInput(f"{field}: a NUL byte cannot stand in an argument or a file name")
    return raw


def list_to_wire(values: Iterable[bytes]) -> list[ByteString]:
    """`to_wire` for each."""
    return [to_wire(value) for value in values]


def list_from_wire(values: Iterable[ByteString], field: str) -> tuple[bytes, ...]:
    """`from_wire` for each; an error names the index."""
    return tuple(from_wire(value, f"{field}[{index}]") for index, value in enumerate(values))


def display(value: bytes) -> str:
    """For people's eyes only: what is not UTF-8 is shown escaped."""
    return os.fsdecode(value).encode("utf-8", "backslashreplace").decode("utf-8")
