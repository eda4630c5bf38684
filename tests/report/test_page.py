from __future__ import annotations

import re
from pathlib import Path

import pytest

import artemis.report
from artemis.report.page import STYLES, content_security_policy, page_style, render_page
from tests.benchmark.records import benchmark_record

STYLE = page_style()
TAGS = ("style", "script")


def test_every_file_of_style_is_joined_once_and_in_the_order_of_the_cascade() -> None:
    files = (Path(artemis.report.__file__).parent / "assets" / "style").iterdir()
    assert sorted(STYLES) == sorted(path.stem for path in files)
    assert STYLES[0] == "tokens"
    assert STYLES[-4:] == ("wide", "tablet", "narrow", "print")  # what changes the rest comes last


def test_comments_and_indents_of_scripts_and_styles_are_in_no_page() -> None:
    page = render_page(
        "benchmark.html.j2",
        scripts=("page.js", "csv.js", "review.js"),
        record=benchmark_record(),
        verdict="",
        groups=[],
        machine=[],
        models=[],
    )
    style, script = (re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL) for tag in TAGS)
    assert style is not None
    assert script is not None
    for line in f"{style[1]}\n{script[1]}".splitlines():
        assert line == line.strip() != ""
        assert not line.startswith(("//", "/*"))
    assert len(script[1].encode()) < 32_000


def tokens(scheme: str) -> dict[str, str]:
    """Return the colour tokens of a scheme; dark ones override light ones."""
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, flags=re.DOTALL)[:2]
    text = light if scheme == "light" else light + dark
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", text))


def luminance(colour: str) -> float:
    """Return the relative luminance (WCAG 2.2, definition of the same name)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "grounds"),
    [
        ("ink", ["paper", "panel", "warn", "alert", *(f"h{n}" for n in range(1, 7))]),
        ("soft", ["paper", "panel", "warn"]),
        ("accent", ["paper", "warn"]),
    ],
)
def test_text_has_a_contrast_of_at_least_4_5(scheme: str, text: str, grounds: list[str]) -> None:
    colours = tokens(scheme)
    for ground in grounds:
        assert contrast(colours[text], colours[ground]) >= 4.5, ground


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "mark",
    ["m0", "m1", "m2", "m3", "ok", "review", "refused", "failed", "edge", "bar", "dark"],
)
def test_marks_have_a_contrast_of_at_least_3(scheme: str, mark: str) -> None:
    colours = tokens(scheme)
    assert contrast(colours[mark], colours["paper"]) >= 3


def test_the_style_sheet_names_colours_in_its_tokens_only() -> None:
    rules = STYLE.split("* { box-sizing", 1)[1]
    stray = set(re.findall(r"#[0-9a-fA-F]{3,6}\b", rules)) - {"#000", "#fff"}
    assert not stray


def test_the_policy_names_the_hash_of_each_asset() -> None:
    # sha256 of the empty string, as base64
    empty = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    assert content_security_policy("", "") == (
        f"default-src 'none'; img-src data:; style-src {empty}; script-src {empty}; "
        "base-uri 'none'; form-action 'none'"
    )
