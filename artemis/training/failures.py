"""Keep pictures of a new model's most confident mistakes in the workspace that trained it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from artemis.answers.overlay import jpeg_bytes, overlay_jpeg
from artemis.labels import CATEGORY_NAMES, PLANES
from artemis.models.card.pictures import pictures_path, write_pictures
from artemis.models.evidence_map import gives_evidence, tumor_evidence
from artemis.models.runtime import ClassificationModel
from artemis.preprocess import SquareBox
from artemis.training.labelled.dataset import TrainingSet


def keep_failures(workspace: Path, folder: Path, data: TrainingSet) -> Path | None:
    """Write pictures of a model's mistakes, with the evidence for what was wrongly answered.

    The evidence is of the network that serves. Where the mistake was another network's, of the
    same recipe and without the slice, it may see the slice otherwise; its own answer is kept.

    Parameters
    ----------
    workspace : Path
        Where they are kept, see `artemis.models.card.pictures`.
    folder : Path
        Of the model.
    data : TrainingSet
        What it was trained and measured on.

    Returns
    -------
    Path or None
        The file; None of a model without mistakes among the pictures that may be shown.
    """
    model = ClassificationModel(folder)
    hidden = set(data.table["slice_id"][data.withheld])
    known = enumerate(data.table["slice_id"])
    places = {name: row for row, name in known if name not in hidden}
    mistakes = [one for one in model.manifest.evaluation.mistakes if one.slice_id in places]
    if not mistakes:
        return None
    side = model.manifest.input.side
    rows = [places[one.slice_id] for one in mistakes]
    pictures = data.pictures[side][rows]
    output = model.predict(pictures)
    evidence = None
    if output.maps is not None and gives_evidence(model.manifest.outputs):
        wrong = [CATEGORY_NAMES.index(one.answer) // len(PLANES) for one in mistakes]
        evidence = tumor_evidence(output.maps, np.array(wrong, dtype=np.int64))
    kept = []
    for k, (mistake, row) in enumerate(zip(mistakes, rows, strict=True)):
        image = Image.fromarray(pictures[k])
        drawn = evidence is not None and evidence[k].max() > 0
        kept.append(
            {
                "slice_id": mistake.slice_id,
                "path": data.table["path"].iloc[row],
                "answer_now": CATEGORY_NAMES[int(output.logits[k].argmax())],
                "jpeg": jpeg_bytes(image),
                "overlay": overlay_jpeg(image, 1.0, SquareBox(0, 0, side), evidence[k])
                if drawn and evidence is not None
                else None,
            }
        )
    path = pictures_path(workspace, model.manifest.name, model.manifest.version)
    write_pictures(path, kept)
    return path
