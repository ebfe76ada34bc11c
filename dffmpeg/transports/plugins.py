"""The coordinator's halves of transports, from the entry points: ours, and whatever else is installed."""

from __future__ import annotations

from collections.abc import Callable

from dffmpeg.configuration.coordinator import Transports
from dffmpeg.errors import ConfigurationError
from dffmpeg.store.messages import MessageRepository
from dffmpeg.transports.downlink import Downlink, DownlinkFactory, Downlinks, KeysOf, Surroundings
from dffmpeg.transports.entries import load_entry, refuse_unknown

SERVER_GROUP = "dffmpeg.transports.server"


def server_downlinks(
    transports: Transports, messages: Callable[[], MessageRepository], keys_of: KeysOf | None = None
) -> Downlinks:
    """The coordinator's halves of the enabled transports, in the configured order.

    Args:
        keys_of: see `Surroundings`; None leaves messages unsealed.

    Raises:
        ConfigurationError: one is not installed, or its settings do not fit, or are of none that there is.
    """
    made: dict[str, Downlink] = {}
    wanted = list(dict.fromkeys(transports.enabled_transports or ["http_polling"]))
    making: list[str] = []

    def make(name: str, key: str = "transports.enabled_transports") -> Downlink:
        if name in making:
            raise ConfigurationError(f"transports.transport_settings.{name}: it is to be carried by itself")
        if name not in made:
            making.append(name)
            entry: DownlinkFactory = load_entry(SERVER_GROUP, name, key)
            made[name] = entry.create(transports.transport_settings.get(name, {}), surroundings)
            making.pop()
        return made[name]

    surroundings = Surroundings(messages, make, keys_of)
    refuse_unknown(SERVER_GROUP, transports.transport_settings, "transports.transport_settings")
    enabled = [make(name) for name in wanted]
    beneath = [downlink for name, downlink in made.items() if name not in wanted]
    return Downlinks(enabled, beneath, grace=transports.grace)
