"""`dffmpeg-admin login-link`: a link that signs in whoever opens it first."""

from __future__ import annotations

import argparse
import time

from dffmpeg.admin import written
from dffmpeg.admin.output import answer
from dffmpeg.admin.recording import record
from dffmpeg.admin.statuses import NotDone, NotThere
from dffmpeg.admin.users import configured, the_user, with_store
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.model import sessions
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.sessions import LOGIN, Token
from dffmpeg.store import Store
from dffmpeg.wire import times


def link(options: argparse.Namespace) -> None:
    """Print a link that is good once, for some minutes; straight on the database, as `user` is."""
    config = configured(options)
    if not config.web_dashboard_enabled:
        raise NotDone("there is nothing to sign in at: web_dashboard_enabled is false")
    url = _url(options, config).rstrip("/")
    secret, now = sessions.new_secret(), time.time()

    async def run(store: Store) -> Token:
        identity = await _only_admin(store) if options.who is None else await the_user(store, options.who)
        if identity.role is Role.WORKER:
            raise NotDone(f"{identity.client_id} is a worker: those do not sign in")
        if not identity.keys(now):
            raise NotDone(f"{identity.client_id} has expired; see user set-expiry")
        token = Token(
            digest=sessions.digest_of(secret),
            purpose=LOGIN,
            client_id=identity.client_id,
            role=identity.role,
            created_at=now,
            expires_at=now + options.minutes * 60.0,
        )
        await store.tokens.add(token)
        await record(store, "session.login_link", identity.client_id, minutes=options.minutes)
        return token

    token = with_store(config, run)
    made = f"{url}/status#/sign-in?link={secret}"
    shown = {"id": token.client_id, "link": made, "expires_at": times.to_wire(token.expires_at)}
    answer(options, shown, made)


async def _only_admin(store: Store) -> Identity:
    admins = [one for one in await store.identities.list() if one.role is Role.ADMIN]
    if len(admins) == 1:
        return admins[0]
    if not admins:
        raise NotThere(
            "there is no administrator: `dffmpeg-admin user add ID --role admin` adds one, --as names another"
        )
    names = ", ".join(one.client_id for one in admins)
    raise NotDone(f"there is more than one administrator; --as names the one to sign in: {names}")


def _url(options: argparse.Namespace, config: CoordinatorConfig) -> str:
    origins = config.security.dashboard_origins
    given = origins[0] if options.url is None and origins else options.url
    return written.url_of("--url", given, config, "where the browser has the coordinator")
