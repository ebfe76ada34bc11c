"""A transport's own settings: `transports.transport_settings.<name>` of a coordinator's configuration, and
`transport_settings.<name>` of a worker's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from dffmpeg.configuration.common import Section
from dffmpeg.errors import ConfigurationError

S = TypeVar("S", bound=Section)


class NoSettings(Section, frozen=True):
    """For a transport that has none."""


def parsed(kind: type[S], key: str, settings: Mapping[str, Any]) -> S:
    """Check a transport's settings.

    Args:
        key: where the configuration has them, for errors.

    Raises:
        ConfigurationError: something in them does not fit; names the key.
    """
    try:
        return msgspec.convert(dict(settings), kind)
    except msgspec.ValidationError as error:
        # Only broken settings pay for the import.
        from dffmpeg.configuration.diagnosis import explain

        why = explain(dict(settings), kind)
        raise ConfigurationError(f"{key}: {error}" if why is None else f"{key}.{why}") from None
