"""Twenty sabotaged retrainings, from the labelled pictures to the gate's word on each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.labels import CATEGORY_NAMES
from artemis.models.champions import promote
from artemis.models.registry import model_folder
from artemis.models.retrainings import read_record, retrainings_root
from artemis.said import CATEGORY_WORDS
from artemis.settings import Settings
from artemis.training.inputs import Inputs
from artemis.training.network.memory import keep_freed_memory
from artemis.training.network.recipes import RECIPES
from artemis.training.retraining import collect, train
from tests.training import sabotage
from tests.training.labelled_pictures import write_policy
from tests.training.sabotage import POLICY, Told, retrain, write_pictures
from tests.training.small import eagerly, small

pytestmark = pytest.mark.slow(seconds=340)
keep_freed_memory()  # as every training does

SMALL = small(
    epochs=3,  # a third of them, and of the rate, where it starts from the champion
    batch_size=32,
    learning_rate=3e-4,  # gentle: a few steps at more undo what the champion has learnt
    warmup_epochs=0.0,
    augmentation=None,
)
FIRST, FIRST_EPOCHS = replace(SMALL, learning_rate=1e-2), 16

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
    inputs = Inputs(root / "labelled", settings, "imagenet", ("baseline",), FIRST_EPOCHS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "baseline", FIRST)
        version = train(inputs, collect(inputs), "baseline")
    promote(inputs.workspace, "baseline", version, by="A. Person", reason="the first of these")
    return inputs


@pytest.fixture
def again(first: Inputs, tmp_path: Path) -> Iterator[Inputs]:
    """A copy of it, from whose champion a retraining of one epoch starts."""
    shutil.copytree(first.workspace, tmp_path / "workspace")
    shutil.copytree(first.data, tmp_path / "labelled")
    settings = Settings(workspace=tmp_path / "workspace")
    with eagerly():
        yield Inputs(tmp_path / "labelled", settings, "champion", ("baseline",), None)


def test_honest_retraining_of_the_same_pictures_is_promoted(again: Inputs) -> None:
    before = model_folder(again.workspace, "baseline")
    told = retrain(again)
    assert told.reason.startswith("Promoted, since all ")
    assert told.verdict == "promote"
    assert model_folder(again.workspace, "baseline") != before


LABELS = "change_labels: expected at most 5.0% of the champion's labels changed, received 20.1%"
LEAK = "leak_slices: expected no locked slice in the training set, received"
COPIES = "leak_near_copies: expected no near-copy of a locked slice in the training set, received"
PATIENT = "leak_groups: expected no group both in the locked and in the training set, received"
MISSING = "training_categories: expected 4 images or more of each category to train on, received"
EMPTY = "locked_categories: expected 4 locked images or more of each category, received"

LEFT_OR_KEPT = ("needs_human", "keep")
"""Where the rule leaves it to a human, figures may forbid it as well."""
KEPT = ("keep",)
STOPPED = ("stopped",)

SPOILT: dict[str, tuple[Sabotage, tuple[str, ...], str]] = {
    "labels flipped": (partial(sabotage.flipped, seed=1), LEFT_OR_KEPT, LABELS),
    "other labels flipped": (partial(sabotage.flipped, seed=2), LEFT_OR_KEPT, LABELS),
    "locked labels too": (
        sabotage.flipped_everywhere,
        LEFT_OR_KEPT,
        "locked_labels: expected at most 10.1% of the labels contradicted",
    ),
    "labels of new patients": (
        sabotage.flipped_where_new,
        LEFT_OR_KEPT,
        "training_labels: expected at most 10.1% of the labels contradicted",
    ),
    "locked set": (sabotage.leaked_whole, KEPT, f"{LEAK} 48 locked slices in it"),
    "locked slice": (sabotage.leaked_slice, KEPT, f"{LEAK} 1 locked slices in it"),
    "locked copies": (sabotage.leaked_copies, KEPT, f"{COPIES} 48 locked slices with a near-copy"),
    "locked patient": (sabotage.leaked_patient, KEPT, f"{PATIENT} 1 groups in both"),
    **{
        f"no {CATEGORY_NAMES[k]}": (
            partial(sabotage.missing, category=k),
            KEPT,
            f"{MISSING} no images of {CATEGORY_WORDS[CATEGORY_NAMES[k]]}",
        )
        for k in (0, 4, 9)
    },
    "none while trained": (
        partial(sabotage.missing_in_training, category=8),
        KEPT,
        f"{MISSING} no images of pituitary, transverse",
    ),
    **{
        f"empty {CATEGORY_NAMES[k]}": (
            partial(sabotage.empty, category=k),
            KEPT,
            f"{EMPTY} no images of {CATEGORY_WORDS[CATEGORY_NAMES[k]]}",
        )
        for k in (2, 3, 7, 11)
    },
    "one patient": (
        sabotage.one_patient,
        STOPPED,
        "expected pictures of patients in two folds or more beside the locked evaluation set, "
        "some to train on and others to set the temperature. Received one fold, of 1 patient "
        "group. Add patients.",
    ),
    "one name": (
        sabotage.one_name,
        STOPPED,
        "expected every group of patients in one fold. Received 192 pictures of 1 groups",
    ),
    "one patient a part": (
        sabotage.one_patient_a_part,
        KEPT,
        "training_groups: expected 8 groups or more to train on, received 2",
    ),
    "one patient locked": (
        sabotage.one_patient_locked,
        LEFT_OR_KEPT,
        "locked_groups: expected 4 groups or more, for an interval over them, received 1",
    ),
}


def test_there_are_twenty() -> None:
    assert len(SPOILT) == 20


@pytest.mark.parametrize("kind", SPOILT)
def test_no_sabotaged_retraining_is_promoted(again: Inputs, kind: str) -> None:
    spoil, verdicts, why = SPOILT[kind]
    before = model_folder(again.workspace, "baseline")
    told = spoil(again)
    assert why in told.reason
    assert told.verdict in verdicts
    assert model_folder(again.workspace, "baseline") == before


def test_locked_pictures_that_come_again_are_not_trained_on(again: Inputs) -> None:
    sabotage.export_again(again)
    record = read_record(retrainings_root(again.workspace) / collect(again))
    assert record.data is not None
    assert (record.data.trained_on, record.data.locked, record.data.left_out) == (144, 48, 48)
