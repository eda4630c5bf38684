from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artemis.labels import CATEGORY_NAMES
from artemis.report.words import (
    CATEGORY_WORDS,
    counted,
    duration,
    joined,
    moment,
    percent,
    share_of,
    visible,
)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "0%"),
        (0.001, "<1%"),
        (0.41, "41%"),
        (0.994, "99%"),
        (0.9999, ">99%"),
        (1.0, "100%"),
    ],
)
def test_percent_says_certain_only_where_it_is_certain(share: float, words: str) -> None:
    assert percent(share) == words


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_percent_of_an_uncertain_share_is_never_0_or_100(share: float) -> None:
    assert percent(share) not in {"0%", "100%"}


def test_share_of_nothing_is_a_dash() -> None:
    assert share_of(0, 0) == "\u2013"


@given(st.text())
def test_visible_text_holds_no_control_or_direction_character(text: str) -> None:
    hidden = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\n\r\x00\x1b")
    assert not hidden & set(visible(text))


def test_visible_names_a_right_to_left_override_and_keeps_emoji() -> None:
    assert visible("a\u202egnp.exe") == "a⟨U+202E⟩gnp.exe"
    assert visible("👩\u200d🔬 é") == "👩\u200d🔬 é"


def test_counts_have_their_noun_in_number() -> None:
    assert counted(1, "slice") == "1 slice"
    assert counted(2345, "slice") == "2,345 slices"
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert joined(["a"]) == "a"
    assert joined([]) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.418, "0.42 s"), (12.34, "12.3 s"), (125.2, "2 min 5 s"), (3725.0, "1 h 2 min")],
)
def test_durations_are_read_in_the_unit_of_their_size(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_time_is_shown_in_utc() -> None:
    there = datetime(2026, 3, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    assert moment(there) == "2026-03-01 12:00:00 UTC"
    assert moment(datetime(2026, 3, 1, 12, 0, tzinfo=UTC)) == "2026-03-01 12:00:00 UTC"


def test_every_category_has_words() -> None:
    assert tuple(CATEGORY_WORDS) == CATEGORY_NAMES
    assert CATEGORY_WORDS["none_coronal"] == "no tumour, coronal"
