"""Time and memory of listing a batch, for docs/performance.md.

``python tests/measure_listing.py FOLDER 1000000 1000``: so many names of one small picture are
made in new folders below FOLDER, 1,000 in each, and listed, cut and written as plans. Memory is
the largest that this process had resident, at its start and after each step. Linux.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from pathlib import Path

from artemis.batches.batch import write_plans
from artemis.ingest.plan import list_batch
from artemis.runs import RunPaths
from artemis.settings import Settings
from tests.ingest.builders import head8, picture_bytes

_LINKS = 30_000  # names of one file; ext4 allows 65,000
_STRIDE = 7919  # prime, so that names are not made in their order


def make_batch(folder: Path, files: int, in_a_folder: int) -> Path:
    """Make the names, as hard links."""
    batch = folder / "batch"
    for number in range(files):
        source = folder / f"{number // _LINKS}.png"
        if number % _LINKS == 0:
            source.write_bytes(picture_bytes(head8(), "PNG"))
        name = number * _STRIDE % files
        place = batch / f"patient {name // in_a_folder}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"image{name}.png").hardlink_to(source)
    return batch


def peak_memory() -> int:
    """Return the largest resident memory so far, in MB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) // 1024 if found else 0


def main(folder: str, files: str, in_a_folder: str) -> None:
    """Print a row of the table."""
    settings = Settings()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        batch = make_batch(Path(scratch), int(files), int(in_a_folder))
        run = RunPaths(Path(scratch), "run")
        at_start, begun, cpu = peak_memory(), time.perf_counter(), time.process_time()
        listing = list_batch(batch, settings.ingest, spooled_in=Path(scratch))
        listed, after_listing = time.perf_counter(), peak_memory()
        write_plans(run, listing.cut(settings.chunk_slices, settings.max_chunks))
        written, used = time.perf_counter(), time.process_time() - cpu
        memory = f"{at_start}, {after_listing}, {peak_memory()} MB"
        sys.stdout.write(
            f"| {listing.slices:,} | {listed - begun:.0f} s | {written - listed:.0f} s "
            f"| {used:.0f} s of a core | {memory} |\n"
        )


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent)
    main(*sys.argv[1:])
