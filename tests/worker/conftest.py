"""The coordinator that a worker's process talks to is the one that its tree is tested against."""

from tests.actors.worker.conftest import coordinator

__all__ = ["coordinator"]
