"""The description against a coordinator that runs: all that it allows is answered as it says, nothing fails.

schemathesis makes requests out of /openapi.json, some that fit and some that do not. Each is signed by a role
that may call the route. Routes without an end, and WebSockets, have tests of their own.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import requests
import schemathesis
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dffmpeg.store import StoreSettings, open_store
from dffmpeg.wire import signature
from dffmpeg.wire.jobs import SubmitRequest
from dffmpeg.wire.workers import RegisterRequest
from tests.cluster.kit import GUARD
from tests.web.conftest import KEYS
from tests.web.live import identity

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
ENDLESS = ("/api/v1/events",)
EXAMPLES = 8


class Signed(requests.auth.AuthBase):
    """Signs a request as it is sent."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        body = prepared.body or b""
        assert isinstance(body, str | bytes)
        content = body.encode() if isinstance(body, str) else body
        parts = urlsplit(str(prepared.url))
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        key = KEYS[self._name][1]
        made = signature.sign(self._name, key, str(prepared.method), target, content, now=time.time())
        prepared.headers.update(made)
        return prepared


class Server:
    """A coordinator's process, with identities in its database."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._listening = threading.Event()
        self.port = 0
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(r"listening on \S+ port (\d+)", line):
                self.port = int(found[1])
                self._listening.set()

    @property
    def url(self) -> str:
        assert self._listening.wait(GUARD), self.lines
        return f"http://127.0.0.1:{self.port}"

    def post(self, name: str, path: str, body: bytes) -> dict[str, Any]:
        answer = requests.post(self.url + path, data=body, auth=Signed(name), timeout=GUARD)
        assert answer.ok, answer.text
        return dict(answer.json())

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(GUARD) == 0, self.lines
        self._reader.join(GUARD)


@contextmanager
def coordinator(folder: Path) -> Iterator[Server]:
    database = folder / "x.db"
    config = folder / "coordinator.toml"
    config.write_text(f'port = 0\n[database.engine_defaults.sqlite]\npath = "{database}"\n')

    async def add_identities() -> None:
        async with open_store(StoreSettings(engine_defaults={"sqlite": {"path": str(database)}})) as store:
            for name in KEYS:
                await store.identities.add(identity(name))

    trio.run(add_identities)
    command = [sys.executable, "-m", "dffmpeg.coordinator", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        server = Server(process)
        try:
            yield server
            server.stop()
        finally:
            process.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with coordinator(tmp_path_factory.mktemp("contract")) as running:
        running.post(
            "worker",
            "/worker/register",
            msgspec.json.encode(
                RegisterRequest(
                    worker_id="worker", binaries=["ffmpeg"], supported_transports=["http_polling"]
                )
            ),
        )
        yield running
        # A defect leaves a traceback, also where its answer was lost.
    assert not [line for line in running.lines if "Traceback" in line or " ERROR " in line], running.lines


def prepared(case: Case[Any], server: Server, mode: GenerationMode) -> None:
    """Let the request mean something that is there, and let it not wait."""
    if mode is GenerationMode.POSITIVE and "job_id" in case.path_parameters:
        submitted = server.post(
            "client",
            "/api/v1/jobs/submit",
            msgspec.json.encode(SubmitRequest(binary_name="ffmpeg", supported_transports=["http_polling"])),
        )
        case.path_parameters["job_id"] = submitted["job_id"]
    if mode is GenerationMode.POSITIVE and "worker_id" in case.path_parameters:
        case.path_parameters["worker_id"] = "worker"
    if "wait" in case.query:
        case.query["wait"] = 0
    elif case.path.startswith("/api/v1/poll/"):
        case.query = {**case.query, "wait": 0}
    if isinstance(case.body, dict) and isinstance(case.body.get("wait"), int | float):
        case.body["wait"] = 0


def caller_of(operation: Any) -> str | None:
    """Who calls a route: the first role that may."""
    roles = operation.definition.raw.get("x-roles")
    return None if roles is None else str(roles[0])


def test_whatever_is_asked_is_answered_as_it_is_described(server: Server) -> None:
    document = requests.get(f"{server.url}/openapi.json", timeout=GUARD).json()
    schema = schemathesis.openapi.from_dict(document)
    asked: dict[str, set[int]] = {}
    wrong: list[str] = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if operation.path in ENDLESS:
            continue
        caller = caller_of(operation)
        statuses = asked.setdefault(operation.label, set())
        for mode in GenerationMode:
            try:
                ask(server, operation, mode, caller, statuses)
            except FailureGroup as failures:
                wrong += [f"{operation.label} ({mode}): {one}" for one in failures.exceptions]
    assert not wrong, "\n\n".join(wrong)
    assert len(asked) > 40
    # Most were understood, and not only refused.
    assert sum(any(status < 400 for status in statuses) for statuses in asked.values()) > 25, asked


def ask(server: Server, operation: Any, mode: GenerationMode, caller: str | None, statuses: set[int]) -> None:
    """Make some requests, and note how they were answered."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def each(case: Case[Any]) -> None:
        prepared(case, server, mode)
        signed = None if caller is None else Signed(caller)
        answer = case.call(base_url=server.url, auth=signed, timeout=GUARD)
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    # Of a route that takes nothing, no request is wrong.
    with suppress(Unsatisfiable):
        each()
