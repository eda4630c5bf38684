from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tensorflow", reason="needs the extra `train`")

import keras
import tensorflow as tf

from artemis.errors import WorkspaceError
from artemis.models.architectures import build_stem
from artemis.system.locks import exclusive
from artemis.training.network.draws import Draws, draw_areas, make_draws
from artemis.training.network.feeds import Samples
from tests.training.small import tiny

pytestmark = pytest.mark.slow(seconds=15)

TWICE = tiny(epochs=2, all_layers=True)
"""Two draws, for two epochs; of the pictures, since a stem takes a second to export each time."""


def test_areas_are_drawn_where_the_box_is_and_nowhere_without_one() -> None:
    boxes = np.array([[0.25, 0.5, 0.5, 1.0], [np.nan] * 4], dtype=np.float32)
    areas = draw_areas(boxes, 8)
    assert areas[0].sum() == 2 * 4
    assert areas[0, 4:, 2:4].all()
    assert not areas[1].any()


@pytest.fixture(scope="module")
def stem() -> keras.Model:
    return build_stem(64, None)


def test_first_draw_is_the_picture_as_it_is(boxed: Samples, stem: keras.Model) -> None:
    assert boxed.draws is not None
    assert boxed.draws.count == 2
    assert boxed.draws.features.shape == (48, 3, *stem.output["stem"].shape[1:])
    assert boxed.draws.areas[::2, 0].sum(axis=(1, 2)) == pytest.approx(18**2 / 16**2, abs=1e-2)
    assert not boxed.draws.areas[1::2].any()


@dataclass(frozen=True)
class Made:
    """Draws that were made once, with what they were made of."""

    pictures: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    cache: Path
    draws: Draws

    def copied(self, cache: Path) -> Path:
        return Path(shutil.copytree(self.cache, cache))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    pictures = np.random.default_rng(7).integers(0, 256, (4, 64, 64), dtype=np.uint8)
    boxes = np.tile(np.array([[0.2, 0.3, 0.6, 0.7]], dtype=np.float32), (4, 1))
    cache = tmp_path_factory.mktemp("cache")
    return Made(pictures, boxes, cache, make_draws(TWICE, pictures, boxes, cache, None))


def test_draws_are_made_once(made: Made, tmp_path: Path, stem: keras.Model) -> None:
    recipe, arguments, told = tiny(epochs=2), (made.pictures, made.boxes, tmp_path, stem), []
    for _ in range(2):
        make_draws(recipe, *arguments, lambda done, of: told.append((done, of)))
        assert told == [(1, 3), (2, 3), (3, 3)]
    make_draws(replace(recipe, seed=1, draws=1), *arguments)
    assert [np.load(one / "features.npy").shape[1] for one in tmp_path.glob("stem-*/")] == [2]


def test_no_more_draws_are_made_than_epochs_take_and_more_serve_as_well(
    made: Made, tmp_path: Path
) -> None:
    arguments, told = (made.pictures, made.boxes, tmp_path / "cache", None), []
    (tmp_path / "cache").mkdir()
    one = make_draws(replace(TWICE, epochs=1), *arguments, lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]
    make_draws(TWICE, *arguments)  # one draw too few: made anew
    again = make_draws(
        replace(TWICE, epochs=1), *arguments, lambda done, of: told.append((done, of))
    )
    assert len(told) == 2
    assert one.count == again.count == 1
    assert np.array_equal(one.features, again.features)
    assert np.array_equal(again.features, made.draws.features[:, :2])
    assert np.array_equal(again.areas, made.draws.areas[:, :2])


def test_draws_that_another_process_makes_are_waited_for(made: Made, tmp_path: Path) -> None:
    elsewhere = made.copied(tmp_path / "elsewhere")
    (folder,) = elsewhere.glob("stem-*/")
    (cache := tmp_path / "cache").mkdir()
    arguments, told = (TWICE, made.pictures, made.boxes, cache, None), []
    with ThreadPoolExecutor(1) as pool:
        with exclusive(cache / "stem.lock", "make draws"):
            waiting = pool.submit(make_draws, *arguments, lambda done, of: told.append((done, of)))
            assert wait([waiting], timeout=3).not_done
            assert not list(cache.glob(".stem-*"))
            folder.rename(cache / folder.name)
        draws = waiting.result(timeout=60)
    assert told == []
    assert np.array_equal(draws.features, made.draws.features)


def test_draws_that_do_not_fit_the_disk_are_refused_before_they_are_made(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing to a mapped file on a full disk ends the process, without a word."""
    space = 4 * 3 * (64 * 64 + 4 * 4 * 2)
    for free in (space - 1, space):
        usage = shutil.disk_usage(tmp_path)._replace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        if free == space:
            make_draws(TWICE, made.pictures, made.boxes, tmp_path, None)
            continue
        with pytest.raises(WorkspaceError, match=r"expected 4\.61e-05 GiB free, for 3 var"):
            make_draws(TWICE, made.pictures, made.boxes, tmp_path, None)
        assert [one.name for one in tmp_path.iterdir()] == ["stem.lock"]


def test_what_a_killed_process_left_half_made_is_removed(made: Made, tmp_path: Path) -> None:
    (left := tmp_path / ".stem-killed").mkdir()
    (left / "features.npy").write_bytes(b"half")
    make_draws(TWICE, made.pictures, made.boxes, tmp_path, None)
    assert not left.exists()


def test_draws_do_not_depend_on_what_was_drawn_before(made: Made, tmp_path: Path) -> None:
    tf.random.set_seed(1)
    tf.random.uniform((9,))
    again = make_draws(TWICE, made.pictures, made.boxes, tmp_path, None)
    assert np.array_equal(again.features, made.draws.features)
    assert np.array_equal(again.areas, made.draws.areas)
    assert not np.array_equal(again.areas[:, 1], again.areas[:, 2])
