"""A training of MobileNetV2 from weights whose stem was trained too, without ImageNet's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.models.manifest import START_NAME, load_manifest
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.network.fitted import build
from artemis.training.network.memory import keep_freed_memory
from artemis.training.network.weights import read_weights, save_weights
from artemis.training.train import Means, train_model
from tests.training.small import draw_shapes, eagerly, split_of, tiny

pytestmark = pytest.mark.slow(seconds=20)
keep_freed_memory()  # as every training does


def test_training_goes_on_from_the_stem_it_is_given_without_weights_of_imagenet(
    tmp_path: Path,
) -> None:
    shapes, random = draw_shapes(), np.random.default_rng(5)
    pictures = random.integers(0, 256, (60, 64, 64), dtype=np.uint8)
    few = TrainingSet(shapes.table.assign(fold=np.arange(240) // 12 % 5)[:60], {64: pictures}, 0)
    start, nowhere = tmp_path / "start.npz", tmp_path / "imagenet.weights.h5"
    earlier = build(tiny(all_layers=True), None)
    assert earlier.stem is not None
    # As they are drawn first, what comes out of the stem is nearly 0, whichever stem it is.
    first = [w + random.random(w.shape) if w.ndim == 1 else w for w in earlier.weights()]
    save_weights(first, start)
    with eagerly():
        folder = train_model(
            tiny(batch_size=36),
            few,
            split_of(few, 4, 3),
            tmp_path / "models",
            Means(nowhere, tmp_path / "cache", start),
        )
    assert load_manifest(folder).export_agreement < 1e-2
    of_stem = len(earlier.stem.get_weights())
    kept, given = read_weights(folder / START_NAME), read_weights(start)
    assert len(kept) == len(given)
    for one, other in zip(kept[:of_stem], given[:of_stem], strict=True):
        assert np.array_equal(one, other)
    assert any(
        not np.array_equal(one, other)
        for one, other in zip(kept[of_stem:], given[of_stem:], strict=True)
    )
