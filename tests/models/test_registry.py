from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from artemis.batches.batch import plan_chunks, start_run, write_plans
from artemis.batches.classify import conclude_chunk, ingest_chunk, predict_chunk
from artemis.errors import ModelError
from artemis.models.champions import promote
from artemis.models.registry import (
    PRETRAINED,
    champion_version,
    check_names,
    list_models,
    load_model,
    model_folder,
)
from artemis.predictions import read_table
from artemis.settings import Settings
from artemis.training.inputs import champion_of
from tests.models.versions import WHO, in_use, make_version


def test_shipped_model_is_the_champion_of_an_empty_workspace(tmp_path: Path) -> None:
    assert model_folder(tmp_path, "baseline").parent == PRETRAINED / "baseline"


def test_promoted_model_takes_the_place_of_the_shipped_one(baseline: Path, tmp_path: Path) -> None:
    promote(tmp_path, "baseline", baseline.name, **WHO)
    assert model_folder(tmp_path, "baseline") == baseline
    champions = [(m.name, folder) for m, folder, champion in list_models(tmp_path) if champion]
    assert champions[1] == ("baseline", baseline)
    assert len(champions) == 2


@pytest.mark.parametrize("version", ["gone", "../../elsewhere", "", "..", "."])
def test_champion_that_is_not_there_is_named(tmp_path: Path, version: str) -> None:
    pointer = tmp_path / "models" / "baseline" / "CHAMPION"
    pointer.parent.mkdir(parents=True)
    pointer.write_text(version)
    with pytest.raises(ModelError, match=r"CHAMPION: expected the version of a model beside it"):
        model_folder(tmp_path, "baseline")


@pytest.mark.parametrize("kind", ["link", "folder", "models on a disk that is not mounted"])
def test_another_model_is_not_used_where_what_names_the_champion_cannot_be_read(
    tmp_path: Path, kind: str
) -> None:
    pointer = tmp_path / "models" / "baseline" / "CHAMPION"
    if kind == "folder":
        pointer.mkdir(parents=True)
    elif kind == "link":
        pointer.parent.mkdir(parents=True)
        pointer.symlink_to("/mnt/not mounted/CHAMPION")
    else:
        (tmp_path / "models").symlink_to("/mnt/not mounted/models")
    for asked in (model_folder, champion_version, champion_of):
        with pytest.raises(ModelError, match=r"CHAMPION: expected a file that names the champion"):
            asked(tmp_path, "baseline")


def test_names_come_in_the_order_of_reports() -> None:
    assert check_names(["baseline", "mobilenet_v2", "baseline"]) == ["mobilenet_v2", "baseline"]


@pytest.mark.parametrize("names", [[], ["resnet"], ["baseline", "../x"]])
def test_unknown_names_are_refused(names: list[str]) -> None:
    with pytest.raises(ModelError, match="expected one or more of mobilenet_v2, baseline"):
        check_names(names)


def test_a_process_loads_a_model_once(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "baseline")
    assert load_model(folder, 1) is load_model(folder, 1)


def classify(samples: Path, workspace: Path, before_chunk: Callable[[int], object]) -> pd.DataFrame:
    settings = Settings(workspace=workspace, chunk_slices=8)
    run, record = start_run(samples, settings, ["baseline"], "a test")
    chunks = plan_chunks(samples, settings)
    write_plans(run, chunks)
    assert len(chunks) > 2
    for chunk in range(len(chunks)):
        before_chunk(chunk)
        ingest_chunk(run, record, chunk, [record.models[0].side])
        predict_chunk(run, record, chunk, "baseline", record.models[0].folder)
        conclude_chunk(run, record, chunk)
    return read_table(run.root, "predictions").drop(columns="run_id")


def test_batch_ends_on_the_model_that_it_began_with(samples: Path, tmp_path: Path) -> None:
    """A promotion between two chunks is for the next batch."""
    make_version(tmp_path, "v1", temperature=0.5)
    make_version(tmp_path, "v2", temperature=9.0)
    promote(tmp_path, "baseline", "v1", **WHO)
    expected = classify(samples, tmp_path, lambda _: None)
    found = classify(
        samples, tmp_path, lambda k: k == 1 and promote(tmp_path, "baseline", "v2", **WHO)
    )
    assert in_use(tmp_path) == "v2"
    assert set(found["model_version"]) == {"v1"}
    pd.testing.assert_frame_equal(found, expected)
    afterwards = classify(samples, tmp_path, lambda _: None)
    assert set(afterwards["model_version"]) == {"v2"}
    assert (afterwards["confidence"] < found["confidence"]).all()
