"""A cluster's folder: made once, kept afterwards, changed by flags and by hand."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dffmpeg.actors.coordinator.store_settings import store_settings
from dffmpeg.client import stand_ins
from dffmpeg.configuration import load
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.errors import ConfigurationError
from dffmpeg.model.identities import Role
from dffmpeg.standalone.identities import ensure_identities
from dffmpeg.standalone.layout import Layout, claim
from dffmpeg.standalone.options import Mapping, Options
from dffmpeg.standalone.prepare import LOOPBACK, Plan, free_port, prepare
from dffmpeg.store import open_store
from dffmpeg.wire.signature import decode_key


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("ffmpeg", "ffprobe"):
        (programs / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.chdir(tmp_path)
    with claim(tmp_path / "data") as claimed:
        return claimed


def test_a_first_start_writes_everything(layout: Layout, tmp_path: Path) -> None:
    plan = prepare(layout, Options(workers=2))
    assert list(plan.workers) == ["worker1", "worker2"]
    assert plan.url == f"http://127.0.0.1:{plan.coordinator.port}"
    client = load(ClientConfig, "client", layout.client)
    assert (client, client.paths) == (plan.client, {"Here": str(tmp_path)})
    worker = load(WorkerConfig, "worker", layout.worker("worker2"))
    assert worker.binaries == {name: f"{tmp_path}/programs/{name}" for name in ("ffmpeg", "ffprobe")}
    assert worker.coordinator_url == plan.url
    for file in layout.folder.glob("*.toml"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len({connection.hmac_key for _, connection in plan.identities}) == 4


def test_jobs_are_confined_where_it_is_said_what_is_mapped(layout: Layout) -> None:
    assert prepare(layout, Options()).workers["worker1"].confines.mode == "off"
    layout.worker("worker1").unlink()
    confines = prepare(layout, Options(paths=(Mapping("M", "/m", "/m"),))).workers["worker1"].confines
    assert (confines.mode, confines.network) == ("auto", "allow")


def test_a_second_start_changes_nothing(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    options = Options(workers=3, slots=5, paths=(Mapping("M", "/mnt/m", "/srv/m"),))
    first = prepare(layout, options)
    before = {file: file.read_bytes() for file in layout.folder.glob("**/*") if file.is_file()}
    monkeypatch.chdir("/")
    assert prepare(layout, Options()) == first
    assert {file: file.read_bytes() for file in layout.folder.glob("**/*") if file.is_file()} == before


def test_a_flag_changes_what_was_kept(layout: Layout, tmp_path: Path) -> None:
    first = prepare(layout, Options(workers=2, slots=5))
    (tmp_path / "x").touch(mode=0o755)
    port = free_port()
    options = Options(
        workers=1,
        slots=7,
        port=port,
        paths=(Mapping("M", "/mnt/m", "/srv/m"),),
        binaries=(("x", str(tmp_path / "x")),),
    )
    second = prepare(layout, options)
    assert list(second.workers) == ["worker1"]
    worker = second.workers["worker1"]
    assert (worker.slots, worker.paths, second.client.paths) == (7, {"M": "/srv/m"}, {"M": "/mnt/m"})
    assert (
        sorted(worker.binaries) == sorted(second.coordinator.allowed_binaries) == ["ffmpeg", "ffprobe", "x"]
    )
    assert second.coordinator.port == port
    assert worker.hmac_key == first.workers["worker1"].hmac_key
    assert os.access(layout.programs / "x", os.X_OK)


def test_what_a_person_edited_stays(layout: Layout) -> None:
    prepare(layout, Options())
    text = layout.coordinator.read_text().replace("#worker = 60.0", "worker = 7.5")
    layout.coordinator.write_text(text)
    assert prepare(layout, Options()).coordinator.leases.worker == 7.5
    assert prepare(layout, Options()).coordinator.leases.worker == 7.5


def test_a_file_that_was_broken_by_hand_stays_to_be_mended(layout: Layout) -> None:
    prepare(layout, Options())
    text = layout.coordinator.read_text().replace("#worker = 60.0", 'worker = "long"')
    layout.coordinator.write_text(text)
    with pytest.raises(ConfigurationError, match=r"leases\.worker: expected a number"):
        prepare(layout, Options())
    assert layout.coordinator.read_text() == text


def test_a_port_that_somebody_has_is_named(layout: Layout) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port}: .*--port chooses another"):
            prepare(layout, Options(port=port))


def test_without_ffmpeg_it_says_what_to_do(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ConfigurationError, match="no ffmpeg found"):
        prepare(layout, Options())
    plan = prepare(layout, Options(binaries=(("ffmpeg", sys.executable),)))
    assert plan.workers["worker1"].binaries == {"ffmpeg": sys.executable}
    assert plan.warnings == ("there is no ffprobe here: jobs for it will wait",)


async def rows(plan: Plan) -> dict[str, tuple[Role, bytes]]:
    async with open_store(store_settings(plan.coordinator)) as store:
        return {one.client_id: (one.role, one.key) for one in await store.identities.list()}


async def test_the_users_are_those_of_the_files(layout: Layout) -> None:
    plan = prepare(layout, Options(workers=2))
    await ensure_identities(plan)
    expected = {
        connection.client_id: (Role(role), decode_key(connection.hmac_key))
        for role, connection in plan.identities
    }
    assert await rows(plan) == expected
    layout.client.unlink()
    renewed = prepare(layout, Options())
    await ensure_identities(renewed)
    assert await rows(renewed) == {
        **expected,
        "local": (Role.CLIENT, decode_key(renewed.client.hmac_key)),
    }
    assert renewed.client.hmac_key != plan.client.hmac_key


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    expected = rf"in use by another standalone \(process {os.getpid()}\)"
    first, second = claim(tmp_path / "data"), claim(tmp_path / "data")
    with first, pytest.raises(ConfigurationError, match=expected), second:
        pass
    with claim(tmp_path / "data"):
        pass


@pytest.mark.parametrize("folder", ["plain", "with space", "x" * 120])
def test_a_stand_in_starts_from_anywhere_under_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    # An interpreter at an awkward place.
    interpreter = tmp_path / folder / "python"
    interpreter.parent.mkdir()
    interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    interpreter.chmod(0o755)
    package = tmp_path / "package" / "dffmpeg" / "shim"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "main.py").write_text(
        "import os, sys\n"
        "def main(config):\n"
        "    print(os.path.basename(sys.argv[0]), sys.argv[1:], config)\n"
        "    sys.exit(7)\n"
    )
    monkeypatch.setattr(stand_ins, "PACKAGE_PARENT", tmp_path / "package")
    program = tmp_path / "ffprobe"
    program.write_text(stand_ins.source(Path("/some/client.toml"), str(interpreter)))
    program.chmod(0o755)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "dffmpeg.py").write_text("raise SystemExit('the wrong one')")
    done = subprocess.run(
        [program, "-i", "a b'\"$x"],
        cwd=elsewhere,
        env={"PYTHONPATH": str(elsewhere), "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "ffprobe ['-i', 'a b\\'\"$x'] /some/client.toml\n"
    assert done.returncode == 7, done.stderr
