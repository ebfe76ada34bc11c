"""Encrypting a table's secrets anew, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from dffmpeg.store.crypto import KeyRing


@dataclass(frozen=True, slots=True)
class Resealed:
    """One batch.

    Attributes:
        looked_at: how many rows there were behind the place.
        changed: how many of them were encrypted anew.
        last: the last one's key; "" if there was none.
    """

    looked_at: int
    changed: int
    last: str


def reseal(
    connection: sa.Connection,
    keys: KeyRing,
    columns: Sequence[sa.Column[str]],
    name: sa.Column[str],
    after: str,
    limit: int,
) -> Resealed:
    """Encrypt anew, of the next `limit` rows, what the key which encrypts now did not encrypt.

    Args:
        columns: those with secrets.
        name: the table's primary key.

    Raises:
        StoreError: one cannot be decrypted.
    """
    # A secret that somebody replaces meanwhile must not come back.
    query = sa.select(name, *columns).where(name > after).order_by(name).limit(limit).with_for_update()
    rows = connection.execute(query).all()
    changed = 0
    for row in rows:
        anew = keys.resealed(dict(zip((column.name for column in columns), row[1:], strict=True)))
        if anew:
            change = sa.update(name.table).where(name == row[0]).values(anew)
            changed += connection.execute(change).rowcount
    return Resealed(len(rows), changed, rows[-1][0] if rows else "")
