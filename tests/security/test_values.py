"""Values that no database takes: refused in our own words, and never by what a driver says."""

from __future__ import annotations

import pytest

from dffmpeg.wire import codec
from tests.web.conftest import Site, raw, sign
from tests.web.test_authentication import detail_of, status_of

ID = "01HZY4K2M3N5P6Q7R8S9T0V1W2"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("idempotency_key", "a\0b", "idempotency_key: expected a string without a NUL character"),
        ("after", ["a\0b"], "after[0]: expected a string without a NUL character"),
        ("job_id", "a\0b", "job_id: expected a string that is a ULID"),
    ],
)
async def test_a_nul_in_a_submission(site: Site, field: str, value: object, said: str) -> None:
    body = codec.encode({"binary_name": "ffmpeg", field: value})
    answer = await site.exchange(
        raw("POST", "/jobs/submit", sign("client", "POST", "/jobs/submit", body), body)
    )
    assert (status_of(answer), detail_of(answer)) == (422, said)
    assert not site.operations.all


@pytest.mark.parametrize(
    "query", ["requester=a%00b", "name=a%00b", "label=a%00b", "since_id=a%00b", "status=a%00b"]
)
async def test_a_nul_in_a_query(site: Site, query: str) -> None:
    target = f"/jobs?{query}"
    answer = await site.exchange(raw("GET", target, sign("admin", "GET", target)))
    assert status_of(answer) == 422
    assert detail_of(answer).startswith(f"{query.partition('=')[0]}: expected")


@pytest.mark.parametrize("path", [f"/jobs/{ID}%00/status", "/jobs/%00/cancel", "/workers/w%00", "/%00"])
async def test_a_nul_in_a_path(site: Site, path: str) -> None:
    """Before anybody is asked who it is: nothing has such a name."""
    answer = await site.exchange(raw("GET", path, {}))
    assert status_of(answer) == 400
    assert detail_of(answer) == "the path: expected one without a NUL character"
