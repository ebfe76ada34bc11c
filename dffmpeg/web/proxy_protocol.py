"""The PROXY protocol: how a load balancer says whom it speaks for, before the first byte of HTTP.

HAProxy's specification (doc/proxy-protocol.txt, 2020/03/05), both versions. Taken from trusted proxies
only, and there it has to be: a connection without the header would count as the proxy's own.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

import trio

from dffmpeg.errors import BadInput
from dffmpeg.web.addresses import Address

TIMEOUT = 10.0
"""Seconds in which the header has to be there; a proxy sends it at once."""

MAX_V1 = 107
"""Bytes, its line's end included: section 2.1."""

MAX_V2 = 4096
"""Bytes of a binary header. The format has room for 64 KiB, all but 52 of them for what is not read here."""

_BEGIN_V1 = b"PROXY "
_SIGNATURE_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED = struct.Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21
_UNSPECIFIED, _TCP4, _TCP6 = 0x00, 0x11, 0x21

LOCAL = _FIXED.pack(_SIGNATURE_V2, _LOCAL, _UNSPECIFIED, 0)
"""What one sends who speaks for itself."""


class MalformedHeader(BadInput):
    """What the connection began with is no header of this protocol."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a connection began with.

    Attributes:
        size: bytes that it takes.
        source: whom the proxy speaks for; None where it does not say.
        local: the proxy speaks for itself.
    """

    size: int
    source: Address | None = None
    local: bool = False


def parse(data: bytes) -> Header | None:
    """The header that a connection begins with.

    Args:
        data: all that was received.

    Returns:
        None if more is needed to tell.

    Raises:
        MalformedHeader: it does not begin with one.
    """
    if data.startswith(_SIGNATURE_V2[: len(data)]):
        return _binary(data)
    if data.startswith(_BEGIN_V1[: len(data)]):
        return _text(data)
    raise MalformedHeader("no PROXY protocol header")


def _text(data: bytes) -> Header | None:
    end = data.find(b"\r\n", 0, MAX_V1)
    if end < 0:
        if len(data) >= MAX_V1:
            raise MalformedHeader(f"no end of line within {MAX_V1} bytes")
        return None
    fields = data[:end].split(b" ")
    # What follows UNKNOWN is to be ignored.
    if fields[1] == b"UNKNOWN":
        return Header(end + 2)
    kinds: dict[bytes, type[Address]] = {b"TCP4": IPv4Address, b"TCP6": IPv6Address}
    if len(fields) != 6 or fields[1] not in kinds:
        raise MalformedHeader("expected PROXY, a protocol, two addresses and two ports")
    source, _ = (_address(field, kinds[fields[1]]) for field in fields[2:4])
    for field in fields[4:]:
        _check_port(field)
    return Header(end + 2, source)


def _address(field: bytes, kind: type[Address]) -> Address:
    try:
        address = ip_address(field.decode("ascii"))
    except ValueError:
        raise MalformedHeader("an address is none") from None
    if not isinstance(address, kind) or getattr(address, "scope_id", None) is not None:
        raise MalformedHeader("an address is not of the protocol's family")
    return _plain(address)


def _check_port(field: bytes) -> None:
    # int() also takes signs, underscores and spaces; section 2.1 has no leading zeros either.
    good = (
        field.isdigit() and len(field) <= 5 and int(field) <= 0xFFFF and (field == b"0" or field[:1] != b"0")
    )
    if not good:
        raise MalformedHeader("a port is none")


def _binary(data: bytes) -> Header | None:
    if len(data) < _FIXED.size:
        return None
    _, command, family, length = _FIXED.unpack_from(data)
    size = _FIXED.size + length
    if command not in (_LOCAL, _PROXY):
        raise MalformedHeader("neither version 2's LOCAL nor its PROXY")
    if size > MAX_V2:
        raise MalformedHeader(f"a header of {size} bytes; at most {MAX_V2} are read")
    if command == _PROXY and family not in (_UNSPECIFIED, _TCP4, _TCP6):
        raise MalformedHeader("neither TCP over IPv4 nor over IPv6")
    width = {_TCP4: 4, _TCP6: 16}.get(family, 0) if command == _PROXY else 0
    # Two addresses and two ports; what comes behind is what the proxy adds.
    if width and length < 2 * width + 4:
        raise MalformedHeader("the addresses are cut short")
    if len(data) < size:
        return None
    if command == _LOCAL:
        return Header(size, local=True)
    raw = data[_FIXED.size : _FIXED.size + width]
    return Header(size, _plain(ip_address(raw)) if width else None)


def _plain(address: Address) -> Address:
    return getattr(address, "ipv4_mapped", None) or address


async def receive(receive_some: Callable[[int], Awaitable[bytes | bytearray]]) -> tuple[Header, bytes]:
    """Read the header, and return with it what was received behind it.

    Raises:
        MalformedHeader: there is none, or not within `TIMEOUT`.
    """
    data = b""
    with trio.move_on_after(TIMEOUT):
        while True:
            piece = await receive_some(MAX_V2)
            if not piece:
                raise MalformedHeader("closed before the PROXY protocol header")
            data += piece
            header = parse(data)
            if header is not None:
                return header, data[header.size :]
    raise MalformedHeader(f"no PROXY protocol header within {TIMEOUT:g} s")
