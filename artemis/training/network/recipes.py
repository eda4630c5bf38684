"""How each model is trained: every number in one place, recorded in its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any, Final

from artemis.training.network.augmentation import Augmentation


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of one training.

    Attributes
    ----------
    model : {'mobilenet_v2', 'baseline'}
        Architecture.
    side : int
        Edge of the model input in pixels.
    epochs, batch_size : int
        Passes over the training set, and pictures a step.
    learning_rate : float
        Peak; reached after `warmup_epochs`, then decayed to 0 along a cosine
        (Loshchilov and Hutter, ICLR 2017).
    weight_decay : float
        Decoupled, of AdamW (Loshchilov and Hutter, ICLR 2019).
    label_smoothing : float
        Share of the target spread over all categories.
    balance : float
        Weight of a category is its frequency to the power of minus this; 0 is none.
    dropout : float
        Share of pooled features dropped (mobilenet_v2).
    augmentation : Augmentation or None
        Random changes; None for none.
    all_layers : bool
        Train MobileNetV2's stem too, which else stays as ImageNet left it. Needs `draws`.
    draws : int
        Random variants of each picture that are made once and trained on in turn, at most
        one an epoch: of the fixed stem's output, or where there is none, of the picture. Without
        them, every epoch changes each picture anew (baseline).
    mixup : float
        Parameter of the beta distribution by which two pictures' stem outputs are mixed,
        the first with at least half (manifold mixup, Verma et al., ICML 2019); 0 is none.
        Needs `draws`.
    box_weight : float
        Weight of the loss that draws the attention into the tumour box, where one is
        known (mobilenet_v2).
    place_weight : float
        Weight of the loss that names the tumour type at each place by itself, where it is
        known (mobilenet_v2).
    teachers : int
        Networks that are trained first, by the same recipe on the same pictures, each from a
        seed of its own, and then teach the one that is kept (distillation, Hinton et al., 2015,
        arXiv 1503.02531). Needs `draws`.
    taught : float
        Share of the target that is the mean of the teachers' probabilities for the same variant
        of the picture, instead of its label.
    original : bool
        The baseline as it was in 2022.
    seed : int
        Of initial weights, order and augmentation.
    """

    model: str
    side: int
    epochs: int
    batch_size: int = 32
    learning_rate: float = 1e-3
    warmup_epochs: float = 1.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    balance: float = 0.0
    dropout: float = 0.0
    augmentation: Augmentation | None = None
    all_layers: bool = False
    draws: int = 0
    mixup: float = 0.0
    box_weight: float = 0.0
    place_weight: float = 0.0
    teachers: int = 0
    taught: float = 0.0
    original: bool = False
    seed: int = 20_221_012

    def record(self) -> dict[str, Any]:
        """Return the recipe as plain values for a manifest."""
        return asdict(self)

    @property
    def learns_of_stem(self) -> bool:
        """Whether it is the outputs of a stem that stays as it is that are trained on."""
        return self.model == "mobilenet_v2" and not self.all_layers

    def with_epochs(self, epochs: int) -> Recipe:
        """Return the recipe with another number of epochs."""
        return replace(self, epochs=epochs)

    def teacher(self, number: int) -> Recipe:
        """Return the recipe of one of its teachers, counted from 1."""
        return replace(self, teachers=0, taught=0.0, seed=self.seed + number)

    def with_side(self, side: int) -> Recipe:
        """Return the recipe with another size of pictures."""
        return replace(self, side=side)

    def warm(self) -> Recipe:
        """Return the recipe for a start from an earlier model: shorter and gentler."""
        return replace(
            self, epochs=max(1, round(self.epochs / 3)), learning_rate=self.learning_rate / 3
        )


_MOBILENET_V2: Final = Recipe(
    model="mobilenet_v2",
    side=192,
    epochs=12,
    learning_rate=6e-4,
    weight_decay=0.02,
    label_smoothing=0.1,
    balance=0.35,
    dropout=0.4,
    augmentation=Augmentation(),
    draws=12,
    mixup=0.4,
    box_weight=0.3,
    place_weight=0.3,
)

_BASELINE: Final = Recipe(
    model="baseline",
    side=150,
    epochs=18,
    learning_rate=3e-3,
    weight_decay=0.01,
    label_smoothing=0.02,
    balance=0.35,
    augmentation=Augmentation(
        rotation=8, zoom=0.08, stretch=0.04, shift=0.04, gamma=0.2, noise=0.02, erase=0.0
    ),
)

RECIPES: Final = {
    "mobilenet_v2": _MOBILENET_V2,
    "mobilenet_v2_all_layers": replace(_MOBILENET_V2, epochs=24, draws=24, all_layers=True),
    "mobilenet_v2_taught": replace(
        _MOBILENET_V2, epochs=24, draws=24, all_layers=True, teachers=2, taught=0.7
    ),
    "mobilenet_v2_other_looks": replace(
        _MOBILENET_V2, augmentation=Augmentation(remap=0.35, blur=0.25)
    ),
    "baseline": _BASELINE,
    "baseline_original": Recipe(
        model="baseline", side=150, epochs=40, original=True, warmup_epochs=0.0
    ),
}
"""Recipes by name: those that are used unless another is named have their models' names. Others
train all layers of MobileNetV2, let teachers teach it (so the shipped one was trained), or are for
blurred pictures and other grey values; the last is the baseline as it was in 2022."""


_DEFAULTS: Final = {one.name: one.default for one in fields(Recipe) if one.default is not MISSING}


def completed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest's record with the settings that its version did not have yet.

    They are at their defaults, by which a training is what it was without them.
    """
    return _DEFAULTS | dict(record)


def recipe_of(record: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a manifest's record, see `Recipe.record`."""
    augmentation = record["augmentation"]
    made = None if augmentation is None else Augmentation(**augmentation)
    return Recipe(**{**record, "augmentation": made})
