"""`dffmpeg-worker`: runs jobs on this machine for a coordinator."""

from __future__ import annotations

import argparse
import logging
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import trio

from dffmpeg import __version__, command_line, logs
from dffmpeg.actors.runtime import ActorError
from dffmpeg.actors.worker.ability_cache import default_folder
from dffmpeg.actors.worker.attempts.messages import Drain
from dffmpeg.actors.worker.registration_messages import BeginDraining
from dffmpeg.actors.worker.sandbox import look, refuse_or_tell
from dffmpeg.actors.worker.trying import try_programs
from dffmpeg.configuration.loading import candidates, load, locate, naming
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.errors import ConfigurationError
from dffmpeg.latency import favor_latency
from dffmpeg.model.paths import PathError
from dffmpeg.supervisors import open_tree
from dffmpeg.supervisors.worker import WorkerTree, worker_tree
from dffmpeg.telemetry import Telemetry
from dffmpeg.telemetry.export import telemetry
from dffmpeg.transports import client
from dffmpeg.worker import joining
from dffmpeg.worker.sole import sole

logger = logging.getLogger("dffmpeg.worker")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker until SIGTERM or SIGINT.

    Returns:
        0 after a clean stop, 1 if its tree could not be healed, 2 for a
        configuration that cannot be used. `join`: 0 when the file is written,
        1 if it was refused or nobody answered, 2 for what makes no sense.
        `sandbox-check`: 0 if nothing is missing that is needed, else 1.
    """
    options = _parser().parse_args(arguments)
    if options.command == "sandbox-check":
        return command_line.run("dffmpeg-worker", lambda: _check_sandbox(options.config))
    if options.command == "join":
        return command_line.run("dffmpeg-worker", lambda: joining.join(options))
    return command_line.run("dffmpeg-worker", lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = command_line.Parser(
        prog="dffmpeg-worker", description="Runs jobs on this machine for a dffmpeg coordinator."
    )
    config = "configuration file (TOML)"
    parser.add_argument("--config", "-c", type=Path, metavar="FILE", help=config)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="instead of running jobs")
    joining.add(commands)
    check = commands.add_parser(
        "sandbox-check",
        help="print what this machine's kernel can see to of what jobs may touch",
        description="Print what this machine's kernel can see to of what jobs may touch, a line each, and "
        "whether the configured programs start there, if there is a configuration. Exit status 0 if they do "
        'and nothing is missing that sandbox = "required" asks for, else 1.',
    )
    # Before the word or behind it; where it is not behind it, what stands before counts.
    check.add_argument("--config", "-c", type=Path, metavar="FILE", default=argparse.SUPPRESS, help=config)
    parser.add_argument("--version", action="version", version=f"dffmpeg {__version__}")
    return parser


def _check_sandbox(file: Path | None) -> int:
    lines = list(look())
    # Without a configuration there is no worker yet, and the kernel can be asked all the same.
    if file is not None or os.environ.get("DFFMPEG_WORKER_CONFIG") or _readable_config():
        lines += try_programs(load(WorkerConfig, "worker", file))
    width = max(len(line.what) for line in lines)
    command_line.say(
        "\n".join(f"{'yes' if line.works else 'no':4} {line.what:{width}}  {line.how}" for line in lines)
    )
    return 0 if all(line.works for line in lines if line.needed) else 1


def _readable_config() -> bool:
    """Whether there is a file to use; one that holds a key is often for the worker's user alone."""
    found = next((place for place in candidates("worker") if place.is_file()), None)
    return found is not None and os.access(found, os.R_OK)


def _run(options: argparse.Namespace) -> int:
    config = load(WorkerConfig, "worker", options.config)
    logs.configure(config.log_level, config.log_format)
    folder = default_folder() if config.cache is None else Path(config.cache)
    wanted = config.telemetry
    with ExitStack() as held:
        sole_on = held.enter_context(sole(folder, config.coordinator_url, config.client_id))
        with naming(locate("worker", options.config)):
            refuse_or_tell(config)
            spans = held.enter_context(
                telemetry(
                    enabled=wanted.enabled,
                    command_lines=wanted.command_lines,
                    service="dffmpeg-worker",
                    instance=config.client_id,
                )
            )
            tree = _tree(config, sole_on, spans)
        favor_latency()
        trio.run(run, tree, config.drain_timeout)
    return 0


def _tree(config: WorkerConfig, sole_on: str | None, spans: Telemetry) -> WorkerTree:
    try:
        transports = client.load(config.transports, config.transport_settings)
        return worker_tree(config, transports, sole_on=sole_on, telemetry=spans)
    except PathError as error:
        raise ConfigurationError(str(error)) from error
    except ValueError as error:
        raise ConfigurationError(f"hmac_key: {error}") from error


async def run(worker: WorkerTree, drain_timeout: float) -> None:
    """Run the tree until SIGTERM or SIGINT: the first drains, the second stops at once.

    Args:
        drain_timeout: seconds that running jobs may take to end after the first signal.

    Raises:
        SupervisorFailure: the tree gave up.
    """
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with open_tree(worker.root, name="worker"), trio.open_nursery() as nursery:
            await anext(signals)
            nursery.start_soon(_stop_on_signal, signals, nursery.cancel_scope)
            with trio.move_on_after(drain_timeout):
                await _drain(worker)
            nursery.cancel_scope.cancel()


async def _stop_on_signal(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    await anext(signals)
    logger.info("stopping at once")
    scope.cancel()


async def _drain(worker: WorkerTree) -> None:
    logger.info("draining: running jobs may end, no new ones are taken; a second signal stops at once")
    await worker.registration.tell(BeginDraining())
    try:
        await worker.attempts.ask(Drain(), timeout=float("inf"))
    except ActorError:
        # It crashed, and with it every job that was waited for.
        logger.warning("nothing is left to drain")
