"""The PROXY protocol: what is understood, what is not, however it is cut; and who may speak it."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.web import proxy_protocol
from dffmpeg.web.proxy_protocol import LOCAL, MAX_V1, MAX_V2, Header, MalformedHeader, parse
from tests.web.conftest import Site, raw, read_all, serving
from tests.web.test_authentication import status_of

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
addresses = st.ip_addresses(v=4) | st.ip_addresses(v=6)
ports = st.integers(0, 0xFFFF)


def v1(source: IPv4Address | IPv6Address, port: int = 1, *, to: str | None = None) -> bytes:
    kind = "TCP4" if source.version == 4 else "TCP6"
    target = to or ("192.0.2.1" if source.version == 4 else "2001:db8::1")
    return f"PROXY {kind} {source} {target} {port} 80\r\n".encode()


def v2(source: IPv4Address | IPv6Address, port: int = 1, extra: bytes = b"") -> bytes:
    width = 4 if source.version == 4 else 16
    body = source.packed + bytes(width) + struct.pack("!HH", port, 80) + extra
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x11 if width == 4 else 0x21, len(body)) + body


def plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return getattr(address, "ipv4_mapped", None) or address


@given(addresses, ports, st.binary(max_size=200))
def test_both_versions_name_the_source(source: Any, port: int, rest: bytes) -> None:
    for header in (v1(source, port), v2(source, port), v2(source, port, b"\x04\x00\x00")):
        assert parse(header + rest) == Header(len(header), plain(source))


@given(addresses, ports, st.binary(max_size=20))
def test_every_beginning_wants_more(source: Any, port: int, extra: bytes) -> None:
    for header in (v1(source, port), v2(source, port, extra), LOCAL, b"PROXY UNKNOWN\r\n"):
        for size in range(len(header)):
            assert parse(header[:size]) is None
        assert parse(header) is not None


@given(st.binary(max_size=300))
def test_anything_else_is_refused_or_incomplete(data: bytes) -> None:
    try:
        header = parse(data)
    except MalformedHeader:
        return
    assert header is None or 0 < header.size <= len(data)
    if header is not None:
        assert data.startswith((b"PROXY ", SIGNATURE))


@given(addresses, ports, st.data())
def test_a_bit_that_is_turned_never_reads_beyond(source: Any, port: int, data: st.DataObject) -> None:
    header = bytearray(data.draw(st.sampled_from([v1(source, port), v2(source, port)])))
    bit = data.draw(st.integers(0, 8 * len(header) - 1))
    header[bit // 8] ^= 1 << bit % 8
    try:
        found = parse(bytes(header))
    except MalformedHeader:
        return
    assert found is None or found.size <= len(header)


@pytest.mark.parametrize(
    "text",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 10.0.0.1 10.0.0.2 1\r\n",
        b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2 3\r\n",
        b"PROXY  TCP4 10.0.0.1 10.0.0.2 1 2\r\n",
        b"PROXY TCP4 10.0.0.1 10.0.0.2 1 65536\r\n",
        b"PROXY TCP4 10.0.0.1 10.0.0.2 01 2\r\n",
        b"PROXY TCP4 10.0.0.1 10.0.0.2 +1 2\r\n",
        b"PROXY TCP4 10.0.0.01 10.0.0.2 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 10.0.0.1 10.0.0.2 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY UDP4 10.0.0.1 10.0.0.2 1 2\r\n",
        b"PROXY tcp4 10.0.0.1 10.0.0.2 1 2\r\n",
        b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2" + b" " * MAX_V1,
        SIGNATURE + b"\x11\x11\0\x0c" + bytes(12),
        SIGNATURE + b"\x22\x11\0\x0c" + bytes(12),
        SIGNATURE + b"\x21\x12\0\x0c" + bytes(12),
        SIGNATURE + b"\x21\x31\0\xd8" + bytes(216),
        SIGNATURE + b"\x21\x11\0\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\0\x23" + bytes(35),
        SIGNATURE + b"\x21\x11" + struct.pack("!H", MAX_V2),
    ],
)
def test_malformed(text: bytes) -> None:
    with pytest.raises(MalformedHeader):
        parse(text)


def test_a_proxy_that_speaks_for_itself_or_does_not_know() -> None:
    assert parse(LOCAL) == Header(16, None, local=True)
    assert parse(SIGNATURE + b"\x20\x11\0\x0c" + bytes(12)) == Header(28, None, local=True)
    assert parse(b"PROXY UNKNOWN\r\n") == Header(15)
    assert parse(b"PROXY UNKNOWN ffff::1 whatever it says\r\n") == Header(40)
    assert parse(SIGNATURE + b"\x21\x00\0\0") == Header(16)


# On a server

BEHIND: dict[str, Any] = {
    "proxy_protocol": True,
    "security": {"trusted_proxies": ["127.0.0.1"]},
    "allowed_dashboard_ips": ["10.0.0.0/8"],
}


async def status_behind(site: Site, header: bytes, *, cut: int = 0, forwarded: str | None = None) -> int:
    """What the dashboard says to somebody behind a proxy, whose first packet is cut after so many bytes."""
    request = raw("GET", "/status", {} if forwarded is None else {"x-forwarded-for": forwarded})
    async with await site.connect() as stream:
        whole = header + request
        await stream.send_all(whole[:cut])
        await trio.testing.wait_all_tasks_blocked(0.01)
        await stream.send_all(whole[cut:])
        return status_of(await read_all(stream))


async def test_the_address_counts_for_networks() -> None:
    async with serving(BEHIND) as site:
        inside, outside = IPv4Address("10.1.2.3"), IPv4Address("8.8.8.8")
        for header in (v1, v2):
            for cut in (0, 1, 5, 13, 16, 30):
                assert await status_behind(site, header(inside), cut=cut) == 200
            assert await status_behind(site, header(outside)) == 403
            # Named by a proxy, this one is no proxy itself: what it says of others does not count.
            assert await status_behind(site, header(outside), forwarded="10.0.0.1") == 403
        # The proxy itself, which is not within, and somebody whom it does not know.
        assert await status_behind(site, LOCAL) == 403
        assert await status_behind(site, b"PROXY UNKNOWN\r\n") == 403


async def test_a_chain_of_both() -> None:
    trusted = {"trusted_proxies": ["127.0.0.1", "192.168.0.0/16"]}
    async with serving({**BEHIND, "security": trusted}) as site:
        proxy = v2(IPv4Address("192.168.0.9"))
        assert await status_behind(site, proxy, forwarded="8.8.8.8, 10.0.0.1") == 200
        assert await status_behind(site, proxy, forwarded="10.0.0.1, 8.8.8.8") == 403


async def test_without_a_good_header_there_is_no_answer() -> None:
    async with serving(BEHIND) as site:
        for begin in (b"", b"PROXY TCP4 rubbish\r\n", SIGNATURE + b"\x21\x12\0\0", b"\x16\x03\x01"):
            assert await site.exchange(begin + raw("GET", "/health", {})) == b""
        assert await site.exchange(LOCAL + raw("GET", "/health", {})) != b""


async def test_only_trusted_proxies_may_send_one() -> None:
    async with serving({**BEHIND, "security": {"trusted_proxies": ["10.0.0.0/8"]}}) as site:
        assert await site.exchange(v1(IPv4Address("10.0.0.1")) + raw("GET", "/health", {})) == b""


async def test_where_it_is_not_expected_it_is_no_http() -> None:
    async with serving() as site:
        assert status_of(await site.exchange(v1(IPv4Address("10.0.0.1")) + raw("GET", "/health", {}))) == 400


async def test_a_header_that_does_not_come(autojump_clock: trio.testing.MockClock) -> None:
    autojump_clock.autojump_threshold = 0.05
    async with serving(BEHIND) as site, await site.connect() as stream:
        await stream.send_all(b"PROXY TCP4")
        assert await read_all(stream) == b""
        assert trio.current_time() == pytest.approx(proxy_protocol.TIMEOUT, abs=1)


async def test_a_connection_that_is_reset_before_its_header() -> None:
    async with serving(BEHIND) as site:
        stream = await site.connect()
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await stream.aclose()
        assert await site.exchange(LOCAL + raw("GET", "/health", {})) != b""
