"""How long to wait before a child is started again."""

from dffmpeg.backoff import Backoff

__all__ = ["Backoff"]
