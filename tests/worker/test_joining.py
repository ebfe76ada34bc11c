"""`dffmpeg-worker join`, as far as it needs no coordinator; and what one says who does not know the token."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from dffmpeg.worker.main import main

TOKEN = "join-" + "t" * 43


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DFFMPEG_WORKER_CONFIG", raising=False)
    return tmp_path


class Impostor(BaseHTTPRequestHandler):
    """Says yes to whatever it is asked."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"client_id": "w1", "role": "worker", "proof": "0" * 64}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def impostor() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Impostor) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int) -> str:
    assert main(["join", *arguments]) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("dffmpeg-worker: ")
    assert printed.err.count("\n") == 1
    return printed.err


def test_who_answers_has_to_know_the_token(
    folder: Path, impostor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "does not know the token" in said(capsys, impostor, TOKEN, "--id", "w1", status=1)
    assert not list(folder.iterdir())


WRONG = [
    (["ftp://x", TOKEN], "URL: expected a URL"),
    (["http://127.0.0.1:1", "secret"], "TOKEN: expected a token"),
    (["http://127.0.0.1:1", TOKEN, "--id", "a b"], "--id: expected letters"),
    (["http://127.0.0.1:1", TOKEN, "--path", "Movies"], "--path Movies: expected NAME=DIR"),
    (["http://127.0.0.1:1", TOKEN, "--path", "Movies=mnt"], "expected an absolute directory"),
    (["http://127.0.0.1:1", TOKEN, "--config", "no/w.toml"], "no/w.toml: there is no such folder"),
    (["https://127.0.0.1:1", TOKEN, "--cafile", "no.pem"], "tls.cafile"),
]


@pytest.mark.parametrize(("arguments", "why"), WRONG)
def test_what_makes_no_sense_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    assert why in said(capsys, *arguments, status=2)
    assert not list(folder.iterdir())


def test_a_file_that_is_there_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "w.toml").write_text("mine")
    line = said(capsys, "http://127.0.0.1:1", TOKEN, "--config", "w.toml", status=2)
    assert f"{folder}/w.toml: exists already; --force overwrites it" in line


def test_nobody_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot connect" in said(capsys, "http://127.0.0.1:1", TOKEN, status=1)


def test_without_tls_it_warns_unless_it_stays_on_this_machine(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dffmpeg.worker.joining import warn_if_clear

    for url in ("http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost", "https://media.example"):
        warn_if_clear(url)
    assert capsys.readouterr().err == ""
    for url in ("http://192.168.0.10:8000", "http://media.example", "http://localhost.example"):
        warn_if_clear(url)
        assert f"warning: {url} is not encrypted" in capsys.readouterr().err
