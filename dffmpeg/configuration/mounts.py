"""`[mounts.NAME]` of the worker's configuration, and the mounts that it describes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from dffmpeg.configuration.common import Seconds, Section
from dffmpeg.model.mounts import Mount, MountError, related, unit_name


class MountSettings(Section, frozen=True):
    """One mount. What each key means stands with `dffmpeg.model.mounts.Mount`."""

    path: str
    after: list[str] = []
    read: str | None = None
    write: bool = False
    interval: Seconds = 10.0
    timeout: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    patience: Seconds = 30.0
    on_loss: Literal["move", "wait"] = "move"
    recover: bool = False
    unit: str | None = None


def mounts_of(settings: Mapping[str, MountSettings]) -> tuple[Mount, ...]:
    """The mounts, each behind those that it needs.

    Raises:
        ValueError: they do not fit together; the text is "key: what was expected".
    """
    try:
        return related(_mount(name, one) for name, one in settings.items())
    except MountError as error:
        raise ValueError(f"mounts.{error.mount}: {error}") from None


def _mount(name: str, settings: MountSettings) -> Mount:
    path = os.fsencode(settings.path)
    return Mount(
        name=name,
        path=path,
        unit=settings.unit or unit_name(path),
        after=frozenset(settings.after),
        read=None if settings.read is None else os.fsencode(settings.read),
        write=settings.write,
        interval=settings.interval,
        timeout=settings.timeout,
        patience=settings.patience,
        on_loss=settings.on_loss,
        recover=settings.recover,
    )
