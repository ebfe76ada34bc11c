"""What a value must be beyond its type, and relative file names made absolute.

Each check raises ValueError with "key: what was expected"; no secret is ever repeated in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec

from dffmpeg.configuration.common import Section

if TYPE_CHECKING:
    from dffmpeg.configuration.client import ClientConfig
    from dffmpeg.configuration.coordinator import CoordinatorConfig
    from dffmpeg.configuration.worker import WorkerConfig

T = TypeVar("T", bound=Section)


def check(config: T, folder: Path) -> T:
    """Check a configuration's values.

    Args:
        folder: the base of relative file names.

    Returns:
        The configuration with file names absolute and directories normalised.

    Raises:
        ValueError: a value does not fit; the text is "key: what was expected".
    """
    return msgspec.structs.replace(config, **_changes(config, folder))


def _changes(config: Section, folder: Path) -> dict[str, object]:
    # A stand-in reads its configuration at each call, and does not load what is the other processes'.
    match config.process:
        case "client":
            from dffmpeg.configuration.checks import client

            return client.changes(cast("ClientConfig", config), folder)
        case "worker":
            from dffmpeg.configuration.checks import worker

            return worker.changes(cast("WorkerConfig", config), folder)
        case "coordinator":
            from dffmpeg.configuration.checks import coordinator

            return coordinator.changes(cast("CoordinatorConfig", config), folder)
        case None:
            return {}
