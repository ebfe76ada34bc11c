"""A coordinator that was taken for gone while it wrote: on a Galera cluster it writes at another node than
those who bury it, and no lock of one node is seen at the other."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
import trio

from dffmpeg.model.membership import Member, MemberState
from dffmpeg.model.scheduling.pause import Pause
from dffmpeg.store import Fenced, StoreSettings, open_store
from dffmpeg.store.jobs.sqlalchemy import SqlAlchemyJobRepository
from tests import databases
from tests.servers.galera import Galera, Node, open_galera


def at(cluster: Galera, node: Node) -> StoreSettings:
    place = {"host": node.host, "port": node.port, "database": cluster.database}
    return databases.settings("mysql", {**place, "user": cluster.user, "password": cluster.password})


def member(name: str) -> Member:
    return Member(name, None, MemberState.ACTIVE)


@pytest.mark.servers("galera", "rsync")
async def test_what_it_was_about_to_commit_at_another_node_is_not_written() -> None:
    in_the_middle, goes_on = threading.Event(), threading.Event()
    async with open_galera() as cluster:
        first, second = cluster.nodes[:2]
        async with open_store(at(cluster, second)) as other:
            await other.members.join(member("01B"))
            with pytest.RaisesGroup(Fenced):
                async with open_store(at(cluster, first)) as store:
                    await store.members.join(member("01A"))
                    jobs = store.jobs
                    assert isinstance(jobs, SqlAlchemyJobRepository)

                    def operation(connection: sa.Connection) -> None:
                        statement = "INSERT INTO settings (name, value, changed_at) VALUES ('queue', '{}', 1)"
                        connection.exec_driver_sql(statement)
                        in_the_middle.set()
                        goes_on.wait(60)

                    async def write() -> None:
                        with pytest.raises(Fenced):
                            await jobs.database.write(operation)

                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(write)
                        await trio.to_thread.run_sync(in_the_middle.wait, 60)
                        [silent] = [one for one in await other.members.list() if one.coordinator_id == "01A"]
                        assert await other.members.bury(silent)
                        goes_on.set()
                    await trio.sleep_forever()
            assert await other.settings.pause() == Pause()
            assert [one.coordinator_id for one in await other.members.list()] == ["01B"]
