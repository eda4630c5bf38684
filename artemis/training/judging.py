"""Judge a retrained model: evidence of both models on the locked slices, checks, the gate."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from artemis.errors import DivergedError
from artemis.labels import CATEGORY_NAMES
from artemis.models.champions import settle, settled
from artemis.models.decisions import Check, Decision, DecisionRecord
from artemis.models.manifest import Evaluation
from artemis.models.registry import find_version, load_model
from artemis.models.retrainings import (
    CHANGED_NAME,
    CHANGED_SCHEMA,
    Outcome,
    read_record,
    retrainings_root,
)
from artemis.models.runtime import ClassificationModel
from artemis.training.figures.evaluate import evaluate
from artemis.training.figures.out_of_fold import read_frame, write_frame
from artemis.training.gate.evidence import Evidence, Provenance
from artemis.training.gate.gate import decide
from artemis.training.gate.integrity import check_policy
from artemis.training.gate.policy import Policy, load_policy
from artemis.training.golden import GOLDEN_NAME, golden_agreement
from artemis.training.inputs import Inputs, champion_of, split_of
from artemis.training.jobs import read_training_set
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.labelled.locked import read_locked
from artemis.training.retraining import changing, noting_divergence
from artemis.training.sides import Side, check_integrity, side_of
from artemis.training.train import Split

_THUMBNAIL: Final = 112


def judge(inputs: Inputs, retraining: str, model: str) -> Outcome:
    """Compare a retrained model with the champion, decide, carry it out and record it; once.

    Parameters
    ----------
    inputs : Inputs
        Of the retraining.
    retraining : str
        Its id.
    model : str
        Which of its models; it has been trained.

    Raises
    ------
    ModelError
        If a model is damaged.
    SettingsError
        If the workspace's policy cannot be read.
    DivergedError
        If the retrained model gives answers that are not finite. The gate has kept it out, and
        the record says why there is no outcome.
    """
    folder = retrainings_root(inputs.workspace) / retraining
    record = read_record(folder)
    if model in record.outcomes:
        return record.outcomes[model]
    policy = load_policy(inputs.workspace)
    # By a process that was ended before it wrote the outcome; a promotion is not judged again,
    # against itself.
    known = settled(inputs.workspace, model, record.trained[model])
    challenger_model = load_model(inputs.workspace / "models" / model / record.trained[model])
    champion_model = _champion(inputs.workspace, model, known)
    data = _data(inputs, [m for m in (challenger_model, champion_model) if m is not None])
    split = split_of(inputs, data)
    challenger = side_of(challenger_model, data, split.test)
    champion = None if champion_model is None else side_of(champion_model, data, split.test)
    if known is None:
        began_with = check_policy(policy, record.policy)
        decision = _decide(inputs, policy, data, split, challenger, champion, began_with)
        known = settle(inputs.workspace, decision)
    evaluation = _figures(challenger.evidence, data.caveat)
    if evaluation is None:
        with noting_divergence(inputs, retraining, model):
            raise DivergedError(
                f"{challenger_model.folder}: expected finite answers to all locked slices. "
                f"Received others. {known.reason}"
            )
    beside = None if champion is None else _figures(champion.evidence, data.caveat)
    changed = _changed(data, split, challenger, None if beside is None else champion)
    outcome = Outcome(
        version=challenger.manifest.version,
        sha256=challenger.manifest.sha256,
        side=challenger.manifest.input.side,
        started_from=record.started_from[model],
        evaluation=evaluation,
        champion=None if champion is None else champion.manifest.version,
        champion_evaluation=beside,
        champion_provenance=None if champion is None else str(champion.evidence.provenance),
        decision=known,
        changed=len(changed),
    )
    _write_changed(folder / CHANGED_NAME, model, changed)
    with changing(inputs, retraining) as record:
        record.outcomes[model] = outcome
    return outcome


def _write_changed(path: Path, model: str, changed: pd.DataFrame) -> None:
    """Put one model's changed answers beside the other's; those of an ended try give way."""
    tables = [changed]
    if path.is_file():
        known = read_frame(path, CHANGED_SCHEMA)
        tables.insert(0, known[known["model"] != model])
    kept = [table for table in tables if len(table)] or [changed]
    write_frame(path, pd.concat(kept, ignore_index=True), CHANGED_SCHEMA)


def _decide(
    inputs: Inputs,
    policy: Policy,
    data: TrainingSet,
    split: Split,
    challenger: Side,
    champion: Side | None,
    began_with: Check,
) -> Decision:
    known = read_locked(inputs.workspace)
    locked = frozenset() if known is None else known.slice_ids
    golden = None
    if champion is not None:
        path = inputs.workspace / "models" / challenger.manifest.name / GOLDEN_NAME
        least = policy.golden.min_slices
        golden = golden_agreement(path, data, split, challenger, champion, least)
    return decide(
        policy,
        challenger=challenger.evidence,
        champion=None if champion is None else champion.evidence,
        golden=golden,
        integrity=[
            began_with,
            *check_integrity(policy, data, split, locked, challenger, champion),
        ],
    )


def _champion(
    workspace: Path, name: str, known: DecisionRecord | None
) -> ClassificationModel | None:
    """Return the champion that a challenger is, or was, compared with."""
    if known is None:
        folder = champion_of(workspace, name)
    elif known.previous_champion is None:
        folder = None
    else:
        folder = find_version(workspace, f"{name}@{known.previous_champion}")
    return None if folder is None else load_model(folder)


def _data(inputs: Inputs, models: list[ClassificationModel]) -> TrainingSet:
    """Return the training set with pictures of the sizes that both models take."""
    recipes = [
        inputs.recipe(model.manifest.name).with_side(model.manifest.input.side) for model in models
    ]
    return read_training_set(inputs.data, inputs.settings, recipes, reviewed=True)


def _figures(evidence: Evidence, caveat: str) -> Evaluation | None:
    """Return a model's figures; None where its answers are not finite, which have none."""
    if not np.isfinite(evidence.probabilities).all():
        return None
    how = {
        Provenance.UNSEEN: "never trained on",
        Provenance.OUT_OF_FOLD: "answered by networks that had not seen them",
        Provenance.TRAINED_ON: "some of which the model may have been trained on",
    }[evidence.provenance]
    return evaluate(
        evidence.probabilities,
        evidence.categories,
        evidence.dealt_groups,
        evidence.sources.tolist(),
        f"Patient-disjoint: the locked evaluation set, {how}.{caveat}",
    )


def _changed(
    data: TrainingSet, split: Split, challenger: Side, champion: Side | None
) -> pd.DataFrame:
    """Return the locked slices that the two answer differently, with thumbnails."""
    columns = CHANGED_SCHEMA.names
    if champion is None:
        return pd.DataFrame(columns=columns)
    new, old = challenger.evidence.probabilities, champion.evidence.probabilities
    names, rows = np.asarray(CATEGORY_NAMES), np.flatnonzero(split.test)
    differ = np.flatnonzero(new.argmax(axis=1) != old.argmax(axis=1))
    pictures = data.pictures[challenger.manifest.input.side][rows[differ]]
    shown = zip(pictures, data.withheld[rows[differ]], strict=True)
    return pd.DataFrame(
        {
            "model": challenger.manifest.name,
            "slice_id": challenger.evidence.slice_ids[differ],
            "truth": names[challenger.evidence.categories[differ]],
            "champion": names[old[differ].argmax(axis=1)],
            "champion_confidence": old[differ].max(axis=1),
            "challenger": names[new[differ].argmax(axis=1)],
            "challenger_confidence": new[differ].max(axis=1),
            "jpeg": [b"" if withheld else _thumbnail(picture) for picture, withheld in shown],
        },
        columns=columns,
    )


def _thumbnail(picture: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).resize((_THUMBNAIL, _THUMBNAIL)).save(stream, "JPEG", quality=80)
    return stream.getvalue()
