"""A transport's own settings, `transport_settings.<name>` of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from dffmpeg.configuration.common import Section
from dffmpeg.errors import ConfigurationError

S = TypeVar("S", bound=Section)


class NoSettings(Section, frozen=True):
    """For a transport that has none."""


def parsed(kind: type[S], name: str, settings: Mapping[str, Any]) -> S:
    """Check a transport's settings.

    Args:
        name: the transport's.

    Raises:
        ConfigurationError: something in them does not fit; names the key.
    """
    try:
        return msgspec.convert(dict(settings), kind)
    except msgspec.ValidationError as error:
        # Only broken settings pay for the import.
        from dffmpeg.configuration.diagnosis import explain

        why = explain(dict(settings), kind) or str(error)
        raise ConfigurationError(f"transport_settings.{name}.{why}") from None
