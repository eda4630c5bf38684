"""The two models that a retraining compares, and whether what they learnt from may be believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artemis.labels import CATEGORY_NAMES
from artemis.models.decisions import Check, ModelVersion
from artemis.models.manifest import Manifest
from artemis.models.out_of_fold import read_out_of_fold
from artemis.models.runtime import ClassificationModel
from artemis.training.gate.changes import check_changes
from artemis.training.gate.evidence import (
    Evidence,
    Provenance,
    fair_evidence,
    relabelled_share,
)
from artemis.training.gate.integrity import (
    check_labels,
    check_leaks,
    check_locked_whole,
    check_patients,
    check_training_set,
    recorded_conflicts,
)
from artemis.training.gate.policy import Policy
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.train import Split


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two models of a judgement.

    Attributes
    ----------
    model : ClassificationModel
        Loaded.
    evidence : Evidence
        Its fair evidence on the locked slices.
    out_of_fold : DataFrame
        What its folder says that it was trained on, see `artemis.models.out_of_fold`.
    """

    model: ClassificationModel
    evidence: Evidence
    out_of_fold: pd.DataFrame

    @property
    def manifest(self) -> Manifest:
        """The record of its training."""
        return self.model.manifest


def side_of(model: ClassificationModel, data: TrainingSet, locked: NDArray[np.bool_]) -> Side:
    """Return a model with its answers to the locked slices, (n,) bool, of the training set."""
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
    learnt = {*kept["slice_id"], *manifest.training.seen_before}
    seen = data.table.loc[data.table["slice_id"].isin(learnt), "group"].tolist()
    return Side(model, fair_evidence(own, None, kept, seen), kept)


def check_integrity(
    policy: Policy,
    data: TrainingSet,
    split: Split,
    locked: frozenset[str],
    challenger: Side,
    champion: Side | None,
) -> list[Check]:
    """Check what both models learnt from, and what they are measured on.

    Parameters
    ----------
    policy : Policy
        Its limits.
    data : TrainingSet
        Everything labelled.
    split : Split
        Its parts of today.
    locked : frozenset of str
        Slices of the locked evaluation set.
    challenger, champion : Side
        The retrained model, and the one in use, if there is one.
    """
    table = data.table[split.train]
    ids = data.table["slice_id"].to_numpy()
    pairs = zip(ids[data.copies["first"]], ids[data.copies["second"]], strict=True)
    # What the folder says that it was trained on counts, not what this process would choose.
    kept = challenger.out_of_fold
    trained = set(kept["slice_id"])
    groups = set(data.table.loc[data.table["slice_id"].isin(trained), "group"])
    measured = locked.intersection(challenger.evidence.slice_ids.tolist())
    checks = [
        check_locked_whole(policy, locked, measured),
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


def _labels(
    policy: Policy, data: TrainingSet, split: Split, challenger: Side, champion: Side | None
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
