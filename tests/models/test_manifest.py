from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from artemis.errors import ModelError
from artemis.labels import CATEGORY_NAMES, TUMORS
from artemis.models.manifest import Manifest, load_manifest
from artemis.models.registry import MODEL_NAMES, model_folder
from artemis.preprocess import PREPROCESSING_ID

FLOORS = {"mobilenet_v2": 0.87, "baseline": 0.78}
HELD_OUT = "every slice is predicted by a network that has seen no slice of its group"


def change(folder: Path, **values: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_shipped_model_passes_its_checks(tmp_path: Path, name: str) -> None:
    manifest = load_manifest(model_folder(tmp_path, name))
    assert manifest.name == name
    assert tuple(manifest.categories) == CATEGORY_NAMES
    assert manifest.input.preprocessing == PREPROCESSING_ID
    assert manifest.export_agreement <= 1e-2


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_shipped_model_was_measured_on_patients_it_never_saw(tmp_path: Path, name: str) -> None:
    manifest = load_manifest(model_folder(tmp_path, name))
    accuracy = manifest.evaluation.metrics["accuracy"]
    assert HELD_OUT in manifest.evaluation.protocol
    assert accuracy.low <= accuracy.value <= accuracy.high
    assert accuracy.value >= FLOORS[name]
    confusion = manifest.evaluation.confusion
    correct = sum(confusion[k][k] for k in range(12))
    assert correct / sum(map(sum, confusion)) == pytest.approx(accuracy.value)


def test_shipped_models_are_small(tmp_path: Path) -> None:
    folders = [model_folder(tmp_path, name) for name in MODEL_NAMES]
    size = sum(path.stat().st_size for folder in folders for path in folder.iterdir())
    assert size < 12e6


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_card_states_the_manifests_figures(tmp_path: Path, name: str) -> None:
    folder = model_folder(tmp_path, name)
    card = (folder / "MODEL_CARD.md").read_text()
    accuracy = load_manifest(folder).evaluation.metrics["accuracy"]
    assert f"{accuracy.value:.3f} ({accuracy.low:.3f} to {accuracy.high:.3f})" in card
    assert "For research use only. Not a medical device." in card


def test_other_categories_are_refused(baseline: Path) -> None:
    change(baseline, categories=[*CATEGORY_NAMES[1:], CATEGORY_NAMES[0]])
    with pytest.raises(ModelError, match=r"expected the categories glioma_coronal.*in this order"):
        load_manifest(baseline)


def test_other_preprocessing_is_refused(baseline: Path) -> None:
    manifest = json.loads((baseline / "manifest.json").read_text())
    change(baseline, input=manifest["input"] | {"preprocessing": "stretched"})
    with pytest.raises(ModelError, match=r"expected preprocessing .* Received 'stretched'"):
        load_manifest(baseline)


@pytest.mark.parametrize("name", ["model.tflite", "reference.npz"])
def test_changed_file_is_refused(baseline: Path, name: str) -> None:
    path = baseline / name
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError, match=rf"{name}: expected SHA-256 .* Received"):
        load_manifest(baseline)


def test_missing_file_is_refused(baseline: Path) -> None:
    (baseline / "model.tflite").unlink()
    with pytest.raises(ModelError, match=r"model\.tflite: expected a file of the model"):
        load_manifest(baseline)


def test_file_outside_the_folder_is_refused(baseline: Path) -> None:
    files = json.loads((baseline / "manifest.json").read_text())["files"]
    change(baseline, files=files | {"../../etc/passwd": "0" * 64})
    with pytest.raises(ModelError, match="expected plain file names"):
        load_manifest(baseline)


def test_unhashed_weights_are_refused(baseline: Path) -> None:
    change(baseline, files={})
    with pytest.raises(ModelError, match=r"expected the hashes of model\.tflite"):
        load_manifest(baseline)


@pytest.mark.parametrize("name", ["start.npz", "out_of_fold.parquet"])
def test_model_without_what_it_is_judged_and_started_by_is_refused(
    baseline: Path, name: str
) -> None:
    files = json.loads((baseline / "manifest.json").read_text())["files"]
    del files[name]
    change(baseline, files=files)
    with pytest.raises(ModelError, match=rf"Received none of {name}\. Train the model again"):
        load_manifest(baseline)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"format": 2}', b'{"name": "\xff"}'])
def test_other_json_is_refused(baseline: Path, content: bytes) -> None:
    (baseline / "manifest.json").write_bytes(content)
    with pytest.raises(ModelError, match="expected a manifest of format 1"):
        load_manifest(baseline)


@pytest.mark.parametrize(
    "missing",
    [
        "prediction_sets",
        "out_of_distribution.far_auroc",
        "training.per_source",
        "evaluation.per_plane",
        "evaluation.reliability_equal_mass",
        "evaluation.mistakes",
    ],
)
def test_a_record_that_lacks_a_part_is_refused_by_its_name(baseline: Path, missing: str) -> None:
    manifest = json.loads((baseline / "manifest.json").read_text())
    *above, name = missing.split(".")
    del (manifest[above[0]] if above else manifest)[name]
    (baseline / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match=rf"Received: Field required at {missing}\. Train the"):
        load_manifest(baseline)


def test_shortcut_tests_may_be_missing(baseline: Path) -> None:
    evaluation = json.loads((baseline / "manifest.json").read_text())["evaluation"]
    change(baseline, evaluation=evaluation | {"shortcuts": None})
    assert load_manifest(baseline).evaluation.shortcuts is None


@pytest.mark.parametrize("thresholds", [{"glioma": 0.5}, dict.fromkeys(TUMORS, 1.5)])
def test_thresholds_of_other_tumours_or_beyond_one_are_refused(
    baseline: Path, thresholds: dict[str, float]
) -> None:
    figure = {"value": 0.9, "low": 0.9, "high": 0.9}
    sets = {
        "level": 0.9,
        "method": "lac-groups-1",
        "thresholds": thresholds,
        "fitted_on": "",
        "coverage": figure,
        "mean_size": figure,
        "group_coverage": 0.9,
        "tumor_coverage": {},
    }
    change(baseline, prediction_sets=sets)
    with pytest.raises(ModelError, match=r"a threshold from 0 to 1 for each of glioma, .* at pred"):
        load_manifest(baseline)


def test_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"manifest\.json: expected a model's manifest"):
        load_manifest(tmp_path)


def test_manifest_reads_back_as_written(baseline: Path) -> None:
    manifest = load_manifest(baseline)
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
