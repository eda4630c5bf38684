"""How well slices answer together, out of predictions of slices that were not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artemis.answers.study_rules import DEFAULT_RULE, RULES, Probabilities
from artemis.labels import NO_TUMOR, PLANES, TUMORS
from artemis.models.manifest import RuleFigures, StudyFigures, Together
from artemis.models.runtime import tumor_probabilities
from artemis.training.figures.bootstrap import grouped_mean
from artemis.training.figures.evaluate import resampled_groups

DILUTIONS: Final = (10, 20)
"""Slices without a tumour that are added to each study, to tell rules apart."""

_LEAST = 1e-6
_NONE: Final = TUMORS.index(NO_TUMOR)


@dataclass(frozen=True, slots=True)
class Studies:
    """Studies of known tumour type.

    Attributes
    ----------
    slices : list of ndarray, (n, 4), float64
        Probabilities by tumour type of each study's slices.
    tumors : ndarray, (studies,), int64
        True type of each, an index of `artemis.labels.TUMORS`.
    patients : list of str
        Whose study it is.
    """

    slices: list[Probabilities]
    tumors: NDArray[np.int64]
    patients: list[str]


def study_figures(
    slice_ids: Sequence[str],
    probabilities: NDArray[np.float32],
    categories: NDArray[np.int64],
    patients: Sequence[str],
    known: NDArray[np.bool_],
    seed: int = 0,
) -> StudyFigures | None:
    """Measure the rule in use, and compare all rules.

    Parameters
    ----------
    slice_ids : sequence of str, length n
        Of copies of a slice, which have one id, the first counts.
    probabilities : ndarray, (n, 12), float32
        By networks that had not seen the slices' patients.
    categories : ndarray, (n,), int64
        True category indices.
    patients : sequence of str, length n
        Patient group of each slice.
    known : ndarray, (n,), bool
        Whether its patient is known: copies alone make no study.
    seed : int
        Of the resampling and of the slices that are added.

    Returns
    -------
    StudyFigures or None
        None of fewer than two patients with several slices.
    """
    by_tumor, tumors = tumor_probabilities(probabilities), categories // len(PLANES)
    distinct = ~pd.Series(slice_ids).duplicated().to_numpy()
    used = distinct & known
    of = np.asarray(patients, dtype=str)[used].tolist()
    whole = by_patient(by_tumor[used], tumors[used], of)
    if len(whole.tumors) < 2:
        return None
    series = by_patient(by_tumor[used], tumors[used], of, categories[used] % len(PLANES))
    return StudyFigures(
        rule=DEFAULT_RULE,
        patients=answered_together(whole, seed),
        series=answered_together(series, seed) if len(series.tumors) else None,
        rules=compare_rules(whole, by_tumor[distinct & (tumors == _NONE)], seed),
    )


def by_patient(
    by_tumor: NDArray[np.float32],
    tumors: NDArray[np.int64],
    patients: Sequence[str],
    parts: NDArray[np.int64] | None = None,
) -> Studies:
    """Return a study for each patient, or patient and part, with more than one slice.

    Parameters
    ----------
    by_tumor : ndarray, (n, 4), float32
        Out-of-fold probabilities by tumour type.
    tumors : ndarray, (n,), int64
        True tumour type of each slice; a study's most frequent one is its own.
    patients : sequence of str, length n
        Whose slice it is.
    parts : ndarray, (n,), int64, optional
        What divides a patient's slices, such as their plane.
    """
    names, of_patient = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    divided = np.zeros(len(tumors), dtype=np.int64) if parts is None else parts
    studies, codes = np.unique(np.stack([of_patient, divided]), axis=1, return_inverse=True)
    slices, truths, whose = [], [], []
    for code, patient in enumerate(studies[0]):
        members = codes == code
        if members.sum() > 1:
            slices.append(by_tumor[members].astype(np.float64))
            truths.append(int(np.bincount(tumors[members]).argmax()))
            whose.append(str(names[patient]))
    return Studies(slices, np.array(truths, dtype=np.int64), whose)


def answered_together(studies: Studies, seed: int = 0) -> Together:
    """Measure the rule in use against the slices by themselves.

    Parameters
    ----------
    studies : Studies
        At least one.
    seed : int
        Of the resampling of patients.
    """
    codes, draws = resampled_groups(studies.patients, seed)
    together = _hits(studies, DEFAULT_RULE)
    alone = np.array(
        [
            (slices.argmax(axis=1) == tumor).mean()
            for slices, tumor in zip(studies.slices, studies.tumors, strict=True)
        ]
    )
    return Together(
        studies=len(together),
        slices=sum(map(len, studies.slices)),
        accuracy=grouped_mean(together, codes, draws),
        by_slice=grouped_mean(alone, codes, draws),
        gain=grouped_mean(together - alone, codes, draws),
    )


def diluted(
    studies: Studies, without_tumor: NDArray[np.float32], added: int, seed: int = 0
) -> Studies:
    """Return studies as a scanner makes them: mostly slices that show no tumour.

    To each study, slices of people without a tumour are added, and as many studies of nothing
    else are made. It is a simulation: the slices added are of other heads, and the studies
    without a tumour share slices.

    Parameters
    ----------
    studies : Studies
        Of slices that all show a tumour.
    without_tumor : ndarray, (m, 4), float32
        Out-of-fold probabilities of slices that show none; m is at least `added`.
    added : int
        Slices added to each study, and in each study without a tumour.
    seed : int
        Of the draws.
    """
    random = np.random.default_rng(seed)

    def drawn() -> Probabilities:
        return without_tumor[random.permutation(len(without_tumor))[:added]].astype(np.float64)

    mixed = [np.concatenate([one, drawn()]) for one in studies.slices]
    empty = [drawn() for _ in studies.slices]
    none = np.full(len(empty), _NONE, dtype=np.int64)
    names = [f"without a tumour {k}" for k in range(len(empty))]
    return Studies(
        [*mixed, *empty],
        np.concatenate([studies.tumors, none]),
        [*studies.patients, *names],
    )


def compare_rules(
    studies: Studies, without_tumor: NDArray[np.float32], seed: int = 0
) -> dict[str, RuleFigures]:
    """Measure every rule of `artemis.answers.study_rules.RULES` on the same studies.

    Parameters
    ----------
    studies : Studies
        At least one.
    without_tumor : ndarray, (m, 4), float32
        To dilute them with; a dilution of more slices than there are is left out.
    seed : int
        Of the resampling, and of what is added.
    """
    codes, draws = resampled_groups(studies.patients, seed)
    mixed = {
        added: diluted(studies, without_tumor, added, seed)
        for added in DILUTIONS
        if added <= len(without_tumor)
    }
    truth = np.eye(len(TUMORS))[studies.tumors]
    figures = {}
    for name in RULES:
        answers = _answers(studies, name)
        of_truth = np.maximum((answers * truth).sum(axis=1), _LEAST)
        figures[name] = RuleFigures(
            accuracy=grouped_mean(_hits(studies, name), codes, draws),
            diluted={added: float(_hits(one, name).mean()) for added, one in mixed.items()},
            brier=float(((answers - truth) ** 2).sum(axis=1).mean()),
            nll=float(-np.log(of_truth).mean()),
        )
    return figures


def _answers(studies: Studies, rule: str) -> Probabilities:
    answers: Probabilities = np.stack([RULES[rule](slices) for slices in studies.slices])
    return answers


def _hits(studies: Studies, rule: str) -> NDArray[np.float64]:
    right: NDArray[np.bool_] = _answers(studies, rule).argmax(axis=1) == studies.tumors
    return right.astype(np.float64)
