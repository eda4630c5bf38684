from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import escape

from artemis.labels import CATEGORY_NAMES
from artemis.report.words import (
    CATEGORY_WORDS,
    breakable,
    confidence_step,
    confidence_words,
    counted,
    duration,
    joined,
    listed,
    measured,
    moment,
    percent,
    share_of,
    shortened,
    tiny,
    visible,
)
from artemis.said import class_words


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


@pytest.mark.parametrize(
    ("ece", "step"), [(0.0, 1), (0.02, 1), (0.021, 5), (0.05, 5), (0.051, 10), (None, 10)]
)
def test_confidence_is_as_fine_as_the_calibration_error_allows(
    ece: float | None, step: int
) -> None:
    assert confidence_step(ece) == step


@pytest.mark.parametrize(
    ("confidence", "ece", "words"),
    [
        (0.874, 0.01, "87%"),
        (0.874, 0.04, "85%"),
        (0.875, 0.04, "90%"),
        (0.874, 0.08, "90%"),
        (0.998, 0.01, ">99%"),
        (0.998, 0.04, ">95%"),
        (0.96, None, ">90%"),
        (0.02, 0.04, "<5%"),
        (1.0, None, "100%"),
    ],
)
def test_confidence_is_printed_no_finer_than_it_deserves(
    confidence: float, ece: float | None, words: str
) -> None:
    assert confidence_words(confidence, ece) == words


def test_confidence_of_a_strange_picture_is_not_said() -> None:
    assert confidence_words(0.99, 0.01, far=True) == "unlike the training images"


@given(st.floats(0, 1), st.sampled_from([0.01, 0.04, 0.2]))
def test_confidence_is_never_printed_further_off_than_its_step(share: float, ece: float) -> None:
    said = confidence_words(share, ece)
    step = confidence_step(ece)
    assert abs(float(said.strip("<>%")) - 100 * share) <= step * (1 if said[0] in "<>" else 0.51)


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


def test_what_holds_commas_is_listed_with_semicolons() -> None:
    parts = ["glioma, coronal", "glioma, sagittal", "no tumour, coronal"]
    assert listed(parts) == "glioma, coronal; glioma, sagittal; and no tumour, coronal"
    assert listed(parts[:2], "or") == "glioma, coronal; or glioma, sagittal"
    assert listed(parts[:1]) == "glioma, coronal"
    assert listed([]) == ""


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


@pytest.mark.parametrize(
    ("value", "said"), [(0.3842, "0.384"), (72.51, "72.5"), (999.4, "999"), (2564.4, "2,564")]
)
def test_a_measure_has_three_digits_and_no_exponent(value: float, said: str) -> None:
    assert measured(value) == said


@given(st.text(max_size=60), st.integers(min_value=3, max_value=50))
def test_a_shortened_text_keeps_its_ends_and_never_exceeds_its_length(text: str, most: int) -> None:
    short = shortened(text, most)
    assert len(short) == min(len(text), most)
    if len(text) > most:
        begin = (most - 1) // 3
        assert short[begin] == "\u2026"
        assert text.startswith(short[:begin])
        assert text.endswith(short[begin + 1 :])


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0"), (1e-05, "10⁻⁵"), (3.14e-07, "3.1 × 10⁻⁷"), (2e-04, "2 × 10⁻⁴")],  # noqa: RUF001
)
def test_a_small_measure_is_written_with_a_power_of_ten(value: float, words: str) -> None:
    assert tiny(value) == words


@pytest.mark.parametrize(
    ("path", "html"),
    [
        ("scans/P01_axial-3.dcm", "scans/<wbr>P01_<wbr>axial-<wbr>3<wbr>.dcm"),
        ("image", "image"),
        (".hidden", ".hidden"),
        ("<b>_x", "&lt;b&gt;_<wbr>x"),
    ],
)
def test_a_path_may_break_at_its_joints_and_not_inside_words(path: str, html: str) -> None:
    assert breakable(path) == html


@settings(deadline=None)  # the first example imports
@given(st.text(max_size=40))
def test_breaks_change_nothing_that_is_read(path: str) -> None:
    assert str(breakable(path)).replace("<wbr>", "") == str(escape(path))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none_coronal", "No tumour, coronal"),
        ("none", "No tumour"),
        ("glioma", "Glioma"),
        ("sagittal", "Sagittal"),
        ("DTI ii", "DTI ii"),
    ],
)
def test_a_class_is_said_with_a_capital_and_else_as_it_is(name: str, said: str) -> None:
    assert class_words(name) == said
