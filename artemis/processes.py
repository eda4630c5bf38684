"""Python processes that run this code and no other of the same name."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[2]


def own_python(code: str, *arguments: str) -> list[str]:
    """Return the command that runs `code` in this interpreter.

    ``-P`` keeps the working directory off the path: a user's ``cli.py`` may lie there.
    """
    return [sys.executable, "-P", "-c", code, *arguments]


def own_environment() -> dict[str, str]:
    """Return this environment with this code first on the path, installed or not."""
    others = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(_ROOT), *([others] if others else [])])}
