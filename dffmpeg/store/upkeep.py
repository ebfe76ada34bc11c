"""What administration does with a database as a whole, beside the repositories in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import sqlalchemy as sa


class Upkeep(ABC):
    """One database, which need not be open, or there. Its methods block; call them in a thread.

    Each may raise `StoreUnavailable`.

    Args:
        name: what a person knows it by, such as its file.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.repositories: set[str] = set()
        """Which of them stand in it, as the configuration has it."""

    @abstractmethod
    def version(self) -> int:
        """The version of its schema; 0 where there is none yet."""

    @abstractmethod
    def in_use(self) -> bool:
        """Whether a process has it open. Ask before this one opens it, or it counts too."""

    def claim(self) -> AbstractContextManager[None]:
        """Keep other coordinators' processes away from it inside the block, which asks for this before
        it opens the database, and has closed it when it ends. Administration is not kept away.

        Of an engine that several coordinators may share, nothing.

        Raises:
            ConfigurationError: another coordinator has it.
        """
        return nullcontext()

    @abstractmethod
    def engine(self) -> sa.Engine:
        """For whoever reads or fills whole tables, one connection at a time, and disposes of it."""

    @abstractmethod
    def check(self) -> list[str]:
        """Look at every page and at what rows say of each other; changes nothing.

        Returns:
            What is wrong, a line each.
        """

    @abstractmethod
    def backup(self, target: Path) -> int:
        """Copy it as it is at one moment into a new file for its owner's eyes, also while it is used.

        Returns:
            How many bytes the copy has.

        Raises:
            StoreUnavailable: there is nothing to copy, the file exists already, or cannot be written.
        """
