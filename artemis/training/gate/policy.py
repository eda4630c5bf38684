"""The gate's policy: every threshold of it, from one TOML file that a workspace may override."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from artemis.errors import SettingsError
from artemis.system.files import is_out_of_reach
from artemis.training.network.recipes import Recipe

PACKAGED: Final = Path(__file__).with_name("gate.toml")
POLICY_NAME: Final = "gate.toml"
_RECIPE_FIELDS: Final = frozenset(field.name for field in fields(Recipe))

_Share = Annotated[float, Field(ge=0, le=1)]
_Count = Annotated[int, Field(ge=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Comparison(_Table):
    """Limits of the differences between challenger and champion on the locked slices."""

    min_macro_f1_difference_low: Annotated[float, Field(ge=-1, le=1)]
    max_tumor_recall_fall: _Share
    max_ece_rise: _Share


class Golden(_Table):
    """How far challenger and champion must agree on the golden set."""

    min_slices: _Count
    min_equal_share: _Share
    max_probability_difference: _Share


class LockedSet(_Table):
    """What the locked slices must hold for a comparison to mean something."""

    min_groups: Annotated[int, Field(ge=2)]
    min_images_per_category: _Count
    min_images_per_tumor: _Count
    min_known: _Share


class TrainingSetRules(_Table):
    """What the training set must hold."""

    min_groups: Annotated[int, Field(ge=2)]
    min_images_per_category: _Count


class Floors(_Table):
    """What a model must reach where there is no champion."""

    min_macro_f1: _Share
    max_ece: _Share
    min_above_chance: _Share


class Suspicion(_Table):
    """What makes figures or labels doubtful."""

    implausible_accuracy: _Share
    confident: Annotated[float, Field(ge=0.5, lt=1)]
    max_label_conflict_rise: _Share
    max_label_conflicts: _Share


class WithoutHuman(_Table):
    """What may change between champion and challenger without a person's consent.

    `recipe` are fields of `artemis.training.network.recipes.Recipe`. A change of architecture,
    input, preprocessing, categories or of the presence of a category always needs one.
    """

    recipe: list[str]
    max_growth: Annotated[float, Field(ge=1)]
    max_shrink: _Share
    max_relabelled: _Share

    @field_validator("recipe")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        unknown = sorted(set(names) - _RECIPE_FIELDS)
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is not a field of a recipe")
        return names


class Bootstrap(_Table):
    """Resampling of patient groups."""

    resamples: Annotated[int, Field(ge=200, le=100_000)]
    seed: Annotated[int, Field(ge=0)]


class Policy(_Table):
    """The whole policy; see ``docs/gate.md`` for the reason of each number."""

    comparison: Comparison
    golden: Golden
    locked_set: LockedSet
    training_set: TrainingSetRules
    floors: Floors
    suspicion: Suspicion
    without_human: WithoutHuman
    bootstrap: Bootstrap

    @property
    def sha256(self) -> str:
        """SHA-256 of the values, independent of the files that they come from."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()


def load_policy(workspace: Path | None = None) -> Policy:
    """Return the packaged policy with the keys of the workspace's over it.

    Parameters
    ----------
    workspace : Path, optional
        Its ``models/gate.toml`` replaces single keys, if it is there.

    Raises
    ------
    SettingsError
        If a file cannot be read, or has an unknown key or a value that a key cannot take;
        the message names file and key.
    """
    values = _read(PACKAGED)
    path, own = PACKAGED, {}
    of_workspace = None if workspace is None else workspace / "models" / POLICY_NAME
    if of_workspace is not None and (of_workspace.exists() or is_out_of_reach(of_workspace)):
        path, own = of_workspace, _read(of_workspace)
    for name, table in own.items():
        known = values.get(name)
        values[name] = (
            known | table if isinstance(known, dict) and isinstance(table, dict) else table
        )
    try:
        return Policy.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_described(path, error)) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        received = error.strerror
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        received = str(error)
    raise SettingsError(
        f"{path}: expected the gate's policy in TOML. Received: {received}. Correct the file, or "
        "delete it to use the packaged policy."
    )


def _described(path: Path, error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return (
            f"{path}: expected keys of the gate's policy. Received {key}, which is none. "
            f"Correct or remove it; the keys are those of {PACKAGED}."
        )
    return (
        f"{path}: expected another value of {key}: {first['msg']}. Received {first['input']!r}. "
        "Correct or remove the key."
    )
