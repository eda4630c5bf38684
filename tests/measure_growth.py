"""Time and memory of ``classify-batch`` as a batch grows, for docs/performance.md.

``python tests/measure_growth.py PICTURES 100 1000 10000``: for each count, JPEG pictures below
PICTURES are copied under other names, each with a number stamped into its corner so that no two
show the same pixels, and classified once by a process of its own. Its memory is sampled from
outside, a few times a second, with that of its readers; that of the embedded server, a process
beside it, is a column of its own. Linux.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path

from PIL import Image

_POLL = 0.2
_IN_A_FOLDER = 500
_KIB_A_MB = 1e6 / 1024
_BLOCK, _DARK, _QUALITY = 8, 10, 90  # one square of JPEG's each bit; air is up to 12 of 255


def make_batch(sources: list[Path], count: int, batch: Path) -> None:
    """Write so many JPEG files, no two of the same pixels: a slice is known by its pixels."""
    for number in range(count):
        folder = batch / f"{number // _IN_A_FOLDER:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        with Image.open(sources[number % len(sources)]) as opened:
            picture = opened.convert("L")
        stamp(picture, number)
        picture.save(folder / f"picture{number:07d}.jpg", quality=_QUALITY)


def stamp(picture: Image.Image, number: int) -> None:
    """Write a number in binary into the top left corner, in squares as dark as air is."""
    across = max(1, picture.width // _BLOCK)
    for bit in range(number.bit_length()):
        if number >> bit & 1:
            top, left = (_BLOCK * place for place in divmod(bit, across))
            picture.paste(_DARK, (left, top, left + _BLOCK, top + _BLOCK))


def memory(process: int, figure: str = "VmRSS") -> float:
    """Return a process's resident memory in MB, or its peak (``VmHWM``); 0 where it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(rf"{figure}:\s+(\d+)", status)
    return int(found[1]) / _KIB_A_MB if found else 0.0


def is_reader(process: int) -> bool:
    """Return whether a process is one of the command's readers."""
    try:
        return b"artemis.batches.reader_process" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def children(process: int) -> list[int]:
    """Return the processes that any thread of a process started and that still run."""
    found: list[int] = []
    for thread in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, thread.read_text().split())
    return found


def measure(batch: Path, workspace: Path) -> tuple[float, float, float]:
    """Classify a batch; return seconds, and the peaks in MB: of the command, of its server.

    That of the command is with its readers, at one time; pages that they share count in each.
    """
    command = [sys.executable, "cli.py", "classify-batch", str(batch), "-w", str(workspace), "-q"]
    begun, own, server = time.perf_counter(), 0.0, 0.0
    running = subprocess.Popen(command)
    while running.poll() is None:
        beside = children(running.pid)
        readers = [one for one in beside if is_reader(one)]
        together = memory(running.pid) + sum(map(memory, readers))
        own = max(own, together, memory(running.pid, "VmHWM"))
        others = set(beside) - set(readers)
        server = max([server, *(memory(one, "VmHWM") for one in others)])
        time.sleep(_POLL)
    if running.returncode:
        raise SystemExit(f"classify-batch ended with {running.returncode}.")
    return time.perf_counter() - begun, own, server


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(pictures: str, *counts: str) -> None:
    """Print a row of the table for each count."""
    sources = sorted(Path(pictures).rglob("*.jpg"))
    say("| pictures | seconds | ms a picture more | MB, command and readers | MB, its server |")
    say("|---:|---:|---:|---:|---:|")
    before: tuple[int, float] | None = None
    for count in map(int, counts):
        with tempfile.TemporaryDirectory() as scratch:
            batch = Path(scratch) / "batch"
            make_batch(sources, count, batch)
            for path in islice(batch.rglob("*.jpg"), count):
                path.read_bytes()  # in the cache of files, for the small as for the large
            seconds, own, server = measure(batch, Path(scratch) / "workspace")
        more = "" if before is None else f"{1000 * (seconds - before[1]) / (count - before[0]):.1f}"
        say(f"| {count:,} | {seconds:.1f} | {more} | {own:.0f} | {server:.0f} |")
        before = (count, seconds)


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent)
    main(*sys.argv[1:])
