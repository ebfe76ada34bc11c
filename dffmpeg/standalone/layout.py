"""Where everything is in a standalone cluster's folder, and who may use it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dffmpeg.errors import ConfigurationError
from dffmpeg.process_lock import Held, held


@dataclass(frozen=True, slots=True)
class Layout:
    """A cluster's folder; absolute."""

    folder: Path

    @property
    def coordinator(self) -> Path:
        return self.folder / "coordinator.toml"

    @property
    def client(self) -> Path:
        return self.folder / "client.toml"

    @property
    def admin(self) -> Path:
        return self.folder / "admin.toml"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def programs(self) -> Path:
        return self.folder / "bin"

    @property
    def cluster(self) -> Path:
        return self.folder / "cluster.json"

    def worker(self, name: str) -> Path:
        """A worker's configuration."""
        return self.folder / f"{name}.toml"

    def log(self, name: str) -> Path:
        """What a process prints."""
        return self.logs / f"{name}.log"

    def known_workers(self) -> int:
        """How many workers were configured here before: worker1, worker2, … without a gap."""
        count = 0
        while self.worker(f"worker{count + 1}").is_file():
            count += 1
        return count


@contextmanager
def claim(folder: Path) -> Iterator[Layout]:
    """Make the folder where it is missing, and have it for oneself.

    Raises:
        ConfigurationError: somebody else has it, or it cannot be made.
    """
    layout = Layout(Path(os.path.abspath(folder)))
    with ExitStack() as claimed:
        try:
            layout.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            layout.logs.mkdir(exist_ok=True)
            layout.programs.mkdir(exist_ok=True)
            claimed.enter_context(held(layout.folder / "lock"))
        except OSError as error:
            raise ConfigurationError(f"--data {folder}: {error.strerror or error}") from None
        except Held as error:
            raise ConfigurationError(
                f"--data {folder}: in use by another standalone (process {error.holder})"
            ) from None
        yield layout
