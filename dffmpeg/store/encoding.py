"""How values that are not scalars stand in a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec


def pack(value: Sequence[bytes] | Mapping[str, bytes]) -> bytes:
    """Byte strings as MessagePack."""
    return msgspec.msgpack.encode(value)


def unpack_list(data: bytes) -> tuple[bytes, ...]:
    return msgspec.msgpack.decode(data, type=tuple[bytes, ...])


def unpack_map(data: bytes) -> dict[str, bytes]:
    return msgspec.msgpack.decode(data, type=dict[str, bytes])


def dump(value: Any) -> str:
    """Text, numbers, lists and maps as JSON."""
    return msgspec.json.encode(value).decode("utf-8")


@lru_cache(4096)
def load_names(text: str) -> tuple[str, ...]:
    # Most rows have the same few.
    return msgspec.json.decode(text, type=tuple[str, ...])


def load_map(text: str) -> dict[str, Any]:
    return msgspec.json.decode(text, type=dict[str, Any])


def load_counts(text: str) -> dict[str, int]:
    return msgspec.json.decode(text, type=dict[str, int])
