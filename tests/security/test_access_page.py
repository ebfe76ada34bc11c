"""`docs/access.md` is the table of access, and nothing else."""

from __future__ import annotations

from pathlib import Path

from dffmpeg.model import access as model
from dffmpeg.model.access import Reach
from dffmpeg.model.identities import Role
from dffmpeg.web.access import ACCESS, MESSAGES, OPEN, reach, reach_of_message

PAGE = Path(__file__).parents[2] / "docs" / "access.md"
WORDS = {Reach.NONE: "-", Reach.OWN: "own", Reach.ALL: "yes"}
ROLES = (Role.CLIENT, Role.WORKER, Role.ADMIN, Role.VIEWER)


def rows_of_routes() -> list[str]:
    rows = []
    for route, roles in ACCESS.items():
        cells = ["open"] * 4 if roles is OPEN else [WORDS[reach(route, role)] for role in ROLES]
        rows.append(f"| `{route}` | {' | '.join(cells)} |")
    return rows


def rows_of_messages() -> list[str]:
    rows = []
    for route, messages in MESSAGES.items():
        for name, message in messages.items():
            cells = [WORDS[reach_of_message(route, name, role)] for role in ROLES]
            path, refusal = route.partition(" ")[2], message.refusal or "cannot be named"
            if model.reach(message.dealing, Role.WORKER) is Reach.ALL:
                refusal = ""
            rows.append(f"| `{path}` | `{name}` | {' | '.join(cells)} | {refusal} |")
    return rows


def rows_of_events() -> list[str]:
    return [
        f"| `{kind}` | {' | '.join(WORDS[model.reach(dealing, role)] for role in ROLES)} |"
        for kind, dealing in model.EVENTS.items()
    ]


def rows_of_page(heading: str) -> list[str]:
    _, _, behind = PAGE.read_text().partition(f"## {heading}\n")
    section = behind.partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| `")]


def test_routes() -> None:
    assert rows_of_page("Routes") == rows_of_routes(), "\n".join(rows_of_routes())


def test_messages() -> None:
    assert rows_of_page("WebSockets") == rows_of_messages(), "\n".join(rows_of_messages())


def test_events() -> None:
    assert rows_of_page("Events") == rows_of_events(), "\n".join(rows_of_events())
