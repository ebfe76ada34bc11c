"""`dffmpeg-admin`, from the command line to the database and the files."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

from dffmpeg.actors.coordinator.store_settings import store_settings
from dffmpeg.admin import written
from dffmpeg.admin.main import main
from dffmpeg.configuration import load, parse
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.errors import ConfigurationError
from dffmpeg.model.identities import Identity, PreviousKey
from dffmpeg.store import StoreSettings, open_store
from dffmpeg.wire import times
from dffmpeg.wire.signature import decode_key
from tests.admin.conftest import Admin, at_a_terminal

FOR_EVER = {"expires_at": None, "old_key_until": None}


def test_a_user_is_added_with_a_key_that_is_shown_once(admin: Admin) -> None:
    said = admin("user", "add", "player")
    key = said.partition('hmac_key = "')[2].partition('"')[0]
    assert said.startswith("player (client)")
    assert decode_key(key) == admin.key("player")
    assert key not in admin("user", "show", "player")
    assert key not in admin("user", "list")
    assert key in admin("user", "list", "--show-key")


def test_asking_for_users_makes_no_database(admin: Admin, folder: Path) -> None:
    for command in (("list",), ("show", "player"), ("delete", "player", "--yes")):
        assert "dffmpeg.db: there is no database yet" in admin("user", *command, status=1)
    assert not (folder / "dffmpeg.db").exists()


def test_a_list_is_by_id(admin: Admin) -> None:
    admin("db", "migrate")
    assert admin("user", "list") == "there are no users\n"
    assert admin.json("user", "list") == []
    admin("user", "add", "b", "--role", "worker", "--network", "10.0.0.0/8", "--network", "::1")
    admin("user", "add", "a", "--role", "admin")
    assert admin.json("user", "list") == [
        {"id": "a", "role": "admin", "networks": [], **FOR_EVER},
        {"id": "b", "role": "worker", "networks": ["10.0.0.0/8", "::1"], **FOR_EVER},
    ]
    assert admin("user", "list").splitlines() == [
        "ID  ROLE    NETWORKS         EXPIRES  OLD KEY UNTIL",
        "a   admin   anywhere         -        -",
        "b   worker  10.0.0.0/8, ::1  -        -",
    ]


def test_a_workers_configuration_can_be_written(admin: Admin, folder: Path) -> None:
    said = admin("user", "add", "w1", "--role", "worker", "--write-config", "w1.toml", "--path", "M=/srv/m")
    config = parse(WorkerConfig, (folder / "w1.toml").read_bytes(), folder / "w1.toml")
    assert (config.coordinator_url, config.client_id) == ("http://127.0.0.1:8123", "w1")
    assert config.paths == {"M": "/srv/m"}
    assert decode_key(config.hmac_key) == admin.key("w1")
    assert config.hmac_key not in said
    assert stat.S_IMODE((folder / "w1.toml").stat().st_mode) == 0o600


def test_a_clients_configuration_can_be_written(admin: Admin, folder: Path) -> None:
    admin("user", "add", "c", "--write-config", "c.toml", "--coordinator-url", "https://x.example/dffmpeg")
    config = parse(ClientConfig, (folder / "c.toml").read_bytes(), folder / "c.toml")
    assert config.coordinator_url == "https://x.example/dffmpeg"


def test_a_file_that_cannot_be_written_adds_no_user(admin: Admin, folder: Path) -> None:
    (folder / "there.toml").write_text("mine")
    assert "exists already" in admin("user", "add", "c", "--write-config", "there.toml", status=2)
    assert "no such folder" in admin("user", "add", "c", "--write-config", "no/c.toml", status=2)
    assert (folder / "there.toml").read_text() == "mine"
    assert not (folder / "dffmpeg.db").exists()


def test_without_an_address_of_its_own_a_coordinator_must_be_told_one(admin: Admin, folder: Path) -> None:
    (folder / "dffmpeg-coordinator.toml").write_text('host = "0.0.0.0"\n')
    assert "--coordinator-url" in admin("user", "add", "c", "--write-config", "c.toml", status=2)
    (folder / "dffmpeg-coordinator.toml").write_text('host = "::1"\n')
    admin("user", "add", "c", "--write-config", "c.toml")
    assert 'coordinator_url = "http://[::1]:8000"' in (folder / "c.toml").read_text()


def test_a_rotated_key_replaces_the_old_one_in_its_file_and_nothing_else(admin: Admin, folder: Path) -> None:
    admin("user", "add", "w1", "--role", "worker", "--write-config", "w1.toml")
    file = folder / "w1.toml"
    file.write_text(file.read_text().replace("#slots = 2", "slots = 7 # mine"))
    file.chmod(0o600)
    before, old = file.read_text(), admin.key("w1")
    admin("user", "rotate-key", "w1", "--write-config", "w1.toml")
    new = admin.key("w1")
    assert new != old
    config = parse(WorkerConfig, file.read_bytes(), file)
    assert (decode_key(config.hmac_key), config.slots) == (new, 7)
    changed = [
        (a, b) for a, b in zip(before.splitlines(), file.read_text().splitlines(), strict=True) if a != b
    ]
    assert [a.split(" = ")[0] for a, _ in changed] == ["hmac_key"]


def test_a_key_is_not_rotated_into_somebody_elses_file(admin: Admin, folder: Path) -> None:
    admin("user", "add", "a", "--write-config", "a.toml")
    admin("user", "add", "b")
    key, text = admin.key("b"), (folder / "a.toml").read_text()
    assert "expected b, got a" in admin("user", "rotate-key", "b", "--write-config", "a.toml", status=2)
    assert admin.key("b") == key
    assert (folder / "a.toml").read_text() == text


def test_a_rotated_key_is_shown_or_written_anew(admin: Admin, folder: Path) -> None:
    admin("user", "add", "a")
    said = admin("user", "rotate-key", "a")
    assert decode_key(said.partition('hmac_key = "')[2].partition('"')[0]) == admin.key("a")
    admin("user", "rotate-key", "a", "--write-config", "a.toml")
    config = parse(ClientConfig, (folder / "a.toml").read_bytes(), folder / "a.toml")
    assert decode_key(config.hmac_key) == admin.key("a")


def test_a_rotated_key_may_leave_the_old_one_good_for_a_time(admin: Admin) -> None:
    admin("user", "add", "a")
    old, before = admin.key("a"), time.time()
    said = admin("user", "rotate-key", "a", "--overlap", "1d")
    assert "\nthe old key is good until " in said
    until = times.from_wire(admin.json("user", "show", "a")["old_key_until"])
    assert before <= until - 86_400 <= time.time()
    identity = stored("a")
    assert identity.previous is not None
    assert identity.previous.key == old
    assert abs(identity.previous.until - until) < 0.001
    assert identity.key == admin.key("a") != old
    # Of three keys the oldest ends, whatever was said before.
    admin("user", "rotate-key", "a", "--overlap", "1h")
    second = stored("a").previous
    assert second is not None
    assert second.key == identity.key
    assert "the old key" not in admin("user", "rotate-key", "a")
    assert stored("a").previous is None


def test_a_file_that_cannot_be_written_leaves_both_keys_as_they_were(
    admin: Admin, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin("user", "add", "a")
    admin("user", "rotate-key", "a", "--overlap", "1d")
    before = stored("a")

    def full(*_: object, **__: object) -> None:
        raise ConfigurationError("no space left on device")

    monkeypatch.setattr(written, "write_file", full)
    command = ("user", "rotate-key", "a", "--overlap", "1h", "--expires", "1d", "--write-config", "a.toml")
    assert "no space left" in admin(*command, status=2)
    assert stored("a") == before


def test_an_overlap_that_is_over_is_not_shown(admin: Admin) -> None:
    admin("user", "add", "a")

    async def rotate() -> None:
        async with open_store(settings(), upgrade=False) as store:
            await store.identities.set_key("a", b"n" * 32, PreviousKey(b"o" * 32, time.time() - 1))

    trio.run(rotate)
    assert admin.json("user", "show", "a")["old_key_until"] is None


def test_users_may_have_an_end(admin: Admin) -> None:
    before = time.time()
    shown = admin.json("user", "add", "a", "--expires", "90d")
    assert before <= times.from_wire(shown["expires_at"]) - 90 * 86_400 <= time.time()
    said = admin("user", "set-expiry", "a", "--expires", "2098-01-31T18:00Z")
    assert said.startswith("a may come until 2098-0")
    assert admin.json("user", "show", "a")["expires_at"] == "2098-01-31T18:00:00.000000+00:00"
    assert "2098-0" in admin("user", "list")
    key = admin.key("a")
    admin("user", "rotate-key", "a", "--expires", "2099-01-01")
    assert admin.key("a") != key
    assert admin.json("user", "show", "a")["expires_at"] == "2099-01-01T00:00:00.000000+00:00"
    # A key alone changes nothing about it.
    admin("user", "rotate-key", "a", "--overlap", "1h")
    assert admin.json("user", "show", "a")["expires_at"] == "2099-01-01T00:00:00.000000+00:00"
    assert admin("user", "set-expiry", "a", "--never") == "a may come for ever\n"
    assert admin.json("user", "show", "a")["expires_at"] is None


def settings() -> StoreSettings:
    return store_settings(load(CoordinatorConfig, "coordinator", None))


def stored(name: str) -> Identity:
    async def run() -> Identity | None:
        async with open_store(settings(), upgrade=False) as store:
            return await store.identities.get(name)

    found = trio.run(run)
    assert found is not None
    return found


def test_scopes_are_set_and_taken_away(admin: Admin) -> None:
    admin("user", "add", "a")
    assert admin("user", "set-scope", "a", "--network", "10.0.0.0/8") == "a may come from 10.0.0.0/8\n"
    assert admin.json("user", "show", "a")["networks"] == ["10.0.0.0/8"]
    assert admin("user", "set-scope", "a", "--any") == "a may come from anywhere\n"
    assert admin.json("user", "show", "a") == {"id": "a", "role": "client", "networks": [], **FOR_EVER}


def test_where_nobody_can_answer_nothing_is_asked_and_nothing_done(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin("user", "add", "a")
    with open(os.devnull) as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        assert "Delete client a?" in admin("user", "delete", "a", status=2)
        assert len(admin.json("user", "list")) == 1
        assert admin("user", "delete", "a", "--yes") == "deleted a\n"
    assert admin.json("user", "list") == []


@pytest.mark.parametrize(("typed", "left"), [("y\n", 0), ("yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_deleting_asks_at_a_terminal(admin: Admin, typed: str, left: int) -> None:
    admin("user", "add", "a")
    done = at_a_terminal("user", "delete", "a", typed=typed)
    assert "Delete client a? [y/N]" in done.stderr
    assert done.returncode == (4 if left else 0)
    assert done.stdout == ("" if left else "deleted a\n")
    assert len(admin.json("user", "list")) == left


def test_options_stand_before_or_behind_the_command(admin: Admin, folder: Path) -> None:
    os.rename(folder / "dffmpeg-coordinator.toml", folder / "other.toml")
    admin("--config", "other.toml", "user", "add", "a")
    assert json.loads(admin("user", "list", "-c", "other.toml", "--json")) == json.loads(
        admin("--json", "-c", "other.toml", "user", "list")
    )


def test_stored_keys_can_be_encrypted(admin: Admin, folder: Path) -> None:
    (folder / "dffmpeg-coordinator.toml").write_text(
        '[database.repositories.auth]\nencryption_keys_file = "auth.keys"\n'
    )
    assert "auth.keys: No such file" in admin("user", "list", status=2)
    (folder / "auth.keys").write_text("# nothing yet\n")
    assert "holds no key" in admin("user", "list", status=2)
    (folder / "auth.keys").write_text(f"# mine\n\n{'A' * 43}=\n")
    admin("user", "add", "a")
    assert len(admin.key("a")) == 32


@pytest.mark.parametrize("process", ["coordinator", "worker", "client"])
def test_a_configuration_is_begun_once(admin: Admin, folder: Path, process: str) -> None:
    printed = admin("config", "init", process)
    admin("config", "init", process, "--output", "new.toml")
    assert (folder / "new.toml").read_text() == printed
    assert "--force" in admin("config", "init", process, "--output", "new.toml", status=2)
    admin("config", "init", process, "--output", "new.toml", "--force")
    wide = stat.S_IMODE((folder / "new.toml").stat().st_mode) & 0o077
    assert bool(wide) == (process == "coordinator")


def test_a_configuration_is_checked(admin: Admin, folder: Path) -> None:
    assert admin("config", "check", "coordinator") == f"{folder}/dffmpeg-coordinator.toml: ok\n"
    admin("user", "add", "w", "--role", "worker", "--write-config", "w.toml", "--path", "M=/nowhere/at/all")
    assert "warning: paths.M: there is no directory" in admin("config", "check", "worker", "w.toml")
    (folder / "w.toml").write_text((folder / "w.toml").read_text() + "\n[extra]\n")
    assert "extra: unknown key" in admin("config", "check", "worker", "w.toml", status=2)


WRONG = [
    (["user"], 2, "ACTION"),
    (["users", "list"], 2, "invalid choice"),
    (["user", "add"], 2, "id"),
    (["user", "add", ""], 2, "expected letters"),
    (["user", "add", "a b"], 2, "expected letters"),
    (["user", "add", "a", "--role", "king"], 2, "invalid choice: 'king'"),
    (["user", "add", "a", "--network", "home"], 2, "expected a network"),
    (["user", "add", "a", "--network", "10.0.0.1/8"], 2, "did you mean 10.0.0.0/8?"),
    (["user", "add", "a", "--coordinator-url", "http://x"], 2, "--write-config"),
    (["user", "add", "a", "--write-config", "f", "--coordinator-url", "x"], 2, "expected a URL"),
    (["user", "add", "a", "--write-config", "f", "--path", "x"], 2, "expected NAME=DIR"),
    (["user", "add", "a", "--write-config", "f", "--path", "x=y"], 2, "expected an absolute directory"),
    (["user", "add", "a", "--write-config", "f", "--path", "x=/"], 2, "not '/' itself"),
    (["user", "show", "nobody"], 3, "there is no user 'nobody'"),
    (["user", "delete", "nobody", "--yes"], 3, "there is no user 'nobody'"),
    (["user", "rotate-key", "nobody"], 3, "there is no user 'nobody'"),
    (["user", "set-scope", "nobody", "--any"], 3, "there is no user 'nobody'"),
    (["user", "set-expiry", "nobody", "--never"], 3, "there is no user 'nobody'"),
    (["user", "set-expiry", "a"], 2, "--expires --never is required"),
    (["user", "set-expiry", "a", "--expires", "soon"], 2, "expected a time from now"),
    (["user", "set-expiry", "a", "--expires", "2020-01-01"], 2, "a moment that has not come yet"),
    (["user", "add", "a", "--expires", "0"], 2, "expected a time from now"),
    (["user", "rotate-key", "a", "--overlap", "2y"], 2, "expected a duration"),
    (["user", "set-scope", "a"], 2, "--network --any is required"),
    (["user", "set-scope", "a", "--any", "--network", "::1"], 2, "not allowed with"),
    (["--config", "none.toml", "user", "list"], 2, "none.toml: no such file"),
    (["--config", ".", "user", "list"], 2, "Is a directory"),
    (["config", "init", "king"], 2, "invalid choice"),
    (["config", "init", "worker", "--output", "no/where.toml"], 2, "No such file"),
    (["config", "check", "worker"], 2, "no worker configuration"),
    (["tree"], 2, "no client configuration"),
    (["tree", "--offline"], 2, "needs a running coordinator"),
    (["job", "cancel", "J", "--offline", "--yes"], 2, "job cancel needs a running coordinator"),
    (["job", "retry", "J", "--offline"], 2, "needs a running coordinator"),
    (["job", "priority", "J", "1", "--offline"], 2, "needs a running coordinator"),
    (["job", "show"], 2, "JOB"),
    (["job", "list", "--state", "asleep"], 2, "invalid choice: 'asleep'"),
    (["job", "list", "--window", "-1"], 2, "expected a duration"),
    (["job", "list", "--limit", "0"], 2, "expected a whole number"),
    (["completion", "tcsh"], 2, "invalid choice"),
]


@pytest.mark.parametrize(("arguments", "status", "expected"), WRONG)
def test_what_a_user_gets_wrong_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, expected: str
) -> None:
    main(["db", "migrate"])
    capsys.readouterr()
    try:
        got = main(arguments)
    except SystemExit as end:
        got = int(end.code or 0)
    said = capsys.readouterr()
    assert (got, said.out) == (status, "")
    assert said.err.startswith("dffmpeg-admin")
    assert said.err.count("\n") == 1
    assert expected in said.err


def test_a_coordinator_that_is_not_there_is_one_line(admin: Admin, folder: Path) -> None:
    admin(
        "user",
        "add",
        "a",
        "--role",
        "admin",
        "--write-config",
        "a.toml",
        "--coordinator-url",
        "http://[::1]:1",
    )
    assert "http://[::1]:1" in admin("tree", "--client-config", "a.toml", status=5)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["user", "show", "nobody"], 3), (["--config", "none", "user", "list"], 2), (["frob"], 2)],
)
def test_a_real_process_says_one_line(folder: Path, arguments: list[str], status: int) -> None:
    main(["db", "migrate"])
    command = [sys.executable, "-m", "dffmpeg.admin", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("dffmpeg-admin: ")
    assert done.stderr.count("\n") == 1
