"""`dffmpeg-admin token`: what a new worker joins by."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import pytest
import trio

from dffmpeg.actors.coordinator.store_settings import store_settings
from dffmpeg.configuration import load
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.model.identities import Role
from dffmpeg.model.sessions import JOIN, Token, digest_of
from dffmpeg.store import open_store
from dffmpeg.wire import joining, times
from tests.admin.conftest import Admin


def stored(secret: str) -> Token | None:
    async def run() -> Token | None:
        settings = store_settings(load(CoordinatorConfig, "coordinator", None))
        async with open_store(settings, upgrade=False) as store:
            return await store.tokens.get(digest_of(secret), JOIN, time.time())

    return trio.run(run)


def test_a_token_is_shown_once_with_the_command_to_run(admin: Admin, folder: Path) -> None:
    secret, valid, command = admin("token", "create").splitlines()
    assert valid == "good once, for 1h; on the worker's machine:"
    assert shlex.split(command) == [
        "dffmpeg-worker", "join", "http://127.0.0.1:8123", secret, "--path", "NAME=DIR",
    ]  # fmt: skip
    token = stored(secret)
    assert token is not None
    assert (token.role, token.client_id, token.verifier) == (Role.WORKER, None, joining.verifier_of(secret))
    assert secret not in admin("token", "list") + str(admin.json("token", "list"))
    for file in folder.glob("dffmpeg.db*"):
        assert secret.encode() not in file.read_bytes()


def test_a_token_may_be_for_one_name_some_networks_and_a_time(admin: Admin) -> None:
    before = time.time()
    made = admin.json(
        "token",
        "create",
        "--name",
        "w7",
        "--valid",
        "2h",
        "--network",
        "10.0.0.0/8",
        "--url",
        "https://m.example",
    )
    secret = made["token"]
    assert made["command"] == f"dffmpeg-worker join https://m.example {secret} --id w7 --path NAME=DIR"
    assert before <= times.from_wire(made["expires_at"]) - 7200 <= time.time()
    token = stored(secret)
    assert token is not None
    assert (token.client_id, token.allowed_networks) == ("w7", ("10.0.0.0/8",))
    listed = admin.json("token", "list")
    assert listed == [
        {key: value for key, value in made.items() if key not in ("token", "command")} | {"used_by": None}
    ]
    assert listed[0]["id"] == digest_of(secret)[:12]
    assert admin("token", "list").splitlines()[1].startswith(f"{listed[0]['id']}  worker  w7    10.0.0.0/8  ")


def test_a_token_can_be_taken_back(admin: Admin) -> None:
    assert "there is no database yet" in admin("token", "list", status=1)
    secret = admin("token", "create").splitlines()[0]
    short = digest_of(secret)[:12]
    assert f'did you mean "{short}"?' in admin("token", "delete", short[:11], status=3)
    assert admin("token", "delete", short) == f"deleted {short}\n"
    assert stored(secret) is None
    assert admin("token", "list") == "there are no tokens\n"
    assert "there are no tokens" in admin("token", "delete", short, status=3)


@pytest.mark.parametrize("role", ["client", "admin", "viewer", "king"])
def test_tokens_are_for_workers(admin: Admin, role: str) -> None:
    assert "dffmpeg-admin user add" in admin("token", "create", "--role", role, status=2)


def test_what_cannot_be_is_one_line(admin: Admin, folder: Path) -> None:
    admin("user", "add", "w1", "--role", "worker")
    assert "there is a user w1 already" in admin("token", "create", "--name", "w1", status=4)
    assert "expected letters" in admin("token", "create", "--name", "a b", status=2)
    assert "--valid: at most 30d" in admin("token", "create", "--valid", "31d", status=2)
    assert "expected a network" in admin("token", "create", "--network", "home", status=2)
    assert "--url: expected a URL" in admin("token", "create", "--url", "media", status=2)
    (folder / "dffmpeg-coordinator.toml").write_text('host = "0.0.0.0"\n')
    assert "--url: expected where the worker has the coordinator" in admin("token", "create", status=2)


def test_tokens_are_encrypted_as_keys_are(admin: Admin, folder: Path) -> None:
    secret = admin("token", "create").splitlines()[0]
    (folder / "dffmpeg-coordinator.toml").write_text(
        'port = 8123\n[database.repositories.auth]\nencryption_keys_file = "auth.keys"\n'
    )
    first, second = (admin.json("security", "generate-key")["encryption_key"] for _ in range(2))
    for keys in (first, f"{second}\n{first}"):
        (folder / "auth.keys").write_text(keys)
        admin("security", "re-encrypt", "--batch", "1")
    (folder / "auth.keys").write_text(second)
    token = stored(secret)
    assert token is not None
    assert token.verifier == joining.verifier_of(secret)
