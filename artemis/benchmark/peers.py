"""What a user would write without Artemis, on the same files; needs the extra `train`.

The networks are those of the models' architectures with weights from a seed, since a shipped
model holds none for Keras: they cost the same, and say nothing of the pictures. That Keras runs
here what LiteRT runs there is checked on the export of the same network.

Neither peer hashes files, checks quality, scores distance, writes tables or makes a report.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artemis.benchmark.peer_process import CHECKS, LOOP, PIPELINE
from artemis.benchmark.record import Check
from artemis.models.architectures import build_baseline, build_mobilenet, join
from artemis.models.network import open_network
from artemis.models.runtime import softmax
from artemis.training.network.export import export_litert

_BATCH: Final = 32
_ALIKE: Final = 1e-2
_CHECKED: Final = 16
_SHARP: Final = 5.0  # to which the largest logit is scaled for the comparison


class Peers:
    """Keras networks of some models, and two ways of running them on a folder of pictures.

    Parameters
    ----------
    folder : Path
        Holds pictures that Pillow and TensorFlow read, and nothing else.
    sides : mapping of str to int
        Which architectures, by name, at which edges in pixels.
    """

    def __init__(self, folder: Path, sides: Mapping[str, int]) -> None:
        self._files = sorted(folder.iterdir())
        self._folder = folder
        self._networks = {name: (side, _network(name, side)) for name, side in sides.items()}
        for side, network in self._networks.values():  # traced before anything is timed
            for count in {_BATCH, len(self._files) % _BATCH} - {0}:
                network.predict(np.zeros((count, side, side, 1), np.float32), verbose=0)

    def loop(self) -> None:
        """Decode each file in full, resize it, and predict: one model after the other."""
        for side, network in self._networks.values():
            self._count(network.predict(self._pictures(side), batch_size=_BATCH, verbose=0))

    def pipeline(self) -> None:
        """Let `keras.utils.image_dataset_from_directory` feed `predict`, model by model."""
        for side, network in self._networks.values():
            data = keras.utils.image_dataset_from_directory(
                self._folder,
                labels=None,
                color_mode="grayscale",
                batch_size=_BATCH,
                image_size=(side, side),
                shuffle=False,
                verbose=False,
            )
            self._count(network.predict(data, verbose=0))

    def checks(self) -> list[Check]:
        """Compare Keras with LiteRT on the same network and pictures."""
        checks = []
        for name, (side, network) in self._networks.items():
            pictures = self._pictures(side)[:_CHECKED]
            keras_says = network.predict(pictures, verbose=0)["logits"]
            with tempfile.TemporaryDirectory() as scratch:
                path = Path(scratch) / "model.tflite"
                export_litert(network, path)
                output = open_network(path).run(pictures[..., 0].astype(np.uint8))
            # Untrained, all twelve are nearly as probable: sharpened, a difference shows.
            sharpness = _SHARP / float(np.abs(keras_says).max())
            says, said = (softmax(each * sharpness) for each in (output["logits"], keras_says))
            difference = float(np.abs(says - said).max())
            checks.append(
                Check(name=f"{name}: Keras and LiteRT", difference=difference, limit=_ALIKE)
            )
        return checks

    def _pictures(self, side: int) -> NDArray[np.float32]:
        pictures = [
            np.asarray(Image.open(path).convert("L").resize((side, side)), dtype=np.float32)
            for path in self._files
        ]
        return np.stack(pictures)[..., None]

    def _count(self, outputs: dict[str, Any]) -> None:
        if outputs["logits"].shape != (len(self._files), 12):
            raise ValueError(
                f"{self._folder}: expected answers for {len(self._files)} pictures. "
                f"Received {outputs['logits'].shape}."
            )


def _network(name: str, side: int) -> keras.Model:
    if name == "baseline":
        return build_baseline(side)
    return join(*build_mobilenet(side, imagenet=None))


def serve() -> None:
    """Answer `artemis.benchmark.peer_process.PeerProcess` until standard input closes."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # what Keras prints must not be taken for an answer
        first = json.loads(sys.stdin.readline())
        peers = Peers(Path(first["folder"]), first["sides"])
        print(json.dumps("ready"), file=answers, flush=True)  # the pipe's line
        for line in sys.stdin:
            print(json.dumps(_answer(peers, json.loads(line))), file=answers, flush=True)


def _answer(peers: Peers, question: str) -> Any:
    if question == CHECKS:
        return [check.model_dump() for check in peers.checks()]
    begun = time.perf_counter()
    {LOOP: peers.loop, PIPELINE: peers.pipeline}[question]()
    return time.perf_counter() - begun
