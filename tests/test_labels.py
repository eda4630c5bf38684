from __future__ import annotations

import pytest

from artemis.labels import (
    CATEGORIES,
    CATEGORY_NAMES,
    PROBABILITY_COLUMNS,
    canonical_plane,
    canonical_tumor,
    category_of,
    parse_category,
)


def test_order_of_the_twelve_categories_is_fixed() -> None:
    assert CATEGORY_NAMES == (
        "glioma_coronal",
        "glioma_sagittal",
        "glioma_transverse",
        "meningioma_coronal",
        "meningioma_sagittal",
        "meningioma_transverse",
        "pituitary_coronal",
        "pituitary_sagittal",
        "pituitary_transverse",
        "none_coronal",
        "none_sagittal",
        "none_transverse",
    )
    assert [category.index for category in CATEGORIES] == list(range(12))


def test_probability_columns_follow_the_categories() -> None:
    assert PROBABILITY_COLUMNS[0] == "p_glioma_coronal"
    assert PROBABILITY_COLUMNS[-1] == "p_none_transverse"


@pytest.mark.parametrize("category", CATEGORIES, ids=CATEGORY_NAMES)
def test_each_category_is_found_by_name_and_by_parts(category) -> None:
    assert parse_category(category.name) == category
    assert category_of(category.tumor, category.plane) == category


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("no_coronal", "none_coronal"),
        ("no_tumor_axial", "none_transverse"),
        ("glioma_tumor_sagittal", "glioma_sagittal"),
        (" Meningioma_Transverse ", "meningioma_transverse"),
    ],
)
def test_folder_names_of_the_public_sets_are_aliases(name: str, meaning: str) -> None:
    category = parse_category(name)
    assert category is not None
    assert category.name == meaning


@pytest.mark.parametrize("name", ["", "glioma", "coronal", "glioma_oblique", "scan_1", "_"])
def test_other_folder_names_mean_no_category(name: str) -> None:
    assert parse_category(name) is None


def test_unknown_tumour_and_plane_are_none() -> None:
    assert canonical_tumor("metastasis") is None
    assert canonical_plane("oblique") is None
