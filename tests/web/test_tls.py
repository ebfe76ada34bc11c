"""The coordinator's own TLS, over real sockets with real certificates."""

from __future__ import annotations

import logging
import shutil
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from dffmpeg.configuration.common import Trust
from dffmpeg.configuration.coordinator import Tls
from dffmpeg.errors import ConfigurationError, NotConnected
from dffmpeg.transports.address import SignedAddress
from dffmpeg.transports.follow_websocket import open_run
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.web import certificates, tls
from dffmpeg.wire.jobs import JobRecord
from dffmpeg.wire.signature import encode_key
from tests.servers.certificates import certificate
from tests.web.conftest import KEYS, read_all, serving
from tests.web.live import Live, live


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With an authority, a stranger that signs too, and certificates of both."""
    authority = certificate(tmp_path, "authority", None)
    stranger = certificate(tmp_path, "stranger", None)
    certificate(tmp_path, "coordinator", authority)
    certificate(tmp_path, "renewed", authority)
    certificate(tmp_path, "worker", authority)
    certificate(tmp_path, "foreign", stranger)
    return tmp_path


def served(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "tls": {
            "certfile": str(folder / "coordinator.pem"),
            "keyfile": str(folder / "coordinator.key"),
            **more,
        }
    }


def trusting(folder: Path, shown: str | None = None) -> Trust:
    if shown is None:
        return Trust(cafile=str(folder / "authority.pem"))
    return Trust(
        cafile=str(folder / "authority.pem"),
        certfile=str(folder / f"{shown}.pem"),
        keyfile=str(folder / f"{shown}.key"),
    )


def url_of(running: Live) -> str:
    return running.url.replace("http://", "https://")


def http(running: Live, trust: Trust) -> SignedHttp:
    return SignedHttp(url_of(running), "client", KEYS["client"][1], trust)


async def shown_by(running: Live, folder: Path) -> bytes:
    """The certificate that a new connection is given, DER."""
    context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    plain = await trio.open_tcp_stream("127.0.0.1", running.server.port)
    async with trio.SSLStream(plain, context, server_hostname="127.0.0.1", https_compatible=True) as secure:
        await secure.do_handshake()
        found = secure.getpeercert(binary_form=True)
        assert isinstance(found, bytes)
        return found


def der(folder: Path, name: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert((folder / f"{name}.pem").read_text())


async def test_requests_and_websockets(folder: Path) -> None:
    async with live(folder, served(folder)) as running, http(running, trusting(folder)) as client:
        job = await client.call(
            "POST", "/jobs/submit", JobRecord, json={"binary_name": "ffmpeg", "arguments": ["-version"]}
        )
        assert job.status == "pending"
        address = SignedAddress(url_of(running), "client", KEYS["client"][1], trusting(folder))
        async with open_run(address) as connection:
            assert await connection.check_alive(30)


async def test_a_session_by_tls_is_for_tls_and_this_host_alone(folder: Path) -> None:
    context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    async with (
        live(folder, served(folder)) as running,
        httpx.AsyncClient(base_url=url_of(running), verify=context, trust_env=False) as client,
    ):
        signing_in = {"client_id": "admin", "key": encode_key(KEYS["admin"][1])}
        answer = await client.post("/api/v1/session", json=signing_in)
        assert answer.status_code == 200
        name, _, said = answer.headers["set-cookie"].partition("=")
        assert name == "__Host-dffmpeg_session"
        assert said.partition(";")[2] == " Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure"
        assert (await client.get("/api/v1/session")).json()["signed_in"]


async def test_who_does_not_know_the_authority_does_not_connect(folder: Path) -> None:
    async with live(folder, served(folder)) as running:
        for trust in (Trust(), Trust(cafile=str(folder / "stranger.pem"))):
            async with http(running, trust) as client:
                with pytest.raises(NotConnected, match=r"certificate is not trusted: .*; tls\.cafile"):
                    await client.request("GET", "/jobs")
            address = SignedAddress(url_of(running), "client", KEYS["client"][1], trust)
            with pytest.raises(NotConnected, match="certificate is not trusted"):
                async with open_run(address):
                    pass


async def test_certificates_of_clients(folder: Path) -> None:
    config = served(folder, client_cafile=str(folder / "authority.pem"))
    async with live(folder, config) as running:
        async with http(running, trusting(folder, "worker")) as client:
            assert await client.request("GET", "/jobs")
        for shown in (None, "foreign"):
            async with http(running, trusting(folder, shown)) as client:
                # With TLS 1.3 a client hears of it with its first answer.
                with pytest.raises(Exception, match=r"(?i)certificate|closed|EOF|disconnected|unknown.ca"):
                    await client.request("GET", "/jobs")
        async with http(running, trusting(folder, "worker")) as client:
            assert await client.request("GET", "/jobs")


async def test_a_certificate_is_renewed_while_connections_stay(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(certificates, "INTERVAL", 0.0)
    async with live(folder, served(folder)) as running:
        address = SignedAddress(url_of(running), "client", KEYS["client"][1], trusting(folder))
        async with open_run(address) as connection:
            assert await shown_by(running, folder) == der(folder, "coordinator")
            old = der(folder, "coordinator")
            # Between the two copies the files do not belong together: what was there stays.
            shutil.copy(folder / "renewed.pem", folder / "coordinator.pem")
            assert await shown_by(running, folder) == old
            assert "the certificate from before stays" in caplog.text
            shutil.copy(folder / "renewed.key", folder / "coordinator.key")
            assert await shown_by(running, folder) == der(folder, "renewed") != old
            assert await connection.check_alive(30)


async def test_what_is_no_tls_ends_its_own_connection_only(folder: Path) -> None:
    async with live(folder, served(folder)) as running:
        stream = await trio.open_tcp_stream("127.0.0.1", running.server.port)
        async with stream:
            await stream.send_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"HTTP" not in await read_all(stream)
        async with http(running, trusting(folder)) as client:
            assert await client.request("GET", "/health")


async def test_who_does_not_shake_hands_is_not_waited_for(folder: Path, autojump_clock: MockClock) -> None:
    autojump_clock.autojump_threshold = 0.05
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    context = certificates.server_context(Tls(certfile=str(_joined(folder))))
    async with listeners[0] as listener:
        silent = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        async with silent:
            with pytest.raises(tls.HandshakeFailed, match="no handshake within 10 s"):
                await tls.secured(await listener.accept(), context, 60.0)
            assert await silent.receive_some(1) == b""


def _joined(folder: Path) -> Path:
    """One file with certificate and key, as some authorities' tools write it."""
    both = folder / "both.pem"
    both.write_bytes((folder / "coordinator.pem").read_bytes() + (folder / "coordinator.key").read_bytes())
    return both


async def test_behind_the_proxy_protocol(folder: Path) -> None:
    config = {
        **served(folder),
        "proxy_protocol": True,
        "security": {"trusted_proxies": ["127.0.0.1"]},
        "allowed_metrics_ips": ["192.0.2.7"],
    }
    async with live(folder, config) as running:
        plain = await trio.open_tcp_stream("127.0.0.1", running.server.port)
        context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
        await plain.send_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n")
        async with trio.SSLStream(
            plain, context, server_hostname="127.0.0.1", https_compatible=True
        ) as secure:
            await secure.send_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = b""
            while piece := await secure.receive_some():
                answer += piece
        assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda folder: {"certfile": str(folder / "missing.pem")},
            r"tls\.certfile: cannot use .*No such file",
        ),
        (lambda folder: {"keyfile": str(folder / "worker.key")}, r"tls\.certfile: cannot use .*MISMATCH"),
        (
            lambda folder: {"client_cafile": str(folder / "worker.key")},
            r"tls\.client_cafile: cannot use .*worker\.key",
        ),
    ],
)
async def test_files_that_cannot_be_used(
    folder: Path, change: Callable[[Path], dict[str, str]], message: str
) -> None:
    config = Tls(**{**served(folder)["tls"], **change(folder)})
    with pytest.raises(ConfigurationError, match=message):
        certificates.server_context(config)


def test_a_client_s_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"tls\.cafile: cannot use .*No such file"):
        SignedHttp("https://127.0.0.1:1", "client", bytes(32), Trust(cafile=str(tmp_path / "none.pem")))


@pytest.mark.parametrize(
    ("host", "more", "encrypted", "warns"),
    [
        ("0.0.0.0", {}, False, True),
        ("0.0.0.0", {}, True, False),
        ("0.0.0.0", {"security": {"trusted_proxies": ["10.0.0.1"]}}, False, False),
        ("127.0.0.1", {}, False, False),
    ],
)
async def test_without_tls_it_warns_where_others_could_listen(
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    host: str,
    more: dict[str, Any],
    encrypted: bool,
    warns: bool,
) -> None:
    with caplog.at_level(logging.WARNING, "dffmpeg.web"):
        async with serving({"host": host, **more, **(served(folder) if encrypted else {})}):
            pass
    assert any("without TLS" in line for line in caplog.messages) == warns
