"""Everything about one slice: what a batch would say of it, and where the evidence lies."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artemis.answers.overlay import overlay_jpeg
from artemis.batches.batch import model_records, write_plans
from artemis.batches.classify import conclude_chunk, ingest_chunk, predict_chunk
from artemis.batches.versions import versions
from artemis.errors import NothingUsableError
from artemis.ingest.discover import not_to_be_opened
from artemis.ingest.identity import IdentityKey
from artemis.ingest.plan import PlanEntry
from artemis.ingest.probe import probe
from artemis.ingest.read import read_chunk
from artemis.labels import CATEGORY_NAMES, PLANES, PROBABILITY_COLUMNS, TUMORS
from artemis.models.evidence_map import rival_tumors, tumor_evidence
from artemis.models.registry import load_model
from artemis.models.runtime import tumor_probabilities
from artemis.predictions import table_rows
from artemis.preprocess import model_input, square_box
from artemis.run_ids import new_run_id
from artemis.runs import (
    IDENTITY_KEY,
    ModelRecord,
    RunPaths,
    RunRecord,
    RunStatus,
    create_run,
    write_record,
)
from artemis.schemas import QUALITY_COLUMNS
from artemis.settings import Settings
from artemis.system.files import printable_path

PICTURE_SIDE: Final = 448
"""Longest side of the picture and its overlays, in pixels."""

TOP: Final = 3
_OF_THE_SLICE: Final = ("format", "width", "height", "header_plane", "series_index", "volume")
_NOT_OF_THE_ANSWER: Final = {"slice_id", "path", "frame", "model", "run_id", *PROBABILITY_COLUMNS}


@dataclass(frozen=True, slots=True)
class Overlay:
    """A model's evidence for one tumour type, drawn over the picture.

    Attributes
    ----------
    model : str
        Whose evidence.
    tumor : str
        For what: the answer, or with `rival` the next most probable tumour type.
    rival : bool
        Which of the two; a rival is drawn on the scale of the answer.
    jpeg : bytes or None
        None where no place speaks for it.
    """

    model: str
    tumor: str
    rival: bool
    jpeg: bytes | None


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What is known of one slice.

    Attributes
    ----------
    run_dir : Path
        Folder of a run of this one slice, with all tables.
    frames : int
        Slices in its file.
    slice_row : dict
        Its row of `slices`.
    answers : list of dict
        Its rows of `predictions`, in the order of reports.
    models : list of ModelRecord
        The models, in the same order.
    overlays : list of Overlay
        Of the models that map their evidence; none where `withheld`.
    withheld : bool
        Whether no picture of it may be shown, see `artemis.ingest.read.IngestedSlice`.
    """

    run_dir: Path
    frames: int
    slice_row: dict[str, Any]
    answers: list[dict[str, Any]]
    models: list[ModelRecord]
    overlays: list[Overlay]
    withheld: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, without pictures."""
        row = self.slice_row
        return {
            **{name: row[name] for name in ("slice_id", "path", "frame")},
            "frames": self.frames,
            **{name: row[name] for name in _OF_THE_SLICE},
            "quality": {name: row[name] for name in QUALITY_COLUMNS},
            "answers": [
                {
                    "model": model.name,
                    **{k: v for k, v in answer.items() if k not in _NOT_OF_THE_ANSWER},
                    "ood_threshold": model.ood_threshold,
                    "evidence_maps": model.evidence_maps,
                    "top": top_categories(answer),
                }
                for model, answer in zip(self.models, self.answers, strict=True)
            ],
        }


def top_categories(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the most probable categories of a row of `predictions`, most probable first."""
    ranked = sorted(CATEGORY_NAMES, key=lambda name: -answer[f"p_{name}"])
    return [{"category": name, "probability": answer[f"p_{name}"]} for name in ranked[:TOP]]


def explain_image(
    image: str | Path,
    settings: Settings,
    models: list[str],
    scratch: str | Path,
    frame: int = 0,
    rival: bool = False,
) -> Explanation:
    """Classify one slice as a batch would, and draw its evidence.

    Parameters
    ----------
    image : str or Path
        A file of any supported format.
    settings : Settings
        Of its workspace the models are used; nothing is written to it.
    models : list of str
        Names of the models.
    scratch : str or Path
        Folder for the run of this slice; its owner removes it.
    frame : int
        Frame, page or slice of the file, from 0.
    rival : bool
        Draw the evidence for the next most probable tumour type as well.

    Raises
    ------
    NothingUsableError
        If the file, or this frame of it, cannot be classified; the message says why.
    ModelError
        If a model fails its checks.
    """
    image = Path(image)
    entry, frames = _find(image, settings, frame)
    run = create_run(Path(scratch), new_run_id())
    record = RunRecord(
        run_id=run.run_id,
        status=RunStatus.COMPLETED,
        created=datetime.now(UTC),
        batch=str(image.resolve().parent),
        command="",
        versions=versions(),
        settings=settings.model_copy(update={"thumbnail_side": PICTURE_SIDE}),
        models=model_records(settings.workspace, models),
    )
    write_plans(run, [[entry]])
    ingest_chunk(run, record, 0, sorted({model.side for model in record.models}))
    slice_row = next(table_rows(run.root, "slices"))
    if slice_row["status"] != "ok":
        raise NothingUsableError(
            printable_path(image) + slice_row["reason"].removeprefix(slice_row["path"])
        )
    for model in record.models:
        predict_chunk(run, record, 0, model.name, model.folder)
    conclude_chunk(run, record, 0)
    write_record(run, record)
    by_model = {row["model"]: row for row in table_rows(run.root, "predictions")}
    withheld = next(table_rows(run.root, "thumbnails"))["jpeg"] is None
    return Explanation(
        run_dir=run.root,
        frames=frames,
        slice_row=slice_row,
        answers=[by_model[model.name] for model in record.models],
        models=record.models,
        overlays=[] if withheld else _overlays(run, record, entry, rival),
        withheld=withheld,
    )


def _find(image: Path, settings: Settings, frame: int) -> tuple[PlanEntry, int]:
    if not image.is_file():
        problem = not_to_be_opened(os.fsencode(image))
        if problem is not None and os.path.lexists(image) and not image.is_dir():
            raise NothingUsableError(f"{printable_path(image)}: {problem}")
        raise NothingUsableError(
            f"{printable_path(image)}: expected the file of one image. Received "
            f"{'a folder' if image.is_dir() else 'nothing of that name'}. Give a file; for a "
            "folder, use `artemis-cli classify-batch`."
        )
    seen = probe(image, settings.ingest)
    if not 0 <= frame < seen.frames:
        raise NothingUsableError(
            f"{printable_path(image)}: expected a frame from 0 to {seen.frames - 1}. Received "
            f"{frame}. Give another --frame."
        )
    entry = PlanEntry(
        path=os.fsencode(image.resolve().name),
        format=seen.format,
        first_frame=frame,
        # The place of one file in its series is told by the others alone.
        series_start=0 if seen.series is not None and seen.frames > 1 else None,
        reason_code=seen.problem.reason_code if seen.problem else None,
        reason=str(seen.problem) if seen.problem else None,
    )
    return entry, seen.frames


def _overlays(run: RunPaths, record: RunRecord, entry: PlanEntry, rival: bool) -> list[Overlay]:
    mapping = [model for model in record.models if model.evidence_maps]
    if not mapping:
        return []
    identity = IdentityKey.load_or_create(run.workspace / IDENTITY_KEY)
    found = next(read_chunk(Path(record.batch), [entry], record.settings.ingest, identity))
    if found.pixels is None:  # it was there a moment ago
        raise NothingUsableError(found.row["reason"])
    return [
        overlay for model in mapping for overlay in _of_model(model, record, found.pixels, rival)
    ]


def _of_model(
    model: ModelRecord, record: RunRecord, pixels: NDArray[np.uint8], rival: bool
) -> list[Overlay]:
    box = square_box(pixels)
    loaded = load_model(model.folder, record.settings.threads, record.settings.runtime)
    output = loaded.predict(model_input(pixels, model.side, box)[None])
    if output.maps is None:
        return []
    probabilities = loaded.probabilities(output.logits)
    shown = probabilities.argmax(axis=1) // len(PLANES)
    picture = Image.fromarray(pixels)
    picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.BILINEAR)
    factor = picture.width / pixels.shape[1]
    peak = float(tumor_evidence(output.maps, shown).max())
    wanted = [shown, rival_tumors(tumor_probabilities(probabilities), shown)][: 1 + rival]
    overlays = []
    for order, tumors in enumerate(wanted):
        evidence = tumor_evidence(output.maps, tumors)[0]
        # A rival of an answer without evidence has a scale of its own.
        drawn = overlay_jpeg(picture, factor, box, evidence, peak or None)
        overlays.append(
            Overlay(
                model=model.name,
                tumor=TUMORS[int(tumors[0])],
                rival=bool(order),
                jpeg=drawn if evidence.max() > 0 else None,
            )
        )
    return overlays
