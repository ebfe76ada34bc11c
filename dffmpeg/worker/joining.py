"""`dffmpeg-worker join`: from a token to a configuration that the worker starts with."""

from __future__ import annotations

import argparse
import hmac
import os
import socket
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trio

from dffmpeg import command_line
from dffmpeg.configuration import parse
from dffmpeg.configuration.checks.values import check_name, check_url, path_variables
from dffmpeg.configuration.common import Trust
from dffmpeg.configuration.loading import candidates
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.configuration.writing import render, write_file
from dffmpeg.errors import BadInput, ConfigurationError, DffmpegError
from dffmpeg.model.identities import Role
from dffmpeg.model.sessions import digest_of
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.wire import joining
from dffmpeg.wire.joining import JoinReply, JoinRequest
from dffmpeg.wire.signature import encode_key


class Unproven(DffmpegError):
    """Whoever answered does not know the token."""


def add(commands: Any) -> None:
    """Add the command to the worker's."""
    parser = commands.add_parser(
        "join",
        help="become a worker of a coordinator by a token, and write the configuration for it",
        description="Become a worker of a coordinator by a token of `dffmpeg-admin token create`, and "
        "write the configuration for it. Neither the token nor the key travels. It may be repeated until "
        "the token's end.",
    )
    parser.add_argument("url", metavar="URL", help="the coordinator's address")
    parser.add_argument("token", metavar="TOKEN", help="the token; - reads it from standard input")
    parser.add_argument(
        "--path",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="a path variable and its directory here, such as Movies=/mnt/movies; may be repeated",
    )
    parser.add_argument("--id", metavar="NAME", help="the worker's name (default: this machine's)")
    parser.add_argument("--cafile", type=Path, metavar="FILE", help="whom to trust (default: the system's)")
    parser.add_argument(
        "--config",
        "-c",
        type=Path,
        # What stood before the command counts.
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="where to write it (default: dffmpeg-worker.toml, here)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite an existing file")


def join(options: argparse.Namespace) -> int:
    """Join, and write the file; see `main`."""
    file = _file(options)
    token = _token(options.token)
    client_id = socket.gethostname() if options.id is None else options.id
    try:
        url = check_url("URL", options.url)
        check_name("--id", client_id)
        paths = path_variables(options.path)
    except ValueError as error:
        raise BadInput(str(error)) from None
    verifier = joining.verifier_of(token)
    key = joining.key_of(verifier, client_id)
    values: dict[str, Any] = {"coordinator_url": url, "client_id": client_id, "hmac_key": encode_key(key)}
    if paths:
        values["paths"] = paths
    if options.cafile is not None:
        values["tls"] = {"cafile": os.path.abspath(options.cafile)}
    text = render(WorkerConfig, values)
    config = parse(WorkerConfig, text.encode(), file)
    warn_if_clear(url)
    asked = JoinRequest(
        token=digest_of(token), client_id=client_id, proof=joining.request_proof(verifier, client_id)
    )
    trio.run(_ask, url, asked, verifier, config.tls)
    write_file(file, text, overwrite=options.force)
    command_line.say(f"joined as {client_id}; wrote {file}\nto start it: dffmpeg-worker --config {file}")
    return 0


async def _ask(url: str, asked: JoinRequest, verifier: bytes, trust: Trust) -> None:
    name = asked.client_id
    # Signed as well, by a key that nobody knows yet: it does not matter there.
    async with SignedHttp(url, name, joining.key_of(verifier, name), trust) as http:
        reply = await http.call("POST", joining.PATH, JoinReply, json=asked)
    expected = joining.reply_proof(verifier, name, Role.WORKER.value)
    if not hmac.compare_digest(expected.encode(), reply.proof.encode()):
        raise Unproven(f"{url}: whoever answered does not know the token; nothing was written")


def _file(options: argparse.Namespace) -> Path:
    """Where the worker will look for it; checked before anything is asked for."""
    named = options.config or os.environ.get("DFFMPEG_WORKER_CONFIG")
    file = Path(named).absolute() if named else candidates("worker")[0]
    if not options.force and os.path.lexists(file):
        raise ConfigurationError(f"{file}: exists already; --force overwrites it")
    if not file.parent.is_dir():
        raise ConfigurationError(f"{file}: there is no such folder")
    return file


def _token(given: str) -> str:
    token = sys.stdin.readline().strip() if given == "-" else given
    if not joining.is_token(token):
        raise BadInput("TOKEN: expected a token as `dffmpeg-admin token create` prints it: join-...")
    return token


def warn_if_clear(url: str) -> None:
    """Say on standard error what can be read on the way, unless there is none, or it is encrypted."""
    parts = urlsplit(url)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        command_line.say_error(
            "dffmpeg-worker",
            f"warning: {url} is not encrypted: the key does not travel, but whoever is on the way reads jobs "
            "and their output",
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
