"""Checks of what a challenger was trained on: leaks, categories and labels.

Each returns named checks for `artemis.training.gate.gate.decide`. No message holds a name of a
patient group: a slice is named by its content's hash.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from artemis.labels import CATEGORY_NAMES
from artemis.models.decisions import Check, Verdict
from artemis.models.manifest import Evaluation
from artemis.said import CATEGORY_WORDS
from artemis.training.gate.evidence import Evidence
from artemis.training.gate.policy import Policy

_NAMED = 3


def check_leaks(
    training_slices: Collection[str],
    training_groups: Collection[str],
    locked: Evidence,
    near_copies: Iterable[tuple[str, str]],
) -> list[Check]:
    """Check that no locked slice, group or near-copy is in the training set.

    Parameters
    ----------
    training_slices, training_groups : collection of str
        Slices trained on, and their patient groups.
    locked : Evidence
        On the locked slices.
    near_copies : iterable of (str, str)
        Pairs of slices that are near-copies of each other, in any order; those within the
        training set or within the locked set do not matter.

    Returns
    -------
    list of Check
        ``leak_slices``, ``leak_groups``, ``leak_near_copies``.
    """
    trained, held = set(training_slices), set(locked.slice_ids.tolist())
    slices = sorted(trained & held)
    groups = set(training_groups) & set(locked.groups.tolist())
    of_group = [
        slice_id
        for slice_id, group in zip(locked.slice_ids.tolist(), locked.groups.tolist(), strict=True)
        if group in groups
    ]
    copies = sorted(
        {b for pair in near_copies for a, b in (pair, pair[::-1]) if a in trained and b in held}
    )
    return [
        Check(
            name="leak_slices",
            passed=not slices,
            expected="no locked slice in the training set",
            received=_counted(len(slices), "locked slices in it", slices),
        ),
        Check(
            name="leak_groups",
            passed=not groups,
            expected="no group both in the locked and in the training set",
            received=_counted(len(groups), "groups in both", sorted(of_group)),
        ),
        Check(
            name="leak_near_copies",
            passed=not copies,
            expected="no near-copy of a locked slice in the training set",
            received=_counted(len(copies), "locked slices with a near-copy in it", copies),
        ),
    ]


def check_locked_whole(policy: Policy, locked: Collection[str], present: Collection[str]) -> Check:
    """Check that the locked set is measured on as a whole, and not on what was left of it.

    Parameters
    ----------
    policy : Policy
        ``without_human.max_shrink`` is how much of it may be gone.
    locked : collection of str
        Slices of the locked set.
    present : collection of str
        Those of them that both models were measured on.
    """
    least = 1 - policy.without_human.max_shrink
    return Check(
        name="locked_whole",
        passed=len(present) >= least * len(locked),
        expected=f"{least:.0%} or more of the {len(locked)} locked slices among the data",
        received=f"{len(present)}",
        on_failure=Verdict.NEEDS_HUMAN,
    )


def check_patients(policy: Policy, known: NDArray[np.bool_]) -> Check:
    """Check that patients are held apart, and not copies alone.

    Parameters
    ----------
    policy : Policy
        ``locked_set.min_known`` is the least share.
    known : ndarray, (n,), bool
        Whether the patient or the group is given, of each slice that is trained on or locked.
    """
    least, share = policy.locked_set.min_known, float(known.mean()) if len(known) else 0.0
    return Check(
        name="patients_known",
        passed=share >= least,
        expected=f"the patient or the group of {least:.0%} or more of the slices trained on and "
        "locked; without, slices of one person are on both sides",
        received=f"{share:.1%} of {len(known)}",
        on_failure=Verdict.NEEDS_HUMAN,
    )


def check_policy(policy: Policy, began_with: str | None) -> Check:
    """Check that the limits are those that were set before the challenger was trained.

    Parameters
    ----------
    policy : Policy
        In force now.
    began_with : str or None
        SHA-256 of the one in force when the retraining began; None where it is not known.
    """
    return Check(
        name="policy_unchanged",
        passed=began_with == policy.sha256,
        expected="the policy that was in force when the retraining began",
        received={None: "one that is not known", policy.sha256: "the same"}.get(
            began_with, "another"
        ),
        on_failure=Verdict.NEEDS_HUMAN,
    )


def check_training_set(
    policy: Policy, categories: NDArray[np.int64], groups: Collection[str]
) -> list[Check]:
    """Check that every category is there and more than a few patients are.

    Parameters
    ----------
    policy : Policy
        Holds the smallest numbers.
    categories : ndarray, (n,), int64
        Category indices of the slices trained on.
    groups : collection of str
        Their patient groups, with or without repetition.

    Returns
    -------
    list of Check
        ``training_categories``, ``training_groups``.
    """
    rules = policy.training_set
    counts = np.bincount(categories, minlength=len(CATEGORY_NAMES))
    return [
        Check(
            name="training_categories",
            passed=bool((counts >= rules.min_images_per_category).all()),
            expected=f"{rules.min_images_per_category} images or more of each category to train on",
            received=smallest(counts),
        ),
        Check(
            name="training_groups",
            passed=len(set(groups)) >= rules.min_groups,
            expected=f"{rules.min_groups} groups or more to train on",
            received=f"{len(set(groups))}",
        ),
    ]


def check_labels(
    policy: Policy,
    categories: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    champion_share: float | None,
    name: str = "training_labels",
) -> Check:
    """Check that few labels are contradicted by confident predictions.

    A label is contradicted where another category has a probability of at least
    ``suspicion.confident`` (after confident learning, Northcutt et al., JAIR 2021). Either
    the label is wrong or the model is, so that a person has to look.

    Parameters
    ----------
    policy : Policy
        Holds the thresholds.
    categories : ndarray, (n,), int64
        Labels.
    probabilities : ndarray, (n, 12), float32
        Calibrated, of networks not trained with these labels: the champion's, out of fold
        where it was trained on the slice; without a champion the challenger's, out of fold.
        A network that learnt wrong labels is less sure, and would overlook them.
    champion_share : float or None
        What `recorded_conflicts` says of the champion; None without one.
    name : str
        Name of the check.
    """
    rules = policy.suspicion
    share = conflicts(categories, probabilities, rules.confident)
    limit = (
        rules.max_label_conflicts
        if champion_share is None
        else champion_share + rules.max_label_conflict_rise
    )
    return Check(
        name=name,
        passed=share <= limit,
        expected=f"at most {limit:.1%} of the labels contradicted by predictions of "
        f"{rules.confident:.0%} or more",
        received=f"{share:.1%} of {len(categories)}",
        on_failure=Verdict.NEEDS_HUMAN,
    )


def conflicts(
    categories: NDArray[np.int64], probabilities: NDArray[np.float32], confident: float
) -> float:
    """Return the share of labels that confident predictions contradict.

    A row that is not finite contradicts its label, since nothing can be said for it.
    """
    if not len(categories):
        return 0.0
    sure = probabilities.max(axis=1) >= confident
    broken = ~np.isfinite(probabilities).all(axis=1)
    return float((broken | (sure & (probabilities.argmax(axis=1) != categories))).mean())


def recorded_conflicts(evaluation: Evaluation, confident: float) -> float:
    """Return the share of a model's own test labels that its confident predictions contradict.

    Taken from the reliability table of its manifest, bin by bin of mean confidence: figures
    of the day it was made, which no later change of labels can move.
    """
    contradicted = sum(
        row["images"] * (1 - row["accuracy"])
        for row in evaluation.reliability
        if row["confidence"] >= confident
    )
    return contradicted / max(1, evaluation.images)


def smallest(counts: NDArray[np.int64]) -> str:
    """Say which category has the fewest images, as in ``3 images of glioma, coronal``."""
    least = int(counts.argmin())
    return f"{counts[least] or 'no'} images of {CATEGORY_WORDS[CATEGORY_NAMES[least]]}"


def listed(names: Iterable[str]) -> str:
    """Say several categories, as in ``glioma, coronal; no tumour, sagittal``."""
    return "; ".join(CATEGORY_WORDS[name] for name in names)


def _counted(count: int, what: str, slices: list[str]) -> str:
    if not count:
        return "none"
    named = ", ".join(slice_id[:12] for slice_id in slices[:_NAMED])
    return f"{count} {what}, first the slices {named}"
