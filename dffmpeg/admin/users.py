"""`dffmpeg-admin user …`: straight on the database, also while the coordinator runs.

A running coordinator remembers identities for a few seconds only. There is no other way, on
purpose: over the API new keys would travel, and without TLS anybody on the way could read them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import trio

from dffmpeg import tables
from dffmpeg.actors.coordinator.store_settings import store_settings
from dffmpeg.admin import written
from dffmpeg.admin.database import existing
from dffmpeg.admin.output import answer, confirm
from dffmpeg.admin.recording import record
from dffmpeg.admin.statuses import NotDone, NotThere
from dffmpeg.configuration import load
from dffmpeg.configuration.checks.values import check_network, did_you_mean
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.errors import BadInput, ConfigurationError
from dffmpeg.model.identities import Identity, PreviousKey, Role
from dffmpeg.store import Store, open_store
from dffmpeg.wire import times
from dffmpeg.wire.signature import encode_key, generate_key

T = TypeVar("T")


def add(options: argparse.Namespace) -> None:
    """Add a user with a new key; print the key, or write it into a configuration."""
    config = configured(options)
    identity = Identity(
        client_id=written.check_id(options.id),
        role=Role(options.role),
        key=generate_key(),
        allowed_networks=networks_of(options.network),
        created_at=time.time(),
        expires_at=options.expires,
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
        networks = identity.allowed_networks
        await record(
            store,
            "user.add",
            identity.client_id,
            role=identity.role,
            networks=networks or None,
            until=_wire(identity.expires_at),
        )

    with_store(config, run, new=True)
    _answer_key(options, identity, file)


def rotate_key(options: argparse.Namespace) -> None:
    """Give a user a new key; print it, or write it into a configuration.

    The old one ends at once, or with the overlap; one before it, whose overlap has not ended, ends at once.
    """
    config = configured(options)
    key, now = generate_key(), time.time()

    async def run(store: Store) -> tuple[Identity, written.Planned | None]:
        identity = await the_user(store, options.id)
        file = written.planned(options, config, identity)
        previous = None if options.overlap is None else PreviousKey(identity.key, now + options.overlap)
        await store.identities.set_key(identity.client_id, key, previous)
        try:
            if file is not None:
                file.write(key)
        except ConfigurationError:
            await store.identities.set_key(identity.client_id, identity.key, identity.previous)
            raise
        changed = replace(identity, key=key, previous=previous)
        if options.expires is not None:
            await store.identities.set_expiry(identity.client_id, options.expires)
            changed = replace(changed, expires_at=options.expires)
        old = None if previous is None else _wire(previous.until)
        await record(
            store, "user.rotate_key", identity.client_id, old_key_until=old, until=_wire(options.expires)
        )
        return changed, file

    identity, file = with_store(config, run)
    _answer_key(options, identity, file)


def list_all(options: argparse.Namespace) -> None:
    """List all users."""

    async def run(store: Store) -> Sequence[Identity]:
        return await store.identities.list()

    identities = sorted(with_store(configured(options), run), key=lambda identity: identity.client_id)
    shown = [_shown(identity, show_key=options.show_key) for identity in identities]
    heads = ("ID", "ROLE", "NETWORKS", "EXPIRES", "OLD KEY UNTIL", *(("KEY",) if options.show_key else ()))
    rows = [list(_cells(user).values()) for user in shown]
    answer(options, shown, tables.table(heads, rows, empty="there are no users"))


def show(options: argparse.Namespace) -> None:
    """Show one user."""
    identity = with_store(configured(options), lambda store: the_user(store, options.id))
    shown = _shown(identity, show_key=options.show_key)
    answer(options, shown, tables.fields(list(_cells(shown).items())))


def set_scope(options: argparse.Namespace) -> None:
    """Say from where a user may come."""
    networks = networks_of(None if options.any else options.network)

    async def run(store: Store) -> None:
        identity = await the_user(store, options.id)
        await store.identities.set_scope(identity.client_id, networks)
        await record(store, "user.networks", identity.client_id, networks=networks)

    with_store(configured(options), run)
    text = f"{options.id} may come from {', '.join(networks) or 'anywhere'}"
    answer(options, {"id": options.id, "networks": list(networks)}, text)


def set_expiry(options: argparse.Namespace) -> None:
    """Say until when a user may come."""
    expires_at: float | None = options.expires

    async def run(store: Store) -> None:
        identity = await the_user(store, options.id)
        await store.identities.set_expiry(identity.client_id, expires_at)
        await record(store, "user.expiry", identity.client_id, until=_wire(expires_at))

    with_store(configured(options), run)
    wire = _wire(expires_at)
    text = f"{options.id} may come {'for ever' if wire is None else f'until {tables.moment(wire)}'}"
    answer(options, {"id": options.id, "expires_at": wire}, text)


def delete(options: argparse.Namespace) -> None:
    """Delete a user."""

    async def run(store: Store) -> None:
        identity = await the_user(store, options.id)
        confirm(options, f"Delete {identity.role} {identity.client_id}?")
        await store.identities.delete(identity.client_id)
        await record(store, "user.delete", identity.client_id, role=identity.role)

    with_store(configured(options), run)
    answer(options, {"id": options.id, "deleted": True}, f"deleted {options.id}")


def configured(options: argparse.Namespace) -> CoordinatorConfig:
    """The coordinator's configuration, which says where the database is."""
    return load(CoordinatorConfig, "coordinator", options.config)


def with_store(config: CoordinatorConfig, work: Callable[[Store], Awaitable[T]], *, new: bool = False) -> T:
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


async def the_user(store: Store, name: str) -> Identity:
    """A user; raises NotThere."""
    identity = await store.identities.get(name)
    if identity is None:
        names = [one.client_id for one in await store.identities.list()]
        hint = did_you_mean(name, names) if names else "; there are no users"
        raise NotThere(f"there is no user {name!r}{hint}")
    return identity


def networks_of(networks: Sequence[str] | None) -> tuple[str, ...]:
    """What `--network` says; raises BadInput."""
    if networks is None:
        return ()
    try:
        return tuple(check_network("--network", network) for network in networks)
    except ValueError as error:
        raise BadInput(str(error)) from None


def _shown(identity: Identity, *, show_key: bool) -> dict[str, Any]:
    until = None if identity.previous is None else identity.previous.until
    shown: dict[str, Any] = {
        "id": identity.client_id,
        "role": str(identity.role),
        "networks": list(identity.allowed_networks),
        "expires_at": _wire(identity.expires_at),
        "old_key_until": _wire(None if until is None or until <= time.time() else until),
    }
    return {**shown, "hmac_key": encode_key(identity.key)} if show_key else shown


def _wire(moment: float | None) -> str | None:
    return None if moment is None else times.to_wire(moment)


def _cells(shown: dict[str, Any]) -> dict[str, Any]:
    """The same for people, in the same order; what is not there is None."""
    moments = {name: tables.moment(shown[name]) for name in ("expires_at", "old_key_until")}
    return {**shown, "networks": ", ".join(shown["networks"]) or "anywhere", **moments}


def _answer_key(options: argparse.Namespace, identity: Identity, file: written.Planned | None) -> None:
    shown = _shown(identity, show_key=file is None)
    if file is not None:
        text = f"{identity.client_id} ({identity.role}): wrote {file.path}"
        shown["file"] = str(file.path)
    else:
        text = f'{identity.client_id} ({identity.role})\nhmac_key = "{shown["hmac_key"]}"'
    if identity.previous is not None:
        text += f"\nthe old key is good until {tables.moment(shown['old_key_until'])}"
    answer(options, shown, text)
