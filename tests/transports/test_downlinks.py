"""Which downlink is chosen, and how one over a broker lives without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from dffmpeg.configuration.coordinator import Transports
from dffmpeg.errors import BadInput, ConfigurationError
from dffmpeg.transports.broker import Post, Route
from dffmpeg.transports.downlink import Audience, Downlinks, Surroundings
from dffmpeg.transports.http_polling_server import HttpPollingDownlink
from dffmpeg.transports.mqtt_server import MqttDownlink
from dffmpeg.transports.outbox import Outbox
from dffmpeg.transports.plugins import server_downlinks
from dffmpeg.wire.workers import DownlinkMessage


class Wire:
    """A downlink that fails when a test says so."""

    def __init__(self, name: str, failing_since: float | None = None) -> None:
        self.name = name
        self.failing_since = failing_since

    def worker_metadata(self, worker_id: str) -> dict[str, Any]:
        return {}

    def job_metadata(self, requester_id: str, job_id: str) -> dict[str, Any]:
        return {}

    def connected(self, recipient_id: str) -> bool | None:
        return None

    def dismiss(self, recipient_id: str) -> None:
        pass

    async def send(self, message: DownlinkMessage, audience: Audience) -> None:
        pass

    async def run(self, ready: Callable[[], None]) -> None:
        ready()


async def test_the_callers_order_decides_among_those_that_work(mock_clock: MockClock) -> None:
    a, b, c = Wire("a"), Wire("b"), Wire("c")
    links = Downlinks([a, b, c], grace=15.0)

    def chosen(*names: str, current: str | None = None) -> str:
        return links.choose(names, current).name

    assert chosen("b", "a") == "b"
    assert chosen("x", "c") == "c"
    assert chosen() == "a"
    with pytest.raises(BadInput, match=r"none of \['x'\] is enabled here; enabled: \['a', 'b', 'c'\]"):
        chosen("x")
    b.failing_since = trio.current_time()
    # Nobody begins with it; whoever uses it stays for the grace.
    assert (chosen("b", "a"), chosen("b", "a", current="b")) == ("a", "b")
    mock_clock.jump(14.9)
    assert chosen("b", "a", current="b") == "b"
    mock_clock.jump(0.2)
    assert chosen("b", "a", current="b") == "a"
    # A worker that has no other is not refused.
    assert chosen("b") == "b"
    a.failing_since = c.failing_since = 0.0
    assert chosen("c", "a") == "c"
    assert links.health() == {"a": "unhealthy", "b": "unhealthy", "c": "unhealthy"}
    b.failing_since = None
    assert chosen("c", "b", current="c") == "b"


def nothing(*_: object) -> Any:
    raise AssertionError


def made(enabled: list[str], settings: Mapping[str, dict[str, Any]]) -> Downlinks:
    return server_downlinks(
        Transports(enabled_transports=enabled, transport_settings=dict(settings)), nothing
    )


def test_a_broker_behind_polling_is_made_once_and_lives() -> None:
    links = made(["http_polling"], {"http_polling": {"backend_transport": "mqtt"}, "mqtt": {"host": "h"}})
    assert links.names == ["http_polling"]
    assert [type(link) for link in links.living] == [HttpPollingDownlink, MqttDownlink]
    links = made(["mqtt", "http_polling"], {"http_polling": {"backend_transport": "mqtt"}})
    assert [type(link) for link in links.living] == [MqttDownlink, HttpPollingDownlink]


@pytest.mark.parametrize(
    ("enabled", "settings", "says"),
    [
        (["pigeon"], {}, "there is no transport 'pigeon'; installed: .*mqtt"),
        (["http_polling"], {"http_polling": {"backend_transport": "pigeon"}}, "no transport 'pigeon'"),
        (["http_polling"], {"http_polling": {"backend_transport": "websocket"}}, "websocket is no broker's"),
        (["http_polling"], {"http_polling": {"backend_transport": "http_polling"}}, "carried by itself"),
        (
            ["http_polling"],
            {"http_polling": {"backend_transport": "mqt"}},
            "http_polling.backend_transport: there",
        ),
        (
            ["mqtt"],
            {"mqtt": {"hosts": [""]}},
            "transports.transport_settings.mqtt.hosts: expected a broker's",
        ),
        (
            ["mqtt"],
            {"mqtt": {"password_file": "/no"}},
            "^transports.transport_settings.mqtt.password_file: /no: ",
        ),
        (["mqtt"], {"mtqq": {"host": "h"}}, '^transports.transport_settings.mtqq: .* did you mean "mqtt"'),
    ],
)
def test_what_cannot_be_used_is_named(
    enabled: list[str], settings: Mapping[str, dict[str, Any]], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        made(enabled, settings)


async def test_without_its_broker_it_is_ready_and_failing() -> None:
    link = MqttDownlink.create({"host": "127.0.0.1", "port": 1}, Surroundings(nothing, nothing))
    assert link.failing_since is not None
    ready = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run, ready.set)
        with trio.fail_after(60):
            await ready.wait()
        assert link.failing_since is not None
        nursery.cancel_scope.cancel()


def post(number: int, size: int = 1) -> Post:
    return Post(Route(f"w{number}"), b"x" * size)


async def test_an_outbox_keeps_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outbox, "COUNT", 3)
    monkeypatch.setattr(Outbox, "BYTES", 10)
    box = Outbox()
    for number in range(5):
        box.put(post(number))
    assert (len(box), box.dropped) == (3, 2)
    box.put(post(5, 9))
    assert [one.route.recipient_id for one in await box.take(10)] == ["w4", "w5"]
    # One that is larger than all room is not kept either.
    box.put(post(6, 11))
    assert len(box) == 0


async def test_what_was_not_confirmed_goes_first_until_it_failed_too_often() -> None:
    box = Outbox()
    for number in range(4):
        box.put(post(number))
    for _try in range(Outbox.TRIES - 1):
        box.put_back(await box.take(2))
        assert len(box) == 4
    taken = await box.take(2)
    assert [one.route.recipient_id for one in taken] == ["w0", "w1"]
    box.put_back(taken)
    assert [one.route.recipient_id for one in await box.take(9)] == ["w2", "w3"]
    assert box.dropped == 2


async def test_whoever_takes_waits_for_a_message(autojump_clock: MockClock) -> None:
    box = Outbox()
    async with trio.open_nursery() as nursery:

        async def put() -> None:
            await trio.sleep(5)
            box.put(post(1))

        nursery.start_soon(put)
        assert len(await box.take(9)) == 1
    assert trio.current_time() >= 5
