"""`dffmpeg-admin token …`: what a new worker joins by, once; straight on the database, as `user` is."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Sequence
from typing import Any

from dffmpeg import tables
from dffmpeg.admin import written
from dffmpeg.admin.output import answer
from dffmpeg.admin.recording import record
from dffmpeg.admin.statuses import NotDone, NotThere
from dffmpeg.admin.users import configured, networks_of, with_store
from dffmpeg.configuration.checks.values import did_you_mean
from dffmpeg.errors import BadInput
from dffmpeg.model import durations
from dffmpeg.model.identities import Role
from dffmpeg.model.sessions import JOIN, Token, digest_of
from dffmpeg.store import Store
from dffmpeg.wire import joining, times

LONGEST = 30 * 86_400.0
"""Seconds for which a token may be good."""

MOST = 1000
"""Tokens that are listed."""

SHORT = 12
"""Characters of a digest by which a token is named."""


def create(options: argparse.Namespace) -> None:
    """Print a token and how it is used; only what it is checked by is kept."""
    if options.role != Role.WORKER:
        raise BadInput("--role: tokens are for workers; `dffmpeg-admin user add` adds everybody else")
    if options.valid > LONGEST:
        raise BadInput(f"--valid: at most {durations.show(LONGEST)}")
    config = configured(options)
    url = written.url_of("--url", options.url, config, "where the worker has the coordinator")
    secret, now = joining.new_token(), time.time()
    token = Token(
        digest=digest_of(secret),
        purpose=JOIN,
        client_id=None if options.name is None else written.check_id(options.name),
        role=Role.WORKER,
        allowed_networks=networks_of(options.network),
        created_at=now,
        expires_at=now + options.valid,
        verifier=joining.verifier_of(secret),
    )

    async def run(store: Store) -> None:
        if token.client_id is not None and await store.identities.get(token.client_id) is not None:
            raise NotDone(f"there is a user {token.client_id} already")
        await store.tokens.add(token)
        await record(store, "token.create", token.digest[:SHORT], role=token.role, name=token.client_id)

    with_store(config, run, new=True)
    command = ["dffmpeg-worker", "join", url, secret]
    command += [] if token.client_id is None else ["--id", token.client_id]
    line = f"{shlex.join(command)} --path NAME=DIR"
    text = f"{secret}\ngood once, for {durations.show(options.valid)}; on the worker's machine:\n{line}"
    answer(options, {**_shown(token), "token": secret, "command": line}, text)


def list_all(options: argparse.Namespace) -> None:
    """List the tokens of which it is known, used ones too."""

    async def run(store: Store) -> Sequence[Token]:
        return await store.tokens.list(JOIN, MOST)

    shown = [_shown(token) for token in with_store(configured(options), run)]
    heads = ("ID", "ROLE", "NAME", "NETWORKS", "EXPIRES", "USED BY")
    rows = [
        [
            one["id"],
            one["role"],
            one["name"],
            ", ".join(one["networks"]) or "anywhere",
            tables.moment(one["expires_at"]),
            one["used_by"],
        ]
        for one in shown
    ]
    answer(options, shown, tables.table(heads, rows, empty="there are no tokens"))


def delete(options: argparse.Namespace) -> None:
    """Delete a token: who has joined by it stays."""

    async def run(store: Store) -> None:
        known = {one.digest[:SHORT]: one.digest for one in await store.tokens.list(JOIN, MOST)}
        if options.id not in known or not await store.tokens.delete(known[options.id]):
            hint = did_you_mean(options.id, known) if known else "; there are no tokens"
            raise NotThere(f"there is no token {options.id!r}{hint}")
        await record(store, "token.delete", options.id)

    with_store(configured(options), run)
    answer(options, {"id": options.id, "deleted": True}, f"deleted {options.id}")


def _shown(token: Token) -> dict[str, Any]:
    return {
        "id": token.digest[:SHORT],
        "role": None if token.role is None else str(token.role),
        "name": token.client_id,
        "networks": list(token.allowed_networks),
        "expires_at": times.to_wire(token.expires_at),
        "used_by": token.used_by,
    }
