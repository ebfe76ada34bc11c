"""`dffmpeg-admin user …`: straight on the database, also while the coordinator runs.

A running coordinator remembers identities for a few seconds only. There is no other way, on
purpose: over the API new keys would travel, and without TLS anybody on the way could read them.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import trio

from dffmpeg import tables
from dffmpeg.actors.coordinator.store_settings import store_settings
from dffmpeg.admin import written
from dffmpeg.admin.database import existing
from dffmpeg.admin.output import answer, confirm
from dffmpeg.admin.statuses import NotDone, NotThere
from dffmpeg.configuration import load
from dffmpeg.configuration.checks.values import check_network, did_you_mean
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.errors import BadInput, ConfigurationError
from dffmpeg.model.identities import Identity, Role
from dffmpeg.store import Store, open_store
from dffmpeg.wire.signature import encode_key, generate_key

T = TypeVar("T")


def add(options: argparse.Namespace) -> None:
    """Add a user with a new key; print the key, or write it into a configuration."""
    config = _config(options)
    identity = Identity(
        client_id=written.check_id(options.id),
        role=Role(options.role),
        key=generate_key(),
        allowed_networks=_networks(options.network),
    )
    file = written.planned(options, config, identity)

    async def run(store: Store) -> None:
        if await store.identities.get(identity.client_id) is not None:
            raise NotDone(f"there is a user {identity.client_id} already")
        await store.identities.add(identity)
        try:
            if file is not None:
                file.write(identity.key)
        except ConfigurationError:
            # Nobody knows its key.
            await store.identities.delete(identity.client_id)
            raise

    _with_store(config, run, new=True)
    _answer_key(options, identity, file)


def rotate_key(options: argparse.Namespace) -> None:
    """Give a user a new key; print it, or write it into a configuration."""
    config = _config(options)
    key = generate_key()

    async def run(store: Store) -> tuple[Identity, written.Planned | None]:
        identity = await _get(store, options.id)
        file = written.planned(options, config, identity)
        await store.identities.set_key(identity.client_id, key)
        try:
            if file is not None:
                file.write(key)
        except ConfigurationError:
            await store.identities.set_key(identity.client_id, identity.key)
            raise
        return identity, file

    identity, file = _with_store(config, run)
    _answer_key(options, replace(identity, key=key), file)


def list_all(options: argparse.Namespace) -> None:
    """List all users."""

    async def run(store: Store) -> Sequence[Identity]:
        return await store.identities.list()

    identities = sorted(_with_store(_config(options), run), key=lambda identity: identity.client_id)
    shown = [_shown(identity, show_key=options.show_key) for identity in identities]
    heads = ("ID", "ROLE", "NETWORKS", "KEY") if options.show_key else ("ID", "ROLE", "NETWORKS")
    rows = [[_cell(value) for value in user.values()] for user in shown]
    answer(options, shown, tables.table(heads, rows, empty="there are no users"))


def show(options: argparse.Namespace) -> None:
    """Show one user."""
    identity = _with_store(_config(options), lambda store: _get(store, options.id))
    shown = _shown(identity, show_key=options.show_key)
    answer(options, shown, tables.fields([(key, _cell(value)) for key, value in shown.items()]))


def set_scope(options: argparse.Namespace) -> None:
    """Say from where a user may come."""
    networks = _networks(None if options.any else options.network)

    async def run(store: Store) -> None:
        identity = await _get(store, options.id)
        await store.identities.set_scope(identity.client_id, networks)

    _with_store(_config(options), run)
    text = f"{options.id} may come from {', '.join(networks) or 'anywhere'}"
    answer(options, {"id": options.id, "networks": list(networks)}, text)


def delete(options: argparse.Namespace) -> None:
    """Delete a user."""

    async def run(store: Store) -> None:
        identity = await _get(store, options.id)
        confirm(options, f"Delete {identity.role} {identity.client_id}?")
        await store.identities.delete(identity.client_id)

    _with_store(_config(options), run)
    answer(options, {"id": options.id, "deleted": True}, f"deleted {options.id}")


def _config(options: argparse.Namespace) -> CoordinatorConfig:
    return load(CoordinatorConfig, "coordinator", options.config)


def _with_store(config: CoordinatorConfig, work: Callable[[Store], Awaitable[T]], *, new: bool = False) -> T:
    """Do something with the database.

    Args:
        new: whether to make one where there is none yet.
    """
    settings = store_settings(config)

    async def run() -> T:
        if not new:
            await existing(settings)
        async with open_store(settings, upgrade=False) as store:
            return await work(store)

    return trio.run(run)


async def _get(store: Store, name: str) -> Identity:
    identity = await store.identities.get(name)
    if identity is None:
        names = [one.client_id for one in await store.identities.list()]
        hint = did_you_mean(name, names) if names else "; there are no users"
        raise NotThere(f"there is no user {name!r}{hint}")
    return identity


def _networks(networks: Sequence[str] | None) -> tuple[str, ...]:
    if networks is None:
        return ()
    try:
        return tuple(check_network("--network", network) for network in networks)
    except ValueError as error:
        raise BadInput(str(error)) from None


def _shown(identity: Identity, *, show_key: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": identity.client_id,
        "role": str(identity.role),
        "networks": list(identity.allowed_networks),
    }
    return {**shown, "hmac_key": encode_key(identity.key)} if show_key else shown


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return ", ".join(value) or "anywhere"


def _answer_key(options: argparse.Namespace, identity: Identity, file: written.Planned | None) -> None:
    shown = _shown(identity, show_key=file is None)
    if file is not None:
        text = f"{identity.client_id} ({identity.role}): wrote {file.path}"
        shown["file"] = str(file.path)
    else:
        text = f'{identity.client_id} ({identity.role})\nhmac_key = "{shown["hmac_key"]}"'
    answer(options, shown, text)
