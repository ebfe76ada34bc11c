"""What a worker may say of an end."""

from __future__ import annotations

import pytest

from dffmpeg.errors import BadInput
from dffmpeg.wire import codec
from dffmpeg.wire.jobs import FinishReport


@pytest.mark.parametrize(
    "text", ['"exit_code":-9', '"exit_code":4294967295', '"signal":9', '"exit_code":null']
)
def test_an_end_that_a_system_has(text: str) -> None:
    codec.decode(f'{{"status":"failed",{text}}}', FinishReport)


@pytest.mark.parametrize(
    "text", [f'"exit_code":{10**30}', '"exit_code":4294967296', '"signal":0', '"signal":-5', '"signal":1e3']
)
def test_an_end_that_no_column_takes_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"exit_code|signal"):
        codec.decode(f'{{"status":"failed",{text}}}', FinishReport)
