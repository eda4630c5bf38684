from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artemis.datasets.balance import balance_findings, count_table, explained
from artemis.datasets.copies import Fingerprints, find_copies
from artemis.datasets.findings import Kind, Severity
from artemis.datasets.pair_checks import Labelled, crossing_findings
from artemis.labels import CATEGORIES, TUMORS
from tests.datasets.audited import labelled


def test_empty_and_rare_categories_are_found() -> None:
    names = [c.name for c in CATEGORIES if c.name != "none_coronal"]
    rows = [n for n in names for _ in range(1 if n == "glioma_sagittal" else 12)]
    table = labelled(tumor=[n.split("_")[0] for n in rows], plane=[n.split("_")[1] for n in rows])
    found = {f.severity: f.sentence for f in balance_findings(table)}
    assert (
        found[Severity.ERROR] == "No picture is labelled no tumour, coronal: no model can learn it."
    )
    assert found[Severity.WARNING].startswith("1 picture labelled glioma, sagittal, against 12")


def test_a_source_of_one_type_is_a_tie() -> None:
    table = labelled(
        tumor=["glioma"] * 30 + ["none"] * 30,
        plane=["coronal"] * 60,
        source=["x"] * 30 + ["y"] * 30,
    )
    ties = [f for f in balance_findings(table) if f.kind is Kind.SOURCE_TIE]
    sentences = " ".join(f.sentence for f in ties)
    assert "100% of the 30 pictures of the source x are labelled glioma." in sentences
    assert "The source alone removes 100% of the uncertainty" in sentences


def test_test_pictures_of_a_source_unknown_in_training_are_found() -> None:
    table = labelled(
        tumor=["glioma"] * 4,
        plane=["coronal"] * 4,
        source=["x", "x", "y", "x"],
        official_split=["training", "training", "testing", "testing"],
    )
    sentences = [f.sentence for f in balance_findings(table)]
    assert any(s.startswith("1 of the 2 test pictures labelled glioma") for s in sentences)


def test_a_split_is_checked_where_it_is_given_though_single_pictures_name_none() -> None:
    table = labelled(
        tumor=["glioma"] * 6,
        plane=["coronal"] * 6,
        source=["x", "x", "y", "x", "x", "y"],
        official_split=["training", "training", "testing", "testing", None, None],
    ).assign(fold=[0, 0, 0, 1, None, None])
    sentences = [f.sentence for f in balance_findings(table)]
    assert any(s.startswith("1 of the 2 test pictures labelled glioma") for s in sentences)
    prints = Fingerprints(np.zeros(6, np.uint64), np.eye(6, 1024, dtype=np.float32))
    copies = find_copies(prints, [f"{k}" for k in range(6)])
    groups = np.array([0, 1, 0, 1, 0, 2], np.int64)
    data = Labelled(table.assign(path=[f"{k}.png" for k in range(6)]), copies, groups, prints)
    found = {(f.path, f.sentence.split(" cross ")[1]) for f in crossing_findings(data)}
    assert found == {
        ("2.png", "the official split: 1 in training, 1 in testing, 1 in neither."),
        ("3.png", "the official split: 1 in training, 1 in testing."),
        ("3.png", "the given folds: 1 in fold 0, 1 in fold 1."),
    }


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(TUMORS)), min_size=1))
def test_what_a_source_explains_is_a_share(rows: list[tuple[str, str]]) -> None:
    source, tumor = (pd.Series(values) for values in zip(*rows, strict=True))
    assert 0 <= explained(source, tumor) <= 1
    assert explained(tumor, tumor) == pytest.approx(float(tumor.nunique() > 1))


def test_counts_add_up_where_optional_columns_are_missing() -> None:
    table = labelled(tumor=["none", "none"], plane=["coronal", "coronal"])
    assert count_table(table).to_dict("records")[0]["pictures"] == 2
