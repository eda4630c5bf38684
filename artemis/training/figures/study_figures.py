"""Which rule answers best for a patient, out of predictions of slices that were not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artemis.labels import NO_TUMOR, TUMORS
from artemis.models.manifest import Interval
from artemis.study_rules import RULES, Probabilities
from artemis.training.figures.evaluate import resampled_groups

_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Studies:
    """Studies of known tumour type.

    Attributes
    ----------
    slices : list of ndarray, (n, 4), float64
        Probabilities by tumour type of each study's slices.
    tumors : ndarray, (studies,), int64
        True type of each, an index of `artemis.labels.TUMORS`.
    """

    slices: list[Probabilities]
    tumors: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """How well a rule answers, each study counting once.

    Attributes
    ----------
    accuracy : Interval
        Share of studies whose most probable type is the true one, with a 95 % bootstrap
        interval over studies; higher is better.
    brier : float
        Mean over studies of the squared differences summed over types (Brier 1950), 0 to 2;
        lower is better.
    nll : float
        Mean negative log-likelihood of the true type; lower is better.
    """

    accuracy: Interval
    brier: float
    nll: float


def by_patient(
    by_tumor: NDArray[np.float32], tumors: NDArray[np.int64], patients: Sequence[str]
) -> Studies:
    """Return a study for each patient with more than one slice.

    Parameters
    ----------
    by_tumor : ndarray, (n, 4), float32
        Out-of-fold probabilities by tumour type.
    tumors : ndarray, (n,), int64
        True tumour type of each slice; a patient's most frequent one is the study's.
    patients : sequence of str, length n
        Whose slice it is.
    """
    names, codes = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    slices, truths = [], []
    for code in range(len(names)):
        members = codes == code
        if members.sum() > 1:
            slices.append(by_tumor[members].astype(np.float64))
            truths.append(int(np.bincount(tumors[members]).argmax()))
    return Studies(slices, np.array(truths, dtype=np.int64))


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
    none = np.full(len(empty), TUMORS.index(NO_TUMOR), dtype=np.int64)
    return Studies([*mixed, *empty], np.concatenate([studies.tumors, none]))


def compare_rules(studies: Studies, seed: int = 0) -> dict[str, RuleFigures]:
    """Measure every rule of `artemis.study_rules.RULES` on the same studies.

    Parameters
    ----------
    studies : Studies
        At least one.
    seed : int
        Of the bootstrap.
    """
    count = len(studies.tumors)
    _, draws = resampled_groups([f"{k:06d}" for k in range(count)], seed)
    figures = {}
    for name, rule in RULES.items():
        answers = np.stack([rule(slices) for slices in studies.slices])
        hits = (answers.argmax(axis=1) == studies.tumors).astype(np.float64)
        low, high = np.percentile(draws @ hits / count, (2.5, 97.5))
        truth = np.eye(len(TUMORS))[studies.tumors]
        of_truth = np.maximum((answers * truth).sum(axis=1), _LEAST)
        figures[name] = RuleFigures(
            accuracy=Interval(value=float(hits.mean()), low=float(low), high=float(high)),
            brier=float(((answers - truth) ** 2).sum(axis=1).mean()),
            nll=float(-np.log(of_truth).mean()),
        )
    return figures
