"""How values that are not scalars stand in a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

# Made once: what a type means takes longer to find out than to decode what most rows have.
_LIST = msgspec.msgpack.Decoder(tuple[bytes, ...])
_MAP_OF_BYTES = msgspec.msgpack.Decoder(dict[str, bytes])
_NAMES = msgspec.json.Decoder(tuple[str, ...])
_MAP = msgspec.json.Decoder(dict[str, Any])
_COUNTS = msgspec.json.Decoder(dict[str, int])


def pack(value: Sequence[bytes] | Mapping[str, bytes]) -> bytes:
    """Byte strings as MessagePack."""
    return msgspec.msgpack.encode(value)


def unpack_list(data: bytes) -> tuple[bytes, ...]:
    return _LIST.decode(data)


def unpack_map(data: bytes) -> dict[str, bytes]:
    return _MAP_OF_BYTES.decode(data)


def dump(value: Any) -> str:
    """Text, numbers, lists and maps as JSON."""
    return msgspec.json.encode(value).decode("utf-8")


@lru_cache(4096)
def load_names(text: str) -> tuple[str, ...]:
    # Most rows have the same few.
    return _NAMES.decode(text)


def load_map(text: str) -> dict[str, Any]:
    return _MAP.decode(text)


def load_counts(text: str) -> dict[str, int]:
    return _COUNTS.decode(text)
