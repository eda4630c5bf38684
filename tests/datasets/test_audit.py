from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from artemis.datasets.audit import audit_dataset
from artemis.datasets.audit_record import AuditResult, read_audit
from artemis.datasets.copies import Fingerprints, find_copies
from artemis.datasets.findings import SHOWN, Finding, Kind, Severity, rank_findings, read_table
from artemis.datasets.pair_checks import Labelled, linked, patient_findings
from artemis.errors import (
    NothingUsableError,
    RunRecordError,
    TrainingDataError,
)
from artemis.labels import PROBABILITY_COLUMNS
from artemis.models.registry import load_model, model_folder
from artemis.models.runtime import ClassificationModel
from artemis.progress import Progress, listening
from artemis.report.audit.page import build_audit_page
from artemis.report.words import WITHHELD
from tests.datasets.audited import audit_samples, labelled, make_dataset
from tests.ingest.builders import head, mr, save
from tests.report.parsing import Page, text


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ClassificationModel:
    return load_model(model_folder(tmp_path_factory.mktemp("none"), "mobilenet_v2"), 1)


@pytest.fixture(scope="module")
def audited(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    return audit_samples(samples, tmp_path_factory.mktemp("audited"))


def of(result: AuditResult, kind: Kind) -> pd.DataFrame:
    return result.findings[result.findings["kind"] == kind]


def test_one_picture_with_two_labels_is_a_conflict(audited: AuditResult) -> None:
    found = of(audited, Kind.CONFLICTING_COPIES).iloc[0]
    assert (found["path"], found["other_path"]) == ("a/coronal.png", "b/again.png")
    assert found["severity"] == "error"
    assert found["sentence"] == "The same picture with different labels: coronal and transverse."


def test_changed_and_mirrored_copies_are_near_copies(audited: AuditResult) -> None:
    near = of(audited, Kind.NEAR_COPY)
    assert set(map(frozenset, near[["path", "other_path"]].to_numpy())) >= {
        frozenset({"a/sagittal.png", "b/small.png"})
    }
    mirrored = near[near["sentence"].str.contains("mirrored")]
    assert "a/sagittal.png" in set(mirrored["path"]) | set(mirrored["other_path"])


def test_each_group_that_crosses_the_split_is_named_once(audited: AuditResult) -> None:
    crossing = of(audited, Kind.CROSSING_SPLIT)
    assert {"a/coronal.png", "a/sagittal.png"} == set(crossing["other_path"])
    words = crossing.set_index("other_path")["sentence"]
    assert words["a/coronal.png"].endswith(": 1 in training, 1 in testing.")
    assert words["a/sagittal.png"].endswith(": 2 in testing, 1 in training.")


def test_one_patient_with_two_tumours_is_an_error(audited: AuditResult) -> None:
    found = of(audited, Kind.CONFLICTING_GROUP).iloc[0]
    assert {found["path"], found["other_path"]} == {"a/m.png", "a/p.png"}
    assert found["sentence"].endswith("1 meningioma, 1 pituitary.")


def test_pictures_of_unknown_patients_are_counted(audited: AuditResult) -> None:
    """Without patients every later figure is too good: an audit is to say so before a training."""
    (row,) = of(audited, Kind.UNKNOWN_PATIENTS).itertuples()
    assert row.severity == "warning"
    assert row.sentence.startswith("Of 5 of the 7 pictures that could be read neither patient nor")
    groups = labelled(path=["a", "b"], group=["g", "h"])
    prints = Fingerprints(np.zeros(2, np.uint64), np.zeros((2, 1024), np.float32))
    known = Labelled(groups, find_copies(prints, ["1", "2"]), np.array([0, 1]), prints)
    assert list(patient_findings(known)) == []
    nobody = Labelled(labelled(path=["a", "b"]), known.copies, known.groups, prints)
    (found,) = patient_findings(nobody)
    assert found.sentence.startswith("Of all 2 pictures that could be read neither patient nor")


def test_refused_broken_and_missing_pictures_are_findings(audited: AuditResult) -> None:
    refused = of(audited, Kind.REFUSED_PICTURE).set_index("path")["sentence"]
    assert set(refused.index) == {"b/drawing.png", "b/broken.png", "a/missing.png"}
    assert "grey" in refused["b/drawing.png"]
    pictures = read_table(audited.folder, "pictures").set_index("path")
    assert pictures.loc["b/drawing.png", "reason_code"] == "colour_picture"
    assert pictures.loc["a/missing.png", "status"] == "failed"
    assert (audited.record.pictures, audited.record.readable) == (10, 7)


def test_every_picture_has_a_row_and_a_group(audited: AuditResult) -> None:
    pictures = read_table(audited.folder, "pictures").set_index("path")
    assert len(pictures) == 10
    group = pictures["group"]
    assert group["a/coronal.png"] == group["b/again.png"]
    assert group["a/m.png"] == group["a/p.png"] != group["a/coronal.png"]
    assert len({group["b/drawing.png"], group["b/broken.png"], group["a/missing.png"]}) == 3


def test_a_wrong_plane_is_found(audited: AuditResult) -> None:
    assert "b/again.png" in set(of(audited, Kind.OFF_PLANE)["path"])


def test_the_tables_are_what_was_returned_and_hold_no_patient(audited: AuditResult) -> None:
    stored = read_table(audited.folder, "findings")
    assert stored["sentence"].tolist() == audited.findings["sentence"].tolist()
    assert read_table(audited.folder, "counts")["pictures"].sum() == 10
    record = json.loads((audited.folder / "audit.json").read_text(encoding="utf-8"))
    assert record["dataset"] == "set"
    assert record["findings"]["crossing_split"] == 2
    assert read_audit(audited.folder) == audited.record
    everything = b"".join(path.read_bytes() for path in audited.folder.iterdir())
    assert b"Jo" not in everything.replace(b"JoSt", b"")
    assert str(audited.folder.parent.parent).encode() not in everything


def test_thumbnails_are_kept_for_what_a_page_shows(audited: AuditResult) -> None:
    small = read_table(audited.folder, "thumbnails")
    assert all(jpeg.startswith(b"\xff\xd8") for jpeg in small["jpeg"])
    assert small["slice_id"].is_unique
    assert len(small) == 6  # seven could be read, two of them the same


def test_ranks_count_from_one_within_each_kind_and_scores_fall(audited: AuditResult) -> None:
    for _, rows in audited.findings.groupby("kind"):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert rows["score"].is_monotonic_decreasing


def test_progress_is_reported(samples: Path, tmp_path: Path, model: ClassificationModel) -> None:
    labels = make_dataset(samples, tmp_path / "set").head(3)
    heard: list[Progress] = []
    with listening(heard.append):
        audit_dataset(tmp_path / "set", labels, tmp_path / "audit", model)
    assert heard[0] == Progress("reading pictures", 0, 3)
    assert Progress("reading pictures", 3, 3) in heard


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "a/../../b.png"])
def test_a_path_out_of_the_folder_is_refused(
    tmp_path: Path, model: ClassificationModel, path: str
) -> None:
    labels = pd.DataFrame([{"path": path, "tumor": "none", "plane": "coronal"}])
    with pytest.raises(TrainingDataError, match=r"below this folder\. Received"):
        audit_dataset(tmp_path, labels, tmp_path / "audit", model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="plane"), "without plane"),
        (lambda t: t.iloc[:0], "0 rows"),
        (lambda t: pd.concat([t, t]), "every picture once"),
        (lambda t: t.assign(tumor="lymphoma"), "Received 'lymphoma'"),
    ],
)
def test_labels_that_cannot_be_audited_are_named(
    tmp_path: Path, model: ClassificationModel, change, message: str
) -> None:
    labels = pd.DataFrame([{"path": "a.png", "tumor": "none", "plane": "coronal"}])
    with pytest.raises(TrainingDataError, match=message):
        audit_dataset(tmp_path, change(labels), tmp_path / "audit", model)


def test_a_set_without_a_readable_picture_is_an_error(
    tmp_path: Path, model: ClassificationModel
) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    labels = pd.DataFrame([{"path": "a.png", "tumor": "none", "plane": "coronal"}])
    with pytest.raises(NothingUsableError, match=r"Received 1 refused or failed.*a\.png"):
        audit_dataset(tmp_path, labels, tmp_path / "audit", model)
    assert not (tmp_path / "audit").exists()


def test_a_damaged_audit_is_named(tmp_path: Path) -> None:
    (tmp_path / "findings.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunRecordError, match=r"findings\.parquet.*Audit the data set again"):
        read_table(tmp_path, "findings")
    with pytest.raises(RunRecordError, match=r"audit\.json: expected the record"):
        read_audit(tmp_path)


# Labels against predictions.


def test_given_predictions_are_used_and_recorded(
    samples: Path, tmp_path: Path, model: ClassificationModel, audited: AuditResult
) -> None:
    labels = make_dataset(samples, tmp_path / "set")
    ids = read_table(audited.folder, "pictures").dropna(subset=["slice_id"])
    says = {name: float(name == "p_pituitary_sagittal") for name in PROBABILITY_COLUMNS}
    table = pd.DataFrame([{"slice_id": one, **says} for one in ids["slice_id"].unique()])
    result = audit_dataset(tmp_path / "set", labels, tmp_path / "a", model, predictions=table)
    assert result.record.predictions_from == "given"
    doubtful = of(result, Kind.DOUBTFUL_LABEL)
    assert "a/m.png" in set(doubtful["path"])
    assert "a/p.png" not in set(doubtful["path"])
    assert set(doubtful["other_tumor"]) == {"pituitary"}


# Composition.


# Links and ranks.


def test_equal_values_are_linked_in_a_chain_and_missing_ones_not() -> None:
    pairs = linked(pd.Series(["a", None, "b", "a", None, "a"]))
    assert sorted(pairs[["first", "second"]].values.tolist()) == [[0, 3], [3, 5]]
    assert linked(pd.Series([None, None], dtype=object)).empty


def test_findings_are_ordered_by_kind_then_score_then_path() -> None:
    drawn = [
        Finding(Kind.NEAR_COPY, Severity.NOTE, 0.9, "n", path="b"),
        Finding(Kind.DOUBTFUL_LABEL, Severity.WARNING, 0.1, "low", path="a"),
        Finding(Kind.DOUBTFUL_LABEL, Severity.WARNING, 0.7, "z", path="z"),
        Finding(Kind.DOUBTFUL_LABEL, Severity.WARNING, 0.7, "y", path="y"),
    ]
    table = rank_findings(drawn)
    assert table["sentence"].tolist() == ["y", "z", "low", "n"]
    assert table["rank"].tolist() == [1, 2, 3, 1]
    assert rank_findings([]).empty
    assert set(SHOWN) == set(Kind)


@pytest.mark.shared
@pytest.mark.slow(seconds=60)
def test_the_known_faults_of_the_public_images_are_found(
    brain_mri: Path, tmp_path: Path, model: ClassificationModel
) -> None:
    labels = pd.read_csv(brain_mri / "manifest.csv", dtype={"group": str})
    result = audit_dataset(brain_mri, labels, tmp_path, model)
    wrong = labels[labels["source_tumor"].notna() & (labels["source_tumor"] != labels["tumor"])]
    first = of(result, Kind.DOUBTFUL_LABEL).head(60)
    assert len(wrong) == 14
    assert wrong["path"].isin(first["path"]).sum() >= 10

    identical = labels.groupby("sha256")[["tumor", "plane"]].nunique().max(axis=1)
    conflicts = of(result, Kind.CONFLICTING_COPIES)
    named = set(conflicts["path"]) | set(conflicts["other_path"])
    for content in identical.index[identical > 1]:
        assert set(labels.loc[labels["sha256"] == content, "path"]) <= named

    pictures = read_table(result.folder, "pictures").set_index("path")
    mine = pictures["group"].reindex(labels["path"]).to_numpy()
    halves = labels["official_split"].groupby(mine).transform("nunique")
    known = labels.groupby("group")["official_split"].transform("nunique")
    assert known.gt(1).sum() == 622
    assert halves[known > 1].gt(1).all()
    official = of(result, Kind.CROSSING_SPLIT)["sentence"].str.contains("official")
    assert 140 <= official.sum() <= 150  # 146 given groups, some of them joined here


def test_an_audit_keeps_no_picture_into_which_text_is_burnt(
    model: ClassificationModel, tmp_path: Path
) -> None:
    for name in ("a.dcm", "b.dcm"):  # one picture with two labels, which the page shows
        save(tmp_path / "set" / name, mr(head(160), BurnedInAnnotation="YES"))
    names, planes = ["a.dcm", "b.dcm"], ["coronal", "sagittal"]
    table = labelled(path=names, tumor=["none"] * 2, plane=planes, patient=["p"] * 2)
    audited = audit_dataset(tmp_path / "set", table, tmp_path / "audit", model)
    assert read_table(audited.folder, "thumbnails")["jpeg"].isna().all()
    page = Page(build_audit_page(audited.folder))
    assert not page.all("img")
    assert WITHHELD in {text(one) for one in page.all("div", class_="nopicture")}
