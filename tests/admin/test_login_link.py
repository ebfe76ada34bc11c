"""`dffmpeg-admin login-link`: to the database, and from there into a browser."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import trio

from dffmpeg.actors.coordinator.store_settings import store_settings
from dffmpeg.admin.main import main
from dffmpeg.configuration import load
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.model.identities import Role
from dffmpeg.model.sessions import LOGIN, Token, digest_of
from dffmpeg.store import open_store
from tests.admin.conftest import Admin


def redeemed(link: str, at: float | None = None) -> Token | None:
    secret = link.strip().partition("#/sign-in?link=")[2]

    async def run() -> Token | None:
        settings = store_settings(load(CoordinatorConfig, "coordinator", None))
        async with open_store(settings, upgrade=False) as store:
            return await store.tokens.redeem(digest_of(secret), LOGIN, time.time() if at is None else at)

    return trio.run(run)


def expire(client_id: str) -> None:
    async def run() -> None:
        settings = store_settings(load(CoordinatorConfig, "coordinator", None))
        async with open_store(settings, upgrade=False) as store:
            await store.identities.set_expiry(client_id, 1.0)

    trio.run(run)


def configure(folder: Path, text: str) -> None:
    (folder / "dffmpeg-coordinator.toml").write_text(text)


def test_the_only_administrator_is_meant(admin: Admin) -> None:
    admin("user", "add", "root", "--role", "admin")
    admin("user", "add", "alice")
    said = admin("login-link")
    assert said.startswith("http://127.0.0.1:8123/status#/sign-in?link=")
    token = redeemed(said)
    assert token is not None
    assert (token.client_id, token.role) == ("root", Role.ADMIN)
    assert redeemed(said) is None


@pytest.mark.parametrize("role", ["client", "viewer", "admin"])
def test_somebody_else_may_be_named(admin: Admin, role: str) -> None:
    admin("user", "add", "root", "--role", "admin")
    admin("user", "add", "alice", "--role", role)
    shown = admin.json(
        "login-link", "--as", "alice", "--url", "https://media.example/ffmpeg/", "--minutes", "3"
    )
    assert shown["id"] == "alice"
    assert shown["link"].startswith("https://media.example/ffmpeg/status#/sign-in?link=")
    assert redeemed(shown["link"], time.time() + 181) is None
    token = redeemed(shown["link"], time.time() + 170)
    assert token is not None
    assert token.client_id == "alice"


def test_what_cannot_be_is_one_line(admin: Admin, folder: Path) -> None:
    assert "there is no database yet" in admin("login-link", status=1)
    admin("user", "add", "worker", "--role", "worker")
    assert "user add ID --role admin" in admin("login-link", status=3)
    assert "is a worker" in admin("login-link", "--as", "worker", status=4)
    assert "there is no user 'nobody'" in admin("login-link", "--as", "nobody", status=3)
    admin("user", "add", "a", "--role", "admin")
    admin("user", "add", "b", "--role", "admin")
    expire("b")
    assert "b has expired" in admin("login-link", "--as", "b", status=4)
    admin("user", "set-expiry", "b", "--never")
    assert "--as names the one to sign in: a, b" in admin("login-link", status=4)
    assert "--url: expected a URL" in admin("login-link", "--as", "a", "--url", "media", status=2)
    configure(folder, "web_dashboard_enabled = false\n")
    assert "web_dashboard_enabled is false" in admin("login-link", "--as", "a", status=4)


@pytest.mark.parametrize("minutes", ["0", "-1", "1.5", "soon", "99999"])
def test_minutes_are_whole_and_bounded(
    folder: Path, capsys: pytest.CaptureFixture[str], minutes: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["login-link", f"--minutes={minutes}"])
    assert ended.value.code == 2
    assert "--minutes: expected minutes from 1 to 10080" in capsys.readouterr().err


def test_where_it_listens_may_not_say_enough(admin: Admin, folder: Path) -> None:
    admin("user", "add", "root", "--role", "admin")
    configure(folder, 'host = "0.0.0.0"\n')
    assert "--url: expected where the browser has the coordinator" in admin("login-link", status=2)
    configure(folder, 'host = "::"\n[security]\ndashboard_origins = ["https://media.example.org"]\n')
    assert admin("login-link").startswith("https://media.example.org/status#/sign-in?link=")
