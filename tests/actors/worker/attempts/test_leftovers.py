"""Outputs that do not exist, and those that an earlier attempt began: found, removed, and nothing else."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from dffmpeg.actors.worker.attempts.leftovers import CannotRemove, Outputs
from dffmpeg.wire.jobs import Begun
from dffmpeg.wire.workers import JobRequest
from tests.actors.worker.conftest import StartWorker
from tests.actors.worker.coordinator import FakeCoordinator


def outputs(folder: Path, *arguments: str, directory: str | None = None, owner: int | None = None) -> Outputs:
    request = JobRequest(
        job_id="J",
        attempt=2,
        binary_name="ffmpeg",
        arguments=list(arguments),
        paths=["Media"],
        working_directory=directory,
        heartbeat_interval=5.0,
    )
    return Outputs(request, {"Media": os.fsencode(folder)}, owner)


def begun(folder: Path, *names: str) -> dict[bytes, int]:
    """As an attempt that made them tells; a number of no file for what is not there."""
    found = {name: folder / name for name in names}
    return {
        b"$Media/" + os.fsencode(name): path.lstat().st_ino if os.path.lexists(path) else 1
        for name, path in found.items()
    }


def remove(found: Outputs, made: Mapping[bytes, int]) -> None:
    found.remove(made, threading.Event())


def test_what_does_not_exist_is_new(tmp_path: Path) -> None:
    (tmp_path / "there.mkv").touch()
    (tmp_path / "s001.ts").touch()
    (tmp_path / "dangling.mkv").symlink_to("nowhere")
    found = outputs(
        tmp_path,
        *("-i", "$Media/in.mkv", "$Media/there.mkv", "$Media/new.mkv", "$Media/no/folder.mkv"),
        *("$Media/s%03d.ts", "$Media/t%03d.ts", "$Media/dangling.mkv", "/etc/x.mkv", "relative.mkv"),
    )
    new = (b"$Media/new.mkv", b"$Media/no/folder.mkv", b"$Media/s%03d.ts", b"$Media/t%03d.ts")
    assert found.new({}) == new
    assert outputs(tmp_path, "relative.mkv", directory="$Media").new({}) == (b"relative.mkv",)
    # What an earlier attempt made, and is still that, will not be there.
    assert found.new(begun(tmp_path, "there.mkv")) == (b"$Media/there.mkv", *new)
    assert found.new({b"$Media/there.mkv": 1}) == new


def test_what_an_attempt_began_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in ("out.mkv", "old.mkv", "s%d.ts", "s1.ts", "in.mkv"):
        (tmp_path / name).touch()
    arguments = ("-i", "$Media/in.mkv", "$Media/out.mkv", "$Media/old.mkv", "$Media/s%d.ts")
    # The old one was there before, a name may hold a number, and what is no output is not believed.
    remove(outputs(tmp_path, *arguments), begun(tmp_path, "out.mkv", "s%d.ts", "in.mkv"))
    assert sorted(os.listdir(tmp_path)) == ["in.mkv", "old.mkv", "s1.ts"]


def test_another_file_of_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out.mkv").write_text("begun")
    made = begun(tmp_path, "out.mkv")
    (tmp_path / "theirs").write_text("precious")
    (tmp_path / "theirs").rename(tmp_path / "out.mkv")
    remove(outputs(tmp_path, "$Media/out.mkv"), made)
    assert (tmp_path / "out.mkv").read_text() == "precious"


def test_what_a_process_writes_is_what_it_made(tmp_path: Path) -> None:
    found = outputs(tmp_path, "$Media/a.mkv", "$Media/b.mkv", "$Media/c.mkv")
    (tmp_path / "b.mkv").touch()
    (tmp_path / "c.mkv").touch()
    with (tmp_path / "a.mkv").open("wb"), (tmp_path / "b.mkv").open("rb"):
        assert found.made(found.new({}), os.getpid()) == {}
        new = (b"$Media/a.mkv", b"$Media/b.mkv", b"$Media/c.mkv")
        assert found.made(new, os.getpid()) == begun(tmp_path, "a.mkv")


def test_what_is_gone_already_is_fine(tmp_path: Path) -> None:
    remove(outputs(tmp_path, "$Media/x.mkv", "$Media/no/y.mkv"), begun(tmp_path, "x.mkv", "no/y.mkv"))


def link(folder: Path, outside: Path) -> None:
    (folder / "out.mkv").symlink_to(outside / "victim")


def directory(folder: Path, outside: Path) -> None:
    (folder / "out.mkv").mkdir()


def fifo(folder: Path, outside: Path) -> None:
    os.mkfifo(folder / "out.mkv")


@pytest.mark.parametrize("make", [link, directory, fifo])
def test_only_regular_files_go(tmp_path: Path, make: Callable[[Path, Path], None]) -> None:
    folder, outside = tmp_path / "media", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "victim").touch()
    make(folder, outside)
    remove(outputs(folder, "$Media/out.mkv"), begun(folder, "out.mkv"))
    assert (outside / "victim").exists()
    assert os.path.lexists(folder / "out.mkv")


def test_a_folder_that_is_a_link_out_of_the_mapped_directory_is_left_alone(tmp_path: Path) -> None:
    folder, outside = tmp_path / "media", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "out.mkv").touch()
    (folder / "sub").symlink_to(outside)
    found = outputs(folder, "$Media/sub/out.mkv", "$Media/sub/new.mkv")
    assert found.new({}) == ()
    remove(found, begun(folder, "sub/out.mkv"))
    assert (outside / "out.mkv").exists()


def test_a_folder_that_is_a_link_inside_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "sub").symlink_to("real")
    (tmp_path / "real" / "out.mkv").touch()
    remove(outputs(tmp_path, "$Media/sub/out.mkv"), begun(tmp_path, "sub/out.mkv"))
    assert not (tmp_path / "real" / "out.mkv").exists()


def test_another_s_file_is_left_alone_where_programs_run_as_their_callers(tmp_path: Path) -> None:
    (tmp_path / "out.mkv").touch()
    remove(outputs(tmp_path, "$Media/out.mkv", owner=os.getuid() + 1), begun(tmp_path, "out.mkv"))
    assert (tmp_path / "out.mkv").exists()
    remove(outputs(tmp_path, "$Media/out.mkv", owner=os.getuid()), begun(tmp_path, "out.mkv"))
    assert not (tmp_path / "out.mkv").exists()


def test_a_thread_for_which_nobody_waits_removes_nothing(tmp_path: Path) -> None:
    (tmp_path / "out.mkv").touch()
    given_up = threading.Event()
    given_up.set()
    outputs(tmp_path, "$Media/out.mkv").remove(begun(tmp_path, "out.mkv"), given_up)
    assert (tmp_path / "out.mkv").exists()


def test_what_cannot_be_removed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out.mkv").touch()

    def refuse(*arguments: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied")

    # The tests may run as root, whom no mode keeps from it.
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(CannotRemove, match=r"out\.mkv, which an earlier attempt began.*Permission denied"):
        remove(outputs(tmp_path, "$Media/out.mkv"), begun(tmp_path, "out.mkv"))


WRITE = """#!/bin/sh
[ "$1" = -version ] && exit
[ -e "$2" ] && { echo exists >&2; exit 1; }
exec 5>"$2"
while [ ! -e "$2.told" ]; do :; done
"""


async def test_a_repeated_attempt_finds_what_the_first_found(
    coordinator: FakeCoordinator, start_worker: StartWorker, tmp_path: Path
) -> None:
    program = tmp_path / "refuses"
    program.write_text(WRITE)
    program.chmod(0o755)
    media = tmp_path / "media"
    media.mkdir()
    (media / "old").write_text("old")
    common: dict[str, Any] = {"paths": ["Media"]}
    async with start_worker(binaries={"ffmpeg": str(program)}, paths={"Media": str(media)}, views="never"):
        first = coordinator.add("J1", "ffmpeg", "-y", "$Media/new", **common)
        with trio.fail_after(60):
            while not first.begun:
                await trio.lowlevel.checkpoint()
        (media / "new.told").touch()
        assert (await coordinator.finished(first)).exit_code == 0
        assert first.begun == [Begun(path="$Media/new", inode=(media / "new").stat().st_ino)]
        again = {**common, "attempt": 2, "begun": first.begun}
        second = coordinator.add("J1", "ffmpeg", "-y", "$Media/new", **again)
        assert (await coordinator.finished(second)).exit_code == 0
        # One that was there before the first attempt is as much in the way of the second.
        third = coordinator.add("J2", "ffmpeg", "-y", "$Media/old", **{**common, "attempt": 2})
        assert (await coordinator.finished(third)).exit_code == 1
        assert third.begun == []
    assert (media / "old").read_text() == "old"
