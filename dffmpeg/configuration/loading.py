"""From a file's place to a checked configuration; what is wrong is one line: file, key, what was expected."""

from __future__ import annotations

import stat
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from dffmpeg import search_order
from dffmpeg.configuration.checks import check
from dffmpeg.configuration.common import Process, Section
from dffmpeg.errors import ConfigurationError
from dffmpeg.search_order import NoConfiguration

T = TypeVar("T", bound=Section)

MAX_BYTES = 1 << 20
"""The largest configuration: what is named by mistake may be a film, or a device without an end."""


def load(kind: type[T], process: Process, path: Path | None) -> T:
    """Find, read and check a process's configuration.

    Warns on stderr when a file that holds a key may be read by others.

    Args:
        kind: the struct that the file must fit: `CoordinatorConfig`, `WorkerConfig` or `ClientConfig`.
        process: whose file is searched.
        path: the file, where the command line named one.

    Returns:
        The configuration, with every file name in it absolute: relative ones
        count from the configuration file's own folder.

    Raises:
        ConfigurationError: there is none, it cannot be read, or something in it does not fit.
    """
    file = locate(process, path)
    text = read(file)
    config = parse(kind, text, file)
    if config.holds_key:
        _warn_if_exposed(file)
    return config


def locate(process: Process, path: Path | None) -> Path:
    """The absolute path of the configuration file to use.

    Args:
        path: `--config`; it wins over everything.

    Raises:
        ConfigurationError: the named file is missing, or none was named and none found.
    """
    try:
        return Path(search_order.find(process) if path is None else search_order.existing(str(path)))
    except NoConfiguration as error:
        raise ConfigurationError(str(error)) from None


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Around the use of a configuration that was loaded: its errors name the file, as those of `load` do.

    Raises:
        ConfigurationError: the block's, with the file in front.
    """
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}") from error


def candidates(process: Process) -> list[Path]:
    """Where a configuration is searched when none was named, in order; absolute paths."""
    return [Path(place) for place in search_order.candidates(process)]


def parse(kind: type[T], text: bytes, file: Path) -> T:
    """Check a configuration's text.

    Args:
        file: names the file in errors; its folder is the base of relative file names.

    Raises:
        ConfigurationError: something in it does not fit.
    """
    try:
        data = tomllib.loads(text.decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: not valid TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise ConfigurationError(f"{file}: nested too deeply") from None
    try:
        config = msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{file}: {_explain(data, kind) or error}") from None
    try:
        return check(config, file.parent)
    except ValueError as error:
        raise ConfigurationError(f"{file}: {error}") from None


def _explain(data: dict[str, Any], kind: type[Section]) -> str | None:
    # Only a broken file pays for the import.
    from dffmpeg.configuration.diagnosis import explain

    return explain(data, kind)


def read(file: Path) -> bytes:
    """A configuration's text.

    Raises:
        ConfigurationError: it cannot be read, or is larger than any configuration.
    """
    try:
        with file.open("rb") as source:
            text = source.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror or error}") from None
    if len(text) > MAX_BYTES:
        raise ConfigurationError(f"{file}: too large: at most {MAX_BYTES} bytes")
    return text


def _warn_if_exposed(file: Path) -> None:
    try:
        mode = file.stat().st_mode
    except OSError:
        return
    if stat.S_ISREG(mode) and mode & 0o077:
        print(
            f"dffmpeg: warning: {file} holds a key and others may read it; run: chmod 600 {file}",
            file=sys.stderr,
        )
