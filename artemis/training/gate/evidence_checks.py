"""Checks of the evidence itself: whether a comparison of two models would mean anything."""

from __future__ import annotations

from typing import Final

import numpy as np

from artemis.labels import CATEGORIES, CATEGORY_NAMES, PLANES, TUMORS
from artemis.models.comparison import Agreement
from artemis.models.decisions import Check, Verdict
from artemis.said import TUMOR_WORDS
from artemis.training.gate.evidence import Evidence, Provenance
from artemis.training.gate.integrity import listed, smallest
from artemis.training.gate.policy import Policy

_SUM_TOLERANCE: Final = 1e-3

NEEDED: Final = frozenset(
    {
        "predictions_valid",
        "challenger_unseen",
        "locked_groups",
        "fair_champion",
        "champion_valid",
        "same_slices",
    }
)
"""Checks without which there is nothing to compare."""


def check_predictions(challenger: Evidence) -> list[Check]:
    """Check that the challenger's predictions are probabilities, varied, and of unseen slices.

    Returns
    -------
    list of Check
        ``predictions_valid``, ``predictions_varied``, ``challenger_unseen``.
    """
    predicted = np.zeros(len(CATEGORIES), dtype=np.int64)
    valid, received = _valid(challenger)
    if valid:
        predicted = np.bincount(challenger.probabilities.argmax(axis=1), minlength=len(CATEGORIES))
    true = np.bincount(challenger.categories, minlength=len(CATEGORIES))
    never = [
        name for name, n, m in zip(CATEGORY_NAMES, predicted, true, strict=True) if m and not n
    ]
    return [
        Check(
            name="predictions_valid",
            passed=valid,
            expected="finite probabilities that sum to 1",
            received=received,
        ),
        Check(
            name="predictions_varied",
            passed=not never,
            expected="every category of the locked set predicted at least once",
            received=f"never {listed(never)}" if never else "all of them",
        ),
        Check(
            name="challenger_unseen",
            passed=challenger.provenance is Provenance.UNSEEN,
            expected="a challenger that was not trained on the locked slices",
            received=f"predictions of the kind {challenger.provenance}",
        ),
    ]


def _valid(evidence: Evidence) -> tuple[bool, str]:
    p = evidence.probabilities
    broken = ~np.isfinite(p).all(axis=1)
    with np.errstate(invalid="ignore"):
        broken |= (p < 0).any(axis=1) | (np.abs(p.sum(axis=1) - 1) > _SUM_TOLERANCE)
    return not broken.any() and len(p) > 0, f"{broken.sum()} of {len(p)} rows that are not"


def check_locked_set(policy: Policy, challenger: Evidence) -> list[Check]:
    """Check that the locked slices are enough to tell two models apart.

    Returns
    -------
    list of Check
        ``locked_groups``, ``locked_categories``, ``locked_tumors``.
    """
    rules, groups = policy.locked_set, len(np.unique(challenger.groups))
    counts = np.bincount(challenger.categories, minlength=len(CATEGORIES))
    tumors = counts.reshape(len(TUMORS), len(PLANES)).sum(axis=1)
    rarest = int(tumors.argmin())
    return [
        Check(
            name="locked_groups",
            passed=groups >= rules.min_groups,
            expected=f"{rules.min_groups} groups or more, for an interval over them",
            received=f"{groups}",
            on_failure=Verdict.NEEDS_HUMAN,
        ),
        Check(
            name="locked_categories",
            passed=bool((counts >= rules.min_images_per_category).all()),
            expected=f"{rules.min_images_per_category} locked images or more of each category",
            received=smallest(counts),
            on_failure=Verdict.NEEDS_HUMAN,
        ),
        Check(
            name="locked_tumors",
            passed=bool((tumors >= rules.min_images_per_tumor).all()),
            expected=f"{rules.min_images_per_tumor} locked images or more of each tumour type",
            received=f"{tumors[rarest]} images of {TUMOR_WORDS[TUMORS[rarest]]}",
            on_failure=Verdict.NEEDS_HUMAN,
        ),
    ]


def check_champion(challenger: Evidence, champion: Evidence) -> list[Check]:
    """Check that the champion can be held against the challenger.

    Returns
    -------
    list of Check
        ``fair_champion``, ``champion_valid``, ``same_slices``.
    """
    valid, received = _valid(champion)
    same = champion.model == challenger.model and (
        champion.locked_set_sha256 == challenger.locked_set_sha256
    )
    return [
        Check(
            name="fair_champion",
            passed=champion.provenance is not Provenance.TRAINED_ON,
            expected="a champion that was not trained on the locked slices, or its out-of-fold "
            "predictions of them",
            received={
                Provenance.UNSEEN: "its own predictions of slices that it never saw",
                Provenance.OUT_OF_FOLD: "its out-of-fold predictions",
                Provenance.TRAINED_ON: "neither: it was trained on them, or that is not known, "
                "and there are no out-of-fold predictions",
            }[champion.provenance],
            on_failure=Verdict.NEEDS_HUMAN,
        ),
        Check(
            name="champion_valid",
            passed=valid,
            expected="the champion's probabilities finite and summing to 1",
            received=received,
            on_failure=Verdict.NEEDS_HUMAN,
        ),
        Check(
            name="same_slices",
            passed=same,
            expected="both models on the same slices with the same labels and groups",
            received=f"{len(challenger.slice_ids)} slices of {challenger.model} and "
            f"{len(champion.slice_ids)} of {champion.model}, {'the' if same else 'not the'} same",
        ),
    ]


def check_golden(policy: Policy, golden: Agreement | None) -> list[Check]:
    """Check that the two models agree on the golden set.

    Returns
    -------
    list of Check
        ``golden_set``, and if there is one ``golden_categories``, ``golden_probabilities``.
    """
    rules = policy.golden
    enough = golden is not None and golden.slices >= rules.min_slices
    checks = [
        Check(
            name="golden_set",
            passed=enough,
            expected=f"a golden set of {rules.min_slices} slices or more, seen by both models",
            received=f"one of {golden.slices}" if golden else "none",
            on_failure=Verdict.NEEDS_HUMAN,
        )
    ]
    if golden is None:
        return checks
    return [
        *checks,
        Check(
            name="golden_categories",
            passed=golden.equal_share >= rules.min_equal_share,
            expected=f"the same category for {rules.min_equal_share:.1%} of the golden set or more",
            received=f"{golden.equal_share:.1%}",
            on_failure=Verdict.NEEDS_HUMAN,
        ),
        Check(
            name="golden_probabilities",
            passed=golden.largest_difference <= rules.max_probability_difference,
            expected=f"no probability of the golden set further apart than "
            f"{rules.max_probability_difference:.2f}",
            received=f"{golden.largest_difference:.2f}",
            on_failure=Verdict.NEEDS_HUMAN,
        ),
    ]
