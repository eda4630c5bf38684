from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from artemis.models.decisions import Verdict
from artemis.models.manifest import Manifest, load_manifest
from artemis.models.out_of_fold import read_out_of_fold
from artemis.models.registry import model_folder
from artemis.training.gate.changes import check_changes
from artemis.training.gate.policy import load_policy
from artemis.training.network.recipes import RECIPES

POLICY = load_policy()
SLICES = [f"{k:064x}" for k in range(200)]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return load_manifest(model_folder(tmp_path_factory.mktemp("none"), "baseline"))


def changed(manifest: Manifest, change: Callable[[dict[str, Any]], None]) -> Manifest:
    values = manifest.model_dump()
    change(values)
    return Manifest.model_validate(values)


def found(
    challenger: Manifest,
    champion: Manifest,
    relabelled: float | None = 0.0,
    trained: Sequence[str] = SLICES,
    before: Sequence[str] = SLICES,
    locked: Sequence[str] = (),
) -> dict[str, tuple[str, str]]:
    checks = check_changes(
        POLICY, challenger, champion, relabelled, trained=trained, before=before, locked=locked
    )
    assert {check.on_failure for check in checks} == {Verdict.NEEDS_HUMAN}
    return {c.name: (c.expected, c.received) for c in checks if not c.passed}


def test_same_model_again_changes_nothing(shipped: Manifest) -> None:
    assert found(shipped, shipped) == {}


def test_more_of_the_same_with_another_seed_needs_no_human(shipped: Manifest) -> None:
    def change(values: dict[str, Any]) -> None:
        values["training"]["images"] = int(values["training"]["images"] * 1.3)
        values["training"]["recipe"] |= {"seed": 1, "epochs": 5, "learning_rate": 1e-4}

    fewer = SLICES[:150]
    assert found(changed(shipped, change), shipped, relabelled=0.04, before=fewer) == {}


def test_data_may_shrink_and_grow_as_far_as_the_policy_says(shipped: Manifest) -> None:
    assert found(shipped, shipped, trained=SLICES[10:]) == {}
    assert list(found(shipped, shipped, trained=SLICES[11:])) == ["change_data"]
    assert found(shipped, shipped, before=SLICES[:100]) == {}
    assert list(found(shipped, shipped, before=SLICES[:99])) == ["change_data"]


def test_settings_that_are_no_table_any_more_are_a_change_of_the_recipe(shipped: Manifest) -> None:
    def change(values: dict[str, Any]) -> None:
        values["training"]["recipe"]["augmentation"] = None

    assert isinstance(shipped.training.recipe["augmentation"], dict)
    changes = found(changed(shipped, change), shipped)
    assert {name: received for name, (_, received) in changes.items()} == {
        "change_recipe": "augmentation"
    }


def _side(values: dict[str, Any]) -> None:
    values["input"]["side"] = 224


def _preprocessing(values: dict[str, Any]) -> None:
    values["input"]["preprocessing"] = "other-9"


def _outputs(values: dict[str, Any]) -> None:
    values["outputs"] = {"logits": [12]}


def _categories(values: dict[str, Any]) -> None:
    values["categories"] = values["categories"][::-1]


def _name(values: dict[str, Any]) -> None:
    values["name"] = "other"


@pytest.mark.parametrize(
    ("change", "received"),
    [
        (_side, "input 150 to 224"),
        (_name, "model baseline to other"),
        (_preprocessing, "preprocessing "),
        (_outputs, "outputs "),
        (_categories, "categories "),
    ],
)
def test_other_network_needs_a_human(
    shipped: Manifest, change: Callable[[dict[str, Any]], None], received: str
) -> None:
    failures = found(changed(shipped, change), shipped)
    expected = "the champion's architecture, input, preprocessing and categories"
    assert list(failures) == ["change_network"]
    assert failures["change_network"][0] == expected
    assert failures["change_network"][1].startswith(received)


def test_change_of_the_recipe_is_named_field_by_field(shipped: Manifest) -> None:
    def change(values: dict[str, Any]) -> None:
        recipe = values["training"]["recipe"]
        recipe |= {"dropout": 0.9, "epochs": 3, "unheard_of": 1}
        recipe["augmentation"] = recipe["augmentation"] | {"rotation": 90}

    assert found(changed(shipped, change), shipped) == {
        "change_recipe": (
            "no change of the recipe but of epochs, learning_rate, warmup_epochs, seed, "
            "all_layers, draws, teachers, taught",
            "augmentation.rotation, dropout, unheard_of",
        )
    }


@pytest.mark.parametrize(
    "recipe", [name for name, recipe in RECIPES.items() if name.startswith("mobilenet_v2_")]
)
def test_shorter_training_of_the_same_network_needs_no_human(
    shipped: Manifest, recipe: str
) -> None:
    """Else none but a training of hours is promoted over a champion that teachers taught."""

    def taught(values: dict[str, Any]) -> None:
        values["training"]["recipe"] = RECIPES[recipe].record()

    def shorter(values: dict[str, Any]) -> None:
        values["training"]["recipe"] = RECIPES["mobilenet_v2"].warm().record()

    received = found(changed(shipped, shorter), changed(shipped, taught))
    same_look = RECIPES[recipe].augmentation == RECIPES["mobilenet_v2"].augmentation
    assert list(received) == ([] if same_look else ["change_recipe"])


@pytest.mark.parametrize("name", ["baseline", "mobilenet_v2"])
def test_setting_that_an_older_record_lacks_was_at_its_default(tmp_path: Path, name: str) -> None:
    """Else no retraining is promoted over a champion that a version before it trained."""

    def older(values: dict[str, Any]) -> None:
        for setting in ("all_layers", "teachers", "taught"):
            values["training"]["recipe"].pop(setting, None)

    champion = changed(load_manifest(model_folder(tmp_path, name)), older)

    def today(values: dict[str, Any]) -> None:
        values["training"]["recipe"] = RECIPES[name].warm().record()

    def otherwise(values: dict[str, Any]) -> None:
        today(values)
        values["training"]["recipe"] |= {"original": True, "taught": 0.7}

    assert found(changed(champion, today), champion) == {}
    ((_, received),) = found(changed(champion, otherwise), champion).values()
    assert received == "original"


@pytest.mark.parametrize(
    ("trained", "before", "received"),
    [
        (SLICES, SLICES[:90], "0 of 90 gone, 2.22 times as many"),
        (SLICES[:180], SLICES, "20 of 200 gone, 0.90 times as many"),
        (SLICES[100:], SLICES[:100], "100 of 100 gone, 1.00 times as many"),
    ],
    ids=["grown", "shrunk", "exchanged"],
)
def test_training_set_of_other_slices_needs_a_human(
    shipped: Manifest, trained: list[str], before: list[str], received: str
) -> None:
    assert found(shipped, shipped, trained=trained, before=before) == {
        "change_data": (
            "95% or more of the champion's unlocked slices still trained on, "
            "and at most 2.00 times as many",
            received,
        )
    }


def test_first_retraining_after_a_champion_of_every_slice_needs_no_human(
    shipped: Manifest, tmp_path: Path
) -> None:
    """What is locked is a fifth of what the shipped models were trained on, and has not gone."""
    kept = read_out_of_fold(model_folder(tmp_path, "baseline"))
    last = kept["fold"] == 4
    left, locked = (kept.loc[rows, "slice_id"].tolist() for rows in (~last, last))
    before = left + locked
    assert found(shipped, shipped, trained=left, before=before, locked=locked) == {}
    assert list(found(shipped, shipped, trained=left, before=before)) == ["change_data"]


@pytest.mark.parametrize("turned", [False, True])
def test_category_that_comes_or_goes_needs_a_human(shipped: Manifest, turned: bool) -> None:
    def change(values: dict[str, Any]) -> None:
        values["training"]["per_category"]["none_coronal"] = 0

    pair = (changed(shipped, change), shipped)
    assert found(*(pair[::-1] if turned else pair)) == {
        "change_categories": (
            "the categories that the champion was trained on",
            "a change of no tumour, coronal",
        )
    }


@pytest.mark.parametrize(
    ("relabelled", "received"),
    [(0.051, "5.1%"), (None, "a champion whose labels are not known")],
)
def test_changed_or_unknown_labels_need_a_human(
    shipped: Manifest, relabelled: float | None, received: str
) -> None:
    assert found(shipped, shipped, relabelled) == {
        "change_labels": ("at most 5.0% of the champion's labels changed", received)
    }
