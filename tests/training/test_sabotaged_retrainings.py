"""Twenty sabotaged retrainings, from the labelled pictures to the gate's word on each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

import tensorflow as tf

from artemis.models.registry import model_folder, promote
from artemis.retrainings import read_record, retrainings_root
from artemis.settings import Settings
from artemis.training.network.memory import keep_freed_memory
from artemis.training.network.recipes import RECIPES
from artemis.training.retraining import Inputs, collect, train
from tests.training import sabotage
from tests.training.labelled_pictures import write_policy
from tests.training.sabotage import POLICY, Told, retrain, write_pictures

pytestmark = pytest.mark.slow
keep_freed_memory()  # as every training does

SMALL = replace(
    RECIPES["baseline"],
    side=80,
    epochs=3,  # of a warm start a third
    batch_size=8,
    learning_rate=1e-2,
    warmup_epochs=0.0,
    augmentation=None,
)
CHAMPION_EPOCHS = 16

Sabotage = Callable[[Inputs], Told]


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    """The recipe that retrainings choose: of pictures of 80 px."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "baseline", SMALL)
        yield


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """A workspace whose champion a person made of a first retraining."""
    root = tmp_path_factory.mktemp("sabotaged")
    write_pictures(root / "labelled")
    write_policy(root / "workspace", POLICY)
    settings = Settings(workspace=root / "workspace")
    inputs = Inputs(root / "labelled", settings, "imagenet", ("baseline",), CHAMPION_EPOCHS)
    version = train(inputs, collect(inputs), "baseline")
    promote(inputs.workspace, "baseline", version, by="A. Person", reason="the first of these")
    return inputs


@pytest.fixture
def again(first: Inputs, tmp_path: Path) -> Iterator[Inputs]:
    """A copy of it, from whose champion a retraining of one epoch starts."""
    shutil.copytree(first.workspace, tmp_path / "workspace")
    shutil.copytree(first.data, tmp_path / "labelled")
    settings = Settings(workspace=tmp_path / "workspace")
    tf.config.run_functions_eagerly(True)  # a graph takes longer to make than these to run
    yield Inputs(tmp_path / "labelled", settings, "champion", ("baseline",), None)
    tf.config.run_functions_eagerly(False)


def test_honest_retraining_of_the_same_pictures_is_promoted(again: Inputs) -> None:
    before = model_folder(again.workspace, "baseline")
    told = retrain(again)
    assert told.reason.startswith("Promoted, since all ")
    assert told.verdict == "promote"
    assert model_folder(again.workspace, "baseline") != before


FLIPPED = "change_labels: expected at most 5.0% of the champion's labels changed, received 20.8%"
LEAK = "leak_slices: expected no locked slice in the training set, received"
COPIES = "leak_near_copies: expected no near-copy of a locked slice in the training set, received"
PATIENT = (
    "leak_groups: expected no patient group both in the locked and in the training set, received"
)
MISSING = "training_categories: expected 4 images or more of each category to train on, received"
EMPTY = "locked_categories: expected 4 locked images or more of each category, received"


@pytest.mark.parametrize(
    ("spoil", "verdict", "why"),
    [
        (partial(sabotage.flipped, seed=1), "needs_human", FLIPPED),
        (partial(sabotage.flipped, seed=2), "needs_human", FLIPPED),
        (sabotage.flipped_everywhere, "needs_human", "locked_labels: expected at most "),
        (sabotage.flipped_where_new, "needs_human", "training_labels: expected at most "),
        (sabotage.leaked_whole, "keep", f"{LEAK} 48 locked slices in it, first the slices "),
        (sabotage.leaked_slice, "keep", f"{LEAK} 1 locked slices in it, first the slices "),
        (sabotage.leaked_copies, "keep", f"{COPIES} 48 locked slices with a near-copy in it"),
        (sabotage.leaked_patient, "keep", f"{PATIENT} 1 groups in both, first the slices "),
        (partial(sabotage.missing, category=0), "keep", f"{MISSING} none of glioma_coronal"),
        (partial(sabotage.missing, category=4), "keep", f"{MISSING} none of meningioma_sagittal"),
        (partial(sabotage.missing, category=9), "keep", f"{MISSING} none of none_coronal"),
        (
            partial(sabotage.missing_in_training, category=8),
            "keep",
            f"{MISSING} none of pituitary_transverse",
        ),
        (partial(sabotage.empty, category=2), "keep", f"{EMPTY} none of glioma_transverse"),
        (partial(sabotage.empty, category=3), "keep", f"{EMPTY} none of meningioma_coronal"),
        (partial(sabotage.empty, category=7), "keep", f"{EMPTY} none of pituitary_sagittal"),
        (partial(sabotage.empty, category=11), "keep", f"{EMPTY} none of none_transverse"),
        (
            sabotage.one_patient,
            "stopped",
            "expected pictures of patients in two folds or more beside the locked evaluation set, "
            "some to train on and others to set the temperature. Received one fold, of 1 patient "
            "group. Add patients.",
        ),
        (
            sabotage.one_name,
            "stopped",
            "expected every group of patients in one fold. Received 144 pictures of 1 groups",
        ),
        (
            sabotage.one_patient_a_part,
            "keep",
            "training_groups: expected 8 patient groups or more to train on, received 2",
        ),
        (
            sabotage.one_patient_locked,
            "needs_human",
            "locked_groups: expected 4 patient groups or more, for an interval over them, "
            "received 1",
        ),
    ],
)
def test_no_sabotaged_retraining_is_promoted(
    again: Inputs, spoil: Sabotage, verdict: str, why: str
) -> None:
    before = model_folder(again.workspace, "baseline")
    told = spoil(again)
    assert why in told.reason
    assert told.verdict == verdict
    assert model_folder(again.workspace, "baseline") == before


def test_locked_pictures_that_come_again_are_not_trained_on(again: Inputs) -> None:
    sabotage.export_again(again)
    record = read_record(retrainings_root(again.workspace) / collect(again))
    assert record.data is not None
    assert (record.data.trained_on, record.data.locked, record.data.left_out) == (96, 48, 48)
