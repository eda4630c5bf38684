from __future__ import annotations

import io

import pytest
from rich.console import Console

from artemis.commands.laid_out import print_markdown

HASH = "3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea"
TEXT = f"# Title\n\nA \\*starred\\* word.\n\n| name | value |\n|---|---:|\n| SHA-256 | {HASH} |\n"


def shown(text: str, width: int, *, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None)
    print_markdown(text, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_markdown_goes_to_a_pipe_as_it_is() -> None:
    assert shown(TEXT, 40, terminal=False) == TEXT


def test_markdown_is_laid_out_on_a_terminal() -> None:
    lines = shown(TEXT, 100, terminal=True).splitlines()
    assert "|---" not in "".join(lines)
    assert "A *starred* word." in [line.strip() for line in lines]
    assert f" SHA-256  {HASH}" in [line.rstrip() for line in lines]


@pytest.mark.parametrize("width", [24, 40, 60])
def test_a_long_hash_goes_on_in_the_next_line_and_is_not_cut_off(width: int) -> None:
    text = shown(TEXT, width, terminal=True)
    assert HASH in "".join(text.split()).replace("SHA-256", "").replace("value", "")
    assert "…" not in text
