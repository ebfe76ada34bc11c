"""Keys at rest. Providers come by the entry-point group `dffmpeg.common.crypto`.

A sealed key is `provider:key id:text`. The first configured key seals, all of
them open, so that keys can be replaced one after the other.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken

from dffmpeg.errors import ConfigurationError
from dffmpeg.store.errors import StoreError

GROUP = "dffmpeg.common.crypto"


class Cipher(Protocol):
    """One key of one provider.

    Attributes:
        provider: by which name configurations and stored keys call it; without a colon.
        key_id: which of its keys it is, which anybody may know; without a colon.
    """

    provider: str
    key_id: str

    def seal(self, secret: bytes) -> str:
        """The secret as text that only this key opens."""

    def open(self, text: str) -> bytes:
        """The secret behind the text. Raises ValueError if this key did not seal it."""


class Plain:
    """No encryption: what protects the keys is the file's mode."""

    provider = "plain"
    key_id = ""

    def __init__(self, key: str = "") -> None:
        if key:
            raise ConfigurationError("database.repositories.auth: `plain:` takes no key")

    def seal(self, secret: bytes) -> str:
        return base64.b64encode(secret).decode("ascii")

    def open(self, text: str) -> bytes:
        return base64.b64decode(text, validate=True)


class FernetCipher:
    """Fernet (AES-128-CBC with HMAC-SHA256), of the cryptography package.

    Args:
        key: 32 bytes in URL-safe base64, as `Fernet.generate_key` makes them.
    """

    provider = "fernet"

    def __init__(self, key: str) -> None:
        try:
            self._fernet = Fernet(key)
        except ValueError:
            raise ConfigurationError(
                "database.repositories.auth: an encryption key is not a Fernet key"
                " (expected 32 bytes in URL-safe base64)"
            ) from None
        self.key_id = hashlib.sha256(key.encode("ascii")).hexdigest()[:8]

    def seal(self, secret: bytes) -> str:
        return self._fernet.encrypt(secret).decode("ascii")

    def open(self, text: str) -> bytes:
        try:
            return self._fernet.decrypt(text.encode("ascii"))
        except InvalidToken:
            raise ValueError("not sealed by this key") from None


class KeyRing:
    """Seals with its first cipher, opens with whichever sealed."""

    def __init__(self, ciphers: Sequence[Cipher]) -> None:
        self._ciphers = [*ciphers, Plain()]

    @classmethod
    def from_keys(cls, keys: Sequence[str]) -> KeyRing:
        """A ring of configured keys: `key` is Fernet's, `provider:key` another provider's.

        Raises:
            ConfigurationError: a key is malformed, or its provider is not installed.
        """
        return cls([_cipher(key) for key in keys])

    def seal(self, secret: bytes) -> str:
        """The column's text for a secret."""
        cipher = self._ciphers[0]
        return f"{cipher.provider}:{cipher.key_id}:{cipher.seal(secret)}"

    def seals(self, sealed: str) -> bool:
        """Whether the key that seals now sealed it."""
        cipher = self._ciphers[0]
        return sealed.startswith(f"{cipher.provider}:{cipher.key_id}:")

    def resealed(self, columns: Mapping[str, str | None]) -> dict[str, str]:
        """Those columns' texts that the key which seals now did not seal, sealed by it.

        Raises:
            StoreError: as `open`.
        """
        return {
            name: self.seal(self.open(sealed))
            for name, sealed in columns.items()
            if sealed is not None and not self.seals(sealed)
        }

    def open(self, sealed: str) -> bytes:
        """The secret behind a column's text.

        Raises:
            StoreError: the key that sealed it is not configured, or the text is damaged.
        """
        provider, _, rest = sealed.partition(":")
        key_id, _, text = rest.partition(":")
        for cipher in self._ciphers:
            if (cipher.provider, cipher.key_id) == (provider, key_id):
                return _opened(cipher, text)
        raise StoreError(
            f"a stored key was encrypted by {provider} with a key that is not configured ({key_id})"
        )


def _opened(cipher: Cipher, text: str) -> bytes:
    try:
        return cipher.open(text)
    except ValueError:
        raise StoreError(f"a stored key is damaged (encrypted by {cipher.provider})") from None


def _cipher(key: str) -> Cipher:
    # A Fernet key has no colon; what another provider calls a key may have some.
    provider, colon, rest = key.partition(":")
    name, rest = (provider, rest) if colon else (FernetCipher.provider, key)
    found = entry_points(group=GROUP, name=name)
    for entry in found:
        made: Cipher = entry.load()(rest)
        return made
    raise ConfigurationError(f"database.repositories.auth: there is no encryption provider {name!r}")
