"""dffmpeg runs FFmpeg on other machines as if it ran here."""

__version__ = "0.1.0"
