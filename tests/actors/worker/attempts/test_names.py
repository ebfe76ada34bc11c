"""Names of this machine that a caller must not meet: in what is printed, and behind symbolic links."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from dffmpeg.actors.worker.attempts.commands import Machine, NotRunnable, prepare
from dffmpeg.actors.worker.attempts.symlinks import resolved
from dffmpeg.actors.worker.processes.actor import Processes
from dffmpeg.actors.worker.processes.launches import Command, Descriptor, Renamed
from dffmpeg.actors.worker.processes.printed import RenamedStream, with_callers_names
from dffmpeg.model.paths import PrintedPaths
from dffmpeg.wire.workers import JobRequest

GUARD = 60.0
HERE, THERE = {"A": b"/worker/a"}, {"A": b"/client"}


@pytest.mark.parametrize("most", [None, 3, 100])
async def test_a_stream_is_renamed(most: int | None) -> None:
    ours, programs = memory_stream_pair()
    stream = RenamedStream(ours, PrintedPaths(HERE, THERE))
    await programs.send_all(b"from '/worker/a/x': /worker/a")
    await programs.send_eof()
    found = b""
    while piece := await stream.receive_some(most):
        assert len(piece) <= (most or 1000)
        found += piece
    assert found == b"from '/client/x': /client"
    assert await stream.receive_some(most) == b""
    await stream.aclose()


async def test_a_pause_passes_on_what_is_held(autojump_clock: MockClock) -> None:
    ours, programs = memory_stream_pair()
    stream = RenamedStream(ours, PrintedPaths(HERE, THERE))
    await programs.send_all(b"? /wor")
    assert await stream.receive_some() == b"? "
    before = trio.current_time()
    assert await stream.receive_some() == b"/wor"
    assert trio.current_time() - before < 0.1
    with trio.move_on_after(3600) as nothing:
        await stream.receive_some()
    assert nothing.cancelled_caught
    await programs.send_all(b"/worker/a x")
    assert await stream.receive_some() == b"/worker/a x"
    await stream.aclose()


def request(binary: str, *arguments: str) -> JobRequest:
    return JobRequest(
        job_id="J",
        attempt=1,
        binary_name=binary,
        arguments=list(arguments),
        paths=["A"],
        client_paths={"A": "/client"},
        working_directory=None,
        heartbeat_interval=60.0,
    )


def machine(folder: Path) -> Machine:
    programs = {"ffmpeg": b"/bin/sh", "ffprobe": b"/bin/sh"}
    return Machine(programs=programs, present={"A": os.fsencode(folder)})


@pytest.mark.parametrize(
    ("program", "second", "renamed"),
    [
        (b"/usr/bin/ffmpeg", Descriptor(2, "pipe", "out"), {2}),
        (b"/usr/bin/ffmpeg", Descriptor(2, "same", "out", of=1), {1, 2}),
        (b"/usr/bin/ffmpeg", Descriptor(2, "terminal", "out"), {2}),
        (b"/opt/ffprobe", Descriptor(2, "pipe", "out"), {1, 2}),
    ],
)
def test_only_text_is_renamed(program: bytes, second: Descriptor, renamed: set[int]) -> None:
    described = (Descriptor(1, "pipe", "out"), second, Descriptor(3, "pipe", "out"))
    command = Command(program, (), descriptors=described, renamed=Renamed(HERE, THERE))
    outputs = {number: memory_stream_pair()[0] for number in (1, 2, 3)}
    found = with_callers_names(command, outputs)
    assert {number for number, stream in found.items() if isinstance(stream, RenamedStream)} == renamed
    same = with_callers_names(Command(program, ()), outputs)
    assert same is outputs


def test_without_a_view_the_command_knows_its_callers_names(tmp_path: Path) -> None:
    here = machine(tmp_path)
    assert prepare(request("ffmpeg"), here).renamed == Renamed(here.present, {"A": b"/client"})


def test_one_name_on_both_machines_needs_nothing(tmp_path: Path) -> None:
    asked = request("ffmpeg")
    asked.client_paths = {"A": str(tmp_path)}
    assert prepare(asked, machine(tmp_path)).renamed is None


async def test_a_program_prints_its_callers_names(tmp_path: Path) -> None:
    processes = Processes(views=False)
    code = 'echo "$1" >&2; echo "$1"'
    async with (
        processes.open(),
        processes.running(prepare(request("ffmpeg", "-c", code, "sh", "$A/x"), machine(tmp_path))) as process,
    ):
        with trio.fail_after(GUARD):
            err = await process.outputs[2].receive_some()
            out = await process.outputs[1].receive_some()
    assert (out, err) == (b"%s/x\n" % os.fsencode(tmp_path), b"/client/x\n")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a").touch()
    for name, target in {
        "back": "/client/a",
        "chain": "/client/back",
        "up": "../client/a",
        "out": "/etc/passwd",
        "sideways": "/client/../etc",
        "loop": "loop",
        "gone": "/client/no/such",
    }.items():
        (tmp_path / "films" / name).symlink_to(target)
    return tmp_path / "films"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/client/a", "@/a"),
        ("/client//./back", "@/a"),
        ("/client/chain", "@/a"),
        ("/client/up", "@/a"),
        ("/client/out", "/etc/passwd"),
        ("/client/sideways/passwd", "/etc/passwd"),
        ("/client/gone", "@/no/such"),
        ("/client/new/file", "@/new/file"),
        ("/client/../client/back", "@/a"),
        ("@/back", "@/a"),
    ],
)
def test_links_are_followed_as_the_program_does(tree: Path, path: str, expected: str) -> None:
    shown = {b"/client": os.fsencode(tree)}
    asked, found = (os.fsencode(text.replace("@", str(tree))) for text in (path, expected))
    assert resolved(asked, shown) == os.path.realpath(found)


def test_what_holds_a_shown_directory_is_none_of_our_links(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "client").symlink_to("/etc")
    shown = {os.fsencode(tmp_path / "client" / "films"): os.fsencode(tree)}
    assert resolved(os.fsencode(tmp_path / "client/films/a"), shown) == os.fsencode(tree / "a")


def test_a_loop_ends(tree: Path) -> None:
    assert resolved(b"/client/loop", {b"/client": os.fsencode(tree)}).startswith(os.fsencode(tree))


def test_a_link_out_of_the_mapped_directories_is_refused(tree: Path) -> None:
    with pytest.raises(NotRunnable, match="leaves the mapped directories"):
        prepare(request("ffmpeg", "$A/out"), machine(tree))
    # Without a view the client's name leads nowhere either.
    with pytest.raises(NotRunnable, match="leaves the mapped directories"):
        prepare(request("ffmpeg", "$A/back"), machine(tree))
