"""The coordinator's HTTP and WebSocket interface, and its dashboard."""

from .app import WebApp, create_app
from .server import WebServer

__all__ = ["WebApp", "WebServer", "create_app"]
