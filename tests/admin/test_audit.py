"""`dffmpeg-admin audit`, and that commands straight on the database leave entries."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from dffmpeg.actors.coordinator.store_settings import store_settings
from dffmpeg.admin.main import COMMANDS
from dffmpeg.admin.recording import local_user
from dffmpeg.configuration import load
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.model.audit import AuditEntry, Outcome, Via
from dffmpeg.model.jobs import JobState
from dffmpeg.store import Store, open_store
from tests.admin.conftest import Admin
from tests.conformance.rows import job

LEAVE = {
    ("user", "add"): "user.add",
    ("user", "rotate-key"): "user.rotate_key",
    ("user", "set-scope"): "user.networks",
    ("user", "set-expiry"): "user.expiry",
    ("token", "create"): "token.create",
    ("token", "delete"): "token.delete",
    ("user", "delete"): "user.delete",
    ("login-link",): "session.login_link",
    ("security", "re-encrypt"): "security.re_encrypt",
    ("db", "migrate"): "database.migrate",
    ("db", "copy"): "database.copy",
    ("job", "purge"): "job.purge",
    ("worker", "remove"): "worker.remove",
    ("queue", "pause"): "queue.pause",
    ("queue", "resume"): "queue.resume",
}
"""What commands on the database leave; most go through the coordinator where there is one, which does it."""

READ = {
    *((subject, verb) for subject in ("job", "worker", "user") for verb in ("list", "show")),
    ("token", "list"),
    *(("db", verb) for verb in ("check", "backup")),
    *(("config", verb) for verb in ("init", "check")),
    *{("status",), ("tree",), ("audit",), ("completion",), ("job", "logs"), ("job", "why")},
    *{("queue", "status"), ("janitor", "list"), ("security", "generate-key")},
}

ONLINE = {
    *(("job", verb) for verb in ("cancel", "retry", "priority")),
    *(("worker", verb) for verb in ("pause", "drain", "quarantine", "resume", "probe")),
    *(command for command in COMMANDS if command[0] == "janitor" and command[1] != "list"),
}
"""These go through the coordinator, always."""


def test_of_each_command_it_is_said_what_it_leaves() -> None:
    assert LEAVE.keys() | READ | ONLINE == COMMANDS.keys()


def kept(admin: Admin, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.json("--offline", "audit", *arguments)
    return found


def newest(admin: Admin) -> tuple[str, str | None, Mapping[str, Any]]:
    entry = kept(admin, "--limit", "1")[0]
    assert (entry["actor"], entry["via"], entry["address"]) == (local_user(), "machine", None)
    assert (entry["outcome"], entry["request_id"]) == ("done", None)
    return entry["action"], entry["subject"], entry["details"]


def on_database(work: Any) -> None:
    async def run() -> None:
        settings = store_settings(load(CoordinatorConfig, "coordinator", None))
        async with open_store(settings, upgrade=False) as store:
            await work(store)

    trio.run(run)


@pytest.fixture(autouse=True)
def no_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)


def test_users_keys_and_links(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    key = admin.json("user", "add", "root", "--role", "admin")["hmac_key"]
    assert newest(admin) == ("user.add", "root", {"role": "admin"})
    admin("user", "add", "alice", "--network", "10.0.0.0/8")
    assert newest(admin) == ("user.add", "alice", {"role": "client", "networks": "10.0.0.0/8"})
    other = admin.json("user", "rotate-key", "alice")["hmac_key"]
    assert newest(admin) == ("user.rotate_key", "alice", {})
    admin("user", "set-scope", "alice", "--any")
    assert newest(admin) == ("user.networks", "alice", {"networks": "none"})
    later = "2099-01-01T00:00:00+00:00"
    until = admin.json("user", "set-expiry", "alice", "--expires", later)["expires_at"]
    assert newest(admin) == ("user.expiry", "alice", {"until": until})
    admin("user", "rotate-key", "alice", "--overlap", "1h")
    action, subject, details = newest(admin)
    assert (action, subject, list(details)) == ("user.rotate_key", "alice", ["old_key_until"])
    token = admin.json("token", "create", "--role", "worker", "--name", "w1", "--url", "https://example.org")
    assert newest(admin) == ("token.create", token["id"], {"role": "worker", "name": "w1"})
    admin("token", "delete", token["id"])
    assert newest(admin) == ("token.delete", token["id"], {})
    link = admin("login-link", "--minutes", "5")
    assert newest(admin) == ("session.login_link", "root", {"minutes": 5})
    monkeypatch.setenv("SUDO_USER", "carol")
    admin("user", "delete", "alice", "--yes")
    assert newest(admin) == ("user.delete", "alice", {"sudo": "carol", "role": "client"})
    monkeypatch.delenv("SUDO_USER")
    admin("security", "re-encrypt", "--yes")
    assert newest(admin) == ("security.re_encrypt", None, {"users": 1, "changed": 0})
    said = admin("--offline", "audit", "--json")
    assert not any(
        secret in said for secret in (key, other, token["token"], link.strip().partition("link=")[2])
    )


def test_what_failed_leaves_nothing(admin: Admin) -> None:
    admin("user", "add", "root")
    before = kept(admin)
    admin("user", "add", "root", status=4)
    admin("user", "delete", "nobody", "--yes", status=3)
    admin("user", "set-scope", "root", "--network", "everywhere", status=2)
    admin("--offline", "worker", "remove", "nobody", "--yes", status=3)
    assert kept(admin) == before


def test_jobs_workers_and_the_queue_without_a_coordinator(admin: Admin) -> None:
    admin("user", "add", "root", "--role", "admin")

    async def fill(store: Store) -> None:
        await store.jobs.add(job("01K9ZQ0F7M4N2X8T6V5B3C1D0E", state=JobState.COMPLETED))

    on_database(fill)
    admin("--offline", "queue", "pause", "--reason", "new disks")
    assert newest(admin) == ("queue.pause", None, {"reason": "new disks"})
    admin("--offline", "queue", "resume")
    assert newest(admin) == ("queue.resume", None, {})
    admin("--offline", "job", "purge", "01K9ZQ0F7M4N2X8T6V5B3C1D0E", "--yes")
    assert newest(admin) == ("job.purge", "01K9ZQ0F7M4N2X8T6V5B3C1D0E", {"requester": "alice"})


def test_a_copy_has_the_trail_and_says_that_it_is_one(admin: Admin, folder: Path) -> None:
    admin("db", "migrate")
    assert newest(admin)[0] == "database.migrate"
    admin("db", "migrate")
    assert len(kept(admin)) == 1
    admin("user", "add", "root", "--role", "admin")
    other = '[database.engine_defaults.sqlite]\npath = "other.db"\n'
    (folder / "other.toml").write_text(other)
    admin("db", "copy", "--to", "other.toml")
    found = kept(admin, "--config", "other.toml")
    assert [entry["action"] for entry in found] == ["database.copy", "user.add", "database.migrate"]


def test_filters_and_what_people_read(admin: Admin) -> None:
    assert "there is no database yet" in admin("--offline", "audit", status=1)
    admin("user", "add", "root", "--role", "admin")
    now = time.time()

    async def fill(store: Store) -> None:
        for number in range(3):
            await store.audit.add(
                AuditEntry(
                    entry_id=f"0000000000000000000000000{number}",
                    at=now - 86_400 * (3 - number),
                    actor="alice",
                    via=Via.SESSION,
                    address="10.0.0.7",
                    action="worker.drain",
                    subject="w1",
                    outcome=Outcome.REFUSED,
                    details={"reason": "new\ndisks"},
                )
            )

    on_database(fill)
    assert len(kept(admin)) == 4
    assert len(kept(admin, "--by", "alice")) == 3
    assert len(kept(admin, "--by", "alice", "--limit", "2")) == 2
    assert len(kept(admin, "--action", "worker")) == 3
    assert len(kept(admin, "--action", "worker.pause")) == 0
    assert len(kept(admin, "--since", "36h", "--by", "alice")) == 1
    said = admin("--offline", "audit")
    assert said.startswith("WHEN")
    assert said.count("\n") == 5
    assert "the coordinator's machine" in said
    assert "10.0.0.7" in said
    assert "reason: new\\ndisks" in said
    assert "nothing of the kind" in admin("--offline", "audit", "--by", "nobody")
