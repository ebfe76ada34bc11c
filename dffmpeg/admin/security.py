"""`dffmpeg-admin security …`: how users' keys are encrypted in the database."""

from __future__ import annotations

import argparse

import trio
from cryptography.fernet import Fernet

from dffmpeg.actors.coordinator.store_settings import store_settings
from dffmpeg.admin.output import answer, confirm
from dffmpeg.admin.recording import record
from dffmpeg.configuration import load
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.store import open_store, upkeeps


def generate_key(options: argparse.Namespace) -> None:
    """Print a new encryption key, for `encryption_keys_file`."""
    key = Fernet.generate_key().decode("ascii")
    answer(options, {"encryption_key": key}, key)


def re_encrypt(options: argparse.Namespace) -> None:
    """Encrypt with the first encryption key what another one encrypted, or none.

    A batch is a transaction, so it may be interrupted and begun again.
    """
    settings = store_settings(load(CoordinatorConfig, "coordinator", options.config))
    if any(database.in_use() for database in upkeeps(settings)):
        confirm(
            options,
            "The database is in use. Was its coordinator started with the encryption keys as they are now?",
        )

    async def run() -> tuple[int, int]:
        users = changed = 0
        last = ""
        async with open_store(settings, upgrade=False) as store:
            while True:
                batch = await store.identities.reseal(last, options.batch)
                users, changed, last = users + batch.looked_at, changed + batch.changed, batch.last
                if batch.looked_at < options.batch:
                    break
            last, more = "", True
            # What is kept of join tokens is a key's worth, too.
            while more:
                tokens = await store.tokens.reseal(last, options.batch)
                last, more = tokens.last, tokens.looked_at == options.batch
            await record(store, "security.re_encrypt", users=users, changed=changed)
            return users, changed

    users, changed = trio.run(run)
    now = (
        "encrypted with the first encryption key" if settings.encryption_keys else "as they are: none is set"
    )
    answer(
        options,
        {"users": users, "changed": changed},
        f"changed {changed} of {users} users' keys; now all are {now}",
    )
