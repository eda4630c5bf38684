from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artemis.errors import ModelError
from artemis.models.manifest import WEIGHTS_NAME
from artemis.models.network import (
    Network,
    choose_runtime,
    installed_runtimes,
    open_network,
    runtime_for,
)
from artemis.models.registry import MODEL_NAMES, model_folder
from artemis.models.runtime import ClassificationModel
from artemis.preprocess import model_input, square_box
from artemis.settings import Runtime, Settings


def weights(name: str) -> Path:
    return model_folder(Path("nowhere"), name) / WEIGHTS_NAME


@lru_cache
def opened(name: str, runtime: Runtime = "litert") -> Network:
    """Open a shipped network for two threads, once for this module."""
    return open_network(weights(name), 2, runtime)


@pytest.fixture(scope="module", autouse=True)
def _closed() -> Iterator[None]:
    yield
    opened.cache_clear()


def noise(name: str, count: int) -> np.ndarray:
    side = opened(name).side
    return np.random.default_rng(7).integers(0, 256, (count, side, side), dtype=np.uint8)


@pytest.fixture(params=MODEL_NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["openvino", "tensorflow"])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    pytest.importorskip(request.param, reason="needs its extra")
    return request.param


@pytest.mark.parametrize("count", [0, 1, 4, 9])
def test_another_runtime_answers_as_litert_does_whatever_the_count(
    name: str, runtime: Runtime, count: int
) -> None:
    pictures = noise(name, count)
    expected = opened(name).run(pictures)
    network = opened(name, runtime)
    if network.precision != "f32":
        pytest.skip(f"this processor calculates with {network.precision}")
    received = network.run(pictures)
    assert received.keys() == expected.keys()
    for output, values in expected.items():
        assert received[output].shape == values.shape
        assert received[output] == pytest.approx(values, abs=5e-3), output


def test_answers_of_litert_are_the_same_bits_whatever_shares_its_batches(name: str) -> None:
    pictures = noise(name, 11)
    one, nine = (open_network(weights(name), threads).run(pictures) for threads in (1, 9))
    assert {output: len(values) for output, values in one.items()} == dict.fromkeys(nine, 11)
    for output, values in one.items():
        assert np.array_equal(values, nine[output]), output
        assert len(np.unique(values.reshape(11, -1), axis=0)) == 11  # each picture has its own


def test_picture_that_litert_cannot_take_is_said_and_the_next_ones_are_answered() -> None:
    network = open_network(weights("baseline"), 8)
    pictures = noise("baseline", 9)
    expected = network.run(pictures)["logits"]
    with pytest.raises(ValueError, match="Cannot set tensor"):
        network.run(pictures.astype(np.float64))
    assert np.array_equal(network.run(pictures)["logits"], expected)


def test_another_runtime_serves_threads_each_its_own_answers(runtime: Runtime) -> None:
    network = opened("baseline", runtime)
    batches = [noise("baseline", 12)[k : k + 3] for k in range(0, 12, 3)]
    expected = [network.run(batch)["logits"] for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        received = list(pool.map(lambda batch: network.run(batch)["logits"], batches))
    for one, other in zip(expected, received, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_only_what_is_installed_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artemis.models.network._GPUS", ())
    assert installed_runtimes() == ["litert", "openvino"]
    monkeypatch.setattr("artemis.models.network._GPUS", ("/dev/null",))
    assert installed_runtimes() == ["litert", "openvino", "tensorflow"]
    monkeypatch.setattr("artemis.models.network.find_spec", lambda module: None)
    assert installed_runtimes() == ["litert"]


def test_absent_runtime_is_refused_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match=r"not installed\. Install the extra `openvino`, or set"):
        open_network(weights("baseline"), 1, "openvino")
    monkeypatch.delitem(sys.modules, "artemis.models.tensorflow_network", raising=False)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ModelError, match=r"not installed\. Install the extra `train`, or set"):
        open_network(weights("baseline"), 1, "tensorflow")


def test_operator_that_is_not_known_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorflow", reason="needs the extra `train`")
    from artemis.models import tensorflow_network

    known = {k: v for k, v in tensorflow_network._OPERATORS.items() if k != 14}
    monkeypatch.setattr(tensorflow_network, "_OPERATORS", known)
    with pytest.raises(ModelError, match=r"Received: LOGISTIC\. Set ARTEMIS_RUNTIME=litert"):
        open_network(weights("baseline"), 1, "tensorflow")


@pytest.mark.parametrize("runtime", ["litert", "openvino", "tensorflow"])
def test_a_runtime_asked_for_is_taken_unmeasured(runtime: Runtime) -> None:
    chosen = choose_runtime(runtime, (Path("never/read"),), 1)
    assert (chosen.runtime, chosen.milliseconds) == (runtime, {})
    assert str(chosen).startswith(f"{runtime} in ")


def test_auto_measures_every_runtime_and_says_so() -> None:
    chosen = choose_runtime("auto", (weights("baseline"),), 1)
    assert list(chosen.milliseconds) == ["litert", "openvino"]
    assert all(0 < milliseconds < 10_000 for milliseconds in chosen.milliseconds.values())
    litert, openvino = chosen.milliseconds["litert"], chosen.milliseconds["openvino"]
    assert chosen.runtime == ("openvino" if litert > 1.05 * openvino else "litert")
    assert "chosen by a probe (ms a picture: litert " in str(chosen)
    assert choose_runtime("auto", (weights("baseline"),), 1) is chosen


def test_one_probe_serves_whatever_the_order_of_the_models() -> None:
    folders = [model_folder(Path("nowhere"), name) for name in MODEL_NAMES]
    settings = Settings(runtime="auto", threads=1)
    assert runtime_for(folders, settings) is runtime_for(reversed(folders), settings)


def test_a_runtime_says_nothing_and_asks_nobody() -> None:
    code = (
        "import socket, numpy as np; from pathlib import Path\n"
        "def refuse(*a): raise SystemExit('it wants the network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from artemis.models.registry import load_model, model_folder\n"
        "model = load_model(model_folder(Path('nowhere'), 'baseline'), 1, 'openvino')\n"
        "model.predict(np.zeros((5, 150, 150), np.uint8))\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


@pytest.fixture(scope="module")
def greys(brain_mri: Path) -> list[np.ndarray]:
    """500 real pictures."""
    paths = sorted(brain_mri.rglob("*.jpg"))
    return [np.asarray(Image.open(path).convert("L")) for path in paths[:: len(paths) // 500][:500]]


@pytest.mark.slow(seconds=50)
def test_runtimes_agree_on_500_real_pictures(greys: list[np.ndarray], name: str) -> None:
    pytest.importorskip("tensorflow", reason="needs the extra `train`")
    folder = model_folder(Path("nowhere"), name)
    model = ClassificationModel(folder)
    side = model.manifest.input.side
    pictures = np.stack([model_input(grey, side, square_box(grey)) for grey in greys])
    assert len(pictures) == 500
    one = model.probabilities(model.predict(pictures).logits)
    for runtime in ("openvino", "tensorflow"):
        other = ClassificationModel(folder, runtime=runtime)
        two = other.probabilities(other.predict(pictures).logits)
        if opened(name, runtime).precision == "f32":
            assert np.abs(one - two).max() < 1e-2
            assert (one.argmax(axis=1) == two.argmax(axis=1)).all()
        else:  # of bfloat16, which has 8 bits: what its differences are, `benchmark` reports
            assert (one.argmax(axis=1) == two.argmax(axis=1)).mean() > 0.97
