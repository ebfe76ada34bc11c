"""TLS: whom we trust, and what we show."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from dffmpeg.configuration.common import Trust
from dffmpeg.errors import ConfigurationError


def client_context(trust: Trust) -> ssl.SSLContext:
    """What a connection to a coordinator is secured with. Reads files.

    Raises:
        ConfigurationError: one of them cannot be used; names its key.
    """
    with reading("tls.cafile", trust.cafile):
        context = ssl.create_default_context(cafile=trust.cafile)
    # Who closes without TLS's own farewell has cut something off, as trio's own function has it.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if trust.certfile is not None:
        show(context, trust.certfile, trust.keyfile)
    return context


def show(context: ssl.SSLContext, certfile: str, keyfile: str | None) -> None:
    """Let a context prove with a certificate who we are. Reads files.

    Args:
        keyfile: None where the key stands in the certificate's file.

    Raises:
        ConfigurationError: one of them cannot be used; names its key.
    """
    with reading("tls.certfile", certfile if keyfile is None else f"{certfile} with {keyfile}"):
        context.load_cert_chain(certfile, keyfile, _no_password)


@contextmanager
def reading(key: str, files: str | None) -> Iterator[None]:
    """What is read inside is named by a configuration's key.

    Raises:
        ConfigurationError: it cannot be read; names the key and the files.
    """
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{key}: cannot use {files}: {error.strerror or error}") from error


def _no_password() -> str:
    """An encrypted key would be asked for at the terminal, if there were nobody to say no."""
    raise ConfigurationError("tls.keyfile: it is encrypted; expected a key without a passphrase")
