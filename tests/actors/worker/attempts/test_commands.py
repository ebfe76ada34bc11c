"""What a worker makes of a job before it takes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dffmpeg.actors.worker.attempts.commands import Machine, NotRunnable, prepare
from dffmpeg.actors.worker.processes.launches import STANDARD_DESCRIPTORS, Credentials, Descriptor, Renamed
from dffmpeg.wire import jobs
from dffmpeg.wire.jobs import Launch, Terminal
from dffmpeg.wire.workers import JobRequest

PROGRAMS = {"ffmpeg": b"/opt/tools/ffmpeg"}


def request(*arguments: str, **more: Any) -> JobRequest:
    given: dict[str, Any] = {"paths": [], "working_directory": None} | more
    return JobRequest(
        job_id="J",
        attempt=1,
        binary_name="ffmpeg",
        arguments=list(arguments),
        heartbeat_interval=60.0,
        **given,
    )


def machine(tmp_path: Path, **more: Any) -> Machine:
    values: dict[str, Any] = {"programs": PROGRAMS, "present": {"Movies": os.fsencode(tmp_path)}} | more
    return Machine(**values)


def test_a_job_without_a_launch_is_as_it_always_was(tmp_path: Path) -> None:
    command = prepare(request("-i", "$$x"), machine(tmp_path))
    assert (command.program, command.arguments, command.directory) == (
        b"/opt/tools/ffmpeg",
        (b"-i", b"$x"),
        None,
    )
    assert (command.environment, command.umask, command.descriptors) == (None, None, STANDARD_DESCRIPTORS)


def test_what_is_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("HOME", "/worker")
    launch = Launch(
        environment={"TZ": "UTC", "HOME": "/client", "LD_PRELOAD": "evil.so"},
        umask=0o027,
        ignored_signals=[13, 1, 13, 200],
        terminal=Terminal(rows=24, columns=80),
    )
    command = prepare(request(launch=launch), machine(tmp_path))
    assert command.environment is not None
    assert command.environment[b"TZ"] == b"UTC"
    assert command.environment[b"HOME"] == b"/worker"
    assert not {b"LC_ALL", b"LD_PRELOAD"} & set(command.environment)
    assert (command.umask, command.ignored_signals, command.terminal_size) == (0o027, (1, 13), (24, 80))
    assert command.descriptors == STANDARD_DESCRIPTORS
    other = prepare(request(launch=launch), machine(tmp_path, environment=["HOME"]))
    assert other.environment is not None
    assert (other.environment[b"HOME"], other.environment[b"LC_ALL"]) == (b"/client", b"C")
    assert b"TZ" not in other.environment


def test_whose_user_it_runs_under(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launch = Launch(credentials=jobs.Credentials(uid=1000, gid=100, groups=[5, 6]))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert prepare(request(launch=launch), machine(tmp_path)).credentials is None
    command = prepare(request(launch=launch), machine(tmp_path, as_caller=True))
    assert command.credentials == Credentials(1000, 100, (5, 6))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert prepare(request(launch=launch), machine(tmp_path, as_caller=True)).credentials is None


def descriptors(tmp_path: Path, *listed: jobs.Descriptor) -> tuple[Descriptor, ...]:
    launch = Launch(descriptors=list(listed))
    return prepare(request(launch=launch, paths=["Movies"]), machine(tmp_path)).descriptors


def test_descriptors_in_their_order(tmp_path: Path) -> None:
    below = (os.fsencode(os.path.realpath(tmp_path)),)
    assert descriptors(
        tmp_path,
        jobs.Descriptor(number=5, kind="same", of=3),
        jobs.Descriptor(number=0, kind="closed"),
        jobs.Descriptor(number=3, kind="file", direction="out", path="$Movies/a", offset=7, append=True),
        jobs.Descriptor(number=1, kind="pipe", direction="out"),
        jobs.Descriptor(number=2, kind="same", of=0),
    ) == (
        Descriptor(0, "closed"),
        Descriptor(1, "pipe", "out"),
        # The same as nothing is nothing.
        Descriptor(2, "closed"),
        Descriptor(3, "file", "out", path=os.fsencode(tmp_path / "a"), below=below, offset=7, append=True),
        Descriptor(5, "same", of=3),
    )


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ([jobs.Descriptor(number=0, kind="null")] * 2, "there twice"),
        ([jobs.Descriptor(number=0, kind="same", of=1)], "expected a lower descriptor"),
        ([jobs.Descriptor(number=2, kind="same", of=1)], "expected a lower descriptor"),
        ([jobs.Descriptor(number=0, kind="file")], "expected a path"),
        ([jobs.Descriptor(number=0, kind="file", path="/etc/passwd")], "not a mapped path"),
        ([jobs.Descriptor(number=0, kind="file", path="$Movies/../x")], "leaves its directory"),
    ],
)
def test_descriptors_that_cannot_be(tmp_path: Path, listed: list[jobs.Descriptor], reason: str) -> None:
    with pytest.raises(NotRunnable, match=reason):
        descriptors(tmp_path, *listed)


def test_what_has_to_be_named_back(tmp_path: Path) -> None:
    asked = request("$Movies/a", paths=["Movies"], client_paths={"Movies": "/client", "Music": "/elsewhere"})
    command = prepare(asked, machine(tmp_path))
    here = {"Movies": os.fsencode(tmp_path)}
    assert command.renamed == Renamed(here, {"Movies": b"/client"})
    same = request("$Movies/a", paths=["Movies"], client_paths={"Movies": str(tmp_path)})
    assert prepare(same, machine(tmp_path)).renamed is None


def test_a_clients_directory_that_is_none(tmp_path: Path) -> None:
    asked = request(paths=["Movies"], client_paths={"Movies": "../relative"})
    with pytest.raises(NotRunnable, match="expected an absolute directory"):
        prepare(asked, machine(tmp_path))
