"""What is known of the public dataset, and what its paths say."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artemis.datasets.catalogue import PathLabels, brain_mri, labels_of
from artemis.labels import PLANES, TUMORS


def test_known_files_are_pictures_of_the_twelve_categories() -> None:
    hashes = brain_mri().hashes
    labels = {path: labels_of(path) for path in hashes}
    assert len(hashes) == 2705
    assert list(hashes) == sorted(hashes)
    assert all(len(bytes.fromhex(sha256)) == 32 for sha256 in hashes.values())
    seen = Counter((found.tumor, found.plane) for found in labels.values() if found)
    assert sum(seen.values()) == 2705
    assert set(seen) == {(tumor, plane) for tumor in TUMORS for plane in PLANES}


@pytest.mark.shared
def test_known_hashes_are_those_of_the_real_images(brain_mri: Path) -> None:
    from artemis.datasets.catalogue import brain_mri as catalogue

    with (brain_mri / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert catalogue().hashes == {row["path"]: row["sha256"] for row in rows}
    for row in rows:
        expected = PathLabels(row["official_split"], row["tumor"], row["plane"])
        assert labels_of(row["path"]) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Training/no_coronal/image (3).jpg", PathLabels("training", "none", "coronal")),
        ("testing/meningioma_axial/a.PNG", PathLabels("testing", "meningioma", "transverse")),
        ("Training/no_tumor/1.jpeg", PathLabels("training", "none", None)),
        ("Validation/no_coronal/a.jpg", None),
        ("Training/cat_coronal/a.jpg", None),
        ("Training/no_coronal/a.gif", None),
        ("Training/no_coronal/.jpg", None),
        ("Training/no_coronal/._a.jpg", None),
        ("Training/no_coronal/a:b.jpg", None),
        ("Training/no_coronal/a\tb.jpg", None),
        (f"Training/no_coronal/{'a' * 300}.jpg", None),
        ("Training/no_coronal/deeper/a.jpg", None),
        ("no_coronal/a.jpg", None),
        ("", None),
    ],
)
def test_path_says_split_tumour_and_plane(path: str, expected: PathLabels | None) -> None:
    assert labels_of(path) == expected


@settings(deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_name_of_a_picture_is_one_plain_name(folder: str, name: str) -> None:
    for path in (f"Training/no_coronal/{name}.jpg", f"Training/{folder}/{name}.jpg"):
        if labels_of(path):
            last = path.split("/")[-1]
            assert path.count("/") == 2
            assert last.isprintable()
            assert not last.startswith(".")
