"""A job's spans as a collector gets them from a whole cluster: one trace, from the caller to the hook."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dffmpeg.model.jobs import JobState
from tests.cluster.collector import Collector, Received
from tests.cluster.kit import GUARD, Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg]

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
ENCODE = ["-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=1", "-c:v", "mpeg4", "-f", "null", "-"]
HOOK_SECRET = "0123456789abcdef0123456789abcdef0123"


def prepare(folder: Path, more: str = "") -> None:
    """Configure a cluster that exports, by starting it once."""
    with Cluster(folder, "--workers", "1"):
        pass
    for file in (folder / "data").glob("*.toml"):
        if file.stem not in ("client", "admin"):
            add(file, "telemetry", f"enabled = true\n{more}")


def add(file: Path, section: str, lines: str) -> None:
    """Add lines to a section of a configuration, which has all of them."""
    text = file.read_text()
    assert f"\n[{section}]\n" in text
    file.write_text(text.replace(f"\n[{section}]\n", f"\n[{section}]\n{lines}\n"))


def call(cluster: Cluster, *arguments: str, traceparent: str) -> int:
    """Call the stand-in as a program of that trace does."""
    return subprocess.run(
        [cluster.data / "bin" / "ffmpeg", *arguments],
        cwd=cluster.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=GUARD,
        env={**os.environ, "DFFMPEG_NO_AGENT": "1", "TRACEPARENT": traceparent},
    ).returncode


@contextmanager
def receiver() -> Iterator[tuple[str, list[str]]]:
    """Takes hooks' calls; the traceparent of each."""
    told: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            told.append(self.headers["traceparent"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks/", told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def only(spans: list[Received], name: str) -> Received:
    found = [span for span in spans if span.name == name]
    assert len(found) == 1, spans
    return found[0]


def test_a_job_is_one_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path)
    with Collector() as collector, receiver() as (url, told):
        coordinator, client = tmp_path / "data" / "coordinator.toml", tmp_path / "data" / "client.toml"
        add(coordinator, "hooks", f'allowed = ["{url}"]\nsecret = "{HOOK_SECRET}"')
        add(client, "job", f'hooks = ["{url}?token=hidden"]')
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=collectors-own")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        with Cluster(tmp_path, "--workers", "1") as cluster:
            assert call(cluster, *ENCODE, traceparent=f"00-{TRACE}-{CALLER}-01") == 0
            # A job, its wait, its attempt, its program, and a call for each of its four states.
            spans = collector.spans(8)
        assert {header["x-api-key"] for header in collector.headers} == {"collectors-own"}
    assert {span.trace for span in spans} == {TRACE}
    assert len({span.id for span in spans}) == len(spans)
    job, wait = only(spans, "job ffmpeg"), only(spans, "wait in queue")
    attempt, program = only(spans, "attempt"), only(spans, "run ffmpeg")
    assert (job.parent, wait.parent, attempt.parent) == (CALLER, job.id, job.id)
    assert program.parent == attempt.id
    assert [span.service for span in (job, wait, attempt, program)] == [
        "dffmpeg-coordinator",
        "dffmpeg-coordinator",
        "dffmpeg-worker",
        "dffmpeg-worker",
    ]
    assert (attempt.instance, attempt.kind) == ("worker1", "CONSUMER")
    assert job.begin == pytest.approx(wait.begin)
    assert wait.end <= attempt.end
    assert attempt.begin <= program.begin < program.end <= attempt.end
    assert job.attributes["dffmpeg.job.state"] == JobState.COMPLETED
    assert program.attributes["process.exit.code"] == 0
    calls = [span for span in spans if span.name == "POST webhook"]
    assert len(calls) == 4
    assert {span.parent for span in calls} == {job.id}
    assert {span.kind for span in calls} == {"CLIENT"}
    assert {f"00-{TRACE}-{span.id}-01" for span in calls} == set(told)
    assert not any(span.failed for span in spans)
    # Neither arguments nor what stands in a hook's query.
    assert not any("testsrc2" in repr(span) or "hidden" in repr(span) for span in spans)


def test_errors_arguments_and_traces_that_nobody_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path, "command_lines = true\n")
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "transcoding")
        with Cluster(tmp_path, "--workers", "1") as cluster:
            assert call(cluster, *ENCODE, traceparent=f"00-{TRACE}-{CALLER}-00") == 0
            # No trace at all: the job begins one.
            code = call(cluster, "-i", "nothing.there", "-f", "null", "-", traceparent="nonsense")
            assert code != 0
        # What had not been sent was sent at the end.
        spans = collector.spans(4)
    assert len(spans) == 4
    assert {span.service for span in spans} == {"transcoding"}
    job, program = only(spans, "job ffmpeg"), only(spans, "run ffmpeg")
    assert job.parent == ""
    assert job.trace == program.trace != TRACE
    for span in (job, program):
        assert span.failed
        assert span.attributes["process.exit.code"] == code
        assert span.attributes["error.type"] == "exit_code"
        assert f"exit code {code}" in span.text
    assert "nothing.there" in str(program.attributes["process.command_line"])
    assert not only(spans, "attempt").failed


def test_programs_do_not_see_the_exporters_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=collectors-own")
    with Cluster(tmp_path, "--workers", "1") as cluster:
        arguments = ["-v", "error", "-f", "data", "-i", "/proc/self/environ", "-map", "0", "-f", "data", "-"]
        ended = cluster.run(*arguments)
    assert b"PATH=" in ended.stdout
    assert b"OTEL_" not in ended.stdout


def test_a_missing_extra_is_one_line_that_says_what_to_install(tmp_path: Path) -> None:
    config = tmp_path / "coordinator.toml"
    config.write_text(
        f'[database.engine_defaults.sqlite]\npath = "{tmp_path}/db"\n[telemetry]\nenabled = true\n'
    )
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from dffmpeg.coordinator.main import main; sys.exit(main())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=GUARD,
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "pip install 'dffmpeg[opentelemetry]'" in ended.stderr


def test_a_collector_that_is_not_there_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with Cluster(tmp_path, "--workers", "1") as cluster:
        assert cluster.run(*ENCODE).returncode == 0
    assert cluster.process.returncode == 0
