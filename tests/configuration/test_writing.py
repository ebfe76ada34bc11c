"""The files that dffmpeg writes: they say the truth about the defaults, and keep keys private."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dffmpeg.configuration import parse
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.configuration.common import Connection, Section
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.configuration.writing import EXAMPLE, render, write_file
from dffmpeg.errors import ConfigurationError
from dffmpeg.wire.signature import generate_key

FILE = Path("/etc/dffmpeg/some.toml")
PLACEHOLDER = "the output of openssl rand -hex 32"
CONNECTION = {"coordinator_url": "http://10.0.0.1:8000", "client_id": "w1", "hmac_key": "A" * 43 + "="}
KINDS = [
    (CoordinatorConfig, {}),
    (WorkerConfig, CONNECTION),
    (ClientConfig, CONNECTION),
]
SHIPPED = Path(__file__).parents[2] / "config"


def uncomment(text: str) -> str:
    return re.sub(r"(?m)^#(?=[a-z\[])", "", text)


@pytest.mark.parametrize(("kind", "values"), KINDS)
def test_a_written_file_holds_the_defaults(kind: type[Section], values: dict[str, Any]) -> None:
    text = render(kind, values)
    expected = parse(kind, msgspec.toml.encode(values), FILE)
    assert parse(kind, text.encode(), FILE) == expected


@pytest.mark.parametrize(("kind", "values"), KINDS)
def test_what_is_commented_out_is_the_default(kind: type[Section], values: dict[str, Any]) -> None:
    text = render(kind, values)
    shown = uncomment(text)
    assert shown != text
    expected = parse(kind, msgspec.toml.encode(values), FILE)
    assert parse(kind, shown.encode(), FILE) == expected


def keys_of(kind: type[Section]) -> set[str]:
    found = set()
    for field in msgspec.structs.fields(kind):
        found.add(field.name)
        if isinstance(field.type, type) and issubclass(field.type, Section):
            found |= keys_of(field.type)
    return found


@pytest.mark.parametrize(("kind", "values"), KINDS)
def test_every_key_is_in_the_file(kind: type[Section], values: dict[str, Any]) -> None:
    text = render(kind, values)
    for key in keys_of(kind):
        pattern = rf"(?m)^(#|{EXAMPLE})?(\[[a-z._]*)?\b{key}\b"
        # A path variable's example stands in the table of its key.
        assert re.search(pattern, text), key


@pytest.mark.parametrize("section", ["cluster", "hooks"])
@pytest.mark.parametrize("secret", [PLACEHOLDER, f"change this: {PLACEHOLDER}"])
def test_an_examples_secret_is_refused(section: str, secret: str) -> None:
    text = f'[{section}]\nsecret = "{secret}"\n'
    said = f"{section}.secret: still an example's text, put there what `openssl rand -hex 32` prints"
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        parse(CoordinatorConfig, text.encode(), FILE)


@pytest.mark.parametrize(("kind", "values"), KINDS)
def test_every_example_can_be_used(kind: type[Section], values: dict[str, Any]) -> None:
    text = re.sub(rf"(?m)^{EXAMPLE}", "", render(kind, values))
    # But for secrets, which everybody could read there.
    text = text.replace(PLACEHOLDER, generate_key().hex())
    doubled = re.sub(r"(?m)^#trusted_proxies.*\n", "", text)
    assert parse(kind, doubled.encode(), FILE) != parse(kind, render(kind, values).encode(), FILE)


def test_values_are_set_and_survive() -> None:
    values = {
        "port": 9000,
        "allowed_binaries": ["ffmpeg", 'a"b'],
        "database": {"engine_defaults": {"sqlite": {"path": "/x/ü\n\x7f.db"}}},
        "leases": {"worker": 5.0},
    }
    # Sections are written as tables, in which all is commented out.
    assert tomllib.loads(render(CoordinatorConfig, values)) == {
        **tomllib.loads(render(CoordinatorConfig)),
        **values,
    }
    paths = {"paths": {"Movies": "/m", "Other": '/o"\\'}, "binaries": {"ffmpeg": "/x"}}
    config = parse(WorkerConfig, render(WorkerConfig, {**CONNECTION, **paths}).encode(), FILE)
    assert (config.paths, config.binaries) == (paths["paths"], paths["binaries"])


@pytest.mark.parametrize("process", ["coordinator", "worker", "client"])
def test_the_shipped_files_are_what_would_be_written(process: str) -> None:
    kinds: dict[str, type[Section]] = {
        "coordinator": CoordinatorConfig,
        "worker": WorkerConfig,
        "client": ClientConfig,
    }
    assert (SHIPPED / f"{process}.toml").read_text() == render(kinds[process])


def test_a_template_that_nobody_filled_in_says_what_is_missing() -> None:
    assert issubclass(WorkerConfig, Connection)
    with pytest.raises(ConfigurationError, match="client_id: expected"):
        parse(WorkerConfig, render(WorkerConfig).encode(), FILE)
    with pytest.raises(ConfigurationError, match="hmac_key: expected"):
        parse(WorkerConfig, render(WorkerConfig, {"client_id": "w1"}).encode(), FILE)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_private_at_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_file(tmp_path / "a.toml", "text")
    finally:
        os.umask(before)
    assert mode(tmp_path / "a.toml") == 0o600
    assert (tmp_path / "a.toml").read_text() == "text"
    assert os.listdir(tmp_path) == ["a.toml"]


def test_an_existing_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("mine")
    with pytest.raises(ConfigurationError, match="exists already"):
        write_file(file, "other")
    assert file.read_text() == "mine"
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(ConfigurationError, match="exists already"):
        write_file(tmp_path / "dangling", "other")
    assert sorted(os.listdir(tmp_path)) == ["a.toml", "dangling"]


def test_overwriting_narrows_the_mode_or_keeps_it(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("mine")
    file.chmod(0o644)
    write_file(file, "other", overwrite=True)
    assert (file.read_text(), mode(file)) == ("other", 0o600)
    file.chmod(0o640)
    write_file(file, "third", overwrite=True, mode=None)
    assert (file.read_text(), mode(file)) == ("third", 0o640)


def test_overwriting_goes_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("mine")
    (tmp_path / "link").symlink_to("real")
    write_file(tmp_path / "link", "other", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "other"


def test_a_folder_that_is_missing_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"a\.toml: cannot be written: No such file"):
        write_file(tmp_path / "no" / "a.toml", "text")


@pytest.mark.parametrize("name", ["", ".", "pipe", "folder"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_file_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, overwrite: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    os.mkdir("folder")
    with pytest.raises(ConfigurationError, match=r"cannot be written: not a regular file|exists already"):
        write_file(Path(name), "text", overwrite=overwrite)
    assert stat.S_ISFIFO(os.stat("pipe").st_mode)
    assert sorted(os.listdir()) == ["folder", "pipe"]
