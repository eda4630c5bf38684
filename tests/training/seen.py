"""What a model's folder says that it was trained on, written anew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from artemis.models.manifest import OUT_OF_FOLD_NAME
from artemis.system.files import sha256_file
from artemis.training.figures.out_of_fold import OUT_OF_FOLD_SCHEMA, write_frame


def write_seen(folder: Path, known: pd.DataFrame, before: Sequence[str] = ()) -> None:
    """Let a model have been trained on slices, of some of which its weights know nothing.

    `known` has ``slice_id``, ``fold``, ``category`` and ``start_unseen``, and may have
    probabilities, of networks without the slice. `before` are slices that its weights know of
    earlier trainings alone.
    """
    made = known.reindex(columns=OUT_OF_FOLD_SCHEMA.names)
    numbers = OUT_OF_FOLD_SCHEMA.names[4:]
    made[numbers] = made[numbers].astype(np.float32)
    write_frame(folder / OUT_OF_FOLD_NAME, made, OUT_OF_FOLD_SCHEMA)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][OUT_OF_FOLD_NAME] = sha256_file(folder / OUT_OF_FOLD_NAME)
    manifest["training"]["seen_before"] = [*before]
    path.write_text(json.dumps(manifest))
