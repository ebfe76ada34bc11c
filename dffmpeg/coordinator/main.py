"""`dffmpeg-coordinator`: the API, the scheduler and the dashboard."""

from __future__ import annotations

import argparse
import logging
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
import trio

from dffmpeg import __version__, command_line, logs
from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.actors.coordinator.refusals import Unavailable
from dffmpeg.actors.coordinator.services import Services
from dffmpeg.actors.coordinator.store_settings import store_settings
from dffmpeg.actors.coordinator.tree_topic import TreeTopic
from dffmpeg.configuration import load, locate, naming
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.errors import ConfigurationError
from dffmpeg.latency import favor_latency
from dffmpeg.store import StoreSettings, StoreUnavailable, upkeeps
from dffmpeg.supervisors import TreeHandle, TreeNode, open_tree
from dffmpeg.supervisors.coordinator import coordinator_services, coordinator_tree
from dffmpeg.telemetry.export import telemetry
from dffmpeg.transports.plugins import server_downlinks
from dffmpeg.web.app import create_app
from dffmpeg.web.authentication import People
from dffmpeg.web.server import WebServer

log = logging.getLogger("dffmpeg.coordinator")

GIVE_AWAY = 10.0
"""Seconds in which the other coordinators take over what this one looks after."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the coordinator until SIGTERM or SIGINT.

    Returns:
        0 after a clean stop, 1 if it could not start or its tree could not be
        healed, 2 for a configuration that cannot be used, also as another coordinator
        uses what it names.
    """
    options = _parser().parse_args(arguments)
    return command_line.run("dffmpeg-coordinator", lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = command_line.Parser(
        prog="dffmpeg-coordinator",
        description="Queues jobs, gives them to workers, and tells their callers how they fare.",
    )
    parser.add_argument("--config", "-c", type=Path, metavar="FILE", help="configuration file (TOML)")
    parser.add_argument("--host", help="address to listen on, in place of the configured one")
    parser.add_argument("--port", type=int, help="port to listen on, in place of the configured one")
    parser.add_argument("--version", action="version", version=f"dffmpeg {__version__}")
    return parser


def _run(options: argparse.Namespace) -> int:
    config = _configured(options)
    wanted = config.telemetry
    with ExitStack() as claimed:
        with naming(locate("coordinator", options.config)):
            settings = store_settings(config)
            databases = upkeeps(settings)
            spans = claimed.enter_context(
                telemetry(
                    enabled=wanted.enabled,
                    command_lines=wanted.command_lines,
                    service="dffmpeg-coordinator",
                    instance=f"{socket.gethostname()}:{config.port}",
                )
            )
            services = coordinator_services(
                config,
                lambda opened: server_downlinks(
                    config.transports, lambda: opened.current.messages, opened.keys_of
                ),
                telemetry=spans,
            )
        logs.configure(config.log_level, config.log_format)
        favor_latency()
        # Around everything, restarts of the store too: two that adopt each other's jobs lose them.
        for database in databases:
            claimed.enter_context(database.claim())
        trio.run(_serve, services, settings)
    return 0


def _configured(options: argparse.Namespace) -> CoordinatorConfig:
    config = load(CoordinatorConfig, "coordinator", options.config)
    if options.host is not None:
        config = msgspec.structs.replace(config, host=options.host)
    if options.port is not None:
        if not 0 <= options.port <= 65_535:
            raise ConfigurationError(f"--port: expected 0 to 65535, got {options.port}")
        config = msgspec.structs.replace(config, port=options.port)
    return config


async def _serve(services: Services, settings: StoreSettings) -> None:
    handles: list[TreeHandle] = []

    def running() -> TreeHandle:
        if not handles:
            raise Unavailable("the coordinator is starting")
        return handles[0]

    def tree(limit: int | None = None) -> TreeNode:
        return running().tree(limit)

    def crash(path: str) -> None:
        running().crash_child(path)

    def web() -> WebServer:
        store = services.opened.current
        app = create_app(
            Operations(services),
            store.identities,
            services.config,
            tree=tree,
            crash=crash,
            neighbours=services.membership,
            claims=store.nonces,
            people=People(store.sessions, store.tokens),
        )
        return WebServer(app, services.config)

    root = coordinator_tree(services, settings, web)
    with ExitStack() as start, trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        start.enter_context(logs.failures_told_by_caller())
        async with open_tree(root, name="coordinator") as handle:
            start.close()
            handles.append(handle)
            services.events.add(TreeTopic(handle))
            log.info("coordinator %s serves", __version__)
            async for number in signals:
                log.info("%s: stopping", signal.Signals(number).name)
                break
            await _take_leave(services, signals)


async def _take_leave(services: Services, signals: AsyncIterator[int]) -> None:
    """Have load balancers notice that this coordinator goes, and give away what it looks after.

    Everything is served meanwhile.

    Args:
        signals: a further one ends the waiting.
    """
    services.leaving.set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_until_next, signals, nursery.cancel_scope)
        await trio.sleep(services.config.shutdown_delay_seconds)
        with trio.move_on_after(GIVE_AWAY) as giving:
            try:
                await services.membership.drain()
            except StoreUnavailable as error:
                log.warning("nothing was given away, the others will find out: %s", error)
        if giving.cancelled_caught:
            log.warning("not everything was given away within %g s: the others will find out", GIVE_AWAY)
        nursery.cancel_scope.cancel()


async def _until_next(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for number in signals:
        log.info("%s once more: stopping at once", signal.Signals(number).name)
        scope.cancel()
