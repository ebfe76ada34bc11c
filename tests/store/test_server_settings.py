"""What a configuration may say of a database server, and what is said of anything else."""

from pathlib import Path
from typing import Any

import pytest

from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.configuration.loading import parse
from dffmpeg.errors import ConfigurationError
from dffmpeg.store.mysql import MysqlDatabase
from dffmpeg.store.postgresql import PostgresqlDatabase
from dffmpeg.store.server_settings import KEYS, ServerSettings

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def settings(**options: Any) -> ServerSettings:
    return PostgresqlDatabase.settings(options)


def test_defaults() -> None:
    assert settings().name == "postgresql://127.0.0.1:5432/dffmpeg"
    assert MysqlDatabase.settings({"socket": "/run/mysqld.sock"}).name == "mysql:///run/mysqld.sock/dffmpeg"


@pytest.mark.parametrize(
    ("host", "places"),
    [
        ("a", "a:5432"),
        ("a:1", "a:1"),
        (["a", "b:7", "[::1]:8", "::1"], "a:5432,b:7,[::1]:8,[::1]:5432"),
    ],
)
def test_hosts(host: object, places: str) -> None:
    assert settings(host=host).name == f"postgresql://{places}/dffmpeg"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hots": "a"}, r'hots: unknown key, did you mean "host"\?'),
        ({"host": ""}, "host: expected a host"),
        ({"host": []}, "host: expected a host"),
        ({"host": "a:x"}, "host: expected `host`"),
        ({"host": "[::1"}, "host: expected `host`"),
        ({"port": "5432"}, "port: expected a number from 1 to 65535"),
        ({"port": True}, "port: expected a number"),
        ({"pool_size": 0}, "pool_size: expected a number from 1 to 64"),
        ({"patience": -1}, "patience: expected seconds"),
        ({"tls": "yes"}, "tls: expected one of off, prefer, require, verify"),
        ({"cert": "/x"}, "cert: cert and key belong together"),
        ({"socket": "/x", "host": "a"}, "socket: expected either this, or host and port"),
        ({"password": 7}, "password: expected a text"),
        ({"password": "x", "password_file": "/y"}, "password_file: expected either this, or password"),
        ({"password_file": "/nowhere/at/all"}, "password_file: /nowhere/at/all: No such file"),
    ],
)
def test_what_is_wrong_is_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^database\.engine_defaults\.postgresql\.{said}"):
        settings(**options)


def test_a_password_in_a_file_is_its_first_line_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret word\n# and a remark\n")
    text = '[database.engine_defaults.mysql]\npassword_file = "password"\nca = "ca.pem"\n'
    config = parse(CoordinatorConfig, text.encode(), tmp_path / "coordinator.toml")
    found = MysqlDatabase.settings(config.database.engine_defaults["mysql"])
    assert (found.password, found.ca) == ("s3cret word", str(tmp_path / "ca.pem"))
    assert "s3cret" not in repr(found)
    shown = parse(
        CoordinatorConfig, b'[database.engine_defaults.mysql]\npassword = "s3cret"\n', tmp_path / "c.toml"
    )
    assert "s3cret" not in repr(shown)


def test_tls_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    options = {"tls": "verify", "ca": str(tmp_path / "none.pem")}
    with pytest.raises(ConfigurationError, match=r"none\.pem"):
        MysqlDatabase.open(options)


def test_a_missing_driver_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PostgresqlDatabase, "driver", "psycopg_that_is_not_there")
    with pytest.raises(ConfigurationError, match=r"pip install 'dffmpeg\[postgresql\]'"):
        settings()


def test_every_key_is_documented_and_no_other() -> None:
    section = PAGE.read_text().partition("\n## Database servers\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {name.strip(" `") for row in rows for name in row.split(",")} == KEYS
