"""Judge a retrained model: evidence of both models on the locked slices, checks, the gate."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from artemis.errors import DivergedError, ModelError
from artemis.labels import CATEGORY_NAMES
from artemis.models.champions import settle, settled
from artemis.models.comparison import Agreement, compare_answers
from artemis.models.decisions import Check, Decision, DecisionRecord, ModelVersion
from artemis.models.manifest import Evaluation, Manifest
from artemis.models.out_of_fold import read_out_of_fold
from artemis.models.registry import find_version, load_model
from artemis.models.retrainings import (
    CHANGED_NAME,
    CHANGED_SCHEMA,
    Outcome,
    read_record,
    retrainings_root,
)
from artemis.models.runtime import ClassificationModel
from artemis.system.files import write_text_atomic
from artemis.training.figures.evaluate import evaluate
from artemis.training.figures.out_of_fold import read_frame, write_frame
from artemis.training.gate.changes import check_changes
from artemis.training.gate.evidence import (
    Evidence,
    Provenance,
    fair_evidence,
    relabelled_share,
)
from artemis.training.gate.gate import decide
from artemis.training.gate.integrity import (
    check_labels,
    check_leaks,
    check_locked_whole,
    check_patients,
    check_policy,
    check_training_set,
    recorded_conflicts,
)
from artemis.training.gate.policy import Policy, load_policy
from artemis.training.jobs import read_training_set
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.labelled.locked import read_locked
from artemis.training.retraining import Inputs, champion_of, changing, noting_divergence, split_of
from artemis.training.train import Split

GOLDEN_NAME: Final = "golden.json"
"""In a model's folder of the workspace: slices that no later version may answer otherwise."""

_GOLDEN_PER_CATEGORY: Final = 5
_GOLDEN_CONFIDENCE: Final = 0.8
_THUMBNAIL: Final = 112


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two models, loaded, with its fair evidence on the locked slices."""

    model: ClassificationModel
    evidence: Evidence
    out_of_fold: pd.DataFrame

    @property
    def manifest(self) -> Manifest:
        return self.model.manifest


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
    challenger = _side(challenger_model, data, split.test)
    champion = None if champion_model is None else _side(champion_model, data, split.test)
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
    challenger: _Side,
    champion: _Side | None,
    began_with: Check,
) -> Decision:
    golden = None if champion is None else _agreement(inputs, data, split, challenger, champion)
    locked = _locked(inputs.workspace)
    return decide(
        policy,
        challenger=challenger.evidence,
        champion=None if champion is None else champion.evidence,
        golden=golden,
        integrity=[
            began_with,
            _whole(policy, locked, challenger.evidence),
            *_integrity(policy, data, split, locked, challenger, champion),
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


def _side(model: ClassificationModel, data: TrainingSet, locked: NDArray[np.bool_]) -> _Side:
    manifest = model.manifest
    table = data.table[locked]
    pictures = data.pictures[manifest.input.side][locked]
    own = Evidence(
        model=manifest.name,
        version=ModelVersion(version=manifest.version, sha256=manifest.sha256),
        provenance=Provenance.TRAINED_ON,
        slice_ids=table["slice_id"].to_numpy(dtype=np.str_),
        groups=table["group"].to_numpy(dtype=np.str_),
        sources=table["source"].to_numpy(dtype=np.str_),
        categories=table["category"].to_numpy(dtype=np.int64),
        probabilities=model.probabilities(model.predict(pictures).logits),
    )
    kept = read_out_of_fold(model.folder)
    trained_on = data.table["slice_id"].isin(kept["slice_id"])
    seen = data.table.loc[trained_on, "group"].tolist()
    return _Side(model, fair_evidence(own, None, kept, seen), kept)


def _integrity(
    policy: Policy,
    data: TrainingSet,
    split: Split,
    locked: frozenset[str],
    challenger: _Side,
    champion: _Side | None,
) -> list[Check]:
    table = data.table[split.train]
    ids = data.table["slice_id"].to_numpy()
    pairs = zip(ids[data.copies["first"]], ids[data.copies["second"]], strict=True)
    # What the folder says that it was trained on counts, not what this process would choose.
    kept = challenger.out_of_fold
    trained = set(kept["slice_id"])
    groups = set(data.table.loc[data.table["slice_id"].isin(trained), "group"])
    checks = [
        *check_leaks(trained, groups, challenger.evidence, pairs),
        check_patients(policy, data.table.loc[split.train | split.test, "group_known"].to_numpy()),
        *check_training_set(policy, kept["category"].to_numpy(np.int64), groups),
        _labels(policy, data, split, challenger, champion),
    ]
    if champion is not None:
        relabelled = relabelled_share(
            table["category"].to_numpy(), table["slice_id"].to_numpy(), champion.out_of_fold
        )
        checks += check_changes(
            policy,
            challenger.manifest,
            champion.manifest,
            relabelled,
            trained=trained,
            before=champion.out_of_fold["slice_id"],
            locked=locked,
        )
        checks.append(
            check_labels(
                policy,
                champion.evidence.categories,
                champion.evidence.probabilities,
                recorded_conflicts(champion.manifest.evaluation, policy.suspicion.confident),
                name="locked_labels",
            )
        )
    return checks


def _locked(workspace: Path) -> frozenset[str]:
    locked = read_locked(workspace)
    return frozenset() if locked is None else locked.slice_ids


def _whole(policy: Policy, locked: frozenset[str], measured: Evidence) -> Check:
    return check_locked_whole(policy, locked, locked.intersection(measured.slice_ids.tolist()))


def _labels(
    policy: Policy, data: TrainingSet, split: Split, challenger: _Side, champion: _Side | None
) -> Check:
    """Check labels against the champion; without one, against the challenger's sister network.

    Each slice counts that the network which answers has not seen: those kept out of fold,
    and the champion's own answers to slices that came after it.
    """
    names = [f"p_{name}" for name in CATEGORY_NAMES]
    judging = champion or challenger
    known = judging.out_of_fold
    table = data.table[split.train].reset_index(drop=True)
    made = known.dropna(subset=names[0]).set_index("slice_id")
    rows = np.flatnonzero(table["slice_id"].isin(made.index))
    probabilities = made.loc[table["slice_id"][rows], names].to_numpy(dtype=np.float32)
    if champion is not None:
        new = np.flatnonzero(~table["slice_id"].isin(known["slice_id"]))
        model = champion.model
        pictures = data.pictures[champion.manifest.input.side][split.train][new]
        answers = model.probabilities(model.predict(pictures).logits)
        rows, probabilities = np.append(rows, new), np.concatenate([probabilities, answers])
    return check_labels(
        policy,
        table["category"].to_numpy()[rows],
        probabilities,
        None
        if champion is None
        else recorded_conflicts(champion.manifest.evaluation, policy.suspicion.confident),
    )


def _agreement(
    inputs: Inputs, data: TrainingSet, split: Split, challenger: _Side, champion: _Side
) -> Agreement:
    """Return how far both agree on the golden set, which is fixed the first time.

    It is of locked slices that the model's own champion answers rightly, with confidence and,
    where it was trained on them, out of fold: what a later version must not unlearn.
    """
    path = inputs.workspace / "models" / challenger.manifest.name / GOLDEN_NAME
    if not path.is_file():
        fair = champion.evidence
        sure = (fair.probabilities.argmax(axis=1) == fair.categories) & (
            fair.probabilities.max(axis=1) >= _GOLDEN_CONFIDENCE
        )
        chosen: list[str] = []
        for category in range(len(CATEGORY_NAMES)):
            of = np.sort(fair.slice_ids[sure & (fair.categories == category)])
            chosen += of[:_GOLDEN_PER_CATEGORY].tolist()
        write_text_atomic(path, json.dumps({"slice_ids": sorted(chosen)}, indent=1) + "\n")
    golden = data.table["slice_id"].isin(golden_slices(path)).to_numpy()
    rows = np.flatnonzero(golden & split.test)
    pictures = {side: stack[rows] for side, stack in data.pictures.items()}
    return compare_answers(challenger.model, champion.model, pictures).agreement


def golden_slices(path: Path) -> list[str]:
    """Return the ids of the slices of a golden set.

    Raises
    ------
    ModelError
        If the file is damaged: it would otherwise end every retraining without a name.
    """
    try:
        return [*map(str, json.loads(path.read_bytes())["slice_ids"])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path}: expected the golden set as Artemis writes it. Received: "
            f"{type(error).__name__}. Restore it from a backup, or delete it to have one made of "
            "today's champion."
        ) from error


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
    data: TrainingSet, split: Split, challenger: _Side, champion: _Side | None
) -> pd.DataFrame:
    """Return the locked slices that the two answer differently, with thumbnails."""
    columns = CHANGED_SCHEMA.names
    if champion is None:
        return pd.DataFrame(columns=columns)
    new, old = challenger.evidence.probabilities, champion.evidence.probabilities
    names, rows = np.asarray(CATEGORY_NAMES), np.flatnonzero(split.test)
    differ = np.flatnonzero(new.argmax(axis=1) != old.argmax(axis=1))
    pictures = data.pictures[challenger.manifest.input.side][rows[differ]]
    return pd.DataFrame(
        {
            "model": challenger.manifest.name,
            "slice_id": challenger.evidence.slice_ids[differ],
            "truth": names[challenger.evidence.categories[differ]],
            "champion": names[old[differ].argmax(axis=1)],
            "champion_confidence": old[differ].max(axis=1),
            "challenger": names[new[differ].argmax(axis=1)],
            "challenger_confidence": new[differ].max(axis=1),
            "jpeg": [_thumbnail(picture) for picture in pictures],
        },
        columns=columns,
    )


def _thumbnail(picture: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).resize((_THUMBNAIL, _THUMBNAIL)).save(stream, "JPEG", quality=80)
    return stream.getvalue()
