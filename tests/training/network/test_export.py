from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.models.architectures import build_mobilenet, join
from artemis.models.network import open_network
from artemis.models.runtime import softmax
from artemis.training.network.export import export_litert

pytestmark = pytest.mark.slow(seconds=15)


@pytest.fixture(scope="module")
def model() -> Any:
    return join(*build_mobilenet(96, imagenet=None))


@pytest.mark.parametrize("half", [True, False])
def test_exported_network_agrees_with_keras(model: Any, tmp_path: Path, half: bool) -> None:
    pictures = np.random.default_rng(3).integers(0, 256, (20, 96, 96), dtype=np.uint8)
    shapes = export_litert(model, tmp_path / "model.tflite", half=half)
    served = open_network(tmp_path / "model.tflite").run(pictures)
    trained = model(pictures[..., None].astype(np.float32), training=False)["logits"].numpy()
    assert shapes == {"logits": [12], "features": [1280], "maps": [6, 6, 4]}
    assert softmax(served["logits"]) == pytest.approx(softmax(trained), abs=1e-2)
    size = (tmp_path / "model.tflite").stat().st_size
    assert (4.5e6 < size < 7e6) if half else (9e6 < size < 12e6)
