"""Batches in an inbox, for tests."""

from __future__ import annotations

from pathlib import Path

from artemis.batches import inbox, waiting
from artemis.batches.inbox import Claim


def drop(workspace: Path, name: str, files: int = 2) -> Path:
    folder = workspace / "inbox" / name
    folder.mkdir()
    for number in range(files):
        (folder / f"{number}.png").write_bytes(b"scan" * number)
    return folder


def take(workspace: Path) -> Claim:
    [candidate] = waiting.candidates(workspace)
    claim = inbox.claim(workspace, candidate)
    assert claim is not None
    return claim


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
