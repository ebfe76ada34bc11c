"""`config check` finds what would fail at the start, and names what this machine has not got."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.admin.conftest import Admin

CONNECTION = f'coordinator_url = "http://localhost:8000"\nclient_id = "me"\nhmac_key = "{"A" * 43}="\n'


@pytest.mark.parametrize(
    ("process", "text", "said"),
    [
        ("coordinator", '[database]\nengine = "oracle"', "there is no engine 'oracle'; installed: "),
        (
            "coordinator",
            '[database]\nengine = "mariadb"',
            "x.toml: database.engine: there is no engine 'mariadb', did you mean \"mysql\"?",
        ),
        (
            "coordinator",
            '[database.repositories.jobs]\nengine = "postgres"',
            "database.repositories.jobs.engine: there is no engine 'postgres', did you mean \"postgresql\"?",
        ),
        (
            "coordinator",
            '[transports]\nenabled_transports = ["mqtt"]\n[transports.transport_settings.mtqq]\nhost = "h"',
            "transports.transport_settings.mtqq: there is no such transport, did you mean",
        ),
        ("coordinator", '[transports]\nenabled_transports = ["pigeon"]', "there is no transport 'pigeon'"),
        (
            "coordinator",
            "[transports.transport_settings.websocket]\nspeed = 1",
            "transports.transport_settings.websocket.speed: unknown key",
        ),
        (
            "coordinator",
            '[database.repositories.auth]\nencryption_keys_file = "no.keys"',
            "database.repositories.auth.encryption_keys_file: ",
        ),
        (
            "coordinator",
            '[database.repositories.auth]\nencryption_keys_file = "broken.keys"',
            "database.repositories.auth: an encryption key is not a Fernet key",
        ),
        (
            "worker",
            CONNECTION + 'transports = ["pigeon"]',
            "transports: there is no transport 'pigeon'; installed: ",
        ),
        (
            "client",
            CONNECTION + 'transports = ["websoket"]',
            "transports[0]: expected one of websocket,",
        ),
    ],
)
def test_what_would_not_start(admin: Admin, folder: Path, process: str, text: str, said: str) -> None:
    (folder / "broken.keys").write_text("nonsense\n")
    file = folder / "x.toml"
    file.write_text(text)
    file.chmod(0o600)
    assert said in admin("config", "check", process, "x.toml", status=2)


@pytest.mark.parametrize(
    ("process", "text", "said"),
    [
        ("worker", CONNECTION + "[binaries]", "binaries: none, so no job can run here"),
        ("worker", CONNECTION + '[binaries]\nx = "/no/x"', "binaries.x: there is no program /no/x here"),
        (
            "worker",
            CONNECTION + '[substitutions]\nh264_qsv = "h264_qsv"',
            "substitutions.h264_qsv: it stands in for itself",
        ),
        (
            "client",
            CONNECTION + '[job]\nrequire = ["hwaccel=nvenc"]',
            "job.require[0]: no accelerator nvenc is known; there are amf, cuda,",
        ),
        (
            "client",
            CONNECTION + '[fallback.binaries]\nx = "/no/x"',
            "fallback.binaries.x: there is no",
        ),
        ("coordinator", "[scheduling.resources]\nnvenc = []", "scheduling.resources.nvenc: no patterns"),
        ("coordinator", "[leases]\nworker = 5", "leases.worker: less than leases.worker_disconnect"),
    ],
)
def test_what_may_be_a_mistake(admin: Admin, folder: Path, process: str, text: str, said: str) -> None:
    file = folder / "x.toml"
    file.write_text(text)
    file.chmod(0o600)
    assert f"warning: {said}" in admin("config", "check", process, "x.toml")
