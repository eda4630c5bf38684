from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

import tensorflow as tf

from artemis.locks import exclusive
from artemis.models.architectures import build_stem
from artemis.training.network.draws import draw_areas, make_draws
from artemis.training.network.feeds import Samples
from tests.training.small import tiny

pytestmark = pytest.mark.slow(seconds=60)


def test_areas_are_drawn_where_the_box_is_and_nowhere_without_one() -> None:
    boxes = np.array([[0.25, 0.5, 0.5, 1.0], [np.nan] * 4], dtype=np.float32)
    areas = draw_areas(boxes, 8)
    assert areas[0].sum() == 2 * 4
    assert areas[0, 4:, 2:4].all()
    assert not areas[1].any()


def test_first_draw_is_the_picture_as_it_is(boxed: Samples) -> None:
    assert boxed.draws is not None
    assert boxed.draws.count == 2
    stem = build_stem(64, None)  # random weights: compare with those of the file
    assert boxed.draws.features.shape == (48, 3, *stem.output["stem"].shape[1:])
    assert boxed.draws.areas[::2, 0].sum(axis=(1, 2)) == pytest.approx(18**2 / 16**2, abs=1e-2)
    assert not boxed.draws.areas[1::2].any()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights like ImageNet's: a stem that is random is another one each time it is built."""
    import keras

    path = tmp_path_factory.mktemp("weights") / "any.weights.h5"
    model = keras.applications.MobileNetV2(input_shape=(64, 64, 3), include_top=False, weights=None)
    model.save_weights(str(path))
    return path


def test_draws_are_made_once(tmp_path: Path, weights: Path) -> None:
    pictures = np.random.default_rng(7).integers(0, 256, (4, 64, 64), dtype=np.uint8)
    boxes, told = np.full((4, 4), np.nan, dtype=np.float32), []
    for _ in range(2):
        make_draws(
            tiny(), pictures, boxes, tmp_path, weights, lambda done, of: told.append((done, of))
        )
    assert told == [(1, 3), (2, 3), (3, 3)]
    make_draws(tiny(draws=1), pictures, boxes, tmp_path, weights)
    assert len(list(tmp_path.glob("stem-*"))) == 1


def test_draws_that_another_process_makes_are_waited_for(tmp_path: Path, weights: Path) -> None:
    pictures = np.random.default_rng(9).integers(0, 256, (4, 64, 64), dtype=np.uint8)
    boxes, told = np.full((4, 4), np.nan, dtype=np.float32), []
    arguments = (tiny(), pictures, boxes)
    other = make_draws(*arguments, tmp_path / "other", weights)
    (made,) = (tmp_path / "other").glob("stem-*/")
    (cache := tmp_path / "cache").mkdir()
    with ThreadPoolExecutor(1) as pool:
        with exclusive(cache / "stem.lock", "make draws"):
            waiting = pool.submit(
                make_draws, *arguments, cache, weights, lambda done, of: told.append((done, of))
            )
            assert wait([waiting], timeout=3).not_done
            assert not list(cache.glob(".stem-*"))
            made.rename(cache / made.name)
        draws = waiting.result(timeout=60)
    assert told == []
    assert np.array_equal(draws.features, other.features)


def test_draws_do_not_depend_on_what_was_drawn_before(tmp_path: Path, weights: Path) -> None:
    pictures = np.random.default_rng(8).integers(0, 256, (4, 64, 64), dtype=np.uint8)
    boxes = np.tile(np.array([[0.2, 0.3, 0.6, 0.7]], dtype=np.float32), (4, 1))
    made = []
    for cache in ("one", "other"):
        made.append(make_draws(tiny(), pictures, boxes, tmp_path / cache, weights))
        tf.random.set_seed(len(made))
        tf.random.uniform((9,))
    assert np.array_equal(made[0].features, made[1].features)
    assert np.array_equal(made[0].areas, made[1].areas)
    assert not np.array_equal(made[0].areas[:, 1], made[0].areas[:, 2])
