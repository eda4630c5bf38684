"""Markdown for people at a terminal; a module of its own, since Rich's takes a while to import."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown, TableElement
from rich.table import Table


def print_markdown(text: str, console: Console | None = None) -> None:
    """Print Markdown to standard output: laid out on a terminal, anywhere else as it is.

    Parameters
    ----------
    text : str
        Markdown.
    console : Console, optional
        Instead of standard output.
    """
    console = console or Console(highlight=False)
    if console.is_terminal:
        console.print(_LaidOut(text))
    else:
        console.file.write(text)


class _WholeTable(TableElement):
    """A table whose cells go on in the next line: Rich would cut a long hash off."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for made in super().__rich_console__(console, options):
            if isinstance(made, Table):
                for column in made.columns:
                    column.overflow = "fold"
            yield made


class _LaidOut(Markdown):
    elements = Markdown.elements | {"table_open": _WholeTable}
