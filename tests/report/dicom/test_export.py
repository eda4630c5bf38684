from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from typer.testing import CliRunner

import cli
from artemis.answers.review import ReviewReason
from artemis.batches.own import own_outputs
from artemis.errors import ExportError
from artemis.predictions import read_part, read_table
from artemis.report.dicom.codes import NAMES, SCHEME, VALUES, reason_code
from artemis.report.dicom.export import Export, export_dicom
from artemis.report.dicom.structured_report import certainty_percent
from artemis.runs import Counts, RunPaths, read_record, write_record
from artemis.schemas import PREDICTIONS_SCHEMA
from artemis.settings import Settings
from tests.report.dicom.conftest import run_of


def objects(exported: Export, name: str) -> dict[str, Dataset]:
    """Return the exported objects of a kind by the study that they belong to."""
    found = sorted(Path(exported.folder).glob(f"study-*/{name}.dcm"))
    return {str(one.StudyInstanceUID): one for one in map(pydicom.dcmread, found)}


@pytest.fixture(scope="module")
def reports(exported: Export) -> dict[str, Dataset]:
    return objects(exported, "report")


@pytest.fixture(scope="module")
def series(classified: Path) -> list[Dataset]:
    """The files that the series' report is of."""
    files = (classified / "scans" / "series").iterdir()
    return [pydicom.dcmread(path, stop_before_pixels=True) for path in files]


def items(report: Dataset, name: str) -> list[Dataset]:
    """Return the content items of a concept, in the order of the tree."""
    found = []
    for one in report.get("ContentSequence", []):
        named = one.get("ConceptNameCodeSequence")
        if named and named[0].CodeMeaning == name:
            found.append(one)
        found += items(one, name)
    return found


def test_each_study_has_one_report_and_what_names_none_is_listed(exported: Export) -> None:
    assert [(study.slices, [*study.left_blank]) for study in exported.studies] == [
        (1, ["PatientBirthDate", "PatientSex"]),
        (2, []),
        (3, []),
    ]
    assert exported.without_study == ["nameless.dcm"]


def test_a_report_is_of_the_patient_and_study_of_its_files(reports, series) -> None:
    source = series[0]
    report = reports[source.StudyInstanceUID]
    assert (report.PatientName, report.PatientID) == (source.PatientName, source.PatientID)
    assert report.StudyDescription == source.StudyDescription
    assert report.SeriesInstanceUID != source.SeriesInstanceUID
    assert reports["1.2.3.9"].PatientName == "Müller^Änne"


def test_a_report_says_first_that_it_is_for_research_only(reports) -> None:
    report = reports["1.2.3.9"]
    flags = report.PreliminaryFlag, report.CompletionFlag, report.VerificationFlag
    assert flags == ("PRELIMINARY", "PARTIAL", "UNVERIFIED")
    assert report.SeriesDescription == "Artemis answers. RESEARCH ONLY, NOT FOR DIAGNOSIS"
    first = items(report, "Measurement Group")[0]
    (use,) = items(first, "Intended use")
    said = use.ConceptCodeSequence[0]
    assert said.CodeMeaning == "For research use only. Not for diagnosis. Not a medical device."


def test_every_model_answers_for_every_slice_and_refers_to_its_image(
    reports, series, classified: Path
) -> None:
    report = reports[series[0].StudyInstanceUID]
    groups = [
        group
        for group in items(report, "Measurement Group")
        if items(group, "Tracking Identifier")[0].TextValue.startswith("Slice")
    ]
    answers = read_table(run_of(classified), "predictions")
    answers = answers[answers["path"].str.startswith("series/")]
    assert len(groups) == len(answers) == 6
    said = [items(group, NAMES["tumor"])[0].ConceptCodeSequence[0].CodeValue for group in groups]
    assert sorted(said) == sorted(answers["tumor"])
    sources = {
        items(group, "Source of Measurement")[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for group in groups
    }
    assert sources == {one.SOPInstanceUID for one in series}


def test_a_study_of_several_slices_has_an_answer_with_its_support(reports, series) -> None:
    report = reports[series[0].StudyInstanceUID]
    (group, _) = [
        group
        for group in items(report, "Measurement Group")
        if items(group, "Tracking Identifier")[0].TextValue.startswith("Study")
    ]
    assert items(group, "Algorithm Name")[0].TextValue == "mobilenet_v2"
    assert len(items(group, "Source of Measurement")) == 3


def test_frames_are_counted_from_one(reports) -> None:
    sources = items(reports["1.2.3.10"], "Source of Measurement")
    frames = [one.ReferencedSOPSequence[0].ReferencedFrameNumber for one in sources]
    assert sorted(set(frames)) == [1, 2]


def test_equipment_names_every_model_with_its_version_and_hash(reports, classified: Path) -> None:
    record = read_record(run_of(classified))
    entered = {
        one.ManufacturerModelName: one
        for one in reports["1.2.3.9"].ContributingEquipmentSequence
        if "ManufacturerModelName" in one
    }
    for model in record.models:
        one = entered[model.name]
        assert one.SoftwareVersions[1] == f"model {model.version}"
        assert one.DeviceSerialNumber == model.sha256
        assert "Not for diagnosis" in one.ContributionDescription


def test_a_capture_shows_the_evidence_and_refers_to_its_slice(exported: Export, series) -> None:
    found = objects(exported, "evidence-01")
    image = found[series[0].StudyInstanceUID]
    assert image.pixel_array.shape == (512 + 99, 512, 3)
    picture = image.pixel_array[:512].astype(int)
    assert (abs(picture[..., 0] - picture[..., 2]) > 40).any()  # colour over the grey
    assert image.pixel_array[512:].max() == 255  # the text below
    source = image.SourceImageSequence[0]
    assert source.ReferencedSOPInstanceUID in {one.SOPInstanceUID for one in series}
    assert [*image.PatientOrientation] == ["L", "P"]
    assert image.ImageComments.startswith("RESEARCH USE ONLY - NOT FOR DIAGNOSIS")
    assert image.ContributingEquipmentSequence[0].ManufacturerModelName == "mobilenet_v2"
    assert [*found["1.2.3.9"].PatientOrientation] == ["P", "F"]
    assert found["1.2.3.10"].SourceImageSequence[0].ReferencedFrameNumber == 1


def test_only_the_owner_may_read_what_names_a_patient(exported: Export) -> None:
    folder = Path(exported.folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*/*.dcm")} == {0o600}
    assert "SIMULATED" not in (folder / "export.json").read_text()


def test_the_same_run_gives_the_same_bytes(exported: Export, copy: Path, tmp_path: Path) -> None:
    again = export_dicom(run_of(copy), tmp_path / "again")
    first = {k: v for one in exported.studies for k, v in one.files.items() if "report" in k}
    assert {k: v for one in again.studies for k, v in one.files.items()} == first


def test_files_that_are_gone_or_changed_are_named_and_nothing_is_written(copy: Path) -> None:
    (copy / "scans" / "odd.dcm").unlink()
    changed = copy / "scans" / "series" / "image_4"
    changed.write_bytes(changed.read_bytes() + b"\0")
    with pytest.raises(ExportError, match="2 files gone or changed") as caught:
        export_dicom(run_of(copy))
    assert "odd.dcm: expected the file that was found" in str(caught.value)
    assert "series/image_4: its content is another" in str(caught.value)
    assert not (copy / "workspace" / "exports").exists()


def test_a_batch_of_the_inbox_is_found_where_it_was_put(
    exported: Export, copy: Path, tmp_path: Path
) -> None:
    taken = copy / "workspace" / "processing" / "0123abcd"
    run = run_of(copy)
    record = read_record(run).model_copy(update={"batch": str(taken)})
    write_record(RunPaths(copy / "workspace", run.name), record)
    (copy / "workspace" / "done").mkdir()
    (copy / "scans").rename(copy / "workspace" / "done" / "Mueller_Anna-0123abcd")
    again = export_dicom(run, tmp_path / "again", secondary_capture=True)
    assert [one.files for one in again.studies] == [one.files for one in exported.studies]


def test_a_run_without_dicom_has_nothing_to_export(copy: Path) -> None:
    run = run_of(copy)
    frame = read_table(run, "slices")
    for part in (run / "slices").iterdir():
        part.unlink()
    left = frame[frame["format"] != "dicom"]
    left.to_parquet(run / "slices" / "part-00000.parquet")
    for part in (run / "predictions").rglob("*.parquet"):
        answers = read_part(part, PREDICTIONS_SCHEMA).to_pandas()
        answers[answers["path"].isin(left["path"])].to_parquet(part)
    record = read_record(run)
    counts = Counts(slices=len(left), ok=int((left["status"] == "ok").sum()))
    paths = RunPaths(copy / "workspace", run.name)
    write_record(paths, record.model_copy(update={"counts": counts}))
    with pytest.raises(ExportError, match="slices that came in as DICOM"):
        export_dicom(run)


def test_captures_need_a_model_that_maps_its_evidence(copy: Path) -> None:
    run = run_of(copy)
    record = read_record(run)
    models = [model.model_copy(update={"evidence_maps": False}) for model in record.models]
    paths = RunPaths(copy / "workspace", run.name)
    write_record(paths, record.model_copy(update={"models": models}))
    with pytest.raises(ExportError, match=r"maps its evidence. Received one with mobilenet_v2, "):
        export_dicom(run, secondary_capture=True)


def test_captures_need_the_model_of_the_run(copy: Path) -> None:
    run = run_of(copy)
    record = read_record(run)
    models = [model.model_copy(update={"sha256": "0" * 64}) for model in record.models]
    paths = RunPaths(copy / "workspace", run.name)
    write_record(paths, record.model_copy(update={"models": models}))
    with pytest.raises(ExportError, match="expected the model of the run, SHA-256 0000"):
        export_dicom(run, secondary_capture=True)


def test_an_export_is_never_part_of_a_batch(exported: Export) -> None:
    folder = Path(exported.folder)
    assert folder in own_outputs(Settings(workspace=folder.parents[1]))


def test_the_command_prints_what_it_wrote(copy: Path) -> None:
    where = ["--workspace", str(copy / "workspace"), "--quiet"]
    answer = CliRunner().invoke(cli.app, ["export", "latest", "--dicom", "--json", *where])
    assert answer.exit_code == 0, answer.output
    assert len(json.loads(answer.stdout)["studies"]) == 3
    assert CliRunner().invoke(cli.app, ["export", "latest", *where]).exit_code == 2


@pytest.mark.parametrize(
    ("confidence", "step", "percent"),
    [
        (0.934, 1, 93),
        (0.934, 5, 95),
        (0.625, 5, 65),  # half way between two steps, as the page rounds it
        (0.75, 10, 80),
        (0.999, 1, 99),
        (1.0, 10, 90),
        (0.001, 5, 5),
    ],
)
def test_certainty_is_no_finer_than_it_deserves_and_never_certain(
    confidence: float, step: int, percent: int
) -> None:
    assert certainty_percent(confidence, step) == percent


def test_codes_are_short_enough_and_distinct() -> None:
    reasons = [reason_code(reason.value) for reason in ReviewReason]
    written = [*NAMES, *VALUES, *(code.value for code in reasons)]
    assert len(set(written)) == len(written)
    assert max(map(len, written)) <= 16
    assert max(len(meaning) for meaning in (*NAMES.values(), *VALUES.values())) <= 64
    assert {code.scheme_designator for code in reasons} == {SCHEME}


@pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="no dciodvfy (Debian: apt-get install dicom3tools)"
)
def test_dciodvfy_finds_no_error(exported: Export) -> None:
    paths = [*Path(exported.folder).glob("*/*.dcm")]
    assert {path.stem == "report" for path in paths} == {True, False}  # and captures
    for path in paths:
        answer = subprocess.run(["dciodvfy", path], capture_output=True, text=True)
        assert "SCImage" in answer.stderr or "ComprehensiveSR" in answer.stderr
        assert "Error" not in answer.stderr, f"{path.name}: {answer.stderr}"


@pytest.mark.skipif(
    shutil.which("dsrdump") is None, reason="no dsrdump (Debian: apt-get install dcmtk)"
)
def test_dsrdump_reads_every_report(exported: Export) -> None:
    paths = [*Path(exported.folder).glob("*/report.dcm")]
    assert len(paths) == len(exported.studies)
    for path in paths:
        answer = subprocess.run(["dsrdump", path], capture_output=True, text=True, check=True)
        assert "E: " not in answer.stderr, answer.stderr
        assert '(research_only,99ARTEMIS,"For research use only.' in answer.stdout
