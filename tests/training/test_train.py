"""A model's whole training, on a few small pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.errors import TrainingDataError
from artemis.models.architectures import build_baseline
from artemis.models.runtime import ClassificationModel
from artemis.training.labelled.dataset import TrainingSet
from artemis.training.network.memory import keep_freed_memory
from artemis.training.network.recipes import RECIPES
from artemis.training.network.weights import read_weights
from artemis.training.train import Means, train_model
from tests.training.small import SIDE, small, split_of

pytestmark = pytest.mark.slow(seconds=20)
keep_freed_memory()  # as every training does


def test_trained_model_is_a_folder_that_serves(shapes: TrainingSet, tmp_path: Path) -> None:
    recipe = small(epochs=3, augmentation=None, learning_rate=1e-2, batch_size=8)
    seen: list[tuple[str, int]] = []
    means = Means(
        None,
        tmp_path / "cache",
        seen=frozenset({shapes.table["slice_id"][0], "f" * 64}),
        work=tmp_path / "work",
        on_epoch=lambda stage, epoch: seen.append((stage, epoch.number)),
    )
    folder = train_model(recipe, shapes, split_of(shapes, 4, 3), tmp_path / "models", means)
    assert seen == [(s, k) for s in ("calibrating", "training") for k in range(1, 4)]
    model = ClassificationModel(folder)
    test = (shapes.table["fold"] == 4).to_numpy()
    output = model.predict(shapes.pictures[SIDE][test])
    hits = output.logits.argmax(axis=1) == shapes.table["category"].to_numpy()[test]
    evaluation = model.manifest.evaluation
    assert evaluation.metrics["accuracy"].value == pytest.approx(hits.mean())
    assert hits.mean() > 0.8
    assert evaluation.images == 48
    assert model.manifest.training.images == 192
    assert model.manifest.training.training_set_sha256 == shapes.sha256
    assert model.manifest.training.first_weights == f"random, seed {recipe.seed}"
    assert model.manifest.training.seen_before == ["f" * 64]  # the other is trained on again
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json",
        "model.tflite",
        "reference.npz",
        "MODEL_CARD.md",
        "start.npz",
        "out_of_fold.parquet",
    }
    sets, far = model.manifest.prediction_sets, model.manifest.out_of_distribution
    assert sets is not None
    assert sets.level == 0.9
    assert model.reference.picture is not None
    assert far.far_auroc > 0.9
    assert far.aimed_false_refusals == 0.03
    assert far.false_refusals is not None
    assert far.false_refusals.low <= far.false_refusals.value <= far.false_refusals.high
    assert far.seen is not None
    assert far.seen.slices == 192
    assert far.seen.ood_score[-2] < far.threshold * 2
    card = (folder / "MODEL_CARD.md").read_text()
    assert f"area under the ROC curve of {far.far_auroc:.3f}" in card
    assert f"{sets.coverage.value:.3f} ({sets.coverage.low:.3f}" in card
    assert {"ece_equal_mass", "ece_uncalibrated", "nll", "accuracy_surest_80"} <= set(
        evaluation.metrics
    )
    wrong = np.count_nonzero(~hits)
    assert 0 < len(evaluation.mistakes) <= wrong or wrong == 0
    assert model.manifest.training.per_source == {"drawn": 192}
    kept = pq.read_table(folder / "out_of_fold.parquet").to_pandas()
    assert sorted(kept["slice_id"]) == sorted(shapes.table["slice_id"][~test])
    assert set(kept.loc[kept["start_unseen"], "fold"]) == {3}
    for column in ("p_glioma_coronal", "ood_score"):
        assert kept[column].notna().tolist() == kept["start_unseen"].tolist()
    assert (kept["ood_score"] > far.threshold).sum() == 2  # of 48
    assert far.seen.answered == kept["start_unseen"].sum() > 0
    weights = read_weights(folder / "start.npz")
    assert [w.shape for w in weights] == [w.shape for w in build_baseline(SIDE).get_weights()]


def test_split_without_a_part_is_refused(shapes: TrainingSet, tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match=r"slices to use as test \(fold 9 tests\)"):
        train_model(
            small(),
            shapes,
            split_of(shapes, 9, 3),
            tmp_path,
            Means(None, tmp_path / "cache"),
        )
    assert not list(tmp_path.iterdir())


def test_first_weights_are_named_in_words_with_the_hash_of_their_file(tmp_path: Path) -> None:
    start = tmp_path / "20260101-abcdef" / "start.npz"
    start.parent.mkdir()
    start.write_bytes(b"weights")
    sha256 = "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
    tiny = RECIPES["mobilenet_v2"]

    def words(imagenet: Path | str | None, start: Path | None = None) -> str:
        return Means(imagenet, tmp_path, start=start).first_weights(tiny)

    assert words(start) == f"ImageNet, start.npz, SHA-256 {sha256}"
    assert words(start, start) == f"weights of 20260101-abcdef, SHA-256 {sha256}"
    assert words("imagenet") == "ImageNet, as Keras fetches them"
    assert words(None) == f"random, seed {tiny.seed}"
