"""`dffmpeg-client agent`, and the same as a shim starts it."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import signal
import socket
import sys
import time
from functools import partial
from pathlib import Path

import trio

from dffmpeg import logs
from dffmpeg.client import fallback
from dffmpeg.client.agent.actors import MAX_CALLS, IdleActor, ListenerActor, PoolActor
from dffmpeg.client.agent.listening import AlreadyRunning, listening
from dffmpeg.client.agent.status import Figures, all_running
from dffmpeg.client.engine.connections import Pool
from dffmpeg.client.engine.service import Service
from dffmpeg.client.session import WEBSOCKET
from dffmpeg.configuration import locate, parse, read
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.errors import ConfigurationError, DffmpegError
from dffmpeg.latency import favor_latency
from dffmpeg.shim import rendezvous
from dffmpeg.supervisors import (
    AutoShutdown,
    Backoff,
    ChildSpec,
    DynamicSupervisor,
    Restart,
    Shutdown,
    Strategy,
    Supervisor,
    SupervisorRef,
    open_tree,
)

LOG_BYTES = 1 << 20
"""The agent's own log and the one before it are no larger than this."""
_RESTART = Backoff(minimum=0.05, maximum=5.0)


def started_by_shim() -> None:
    """The process that a shim started: its only argument is the configuration. Ends when idle."""
    os.chdir("/")
    os.umask(0o077)
    file = Path(sys.argv[1])
    _log_to_file()
    try:
        config = parse(ClientConfig, read(file), file)
        if config.agent:
            run_agent(config, file, config.agent_idle)
        else:
            _not_wanted(file)
    except AlreadyRunning:
        # Several calls at once found none; one of those that they started is enough.
        return
    except DffmpegError as error:
        # Whoever called is told by its own client.
        logging.getLogger("dffmpeg.agent").error("%s", error)


def _not_wanted(file: Path) -> None:
    """Tell shims not to start one again for this configuration, which they do not read."""
    with contextlib.suppress(rendezvous.Unsafe, OSError):
        marker = rendezvous.socket_path(str(file)) + rendezvous.STARTING
        never = time.time() + 10 * 365 * 86400
        os.utime(marker, (never, never))


def _log_to_file() -> None:
    try:
        file = Path(rendezvous.directory(), "agent.log")
    except (rendezvous.Unsafe, OSError):
        # Without a place of its own it does not run either.
        return
    handler = logging.handlers.RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=1, delay=True)
    handler.setFormatter(logs.OneLine(f"%(process)d {logs.FORMAT}"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in ("httpx", "httpcore", "trio-websocket"):
        logging.getLogger(name).setLevel(logging.WARNING)


def run_agent(config: ClientConfig, file: Path, idle: float) -> None:
    """Run an agent until it is idle, or gets SIGTERM or SIGINT.

    Args:
        file: the configuration's path, by which shims find it.
        idle: seconds without a call after which it ends.

    Raises:
        AlreadyRunning: there is one.
        DffmpegError: the configuration, or the place for its socket, cannot be used.
    """
    identity = rendezvous.identity(str(file))
    with listening(file) as listener:
        favor_latency()
        trio.run(partial(_run, config, file, idle, identity, listener))


async def _run(config: ClientConfig, file: Path, idle: float, identity: str, listener: socket.socket) -> None:
    status = Path(rendezvous.directory(), f"{identity}.status")
    figures = Figures(file, identity, status)
    service = Service(config)
    service.http()
    try:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with (
                open_tree(agent_tree(service, listener, identity, figures, idle), name="agent") as tree,
                trio.open_nursery() as nursery,
            ):

                async def stop_on_signal() -> None:
                    await anext(signals)
                    tree.stop()

                nursery.start_soon(stop_on_signal)
                await tree.wait()
                nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 2.0):
            await service.aclose()


def agent_tree(
    service: Service, listener: socket.socket, identity: str, figures: Figures, idle: float
) -> Supervisor:
    """The agent's tree; it ends by itself with its row `idle`."""
    pool = Pool(service.address)
    service.connections = pool
    if WEBSOCKET in service.config.transports:
        pool.begin()
    calls = SupervisorRef.unbound("agent/calls")
    make_listener = partial(ListenerActor, listener, service, calls, identity, figures)
    children = [
        ChildSpec("pool", partial(PoolActor, pool), backoff=_RESTART, shutdown=Shutdown.BRUTAL),
        ChildSpec(
            "calls",
            partial(DynamicSupervisor, intensity=100, max_children=MAX_CALLS),
            backoff=_RESTART,
            ref=calls,
        ),
        ChildSpec(
            "idle",
            partial(IdleActor, figures, idle),
            Restart.TRANSIENT,
            significant=True,
            shutdown=Shutdown.BRUTAL,
        ),
        ChildSpec("listener", make_listener, backoff=_RESTART, shutdown=Shutdown.BRUTAL),
    ]
    return Supervisor(
        children,
        strategy=Strategy.REST_FOR_ONE,
        intensity=10,
        period=30.0,
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )


def command(config: Path | None, idle: float | None, *, status: bool) -> None:
    """`dffmpeg-client agent`.

    Raises:
        DffmpegError: as `run_agent`.
    """
    if status:
        print(tell_status(), flush=True)
        return
    file = locate("client", config)
    settings = parse(ClientConfig, read(file), file)
    logs.configure(settings.log_level, settings.log_format)
    run_agent(settings, file, settings.agent_idle if idle is None else idle)


def tell_status() -> str:
    """The agents of this user, and how often the local program ran instead."""
    try:
        found = all_running()
    except (rendezvous.Unsafe, OSError) as error:
        raise ConfigurationError(str(error)) from None
    lines = [
        f"agent {each.pid}: {each.config}, {each.calls} calls now, {each.served} served" for each in found
    ]
    with contextlib.suppress(OSError):
        lines.append(f"local fallbacks: {fallback.count()} ({fallback.log_file()})")
    return "\n".join(lines if found else ["no agent is running", *lines])
