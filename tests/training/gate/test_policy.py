from __future__ import annotations

from pathlib import Path

import pytest

from artemis.errors import SettingsError
from artemis.training.gate.policy import PACKAGED, load_policy


def override(workspace: Path, text: str) -> Path:
    path = workspace / "models" / "gate.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_packaged_policy_is_the_one_that_was_agreed() -> None:
    policy = load_policy()
    assert policy.comparison.model_dump() == {
        "min_macro_f1_difference_low": -0.005,
        "max_tumor_recall_fall": 0.03,
        "max_ece_rise": 0.01,
    }
    assert policy.suspicion.implausible_accuracy == 0.98
    # One image of the rarest tumour moves its recall by less than the fall that is allowed.
    assert 1 / policy.locked_set.min_images_per_tumor < policy.comparison.max_tumor_recall_fall


def test_workspace_without_a_policy_has_the_packaged_one(tmp_path: Path) -> None:
    assert load_policy(tmp_path) == load_policy()


def test_workspace_replaces_single_keys(tmp_path: Path) -> None:
    override(tmp_path, "[locked_set]\nmin_groups = 7\n")
    policy, packaged = load_policy(tmp_path), load_policy()
    assert policy.locked_set.min_groups == 7
    assert policy.locked_set.min_images_per_tumor == packaged.locked_set.min_images_per_tumor
    assert policy.comparison == packaged.comparison
    assert policy.sha256 != packaged.sha256


def test_hash_is_of_the_values_and_not_of_the_text(tmp_path: Path) -> None:
    override(tmp_path, "# nothing new\n[locked_set]\nmin_groups = 20\n")
    assert load_policy(tmp_path).sha256 == load_policy().sha256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[comparison]\nmax_ece_raise = 0.1\n",
            "expected keys of the gate's policy. Received comparison.max_ece_raise, which is none. "
            f"Correct or remove it; the keys are those of {PACKAGED}.",
        ),
        (
            "[comparisons]\n",
            "expected keys of the gate's policy. Received comparisons, which is none. "
            f"Correct or remove it; the keys are those of {PACKAGED}.",
        ),
        (
            "[comparison]\nmax_ece_rise = 2\n",
            "expected another value of comparison.max_ece_rise: Input should be less than or equal "
            "to 1. Received 2. Correct or remove the key.",
        ),
        (
            '[comparison]\nmax_ece_rise = "0.01"\n',
            "expected another value of comparison.max_ece_rise: Input should be a valid number. "
            "Received '0.01'. Correct or remove the key.",
        ),
        (
            "[comparison]\nmax_ece_rise = nan\n",
            "expected another value of comparison.max_ece_rise: Input should be a finite number. "
            "Received nan. Correct or remove the key.",
        ),
        (
            "[locked_set]\nmin_groups = true\n",
            "expected another value of locked_set.min_groups: Input should be a valid integer. "
            "Received True. Correct or remove the key.",
        ),
        (
            "locked_set = 3\n",
            "expected another value of locked_set: Input should be a valid dictionary or instance "
            "of LockedSet. Received 3. Correct or remove the key.",
        ),
        (
            '[without_human]\nrecipe = ["epocs"]\n',
            "expected another value of without_human.recipe: Value error, epocs is not a field of "
            "a recipe. Received ['epocs']. Correct or remove the key.",
        ),
    ],
)
def test_wrong_key_or_value_is_named_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    path = override(tmp_path, text)
    with pytest.raises(SettingsError) as raised:
        load_policy(tmp_path)
    assert str(raised.value) == f"{path}: {message}"


@pytest.mark.parametrize("content", [b"[comparison", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = override(tmp_path, "")
    path.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        load_policy(tmp_path)
    assert str(raised.value).startswith(f"{path}: expected the gate's policy in TOML. Received: ")
    assert str(raised.value).endswith("delete it to use the packaged policy.")


def test_folder_in_place_of_the_policy_is_named(tmp_path: Path) -> None:
    (tmp_path / "models" / "gate.toml").mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"gate\.toml: expected .* Received: Is a directory"):
        load_policy(tmp_path)


def test_a_policy_that_is_out_of_reach_is_not_replaced_by_the_packaged_one(tmp_path: Path) -> None:
    (tmp_path / "models").symlink_to("/mnt/not mounted/models")
    with pytest.raises(SettingsError, match=r"gate\.toml: expected the gate's policy in TOML"):
        load_policy(tmp_path)
