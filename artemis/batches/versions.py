"""Versions of what decides a run's rows, and a hash of Artemis' own code, which may be changed."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Final

import artemis
from artemis.settings import Runtime

APART: Final = ("benchmark", "commands", "datasets", "report", "reviews", "training")
"""Rooms that no row comes from: another word in a report makes no other rows."""

_VERSIONED: Final = (
    "ai-edge-litert",
    "nibabel",
    "numpy",
    "pandas",
    "pillow",
    "prefect",
    "pyarrow",
    "pydicom",
)
_DIGITS: Final = 12


def versions(runtime: Runtime = "litert") -> dict[str, str]:
    """Return the versions of Artemis, of Python, and of what decides an outcome.

    In a checkout the code may change under one number, so there is a hash of it too, see
    `sources_of`.
    """
    also = () if runtime == "litert" else (runtime,)  # it reads the networks' files in any case
    return {
        "artemis-mri": artemis.__version__,
        "artemis-mri sources": sources_of(Path(artemis.__file__).parent),
        "python": platform.python_version(),
        **{name: version(name) for name in (*_VERSIONED, *also)},
    }


@lru_cache(maxsize=1)  # of the code as it was loaded, though the files may be replaced later
def sources_of(package: Path) -> str:
    """Return a hash of the modules that rows come from, the same in a checkout and installed.

    Parameters
    ----------
    package : Path
        The folder ``artemis``.

    Returns
    -------
    str
        The first 12 hexadecimal digits of a SHA-256 over names and texts, without carriage returns.
    """
    digest = hashlib.sha256()
    for name, path in sorted((p.relative_to(package).as_posix(), p) for p in _modules(package)):
        text = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{name} {len(text)}\n".encode() + text)
    return digest.hexdigest()[:_DIGITS]


def _modules(package: Path) -> Iterator[Path]:
    """Yield what can be imported; editors and file systems leave other files of such names."""
    rooms = [one for one in package.iterdir() if one.is_dir() and one.name not in APART]
    found = chain(package.glob("*.py"), *(room.rglob("*.py") for room in rooms))
    return (path for path in found if path.stem.isidentifier())
