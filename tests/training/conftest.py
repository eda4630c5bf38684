"""Pictures that several tests of training share. TensorFlow is imported where one is asked for."""

from __future__ import annotations

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


@pytest.fixture(scope="session")
def boxed(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Noise with a bright square whose box is known, in every other picture."""
    from tests.training.small import draw_boxed

    return draw_boxed(tmp_path_factory.mktemp("boxed"))
