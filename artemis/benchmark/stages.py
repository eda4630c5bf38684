"""Each stage of classifying alone, on the same slices, with the functions that a run calls."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artemis.batches.thumbnails import thumbnail_row
from artemis.benchmark.record import Check
from artemis.benchmark.rounds import Measured
from artemis.ingest.discover import located
from artemis.ingest.identity import IdentityKey
from artemis.ingest.plan import PlanEntry, plan_batch
from artemis.ingest.read import read_chunk
from artemis.labels import PLANES, PROBABILITY_COLUMNS
from artemis.models.evidence_map import gives_evidence, tumor_evidence
from artemis.models.network import choose_runtime, installed_runtimes
from artemis.models.registry import load_model
from artemis.predictions import read_part, read_table, write_part
from artemis.preprocess import model_input, square_box
from artemis.report.run.build import build_report
from artemis.runs import ModelRecord
from artemis.schemas import SCHEMAS
from artemis.settings import Runtime, Settings
from artemis.system.cores import usable_cores

READ: Final = "read"
DECODE: Final = "decode and check"
PREPROCESS: Final = "preprocess"
PARQUET: Final = "Parquet"
REPORT: Final = "report"

SPREADABLE: Final = (DECODE, PREPROCESS, PARQUET, REPORT)
"""Stages that all cores could share, each measured on one; reading is part of decoding."""

_NO_SLICE: Final = {"slice_id": "", "path": "", "frame": 0}
_RUNTIMES_ALIKE: Final = {"f32": 1e-2, "bf16": 0.25}
"""Largest difference of a probability by what a runtime calculates with; bfloat16 has 8 bits."""


@dataclass
class Stages:
    """The stages of a run's first slices.

    Attributes
    ----------
    batch : Path
        Folder of pictures.
    settings : Settings
        Limits and sizes, and the runtime of the run.
    models : list of ModelRecord
        Those of the run.
    limit : int
        Slices, at most; what is between the stages is held in memory.
    """

    batch: Path
    settings: Settings
    models: list[ModelRecord]
    limit: int
    probabilities: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    _entries: list[PlanEntry] = field(default_factory=list)
    _pixels: list[NDArray[np.uint8]] = field(default_factory=list)
    _inputs: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    _tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def prepare(self, run_dir: Path) -> None:
        """Do everything once untimed; `run_dir` is a finished run of the same batch."""
        chunks = plan_batch(self.batch, self.settings.ingest, self.limit, limit=self.limit)
        self._entries = [entry for chunk in chunks for entry in chunk]
        for name in ("slices", "predictions", "thumbnails"):
            rows = self.limit * (len(self.models) if name == "predictions" else 1)
            parts = sorted((run_dir / name).rglob("part-*.parquet"))
            whole = pa.concat_tables([read_part(part, SCHEMAS[name]) for part in parts])
            self._tables[name] = whole.slice(0, rows).to_pylist()
        self.decode()
        self.preprocess()
        for model in self.models:
            self.predict(model)

    def measured(self, run_dir: Path, run_images: int) -> Iterator[Measured]:
        """Yield each stage; the report is that of the whole run."""
        images = len(self._entries)
        yield Measured(READ, images, self.read)
        yield Measured(DECODE, images, self.decode)
        yield Measured(PREPROCESS, images, self.preprocess)
        for model in self.models:
            yield Measured(model.name, images, partial(self.predict, model))
        for model, runtime in self._others():
            name = on_runtime(model.name, runtime)
            yield Measured(name, images, partial(self.predict, model, runtime))
        yield Measured(PARQUET, images, self.write)
        yield Measured(REPORT, run_images, lambda: _report(run_dir))

    def read(self) -> None:
        """Read the bytes of the files."""
        for entry in self._entries:
            located(self.batch, entry.path).read_bytes()

    def decode(self) -> None:
        """Turn files into grey pixels, with their hashes and quality."""
        identity = IdentityKey(bytes(32))
        read = read_chunk(self.batch, self._entries, self.settings.ingest, identity)
        self._pixels = [one.pixels for one in read if one.pixels is not None]

    def preprocess(self) -> None:
        """Cut and resize pixels for every model, and make thumbnails."""
        sides = sorted({model.side for model in self.models})
        inputs: dict[int, list[NDArray[np.uint8]]] = {side: [] for side in sides}
        for pixels in self._pixels:
            box = square_box(pixels)
            for side in sides:
                inputs[side].append(model_input(pixels, side, box))
            thumbnail_row(_NO_SLICE, pixels, box, self.settings.thumbnail_side)
        self._inputs = {side: np.stack(pictures) for side, pictures in inputs.items()}

    def predict(self, model: ModelRecord, runtime: Runtime | None = None) -> None:
        """Run a model on its inputs, with its distance score and its evidence.

        On another runtime than the settings' if one is given.
        """
        loaded = load_model(model.folder, self.settings.threads, runtime or self.settings.runtime)
        pictures = self._inputs[model.side]
        output = loaded.predict(pictures)
        probabilities = loaded.probabilities(output.logits)
        loaded.reference.score(output.features, pictures)
        if output.maps is not None and gives_evidence(loaded.manifest.outputs):
            tumor_evidence(output.maps, probabilities.argmax(axis=1) // len(PLANES))
        name = model.name if runtime is None else on_runtime(model.name, runtime)
        self.probabilities[name] = probabilities

    def write(self) -> None:
        """Write the rows of the slices to every table."""
        with tempfile.TemporaryDirectory() as folder:
            for name, rows in self._tables.items():
                write_part(Path(folder) / f"{name}.parquet", rows, SCHEMAS[name])

    def difference(self, run_dir: Path, model: str) -> float:
        """Return the largest difference of a probability between this stage and a run."""
        predictions = read_table(run_dir, "predictions")
        of_run = predictions.loc[predictions["model"] == model, list(PROBABILITY_COLUMNS)]
        here = self.probabilities[model]
        return float(np.abs(of_run.to_numpy(dtype=np.float32)[: len(here)] - here).max())

    def runtime_checks(self) -> list[Check]:
        """Return how far the answers of every other runtime are from those of the run's own."""
        return [self._runtime_check(model.name, runtime) for model, runtime in self._others()]

    def _others(self) -> list[tuple[ModelRecord, Runtime]]:
        names = [name for name in installed_runtimes() if name != self.settings.runtime]
        return [(model, name) for model in self.models for name in names]

    def _runtime_check(self, model: str, runtime: Runtime) -> Check:
        here, other = self.probabilities[model], self.probabilities[on_runtime(model, runtime)]
        changed = int((here.argmax(axis=1) != other.argmax(axis=1)).sum())
        precision = choose_runtime(runtime, ()).precision
        return Check(
            name=f"{model}: {runtime} in {precision} and {self.settings.runtime}; categories of "
            f"{changed} of {len(here)} pictures changed",
            difference=float(np.abs(here - other).max()),
            limit=_RUNTIMES_ALIKE[precision],
        )


def on_runtime(model: str, runtime: Runtime) -> str:
    """Return the name of the stage of a model on another runtime than the run's."""
    return f"{model} on {runtime}"


def roofline(per_image: dict[str, float], models: list[str], cores: int | None = None) -> float:
    """Return the seconds a picture that no arrangement of these stages can fall below.

    Parameters
    ----------
    per_image : dict of str to float
        Seconds a picture of each stage; those of `SPREADABLE` on one core, models on all.
    models : list of str
        Names of the models.
    cores : int, optional
        Cores to share; those of this machine by default.
    """
    spread = sum(per_image[stage] for stage in SPREADABLE) / (cores or usable_cores())
    return spread + sum(per_image[model] for model in models)


def _report(run_dir: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        build_report(run_dir, Path(folder) / "index.html")
