from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from dffmpeg.errors import ConfigurationError
from dffmpeg.store import StoreError
from dffmpeg.store.crypto import KeyRing

SECRET = bytes(range(32))


def test_the_first_key_seals_and_all_open() -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    sealed = KeyRing.from_keys([old]).seal(SECRET)
    both = KeyRing.from_keys([new, old])
    assert both.open(sealed) == SECRET
    again = both.seal(SECRET)
    assert KeyRing.from_keys([new]).open(again) == SECRET
    assert sealed.startswith("fernet:")


def test_what_was_stored_plain_can_still_be_read_with_keys() -> None:
    sealed = KeyRing.from_keys([]).seal(SECRET)
    assert sealed.startswith("plain:")
    assert KeyRing.from_keys([Fernet.generate_key().decode()]).open(sealed) == SECRET


def test_a_missing_key_is_named_by_its_id_only() -> None:
    key = Fernet.generate_key().decode()
    sealed = KeyRing.from_keys([key]).seal(SECRET)
    with pytest.raises(StoreError, match="not configured") as caught:
        KeyRing.from_keys([]).open(sealed)
    assert key not in str(caught.value)


def test_the_same_secret_never_looks_the_same() -> None:
    ring = KeyRing.from_keys([Fernet.generate_key().decode()])
    assert ring.seal(SECRET) != ring.seal(SECRET)


@pytest.mark.parametrize("key", ["too short", "nosuch:abc"])
def test_a_key_that_is_none(key: str) -> None:
    with pytest.raises(ConfigurationError, match=r"database\.repositories\.auth"):
        KeyRing.from_keys([key])


VAULT = """
class Vault:
    provider = "dffmpeg_test_vault"
    def __init__(self, key):
        self.key_id = key.rpartition("/")[2]
    def seal(self, secret):
        return secret.hex()
    def open(self, text):
        return bytes.fromhex(text)
"""


def test_a_provider_that_another_package_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its entry point, as an installed package has it."""
    (tmp_path / "dffmpeg_test_vault.py").write_text(VAULT)
    info = tmp_path / "dffmpeg_test_vault-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dffmpeg-test-vault\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[dffmpeg.common.crypto]\ndffmpeg_test_vault = dffmpeg_test_vault:Vault\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    fernet = Fernet.generate_key().decode()
    # What it calls a key may have colons too.
    ring = KeyRing.from_keys(["dffmpeg_test_vault:https://vault.example:8200/k", fernet])
    sealed = ring.seal(SECRET)
    assert sealed.startswith("dffmpeg_test_vault:k:")
    assert SECRET.hex() in sealed
    assert ring.open(sealed) == SECRET
    assert ring.open(KeyRing.from_keys([fernet]).seal(SECRET)) == SECRET
    with pytest.raises(StoreError, match="by dffmpeg_test_vault with a key that is not configured"):
        KeyRing.from_keys([fernet]).open(sealed)


@pytest.mark.parametrize("damaged", ["plain::not base64!", "plain::\xe9"])
def test_a_damaged_key_says_so(damaged: str) -> None:
    with pytest.raises(StoreError, match="damaged"):
        KeyRing.from_keys([]).open(damaged)


def test_a_damaged_fernet_key_says_so() -> None:
    ring = KeyRing.from_keys([Fernet.generate_key().decode()])
    sealed = ring.seal(SECRET)
    with pytest.raises(StoreError, match="damaged"):
        ring.open(sealed[:-8] + "AAAAAAA=")
