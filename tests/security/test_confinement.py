"""A job's ffmpeg gets at nothing but the directories that its job names: one attack a test, real worker."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import trio

from dffmpeg.actors.worker.processes import landlock, seccomp
from dffmpeg.configuration.sandbox import MappedPath, ProgramLimits, Sandbox
from dffmpeg.wire.jobs import FinishReport, Launch
from tests.actors.worker.conftest import StartWorker, Worker, coordinator, start_worker
from tests.actors.worker.coordinator import FakeCoordinator, Job

__all__ = ["coordinator", "start_worker"]

pytestmark = [
    pytest.mark.ffmpeg,
    pytest.mark.skipif(
        landlock.version() < 6 or not seccomp.available(), reason="this kernel cannot see to all of it"
    ),
]

SECRET = "the secret that no job may see"
SOURCE = ["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc=size=64x64:rate=10:duration=1"]
REFUSALS = (b"Permission denied", b"No such file or directory", b"Read-only file system")


@dataclass
class Ground:
    """Where an attack takes place.

    Attributes:
        media: mapped as `Media`, which jobs name.
        others: mapped as `Others`, which they do not.
        originals: mapped as `Originals`, read-only.
        outside: mapped by nobody.
        arguments: of the worker that is to be attacked.
    """

    folder: Path
    coordinator: FakeCoordinator
    start: StartWorker
    views: str

    def __post_init__(self) -> None:
        for name in ("media", "others", "originals", "outside"):
            folder = self.folder / name
            folder.mkdir()
            (folder / "secret.srt").write_text(f"1\n00:00:00,000 --> 00:00:01,000\n{SECRET}\n")
        self.media, self.outside = self.folder / "media", self.folder / "outside"
        self.others, self.originals = self.folder / "others", self.folder / "originals"
        self.client = self.folder / "client" if self.views == "auto" else None

    def worker(self, **changes: Any) -> AbstractAsyncContextManager[Worker]:
        values: dict[str, Any] = {
            "binaries": {"ffmpeg": "ffmpeg", "sh": "sh", "python": os.path.realpath(sys.executable)},
            "paths": {
                "Media": str(self.media),
                "Others": str(self.others),
                "Originals": MappedPath(path=str(self.originals), mode="ro"),
            },
            "sandbox": Sandbox(mode="required"),
            "views": self.views,
            "benchmark": False,
        }
        return self.start(**(values | changes))

    def shown(self, name: str) -> str:
        """The directory of a variable as the job's client has it."""
        return str(self.folder / name.lower() if self.client is None else self.client / name.lower())

    async def run(
        self, *arguments: str, program: str = "ffmpeg", paths: tuple[str, ...] = ("Media",), **more: Any
    ) -> tuple[FinishReport, Job]:
        names = ("Media", "Others", "Originals")
        clients = {name: self.shown(name) for name in names}
        given = {"client_paths": clients, "working_directory": "$Media"} | more
        job = self.coordinator.add(
            f"J{len(self.coordinator.jobs) + 1}", program, *arguments, paths=list(paths), **given
        )
        return await self.coordinator.finished(job), job

    async def refused(self, *arguments: str, **more: Any) -> bytes:
        """Run what must fail for want of permission, and give nothing away; returns what it said."""
        report, job = await self.run(*arguments, **more)
        said = bytes(job.stderr.data)
        assert report.status == "failed", said
        assert any(refusal in said for refusal in REFUSALS), said
        assert SECRET.encode() not in said + bytes(job.stdout.data)
        for file in self.media.iterdir():
            theirs = file.is_symlink() or not file.is_file() or file.name == "secret.srt"
            assert theirs or SECRET.encode() not in file.read_bytes()
        return said


@pytest.fixture(params=["auto", "never"])
def ground(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
) -> Ground:
    return Ground(tmp_path, coordinator, start_worker, request.param)


async def test_what_a_job_names_it_may_read_and_write(ground: Ground) -> None:
    async with ground.worker():
        report, job = await ground.run(*SOURCE, "-vf", "drawtext=text=x", "-c:v", "mpeg4", "$Media/out.mkv")
        assert report.status == "completed", bytes(job.stderr.data)
        assert (ground.media / "out.mkv").stat().st_size > 1000


@pytest.mark.parametrize(
    "target",
    [
        *("/etc/passwd", "{outside}/secret.srt", "{others}/secret.srt"),
        *("../outside/secret.srt", "/proc/self/root{outside}/secret.srt"),
        *("/proc/self/cwd/../outside/secret.srt", "/dev/fd/../../../..{outside}/secret.srt"),
    ],
)
async def test_files_of_others_through_the_command_line(ground: Ground, target: str) -> None:
    async with ground.worker():
        file = target.format(outside=ground.outside, others=ground.others)
        await ground.refused("-v", "error", "-f", "data", "-i", file, "-map", "0", "-f", "data", "-")


async def test_a_path_that_climbs_out_of_its_directory_is_not_run(ground: Ground) -> None:
    async with ground.worker():
        job = ground.coordinator.add(
            "J1", "ffmpeg", "-i", "$Media/../outside/secret.srt", "-f", "srt", "-", paths=["Media"]
        )
        await ground.coordinator.until(lambda: job.reason)
        assert not job.stdout.data


async def test_files_of_others_through_a_concat_list(ground: Ground) -> None:
    async with ground.worker():
        (ground.media / "list").write_text(f"ffconcat version 1.0\nfile '{ground.outside}/secret.srt'\n")
        await ground.refused(
            "-v", "error", "-safe", "0", "-f", "concat", "-i", "$Media/list", "-f", "srt", "-"
        )


@pytest.mark.parametrize("mode", ["off", "required"])
async def test_files_of_others_through_a_playlist(ground: Ground, mode: Literal["off", "required"]) -> None:
    """Which is an attack indeed: without a sandbox it succeeds."""
    film = ground.outside / "film.ts"
    await trio.run_process(["ffmpeg", *SOURCE, "-c:v", "mpeg2video", str(film)])
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:1,", f"file:{film}", "#EXT-X-ENDLIST", ""]
    (ground.media / "list.m3u8").write_text("\n".join(lines))
    async with ground.worker(sandbox=Sandbox(mode=mode)):
        report, job = await ground.run("-v", "error", "-i", "$Media/list.m3u8", "-f", "framecrc", "-")
    assert report.status == ("completed" if mode == "off" else "failed"), bytes(job.stderr.data)
    assert bool(job.stdout.data) == (mode == "off")


async def test_files_of_others_through_the_subtitles_filter(ground: Ground) -> None:
    async with ground.worker():
        graph = f"subtitles={ground.outside}/secret.srt"
        said = await ground.refused(*SOURCE, "-vf", graph, "-f", "null", "-")
        assert b"secret.srt" in said


async def test_files_of_others_through_the_movie_filter(ground: Ground) -> None:
    async with ground.worker():
        graph = "movie=/etc/passwd:f=rawvideo"
        await ground.refused("-v", "error", "-f", "lavfi", "-i", graph, "-f", "null", "-")


async def test_files_of_others_through_a_symbolic_link(ground: Ground) -> None:
    async with ground.worker():
        report, _ = await ground.run(
            "-c",
            f"ln -s {ground.outside}/secret.srt link || exit 3; cat link",
            program="sh",
        )
        assert report.status == "failed"
        # Made by somebody else between the worker's check and the program's use, it leads nowhere either.
        swap = ground.media / "later"
        swap.write_text("nothing")
        job = ground.coordinator.add(
            "J2",
            "sh",
            "-c",
            "echo ready; while [ ! -h later ]; do :; done; cat later; cat /proc/self/root$PWD/later",
            paths=["Media"],
            working_directory="$Media",
            client_paths={"Media": ground.shown("Media")},
        )
        await ground.coordinator.until(lambda: b"ready" in job.stdout.data)
        os.symlink(ground.outside / "secret.srt", ground.media / "new")
        os.replace(ground.media / "new", swap)
        report = await ground.coordinator.finished(job)
        assert report.status == "failed"
        assert SECRET.encode() not in bytes(job.stdout.data) + bytes(job.stderr.data)


async def test_descriptors_and_environments_of_the_worker(ground: Ground) -> None:
    async with ground.worker():
        pid = os.getpid()
        with open(ground.outside / "secret.srt", "rb") as held:
            for name in (f"fd/{held.fileno()}", "environ", "maps", f"root{ground.outside}/secret.srt", "mem"):
                report, job = await ground.run("-c", f"cat /proc/{pid}/{name}", program="sh")
                assert report.exit_code == 1, name
                assert not job.stdout.data, name


async def test_the_program_has_no_descriptor_that_it_was_not_given(ground: Ground) -> None:
    async with ground.worker():
        code = "n=3; while [ $n -lt 64 ]; do [ -e /proc/self/fd/$n ] && echo $n; n=$((n+1)); done; exit 0"
        _, job = await ground.run("-c", code, program="sh", launch=Launch())
        assert bytes(job.stdout.data) == b""


async def test_writing_into_a_read_only_mapping(ground: Ground) -> None:
    async with ground.worker():
        said = await ground.refused(
            *SOURCE, "-c:v", "mpeg4", "$Originals/out.mkv", paths=("Media", "Originals")
        )
        assert ground.shown("Originals").encode() in said
        assert [file.name for file in ground.originals.iterdir()] == ["secret.srt"]
        report, _ = await ground.run(
            "-v", "error", "-i", "$Originals/secret.srt", "-f", "srt", "-", paths=("Media", "Originals")
        )
        assert report.status == "completed"


async def test_writing_outside(ground: Ground) -> None:
    async with ground.worker():
        await ground.refused(*SOURCE, "-c:v", "mpeg4", f"{ground.outside}/out.mkv")
        assert [file.name for file in ground.outside.iterdir()] == ["secret.srt"]


async def test_services_of_the_machine_through_a_playlist(ground: Ground) -> None:
    async with ground.worker():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            address = f"http://127.0.0.1:{listener.getsockname()[1]}/a.ts"
            (ground.media / "list.m3u8").write_text(
                f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n"
            )
            options = ["-protocol_whitelist", "file,http,tcp"]
            await ground.refused("-v", "verbose", *options, "-i", "$Media/list.m3u8", "-f", "null", "-")
            with pytest.raises(BlockingIOError):
                listener.accept()


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


async def test_options_that_the_administrator_refuses(ground: Ground) -> None:
    async with ground.worker(sandbox=Sandbox(refuse_options=["dump_attachment"])):
        job = ground.coordinator.add("J1", "ffmpeg", "-dump_attachment:t", "", "-i", "x")
        await ground.coordinator.until(lambda: job.reason)
        assert job.reason == "the option -dump_attachment is refused on this worker (sandbox.refuse_options)"


async def test_programs_may_be_started_below_what_may_be_read_and_not_what_may_be_written(
    ground: Ground,
) -> None:
    """Nor in a mapped directory."""
    for folder in (ground.outside, ground.others, ground.media):
        (folder / "program").write_text("#!/bin/sh\necho started\n")
        (folder / "program").chmod(0o755)
    sandbox = Sandbox(mode="required", read=[str(ground.outside)], write=[str(ground.others)])
    async with ground.worker(sandbox=sandbox):
        for place, works in ((ground.outside, True), (ground.others, False), (ground.shown("Media"), False)):
            _, job = await ground.run("-c", f"exec {place}/program", program="sh")
            assert (bytes(job.stdout.data) == b"started\n") == works, bytes(job.stderr.data)


async def test_signals_to_the_worker(ground: Ground) -> None:
    async with ground.worker():
        report, job = await ground.run("-c", f"kill -0 {os.getpid()}", program="sh")
        assert report.status == "failed"
        assert b"not permitted" in job.stderr.data


async def test_new_namespaces_mounts_and_privileges(ground: Ground) -> None:
    async with ground.worker():
        for code in ("unshare -U true", "unshare -m true", "mount -t tmpfs none /tmp", "chroot / true"):
            report, job = await ground.run("-c", code, program="sh")
            assert report.status == "failed", code
            assert b"not permitted" in job.stderr.data or b"permission denied" in job.stderr.data, code
        _, job = await ground.run("-c", "cat /proc/self/status", program="sh")
        assert b"NoNewPrivs:\t1" in job.stdout.data
        assert b"Seccomp:\t2" in job.stdout.data


async def test_a_file_that_grows_too_large(ground: Ground) -> None:
    async with ground.worker(limits=ProgramLimits(file_size=100_000)):
        report, _ = await ground.run("-c", "cat /dev/zero > big", program="sh")
        assert report.status == "failed"
        assert (ground.media / "big").stat().st_size == 100_000
        report, _ = await ground.run(*SOURCE, "-c:v", "rawvideo", "-t", "100", "$Media/big.nut")
        assert report.status == "failed"
        assert report.reason == "a file came to its 100000 bytes (limits.file_size of the worker)"


async def test_processor_time_that_never_ends(ground: Ground) -> None:
    async with ground.worker(limits=ProgramLimits(cpu_time=1)):
        report, _ = await ground.run("-c", "while :; do :; done", program="sh")
        assert report.status == "failed"
        assert report.reason == "it used its 1 s of processor time (limits.cpu_time of the worker)"


async def test_memory_without_end(ground: Ground) -> None:
    async with ground.worker(limits=ProgramLimits(memory=64 << 20)):
        report, job = await ground.run("-c", "x=xxxx; while :; do x=$x$x; done", program="sh")
        assert report.status == "failed"
        assert b"Out of space" in job.stderr.data or report.signal is not None


async def test_programs_give_way_as_their_limits_say(ground: Ground) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    asked = "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"
    for nice in (0, min(own + 3, 19)):
        async with ground.worker(limits=ProgramLimits(nice=nice, io_class="idle" if nice else "normal")):
            report, job = await ground.run("-c", "ionice", program="sh")
            assert report.status == "completed", bytes(job.stderr.data)
            assert job.stdout.data.startswith(b"idle") == bool(nice)
            report, job = await ground.run("-c", asked, program="python")
            assert report.status == "completed", bytes(job.stderr.data)
            assert int(job.stdout.data) == max(own, nice)


async def test_a_fork_bomb(ground: Ground) -> None:
    """Of a program that is machine code: it may be one process only."""
    async with ground.worker():
        report, job = await ground.run("-c", "(echo child); echo went on", program="sh")
        assert b"child" not in job.stdout.data
        assert report.status == "failed"
