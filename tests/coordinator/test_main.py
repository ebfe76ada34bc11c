"""`dffmpeg-coordinator` as its init system sees it."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dffmpeg.process_lock import held
from tests.cluster.kit import GUARD


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A coordinator's, whose database is not there yet, on a port of the system's choice."""
    return configured(tmp_path / "coordinator.toml", tmp_path / "made" / "x.db")


def configured(file: Path, database: Path, port: int = 0) -> Path:
    file.write_text(f'port = {port}\n[database.engine_defaults.sqlite]\npath = "{database}"\n')
    return file


def command(config: Path) -> list[str]:
    return [sys.executable, "-m", "dffmpeg.coordinator", "--config", str(config)]


def refusal(config: Path) -> str:
    """What a coordinator says that does not start."""
    ended = subprocess.run(command(config), capture_output=True, text=True, check=False, timeout=GUARD)
    assert ended.returncode == 2, ended.stderr
    return ended.stderr


@contextmanager
def serving(config: Path) -> Iterator[subprocess.Popen[str]]:
    """A coordinator that has begun to serve; killed at the end of the block."""
    with subprocess.Popen(command(config), stderr=subprocess.PIPE, text=True) as process:
        # Its pipe ends with it, and so does reading.
        guard = threading.Timer(GUARD, process.kill)
        guard.start()
        try:
            assert process.stderr is not None
            assert any(" serves" in line for line in process.stderr), "it ended, or never served"
            yield process
        finally:
            guard.cancel()
            process.kill()


def content(database: Path) -> list[str]:
    """What is in it, but for what a coordinator that runs writes as time passes."""
    by_the_clock = tuple(f'INSERT INTO "{table}"' for table in ("janitor_runs", "samples"))
    with closing(sqlite3.connect(database)) as connection:
        return [line for line in connection.iterdump() if not line.startswith(by_the_clock)]


def test_what_keeps_it_from_starting_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "coordinator.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config.write_text(f'port = {port}\n[database.engine_defaults.sqlite]\npath = "x.db"\n')
        ended = subprocess.run(
            [sys.executable, "-m", "dffmpeg.coordinator", "--config", config],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert ended.returncode == 2
    assert ended.stderr == (
        f"dffmpeg-coordinator: cannot listen on 127.0.0.1 port {port}: Address already in use\n"
    )


def test_what_is_not_installed_is_named_with_file_and_key(tmp_path: Path) -> None:
    config = tmp_path / "coordinator.toml"
    config.write_text('[database]\nengine = "mariadb"\n')
    assert refusal(config) == (
        f"dffmpeg-coordinator: {config}: database.engine: there is no engine 'mariadb', did you mean"
        ' "mysql"?\n'
    )
    config.write_text('[transports]\nenabled_transports = ["pigeon"]\n')
    assert refusal(config).startswith(
        f"dffmpeg-coordinator: {config}: transports.enabled_transports: there is no transport 'pigeon'"
    )


def test_a_second_one_on_a_database_is_refused_and_the_first_goes_on(config: Path, tmp_path: Path) -> None:
    database = tmp_path / "made" / "x.db"
    link = tmp_path / "link.db"
    link.symlink_to(database)
    with serving(config) as first, socket.create_server(("127.0.0.1", 0)) as taken:
        before = content(database)
        by_link = configured(tmp_path / "by_link.toml", link)
        port_taken = configured(tmp_path / "port_taken.toml", database, taken.getsockname()[1])
        for second in (config, by_link, port_taken):
            assert refusal(second) == (
                f"dffmpeg-coordinator: {database}: in use by another coordinator (process {first.pid}): "
                "stop that one, or configure another database.engine_defaults.sqlite.path\n"
            )
        assert content(database) == before
        checked = [sys.executable, "-m", "dffmpeg.admin", "--config", str(config), "db", "check"]
        assert subprocess.run(checked, check=False, timeout=GUARD).returncode == 0
        assert first.poll() is None
        with serving(configured(tmp_path / "other.toml", tmp_path / "made" / "y.db")):
            pass


def test_one_that_is_refused_has_not_even_made_the_database(config: Path, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    with held(tmp_path / "made" / "x.db.lock"):
        assert re.search(r"x\.db: in use by another coordinator \(process \d+\)", refusal(config))
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["x.db.lock"]


def test_one_that_was_killed_leaves_the_database_to_the_next(config: Path) -> None:
    for _ in range(3):
        with serving(config) as process:
            process.kill()
            process.wait(GUARD)


def test_one_that_was_stopped_leaves_the_database_to_the_next(config: Path) -> None:
    for _ in range(2):
        with serving(config) as process:
            process.terminate()
            assert process.wait(GUARD) == 0


def test_it_says_that_it_goes_before_it_does(config: Path) -> None:
    """Between the two everything is served; a second signal does not wait for the rest."""
    config.write_text("shutdown_delay_seconds = 3600.0\n" + config.read_text())
    with serving(config) as process:
        assert process.stderr is not None
        port = port_of(process)
        assert health(port) == (200, "online")
        process.send_signal(signal.SIGTERM)
        give_up = time.monotonic() + GUARD
        while health(port) != (503, "shutdown"):
            assert time.monotonic() < give_up
        assert health(port, deep=True) == (503, "shutdown")
        ready, why = answer(port, "/ready")
        assert (ready, json.loads(why)["waits_for"]) == (503, ["it is stopping"])
        assert answer(port, "/status")[0] == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(GUARD) == 0


def answer(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GUARD)
    with closing(connection):
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read()


def health(port: int, *, deep: bool = False) -> tuple[int, str]:
    status, body = answer(port, "/health?deep=1" if deep else "/health")
    return status, json.loads(body)["status"]


def port_of(process: subprocess.Popen[str]) -> int:
    """What the system chose; a process has one listener."""
    inodes = {
        match[1]
        for entry in Path(f"/proc/{process.pid}/fd").iterdir()
        if (match := re.fullmatch(r"socket:\[(\d+)\]", str(entry.readlink())))
    }
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes:
            return int(fields[1].partition(":")[2], 16)
    raise AssertionError("it listens on nothing")
