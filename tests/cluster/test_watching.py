"""Live views of real clusters: on a pseudo-terminal, in a pipe, and while the coordinator is away."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from dffmpeg.client.options import JobOptions
from tests.cluster.kit import GUARD, Cluster, read_line

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg]

CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
SOURCE = ["-re", "-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=120", "-t", "120"]
SLOW = [*SOURCE, "-c:v", "mpeg4", "-f", "null", "-"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster"), "--workers", "1", "--slots", "2") as running:
        yield running


def command(cluster: Cluster, *arguments: str) -> list[str]:
    config = str(cluster.data / "client.toml")
    return [sys.executable, "-m", "dffmpeg.client", "--config", config, *arguments]


def submit(cluster: Cluster, arguments: list[str], name: str | None = None) -> str:
    async def do() -> str:
        async with cluster.client() as client:
            return (await client.submit("ffmpeg", arguments, job=JobOptions(name=name))).job_id

    return trio.run(do)


def cancel(cluster: Cluster, job_id: str) -> None:
    async def do() -> None:
        async with cluster.client() as client:
            await client.cancel(job_id)

    trio.run(do)


def status(cluster: Cluster, job_id: str) -> str:
    async def do() -> str:
        async with cluster.client() as client:
            return (await client.status(job_id)).status

    return trio.run(do)


class Seen:
    """A command on a pseudo-terminal, and what stands on its screen."""

    def __init__(self, argv: list[str], columns: int, **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        self._theirs = theirs
        self.resize(columns)
        self.process = subprocess.Popen(
            argv,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", **environment},
            start_new_session=True,
        )
        self.written = b""

    def __enter__(self) -> Seen:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.wait(GUARD)
        os.close(self._ours)
        os.close(self._theirs)

    def resize(self, columns: int, lines: int = 24) -> None:
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    @property
    def screen(self) -> str:
        """The last whole frame."""
        frames = self.written.split(b"\x1b[H")
        whole = [frame for frame in frames if frame.endswith(b"\x1b[J")]
        return CONTROL.sub("", whole[-1].decode()) if whole else ""

    def until(self, reached: Callable[[], bool]) -> None:
        give_up = time.monotonic() + GUARD
        while not reached():
            ready = select.select([self._ours], [], [], max(0.0, give_up - time.monotonic()))[0]
            assert ready, self.written[-3000:]
            self.written += os.read(self._ours, 65536)

    def end(self) -> int:
        """Its return code; what it wrote before its end is read."""
        give_up = time.monotonic() + GUARD
        while self.process.poll() is None or select.select([self._ours], [], [], 0)[0]:
            assert time.monotonic() < give_up
            if select.select([self._ours], [], [], 0.05)[0]:
                self.written += os.read(self._ours, 65536)
        return self.process.returncode

    @property
    def rest(self) -> str:
        """What is left on the terminal."""
        return self.written.rpartition(b"\x1b[?1049l")[2].decode()


def test_the_cluster_on_a_terminal(cluster: Cluster) -> None:
    with Seen(command(cluster, "status", "--watch"), 110) as seen:
        seen.until(lambda: "no jobs" in seen.screen)
        job_id = submit(cluster, SLOW, name="Größe 日本")
        seen.until(lambda: bool(re.search(r"Größe 日本 .* [0-9.]+%  [0-9]:[0-9]+ left ", seen.screen)))
        seen.until(lambda: "1 of 2 slots used" in seen.screen and "#- 1/2" in seen.screen)
        seen.resize(40)
        os.kill(seen.process.pid, signal.SIGWINCH)
        seen.until(lambda: "1/2 slots" in seen.screen)
        assert max(map(len, seen.screen.split("\r\n"))) <= 40
        cancel(cluster, job_id)
        seen.until(lambda: "ENDED" in seen.screen and "canceled" in seen.screen)
        os.kill(seen.process.pid, signal.SIGINT)
        assert seen.end() == 130
        assert seen.rest == ""
        assert seen.written.startswith(b"\x1b[?1049h\x1b[?25l")
        assert b"\x1b[?25h" in seen.written


def test_a_job_on_a_terminal_until_somebody_leaves(cluster: Cluster) -> None:
    job_id = submit(cluster, SLOW)
    with Seen(command(cluster, "job", "watch", job_id), 60, NO_COLOR="1") as seen:
        seen.until(lambda: "running on worker1" in seen.screen and " left" in seen.screen)
        assert not re.search(rb"\x1b\[(?:[0-9]+;)*3[0-9]", seen.written)
        os.kill(seen.process.pid, signal.SIGINT)
        assert seen.end() == 130
        assert "running on worker1" in seen.rest
        assert f"the job goes on: dffmpeg-client job watch {job_id}" in seen.rest
    assert status(cluster, job_id) == "running"
    with Seen(command(cluster, "job", "watch", job_id), 60) as seen:
        seen.until(lambda: "running on worker1" in seen.screen)
        os.kill(seen.process.pid, signal.SIGTERM)
        assert seen.end() == -signal.SIGTERM
        assert b"\x1b[?25h\x1b[?1049l" in seen.written
    cancel(cluster, job_id)


def test_a_job_that_fails(cluster: Cluster) -> None:
    job_id = submit(cluster, ["-i", "nothing.there", "-f", "null", "-"])
    with Seen(command(cluster, "job", "watch", job_id), 80) as seen:
        code = seen.end()
        assert "failed" in seen.rest
    local = cluster.run("-i", "nothing.there", "-f", "null", "-").returncode
    assert code == local != 0
    for form in ((), ("--quiet",), ("--json",)):
        ended = subprocess.run(
            command(cluster, "job", "watch", job_id, *form), capture_output=True, check=False, timeout=GUARD
        )
        assert (ended.returncode, ended.stderr) == (code, b"")
        if form == ("--quiet",):
            assert ended.stdout == b""
        elif form == ("--json",):
            told = json.loads(ended.stdout)
            assert (told["event"], told["data"]["exit_code"]) == ("job", code)
        else:
            assert re.fullmatch(
                rf"[0-9:]{{8}} job {job_id} failed \(exit code {code}\) on worker1.*\n", ended.stdout.decode()
            )


@pytest.mark.parametrize("place", ["pipe", "dumb"])
def test_lines_where_nobody_can_draw(cluster: Cluster, place: str) -> None:
    job_id = submit(cluster, SLOW, name="lines")
    argv = command(cluster, "job", "watch", job_id)
    if place == "dumb":
        with Seen(argv, 80, TERM="dumb") as seen:
            seen.until(lambda: b"left" in seen.written)
            cancel(cluster, job_id)
            assert seen.end() == 124
            text = seen.written.decode().replace("\r\n", "\n")
    else:
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            text = read_until(process, "", "left")
            cancel(cluster, job_id)
            text += process.communicate(timeout=GUARD)[0]
            assert process.returncode == 124
    assert f"job {job_id} running on worker1 (lines)" in text
    assert f"job {job_id} canceled" in text
    assert all(line.isprintable() for line in text.splitlines())


def read_until(process: subprocess.Popen[str], text: str, wanted: str) -> str:
    """What was said so far, and what is said until this is among it."""
    while wanted not in text:
        line = read_line(process.stdout)
        assert line, f"it ended before it said {wanted!r}: {text}"
        text += line
    return text


def test_a_coordinator_that_goes_and_comes_back(tmp_path: Path) -> None:
    with Cluster(tmp_path, "--workers", "1") as cluster:
        job_id = submit(cluster, SLOW)
        argv = command(cluster, "job", "watch", job_id)
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            text = read_until(process, "", "running on")
            cluster.kill("coordinator")
            text = read_until(process, text, "connection lost")
            cluster.start("coordinator")
            text = read_until(process, text, "connected again")
            cancel(cluster, job_id)
            text += process.communicate(timeout=GUARD)[0]
            assert process.returncode == 124
        assert f"job {job_id} canceled" in text
        assert text.count("connection lost") == 1


@pytest.mark.parametrize(
    ("arguments", "key", "code", "text"),
    [
        (("job", "watch", "01JNONE"), None, 122, "there is no job 01JNONE"),
        (("job", "watch", "../x"), None, 120, "not the name of a job"),
        (("status", "--watch"), "A" * 43 + "=", 122, "signature"),
        (("status", "--watch", "01J"), None, 120, "job watch 01J"),
        (("status", "--quiet"), None, 120, "needs --watch"),
    ],
)
def test_what_is_wrong_is_one_line(
    cluster: Cluster, tmp_path: Path, arguments: tuple[str, ...], key: str | None, code: int, text: str
) -> None:
    argv = command(cluster, *arguments)
    if key is not None:
        wrong = tmp_path / "client.toml"
        wrong.touch(0o600)
        right = (cluster.data / "client.toml").read_text()
        wrong.write_text(re.sub(r'hmac_key = ".*"', f'hmac_key = "{key}"', right))
        argv[argv.index("--config") + 1] = str(wrong)
    ended = subprocess.run(argv, capture_output=True, check=False, text=True, timeout=GUARD)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert re.fullmatch(rf"dffmpeg: .*{re.escape(text)}.*\n", ended.stderr)


def test_nobody_answers(cluster: Cluster, tmp_path: Path) -> None:
    config = tmp_path / "client.toml"
    config.touch(0o600)
    right = (cluster.data / "client.toml").read_text()
    config.write_text(re.sub(r'coordinator_url = ".*"', 'coordinator_url = "http://127.0.0.1:9"', right))
    for arguments in (("status", "--watch"), ("job", "watch", "01J")):
        argv = [sys.executable, "-m", "dffmpeg.client", "--config", str(config), *arguments]
        ended = subprocess.run(argv, capture_output=True, check=False, text=True, timeout=GUARD)
        assert (ended.returncode, ended.stdout) == (121, "")
        assert re.fullmatch(r"dffmpeg: .*cannot connect.*\n", ended.stderr)
