"""Arrows between the rooms of the code run one way: down."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = (
    ("cli",),
    ("artemis.commands",),
    ("flows",),
    ("artemis.benchmark",),
    ("artemis.report",),
    ("artemis.training",),
    ("artemis.datasets", "artemis.reviews"),
    ("artemis.batches",),
    ("artemis.answers",),
    ("artemis.models", "artemis.ingest"),
    ("artemis",),
    ("artemis.system",),
    ("artemis.errors",),
)
"""From the top to the bottom; what stands side by side knows nothing of each other."""

FILES = [ROOT / "cli.py", *sorted(ROOT.glob("flows/*.py")), *sorted(ROOT.glob("artemis/**/*.py"))]


def imports_of(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{name.name}" for name in node.names]
            yield from (one if is_module(one) else node.module for one in whole)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def is_module(name: str) -> bool:
    return ROOT.joinpath(*name.split(".")).with_suffix(".py").is_file()


def room_of(module: str) -> tuple[int, str] | None:
    """Return the floor of the innermost room that a module is in, and that room's name."""
    found = [
        (floor, room)
        for floor, rooms in enumerate(ROOMS)
        for room in rooms
        if module == room or module.startswith(f"{room}.")
    ]
    return max(found, key=lambda one: len(one[1]), default=None)


def arrows_up(path: Path, source: str) -> list[str]:
    here = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert here is not None
    known = [(name, room_of(name)) for name in imports_of(source) if name != "artemis"]
    return [
        f"{path.relative_to(ROOT)} knows {name}"
        for name, there in known
        if there is not None and there[1] != here[1] and there[0] <= here[0]
    ]


def test_arrows_run_down() -> None:
    assert [one for path in FILES for one in arrows_up(path, path.read_text())] == []


@pytest.mark.parametrize(
    ("room", "line", "name"),
    [
        ("models", "from artemis.ingest.read import read_frames", "artemis.ingest.read"),
        ("system", "from artemis import settings", "artemis.settings"),
        ("report", "import flows.classify", "flows.classify"),
        (
            "ingest",
            "def f() -> None:\n    from artemis.batches import merge",
            "artemis.batches.merge",
        ),
    ],
)
def test_an_arrow_that_runs_up_or_aside_is_found(room: str, line: str, name: str) -> None:
    path = ROOT / "artemis" / room / "new.py"
    assert arrows_up(path, line) == [f"artemis/{room}/new.py knows {name}"]


def test_library_knows_no_prefect_and_only_its_command_line_typer() -> None:
    for path in FILES:
        known = {name.split(".")[0] for name in imports_of(path.read_text())}
        where = path.relative_to(ROOT).parts
        assert "prefect" not in known or where[0] == "flows", path
        assert "typer" not in known or where[:2] in (("cli.py",), ("artemis", "commands")), path
