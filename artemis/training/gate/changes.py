"""Checks of what changed between a champion and its challenger, beside their answers.

Each returns named checks for `artemis.training.gate.gate.decide`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from artemis.labels import CATEGORY_NAMES
from artemis.models.decisions import Check, Verdict
from artemis.models.manifest import Manifest
from artemis.training.gate.integrity import listed
from artemis.training.gate.policy import Policy, WithoutHuman
from artemis.training.network.recipes import completed


def check_changes(
    policy: Policy,
    challenger: Manifest,
    champion: Manifest,
    relabelled: float | None,
    *,
    trained: Collection[str],
    before: Collection[str],
    locked: Collection[str],
) -> list[Check]:
    """Check that only that changed which may change without a human.

    Parameters
    ----------
    policy : Policy
        Names what may.
    challenger, champion : Manifest
        Of the two models.
    relabelled : float or None
        Share of the labels that the champion was trained with which are others now, see
        `artemis.training.gate.evidence.relabelled_share`; None where it is not known.
    trained, before : collection of str
        Slices that the challenger and the champion were trained on.
    locked : collection of str
        Slices of the locked set: a champion may have been trained on them, and they have not
        vanished since.

    Returns
    -------
    list of Check
        ``change_network``, ``change_recipe``, ``change_categories``, ``change_data``,
        ``change_labels``; each needs a human on failure.
    """
    rules = policy.without_human
    return [
        _network(challenger, champion),
        _recipe(rules, challenger.training.recipe, champion.training.recipe),
        _categories(challenger.training.per_category, champion.training.per_category),
        _data(rules, set(trained), set(before) - set(locked)),
        _check(
            "labels",
            relabelled is not None and relabelled <= rules.max_relabelled,
            f"at most {rules.max_relabelled:.1%} of the champion's labels changed",
            "a champion whose labels are not known" if relabelled is None else f"{relabelled:.1%}",
        ),
    ]


def _check(name: str, passed: bool, expected: str, received: str) -> Check:
    return Check(
        name=f"change_{name}",
        passed=passed,
        expected=expected,
        received=received,
        on_failure=Verdict.NEEDS_HUMAN,
    )


def _network(new: Manifest, old: Manifest) -> Check:
    compared: list[tuple[str, Any, Any]] = [
        ("model", old.name, new.name),
        ("input", old.input.side, new.input.side),
        ("preprocessing", old.input.preprocessing, new.input.preprocessing),
        ("outputs", old.outputs, new.outputs),
        ("categories", old.categories, new.categories),
    ]
    changed = [f"{what} {before} to {after}" for what, before, after in compared if before != after]
    return _check(
        "network",
        not changed,
        "the champion's architecture, input, preprocessing and categories",
        "; ".join(changed) or "the same",
    )


def _recipe(rules: WithoutHuman, new: dict[str, Any], old: dict[str, Any]) -> Check:
    changed = sorted(_changed(completed(old), completed(new)))
    forbidden = [field for field in changed if field.partition(".")[0] not in rules.recipe]
    return _check(
        "recipe",
        not forbidden,
        f"no change of the recipe but of {', '.join(rules.recipe) or 'nothing'}",
        ", ".join(forbidden or changed) or "none",
    )


def _categories(new: dict[str, int], old: dict[str, int]) -> Check:
    changed = [name for name in CATEGORY_NAMES if bool(old.get(name)) != bool(new.get(name))]
    return _check(
        "categories",
        not changed,
        "the categories that the champion was trained on",
        f"a change of {listed(changed)}" if changed else "the same",
    )


def _data(rules: WithoutHuman, new: set[str], old: set[str]) -> Check:
    gone, growth = len(old - new), len(new) / max(1, len(old))
    return _check(
        "data",
        gone <= rules.max_shrink * len(old) and growth <= rules.max_growth,
        f"{1 - rules.max_shrink:.0%} or more of the champion's unlocked slices still trained on, "
        f"and at most {rules.max_growth:.2f} times as many",
        f"{gone} of {len(old)} gone, {growth:.2f} times as many",
    )


def _changed(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> set[str]:
    """Return the dotted names of the fields that differ, or are in one only."""
    changed: set[str] = set()
    for name in old.keys() | new.keys():
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            changed |= _changed(before, after, f"{prefix}{name}.")
        elif before != after:
            changed.add(prefix + name)
    return changed
