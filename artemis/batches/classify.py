"""The steps of a classification run, chunk by chunk, without any orchestration.

A run is planned once; then each chunk is ingested (files to rows, model inputs and
thumbnails), classified by each model, and concluded (both answers to rows). Every step
reads what the one before it wrote below the run's folder, so that steps may run in any
process that sees the folder. The last file a step writes says that it is finished.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from artemis.answers.review import Answer, doubt_of, review_reasons, sureness
from artemis.batches.thumbnails import (
    doubtful_slices,
    finished_thumbnails,
    keep_thumbnails,
    thumbnail_row,
)
from artemis.ingest.identity import IdentityKey
from artemis.ingest.plan import read_plan
from artemis.ingest.read import read_chunk
from artemis.ingest.reasons import Reason
from artemis.labels import CATEGORIES, NO_TUMOR, PLANES, PROBABILITY_COLUMNS
from artemis.models.conformal import prediction_sets
from artemis.models.evidence_map import gives_evidence, tumor_evidence
from artemis.models.registry import load_model
from artemis.models.runtime import ClassificationModel
from artemis.predictions import part_name, write_part
from artemis.preprocess import model_input, square_box
from artemis.runs import IDENTITY_KEY, Counts, ModelRecord, RunPaths, RunRecord
from artemis.schemas import PREDICTIONS_SCHEMA, SLICES_SCHEMA, THUMBNAILS_SCHEMA
from artemis.settings import ReviewSettings
from artemis.system.ending import check_goes_on
from artemis.system.files import atomic_path
from artemis.system.numpy_files import read_array, read_arrays

_NO_TUMOR_INDICES: Final = [c.index for c in CATEGORIES if c.tumor == NO_TUMOR]


@dataclass(frozen=True, slots=True)
class ChunkPaths:
    """Scratch files of one chunk, removed when it is concluded."""

    folder: Path

    @classmethod
    def of(cls, run: RunPaths, chunk: int) -> ChunkPaths:
        """Return the scratch paths of a run's chunk."""
        return cls(run.tensors / f"chunk-{chunk:05d}")

    def pictures(self, side: int) -> Path:
        """Return the file of the model inputs of one size, ``(n, side, side)`` uint8."""
        return self.folder / f"side-{side}.npy"

    def outputs(self, model: str) -> Path:
        """Return the file of one model's outputs."""
        return self.folder / f"outputs-{model}.npz"

    @property
    def rows(self) -> Path:
        """File of the classifiable slices' rows, in the order of the pictures."""
        return self.folder / "rows.json"

    @property
    def thumbnails(self) -> Path:
        """File of the small pictures, which wait for their evidence."""
        return self.folder / "thumbnails.parquet"


def ingest_chunk(
    run: RunPaths,
    record: RunRecord,
    chunk: int,
    sides: Sequence[int],
    spoilt: Callable[[int, int], Reason | None] = lambda entry, frame: None,
) -> Counts:
    """Read a chunk's files: write its part of `slices`, and its pictures to scratch.

    Parameters
    ----------
    run, record : RunPaths, RunRecord
        The run.
    chunk : int
        Number of the chunk, from 0.
    sides : sequence of int
        Edges of the model inputs that the models of the run take.
    spoilt : callable
        See `artemis.ingest.read.read_chunk`.

    Returns
    -------
    Counts
        What became of the chunk's slices.

    Raises
    ------
    RunEndedError
        If the run is ended meanwhile; nothing of the chunk is written then.
    """
    entries = read_plan(run.plan / part_name(chunk))
    identity = IdentityKey.load_or_create(run.workspace / IDENTITY_KEY)
    rows: list[dict[str, Any]] = []
    classifiable: list[dict[str, Any]] = []
    thumbnails: list[dict[str, Any]] = []
    inputs: dict[int, list[NDArray[np.uint8]]] = {side: [] for side in sides}
    settings = record.settings.ingest
    for found in read_chunk(Path(record.batch), entries, settings, identity, spoilt):
        check_goes_on(run.run_id)
        rows.append(found.row | {"run_id": run.run_id})
        if found.pixels is not None:
            box = square_box(found.pixels)
            for side in sides:
                inputs[side].append(model_input(found.pixels, side, box))
            side_shown = record.settings.thumbnail_side
            shown = None if found.withheld else found.pixels
            thumbnails.append(thumbnail_row(found.row, shown, box, side_shown))
            classifiable.append(rows[-1] | {"burnt_in": found.burnt_in})
    scratch = ChunkPaths.of(run, chunk)
    for side, pictures in inputs.items():
        stacked = np.stack(pictures) if pictures else np.empty((0, side, side), dtype=np.uint8)
        with atomic_path(scratch.pictures(side)) as temporary, temporary.open("wb") as stream:
            np.save(stream, stacked, allow_pickle=False)
    with atomic_path(scratch.rows) as temporary:
        temporary.write_text(json.dumps(classifiable), encoding="utf-8")
    keep_thumbnails(scratch.thumbnails, thumbnails)
    write_part(run.slices / part_name(chunk), rows, SLICES_SCHEMA)
    return count_slices(rows)


def predict_chunk(run: RunPaths, record: RunRecord, chunk: int, model: str, folder: Path) -> int:
    """Classify a chunk's model inputs with one model; return how many there were.

    Parameters
    ----------
    run, record : RunPaths, RunRecord
        The run.
    chunk : int
        Number of the chunk.
    model : str
        Name of the model.
    folder : Path
        Folder of the model that the run began with.
    """
    loaded = load_model(folder, record.settings.threads, record.settings.runtime)
    scratch = ChunkPaths.of(run, chunk)
    pictures = read_array(scratch.pictures(loaded.manifest.input.side), mapped=True)
    output = loaded.predict(pictures)
    arrays: dict[str, Any] = {
        "probabilities": loaded.probabilities(output.logits),
        "ood_score": loaded.reference.score(output.features, pictures),
        **_seen(scratch, loaded),
    }
    if output.maps is not None and gives_evidence(loaded.manifest.outputs):
        shown = arrays["probabilities"].argmax(axis=1) // len(PLANES)
        arrays["evidence"] = tumor_evidence(output.maps, shown)
    with atomic_path(scratch.outputs(model)) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)
    return len(pictures)


def _seen(scratch: ChunkPaths, model: ClassificationModel) -> dict[str, NDArray[Any]]:
    """Return which slices a model was trained on, and what others answered; -1 for nothing."""
    rows = json.loads(scratch.rows.read_text(encoding="utf-8"))
    ids = [row["slice_id"] for row in rows]
    answers = [model.trained_on.get(slice_id) for slice_id in ids]
    return {
        "trained_on": np.array([slice_id in model.trained_on for slice_id in ids], dtype=np.bool_),
        "out_of_fold": np.array([-1 if one is None else one for one in answers], dtype=np.int8),
    }


def conclude_chunk(run: RunPaths, record: RunRecord, chunk: int) -> int:
    """Write a chunk's pictures and every model's predictions; return how many need review.

    The models' answers meet here, since whether a slice needs review depends on all of
    them. A slice counts once, by the row of the run's first model.
    """
    scratch = ChunkPaths.of(run, chunk)
    rows = json.loads(scratch.rows.read_text(encoding="utf-8"))
    outputs = {model.name: _read_outputs(scratch, model) for model in record.models}
    parts = {model.name: _predictions(record, model, rows, outputs) for model in record.models}
    first = next(iter(parts.values()), [])
    views = _views(scratch, record, doubtful_slices(first))
    thumbnails = finished_thumbnails(scratch.thumbnails, _evidence(scratch, record), views)
    write_part(run.thumbnails / part_name(chunk), thumbnails, THUMBNAILS_SCHEMA)
    for name, part in parts.items():
        write_part(run.predictions(name) / part_name(chunk), part, PREDICTIONS_SCHEMA)
    shutil.rmtree(scratch.folder, ignore_errors=True)
    return sum(row["needs_review"] for row in first)


def _predictions(
    record: RunRecord,
    model: ModelRecord,
    rows: Sequence[dict[str, Any]],
    outputs: Mapping[str, _Outputs],
) -> list[dict[str, Any]]:
    """Return the rows of one model, which the answers of the others decide about too."""
    own = outputs[model.name]
    others = [output for name, output in outputs.items() if name != model.name]
    review = record.settings.review
    sure = sureness(own.probabilities, [of.probabilities for of in others], review.others_weight)
    return [
        _prediction(row, model.name, model.version, own.probabilities[index])
        | _judged(row, index, own, others, float(sure[index]), review)
        | {"run_id": record.run_id}
        for index, row in enumerate(rows)
    ]


def _views(
    scratch: ChunkPaths, record: RunRecord, wanted: Sequence[int]
) -> dict[int, NDArray[np.uint8]]:
    """Return the largest model inputs of some slices, by place; none where all are small."""
    side = max((model.side for model in record.models), default=0)
    if not wanted or side <= record.settings.thumbnail_side:
        return {}
    pictures = read_array(scratch.pictures(side), mapped=True)
    return {place: np.array(pictures[place]) for place in wanted}


def _evidence(scratch: ChunkPaths, record: RunRecord) -> Sequence[NDArray[np.float32]]:
    """Return the evidence of the first model that maps it, slice by slice; nothing if none does."""
    model = next((model.name for model in record.models if model.evidence_maps), None)
    if model is None:
        return []
    return [*read_arrays(scratch.outputs(model))["evidence"]]


@dataclass(frozen=True, slots=True)
class _Outputs:
    """What one model said of a chunk: probabilities, answers, prediction sets, what it had seen."""

    probabilities: NDArray[np.float32]
    answers: list[Answer]
    sets: list[list[str]]
    trained_on: NDArray[np.bool_]
    out_of_fold: NDArray[np.int8]


def _read_outputs(scratch: ChunkPaths, model: ModelRecord) -> _Outputs:
    arrays = read_arrays(scratch.outputs(model.name))
    probabilities, scores = arrays["probabilities"], arrays["ood_score"]
    sets = prediction_sets(probabilities, model.set_thresholds)
    answers = [
        _answer(p, float(score), model.ood_threshold, len(chosen))
        for p, score, chosen in zip(probabilities, scores, sets, strict=True)
    ]
    return _Outputs(probabilities, answers, sets, arrays["trained_on"], arrays["out_of_fold"])


def _judged(
    row: dict[str, Any],
    index: int,
    own: _Outputs,
    others: Sequence[_Outputs],
    sure: float,
    settings: ReviewSettings,
) -> dict[str, Any]:
    """Return the columns of a prediction that say how far to trust it."""
    answer, unseen = own.answers[index], int(own.out_of_fold[index])
    reasons = review_reasons(answer, [other.answers[index] for other in others], row, settings)
    return {
        "set_90": own.sets[index],
        "ood_score": answer.ood_score,
        "doubt": doubt_of(answer, sure, reasons, settings),
        "needs_review": bool(reasons),
        "review_reasons": reasons,
        "trained_on": bool(own.trained_on[index]),
        "out_of_fold_category": None if unseen < 0 else CATEGORIES[unseen].name,
    }


def _answer(
    probabilities: NDArray[np.float32], score: float, threshold: float, set_size: int
) -> Answer:
    category = CATEGORIES[int(probabilities.argmax())]
    return Answer(
        tumor=category.tumor,
        plane=category.plane,
        confidence=float(probabilities[category.index]),
        ood_score=score,
        ood_threshold=threshold,
        set_size=set_size,
    )


def _prediction(
    row: dict[str, Any], model: str, version: str, probabilities: NDArray[np.float32]
) -> dict[str, Any]:
    category = CATEGORIES[int(probabilities.argmax())]
    return {
        "slice_id": row["slice_id"],
        "path": row["path"],
        "frame": row["frame"],
        "model": model,
        "model_version": version,
        "category": category.name,
        "tumor": category.tumor,
        "plane": category.plane,
        "confidence": float(probabilities[category.index]),
        "p_tumor": float(np.clip(1 - probabilities[_NO_TUMOR_INDICES].sum(), 0, 1)),
        **dict(zip(PROBABILITY_COLUMNS, probabilities.tolist(), strict=True)),
    }


def count_slices(rows: Sequence[Mapping[str, Any]]) -> Counts:
    """Count rows of the table `slices` by what became of them; none of them needs review yet."""
    by_status = {status: 0 for status in ("ok", "refused", "failed")}
    for row in rows:
        by_status[row["status"]] += 1
    # A file may be spread over chunks; every file has one frame 0.
    files = sum(row["frame"] == 0 for row in rows)
    return Counts(files=files, slices=len(rows), **by_status)
