"""How a command reaches the cluster: through the coordinator, or with `--offline` on the database itself."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable

import trio

from dffmpeg.admin import coordinator, database
from dffmpeg.admin.coordinator import Coordinator
from dffmpeg.admin.database import Database
from dffmpeg.configuration import load
from dffmpeg.configuration.checks.values import check_name
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.errors import BadInput, ConfigurationError, Refused

Cluster = Coordinator | Database
Command = Callable[[argparse.Namespace], None]


def online(work: Callable[[argparse.Namespace, Coordinator], Awaitable[None]]) -> Command:
    """A command that only a running coordinator can carry out."""

    def command(options: argparse.Namespace) -> None:
        if options.offline:
            raise BadInput(f"--offline: {' '.join(options.command)} needs a running coordinator")
        _through_coordinator(options, work)

    return command


def anyhow(
    work: Callable[[argparse.Namespace, Cluster], Awaitable[None]], *, writes: bool = False
) -> Command:
    """A command that can do with the database alone.

    Args:
        writes: whether it changes jobs or workers.
    """

    def command(options: argparse.Namespace) -> None:
        if not options.offline:
            _through_coordinator(options, work)
            return
        config = load(CoordinatorConfig, "coordinator", options.config)

        async def run() -> None:
            async with database.opened(config, writes=writes) as cluster:
                await work(options, cluster)

        trio.run(run)

    return command


def _through_coordinator(
    options: argparse.Namespace, work: Callable[[argparse.Namespace, Coordinator], Awaitable[None]]
) -> None:
    try:
        config = load(ClientConfig, "client", options.client_config)
    except ConfigurationError as error:
        if options.client_config is not None:
            raise
        raise ConfigurationError(f"--client-config: an administrator's is wanted: {error}") from None

    async def run() -> None:
        async with coordinator.connected(config) as cluster:
            try:
                await work(options, cluster)
            except Refused as error:
                if error.status != 403:
                    raise
                hint = f"{error.detail}, asked as {config.client_id}; --client-config names another user"
                raise Refused(error.status, hint) from None

    trio.run(run)


def name_of(what: str, text: str) -> str:
    """The name of a job, a worker or a user, as it may stand in a path.

    Raises:
        BadInput: it cannot be one.
    """
    try:
        return check_name(what, text)
    except ValueError as error:
        raise BadInput(str(error)) from None
