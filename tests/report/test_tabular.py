from __future__ import annotations

import csv
import io

import pytest

from artemis.report.tabular import cell, csv_text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(start: str) -> None:
    assert cell(f"{start}HYPERLINK(1)") == f"'{start}HYPERLINK(1)"
    assert cell([f"{start}1", "b"]) == f"'{start}1;b"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        (True, "true"),
        (-3, "-3"),
        (-0.5, "-0.5"),
        (0.30000001192092896, "0.3"),
        (["a", "b"], "a;b"),
        ("a=b", "a=b"),
    ],
)
def test_other_values_stay_what_they_are(value: object, written: str) -> None:
    assert cell(value) == written


def test_commas_quotes_and_line_breaks_survive() -> None:
    row = {"a": 'x,"y"', "b": "1\n2"}
    read = [*csv.DictReader(io.StringIO(csv_text(["a", "b"], [row]), newline=""))]
    assert read == [row]
