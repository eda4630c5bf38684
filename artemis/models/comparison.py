"""Two models side by side: figures from their manifests, and answers to the same pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from artemis.models.manifest import Interval, Manifest, load_manifest
from artemis.models.registry import find_version, model_folder
from artemis.models.runtime import ClassificationModel


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two models agree on a set of pictures.

    Attributes
    ----------
    slices : int
        Number of pictures.
    equal_share : float
        Share of them with the same most probable category, 0 to 1.
    largest_difference : float
        Of any category's probability for any picture, 0 to 1; infinite if one is not finite.
    sha256 : str
        Of the pictures.
    """

    slices: int
    equal_share: float
    largest_difference: float
    sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What two models say of the same pictures.

    Attributes
    ----------
    a, b : ndarray, (n, 12), float32
        Calibrated probabilities of each.
    sha256 : str
        Of the pictures.
    """

    a: NDArray[np.float32]
    b: NDArray[np.float32]
    sha256: str

    @property
    def differing(self) -> NDArray[np.int64]:
        """Positions of the pictures whose most probable category differs, ascending."""
        return np.flatnonzero(self.a.argmax(axis=1) != self.b.argmax(axis=1))

    @property
    def agreement(self) -> Agreement:
        """How far the two agree."""
        n, apart = len(self.a), np.abs(self.a.astype(np.float64) - self.b)
        largest = float(apart.max()) if n else 0.0
        return Agreement(
            slices=n,
            equal_share=1 - len(self.differing) / n if n else 0.0,
            largest_difference=largest if np.isfinite(largest) else float("inf"),
            sha256=self.sha256,
        )


class ComparedModel(BaseModel):
    """One side of a comparison: which model it is, and how its figures came about."""

    name: str
    version: str
    champion: bool
    protocol: str
    images: int
    groups: int
    training_images: int
    training_set_sha256: str


class ComparedFigure(BaseModel):
    """A figure of both models; the difference (a - b) only where the protocols are the same."""

    a: Interval | None
    b: Interval | None
    difference: float | None


class Comparison(BaseModel):
    """Two models' manifests side by side.

    `figures` are by metric, `recalls` by category; a figure that a manifest lacks is None.
    """

    a: ComparedModel
    b: ComparedModel
    same_protocol: bool
    figures: dict[str, ComparedFigure]
    recalls: dict[str, ComparedFigure]


def compare(workspace: Path, a: str, b: str) -> Comparison:
    """Put the figures of two models' manifests side by side.

    Parameters
    ----------
    workspace : Path
        Holds the models over the shipped ones.
    a, b : str
        As `artemis.models.registry.find_version` takes them.

    Raises
    ------
    ModelError
        If one is not there, is not unique, or is damaged.
    """
    folders = [find_version(workspace, wanted) for wanted in (a, b)]
    manifests = [load_manifest(folder) for folder in folders]
    first, second = (
        _side(manifest, folder == model_folder(workspace, manifest.name))
        for manifest, folder in zip(manifests, folders, strict=True)
    )
    same = (first.protocol, first.images, first.groups) == (
        second.protocol,
        second.images,
        second.groups,
    )
    metrics = [manifest.evaluation.metrics for manifest in manifests]
    recalls: list[dict[str, Interval | None]] = [
        {name: found.recall for name, found in manifest.evaluation.per_category.items()}
        for manifest in manifests
    ]
    return Comparison(
        a=first,
        b=second,
        same_protocol=same,
        figures=_side_by_side(metrics[0], metrics[1], same),
        recalls=_side_by_side(recalls[0], recalls[1], same),
    )


def compare_answers(
    a: ClassificationModel, b: ClassificationModel, pictures: Mapping[int, NDArray[np.uint8]]
) -> Answers:
    """Let two models answer the same pictures.

    Parameters
    ----------
    a, b : ClassificationModel
        Loaded models; their inputs may be of different sizes.
    pictures : mapping of int to ndarray, (n, side, side), uint8
        The same pictures as model inputs, by edge.

    Raises
    ------
    ValueError
        If the size that one takes is not there, or there are not as many of each.
    """
    sides = [model.manifest.input.side for model in (a, b)]
    missing = [side for side in sides if side not in pictures]
    if missing or len({len(pictures[side]) for side in sides}) > 1:
        raise ValueError(
            f"Pictures: expected the same number with edges of {sides[0]} and {sides[1]}. "
            f"Received { {side: len(stack) for side, stack in pictures.items()} }."
        )
    answers = [
        model.probabilities(model.predict(pictures[side]).logits)
        for model, side in zip((a, b), sides, strict=True)
    ]
    digest = hashlib.sha256()
    for side in sorted(set(sides)):
        digest.update(f"{side} {len(pictures[side])} ".encode())
        digest.update(np.ascontiguousarray(pictures[side]).tobytes())
    return Answers(answers[0], answers[1], digest.hexdigest())


def _side(manifest: Manifest, champion: bool) -> ComparedModel:
    return ComparedModel(
        name=manifest.name,
        version=manifest.version,
        champion=champion,
        protocol=manifest.evaluation.protocol,
        images=manifest.evaluation.images,
        groups=manifest.evaluation.groups,
        training_images=manifest.training.images,
        training_set_sha256=manifest.training.training_set_sha256,
    )


def _side_by_side(
    a: Mapping[str, Interval | None], b: Mapping[str, Interval | None], same: bool
) -> dict[str, ComparedFigure]:
    figures = {}
    for name in dict.fromkeys([*a, *b]):
        first, second = a.get(name), b.get(name)
        difference = first.value - second.value if same and first and second else None
        figures[name] = ComparedFigure(a=first, b=second, difference=difference)
    return figures
