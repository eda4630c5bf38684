"""Pictures into whose pixels a file says that text is burnt: classified, and shown nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli
from artemis.batches.explain import explain_image
from artemis.predictions import read_run, read_table
from artemis.report.changes.compare import compare_runs
from artemis.report.changes.page import comparison_page
from artemis.report.dicom.export import export_dicom
from artemis.report.explained import explained_page
from artemis.report.run.build import build_report, report_page
from artemis.report.run.data import load_run
from artemis.report.words import WITHHELD
from artemis.runs import RunPaths
from artemis.settings import Settings
from tests.classified import classify
from tests.ingest.builders import head, mr, save
from tests.report.parsing import Page, text

MODELS = ["mobilenet_v2", "baseline"]
STUDY = {"StudyInstanceUID": "1.2.840.1.1", "SeriesInstanceUID": "1.2.840.1.1.1"}


def add(batch: Path, name: str, top: int, **elements: object) -> None:
    """A slice with a name in white at its upper edge, as a console burns it in."""
    pixels = head(160, top)
    pixels[4:20, 4:120] = top
    batch.mkdir(exist_ok=True)
    place = {"ImagePositionPatient": [0, 0, top / 100]}
    save(batch / name, mr(pixels, **STUDY, **place, **elements))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    folder = tmp_path_factory.mktemp("burnt")
    add(folder / "batch", "burnt.dcm", 4000, BurnedInAnnotation="YES")
    add(folder / "batch", "a_copy.dcm", 4000)  # the same pixels in a file that does not say it
    add(folder / "batch", "plain.dcm", 3000, BurnedInAnnotation="NO")
    return classify(folder / "batch", folder / "data", MODELS)[0]


def test_such_a_slice_is_classified_and_a_person_should_look_at_it(run: RunPaths) -> None:
    rows = read_run(run.root)
    assert rows["status"].tolist() == ["ok"] * 6
    reasons = rows.set_index(["path", "model"])["review_reasons"]
    for model in MODELS:
        assert "text_burnt_in" in reasons["burnt.dcm", model]
        assert "text_burnt_in" not in reasons["plain.dcm", model]


def test_a_run_keeps_no_picture_of_it(run: RunPaths) -> None:
    rows = read_table(run.root, "thumbnails").set_index("path")
    pictures = ["jpeg", "overlay", "view_jpeg", "view_evidence"]
    assert rows.loc["burnt.dcm", pictures].isna().all()
    assert rows.loc["plain.dcm", "jpeg"][:2] == b"\xff\xd8"
    assert not list(run.tensors.rglob("*.*"))


def test_the_report_says_why_and_shows_neither_it_nor_a_copy(run: RunPaths) -> None:
    page = Page(build_report(run.root, run.root / "report.html"))
    shown = read_table(run.root, "thumbnails").set_index("path")["jpeg"]
    addresses = [one.get("href") for one in page.all("image")]
    assert len([one for one in addresses if one.startswith("data:image/jpeg")]) in (1, 2)
    data = load_run(run.root)
    burnt = next(item for item in data.items if item.path == "burnt.dcm")
    assert data.withheld == {burnt.slice_id}
    assert list(data.thumbnails.values()) == [shown["plain.dcm"]]
    assert burnt.picture not in {*data.overlays, *data.views, *data.view_evidence}
    card = next(
        one for one in page.all("li", class_="card") if one.get("data-id") == burnt.slice_id
    )
    assert WITHHELD in text(card)
    assert "evidence" not in text(card.find("div[@class='pictures']"))
    cells = [text(one) for one in page.all("td", class_="pic")]
    assert cells.count("withheld") == 2


def test_a_page_about_it_has_no_picture(run: RunPaths, tmp_path: Path) -> None:
    image = run.workspace.parent / "batch" / "burnt.dcm"
    found = explain_image(image, Settings(workspace=tmp_path / "data"), MODELS, tmp_path)
    assert found.overlays == []
    page = explained_page(found)
    assert "Picture withheld: the file says that text is burnt into it." in page
    assert not re.search("data:image/(jpeg|png)", page)
    said = CliRunner().invoke(
        cli.app, ["explain", str(image), "--workspace", str(tmp_path / "data")]
    )
    assert said.exit_code == 0
    assert WITHHELD in said.stdout
    assert "drawn on the page" not in said.stdout


def test_a_setting_lets_it_be_shown_and_it_is_still_looked_at(
    run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTEMIS_INGEST__SHOW_BURNT_IN", "true")
    other, _ = classify(run.workspace.parent / "batch", tmp_path / "data", MODELS)
    assert read_table(other.root, "thumbnails")["jpeg"].notna().all()
    reasons = read_table(other.root, "predictions").set_index(["path", "model"])["review_reasons"]
    assert "text_burnt_in" in reasons["burnt.dcm", "baseline"]
    assert WITHHELD not in report_page(load_run(other.root))
    # Withheld by one of two runs, it is on no page that compares them.
    changes = compare_runs(run.root, other.root)
    assert changes.withheld == load_run(run.root).withheld
    assert changes.withheld.isdisjoint(changes.thumbnails)
    assert comparison_page(changes)


@pytest.mark.slow
def test_exported_pictures_leave_it_out_and_the_report_of_the_study_holds_it(
    run: RunPaths, tmp_path: Path
) -> None:
    written = export_dicom(run.root, tmp_path / "out", secondary_capture=True)
    (study,) = written.studies
    assert study.slices == 2  # copies once
    assert study.withheld == 1
    assert sorted(Path(name).name for name in study.files) == ["evidence-01.dcm", "report.dcm"]
