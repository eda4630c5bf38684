from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from artemis.errors import ModelError
from artemis.models.ood import (
    fit_picture_reference,
    fit_reference,
    load_reference,
    picture_statistics,
)


@pytest.fixture
def training() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    categories = np.repeat(np.arange(12), 40)
    centres = random.normal(size=(12, 200)) * 3
    return (centres[categories] + random.normal(size=(480, 200))).astype(np.float32), categories


@pytest.fixture
def heads() -> np.ndarray:
    """480 grey discs of several sizes and brightness on a dark ground."""
    random = np.random.default_rng(5)
    y, x = np.mgrid[-1:1:48j, -1:1:48j]
    radii, greys = random.uniform(0.6, 0.95, (480, 1, 1)), random.uniform(90, 200, (480, 1, 1))
    discs = (np.hypot(x, y)[None] < radii) * greys + random.normal(0, 4, (480, 48, 48))
    return np.clip(discs, 0, 255).astype(np.uint8)


def test_training_slices_score_near_and_strangers_far(training, heads) -> None:
    features, categories = training
    reference = fit_reference(features, categories, heads)
    near = reference.score(features, heads)
    strange = np.random.default_rng(4).normal(size=(50, 200)).astype("f4") * 12
    far = reference.score(strange, heads[:50])
    assert 1.0 < np.median(near) < 1.8
    assert far.min() > np.quantile(near, 0.99)


def test_score_of_one_slice_is_that_of_the_formula(training, heads) -> None:
    features, categories = training
    reference = fit_reference(features, categories, heads)
    centred = features[0] - reference.mean
    z = centred @ reference.whitening
    inside = min(((z - centre) ** 2).mean() for centre in reference.centres)
    rest = centred - reference.components @ (reference.components.T @ centred)
    looks = fit_picture_reference(heads).score(heads[:1])[0]
    expected = np.sqrt(inside + (rest @ rest) / reference.residual_scale**2 + looks**2)
    assert reference.score(features[:1], heads[:1])[0] == pytest.approx(expected, rel=1e-4)


def test_whitened_slices_lie_about_their_category_with_a_spread_of_one(training, heads) -> None:
    features, categories = training
    reference = fit_reference(features, categories, heads)
    assert reference.whitening.shape == reference.components.shape == (200, 64)
    centred = features.astype(np.float64) - features.mean(axis=0)
    whitened = centred @ reference.whitening
    means = np.stack([whitened[categories == k].mean(axis=0) for k in range(12)])
    assert reference.centres == pytest.approx(means, abs=1e-4)
    assert ((whitened - means[categories]) ** 2).mean(axis=0) == pytest.approx(1, rel=1e-4)
    axes = reference.components.astype(np.float64)
    assert axes.T @ axes == pytest.approx(np.eye(64), abs=1e-5)
    left_out = centred - centred @ axes @ axes.T
    assert reference.residual_scale**2 == pytest.approx((left_out**2).sum(axis=1).mean(), rel=1e-4)


def test_whitened_looks_have_no_correlation_and_a_spread_of_nearly_one(heads) -> None:
    reference, statistics = fit_picture_reference(heads), picture_statistics(heads)
    variances = np.linalg.eigvalsh(np.cov(statistics.T, bias=True))
    whitened = (statistics - statistics.mean(axis=0)) @ reference.whitening
    expected = np.diag(variances / (variances + 1e-3))
    assert whitened.T @ whitened / len(heads) == pytest.approx(expected, abs=1e-4)
    scores = np.sqrt((whitened**2).mean(axis=1))
    assert reference.score(heads) == pytest.approx(scores, rel=1e-3)


def test_reference_reads_back_within_half_precision(training, heads, tmp_path: Path) -> None:
    features, categories = training
    reference = fit_reference(features, categories, heads)
    reference.save(tmp_path / "reference.npz")
    loaded = load_reference(tmp_path / "reference.npz")
    assert loaded.score(features, heads) == pytest.approx(
        reference.score(features, heads), rel=1e-2
    )


def test_category_without_slices_does_not_hinder(training, heads) -> None:
    features, categories = training
    kept = categories != 9
    reference = fit_reference(features[kept], categories[kept], heads[kept])
    assert (reference.centres[9] == 0).all()  # the overall mean
    assert np.isfinite(reference.score(features, heads)).all()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\x80\x04pickle"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "reference.npz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"reference\.npz: expected the feature reference"):
        load_reference(path)


def test_statistics_are_grey_levels_cells_and_steps() -> None:
    picture = np.zeros((1, 48, 48), dtype=np.uint8)
    picture[0, 24:] = 255
    found = picture_statistics(picture)[0]
    assert found.shape == (53,)
    assert found[[0, 15]] == pytest.approx(np.sqrt(0.5))
    assert found[1:15] == pytest.approx(0)
    assert found[16:52].reshape(6, 6).tolist() == [[0.0] * 6] * 3 + [[1.0] * 6] * 3
    assert found[52] == pytest.approx(np.log(1 / 47 + 1e-3))


def test_rows_that_fill_no_cell_count_in_none() -> None:
    picture = np.zeros((1, 50, 50), dtype=np.uint8)
    picture[0, 48:] = picture[0, :, 48:] = 255
    found = picture_statistics(picture)[0]
    assert found[16:52].max() == 0
    assert found[15] == pytest.approx(np.sqrt(1 - 48**2 / 50**2))


def test_statistics_do_not_depend_on_the_blocks(heads) -> None:
    apart = np.concatenate([picture_statistics(heads[k : k + 1]) for k in range(70)])
    assert picture_statistics(heads[:70]) == pytest.approx(apart)
    assert picture_statistics(heads[:0]).shape == (0, 53)


def test_inverted_picture_is_far_by_its_looks(heads) -> None:
    reference = fit_picture_reference(heads)
    near, far = reference.score(heads), reference.score(255 - heads)
    assert far.min() > 2 * near.max()


def test_reference_that_lacks_an_array_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "reference.npz", mean=np.zeros(3))
    with pytest.raises(ModelError, match=r"expected the feature reference.* Received: 'whitening"):
        load_reference(tmp_path / "reference.npz")


def test_method_of_another_version_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"the method mahalanobis-picture-1\. Received"):
        load_reference(tmp_path / "reference.npz", "of-tomorrow-1")
