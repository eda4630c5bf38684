"""Make docs/reference.md out of the code: `make reference`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

import cli
from artemis.columns import TABLES
from artemis.ingest.reasons import REMEDIES, Reason
from artemis.report.words import REVIEW_REASON_WORDS
from artemis.schemas import SCHEMAS
from artemis.settings import variables

REFERENCE = Path(__file__).parent.parent / "docs" / "reference.md"
COLUMNS = 88
HEAD = """# Commands, settings and codes

Made by `make reference` out of the code; a test keeps it so. Every command answers `--help` with
what stands here.
"""
SETTINGS = """
## Settings

Each is a variable of the environment; `artemis-cli settings` lists what holds now, and
`artemis-cli settings --changed` what is not at its default. A name that is nearly one of these is
refused, so a misspelt one never passes in silence. An empty variable sets nothing.

| variable | default | meaning |
|---|---|---|
"""
REASONS = """
## Reasons

`reason_code` of a slice that was not classified. `refused` was read, but is nothing to classify;
`failed` could not be read. The column `reason` says of each what was expected and received.

| code | status | what to do |
|---|---|---|
"""
REVIEW = """
## Reasons for review

`review_reasons` of a slice that a person should look at, and how a report says it.

| code | in words |
|---|---|
"""
TABLES_HEAD = """
## Tables

The Parquet tables of a run, and what their columns mean. Names are kept; columns may be added.
"""


def reference() -> str:
    """Return the text of docs/reference.md."""
    commands = "".join(f"\n### {name}\n\n```text\n{text}```\n" for name, text in _helps())
    settings = "".join(
        f"| `{one.name}` | {'' if one.default is None else f'`{one.default}`'} | {one.meaning} |\n"
        for one in variables()
    )
    reasons = "".join(f"| `{r}` | {r.status} | {REMEDIES[r]} |\n" for r in Reason)
    review = "".join(f"| `{code}` | {words} |\n" for code, words in REVIEW_REASON_WORDS.items())
    codes = f"{SETTINGS}{settings}{REASONS}{reasons}{REVIEW}{review}"
    return f"{HEAD}\n## Commands\n{commands}{codes}{TABLES_HEAD}{''.join(_tables())}"


def _tables() -> Iterator[str]:
    for name, meanings in TABLES.items():
        yield f"\n### {name}\n\n| column | type | meaning |\n|---|---|---|\n"
        for field in SCHEMAS[name]:
            kind = str(getattr(field.type, "value_type", field.type))
            kind = f"list of {kind}" if str(field.type).startswith("list") else kind
            yield f"| `{field.name}` | {kind} | {meanings[field.name]} |\n"


def _helps() -> Iterator[tuple[str, str]]:
    """Yield the name of every command, in the order of `--help`, and what it says of itself."""
    group = typer.main.get_command(cli.app)
    yield "artemis-cli", _help()
    for name in _names(group):
        yield f"artemis-cli {name}", _help(name)
        for part in _names(group.commands[name]):  # type: ignore[attr-defined]
            yield f"artemis-cli {name} {part}", _help(name, part)


def _names(command: Any) -> list[str]:
    listed = getattr(command, "list_commands", None)
    return [] if listed is None else listed(None)


def _help(*command: str) -> str:
    answer = CliRunner().invoke(
        cli.app, [*command, "--help"], prog_name="artemis-cli", env={"COLUMNS": str(COLUMNS)}
    )
    return answer.output


if __name__ == "__main__":
    REFERENCE.write_text(reference(), encoding="utf-8")
