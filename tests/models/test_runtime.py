from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from artemis.errors import ModelError
from artemis.models.evidence_map import gives_evidence
from artemis.models.manifest import load_manifest
from artemis.models.network import open_network
from artemis.models.registry import MODEL_NAMES, model_folder
from artemis.models.runtime import ClassificationModel, softmax
from artemis.system.files import sha256_file


@pytest.fixture(scope="module", params=MODEL_NAMES)
def model(request: pytest.FixtureRequest) -> ClassificationModel:
    return ClassificationModel(model_folder(Path("nowhere"), request.param), threads=2)


def noise(model: ClassificationModel, count: int) -> np.ndarray:
    side = model.manifest.input.side
    return np.random.default_rng(7).integers(0, 256, (count, side, side), dtype=np.uint8)


def test_shapes_are_those_of_the_manifest(model: ClassificationModel) -> None:
    output = model.predict(noise(model, 3))
    assert output.logits.shape == (3, 12)
    assert output.features.shape == (3, *model.manifest.outputs["features"])
    assert np.isfinite(output.logits).all()


def test_probabilities_sum_to_one(model: ClassificationModel) -> None:
    probabilities = model.probabilities(model.predict(noise(model, 20)).logits)
    assert probabilities.dtype == np.float32
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert (probabilities >= 0).all()


def test_answers_do_not_depend_on_the_batch(model: ClassificationModel) -> None:
    pictures = noise(model, 19)
    together = model.predict(pictures).logits
    alone = np.concatenate([model.predict(pictures[k : k + 1]).logits for k in range(19)])
    assert together == pytest.approx(alone, abs=2e-3)


def test_threads_get_the_same_answers(model: ClassificationModel) -> None:
    batches = [noise(model, 5)[k : k + 2] for k in range(4)]
    expected = [model.predict(batch).logits for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        received = list(pool.map(lambda batch: model.predict(batch).logits, batches))
    for one, other in zip(expected, received, strict=True):
        assert one == pytest.approx(other, abs=2e-3)


def test_no_pictures_give_no_answers(model: ClassificationModel) -> None:
    assert model.predict(noise(model, 0)).logits.shape == (0, 12)


def test_pictures_of_another_shape_are_refused(model: ClassificationModel) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 pictures .* Received float32"):
        model.predict(np.zeros((1, 8, 8), dtype=np.float32))


def test_maps_are_of_four_tumours_at_places_of_sixteen_pixels() -> None:
    model = ClassificationModel(model_folder(Path("nowhere"), "mobilenet_v2"))
    output = model.predict(noise(model, 4))
    assert output.maps is not None
    places = model.manifest.input.side // 16
    assert output.maps.shape == (4, places, places, 4)
    assert gives_evidence(model.manifest.outputs)


def test_other_flatbuffer_is_refused(baseline: Path) -> None:
    (baseline / "model.tflite").write_bytes(b"not a network" * 50)
    with pytest.raises(ModelError, match=r"model\.tflite: expected a LiteRT flatbuffer"):
        open_network(baseline / "model.tflite")


def test_network_of_another_model_is_refused(baseline: Path) -> None:
    other = model_folder(Path("nowhere"), "mobilenet_v2") / "model.tflite"
    (baseline / "model.tflite").write_bytes(other.read_bytes())
    manifest = load_manifest(model_folder(Path("nowhere"), "baseline"))
    manifest.files["model.tflite"] = sha256_file(other)
    (baseline / "manifest.json").write_text(manifest.model_dump_json())
    with pytest.raises(ModelError, match="expected the outputs"):
        ClassificationModel(baseline)


def test_softmax_of_large_logits_does_not_overflow() -> None:
    assert softmax(np.array([[1000.0, 0.0]], dtype=np.float32)).tolist() == [[1.0, 0.0]]


@pytest.mark.slow
def test_serving_imports_no_tensorflow() -> None:
    code = (
        "import sys; import flows.classify, artemis.batches.batch, artemis.report.run.publish; "
        "from artemis.models.registry import *; from pathlib import Path; "
        "load_model(model_folder(Path('nowhere'), 'baseline')); "
        "heavy = {'tensorflow', 'keras'} & {name.split('.')[0] for name in sys.modules}; "
        "sys.exit(', '.join(heavy) or 0)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


def test_opening_a_model_says_nothing(tmp_path: Path) -> None:
    code = (
        "from artemis.models.registry import *; from pathlib import Path; import numpy as np; "
        "model = load_model(model_folder(Path('nowhere'), 'baseline')); "
        "model.predict(np.zeros((20, 150, 150), dtype=np.uint8))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
