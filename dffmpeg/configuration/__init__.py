"""Configuration: TOML files, where they are searched, and what they may hold."""

from dffmpeg.configuration.common import Process
from dffmpeg.configuration.loading import candidates, load, locate, naming, parse, read

__all__ = ["Process", "candidates", "load", "locate", "naming", "parse", "read"]
