"""From a call to the request that travels."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from dffmpeg.client.options import JobOptions, apply
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.errors import BadInput
from dffmpeg.model import paths
from dffmpeg.wire import bytestring, trace
from dffmpeg.wire.jobs import SubmitRequest

_IDENTIFIER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def identifier(what: str, text: str) -> str:
    """A name that may become a part of a URL's path.

    Raises:
        BadInput: it is none.
    """
    if _IDENTIFIER.fullmatch(text) is None:
        raise BadInput(f"not the name of a {what}: {text!r}")
    return text


def submission(
    config: ClientConfig,
    directories: Mapping[str, bytes],
    program: str,
    arguments: Sequence[bytes],
    *,
    cwd: bytes | None,
    monitor: bool,
    options: JobOptions | None,
    traceparent: str | None = None,
) -> SubmitRequest:
    """What is sent to the coordinator: the arguments with mapped directories as variables.

    Args:
        directories: the configuration's paths, from `dffmpeg.model.paths.validated`.
        options: None for a stand-in.
        cwd: the working directory; None where there is none. It travels where it is a mapped one.
        traceparent: the trace that the caller says it belongs to; what is none is passed over.

    Raises:
        BadInput: the program's name cannot travel.
    """
    variables, names = paths.arguments_to_variables(arguments, directories)
    used = set(names)
    directory: bytes | None = None
    if cwd is not None:
        mapped, names = paths.path_to_variable(cwd, directories)
        used |= names
        directory = mapped if names else None
    request = SubmitRequest(
        binary_name=identifier("program", program),
        arguments=bytestring.list_to_wire(variables),
        working_directory=None if directory is None else bytestring.to_wire(directory),
        paths=sorted(used),
        client_paths={name: bytestring.to_wire(path) for name, path in directories.items()},
        supported_transports=config.transports,
        monitor=monitor,
        heartbeat_interval=config.heartbeat_interval,
        traceparent=trace.read(traceparent),
    )
    return apply(config, options, request)


def current_directory() -> bytes | None:
    """The working directory; None where it was removed."""
    try:
        return os.getcwdb()
    except FileNotFoundError:
        # It was removed under us; a program that runs here has none either.
        return None
