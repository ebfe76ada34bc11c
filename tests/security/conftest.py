"""Servers to attack: as in tests/web, real sockets on loopback."""

from tests.web.conftest import site

__all__ = ["site"]
