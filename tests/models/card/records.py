"""A manifest that holds everything a card can tell, made from the shipped one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from artemis.labels import CATEGORY_NAMES
from artemis.models.manifest import Manifest, load_manifest
from artemis.models.registry import model_folder
from artemis.training.figures.evaluate import evaluate
from artemis.training.figures.study_figures import study_figures

HOSTILE = "</script>|<img src=x onerror=alert(1)>`*_[a](b)\u202egnp"
SHORTCUTS = {
    "images": 40,
    "tumor_accuracy": {
        "as_is": {"value": 0.9, "low": 0.8, "high": 0.95},
        "blanked": {"value": 0.4, "low": 0.3, "high": 0.5},
    },
    "probes": [
        {"tumor": "none", "sources": ["a", "b"], "images": 30, "balanced_accuracy": 0.8}
    ],
}  # fmt: skip


def shipped_folder() -> Path:
    """Return the folder of the shipped mobilenet_v2."""
    return model_folder(Path("no workspace"), "mobilenet_v2")


def full_manifest() -> Manifest:
    """Return a manifest of today's evaluation, with a source of a hostile name."""
    random = np.random.default_rng(4)
    categories = np.arange(240) % 12
    logits = random.normal(size=(240, 12)) + 2.5 * np.eye(12)[categories]
    p = np.exp(logits)
    p = (p / p.sum(axis=1, keepdims=True)).astype(np.float32)
    found = evaluate(
        p,
        categories,
        [f"A. Patient {k // 4}" for k in range(240)],
        [HOSTILE if k % 2 else "cheng" for k in range(240)],
        "Patient-disjoint.",
        uncalibrated=p,
        slice_ids=[f"{k:064x}" for k in range(240)],
    )
    studies = study_figures(
        [f"{k:064x}" for k in range(240)],
        p,
        categories,
        [f"A. Patient {k // 4}" for k in range(240)],
        np.ones(240, dtype=bool),
    )
    manifest = load_manifest(shipped_folder())
    values = manifest.model_dump(mode="json")
    found = found.model_copy(update={"studies": studies})
    values["evaluation"] = found.model_dump(mode="json") | {"shortcuts": SHORTCUTS}
    values["training"]["per_source"] = {HOSTILE: 7, "cheng": 90}
    values["training"]["per_category"] = dict.fromkeys(CATEGORY_NAMES, 60)
    return Manifest.model_validate(values)
