from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from artemis.errors import ModelError
from artemis.models.ood import fit_reference, load_reference


@pytest.fixture
def training() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    categories = np.repeat(np.arange(12), 40)
    centres = random.normal(size=(12, 200)) * 3
    return (centres[categories] + random.normal(size=(480, 200))).astype(np.float32), categories


def test_training_slices_score_near_and_strangers_far(training) -> None:
    features, categories = training
    reference = fit_reference(features, categories)
    near = reference.score(features)
    far = reference.score(np.random.default_rng(4).normal(size=(50, 200)).astype("f4") * 12)
    assert 1.0 < np.median(near) < 1.8
    assert far.min() > np.quantile(near, 0.99)


def test_score_of_one_slice_is_that_of_the_formula(training) -> None:
    features, categories = training
    reference = fit_reference(features, categories)
    centred = features[0] - reference.mean
    z = centred @ reference.whitening
    inside = min(((z - centre) ** 2).mean() for centre in reference.centres)
    rest = centred - reference.components @ (reference.components.T @ centred)
    expected = np.sqrt(inside + (rest @ rest) / reference.residual_scale**2)
    assert reference.score(features[:1])[0] == pytest.approx(expected, rel=1e-4)


def test_reference_reads_back_within_half_precision(training, tmp_path: Path) -> None:
    features, categories = training
    reference = fit_reference(features, categories)
    reference.save(tmp_path / "reference.npz")
    loaded = load_reference(tmp_path / "reference.npz")
    assert loaded.score(features) == pytest.approx(reference.score(features), rel=5e-3)


def test_category_without_slices_does_not_hinder(training) -> None:
    features, categories = training
    kept = categories != 9
    reference = fit_reference(features[kept], categories[kept])
    assert np.isfinite(reference.score(features)).all()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\x80\x04pickle"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "reference.npz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"reference\.npz: expected the feature reference"):
        load_reference(path)
