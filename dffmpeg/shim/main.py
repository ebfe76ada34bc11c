"""`ffmpeg` and `ffprobe` as a caller sees them: see docs/architecture.md, "The stand-in"."""

from __future__ import annotations

import os
import sys

from dffmpeg.shim import ending, rendezvous, signals
from dffmpeg.shim.call import Call
from dffmpeg.shim.ending import CONFIGURATION, LOST, Ending
from dffmpeg.shim.endpoint import Endpoint, EngineLost, Local, Refused
from dffmpeg.shim.own_engine import OwnEngine
from dffmpeg.shim.signals import Signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket
    from typing import NoReturn

OWN_NAMES = (b"dffmpeg_proxy", b"dffmpeg-proxy", b"proxy.py")
OWN_ENGINES = 3
"""How often an engine of our own may die before a call is given up."""
NO_AGENT = "DFFMPEG_NO_AGENT"
"""An environment variable: with a value, no agent is asked or started."""


def main(config: str | None = None) -> NoReturn:
    """Run what we are called as; ends the process.

    Args:
        config: the configuration; None searches it.
    """
    from dffmpeg.shim.closed import reserve

    signals.default_interrupt()
    argv = [os.fsencode(argument) for argument in sys.argv]
    meant = called_as(argv)
    if meant is None:
        ending.finish(Ending(CONFIGURATION, line="usage: dffmpeg_proxy PROGRAM [ARGUMENT...]"))
    program, arguments = meant
    if config is None:
        from dffmpeg.search_order import NoConfiguration, find

        try:
            config = find("client")
        except NoConfiguration as error:
            ending.finish(Ending(CONFIGURATION, line=str(error)))
    call = Call(program, arguments, config, [])
    reserve()
    run(call)


def called_as(argv: list[bytes]) -> tuple[bytes, list[bytes]] | None:
    """The program that is meant and its arguments; None where none is named."""
    name, arguments = os.path.basename(argv[0]), argv[1:]
    if name not in OWN_NAMES:
        return name, arguments
    if not arguments or arguments[0].startswith(b"-"):
        return None
    return os.path.basename(arguments[0]), arguments[1:]


def run(call: Call, *, cancels: bool = False, agent: bool = True) -> NoReturn:
    """Run a call to its end; ends the process.

    Args:
        cancels: as `Endpoint`.
        agent: whether an agent may do the work.
    """
    caught = Signals()
    caught.open()
    try:
        end = carry_out(call, caught, cancels=cancels, agent=agent and not os.environ.get(NO_AGENT))
    except Local as local:
        _become(local.path, call, caught)
    finally:
        if call.terminal is not None:
            call.terminal.close()
    ending.finish(end)


def carry_out(call: Call, caught: Signals, *, cancels: bool, agent: bool) -> Ending:
    """Run a call over as many engines as it takes: an agent's, then our own.

    Raises:
        Local: a local program is to be run instead.
    """
    endpoint = Endpoint(call, caught, cancels=cancels)
    end = None
    engine = find_agent(call) if agent else None
    if engine is not None:
        try:
            end = endpoint.run(engine)
        except (Refused, EngineLost):
            engine.close()
    left = OWN_ENGINES
    while end is None and left:
        left -= 1
        end = _run_over_own(endpoint, call, caught)
    endpoint.put_back()
    return end or Ending(LOST, line=f"job {call.job_id.decode()}: the client failed inside")


def _run_over_own(endpoint: Endpoint, call: Call, caught: Signals) -> Ending | None:
    """None: the engine died."""
    try:
        own = OwnEngine(call.config, caught)
    except OSError as error:
        return Ending(LOST, line=f"the client cannot start a process: {error.strerror}")
    over = True
    try:
        end = endpoint.run(own.socket)
        over = not end.line and endpoint.told
    except (Refused, EngineLost):
        own.socket.close()
        return None
    finally:
        # One that still has to cancel the job stays until it has.
        if over:
            own.end()
    return end


def find_agent(call: Call) -> socket | None:
    """A connection to an agent; where there is none, one is started for the calls to come."""
    try:
        call.identity = rendezvous.identity(call.config)
        path = rendezvous.socket_path(call.config)
        engine = rendezvous.connect(path)
        if engine is None:
            engine = rendezvous.connect(os.path.join(os.path.dirname(path), rendezvous.ACTIVATED))
        if engine is None:
            rendezvous.start_agent(call.config, path)
    except (OSError, rendezvous.Unsafe):
        # Without an agent everything works too; what is wrong with the configuration is said there.
        return None
    return engine


def _become(path: bytes, call: Call, caught: Signals) -> NoReturn:
    """Run the local program in our place, with the caller's own arguments, descriptors and signals."""
    if call.terminal is not None:
        call.terminal.close()
    caught.close()
    signals.as_before_python()
    try:
        os.execv(path, [call.program, *call.arguments])  # noqa: S606 - no shell is wanted
    except OSError as error:
        ending.finish(Ending(CONFIGURATION, line=f"{os.fsdecode(path)}: {error.strerror or error}"))


if __name__ == "__main__":
    main()
