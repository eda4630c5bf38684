from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from artemis import RESEARCH_USE
from artemis.datasets.audit_record import AuditResult, read_audit
from artemis.datasets.findings import (
    SHOWN,
    Finding,
    Kind,
    Severity,
    rank_findings,
    read_table,
    write_table,
)
from artemis.errors import RunRecordError
from artemis.report.audit.page import build_audit_page
from artemis.report.audit.sections import SECTIONS
from artemis.report.words import visible
from tests.datasets.audited import HOSTILE, audit_samples
from tests.report.parsing import Page, text


@pytest.fixture(scope="module")
def audited(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    return audit_samples(samples, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def page(audited: AuditResult) -> Page:
    return Page(build_audit_page(audited.folder))


def test_the_page_lies_beside_the_tables_and_says_what_was_found(
    audited: AuditResult, page: Page
) -> None:
    assert (audited.folder / "index.html").is_file()
    verdict = text(page.all("p", class_="verdict")[0])
    assert verdict.startswith("10 pictures in ")
    assert "3 pictures that cannot be used" in verdict
    assert "2 crossings of a split" in verdict
    assert "1 label at odds with another of the patient" in verdict
    assert "6 categories without a picture" in verdict
    assert verdict.endswith("and pictures of unknown patients.")


def test_the_research_notice_stands_at_the_top_and_the_bottom(page: Page) -> None:
    assert RESEARCH_USE in text(page.all("p", class_="notice")[0])
    assert RESEARCH_USE in text(page.all("footer")[0])


def test_sections_stand_in_their_order_with_conflicts_first(page: Page) -> None:
    keys = [section.get("id") for section in page.all("section", class_="part")]
    assert keys == [*(section.key for section in SECTIONS), "method"]
    assert keys[0] == "conflicts"
    assert [link.get("href") for link in page.all("nav")[0].iter("a")] == [f"#{k}" for k in keys]


def test_every_kind_of_finding_has_its_place(page: Page) -> None:
    kinds = [part.kind for section in SECTIONS for part in section.parts]
    assert sorted(kinds) == sorted(Kind)
    for kind in Kind:
        assert page.by_id(kind.value).tag == "h3"


def test_a_pair_shows_both_pictures_with_their_labels_and_paths(page: Page) -> None:
    figure = next(page.by_id("conflicts").iter("figure"))
    images = list(figure.iter("img"))
    assert [image.get("alt") for image in images] == [
        "MRI slice labelled no tumour, coronal",
        "MRI slice labelled no tumour, transverse",
    ]
    assert all(image.get("src", "").startswith("data:image/jpeg;base64,") for image in images)
    assert "Left: a/coronal.png" in text(figure)
    assert "Right: b/again.png" in text(figure)


def test_nothing_is_loaded_and_the_policy_is_strict(page: Page) -> None:
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0].get("content", "")
    assert policy.startswith("default-src 'none'; img-src data:;")
    for element in page.root.iter():
        assert not element.get("src", "data:").startswith(("http", "//"))
        assert "style" not in element.attrib
        assert not any(name.startswith("on") for name in element.attrib)


def test_a_hostile_name_and_source_stay_text(page: Page) -> None:
    name = visible(HOSTILE.replace("/", ":"))
    assert any(name in text(one) for one in page.all("bdi"))
    assert visible(HOSTILE) in text(page.by_id("balance"))
    assert len(page.all("script")) == 1
    assert all(image.get("src", "").startswith("data:") for image in page.all("img"))


def test_refused_pictures_are_listed_with_what_happened(page: Page) -> None:
    cells = [text(cell) for cell in page.by_id("pictures").iter("td")]
    assert any("b/drawing.png" in cell and "Received" in cell for cell in cells)


def test_the_page_says_that_the_features_may_know_the_answer(
    page: Page, audited: AuditResult
) -> None:
    words = text(page.by_id("labels"))
    if audited.record.predictions_from == "features":
        assert "its features may know the answer" in words
    else:
        assert "no out-of-fold predictions" in words


def test_the_page_says_where_the_tables_lie(page: Page, audited: AuditResult) -> None:
    words = text(page.by_id("method"))
    assert f"folder audits/{audited.folder.name} hold every finding" in words
    assert "beside this page" not in words


def test_the_same_tables_give_the_same_bytes(audited: AuditResult, tmp_path: Path) -> None:
    first = build_audit_page(audited.folder, tmp_path / "a.html").read_bytes()
    assert build_audit_page(audited.folder, tmp_path / "b.html").read_bytes() == first


def crowded(audited: AuditResult, folder: Path) -> Path:
    """An audit with thousands of findings of some kinds and none of the others."""
    shutil.copytree(audited.folder, folder)
    drawn = [
        Finding(kind, Severity.WARNING, 1.0, "x", "a/coronal.png", "b/again.png", "none", "coronal")
        for kind in (Kind.CONFLICTING_COPIES, Kind.NEAR_COPY, Kind.DOUBTFUL_LABEL)
        for _ in range(3000)
    ]
    findings = rank_findings(drawn)
    write_table(folder, "findings", findings)
    counts = {str(k): int(v) for k, v in findings["kind"].value_counts().items()}
    record = read_audit(folder).model_copy(update={"findings": counts})
    (folder / "audit.json").write_text(record.model_dump_json(), encoding="utf-8")
    return folder


def test_what_is_left_out_is_said_and_the_page_stays_small(
    audited: AuditResult, tmp_path: Path
) -> None:
    target = build_audit_page(crowded(audited, tmp_path / "crowded"))
    page = Page(target)
    assert "Shown: 40 of 3,000. All are in findings.parquet" in text(page.by_id("conflicts"))
    assert len(list(page.by_id("conflicts").iter("figure"))) == SHOWN[Kind.CONFLICTING_COPIES]
    assert len(list(page.by_id("labels").iter("li"))) >= SHOWN[Kind.DOUBTFUL_LABEL]
    assert "No group crosses the given split." in text(page.by_id("crossings"))
    assert target.stat().st_size < 5_000_000


def test_the_top_counts_every_kind_by_how_much_it_matters_and_leads_to_it(
    audited: AuditResult, page: Page
) -> None:
    findings = read_table(audited.folder, "findings")
    rows = page.rows("overview")
    sums = [sum(int(row[column]) for row in rows) for column in (1, 2, 3)]
    assert sums == [int((findings["severity"] == level).sum()) for level in Severity]
    assert rows[0][0] == "Copies with different labels"
    links = [link.get("href", "") for link in page.by_id("overview").iter("a")]
    assert links == [f"#{kind}" for kind in findings["kind"].unique()]
    assert "A group is what must stay on one side of a split" in text(page.root)


def test_without_a_split_none_is_said_to_be_uncrossed(audited: AuditResult, tmp_path: Path) -> None:
    folder = crowded(audited, tmp_path / "unsplit")
    write_table(folder, "counts", read_table(folder, "counts").assign(official_split=None))
    words = text(Page(build_audit_page(folder)).by_id("crossings"))
    assert "No split was given, so none can be crossed." in words


def test_pictures_that_a_split_leaves_out_are_counted(audited: AuditResult, tmp_path: Path) -> None:
    folder = crowded(audited, tmp_path / "partly")
    counts = read_table(folder, "counts")
    counts.loc[0, "official_split"] = None
    write_table(folder, "counts", counts)
    words = text(Page(build_audit_page(folder)).by_id("crossings"))
    left, of = counts["pictures"].iloc[0], counts["pictures"].sum()
    assert f"{left} of {of} pictures with no side of the official split given" in words
    assert "No group crosses the given split." in words
    assert "No split was given" not in words


def test_every_picture_on_a_side_needs_no_word(page: Page) -> None:
    assert "side of the official split given" not in text(page.by_id("crossings"))


def test_a_source_stands_as_the_data_write_it(page: Page) -> None:
    heads = [text(head) for head in page.by_id("balance").iter("th") if head.get("scope") == "col"]
    assert {"one", "two", "Coronal"} <= set(heads)


def test_a_missing_table_is_named(audited: AuditResult, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(audited.folder, folder)
    (folder / "counts.parquet").unlink()
    with pytest.raises(RunRecordError, match=r"counts\.parquet: expected the table 'counts'"):
        build_audit_page(folder)


def test_the_near_copies_shown_are_the_least_alike(audited: AuditResult, page: Page) -> None:
    findings = read_table(audited.folder, "findings")
    near = findings[(findings["kind"] == Kind.NEAR_COPY) & (findings["severity"] != "note")]
    copies = [text(one) for one in page.by_id("copies").iter("figcaption")]
    shown = [words for words in copies if "Nearly" in words]
    assert len(shown) == min(len(near), SHOWN[Kind.NEAR_COPY])
    assert str(near["rank"].max()) in shown[0].split()[0]
