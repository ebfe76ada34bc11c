"""What `worker.toml` may say beyond its types."""

from __future__ import annotations

import os.path
import re
from pathlib import Path

import msgspec

from dffmpeg.configuration.checks.values import (
    absolute_file,
    check_connection,
    check_directory,
    check_environment,
    check_name,
    check_transports,
    check_variable,
    mapped_paths,
    shown,
    transport_settings,
)
from dffmpeg.configuration.mounts import MountSettings, mounts_of
from dffmpeg.configuration.sandbox import MappedPath, Sandbox
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.model.scheduling import hours

_UNIT = re.compile(r"[A-Za-z0-9_:.\\@][A-Za-z0-9_:.\\@-]*\.(mount|automount|service|target)")


def changes(config: WorkerConfig, folder: Path) -> dict[str, object]:
    """What is normalised of it; raises ValueError as `check`."""
    found = check_connection(config, folder)
    check_transports("transports", config.transports)
    found["paths"] = _paths(config)
    check_environment(config.environment)
    found["binaries"] = {
        check_name(f"binaries.{shown(name)}", name): _program(f"binaries.{shown(name)}", program, folder)
        for name, program in config.binaries.items()
    }
    found["mounts"] = mounts = {
        check_variable(f"mounts.{shown(name)}", name): _check_mount(f"mounts.{name}", mount)
        for name, mount in config.mounts.items()
    }
    mounts_of(mounts)
    found["transport_settings"] = transport_settings(config.transport_settings, folder)
    found["cache"] = None if config.cache is None else absolute_file("cache", config.cache, folder)
    found["sandbox"] = _check_sandbox(config.confines)
    _check_substitutions(config)
    _check_offer(config)
    if config.output.chunk > config.output.window:
        raise ValueError("output.chunk: expected at most output.window")
    return found


def _paths(config: WorkerConfig) -> dict[str, str | MappedPath]:
    directories = mapped_paths(config.directories)
    return {
        name: directories[name]
        if isinstance(one, str)
        else msgspec.structs.replace(one, path=directories[name])
        for name, one in config.paths.items()
    }


def _check_sandbox(sandbox: Sandbox) -> Sandbox:
    for kind, paths in (("read", sandbox.read), ("write", sandbox.write)):
        for index, path in enumerate(paths):
            if not os.path.isabs(path) or "\0" in path or ".." in path.split("/"):
                raise ValueError(f"sandbox.{kind}[{index}]: expected an absolute path, got {path!r}")
    for index, option in enumerate(sandbox.refuse_options):
        check_name(f"sandbox.refuse_options[{index}]", option)
    return sandbox


def _check_mount(key: str, mount: MountSettings) -> MountSettings:
    read = mount.read
    if read is not None and (not read or "\0" in read or os.path.isabs(read) or ".." in read.split("/")):
        raise ValueError(f"{key}.read: expected a file's path below the mount, got {read!r}")
    # A word that begins with a dash would be an option of systemctl.
    if mount.unit is not None and not _UNIT.fullmatch(mount.unit):
        raise ValueError(f"{key}.unit: expected a unit such as mnt-nas.mount, got {mount.unit!r}")
    return msgspec.structs.replace(mount, path=check_directory(f"{key}.path", mount.path))


def _check_offer(config: WorkerConfig) -> None:
    for index, label in enumerate(config.labels):
        check_name(f"labels[{index}]", label)
    for name in config.resources:
        check_name(f"resources.{shown(name)}", name)
    if config.hours is not None:
        try:
            hours.parse(config.hours)
        except hours.BadHours as error:
            raise ValueError(f"hours: {error}") from None


def _check_substitutions(config: WorkerConfig) -> None:
    for name, substitution in config.stand_ins.items():
        key = f"substitutions.{shown(name)}"
        check_name(key, name)
        check_name(f"{key}.use", substitution.use)
        for option in filter(None, substitution.options.values()):
            check_name(f"{key}.options", option)


def _program(key: str, program: str, folder: Path) -> str:
    if "/" in program:
        return absolute_file(key, program, folder)
    if not program or "\0" in program:
        raise ValueError(f"{key}: expected a program's name or path")
    return program
