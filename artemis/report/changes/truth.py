"""Whether changed answers are for the better, where either of two runs knows the truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import pandas as pd

from artemis.labels import Category

RIGHT: Final = "right"
WRONG: Final = "wrong"
STILL_WRONG: Final = "still_wrong"
BECAME: Final = (RIGHT, WRONG, STILL_WRONG)
"""What an answer became that changed, in the order of the page."""

Known = tuple[Category, ...]
"""What is known of a slice: one category, none, or several that contradict each other."""

Pair = tuple[int, int]
"""Slices of run A, and of run B."""


@dataclass(frozen=True, slots=True)
class Rightness:
    """How right a model is in either run, on slices that both classified.

    Attributes
    ----------
    known, contradicted : int
        Slices whose truth is known, and those of which what is known contradicts itself.
    right : (int, int)
        Of the known ones, right in run A and in run B.
    trained_on : (int, int)
        Of the known ones, those that the version of run A, and of run B, was trained on.
    unseen : int
        Of the known ones, those with an answer of a network that had not seen them in both
        runs: the model's own, or out of fold where it was trained on them.
    unseen_right : (int, int)
        Of these, those of which that answer is right.
    """

    known: int
    contradicted: int
    right: Pair
    trained_on: Pair
    unseen: int
    unseen_right: Pair


@lru_cache
def together(first: Known, second: Known) -> Known:
    """Return what two sources know of a slice; slices of which the same is known share it."""
    return tuple(dict.fromkeys((*first, *second)))


def truth_among(known: Known) -> Category | None:
    """Return the truth, or None where nothing is known or it contradicts itself."""
    return known[0] if len(known) == 1 else None


def became(truth: Category | None, before: str, after: str) -> str | None:
    """Return which of `BECAME` a changed answer is, by the names of both; None without a truth."""
    if truth is None:
        return None
    return {after: RIGHT, before: WRONG}.get(truth.name, STILL_WRONG)


def rightness(a: pd.DataFrame, b: pd.DataFrame, known: Sequence[Known]) -> Rightness:
    """Return how right the answers to the same slices are.

    Parameters
    ----------
    a, b : pandas.DataFrame
        Answers in run A and run B, a row a slice, with the columns `category`, `trained_on` and
        `out_of_fold_category` of the predictions.
    known : sequence of tuple of Category
        What is known of each of these slices.
    """
    truths = [truth_among(one) for one in known]
    there = np.array([truth is not None for truth in truths], bool)
    names = np.array([truth.name for truth in truths if truth is not None], object)
    sides = [side.loc[there] for side in (a, b)]
    own = [side["category"] for side in sides]
    unseen = [
        side["category"].where(~side["trained_on"], side["out_of_fold_category"]) for side in sides
    ]
    fair = np.logical_and(*(answers.notna().to_numpy() for answers in unseen))
    return Rightness(
        known=len(names),
        contradicted=sum(len(one) > 1 for one in known),
        right=_pair(answers.to_numpy() == names for answers in own),
        trained_on=_pair(side["trained_on"].to_numpy() for side in sides),
        unseen=int(fair.sum()),
        unseen_right=_pair(fair & (answers.to_numpy() == names) for answers in unseen),
    )


def _pair(masks: Iterable[np.ndarray]) -> Pair:
    first, second = (int(mask.sum()) for mask in masks)
    return first, second
