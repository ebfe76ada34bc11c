"""What `config check` looks at beyond the file: what a start would refuse, and what this machine lacks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence

from dffmpeg.actors.coordinator.store_settings import store_settings
from dffmpeg.actors.worker.trying import try_programs
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.configuration.common import Section
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.errors import ConfigurationError
from dffmpeg.model.requirements import required
from dffmpeg.store import upkeeps
from dffmpeg.store.crypto import KeyRing
from dffmpeg.store.messages import MessageRepository
from dffmpeg.transports import client
from dffmpeg.transports.plugins import server_downlinks

FOLLOWING = ("websocket", "http_polling")
"""Ways in which a client can follow a job."""

ACCELERATORS = frozenset(
    {"amf", "cuda", "d3d11va", "d3d12va", "drm", "dxva2", "mediacodec", "opencl", "qsv", "rkmpp"}
    | {"vaapi", "vdpau", "videotoolbox", "vulkan"}
)
"""Those that FFmpeg has, as `ffmpeg -hwaccels` names them; a version to come may have more."""


def refuse_what_cannot_start(config: Section) -> None:
    """Look up what the configuration names of the installation: engines, transports, keys.

    Raises:
        ConfigurationError: something is not there, or does not fit.
    """
    if isinstance(config, CoordinatorConfig):
        settings = store_settings(config)
        upkeeps(settings)
        KeyRing.from_keys(settings.encryption_keys)
        server_downlinks(config.transports, _no_messages)
    elif isinstance(config, WorkerConfig):
        client.load(config.transports, config.transport_settings)
    elif isinstance(config, ClientConfig):
        for index, name in enumerate(config.transports):
            if name not in FOLLOWING:
                allowed = ", ".join(FOLLOWING)
                raise ConfigurationError(f"transports[{index}]: expected one of {allowed}, got {name!r}")


def _no_messages() -> MessageRepository:
    raise AssertionError("nothing is sent while a configuration is looked at")


def doubts(config: Section) -> Iterator[str]:
    """What may be a mistake, and may be right: on another machine, or with another ffmpeg."""
    if isinstance(config, WorkerConfig | ClientConfig):
        directories = config.directories if isinstance(config, WorkerConfig) else config.paths
        for name, directory in directories.items():
            if not os.path.isdir(directory):
                yield f"paths.{name}: there is no directory {directory} here"
    if isinstance(config, WorkerConfig):
        yield from _of_worker(config)
    if isinstance(config, ClientConfig):
        for name, program in config.fallback.binaries.items():
            if shutil.which(program) is None:
                yield f"fallback.binaries.{name}: there is no program {program} here"
        yield from _of_requirements(config.job.require)
    if isinstance(config, CoordinatorConfig):
        yield from _of_coordinator(config)


def _of_worker(config: WorkerConfig) -> Iterator[str]:
    if not config.binaries:
        yield "binaries: none, so no job can run here"
    for name, program in config.binaries.items():
        if shutil.which(program) is None:
            yield f"binaries.{name}: there is no program {program} here"
    for line in try_programs(config):
        if not line.works:
            yield f"binaries.{line.what}: {line.how}"
    for name, substitution in config.stand_ins.items():
        if substitution.use == name:
            yield f"substitutions.{name}: it stands in for itself"


def _of_requirements(texts: Sequence[str]) -> Iterator[str]:
    for index, text in enumerate(texts):
        for name in set(required([text]).hwaccels) - ACCELERATORS:
            known = ", ".join(sorted(ACCELERATORS))
            yield f"job.require[{index}]: no accelerator {name} is known; there are {known}"


def _of_coordinator(config: CoordinatorConfig) -> Iterator[str]:
    for name, patterns in config.scheduling.resources.items():
        if not patterns:
            yield f"scheduling.resources.{name}: no patterns, so no encoder takes a slot of it"
    if config.leases.worker < config.leases.worker_disconnect:
        yield "leases.worker: less than leases.worker_disconnect, which then never matters"
