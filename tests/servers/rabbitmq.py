"""A RabbitMQ cluster: Erlang nodes on ports of the loopback address, in place of machines."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from tests.servers.account import Account
from tests.servers.ports import LOOPBACK, free_port, listens
from tests.servers.process import ServerProcess
from tests.servers.requirements import program

USER = "dffmpeg"
PASSWORD = "dffmpeg-test"
VHOST = "/"

PACKAGE = "rabbitmq-server"

_PLACES = ("/usr/lib/rabbitmq/bin",)
"""Debian's own programs run as its own user in its own folder; these are what they call."""

# One scheduler a node that does not spin: several nodes share few cores.
_ERLANG = "+S 1:1 +A 4 +sbwt none +sbwtdcpu none +sbwtdio none"

EXAMPLE = Path(__file__).parents[2] / "config/rabbitmq/rabbitmq.conf"

_LINE = re.compile(r"(?m)^(cluster_formation\.classic_config\.nodes\.|load_definitions\b).*\n")
"""What of it is about machines and folders."""

_GREETING = b"AMQP\x00\x00\x09\x01"

Definitions = dict[str, object]

EVERYTHING: Definitions = {
    "vhosts": [{"name": VHOST}],
    "users": [{"name": USER, "password": PASSWORD, "tags": "administrator"}],
    "permissions": [{"user": USER, "vhost": VHOST, "configure": ".*", "write": ".*", "read": ".*"}],
    # A queue must survive the node that it was declared on.
    "policies": [
        {
            "vhost": VHOST,
            "name": "dffmpeg",
            "pattern": "^dffmpeg",
            "apply-to": "queues",
            "definition": {"ha-mode": "all", "ha-sync-mode": "automatic"},
        }
    ],
}
"""One user who may do everything; queues of ours are mirrored to all nodes."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all nodes of a cluster have: the port of their name server, their secret, their names."""

    epmd: int
    cookie: str
    names: tuple[str, ...]


class Node:
    """One node. `process.kill()` and `process.start()`, `process.freeze()` and `process.thaw()`.

    Attributes:
        port: AMQP, on the loopback address; kept across restarts.
        name: the Erlang node's.
    """

    def __init__(
        self, account: Account, folder: Path, shared: _Shared, number: int, definitions: Definitions
    ) -> None:
        self.name = shared.names[number]
        self.port = free_port()
        self.host = LOOPBACK
        self._account = account
        self._environment = {
            "HOME": str(folder),
            # Without it a shell stays in front, and what is killed is not the server.
            "RUNNING_UNDER_SYSTEMD": "true",
            "ERL_EPMD_PORT": f"{shared.epmd}",
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": f"{self.port}",
            "RABBITMQ_DIST_PORT": f"{free_port()}",
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/logs",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{account.write(folder / 'plugins', '[].')}",
            "RABBITMQ_CONF_ENV_FILE": f"{account.write(folder / 'environment', '')}",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"{_ERLANG} -kernel inet_dist_use_interface {{127,0,0,1}} -setcookie {shared.cookie}"
            ),
            "RABBITMQ_CTL_ERL_ARGS": f"-setcookie {shared.cookie} {_ERLANG}",
            "RABBITMQ_CONFIG_FILE": f"{self._configuration(folder, shared, definitions)}",
        }
        argv = account.command(program("rabbitmq-server", PACKAGE, places=_PLACES))
        self.process = ServerProcess(self.name, argv, folder / "log", self._greets, self._environment)

    async def control(self, *arguments: str) -> str:
        """rabbitmqctl's answer, which takes seconds.

        Raises:
            subprocess.CalledProcessError: it failed; the error has what it said.
        """
        ctl = program("rabbitmqctl", PACKAGE, places=_PLACES)
        command = self._account.command(ctl, "--node", self.name, "--quiet", *arguments)
        result = await trio.run_process(
            ["env", *(f"{name}={value}" for name, value in self._environment.items()), *command],
            capture_stdout=True,
            stderr=subprocess.STDOUT,
            cwd="/",
        )
        return result.stdout.decode()

    async def sees(self, nodes: int) -> None:
        """Return when so many nodes of the cluster are up, as it sees them, itself among them.

        It may itself be down meanwhile: those who were apart and meet again pause, and find out who goes on.
        """

        async def seen() -> bool:
            try:
                await self.control("await_online_nodes", f"{nodes}", "--timeout", "20")
            except subprocess.CalledProcessError:
                return False
            return True

        await self.process.wait_ready(seen)

    async def _greets(self) -> bool:
        """Whether it speaks AMQP, which is the last thing that a node begins to do."""
        try:
            stream = await trio.open_tcp_stream(LOOPBACK, self.port)
            async with stream:
                await stream.send_all(_GREETING)
                return bool(await stream.receive_some(1))
        except (OSError, trio.BrokenResourceError):
            return False

    def _configuration(self, folder: Path, shared: _Shared, definitions: Definitions) -> Path:
        """The example, for these nodes and this folder."""
        file = self._account.write(folder / "definitions.json", json.dumps(definitions))
        text = _LINE.sub("", EXAMPLE.read_text("utf-8"))
        lines = {
            "load_definitions": f"{file}",
            "loopback_users": "none",
            # The first is started first; there is no race that waiting could avoid.
            "cluster_formation.randomized_startup_delay_range.min": "0",
            "cluster_formation.randomized_startup_delay_range.max": "0",
            # What is left of a disk or of memory is the machine's business, not a test's.
            "disk_free_limit.absolute": "50MB",
            **{
                f"cluster_formation.classic_config.nodes.{position + 1}": name
                for position, name in enumerate(shared.names)
            },
        }
        text += "".join(f"{name} = {value}\n" for name, value in lines.items())
        return self._account.write(folder / "rabbitmq.conf", text)


class RabbitMQ:
    """The running cluster. `nodes` in the order of their start."""

    user = USER
    password = PASSWORD
    vhost = VHOST

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes


@asynccontextmanager
async def open_rabbitmq(nodes: int = 3, definitions: Definitions = EVERYTHING) -> AsyncIterator[RabbitMQ]:
    """A cluster around a block, which is entered when every node sees all others.

    Args:
        definitions: virtual hosts, users, permissions and policies, in the form of
            `rabbitmqctl export_definitions`.

    Raises:
        Missing: this machine has not all that it takes.
        ServerFailed: a node does not start.
    """
    account = Account("rabbitmq")
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(account.folder("rabbitmq"))
        shared = _Shared(
            free_port(), folder.name, tuple(f"dffmpeg{number + 1}@localhost" for number in range(nodes))
        )
        names = _name_server(account, folder, shared.epmd)
        stack.push_async_callback(names.kill)
        await names.start()
        cluster = RabbitMQ(
            [
                Node(account, account.subfolder(folder / f"node{number + 1}"), shared, number, definitions)
                for number in range(nodes)
            ]
        )
        for node in cluster.nodes:
            stack.push_async_callback(node.process.kill)
        first, *others = cluster.nodes
        await first.process.start()
        async with trio.open_nursery() as nursery:
            for node in others:
                nursery.start_soon(node.process.start)
        if others:
            await first.sees(nodes)
        yield cluster


def _name_server(account: Account, folder: Path, port: int) -> ServerProcess:
    """Where the nodes find each other: of their own, for a node would start one that outlives it."""
    argv = account.command(program("epmd", "erlang-base"), "-port", f"{port}", "-address", LOOPBACK)
    return ServerProcess("epmd", argv, folder / "epmd.log", lambda: listens(port))
