"""A job's program reaches no service, whatever its command line and its files name: real worker."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
import trio

from dffmpeg.configuration.sandbox import Sandbox
from tests.actors.worker.conftest import coordinator, start_worker
from tests.security.ground import CONFINED, REFUSALS, Ground, ground

__all__ = ["coordinator", "ground", "start_worker"]

pytestmark = CONFINED

WILLING = ["-v", "verbose", "-protocol_whitelist", "file,http,tcp,concat,async,cache,subfile"]


@contextmanager
def service() -> Iterator[str]:
    """A server of the machine, by its address; when the block ends nobody may have connected to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(BlockingIOError):
            listener.accept()


async def test_services_of_the_machine_through_a_playlist(ground: Ground) -> None:
    async with ground.worker():
        with service() as address:
            lines = [
                "#EXTM3U",
                "#EXT-X-TARGETDURATION:1",
                "#EXTINF:1,",
                f"{address}/a.ts",
                "#EXT-X-ENDLIST",
                "",
            ]
            (ground.media / "list.m3u8").write_text("\n".join(lines))
            await ground.refused(*WILLING, "-i", "$Media/list.m3u8", "-f", "null", "-")


async def test_services_of_the_machine_through_a_concat_list(ground: Ground) -> None:
    async with ground.worker():
        with service() as address:
            (ground.media / "list").write_text(f"ffconcat version 1.0\nfile '{address}/a.ts'\n")
            options = [*WILLING, "-safe", "0", "-f", "concat"]
            await ground.refused(*options, "-i", "$Media/list", "-f", "null", "-")


@pytest.mark.parametrize(
    "form", ["{}/a", "concat:{}/a|{}/b", "async:cache:{}/a", "subfile,,start,0,end,9,,:{}/a"]
)
async def test_services_of_the_machine_through_the_command_line(ground: Ground, form: str) -> None:
    """Where the address is not seen before the start, it fails in the program."""
    async with ground.worker():
        with service() as address:
            target = form.replace("{}", address)
            job = ground.coordinator.add("J1", "ffmpeg", *WILLING, "-i", target, "-f", "null", "-")
            await ground.coordinator.until(lambda: job.reason or job.report)
            assert job.reason or any(refusal in job.stderr.data for refusal in REFUSALS)
            assert job.report is None or job.report.status == "failed"


async def test_services_of_the_machine_through_a_socket_in_the_file_system(ground: Ground) -> None:
    async with ground.worker():
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(ground.media / "s"))
            listener.listen()
            listener.setblocking(False)
            await ground.refused("-v", "error", "-i", f"unix:{ground.shown('Media')}/s", "-f", "null", "-")
            with pytest.raises(BlockingIOError):
                listener.accept()


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/a", "udp://127.0.0.1:9", "rtmp://127.0.0.1/a"])
async def test_a_job_that_names_an_address_is_given_back_with_the_reason(
    ground: Ground, address: str
) -> None:
    async with ground.worker():
        job = ground.coordinator.add("J1", "ffmpeg", "-i", address, "-f", "null", "-")
        await ground.coordinator.until(lambda: job.reason)
        assert "gives jobs no network (sandbox.network)" in (job.reason or "")


async def test_a_job_that_names_an_address_reaches_it_where_that_is_allowed(ground: Ground) -> None:
    async with ground.worker(sandbox=Sandbox(mode="required", network="allow")):

        async def answer(stream: trio.SocketStream) -> None:
            async with stream:
                await stream.receive_some(4096)
                subtitle = b"1\n00:00:00,000 --> 00:00:01,000\nfrom the network\n"
                head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                await stream.send_all(head % len(subtitle) + subtitle)

        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, answer, [listener])
            address = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/a.srt"
            report, job = await ground.run("-v", "error", "-f", "srt", "-i", address, "-f", "srt", "-")
            nursery.cancel_scope.cancel()
        assert report.status == "completed", bytes(job.stderr.data)
        assert b"from the network" in job.stdout.data


async def test_a_job_that_says_so_reaches_the_network_without_naming_an_address(ground: Ground) -> None:
    async with ground.worker(sandbox=Sandbox(mode="required", network="allow")):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            code = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])))"
            arguments = ("-c", code, *map(str, listener.getsockname()))
            for network in (False, True):
                report, job = await ground.run(*arguments, program="python", network=network)
                assert (report.status == "completed") == network, bytes(job.stderr.data)


async def test_a_job_that_says_that_it_needs_the_network_is_given_back_where_there_is_none(
    ground: Ground,
) -> None:
    async with ground.worker():
        job = ground.coordinator.add("J1", "sh", "-c", ":", network=True)
        await ground.coordinator.until(lambda: job.reason)
        assert job.reason == (
            "the job requires the network, and this worker gives jobs no network (sandbox.network)"
        )


@pytest.mark.parametrize("network", ["allow", "deny"])
async def test_protocols_of_the_network_are_offered_where_jobs_get_it(
    ground: Ground, network: Literal["allow", "deny"]
) -> None:
    def told() -> bool:
        return any("ffmpeg" in one.abilities for one in ground.coordinator.registrations)

    async with ground.worker(sandbox=Sandbox(network=network)):
        await ground.coordinator.until(told)
        last = next(one for one in ground.coordinator.registrations if "ffmpeg" in one.abilities)
        protocols = last.abilities["ffmpeg"].protocols
        assert "file" in protocols
        assert ("http" in protocols) == (network == "allow")
        assert last.read_only == ["Originals"]
