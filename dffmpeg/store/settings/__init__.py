"""Switches of the whole cluster that somebody sets while it runs."""

from __future__ import annotations

from abc import ABC, abstractmethod

from dffmpeg.model.scheduling.pause import Pause


class SettingsRepository(ABC):
    """What the rest knows of how they are stored."""

    @abstractmethod
    async def pause(self) -> Pause:
        """Whether the queue is paused."""

    @abstractmethod
    async def set_pause(self, pause: Pause) -> None:
        """Pause or resume the queue; it is durable afterwards."""
