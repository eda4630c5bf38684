from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artemis.system.formulas import STARTS, defused, is_formula, undone

PAGE_JS = Path(__file__).parents[2] / "artemis" / "report" / "assets" / "page.js"


@pytest.mark.parametrize("start", STARTS)
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(start: str) -> None:
    assert is_formula(f"{start}1")
    assert defused(f"{start}1") == f"'{start}1"
    assert not is_formula(f"a{start}1")
    assert defused(f"a{start}1") == f"a{start}1"


@given(st.text(alphabet=[*STARTS, "'", "a", " "], max_size=6) | st.text(max_size=20))
def test_what_was_defused_is_no_formula_and_comes_back_exactly(text: str) -> None:
    assert not is_formula(defused(text))
    assert undone(defused(text)) == text


def test_an_apostrophe_of_one_s_own_stays() -> None:
    assert undone(defused("'tis")) == defused("'tis") == "'tis"
    assert defused("'=1") == "''=1"


def test_the_pages_have_the_same_rule() -> None:
    (signs,) = re.findall(r"FORMULA = /\^'\*\[(.*?)\]/;", PAGE_JS.read_text(encoding="utf-8"))
    assert signs.encode().decode("unicode_escape").replace("\\-", "-") == STARTS
