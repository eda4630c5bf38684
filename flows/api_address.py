"""The address of Prefect's API that the user configured, read without importing Prefect."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from artemis.errors import PrefectServerError


def configured_api_url() -> str | None:
    """Return the API that the user configured for Prefect, or None.

    Looks where Prefect looks, in its order: the environment, ``.env``, ``prefect.toml`` and
    ``pyproject.toml`` of the working directory, and the active profile. All of these files are
    read, since Prefect does not start with one that it cannot read, whatever the others say.

    Raises
    ------
    PrefectServerError
        If one of these files cannot be read, or has something else where the address would be.
    """
    variables = _read(Path(".env"), "lines of NAME=VALUE", _variables)
    own = _read_toml(Path("prefect.toml"))
    project = _read_toml(Path("pyproject.toml"), "tool", "prefect")
    profiles = _read_toml(
        Path(
            os.environ.get("PREFECT_PROFILES_PATH")
            or variables.get("PREFECT_PROFILES_PATH")
            or own.text("profiles_path")
            or project.text("profiles_path")
            or Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser() / "profiles.toml"
        )
    )
    if url := os.environ.get("PREFECT_API_URL") or variables.get("PREFECT_API_URL"):
        return str(url)
    if url := own.text("api", "url") or project.text("api", "url"):
        return url
    active = os.environ.get("PREFECT_PROFILE") or profiles.text("active")
    return (profiles.text("profiles", active, "PREFECT_API_URL") or None) if active else None


@dataclass(frozen=True, slots=True)
class _Toml:
    """What one file holds, and the tables in it that Prefect's settings stand below."""

    path: Path
    tables: tuple[str, ...]
    content: dict[str, Any]

    def text(self, *names: str) -> str | None:
        """Return the text that names lead to, through a table each; None if there is none."""
        keys = (*self.tables, *names)
        found: Any = self.content
        for depth, key in enumerate(keys, start=1):
            found = found.get(key)
            if found is None:
                return None
            wanted, words = (str, "text") if depth == len(keys) else (dict, "a table")
            if not isinstance(found, wanted):
                raise PrefectServerError(
                    f"{self.path.absolute()}: expected {words} as {'.'.join(keys[:depth])}. "
                    f"Received a value of type {type(found).__name__}. Correct it; Prefect reads "
                    "this file too."
                )
        return str(found)


def _read_toml(path: Path, *tables: str) -> _Toml:
    return _Toml(path, tables, _read(path, "TOML", _toml))


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _variables(path: Path) -> dict[str, Any]:
    return dotenv_values(path)


def _read(path: Path, what: str, read: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Return what a file holds, nothing where it is not there."""
    try:
        return read(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        said = os.strerror(error.errno or 0).lower()
    except UnicodeDecodeError:
        said = "bytes that are not UTF-8"
    except tomllib.TOMLDecodeError as error:
        said = str(error)
    raise PrefectServerError(
        f"{path.absolute()}: expected {what}. Received: {said}. Correct it, or move it away; "
        "Prefect reads this file too."
    )
