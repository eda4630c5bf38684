"""``artemis-cli settings``."""

from __future__ import annotations

import textwrap
from typing import Annotated, Any, Final

import typer

from artemis.commands.options import AsJson, print_json

_IN: Final = "    "


def list_settings(
    changed: Annotated[
        bool, typer.Option("--changed", help="Only those that are not at their default.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List every setting: the variable that sets it, what holds now, and what it means.

    Variables are read anew by each command; what a run was made with is kept in its run.json.
    """
    from artemis.settings import read_settings, variables

    listed = [one for one in variables(read_settings()) if not changed or one.value != one.default]
    if as_json:
        print_json(
            [
                {
                    "variable": one.name,
                    "value": _plain(one.value),
                    "default": _plain(one.default),
                    "meaning": one.meaning,
                }
                for one in listed
            ]
        )
        return
    for one in listed:
        usual = _said(one.default) or "not set"
        default = f"  (default: {usual})" if one.value != one.default else ""
        typer.echo(f"{one.name}={_said(one.value)}{default}")
        typer.echo(textwrap.fill(one.meaning, 80, initial_indent=_IN, subsequent_indent=_IN))


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float) else _said(value)


def _said(value: Any) -> str:
    from artemis.system.store import is_address, without_secrets

    text = "" if value is None else str(value)
    return without_secrets(text).strip("'") if is_address(text) else text
