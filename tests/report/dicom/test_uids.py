from __future__ import annotations

from pydicom.uid import UID

from artemis.report.dicom.uids import ROOT, derived_uid


def test_the_same_names_give_the_same_identifier_under_the_root() -> None:
    uid = derived_uid("run", "1.2.3", "report")
    assert uid == derived_uid("run", "1.2.3", "report")
    assert uid.startswith(ROOT)
    assert UID(uid).is_valid


def test_names_do_not_run_into_each_other() -> None:
    assert derived_uid("ab", "c") != derived_uid("a", "bc")
