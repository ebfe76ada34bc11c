"""Single values, and what is the same for several processes. Each raises ValueError, as `check` does."""

from __future__ import annotations

import os.path
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from dffmpeg.configuration.common import Connection, Section
from dffmpeg.model import hooks, hosts
from dffmpeg.wire.signature import decode_key

S = TypeVar("S", bound=Section)

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?|\*")


def check_url(key: str, url: str) -> str:
    """An http(s) URL of a coordinator, with a host, perhaps a path, and nothing else."""
    expected = f"{key}: expected a URL such as https://coordinator.example:8000, got {url!r}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(expected) from None
    if parts.username is not None or parts.password is not None:
        # Not repeated: it holds a password.
        raise ValueError(f"{key}: expected a URL without user name and password")
    plain = url.isascii() and url.isprintable() and " " not in url
    if not plain or parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(expected)
    if parts.query or parts.fragment:
        raise ValueError(f"{key}: expected a URL without query and fragment, got {url!r}")
    return url


def check_network(key: str, text: str) -> str:
    """An IP network in CIDR form, or a single address."""
    import ipaddress

    try:
        ipaddress.ip_network(text)
    except ValueError:
        pass
    else:
        return text
    try:
        meant = f", did you mean {ipaddress.ip_network(text, strict=False)}?"
    except ValueError:
        meant = ""
    raise ValueError(f"{key}: expected a network such as 192.168.0.0/24, got {text!r}{meant}")


def check_origin(key: str, text: str) -> None:
    """What browsers send as Origin: scheme, name and perhaps a port."""
    try:
        usual = hosts.checked_origin(text)
    except ValueError:
        raise ValueError(
            f"{key}: expected an origin such as https://media.example.org, got {text!r}"
        ) from None
    if usual != text:
        raise ValueError(f"{key}: expected an origin as browsers write it, did you mean {usual}?")


def check_networks(key: str, networks: Iterable[str]) -> None:
    """A list of networks."""
    for index, network in enumerate(networks):
        check_network(f"{key}[{index}]", network)


def check_name(key: str, name: str) -> str:
    """A name that people choose: an identity's, a program's."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{key}: expected letters, digits, '_', '-' and '.' (at most 128), got {name!r}")
    return name


def check_variable(key: str, name: str) -> str:
    """A path variable's name: it stands behind a `$`, so it must end where the path goes on."""
    if not _VARIABLE.fullmatch(name):
        raise ValueError(f"{key}: expected a name of letters, digits and _ that begins with no digit")
    return name


def check_directory(key: str, directory: str) -> str:
    """A mapped directory: absolute, and not the root, which would map every path there is.

    Returns:
        It without a trailing slash and empty or `.` components.
    """
    if not os.path.isabs(directory) or "\0" in directory:
        raise ValueError(f"{key}: expected an absolute directory, got {directory!r}")
    # normpath would take `a/..` away, which is another place where `a` is a symbolic link.
    if ".." in directory.split("/"):
        raise ValueError(f"{key}: expected a directory without '..', got {directory!r}")
    plain = "/" + os.path.normpath(directory).lstrip("/")
    if plain == "/":
        raise ValueError(f"{key}: expected a directory below '/', not '/' itself")
    return plain


def path_variables(texts: Iterable[str]) -> dict[str, str]:
    """Path variables and their directories, as `--path NAME=DIR` gives them."""
    paths = {}
    for text in texts:
        name, equals, directory = text.partition("=")
        if not equals:
            raise ValueError(f"--path {text}: expected NAME=DIR")
        paths[check_variable(f"--path {text}", name)] = check_directory(f"--path {text}", directory)
    return paths


def mapped_paths(paths: Mapping[str, str]) -> dict[str, str]:
    """Path variables and their directories, normalised."""
    return {
        check_variable(f"paths.{shown(name)}", name): check_directory(f"paths.{shown(name)}", directory)
        for name, directory in paths.items()
    }


def check_hook(key: str, url: str) -> str:
    """A URL that a coordinator may be asked to call."""
    reason = hooks.unusable(url)
    if reason is not None:
        raise ValueError(f"{key}: {reason}, got {url!r}")
    return url


def check_environment(patterns: Iterable[str]) -> None:
    """Names of variables, or the beginnings of some with a `*` behind them."""
    for index, pattern in enumerate(patterns):
        if not _PATTERN.fullmatch(pattern):
            raise ValueError(
                f"environment[{index}]: expected a variable's name, or its beginning and a *, got {pattern!r}"
            )


def check_transports(key: str, names: Collection[str]) -> None:
    """What transports are named: at least one."""
    if not names:
        raise ValueError(f"{key}: expected at least one name")


def transport_settings(tables: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, dict[str, Any]]:
    """A transport checks its own; only what a file's name is relative to is known nowhere but here."""
    return {
        name: {
            key: absolute_file(f"transport_settings.{shown(name)}.{key}", value, folder)
            if key.endswith("_file") and isinstance(value, str)
            else value
            for key, value in table.items()
        }
        for name, table in tables.items()
    }


def check_connection(config: Connection, folder: Path) -> dict[str, object]:
    """Where the coordinator is, and who we are; returns what is normalised of that."""
    check_url("coordinator_url", config.coordinator_url)
    check_name("client_id", config.client_id)
    try:
        decode_key(config.hmac_key)
    except ValueError as error:
        raise ValueError(f"hmac_key: {error}") from None
    return {"tls": files_of("tls", config.tls, folder)}


def files_of(key: str, section: S, folder: Path) -> S:
    """A section of TLS that names files, with their names absolute.

    `certfile` may hold the private key too; a key without a certificate is a mistake.
    """
    found = {name: value for name in section.__struct_fields__ if (value := getattr(section, name))}
    if "keyfile" in found and "certfile" not in found:
        raise ValueError(f"{key}.certfile: missing, expected the certificate of {key}.keyfile")
    files = {name: absolute_file(f"{key}.{name}", value, folder) for name, value in found.items()}
    return msgspec.structs.replace(section, **files)


def absolute_file(key: str, name: str, folder: Path) -> str:
    """A file's name; relative ones count from `folder`."""
    if not name or "\0" in name:
        raise ValueError(f"{key}: expected a file name")
    return os.path.join(os.path.abspath(folder), name)


def shown(name: str) -> str:
    """A name as it may stand in a line."""
    return name if name.isprintable() else repr(name)


def did_you_mean(name: str, names: Collection[str] | Mapping[str, object], *, likeness: float = 0.6) -> str:
    """`, did you mean "slots"?`, or which ones there are when none is close.

    Args:
        likeness: from 0 to 1, how close is close; of few short names, less is enough.
    """
    import difflib

    near = difflib.get_close_matches(name, list(names), 1, likeness)
    if near:
        return f', did you mean "{near[0]}"?'
    return f"; there are {', '.join(names) or 'none'}"
