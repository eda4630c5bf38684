from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artemis.errors import TrainingDataError
from artemis.preprocess import model_input
from artemis.settings import IngestSettings
from artemis.training.labelled.pictures import Source, load_pictures
from tests.ingest.builders import head, mr, save


def page(number: int) -> np.ndarray:
    """A head of its own."""
    picture = np.zeros((120, 100), np.uint8)
    picture[20:100, 20:80] = np.random.default_rng(number).integers(60, 250, (80, 60))
    return picture


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A file of two frames."""
    first, second = (Image.fromarray(page(number)) for number in (0, 1))
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second])
    return tmp_path


def test_each_frame_that_is_named_is_read(pages: Path) -> None:
    sources = [Source(pages, "a.tif", frame) for frame in (1, 0)]
    found = load_pictures(sources, [32], pages / "cache", IngestSettings())
    assert len(set(found.slice_ids)) == 2
    for shown, number in zip(found.inputs[32], (1, 0), strict=True):
        np.testing.assert_array_equal(shown, model_input(page(number), 32))
    assert found.squares.tolist() == [[10, 20, 80, 100, 120]] * 2


def test_a_file_of_several_frames_is_refused_whatever_the_cache_has_of_it(pages: Path) -> None:
    load_pictures([Source(pages, "a.tif", 0)], [32], pages / "cache", IngestSettings())
    with pytest.raises(TrainingDataError, match=r"a file of one picture\. Received 2 frames"):
        load_pictures([Source(pages, "a.tif")], [32], pages / "cache", IngestSettings())


def test_what_no_page_may_show_is_known_also_when_it_comes_out_of_the_cache(tmp_path: Path) -> None:
    save(tmp_path / "burnt.dcm", mr(BurnedInAnnotation="YES"))
    save(tmp_path / "plain.dcm", mr(head(80)))
    sources = [Source(tmp_path, name) for name in ("plain.dcm", "burnt.dcm")]
    for _ in range(2):
        found = load_pictures(sources, [32], tmp_path / "cache", IngestSettings())
        assert found.withheld.tolist() == [False, True]
