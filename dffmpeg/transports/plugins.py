"""Transports by name, from the entry points: ours, and whatever else is installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from dffmpeg.configuration.coordinator import Transports
from dffmpeg.errors import ConfigurationError
from dffmpeg.store.messages import MessageRepository
from dffmpeg.transports.downlink import Downlink

SERVER_GROUP = "dffmpeg.transports.server"


def server_downlinks(transports: Transports, messages: Callable[[], MessageRepository]) -> list[Downlink]:
    """The coordinator's halves of the enabled transports, in the configured order.

    An entry point is a class with `create(messages, settings)`.

    Raises:
        ConfigurationError: one is not installed, or its settings do not fit.
    """
    made: list[Downlink] = []
    for name in dict.fromkeys(transports.enabled_transports or ["http_polling"]):
        found = list(entry_points(group=SERVER_GROUP, name=name))
        if not found:
            known = ", ".join(sorted(entry_points(group=SERVER_GROUP).names))
            raise ConfigurationError(
                f"transports.enabled_transports: there is no transport {name!r}; installed: {known}"
            )
        made.append(found[0].load().create(messages, transports.transport_settings.get(name, {})))
    return made
