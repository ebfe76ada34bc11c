"""Configuration files as dffmpeg writes them: every key commented, its default shown, and keys kept private.

A line that begins with `# ` is prose, one that begins with `#` and a key is
that key's default, and `#: ` begins an example.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from dffmpeg.configuration.common import Section
from dffmpeg.configuration.descriptions import DESCRIPTIONS, EXAMPLES, PLACEHOLDERS
from dffmpeg.errors import ConfigurationError

EXAMPLE = "#: "

Values = Mapping[str, Any]


def render(kind: type[Section], values: Values | None = None) -> str:
    """A configuration file's text.

    Args:
        kind: the process's struct.
        values: what to set, nested as the file's tables are; every other key
            is shown with its default, as a comment.
    """
    process = kind.__name__.removesuffix("Config").lower()
    lines = [
        f"# dffmpeg {process}. What is commented out is the default.",
        "# Durations are seconds.",
        "",
    ]
    lines += _section(kind, values or {}, "")
    return "\n".join(lines).rstrip() + "\n"


def _section(kind: type[Section], values: Values, table: str) -> Iterator[str]:
    """A table's own keys, then the tables inside it: TOML wants that order."""
    fields = msgspec.structs.fields(kind)
    tables = [field for field in fields if _is_table(field) and not isinstance(values.get(field.name), str)]
    for field in fields:
        if field not in tables:
            yield from _prose(kind, field.name)
            yield from _scalar(kind, field, values)
            yield ""
    for field in tables:
        name = f"{table}.{field.name}" if table else field.name
        yield from _prose(kind, field.name)
        yield from _table(kind, field, values.get(field.name, {}), name)


def _scalar(kind: type[Section], field: msgspec.structs.FieldInfo, values: Values) -> Iterator[str]:
    name = field.name
    if name in values:
        yield _pair(name, values[name])
    elif field.required:
        yield _pair(name, PLACEHOLDERS[name])
    else:
        default = _default(field)
        if default is not None:
            yield f"#{_pair(name, default)}"
        yield from _example(kind, name)


def _table(kind: type[Section], field: msgspec.structs.FieldInfo, values: Values, name: str) -> Iterator[str]:
    default = _default(field)
    if isinstance(default, Section):
        yield f"[{name}]"
        yield from _section(type(default), values, name)
        return
    nested = {key for key, entry in [*default.items(), *values.items()] if isinstance(entry, dict)}
    if not nested and "[" not in EXAMPLES.get((kind, field.name), ""):
        yield from _entries(name, default, values)
    elif plain := {key: value for key, value in values.items() if key not in nested}:
        yield from _entries(name, {}, plain)
    for key in {**default, **values}:
        if key in nested:
            yield from _entries(f"{name}.{key}", default.get(key, {}), values.get(key, {}))
    if not values:
        yield from _example(kind, field.name)
    yield ""


def _entries(table: str, default: Values, values: Values) -> Iterator[str]:
    # A bare header would be an empty table, which is another value than the default.
    mark = "#" if default and not values else ""
    yield f"{mark}[{table}]"
    for key, value in (values or default).items():
        yield f"{mark}{_pair(key, value)}"


def _prose(kind: type[Section], name: str) -> Iterator[str]:
    for line in textwrap.wrap(DESCRIPTIONS[kind][name], 98):
        yield f"# {line}"


def _example(kind: type[Section], name: str) -> Iterator[str]:
    for line in EXAMPLES.get((kind, name), "").splitlines():
        yield f"{EXAMPLE}{line}"


def _is_table(field: msgspec.structs.FieldInfo) -> bool:
    return isinstance(_default(field), dict | Section)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None if field.default is msgspec.NODEFAULT else field.default


def _pair(key: str, value: Any) -> str:
    if isinstance(value, list):
        items = ", ".join(_pair("x", item).partition(" = ")[2] for item in value)
        return f"{_pair(key, '').partition(' = ')[0]} = [{items}]"
    if isinstance(value, dict):
        items = ", ".join(_pair(name, entry) for name, entry in value.items())
        return f"{_pair(key, '').partition(' = ')[0]} = {{ {items} }}"
    return tomli_w.dumps({key: value}).strip()


def write_file(path: Path, text: str, *, mode: int | None = 0o600, overwrite: bool = False) -> None:
    """Write a file whole or not at all; it is never readable by more than it is meant for.

    Args:
        path: its folder must exist. A symbolic link's target is what is overwritten.
        mode: permission bits, further narrowed by the umask; None keeps those of an overwritten file.
        overwrite: whether an existing file is replaced; its owner stays where that may be set.

    Raises:
        ConfigurationError: it exists already, or cannot be written.
    """
    target = Path(os.path.realpath(path)) if overwrite else path
    if not target.name or (overwrite and target.exists() and not target.is_file()):
        # To replace a directory is not possible; to replace a device is, and harms the machine.
        raise ConfigurationError(f"{path}: cannot be written: not a regular file")
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        try:
            _write_new(temporary, text.encode(), 0o600 if mode is None else mode)
            if overwrite:
                _replace(temporary, target, keep_mode=mode is None)
            else:
                _link(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError:
        raise ConfigurationError(f"{path}: exists already; --force overwrites it") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror or error}") from None


def _write_new(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _link(temporary: Path, target: Path) -> None:
    try:
        # Unlike a rename, a link never replaces what somebody else made meanwhile.
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        # A file system without links.
        if os.path.lexists(target):
            raise FileExistsError from None
        os.rename(temporary, target)


def _replace(temporary: Path, target: Path, *, keep_mode: bool) -> None:
    try:
        before = target.stat()
    except FileNotFoundError:
        os.replace(temporary, target)
        return
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        # The service that reads the file may run as somebody else than the administrator who writes it.
        with contextlib.suppress(PermissionError):
            os.chown(temporary, before.st_uid, before.st_gid)
    if keep_mode:
        os.chmod(temporary, stat.S_IMODE(before.st_mode))
    os.replace(temporary, target)
