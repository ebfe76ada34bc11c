"""Configuration: TOML files, where they are searched, and what they may hold."""

from dffmpeg.configuration.loading import Process, candidates, load, locate, parse, read

__all__ = ["Process", "candidates", "load", "locate", "parse", "read"]
