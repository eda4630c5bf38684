"""A version of mobilenet_v2 with evidence maps: the real network, small and untrained."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from artemis.models.manifest import (
    MODEL_FILES,
    OUT_OF_FOLD_NAME,
    REFERENCE_NAME,
    START_NAME,
    WEIGHTS_NAME,
    load_manifest,
)
from artemis.models.ood import fit_reference
from artemis.models.registry import PRETRAINED
from artemis.system.files import sha256_file

SIDE = 64


def export_mapping_model(folder: Path) -> Path:
    """Write a model folder whose network maps its evidence; needs TensorFlow.

    Its manifest is the shipped one with what differs replaced.
    """
    from artemis.models.architectures import build_mobilenet, join
    from artemis.training.network.export import export_litert

    folder.mkdir(parents=True)
    network = join(*build_mobilenet(SIDE, imagenet=None, seed=3))
    outputs = export_litert(network, folder / WEIGHTS_NAME)
    random = np.random.default_rng(0)
    features = random.normal(size=(40, 1280)).astype(np.float32)
    pictures = random.integers(0, 256, (40, SIDE, SIDE), dtype=np.uint8)
    fit_reference(features, np.arange(40) % 12, pictures).save(folder / REFERENCE_NAME)
    source = next((PRETRAINED / "mobilenet_v2").iterdir())
    for name in (START_NAME, OUT_OF_FOLD_NAME):
        shutil.copy(source / name, folder)
    shipped = load_manifest(source)
    files = {name: sha256_file(folder / name) for name in MODEL_FILES}
    manifest = shipped.model_copy(
        update={
            "version": folder.name,
            "input": shipped.input.model_copy(update={"side": SIDE}),
            "outputs": outputs,
            "temperature": 1.0,
            "files": files,
        }
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return folder
