"""The page about configuration names every key, with the type and the default that it really has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from dffmpeg.configuration.client import ClientConfig
from dffmpeg.configuration.common import Section
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.configuration.diagnosis import describe
from dffmpeg.configuration.worker import WorkerConfig

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
HEADINGS: dict[str, type[Section]] = {
    "coordinator.toml": CoordinatorConfig,
    "worker.toml": WorkerConfig,
    "client.toml": ClientConfig,
}


def expected(kind: type[Section], table: str = "") -> Iterator[str]:
    """The beginning of each key's row: key, type, default."""
    types = {field.name: field.type for field in inspect.type_info(kind).fields}  # type: ignore[attr-defined]
    for field in msgspec.structs.fields(kind):
        key = f"{table}{field.name}"
        section = type(field.default) if isinstance(field.default, Section) else field.type
        if isinstance(section, type) and issubclass(section, Section):
            yield from expected(section, f"{key}.")
        else:
            yield f"| `{key}` | {describe(types[field.name])} | {_default(field)} |"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    default: Any = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    return "none" if default is None else f"`{msgspec.json.encode(default).decode()}`"


@pytest.mark.parametrize("heading", HEADINGS)
def test_every_key_is_documented_and_no_other(heading: str) -> None:
    _, _, behind = PAGE.read_text().partition(f"\n## {heading}\n")
    section, _, _ = behind.partition("\n## ")
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    found = ["|".join(row.split("|")[:4]) + "|" for row in rows]
    assert found == list(expected(HEADINGS[heading]))
