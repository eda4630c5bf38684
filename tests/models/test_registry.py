from __future__ import annotations

from pathlib import Path

import pytest

from artemis.errors import ModelError
from artemis.models.registry import (
    PRETRAINED,
    check_names,
    list_models,
    load_model,
    model_folder,
    promote,
)


def test_shipped_model_is_the_champion_of_an_empty_workspace(tmp_path: Path) -> None:
    assert model_folder(tmp_path, "baseline").parent == PRETRAINED / "baseline"


def test_promoted_model_takes_the_place_of_the_shipped_one(baseline: Path, tmp_path: Path) -> None:
    promote(tmp_path, "baseline", baseline.name)
    assert model_folder(tmp_path, "baseline") == baseline
    champions = [(m.name, folder) for m, folder, champion in list_models(tmp_path) if champion]
    assert champions[1] == ("baseline", baseline)
    assert len(champions) == 2


def test_damaged_model_is_not_promoted(baseline: Path, tmp_path: Path) -> None:
    (baseline / "model.tflite").write_bytes(b"")
    with pytest.raises(ModelError, match="expected SHA-256"):
        promote(tmp_path, "baseline", baseline.name)
    assert model_folder(tmp_path, "baseline") != baseline


@pytest.mark.parametrize("version", ["gone", "../../elsewhere", ""])
def test_champion_that_is_not_there_is_named(tmp_path: Path, version: str) -> None:
    pointer = tmp_path / "models" / "baseline" / "CHAMPION"
    pointer.parent.mkdir(parents=True)
    pointer.write_text(version)
    with pytest.raises(ModelError, match=r"CHAMPION: expected the version of a model beside it"):
        model_folder(tmp_path, "baseline")


def test_names_come_in_the_order_of_reports() -> None:
    assert check_names(["baseline", "mobilenet_v2", "baseline"]) == ["mobilenet_v2", "baseline"]


@pytest.mark.parametrize("names", [[], ["resnet"], ["baseline", "../x"]])
def test_unknown_names_are_refused(names: list[str]) -> None:
    with pytest.raises(ModelError, match="expected one or more of mobilenet_v2, baseline"):
        check_names(names)


def test_a_process_loads_a_model_once(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "baseline")
    assert load_model(folder, 1) is load_model(folder, 1)
