from __future__ import annotations

from pathlib import Path

import pytest

from artemis.errors import ModelError
from artemis.models.champions import promote, settle
from artemis.models.decisions import Verdict
from artemis.models.registry import find_version, list_models, model_folder, show
from tests.models.versions import SHIPPED, WHO, make_version, verdict_for


def test_version_is_found_by_name_by_version_and_by_their_beginning(tmp_path: Path) -> None:
    for version in ("20270101-aaa111", "20270101-aab222"):
        make_version(tmp_path, version)
    folder = tmp_path / "models" / "baseline" / "20270101-aaa111"
    assert find_version(tmp_path, "baseline") == SHIPPED
    for wanted in ("baseline@20270101-aaa111", "20270101-aaa111", "20270101-aaa"):
        assert find_version(tmp_path, wanted) == folder
    assert find_version(tmp_path, f"baseline@{SHIPPED.name[:-1]}") == SHIPPED
    promote(tmp_path, "baseline", folder.name, **WHO)
    assert find_version(tmp_path, "baseline") == folder


def test_whole_version_is_meant_before_those_that_it_begins(tmp_path: Path) -> None:
    for version in ("v1", "v10"):
        make_version(tmp_path, version)
    assert find_version(tmp_path, "v1").name == "v1"


def test_workspaces_copy_of_a_shipped_version_is_meant(baseline: Path, tmp_path: Path) -> None:
    assert find_version(tmp_path, baseline.name) == baseline


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            "baseline@2027",
            "Models: expected one version that 'baseline@2027' means. Received 2: "
            "baseline@20270101-aaa111, baseline@20270101-aab222. Give more of it, as in "
            "name@version.",
        ),
        (
            "baseline@x",
            "Models: expected one version that 'baseline@x' means. Received none. Give more of it, "
            f"as in name@version; there are baseline@{SHIPPED.name}, baseline@20270101-aaa111, "
            "baseline@20270101-aab222.",
        ),
        ("resnet@1", "Models: expected one or more of mobilenet_v2, baseline. Received: resnet."),
        ("", "expected one version that '' means. Received none."),
        ("baseline@", "expected one version that 'baseline@' means. Received none."),
        ("../baseline", "expected one version that '../baseline' means. Received none."),
    ],
)
def test_version_that_is_not_unique_or_not_there_is_named(
    tmp_path: Path, wanted: str, message: str
) -> None:
    for version in ("20270101-aaa111", "20270101-aab222"):
        make_version(tmp_path, version)
    with pytest.raises(ModelError) as raised:
        find_version(tmp_path, wanted)
    assert message in str(raised.value)


def test_version_is_shown_with_its_decisions(tmp_path: Path) -> None:
    make_version(tmp_path, "v1")
    kept = settle(tmp_path, verdict_for(tmp_path, "v1", verdict=Verdict.KEEP))
    promoted = promote(tmp_path, "baseline", "v1", **WHO)
    shown = show(tmp_path, "v1")
    assert shown.decisions == [kept, promoted]
    assert (shown.model.manifest.version, shown.model.champion) == ("v1", True)
    assert show(tmp_path, SHIPPED.name).decisions == []
    assert show(tmp_path, SHIPPED.name).model.champion is False


def test_versions_are_listed_by_their_names_wherever_they_lie(tmp_path: Path) -> None:
    for version in ("20270102-bbb222", "20270101-aaa111"):
        make_version(tmp_path, version)
    promote(tmp_path, "baseline", "20270101-aaa111", **WHO)
    listed = [one for one in list_models(tmp_path) if one.manifest.name == "baseline"]
    assert [(one.manifest.version, one.champion) for one in listed] == [
        (SHIPPED.name, False),
        ("20270101-aaa111", True),
        ("20270102-bbb222", False),
    ]


def test_installation_without_a_model_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artemis.models.registry.PRETRAINED", tmp_path / "nothing")
    with pytest.raises(ModelError, match=r"baseline: expected a shipped model\. Received none"):
        model_folder(tmp_path, "baseline")
