"""The pages say the truth where a program can tell: their links lead somewhere, and the wire is complete."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from dffmpeg.web.access import ACCESS
from dffmpeg.wire import administration, janitor, jobs, scheduling, workers

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("config/*.md")])
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
LINK = re.compile(r"\]\(([^)\s]+)\)")
BODIES = [
    kind
    for module in (administration, janitor, jobs, scheduling, workers)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__
]


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("route", ACCESS)
def test_every_route_is_documented(route: str) -> None:
    assert f"`{route}`" in PROTOCOL


@pytest.mark.parametrize("kind", BODIES, ids=lambda kind: kind.__name__)
def test_every_field_is_documented(kind: type[msgspec.Struct]) -> None:
    _, found, behind = PROTOCOL.partition(f"**{kind.__name__}**")
    if not found:
        assert kind is jobs.StreamAck
        behind = PROTOCOL.partition("a StreamAck `{received, acked}`")[1]
        assert behind
        return
    paragraph = re.split(r"\n\n|\*\*[A-Z]", behind)[0]
    for field in msgspec.structs.fields(kind):
        assert f"`{field.name}`" in paragraph, field.name
