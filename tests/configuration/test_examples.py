"""What `config/` shows is taken by those whom it is for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dffmpeg.configuration import load
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.errors import ConfigurationError
from dffmpeg.wire.signature import generate_key
from tests.servers.requirements import program

CONFIG = Path(__file__).parents[2] / "config"
COORDINATORS = sorted(CONFIG.glob("architectures/*/coordinator*.toml"))
PAGE = (CONFIG / "README.md").read_text()

PLACEHOLDER = "change this: the output of openssl rand -hex 32"

MADE_BY_HAND = ("./secrets", "./media")
"""What containers are given that is not ours to ship."""


@pytest.mark.parametrize("file", COORDINATORS, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_coordinator_takes_its_configuration(file: Path, tmp_path: Path) -> None:
    text = file.read_text()
    if PLACEHOLDER in text:
        with pytest.raises(ConfigurationError, match=r"cluster\.secret: still an example's text"):
            load(CoordinatorConfig, "coordinator", file)
    filled = tmp_path / file.name
    filled.write_text(text.replace(PLACEHOLDER, generate_key().hex()))
    assert load(CoordinatorConfig, "coordinator", filled).host == "0.0.0.0"


def test_there_is_one_for_each_way_to_set_it_up() -> None:
    assert {file.parent.name for file in COORDINATORS} == {"simple", "mqtt", "highly-available"}


def test_the_two_coordinators_differ_in_their_address_only() -> None:
    one, two = ((CONFIG / f"architectures/highly-available/coordinator{n}.toml").read_text() for n in (1, 2))
    assert one != two
    assert one.replace("coordinator1:", "coordinator2:") == two


def test_what_containers_are_given_is_there() -> None:
    given = re.findall(r"(\./[^:\"}]+)[:}]", (CONFIG / "compose.yaml").read_text())
    assert "./container/users.sh" in given
    for source in given:
        assert source.startswith(MADE_BY_HAND) or (CONFIG / source).exists(), source


@pytest.mark.parametrize(
    "file",
    [path for path in sorted(CONFIG.rglob("*")) if path.is_file() and path.name != "README.md"],
    ids=lambda file: str(file.relative_to(CONFIG)),
)
def test_the_page_names_every_file(file: Path) -> None:
    name = str(file.relative_to(CONFIG))
    folders = [f"{folder}/" for folder in Path(name).parents if folder.name]
    assert any(f"`{part}`" in PAGE for part in (name, *folders)), name


@pytest.mark.servers("mariadb")
def test_mariadb_knows_every_option_of_a_galera_node() -> None:
    # Whoever is root must say as whom it would run, though nothing is started.
    command = [program("mariadbd", "mariadb-server"), f"--defaults-file={CONFIG}/galera/galera.cnf"]
    command += ["--user=nobody", "--help", "--verbose"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


BROKER = ["rabbitmq", "rabbitmq1", "rabbitmq2"]


@pytest.mark.parametrize("broker", [[], BROKER], ids=["without", "with a broker"])
def test_the_users_of_a_cluster_are_made_once(tmp_path: Path, broker: list[str]) -> None:
    file = tmp_path / "coordinator.toml"
    text = (CONFIG / "architectures/simple/coordinator.toml").read_text()
    file.write_text(text.replace("/var/lib/dffmpeg/", f"{tmp_path}/"))
    users = tmp_path / "users"
    users.mkdir()
    command = [str(CONFIG / "container/users.sh"), str(file), str(users), "http://coordinator:8000", "2"]
    command += broker
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    made: dict[str, bytes] = {}
    for _start in range(2):
        subprocess.run(command, env=environment, check=True, capture_output=True)
        found = {path.name: path.read_bytes() for path in users.iterdir()}
        assert made in ({}, found)
        made = found
    assert sorted(made) == ["admin.toml", "client.toml", "worker1.toml", "worker2.toml"]
    worker = load(WorkerConfig, "worker", users / "worker2.toml")
    assert (worker.client_id, worker.paths) == ("worker2", {"Media": "/media"})
    if broker:
        assert worker.transports[0] == "rabbitmq"
        settings = worker.transport_settings["rabbitmq"]
        assert (settings["hosts"], settings["username"]) == (["rabbitmq1", "rabbitmq2"], "worker2")
    client = load(ClientConfig, "client", users / "client.toml")
    assert client.coordinator_url == "http://coordinator:8000"
