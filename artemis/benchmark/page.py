"""The page of a benchmark, a pure function of its record."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from artemis.benchmark.record import BenchmarkRecord, Timing
from artemis.report.page import render_page
from artemis.report.words import counted, joined, number, visible
from artemis.system.files import write_text_atomic

_TITLES: Final = {
    "path": "The whole path",
    "stage": "Each stage alone",
    "peer": "What a user would write otherwise",
}
_CAPTIONS: Final = {
    "path": "From the first look for files to the finished report, as a process of its own; "
    "the start of the command is given apart.",
    "stage": "With the functions that a run calls, on the first pictures of the batch. Decoding "
    "holds reading, hashing and the checks of quality. Models use all cores, the others one.",
    "peer": "In a process that is warm, without the import of TensorFlow. Neither hashes files, "
    "checks quality, scores distance, draws evidence, writes tables or makes a report.",
}


def build_benchmark_page(record: BenchmarkRecord, target: Path) -> Path:
    """Write the page of a benchmark as one self-contained HTML file; it appears whole or not."""
    groups = [
        {
            "key": kind,
            "title": title,
            "caption": _CAPTIONS[kind],
            "rows": [_row(one) for one in record.timings if one.kind == kind],
        }
        for kind, title in _TITLES.items()
    ]
    page = render_page(
        "benchmark.html.j2",
        record=record,
        verdict=verdict(record),
        groups=groups,
        machine=[(visible(name), visible(value)) for name, value in record.machine.items()],
        models=[(visible(name), visible(version)) for name, version in record.models.items()],
    )
    write_text_atomic(target, page)
    return target


def verdict(record: BenchmarkRecord) -> str:
    """Say how fast it was, beside what, how near to the limit, and what was left out."""
    path = next(one for one in record.timings if one.kind == "path")
    beside = joined(
        [f"{ratio:.1f} times as fast as {name}" for name, ratio in record.ratios.items()]
    )
    were = "was" if record.unusable == 1 else "were"
    others = counted(record.unusable, "other picture")
    left_out = f" {others}, which a batch does not classify, {were} left out."
    return (
        f"{counted(record.images, 'picture')} at {number(round(path.rate))} a second, "
        f"{beside or 'with nothing to compare with'}. "
        f"That is {record.of_roofline:.0%} of what these stages allow on this machine; "
        f"the start of the command took {record.start:.1f} s besides."
        f"{left_out if record.unusable else ''}"
    )


def _row(one: Timing) -> tuple[str, str, str, str, str]:
    return (
        visible(one.name),
        number(one.images),
        number(round(one.rate)),
        f"{one.milliseconds:.2f}",
        f"{min(one.seconds) * 1000 / one.images:.2f} to {max(one.seconds) * 1000 / one.images:.2f}",
    )
