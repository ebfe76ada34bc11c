"""The configuration that a new key is written into: a fresh one, or the user's own with its key replaced."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dffmpeg.configuration import parse, read
from dffmpeg.configuration.checks.values import check_name, check_url, path_variables
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.configuration.writing import render, write_file
from dffmpeg.errors import BadInput, ConfigurationError
from dffmpeg.model.identities import Identity, Role
from dffmpeg.wire.signature import encode_key

_KEY_LINE = re.compile(r"(?m)^\s*hmac_key\s*=.*$")
_WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not listened on


@dataclass(frozen=True, slots=True)
class Planned:
    """A file that can be written as soon as there is a key.

    Attributes:
        kind: what the file must be when it is written.
        values: what a new file says beside its defaults, or
        text: the existing file, of which only the key changes.
    """

    path: Path
    kind: type[WorkerConfig | ClientConfig]
    values: dict[str, Any]
    text: str | None = None

    def write(self, key: bytes) -> None:
        """Write the file with this key.

        Raises:
            ConfigurationError: it cannot be written, or somebody else made it meanwhile.
        """
        encoded = encode_key(key)
        if self.text is None:
            write_file(self.path, render(self.kind, {**self.values, "hmac_key": encoded}))
            return
        text = _KEY_LINE.sub(f'hmac_key = "{encoded}"', self.text, count=1)
        if parse(self.kind, text.encode(), self.path.absolute()).hmac_key != encoded:
            raise ConfigurationError(f"{self.path}: expected the key on a line of its own: hmac_key = ...")
        write_file(self.path, text, mode=None, overwrite=True)


def planned(options: argparse.Namespace, config: CoordinatorConfig, identity: Identity) -> Planned | None:
    """What `--write-config` asks for, checked before anything is changed; None if it was not given.

    Raises:
        BadInput, ConfigurationError: it cannot be done.
    """
    path: Path | None = options.write_config
    adding = options.command == ("user", "add")
    if path is None:
        if options.coordinator_url is not None or getattr(options, "path", None):
            raise BadInput("--coordinator-url and --path belong to --write-config FILE")
        return None
    kind = WorkerConfig if identity.role is Role.WORKER else ClientConfig
    if path.exists():
        if adding:
            raise ConfigurationError(f"{path}: exists already")
        return _existing(path, kind, identity)
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"{path}: there is no such folder")
    values: dict[str, Any] = {"coordinator_url": _url(options, config), "client_id": identity.client_id}
    try:
        # Not made absolute here: the directory is on the user's machine.
        paths = path_variables(getattr(options, "path", None) or [])
    except ValueError as error:
        raise BadInput(str(error)) from None
    return Planned(path, kind, {**values, "paths": paths} if paths else values)


def _existing(path: Path, kind: type[WorkerConfig | ClientConfig], identity: Identity) -> Planned:
    try:
        text = read(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8 at byte {error.start}") from None
    owner = parse(kind, text.encode(), path.absolute()).client_id
    if owner != identity.client_id:
        raise ConfigurationError(f"{path}: client_id: expected {identity.client_id}, got {owner}")
    return Planned(path, kind, {}, text)


def check_id(name: str) -> str:
    """A user's name. Raises BadInput."""
    try:
        return check_name("ID", name)
    except ValueError as error:
        raise BadInput(str(error)) from None


def _url(options: argparse.Namespace, config: CoordinatorConfig) -> str:
    wanted = "the address by which this user reaches the coordinator"
    return url_of("--coordinator-url", options.coordinator_url, config, wanted)


def url_of(option: str, given: str | None, config: CoordinatorConfig, wanted: str) -> str:
    """The coordinator's URL: what was given, else where it listens, if that says enough.

    Args:
        wanted: what has to be given where it does not.

    Raises:
        BadInput: it is no URL, or nothing was given and had to be.
    """
    if given is not None:
        try:
            return check_url(option, given)
        except ValueError as error:
            raise BadInput(str(error)) from None
    if config.host in _WILDCARDS or config.port == 0:
        raise BadInput(f"{option}: expected {wanted}")
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"http://{host}:{config.port}"
