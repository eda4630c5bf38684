"""Networks that are taught by others."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.errors import ModelError, RunEndedError
from artemis.models.runtime import softmax
from artemis.progress import Progress, listening
from artemis.system.ending import watching
from artemis.training.network.draws import Draws
from artemis.training.network.feeds import Drawn, Samples
from artemis.training.network.fit import Epoch, fit
from artemis.training.network.fitted import Fitted, build
from artemis.training.network.recipes import RECIPES
from artemis.training.network.taught import train_network
from artemis.training.network.weights import read_weights, save_weights
from tests.training.small import draw_noise, eagerly, small, tiny

pytestmark = pytest.mark.slow(seconds=30)

ROWS = np.arange(16)


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return draw_noise(small(draws=2, epochs=2), tmp_path_factory.mktemp("cache"))


def test_target_is_the_label_and_by_a_share_what_teachers_say_of_the_same_variant(
    baseline: Samples,
) -> None:
    said = np.random.default_rng(0).random((24, 2, 12)).astype(np.float16)
    recipe = small(draws=2, taught=0.75, batch_size=4)
    feed = Drawn(recipe, replace(baseline, teaching=said), ROWS)
    told = Drawn(recipe, baseline, ROWS)
    feed.start(1)
    told.start(1)
    pictures, truth, _ = feed[2]
    labels = told[2][1]["logits"]
    assert baseline.draws is not None
    for picture, target, label in zip(pictures, truth["logits"], labels, strict=True):
        row, variant = next(
            (row, variant)
            for row in ROWS
            for variant in (1, 2)
            if np.array_equal(baseline.draws.features[row, variant], picture)
        )
        assert label.argmax() == row % 12
        assert target == pytest.approx(0.25 * label + 0.75 * said[row, variant - 1], abs=1e-3)


# Of one step an epoch, on twelve of the rows: which, hangs on the order.
TWICE = small(draws=2, epochs=2, batch_size=12, teachers=2, taught=0.7, learning_rate=0.01)
STAGES = ("fold 1, teacher 1 of 2", "fold 1, teacher 2 of 2", "fold 1")
EVERY_EPOCH = [(stage, number) for stage in STAGES for number in (1, 2)]


def answers_of(folder: Path) -> list[np.ndarray]:
    """What the two teachers of a training said."""
    return [np.load(folder / f"teacher-{number}" / "answers.npy") for number in (1, 2)]


@dataclass(frozen=True)
class Trained:
    """A training that was never ended: its folder, what it told, and its network's answers."""

    folder: Path
    told: list[tuple[str, int]]
    logits: np.ndarray


@pytest.fixture(scope="module")
def never_ended(baseline: Samples, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder, told = tmp_path_factory.mktemp("whole"), []

    def reporter(stage: str) -> Callable[[Epoch], None]:
        return lambda epoch: told.append((stage, epoch.number))

    with eagerly():
        fitted = train_network(
            TWICE, baseline, ROWS, "fold 1", checkpoint=folder, reporter=reporter
        )
        return Trained(folder, told, fitted.predict(baseline, ROWS)["logits"])


def test_teachers_learn_first_each_from_its_own_seed(never_ended: Trained) -> None:
    assert never_ended.told == EVERY_EPOCH
    one, two = answers_of(never_ended.folder)
    assert one.shape == (24, 2, 12)
    assert one[ROWS].sum(axis=2) == pytest.approx(1, abs=0.01)
    assert not one[16:].any()
    assert np.abs(one - two).max() > 0.02


def test_training_that_is_ended_in_any_stage_goes_on_there(
    baseline: Samples, never_ended: Trained, tmp_path: Path
) -> None:
    """Once in each stage in turn: what its epochs before and its teachers came to is kept."""
    endings = [(STAGES[0], 1), (STAGES[1], 2), (STAGES[2], 1)]
    told: list[tuple[str, int]] = []

    def reporter(stage: str) -> Callable[[Epoch], None]:
        def tell(epoch: Epoch) -> None:
            told.append((stage, epoch.number))
            if told[-1] in endings and told.count(told[-1]) == 1:
                raise KeyboardInterrupt

        return tell

    def train() -> Fitted:
        return train_network(
            TWICE, baseline, ROWS, "fold 1", checkpoint=tmp_path, reporter=reporter
        )

    with eagerly():
        for ending in endings:
            with pytest.raises(KeyboardInterrupt):
                train()
            assert told[-1] == ending
        resumed = train().predict(baseline, ROWS)["logits"]
    assert told == EVERY_EPOCH
    for one, other in zip(answers_of(tmp_path), answers_of(never_ended.folder), strict=True):
        assert one == pytest.approx(other, abs=1e-2)
    assert resumed == pytest.approx(never_ended.logits, abs=1e-2)


def test_neither_teachers_nor_whom_they_teach_see_what_is_held_out(
    baseline: Samples, never_ended: Trained, tmp_path: Path
) -> None:
    """Rows that are held out may be anything: the same is learnt, and the same is said."""
    assert baseline.draws is not None
    features = baseline.draws.features.copy()
    features[16:] = 255 * (np.arange(features[16:].size) % 2).reshape(features[16:].shape)
    categories = baseline.categories.copy()
    categories[16:] = 11
    other = Samples(baseline.pictures, categories, Draws(features, baseline.draws.areas))
    with eagerly():
        fitted = train_network(TWICE, other, ROWS, "fold 1", checkpoint=tmp_path)
        logits = fitted.predict(baseline, ROWS)["logits"]
    for one, two in zip(answers_of(tmp_path), answers_of(never_ended.folder), strict=True):
        assert one == pytest.approx(two, abs=1e-2)
    assert logits == pytest.approx(never_ended.logits, abs=1e-2)


def test_a_teacher_begins_with_the_weights_that_are_given_and_answers_each_variant(
    baseline: Samples, tmp_path: Path
) -> None:
    start = tmp_path / "start.npz"
    recipe = small(draws=2, epochs=1, batch_size=16, teachers=1, taught=0.7, learning_rate=0.0)
    # Steeper than they are drawn, or noise is all one to it.
    save_weights([8 * w if w.ndim > 1 else w for w in build(small(seed=5), None).weights()], start)
    with eagerly():
        train_network(recipe, baseline, ROWS, "fold 1", start=start, checkpoint=tmp_path)
        teacher = fit(
            recipe.teacher(1), baseline, ROWS, start=start, checkpoint=tmp_path / "teacher-1"
        )
    kernel = teacher.trained.get_weights()[0]  # at a rate of 0 no kernel is changed
    assert np.array_equal(kernel, read_weights(start)[0])
    said = np.load(tmp_path / "teacher-1" / "answers.npy")
    assert baseline.draws is not None
    for variant in (1, 2):
        pictures = baseline.draws.features[ROWS, variant].astype(np.float32)
        logits = np.asarray(teacher.trained(pictures, training=False)["logits"])
        assert said[ROWS, variant - 1] == pytest.approx(softmax(logits), abs=2e-3)
    assert np.abs(said[ROWS, 0] - said[ROWS, 1]).max() > 0.02


def test_what_is_learnt_is_the_mean_of_what_teachers_say(baseline: Samples, tmp_path: Path) -> None:
    """Of labels and teachers that disagree, a network taught by them alone answers as they do."""
    recipe = small(draws=2, epochs=10, batch_size=12, teachers=2, taught=1.0, learning_rate=0.03)
    for number, category in ((1, 4), (2, 7)):
        said = np.zeros((24, 2, 12), dtype=np.float16)
        said[..., category] = 1.0
        (tmp_path / f"teacher-{number}").mkdir()
        np.save(tmp_path / f"teacher-{number}" / "answers.npy", said)
    with eagerly():
        fitted = train_network(recipe, baseline, ROWS, "fold 1", checkpoint=tmp_path)
    mean = softmax(fitted.predict(baseline, ROWS)["logits"]).mean(axis=0)
    assert mean[[4, 7]] == pytest.approx(0.5, abs=0.15)


def test_first_weights_that_are_missing_are_missed_by_the_first_teacher(tmp_path: Path) -> None:
    recipe = tiny(all_layers=True, teachers=1, taught=0.7)
    whole = draw_noise(recipe, tmp_path)
    told: list[str] = []
    with pytest.raises(ModelError, match=r"nowhere\.weights\.h5\. Received"):
        train_network(
            recipe, whole, ROWS, "fold 1", imagenet=Path("nowhere.weights.h5"), reporter=told.append
        )
    assert told == ["fold 1, teacher 1 of 1"]


def test_what_teachers_say_is_told_of_and_can_be_ended(baseline: Samples) -> None:
    """Many variants of many pictures take as long as epochs do."""
    recipe = small(draws=2, epochs=1, batch_size=16, teachers=1, taught=0.7)
    told: list[Progress] = []

    def tell(report: Progress) -> None:
        told.append(report)
        time.sleep(1.1)  # whether it was ended is looked up once a second

    with eagerly(), listening(tell), watching(lambda: bool(told)), pytest.raises(RunEndedError):
        train_network(recipe, baseline, ROWS, "fold 1")
    assert told == [Progress("fold 1, teacher 1 of 1: answers to every variant", 1, 2)]


def test_teachers_have_no_teachers_and_other_seeds() -> None:
    taught = RECIPES["mobilenet_v2_taught"]
    teachers = [taught.teacher(number) for number in (1, 2)]
    assert [teacher.seed - taught.seed for teacher in teachers] == [1, 2]
    assert {replace(one, seed=taught.seed) for one in teachers} == {
        RECIPES["mobilenet_v2_all_layers"]
    }
