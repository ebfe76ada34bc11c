"""What `dffmpeg standalone` was asked for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dffmpeg.configuration.checks.values import check_directory, check_variable
from dffmpeg.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Mapping:
    """A path variable with its directory at the client and at the workers."""

    name: str
    client: str
    worker: str


@dataclass(frozen=True, slots=True)
class Options:
    """None: as it was when the same folder was used before, else the default.

    Without `data` the state is in a temporary folder and goes at the end.
    """

    data: Path | None = None
    workers: int | None = None
    slots: int | None = None
    paths: tuple[Mapping, ...] | None = None
    binaries: tuple[tuple[str, str], ...] | None = None
    port: int | None = None
    ready_file: Path | None = None
    restart: bool = False


def parse_mapping(text: str) -> Mapping:
    """NAME=CLIENTDIR[:WORKERDIR]; relative directories count from the working directory.

    Raises:
        ConfigurationError: the form, the name or a directory is not right.
    """
    name, equals, directories = text.partition("=")
    client, colon, worker = directories.partition(":")
    if not equals or not client or (colon and not worker) or ":" in worker:
        raise ConfigurationError(f"--path {text}: expected NAME=CLIENTDIR or NAME=CLIENTDIR:WORKERDIR")
    try:
        check_variable(f"--path {text}", name)
        return Mapping(name, _directory(text, client), _directory(text, worker or client))
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _directory(text: str, directory: str) -> str:
    absolute = check_directory(f"--path {text}", os.path.abspath(directory))
    if not os.path.isdir(absolute):
        raise ValueError(f"--path {text}: no such directory: {absolute}")
    return absolute


def parse_mappings(texts: Sequence[str]) -> tuple[Mapping, ...]:
    """Every `--path`; raises ConfigurationError for a name that stands twice, too."""
    mappings = tuple(parse_mapping(text) for text in texts)
    names = [mapping.name for mapping in mappings]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"--path {name}: named twice")
    return mappings


def parse_binaries(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Every `--binary NAME=PATH`: an executable file, or a name that is looked up on the PATH.

    Raises:
        ConfigurationError: the form is not right, or there is no such program.
    """
    binaries = {}
    for text in texts:
        name, _, program = text.partition("=")
        if not name or "/" in name or not program:
            raise ConfigurationError(f"--binary {text}: expected NAME=PATH")
        found = shutil.which(program)
        if found is None:
            raise ConfigurationError(f"--binary {text}: no such executable: {program}")
        binaries[name] = os.path.abspath(found)
    return tuple(binaries.items())


def default_mappings() -> tuple[Mapping, ...]:
    """What is mapped where nobody says: the working directory, as `Here`.

    Client and workers are one machine, so absolute paths are right without a
    mapping; relative ones need one.
    """
    here = os.getcwd()
    return () if here.strip("/") == "" else (Mapping("Here", here, here),)
