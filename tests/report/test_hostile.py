from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from artemis.report.run.build import build_report
from artemis.report.words import visible
from tests.report.conftest import HOSTILE, Tables, prediction_row, slice_row, typical_tables
from tests.report.parsing import Page, text

MakeRun = Callable[..., Path]

NAMES = [
    pytest.param(HOSTILE, id="script"),
    pytest.param("\u202egnp.exe", id="right-to-left override"),
    pytest.param("x" * 300 + ".png", id="300 characters"),
    pytest.param("🧠👩\u200d🔬.png", id="emoji"),
    pytest.param("\"'`&amp;<b>{{ 7 * 7 }}{% raw %}.png", id="quotes and braces"),
    pytest.param("line\nbreak\ttab\x00nul.png", id="control characters"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_stays_text_wherever_it_is_shown(
    make_run: MakeRun, tmp_path: Path, name: str
) -> None:
    row = slice_row(name, slice_id="cd" * 32, header_plane="<i>")
    answer = prediction_row(row, "baseline", 0, 0.4, needs_review=True, review_reasons=["<u>"])
    refused = slice_row(f"f/{name}", status="failed", reason_code="<s>", reason=f"{name}: <p>")
    run = make_run(
        Tables([row, refused], {"baseline": [answer]}),
        models=("baseline",),
        batch=f"/scans/{name}",
        command=f"artemis-cli classify-batch {name}",
        error=name,
        status="failed",
    )
    page = Page(build_report(run, tmp_path / "index.html"))
    shown = [text(one) for one in page.all("bdi")]
    assert shown.count(" ".join(visible(name).split())) >= 2  # card and table
    assert len(page.all("script")) == 1
    assert not {"i", "u", "s"} & {element.tag for element in page.root.iter()}
    assert all(not key.startswith("on") for e in page.root.iter() for key in e.attrib)


def test_paths_are_isolated_from_the_direction_of_their_surroundings(
    make_run: MakeRun, tmp_path: Path
) -> None:
    tables = typical_tables(1)
    page = Page(build_report(make_run(tables), tmp_path / "index.html"))
    assert page.all("bdi")
    assert all(one.get("dir") == "ltr" for one in page.all("bdi"))


def test_a_hostile_model_name_stays_text(make_run: MakeRun, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>"
    run = make_run(typical_tables(3, models=(name, "b")), models=(name, "b"))
    page = Page(build_report(run, tmp_path / "index.html"))
    assert all(image.get("src", "").startswith("data:") for image in page.all("img"))
    assert name in text(page.by_id("models"))
