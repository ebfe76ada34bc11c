"""Control records: what a caller does to a program besides writing to it.

They travel as an input stream of their own (`frames.CONTROL`), so offsets,
acknowledgements and resending make each of them arrive exactly once and in order.
A new attempt gets all of them again.

Layout of a record, network byte order: type (1), value (1), two numbers (2 each), two reserved bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from dffmpeg.errors import BadInput

_RECORD = struct.Struct("!BBHH2x")
RECORD_BYTES = _RECORD.size


class Type(IntEnum):
    SIGNAL = 1
    CLOSED = 2
    SIZE = 3


@dataclass(frozen=True, slots=True)
class Signal:
    """The caller was sent this signal, signal(7)."""

    number: int


@dataclass(frozen=True, slots=True)
class Closed:
    """Nobody reads this output descriptor any more: writing to it shall fail as on a broken pipe."""

    descriptor: int


@dataclass(frozen=True, slots=True)
class Size:
    """The terminal has another size, characters."""

    rows: int
    columns: int


Record = Signal | Closed | Size


def encode(record: Record) -> bytes:
    """The record as it travels: `RECORD_BYTES`."""
    match record:
        case Signal(number):
            return _RECORD.pack(Type.SIGNAL, number, 0, 0)
        case Closed(descriptor):
            return _RECORD.pack(Type.CLOSED, 0, descriptor, 0)
        case Size(rows, columns):
            return _RECORD.pack(Type.SIZE, 0, rows, columns)


def decode_all(data: bytes) -> Iterator[Record]:
    """Every record of some bytes that begin and end at a record's border.

    A type that is not known is passed over: versions may differ.

    Raises:
        BadInput: the last record is cut short.
    """
    if len(data) % RECORD_BYTES:
        raise BadInput(f"control records: {len(data)} bytes are no multiple of {RECORD_BYTES}")
    for kind, value, first, second in _RECORD.iter_unpack(data):
        match kind:
            case Type.SIGNAL:
                yield Signal(value)
            case Type.CLOSED:
                yield Closed(first)
            case Type.SIZE:
                yield Size(first, second)
