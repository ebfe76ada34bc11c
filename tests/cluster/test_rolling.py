"""Coordinators behind a load balancer are restarted in turn, and nobody sees it."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import httpx
import pytest
import trio

from dffmpeg.wire import signature
from tests.cluster.kit import GUARD, program
from tests.cluster.town import NAMES, Town, open_town

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg, pytest.mark.servers("haproxy", "postgresql")]

SOURCE = "testsrc2=size=160x120:rate=25"
COMMAND = ["-v", "error", "-f", "lavfi", "-i", SOURCE, "-t", "20", "-threads", "1", "-bitexact"]
COMMAND += ["-f", "yuv4mpegpipe", "-flush_packets", "1", "pipe:1"]


def expected() -> bytes:
    """What the program writes here; it takes no time but with `-re`."""
    ffmpeg = shutil.which("ffmpeg")
    assert ffmpeg is not None
    return subprocess.run([ffmpeg, *COMMAND], capture_output=True, check=True, timeout=GUARD).stdout


class Load:
    """Short jobs and single requests, as many after one another as there is time for."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self.jobs = self.requests = 0
        self.failures: list[str] = []

    async def run_jobs(self) -> None:
        async with self._town.client() as client:
            while True:
                out = bytearray()

                async def stdout(data: bytes, out: bytearray = out) -> None:
                    out.extend(data)

                number = f"{self.jobs}"
                outcome = await client.run("echo", [number], stdout=stdout, stderr=stdout)
                if outcome.exit_code != 0 or bytes(out) != number.encode() + b"\n":
                    self.failures.append(f"job: {outcome}, {bytes(out)!r}")
                self.jobs += 1

    async def ask(self) -> None:
        """As somebody asks who tries nothing twice."""
        limits = httpx.Limits(max_keepalive_connections=1)
        async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=GUARD) as client:
            while True:
                headers = signature.sign(
                    "client", self._town.keys["client"], "GET", "/jobs?limit=3", b"", now=time.time()
                )
                answer = await client.get(f"{self._town.url}/jobs?limit=3", headers=headers)
                if answer.status_code != 200:
                    self.failures.append(f"request: {answer.status_code} {answer.text}")
                self.requests += 1


async def dashboard(town: Town, address: str, **headers: str) -> int:
    """What the dashboard says to somebody at that address, who comes through the load balancer."""
    transport = httpx.AsyncHTTPTransport(local_address=address)
    async with httpx.AsyncClient(transport=transport, timeout=GUARD) as client:
        return (await client.get(f"{town.url}/status", headers=headers)).status_code


@pytest.mark.parametrize("proxy_protocol", [False, True], ids=["x-forwarded-for", "proxy-protocol"])
async def test_a_rolling_restart_fails_nothing(tmp_path: Path, proxy_protocol: bool) -> None:
    echo = program(tmp_path / "echo", 'echo "$@"')
    ffmpeg = shutil.which("ffmpeg")
    assert ffmpeg is not None
    more = {"allowed_binaries": ["ffmpeg", "echo"], "allowed_dashboard_ips": ["127.0.0.2"]}
    async with open_town(
        tmp_path,
        coordinator=more,
        proxy_protocol=proxy_protocol,
        binaries={"ffmpeg": ffmpeg, "echo": str(echo)},
    ) as town:
        assert await dashboard(town, "127.0.0.2") == 200
        assert await dashboard(town, "127.0.0.3") == 403
        # Not from there, whatever it says.
        assert await dashboard(town, "127.0.0.3", **{"X-Forwarded-For": "127.0.0.2"}) == 403
        # Behind the PROXY protocol nobody can have added this but a proxy that is not trusted.
        status = 403 if proxy_protocol else 200
        assert await dashboard(town, "127.0.0.2", **{"X-Forwarded-For": "8.8.8.8"}) == status
        wanted = await trio.to_thread.run_sync(expected)
        load = Load(town)
        with town.calling("-re", *COMMAND) as transcode:
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(load.run_jobs)
                nursery.start_soon(load.ask)
                for name in NAMES:
                    assert await town.restart(name) == 0
                found, _ = await trio.to_thread.run_sync(transcode.communicate)
                nursery.cancel_scope.cancel()
        assert load.failures == []
        assert transcode.returncode == 0
        assert found == wanted
        # A coordinator is away for some seconds each time.
        assert load.jobs > 10
        assert load.requests > 50


async def test_the_load_balancer_dies_in_the_middle(tmp_path: Path) -> None:
    ffmpeg = shutil.which("ffmpeg")
    assert ffmpeg is not None
    async with open_town(tmp_path, workers=1, binaries={"ffmpeg": ffmpeg}) as town:
        wanted = await trio.to_thread.run_sync(expected)
        with town.calling("-re", *COMMAND) as transcode:
            assert transcode.stdout is not None
            begun = await trio.to_thread.run_sync(transcode.stdout.read, 100_000)
            await town.balancer.kill()
            await town.balancer.start()
            rest, _ = await trio.to_thread.run_sync(transcode.communicate)
        assert transcode.returncode == 0
        assert begun + rest == wanted
