"""Predictions of imaginary models on imaginary locked slices, calibrated by construction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from artemis.models.comparison import Agreement
from artemis.models.decisions import Check, ModelVersion
from artemis.training.gate.evidence import Evidence, Provenance
from artemis.training.gate.gate import CHANGE_CHECKS, TRAINING_CHECKS

GOLDEN = Agreement(slices=24, equal_share=1.0, largest_difference=0.1, sha256="9" * 64)


def draw(
    skill: float = 2.9, seed: int = 0, *, groups: int = 60, slices: int = 480, model: int = 1
) -> Evidence:
    """Return what a model of some skill says of slices that depend on nothing but `seed`.

    It sees ``skill * onehot(category) + noise``; the softmax of `skill` times that is the
    posterior probability, so that it is calibrated. Accuracy is about 0.80 with a skill of
    2.5, 0.88 with 2.9, 0.93 with 3.2 and 0.96 with 3.6.
    """
    random = np.random.default_rng(seed)
    categories = random.permutation(np.arange(slices) % 12)
    noise = random.normal(size=(slices, 12))
    seen = skill * np.eye(12)[categories] + noise
    return Evidence(
        model="baseline",
        version=ModelVersion(version=f"v{model}", sha256=f"{model:064d}"),
        provenance=Provenance.UNSEEN,
        slice_ids=np.array([f"{k:064x}" for k in range(slices)]),
        groups=np.array([f"patient {k % groups}" for k in range(slices)]),
        sources=np.full(slices, "drawn"),
        categories=categories,
        probabilities=softmax(skill * seen),
    )


def champion(seed: int = 0, skill: float = 2.9) -> Evidence:
    """Return the same slices' predictions by another version of the model."""
    return draw(skill, seed, model=0)


def softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)


def with_answers(evidence: Evidence, probabilities: np.ndarray) -> Evidence:
    return replace(evidence, probabilities=probabilities.astype(np.float32))


def flip(categories: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """Return labels of which a share is another category, drawn at random."""
    random = np.random.default_rng(seed)
    flipped = random.random(len(categories)) < share
    return np.where(
        flipped, (categories + random.integers(1, 12, len(categories))) % 12, categories
    )


def complete(checks: tuple[Check, ...]) -> list[Check]:
    """Return checks with passed ones in the place of those that a test is not about."""
    made = {check.name for check in checks}
    return [
        *checks,
        *(
            Check(name=name, passed=True, expected="", received="")
            for name in (*TRAINING_CHECKS, *CHANGE_CHECKS)
            if name not in made
        ),
    ]
