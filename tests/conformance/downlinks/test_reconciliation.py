"""Whatever a downlink loses, repeats or reorders, reconciliation restores: all jobs are done, each once."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.model.identities import Identity
from dffmpeg.supervisors import open_tree
from dffmpeg.supervisors.worker import worker_tree
from dffmpeg.transports import client
from dffmpeg.wire import signature
from dffmpeg.wire.jobs import SubmitRequest
from tests.conformance.downlinks import faults
from tests.conformance.downlinks.faults import FaultyDownlink
from tests.conformance.downlinks.site import KEY, KINDS, Kind, Site, open_site

JOBS = 40
APPEND = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + '\\n')"
WAIT = "import time; time.sleep(600)"


def over(kind: Kind, settings: dict[str, Any]) -> Kind:
    """The faulty downlink over another."""
    return Kind(
        "faulty",
        keeps=False,
        broker=kind.broker,
        server={"over": kind.name},
        receiver={"over": kind.name, "settings": settings},
        beneath=kind.name,
    )


@pytest.mark.parametrize("name", ["websocket", "stream", "mqtt", "rabbitmq"])
async def test_all_jobs_are_done_once(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugin").mkdir()
    faults.install(tmp_path / "plugin", monkeypatch)
    done = tmp_path / "done"
    done.touch()
    async with open_site(over(KINDS[name], {}), tmp_path) as site, trio.open_nursery() as nursery:
        operations, alice = Operations(site.services), await _identity(site, "alice")
        async with open_tree(worker_tree(_worker(site), _transports(site)).root, name="worker"):
            nursery.start_soon(_break, site)
            appended = [
                await _submit(operations, alice, APPEND, str(done), str(number)) for number in range(JOBS)
            ]
            waiting = [await _submit(operations, alice, WAIT) for _ in range(3)]
            with trio.fail_after(300):
                for job_id in waiting:
                    await _until(operations, alice, job_id, "running")
                    await operations.cancel(alice, job_id)
                for job_id in waiting:
                    await _until(operations, alice, job_id, "canceled")
                for job_id in appended:
                    await _until(operations, alice, job_id, "completed")
        downlink = site.downlink
        assert isinstance(downlink, FaultyDownlink)
        assert downlink.lost > 0
        nursery.cancel_scope.cancel()
    assert Counter(done.read_text().split()) == Counter(map(str, range(JOBS)))


async def _break(site: Site) -> None:
    """And the connections do not last either."""
    chance = random.Random(2)
    while True:
        await trio.sleep(chance.uniform(0.5, 3.0))
        site.proxy.drop()


def _transports(site: Site) -> Any:
    return client.load(["faulty"], {"faulty": site.receiver_settings()})


def _worker(site: Site) -> WorkerConfig:
    return WorkerConfig(
        coordinator_url=site.url,
        client_id=site.name("worker1"),
        hmac_key=signature.encode_key(KEY),
        binaries={"python": "python3"},
        transports=["faulty"],
        registration_interval=0.5,
        slots=4,
        sandbox="off",
        views="never",
        benchmark=False,
    )


async def _identity(site: Site, who: str) -> Identity:
    found = await site.services.store.identities.get(site.name(who))
    assert found is not None
    return found


async def _submit(operations: Operations, who: Identity, *arguments: str) -> str:
    request = SubmitRequest(binary_name="python", arguments=["-c", *arguments])
    return (await operations.submit(who, request)).job_id


async def _until(operations: Operations, who: Identity, job_id: str, state: str) -> None:
    while True:
        record = await operations.job(who, job_id)
        if record.status == state:
            # A worker that does not know yet that its report arrived has no slot for the next job.
            outcomes = {one.outcome for one in await operations.attempts(who, job_id)}
            assert outcomes <= {state, None, "rejected"}, record
            return
        assert record.status not in ("failed", "completed", "canceled"), record
        await trio.sleep(0.05)
