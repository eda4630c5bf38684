"""A folder of small labelled pictures of many patients, that a network can learn quickly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from artemis.labels import CATEGORIES

SIDE = 96


def write_labelled(
    folder: Path,
    *,
    patients: int = 30,
    seed: int = 0,
    skip: tuple[int, ...] = (),
    brightest: int = 150,
) -> pd.DataFrame:
    """Write one picture of every category and patient, with a manifest of groups and folds.

    A category is a bright square in one of twelve places, before a pattern of the patient,
    whose greys are 40 to `brightest`. From 100 down pictures of two patients count as near copies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for patient in range(patients):
        for category in CATEGORIES:
            if category.index in skip:
                continue
            random = np.random.default_rng((seed, patient, category.index))
            coarse = random.integers(40, brightest, (12, 12), dtype=np.uint8)
            picture = np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE)), np.uint8).copy()
            row, column = divmod(category.index, 4)
            top, left = row * 32 + 4, column * 24 + 2
            picture[top : top + 24, left : left + 20] = 235
            name = f"{patient:02d}-{category.index:02d}.png"
            Image.fromarray(picture).save(folder / name)
            rows.append(
                {
                    "path": name,
                    "tumor": category.tumor,
                    "plane": category.plane,
                    "patient": f"p{patient}",
                    "group": f"g{patient}",
                    "fold": patient % 5,
                    "source": "drawn",
                }
            )
    table = pd.DataFrame(rows)
    table.to_csv(folder / "manifest.csv", index=False)
    return table


GATE = """
[locked_set]
min_groups = 5
min_images_per_category = 5
min_images_per_tumor = 15
[training_set]
min_groups = 10
min_images_per_category = 10
[suspicion]
implausible_accuracy = 1.0
[floors]
min_macro_f1 = 0.5
max_ece = 0.5
"""
"""A policy for so small a set: its sizes, and a task that can be learnt without an error."""


def write_policy(workspace: Path, policy: str = GATE) -> None:
    """Put a policy where the gate of a workspace looks for one."""
    (workspace / "models").mkdir(parents=True, exist_ok=True)
    (workspace / "models" / "gate.toml").write_text(policy)
