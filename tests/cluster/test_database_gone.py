"""The database goes and comes back: what needs it is put off meanwhile, and nothing else ends."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest
import trio

from dffmpeg.errors import Refused
from tests import databases
from tests.cluster.kit import GUARD
from tests.cluster.test_rolling import COMMAND, expected
from tests.cluster.town import LEASE, NAMES, Town, open_town, until
from tests.cluster.valve import open_valve
from tests.servers.ports import LOOPBACK

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg, pytest.mark.servers("haproxy", "postgresql")]


async def health(town: Town, name: str) -> tuple[int, str]:
    async with httpx.AsyncClient(trust_env=False, timeout=GUARD) as client:
        answer = await client.get(f"http://{LOOPBACK}:{town.ports[name]}/health")
    return answer.status_code, answer.json()["status"]


async def until_health(town: Town, wanted: tuple[int, str]) -> None:
    for name in NAMES:

        async def reached(name: str = name) -> bool:
            return await health(town, name) == wanted

        await until(reached)


async def test_everything_goes_on_when_it_is_back(tmp_path: Path) -> None:
    server = databases.server("postgresql")
    ffmpeg = shutil.which("ffmpeg")
    assert ffmpeg is not None
    async with open_valve(server["host"], server["port"]) as valve:
        way = {"host": LOOPBACK, "port": valve.port, "patience": 1.0}
        async with open_town(tmp_path, database=way, binaries={"ffmpeg": ffmpeg}) as town:
            wanted = await trio.to_thread.run_sync(expected)
            with town.calling("-re", *COMMAND) as transcode:
                assert transcode.stdout is not None
                begun = await trio.to_thread.run_sync(transcode.stdout.read, 100_000)
                lives = {name: process.pid for name, process in town.coordinators.items()}
                valve.shut()
                await until_health(town, (500, "unhealthy"))
                for name in NAMES:
                    async with town.direct(name) as client:
                        with pytest.raises(Refused) as refused:
                            await client.jobs()
                    assert (refused.value.status, refused.value.retry_after) == (503, 1.0)
                    assert refused.value.detail == "the database cannot be reached; try again"
                # Whoever is not heard of for so long counts as gone, if there is anybody who can hear.
                await trio.sleep(3 * LEASE)
                await valve.open()
                await until_health(town, (200, "online"))
                rest, _ = await trio.to_thread.run_sync(transcode.communicate)
                assert begun + rest == wanted
                assert transcode.returncode == 0
            await town.until_up(*NAMES)
            async with town.client() as client:
                out = bytearray()

                async def stdout(data: bytes) -> None:
                    out.extend(data)

                outcome = await client.run("ffmpeg", ["-version"], stdout=stdout, stderr=stdout)
                assert outcome.exit_code == 0
                assert out.startswith(b"ffmpeg version")
            assert {name: process.pid for name, process in town.coordinators.items()} == lives
            for name in (*NAMES, *town.workers):
                log = (tmp_path / f"{name}.log").read_text()
                assert "the downlink ended" not in log
                assert "crashed" not in log
