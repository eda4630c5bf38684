"""Pictures that several tests of training share. TensorFlow is imported where one is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from artemis.training.labelled.dataset import TrainingSet
    from artemis.training.network.feeds import Samples


@pytest.fixture(scope="session")
def shapes() -> TrainingSet:
    """Pictures that a network can tell apart: a bright square in one of twelve places."""
    from tests.training.small import draw_shapes

    return draw_shapes()


@pytest.fixture(scope="module")
def small_baseline() -> Iterator[None]:
    """The baseline's recipe, of small pictures and without graphs, for whole trainings.

    Of a step an epoch: without a graph, a step is Keras's own work more than the pictures'.
    """
    from artemis.training.network.recipes import RECIPES
    from tests.training.small import eagerly, small

    with pytest.MonkeyPatch.context() as patch, eagerly():
        patch.setitem(RECIPES, "baseline", small(augmentation=None, batch_size=192))
        yield


@pytest.fixture(scope="session")
def boxed(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Noise with a bright square whose box is known, in every other picture."""
    from tests.training.small import draw_boxed

    return draw_boxed(tmp_path_factory.mktemp("boxed"))
