"""Two runs to compare: the second renames one slice, and changes three answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from artemis.runs import read_record, write_record
from tests.report.conftest import (
    RUN_ID,
    Tables,
    prediction_row,
    slice_row,
    typical_tables,
    write_run,
)

NEWER = "20260302T080000Z-ffffff"
ONE_MODEL = ("mobilenet_v2",)
Write = Callable[..., Path]


def writer(root: Path) -> Write:
    """Return a function that writes a run of one workspace under an id of its own."""

    def make(run_id: str, tables: Tables, version: str = "1.0.0") -> Path:
        paths = write_run(root / run_id / "workspace", tables, ONE_MODEL, run_id=run_id)
        record = read_record(made := paths.root)
        models = [model.model_copy(update={"version": version}) for model in record.models]
        write_record(paths, record.model_copy(update={"models": models}))
        target = root / "workspace" / "runs" / run_id
        target.parent.mkdir(parents=True, exist_ok=True)
        return made.rename(target)

    return make


def answer(tables: Tables, index: int, category: int, confidence: float = 0.8) -> None:
    """Replace one answer of the model."""
    row = prediction_row(tables.slices[index], "mobilenet_v2", category, confidence)
    tables.predictions["mobilenet_v2"][index] = row | {"model_version": "2.0.0"}


def two_runs(write: Write) -> tuple[Path, Path]:
    """Twelve slices of categories 0 to 11; the second run renames one and changes three."""
    first, second = typical_tables(12, ONE_MODEL), typical_tables(12, ONE_MODEL)
    for index in range(12):
        answer(second, index, index)
    answer(second, 1, 2, 0.6)  # glioma sagittal to transverse
    answer(second, 2, 5, 0.9)  # glioma to meningioma, both transverse
    answer(second, 3, 7, 0.4)  # meningioma coronal to pituitary sagittal
    renamed = {"path": "elsewhere/other.png"}
    second.slices[2] |= renamed
    second.predictions["mobilenet_v2"][2] |= renamed
    second.slices[11]["status"], second.slices[11]["reason_code"] = "refused", "blank"
    del second.predictions["mobilenet_v2"][11]
    del second.slices[12]  # photo.jpg, refused by the first
    second.slices.append(slice_row("new.png", slice_id="ab" * 32))
    new = prediction_row(second.slices[-1], "mobilenet_v2", 0, 0.9)
    second.predictions["mobilenet_v2"].append(new | {"model_version": "2.0.0"})
    return write(RUN_ID, first), write(NEWER, second, "2.0.0")
