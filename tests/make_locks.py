"""Resolve requirements/*.txt anew from pyproject.toml: versions and hashes, no addresses.

Needs `uv`. Each lock is complete for its extra, for Python 3.11 to 3.13 on any platform;
those of the extras hold only what base.txt does not, at versions that fit it and each other, and
dev.txt only what none of them does.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = ROOT / "requirements"
EXTRAS = ("train", "dask", "openvino")
BUILD = ("hatchling", "editables")
HEADER = "# Made by `make lock` from pyproject.toml. Versions and hashes, no addresses.\n"


def resolve(extras: list[str]) -> dict[str, str]:
    """Return every pinned requirement, with its hashes, by name and marker."""
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
    command += ["--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate"]
    command += [f"--extra={extra}" for extra in extras]
    answer = subprocess.run(
        [*command, "pyproject.toml", "-"],
        input="\n".join(BUILD),
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    entries = re.split(r"\n(?=\S)", answer.stdout.strip())
    return {entry.split("\\")[0].strip(): entry for entry in entries}


def main() -> int:
    """Write the locks."""
    everything = resolve([*EXTRAS, "kaggle", "dev"])

    def part(extras: list[str]) -> dict[str, str]:
        names = resolve(extras)
        return {key: everything[key] for key in everything if key in names}

    base = part([])
    extras = {name: part([name]) for name in EXTRAS}
    together = {key: entry for chosen in extras.values() for key, entry in chosen.items()}
    locks = {"base": (base, {}), **{name: (chosen, base) for name, chosen in extras.items()}}
    for name, (chosen, already) in {**locks, "dev": (everything, together)}.items():
        lines = [entry for key, entry in sorted(chosen.items()) if key not in already]
        (LOCKS / f"{name}.txt").write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
