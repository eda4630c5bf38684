from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from artemis import RESEARCH_USE
from artemis.errors import RunRecordError
from artemis.models.decisions import Action, Verdict
from artemis.models.retrainings import CHANGED_NAME, RetrainingRecord
from artemis.report.retraining.data import read_changed
from artemis.report.retraining.page import build_retraining_page, write_retraining_report
from tests.report.conftest import HOSTILE
from tests.report.parsing import Page, text
from tests.report.retrained import (
    ID,
    STARTED,
    all_changed,
    epochs,
    outcome,
    record,
    table,
    write_retraining,
)
from tests.report.retraining.conftest import MakePage


def verdicts(page: Page) -> list[str]:
    return [text(one) for one in page.all("p", class_="verdict")]


def test_verdict_stands_first_in_one_sentence_a_model(make_page: MakePage) -> None:
    decision = outcome("mobilenet_v2", 3.6, 2.0).decision
    passed = len(decision.checks)
    promoted, kept = verdicts(make_page())
    assert promoted == (
        f"mobilenet_v2 20261124-c0ffee was promoted: all {passed} checks passed; its macro F1 "
        "differs from the champion\u2019s by +0.034 (+0.009 to +0.058)."
    )
    checks = len(record().outcomes["baseline"].decision.checks)
    assert kept == (
        f"baseline 20261124-facade was kept out: 2 of {checks} checks did not pass: macro F1 "
        "against the champion; change of labels."
    )


def test_who_decided_and_which_champion_there_is_now_is_said(make_page: MakePage) -> None:
    findings = make_page().all("dl", class_="findings")[0]
    assert [text(one) for one in findings.iter("dd")] == [
        "Decided by the gate\u2019s policy, without a person, 2026-11-24 02:30:00 UTC. "
        "20261124-c0ffee is the champion after 20261001-0ddba1.",
        "Decided by the gate\u2019s policy, without a person, 2026-11-24 02:30:00 UTC. "
        "20261001-0ddba1 stays the champion.",
    ]


def test_every_check_is_listed_in_words_and_what_did_not_pass_stands_first(
    make_page: MakePage,
) -> None:
    rows = make_page().rows("checks-2")
    decision = record().outcomes["baseline"].decision
    assert len(rows) == len(decision.checks)
    assert rows[0][:3] == [
        "Macro F1 against the champion",
        "✗ keeps it out",
        "a difference of macro F1 whose interval begins above \u22120.0050",
    ]
    assert rows[1] == [
        "Change of labels",
        "✗ needs a person",
        "at most 2.0% of the champion's labels changed",
        "3.1%",
    ]
    assert {row[1] for row in rows[2:]} == {"✓ passed"}
    assert not any("_" in row[0] for row in rows)  # no code where words are due


def test_reason_as_recorded_is_folded_since_the_checks_say_it_in_words(
    make_page: MakePage,
) -> None:
    folded = [text(one) for one in make_page().by_id("decision").iter("details")]
    minus = [one.decision.reason.replace("-0.", "\u22120.") for one in record().outcomes.values()]
    assert folded == [f"In the record\u2019s own words {reason}" for reason in minus]


def test_model_that_needs_a_person_says_what_to_do(make_page: MakePage) -> None:
    left = record().outcomes["baseline"]
    checks = [
        check.model_copy(update={"passed": check.name != "change_labels"})
        for check in left.decision.checks
    ]
    decision = left.decision.model_copy(update={"verdict": Verdict.NEEDS_HUMAN, "checks": checks})
    page = make_page(record(outcomes={"baseline": left.model_copy(update={"decision": decision})}))
    assert verdicts(page) == [
        "baseline 20261124-facade needs a person: nothing forbids its use, but 1 of "
        f"{len(checks)} checks did not pass: change of labels."
    ]
    assert [text(code) for code in page.all("pre")] == [
        "artemis-cli models promote baseline@20261124-facade --by NAME --reason WHY"
    ]


def test_model_without_finite_answers_is_told_as_kept_out(make_page: MakePage) -> None:
    reason = "baseline, calibrating: expected finite weights. Received <others>."
    outcomes = {"mobilenet_v2": record().outcomes["mobilenet_v2"]}
    page = make_page(record(outcomes=outcomes, diverged={"baseline": reason}))
    assert verdicts(page)[1:] == [f"baseline was kept out: {reason}"]
    alone = record(models=["baseline"], trained={}, outcomes={}, epochs=[])
    page = make_page(alone.model_copy(update={"diverged": {"baseline": reason}}), [])
    assert verdicts(page) == [f"baseline was kept out: {reason}"]
    ended = alone.model_copy(update={"status": "failed", "diverged": {"baseline": reason}})
    page = make_page(ended, [])
    assert verdicts(page)[0] == "This retraining failed: 1 of 1 model decided before it did."
    assert "kept out, since its answers are not finite" in text(page.by_id("so-far"))


def test_decision_of_a_person_is_told_as_theirs(make_page: MakePage) -> None:
    left = record().outcomes["baseline"]
    decision = left.decision.model_copy(
        update={
            "action": Action.PROMOTE,
            "by": "A. Reader",
            "reason": "The new labels are right.",
            "verdict": None,
            "checks": [],
            "new_champion": left.version,
        }
    )
    page = make_page(record(outcomes={"baseline": left.model_copy(update={"decision": decision})}))
    assert verdicts(page) == ["baseline 20261124-facade was promoted: The new labels are right."]
    assert "Decided by A. Reader, a person, 2026-11-24" in text(page.by_id("main"))
    assert "No check was recorded with this decision." in text(page.by_id("decision"))


def test_running_retraining_shows_what_is_finished(make_page: MakePage) -> None:
    page = make_page(
        record(
            status="running",
            finished=None,
            audit=None,
            trained={"mobilenet_v2": "20261124-c0ffee"},
            outcomes={},
            epochs=[
                *epochs("mobilenet_v2", "training", 4, 4),
                *epochs("baseline", "training", 6, 15),
            ],
        ),
        [],
    )
    assert verdicts(page) == ["This retraining has not finished: 0 of 2 models decided so far."]
    so_far = page.by_id("so-far")
    assert [text(one) for one in so_far] == [
        "Data2,705 images read",
        "Auditnot done yet",
        "mobilenet_v2trained, not decided yet",
        "baselinetraining, epoch 6 of 15",
    ]
    assert "Nothing has been decided on any model." in text(page.by_id("decision"))
    assert "No model has been measured" in text(page.by_id("comparison"))
    assert len(page.by_id("curves").findall("figure")) == 2
    assert page.by_id("data").findall(".//a") == []


def test_retraining_that_has_only_begun_says_so(make_page: MakePage) -> None:
    page = make_page(
        record(
            status="running", finished=None, data=None, audit=None, trained={}, outcomes={}
        ).model_copy(update={"epochs": [], "seconds": {}, "audit_counts": {}}),
        [],
    )
    assert [text(one) for one in page.by_id("so-far")] == [
        "Datanot read yet",
        "Auditnot done yet",
        "mobilenet_v2not begun",
        "baselinenot begun",
    ]
    assert "The data had not been read yet." in text(page.by_id("data"))
    assert "No epoch has been finished." in text(page.by_id("curves"))
    assert "No timing was recorded." in text(page.by_id("provenance"))


def test_failed_retraining_gives_its_reason_and_what_was_decided_before(
    make_page: MakePage,
) -> None:
    first = outcome("mobilenet_v2", 3.6, 2.0)
    page = make_page(
        record(status="failed", reason="Split: expected slices.", outcomes={"mobilenet_v2": first}),
        [row for row in all_changed() if row.model == "mobilenet_v2"],
    )
    failed, promoted = verdicts(page)
    assert failed == "This retraining failed: 1 of 2 models decided before it did."
    assert promoted.startswith("mobilenet_v2 20261124-c0ffee was promoted: ")
    assert [text(one) for one in page.all("p", class_="alert")] == [
        "Why it failed: Split: expected slices."
    ]


def test_first_model_is_measured_without_a_champion(make_page: MakePage) -> None:
    first = outcome("mobilenet_v2", 3.6, 2.0, first=True)
    page = make_page(record(outcomes={"mobilenet_v2": first}), [])
    (words,) = verdicts(page)
    assert words == (
        "mobilenet_v2 20261124-c0ffee was promoted as the first champion: all "
        f"{len(first.decision.checks)} checks passed."
    )
    rows = table(page, "Figures of mobilenet_v2")
    assert {len(row) for row in rows} == {2}
    heads = [text(one) for one in page.by_id("comparison").iter("th") if one.get("scope") == "col"]
    assert not any("hampion" in head for head in heads)
    assert not list(page.by_id("comparison").iter("svg"))
    assert "There was no champion, so no prediction can have changed." in text(
        page.by_id("changed")
    )
    assert "20261124-c0ffee is the champion." in text(page.by_id("main"))


def test_done_without_an_outcome_is_said(make_page: MakePage) -> None:
    page = make_page(record(outcomes={}), [])
    assert verdicts(page) == ["This retraining is done, and decided on no model."]


def test_hostile_text_stays_text(make_page: MakePage) -> None:
    left = record().outcomes["baseline"]
    check = left.decision.checks[0].model_copy(
        update={"name": HOSTILE, "expected": HOSTILE, "received": "\u202ex", "passed": False}
    )
    decision = left.decision.model_copy(
        update={"checks": [check], "by": HOSTILE, "reason": f"{HOSTILE}{{{{ 7 * 7 }}}}"}
    )
    evaluation = left.evaluation.model_copy(
        update={
            "protocol": HOSTILE,
            "per_source": {HOSTILE: left.evaluation.per_source["cheng"]},
        }
    )
    hostile = left.model_copy(
        update={"decision": decision, "evaluation": evaluation, "started_from": HOSTILE}
    )
    of = record(
        status="failed",
        reason=HOSTILE,
        key=HOSTILE,
        models=[HOSTILE],
        outcomes={HOSTILE: hostile},
        audit=HOSTILE,
        audit_counts={HOSTILE: 1},
        seconds={HOSTILE: 1.0},
        epochs=epochs(HOSTILE, HOSTILE, 2, 2),
    )
    row = replace(
        all_changed()[0], model=HOSTILE, slice_id=HOSTILE, truth=HOSTILE, champion="<i>", jpeg=b""
    )
    page = make_page(of, [row])
    assert len(page.all("script")) == 1
    assert page.all("img") == page.all("i") == []
    assert all(not key.startswith("on") for e in page.root.iter() for key in e.attrib)
    assert "⟨U+202E⟩x" in text(page.by_id("decision"))
    assert "{{ 7 * 7 }}" in text(page.by_id("decision"))
    for section in ("decision", "comparison", "changed", "curves", "data", "provenance"):
        assert "onerror=alert(1)" in text(page.by_id(section)), section


def test_page_fetches_nothing_runs_without_a_script_and_carries_the_notice(
    make_page: MakePage,
) -> None:
    page = make_page()
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0].get("content", "")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert all("style" not in element.attrib for element in page.root.iter())
    sources = [e.get("src") or "" for e in page.root.iter() if "src" in e.attrib]
    assert all(source.startswith("data:") for source in sources)
    assert text(page.all("p", class_="notice")[0]).startswith(RESEARCH_USE)
    identifiers = [e.get("id") for e in page.root.iter() if e.get("id")]
    assert len(identifiers) == len(set(identifiers))
    assert [text(one) for one in page.all("h1")] == [f"Retraining {ID}"]


def test_same_inputs_give_the_same_bytes() -> None:
    of = record()
    again = RetrainingRecord.model_validate_json(of.model_dump_json())
    rows = all_changed()
    assert build_retraining_page(of, rows) == build_retraining_page(again, rows[::-1])


def test_page_lies_among_the_reports_and_the_list_links_it(tmp_path: Path) -> None:
    folder = write_retraining(tmp_path / "data", record(), all_changed())
    later = record(id="20261125T020000Z-000000", started=STARTED + timedelta(days=1))
    other = write_retraining(tmp_path / "data", later, all_changed())
    reports = tmp_path / "reports"
    page = write_retraining_report(tmp_path / "data", folder, reports)
    assert page == reports / "retrainings" / ID / "index.html"
    assert page.read_text(encoding="utf-8") == build_retraining_page(record(), all_changed())
    write_retraining_report(tmp_path / "data", other, reports)
    listed = Page(reports / "index.html").by_id("retrainings")
    assert [(text(link), link.get("href")) for link in listed.iter("a")] == [
        (later.id, f"retrainings/{later.id}/index.html"),
        (ID, f"retrainings/{ID}/index.html"),
    ]
    became = "Retraining: mobilenet_v2 promoted, baseline kept out"
    assert [text(one) for one in listed.iter("li")][1] == f"{ID} {became}"


def test_title_says_what_became_of_each_model_and_what_has_not_ended(make_page: MakePage) -> None:
    def title(of: RetrainingRecord) -> str:
        return text(make_page(of, []).all("title")[0])

    begun = record(trained={}, outcomes={}, epochs=[])
    assert title(begun.model_copy(update={"status": "running"})) == "Retraining: running · Artemis"
    failed = begun.model_copy(update={"status": "failed", "diverged": {"baseline": "why"}})
    assert title(failed) == "Retraining: failed, baseline kept out · Artemis"
    assert title(begun) == "Retraining: nothing decided · Artemis"


def test_edited_id_does_not_lead_out_of_the_reports(tmp_path: Path) -> None:
    folder = write_retraining(tmp_path / "data", record(), None)
    edited = record(id="../../out").model_dump_json()
    (folder / "retraining.json").write_text(edited, encoding="utf-8")
    page = write_retraining_report(tmp_path / "data", folder, tmp_path / "reports")
    assert page == tmp_path / "reports" / "retrainings" / ID / "index.html"


def test_answers_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    folder = write_retraining(tmp_path, record(), all_changed())
    read = read_changed(folder)
    assert [row.slice_id for row in read] == [row.slice_id for row in all_changed()]
    assert read[0].jpeg == all_changed()[0].jpeg
    assert read[0].champion_confidence == pytest.approx(all_changed()[0].champion_confidence)
    (folder / CHANGED_NAME).unlink()
    assert read_changed(folder) == []


def test_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = write_retraining(tmp_path, record(), all_changed())
    (folder / CHANGED_NAME).write_bytes(b"PAR1 no table")
    with pytest.raises(RunRecordError, match=r"changed\.parquet: expected the answers that"):
        write_retraining_report(tmp_path, folder, tmp_path / "reports")


def test_record_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunRecordError, match="expected the record of a retraining"):
        write_retraining_report(tmp_path, tmp_path / "retrainings" / "x", tmp_path / "reports")
