from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from artemis.datasets import copies
from artemis.datasets.copies import (
    ALIKE_CORRELATION,
    Fingerprints,
    find_copies,
    fingerprint,
    join_copies,
)
from artemis.errors import MissingExtraError
from artemis.preprocess import model_input

Grey = NDArray[np.uint8]


@pytest.fixture(scope="module")
def slices(samples: Path) -> list[Grey]:
    names = (
        "coronal_no_lesion.png",
        "sagittal_no_lesion.jpg",
        "coronal_simulated_meningioma.png",
        "sagittal_simulated_pituitary_tumour.png",
    )
    return [np.asarray(Image.open(samples / name).convert("L")) for name in names]


def prints(pictures: list[Grey]) -> Fingerprints:
    return fingerprint(np.stack([model_input(picture, 160) for picture in pictures]))


def pairs(pictures: list[Grey], content: list[str] | None = None) -> pd.DataFrame:
    return find_copies(prints(pictures), content or [str(n) for n in range(len(pictures))])


def half_size(picture: Grey) -> Grey:
    height, width = picture.shape
    return np.asarray(Image.fromarray(picture).resize((width // 2, height // 2)))


def as_jpeg(picture: Grey) -> Grey:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=30)
    return np.asarray(Image.open(stream))


def darker(picture: Grey) -> Grey:
    return (picture * 0.6).astype(np.uint8)


def framed(picture: Grey) -> Grey:
    wide = np.pad(picture, ((12, 12), (20, 20)))
    wide[[0, 1, -2, -1]] = 255
    wide[:, [0, 1, -2, -1]] = 255
    return wide


@pytest.mark.parametrize("change", [half_size, as_jpeg, darker, framed])
@pytest.mark.parametrize("which", range(4))
def test_a_changed_copy_is_found(slices: list[Grey], change, which: int) -> None:
    found = pairs([slices[which], change(slices[which])])
    assert found[["first", "second", "kind"]].values.tolist() == [[0, 1, "near"]]
    assert found["correlation"].iat[0] >= ALIKE_CORRELATION
    assert not found["mirrored"].iat[0]


def test_a_mirrored_copy_is_found_and_said_to_be_mirrored(slices: list[Grey]) -> None:
    sagittal = slices[1]  # no symmetry of its own
    found = pairs([sagittal, np.ascontiguousarray(sagittal[:, ::-1])])
    assert found[["first", "second", "kind", "mirrored"]].values.tolist() == [[0, 1, "near", True]]


def test_other_heads_and_planes_are_no_copies(slices: list[Grey]) -> None:
    assert pairs(slices).empty


def test_equal_content_is_an_exact_copy_whatever_it_looks_like(slices: list[Grey]) -> None:
    found = pairs([slices[0], slices[1], slices[0]], ["a", "b", "a"])
    assert found[["first", "second", "kind", "hamming"]].values.tolist() == [[0, 2, "exact", 0]]
    assert found["correlation"].iat[0] == pytest.approx(1)
    assert list(found.dtypes.astype(str)) == [
        "int64",
        "int64",
        "object",
        "int64",
        "float64",
        "bool",
    ]


def test_blank_pictures_are_not_copies_of_each_other() -> None:
    blank = np.zeros((2, 160, 160), dtype=np.uint8)
    assert find_copies(fingerprint(blank), ["a", "b"]).empty


@pytest.mark.parametrize("side", [96, 160, 224])
def test_the_fingerprint_hardly_depends_on_the_size_of_the_input(
    slices: list[Grey], side: int
) -> None:
    one = fingerprint(np.stack([model_input(slices[0], 160)]))
    other = fingerprint(np.stack([model_input(slices[0], side)]))
    assert float(one.thumbs[0] @ other.thumbs[0]) > 0.98
    assert int(np.bitwise_count(one.phash[0] ^ other.phash[0])) <= 4


def test_thumbs_have_mean_0_and_length_1(slices: list[Grey]) -> None:
    thumbs = prints(slices).thumbs
    assert thumbs.shape == (4, 1024)
    assert thumbs.dtype == np.float32
    np.testing.assert_allclose(thumbs.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(thumbs, axis=1), 1, rtol=1e-5)


def test_no_picture_has_no_copies() -> None:
    empty = fingerprint(np.empty((0, 160, 160), dtype=np.uint8))
    found = find_copies(empty, [])
    assert found.empty
    assert list(found)[:2] == ["first", "second"]
    assert join_copies(0, found).tolist() == []


def test_pairs_across_blocks_are_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    base = random.normal(size=(7, 1024)).astype(np.float32)
    thumbs = np.concatenate([base, base, base])
    thumbs /= np.linalg.norm(thumbs, axis=1, keepdims=True)
    known = Fingerprints(np.zeros(21, dtype=np.uint64), thumbs)
    content = [str(n) for n in range(21)]
    whole = find_copies(known, content)
    monkeypatch.setattr(copies, "_BLOCK", 4)
    pd.testing.assert_frame_equal(find_copies(known, content), whole)
    assert len(whole) == 21  # three of each of seven
    assert whole[["first", "second"]].values.tolist() == sorted(
        [n + 7 * a, n + 7 * b] for n in range(7) for a, b in ((0, 1), (0, 2), (1, 2))
    )


def test_without_imagehash_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"imagehash.*artemis-mri\[train\]"):
        fingerprint(np.zeros((1, 32, 32), dtype=np.uint8))


@settings(deadline=None)
@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=20),
        )
    )
)
def test_joined_are_exactly_those_that_a_chain_of_pairs_connects(
    drawn: tuple[int, list[tuple[int, int]]],
) -> None:
    count, links = drawn
    labels = join_copies(count, pd.DataFrame(links, columns=["first", "second"]))
    reachable = np.eye(count, dtype=bool)
    for first, second in links:
        reachable[first, second] = reachable[second, first] = True
    for _ in range(count):
        reachable = reachable @ reachable
    np.testing.assert_array_equal(labels[:, None] == labels[None, :], reachable)
    assert labels.dtype == np.int64
    first_seen = list(dict.fromkeys(labels.tolist()))
    assert first_seen == list(range(len(first_seen)))


@pytest.mark.shared
@pytest.mark.slow
def test_known_copies_are_found_and_other_patients_are_not(brain_mri: Path) -> None:
    labels = pd.read_csv(brain_mri / "manifest.csv", dtype={"group": str})
    known = labels[labels["group"].isin({"1", "111", "152", "164"})]
    other = labels[labels["source"] == "cheng"].drop_duplicates("patient").head(120)
    chosen = pd.concat([known, other]).reset_index(drop=True)
    pictures = [np.asarray(Image.open(brain_mri / path).convert("L")) for path in chosen["path"]]
    joined = join_copies(len(chosen), pairs(pictures, chosen["sha256"].tolist()))
    groups = pd.factorize(chosen["group"])[0]
    np.testing.assert_array_equal(joined, groups)
