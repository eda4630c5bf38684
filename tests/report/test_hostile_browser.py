"""Hostile names and tags, from real files through both models to Debian's Chromium."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from artemis.report.run.build import build_report
from artemis.report.run.limits import ROW_NAME
from artemis.report.words import shortened, visible
from tests.classified import classify
from tests.ingest.builders import dicom_bytes, mr
from tests.report.browsing import BROWSER_TEST, OpenPage
from tests.report.conftest import HOSTILE

pytestmark = [pytest.mark.slow(seconds=20), *BROWSER_TEST]

NAMES = {
    "script": HOSTILE,  # a file in the folder "<"
    "right-to-left override": "\u202egnp.exe",
    "300 characters": f"{'x' * 200}/{'y' * 96}.png",
    "emoji": "🧠👩\u200d🔬.png",
    "quotes": "\"'`&amp;<b>{{ 7 * 7 }}.png",
}
TAGS = dict.fromkeys(
    [
        *("PatientName", "PatientID", "StudyDescription", "SeriesDescription", "ProtocolName"),
        *("Manufacturer", "InstitutionName", "ImageComments", "SequenceName"),
    ],
    '"><svg onload=alert(2)>DOE\u202e🧠',
)


MADE_OF_TEXT = "[src=x], [onerror], [onload], bdi b"
"""What names and tags would make, were they read as HTML."""


@pytest.fixture(scope="module")
def report(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    for name in NAMES.values():
        file = folder / "batch" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(samples / "coronal_no_lesion.png", file)
    tagged = {**TAGS, "SpecificCharacterSet": "ISO_IR 192"}
    (folder / "batch" / "tags.dcm").write_bytes(dicom_bytes(mr(**tagged)))
    refused = mr(**tagged, Modality="<SCRIPT>", BodyPartExamined="<IMG SRC=X>")
    (folder / "batch" / "refused.dcm").write_bytes(dicom_bytes(refused))
    run, _ = classify(folder / "batch", folder / "data", ["mobilenet_v2", "baseline"])
    return build_report(run.root, folder / "index.html")


def shown(name: str) -> str:
    """Return a name as the page prints it: hidden characters written out, and not too long."""
    return shortened(visible(name), ROW_NAME)


def test_names_and_tags_are_text_in_the_table_and_in_the_review(
    open_page: OpenPage, report: Path
) -> None:
    page = open_page(report)
    names = page.locator("#table-slices th .path").all_text_contents()
    assert sorted(names) == sorted(map(shown, (*NAMES.values(), "refused.dcm", "tags.dcm")))
    refused = page.locator("#table-slices tr", has_text="refused.dcm")
    assert refused.get_attribute("data-s") == "refused"
    page.get_by_role("button", name="Start review").click()
    page.keyboard.type("ab")
    page.keyboard.press("Enter")
    reviewed = page.locator("[data-d=name]").inner_text()
    assert reviewed.partition(" ")[2] in map(visible, (*NAMES.values(), "tags.dcm"))
    for name in NAMES.values():
        page.get_by_label("Search").fill(visible(name)[:12])
        page.locator("#table-slices th .path", has_text=shown(name)).wait_for()
        page.get_by_text(f"1 of {len(names)} rows").wait_for()
    assert page.locator(MADE_OF_TEXT).count() == 0
    assert page.locator("script").count() == 1
    assert "DOE" not in page.content()


def test_without_javascript_names_and_tags_are_text_too(open_page: OpenPage, report: Path) -> None:
    page = open_page(report, java_script_enabled=False)
    names = page.locator("#table-slices th .path").all_text_contents()
    assert shown(HOSTILE) in names
    assert page.locator(MADE_OF_TEXT).count() == 0
