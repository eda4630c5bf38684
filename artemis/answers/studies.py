"""One answer for a series, and for a study, out of those of its slices, with what supports it.

Slices belong together by the keyed hashes of their DICOM header, or by lying in one NIfTI
file. What is a slice by itself has no study: a run of single pictures has no such table.

A place of the body that a series shows several times, as time points, echoes or weightings do,
is one piece of evidence and not several: it says what its slices say on average.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from artemis.answers.review import ReviewReason
from artemis.answers.study_rules import DEFAULT_RULE, RULES
from artemis.labels import NO_TUMOR, OBLIQUE, PLANES, PROBABILITY_COLUMNS, TUMORS
from artemis.models.runtime import tumor_probabilities
from artemis.predictions import part_name, plain_rows, read_table, write_part
from artemis.runs import RunPaths, RunRecord
from artemis.schemas import STUDIES_SCHEMA
from artemis.settings import ReviewSettings

SUPPORTING: Final = 5
"""Slices listed as those that speak most for a study's answer, at most."""

_FILE_SERIES: Final = "file-"
_FILE_DIGITS: Final = 16
_SAME_PLACE: Final = 2  # decimals of a position in mm
_PLACE_COLUMNS: Final = ("series_key", "header_plane", "slice_position")
SLICE_COLUMNS: Final = (
    "slice_id",
    "path",
    "frame",
    "format",
    "file_sha256",
    "patient_key",
    "study_key",
    "series_key",
    "series_index",
    "slice_position",
    "header_plane",
    "status",
)
"""What `with_series` and `study_rows` need of the table `slices`."""

_ANSWER_COLUMNS: Final = (
    *("slice_id", "path", "frame", "model", "model_version", "plane", "review_reasons"),
    *PROBABILITY_COLUMNS,
)


class StudyReason(StrEnum):
    """Why a human should look at the answer for a series or a study."""

    MODELS_DISAGREE = ReviewReason.MODELS_DISAGREE.value
    LOW_CONFIDENCE = ReviewReason.LOW_CONFIDENCE.value
    OUT_OF_DISTRIBUTION = ReviewReason.OUT_OF_DISTRIBUTION.value
    SERIES_DISAGREE = "series_disagree"


def write_studies(run: RunPaths, record: RunRecord) -> int:
    """Write the table `studies` of a run whose predictions are all written; return its rows.

    A part that is there stays as it is; without a series or study of several slices there is
    none.
    """
    target = run.studies / part_name(0)
    if target.exists():
        return int(pq.ParquetFile(target).metadata.num_rows)
    slices = read_table(run.root, "slices", SLICE_COLUMNS)
    if not any(_groups(_with_parents(slices))):  # single pictures: their answers are not read
        return 0
    answers = read_table(run.root, "predictions", _ANSWER_COLUMNS)
    rows = study_rows(slices, answers, record.settings.review)
    if rows:
        write_part(target, [row | {"run_id": run.run_id} for row in rows], STUDIES_SCHEMA)
    return len(rows)


def study_rows(
    slices: pd.DataFrame,
    predictions: pd.DataFrame,
    settings: ReviewSettings,
    rule: str = DEFAULT_RULE,
) -> list[dict[str, Any]]:
    """Return an answer for each series and study of several slices, and model.

    Parameters
    ----------
    slices, predictions : pandas.DataFrame
        The tables of a run, of slices at least `SLICE_COLUMNS`.
    settings : ReviewSettings
        `min_confidence` is used.
    rule : str
        One of `artemis.answers.study_rules.RULES`.

    Returns
    -------
    list of dict
        All columns of `artemis.schemas.STUDIES_SCHEMA` but ``run_id``: in the order of
        the run a study's own rows, then those of its series. Where slices are copies of each
        other, one counts. A study or series of which no slice was classified has no row.
    """
    known = _with_parents(slices)
    answered = predictions.merge(
        known.drop(columns=["slice_id", "status"]), on=["path", "frame"], validate="many_to_one"
    )
    # By position, once: a run may hold thousands of series.
    of_study = answered.groupby("parent").indices
    of_series = answered.groupby(["parent", "series_key"]).indices
    rows: list[dict[str, Any]] = []
    for parent, study_key, series_key, members in _groups(known):
        found = of_study if series_key is None else of_series
        at = found.get(parent if series_key is None else (parent, series_key), [])
        rows += [
            _row(study_key, series_key, members, of_model, settings, rule)
            for _, of_model in answered.iloc[at].groupby("model", sort=False)
        ]
    return _with_disagreements(rows)


def with_series(slices: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of `slices` that tell what belongs together.

    A NIfTI volume, whose header names no series, is one: ``file-`` and 16 digits of its hash.
    """
    known = slices[list(SLICE_COLUMNS)].copy()
    volume = (
        known["series_key"].isna() & (known["format"] == "nifti") & known["file_sha256"].notna()
    )
    known.loc[volume, "series_key"] = known.loc[volume, "file_sha256"].map(_volume_key)
    return known


def series_of(row: Mapping[str, Any]) -> str | None:
    """Return the series of one row of `slices`, as `with_series` does of all."""
    key: str | None = row["series_key"]
    if key is None and row["format"] == "nifti" and row["file_sha256"] is not None:
        return _volume_key(row["file_sha256"])
    return key


def _volume_key(file_sha256: str) -> str:
    return _FILE_SERIES + file_sha256[:_FILE_DIGITS]


def _with_parents(slices: pd.DataFrame) -> pd.DataFrame:
    """Return `with_series` and the column ``parent``: the study's key, or else the series'."""
    known = with_series(slices)
    known["parent"] = known["study_key"].where(known["study_key"].notna(), known["series_key"])
    known["place"] = _places(known)
    return known


def _places(known: pd.DataFrame) -> NDArray[np.int64]:
    """Return numbers that slices of one series at one place share; of unknown places, own ones."""
    numbers: dict[Any, int] = {}
    places = []
    for at, row in enumerate(plain_rows(known[list(_PLACE_COLUMNS)])):
        series, place = row["series_key"], place_of(row)
        shared = at if series is None or place is None else (series, place)
        places.append(numbers.setdefault(shared, len(numbers)))
    return np.array(places, dtype=np.int64)


def place_of(row: Mapping[str, Any]) -> tuple[str, float] | None:
    """Return what slices of one series share where they show one place; None if it is unknown."""
    position = row["slice_position"]
    if position is None:
        return None
    return row["header_plane"] or "", round(position, _SAME_PLACE) + 0.0  # of -0.0 too 0.0


def _groups(
    known: pd.DataFrame,
) -> Iterator[tuple[str, str | None, str | None, pd.DataFrame]]:
    """Yield every study, then its series, and series without a study, of several slices.

    What its slices share (the study's key, or else the series'), both keys, and the slices.
    """
    for parent, together in known.groupby("parent", sort=False):
        study_key = _only(together["study_key"])
        if study_key is not None and len(together) > 1:
            yield str(parent), study_key, None, together
        for series_key, series in together.groupby("series_key", sort=False):
            if len(series) > 1:
                yield str(parent), study_key, str(series_key), series


def _row(
    study_key: str | None,
    series_key: str | None,
    members: pd.DataFrame,
    answers: pd.DataFrame,
    settings: ReviewSettings,
    rule: str,
) -> dict[str, Any]:
    distinct = answers.drop_duplicates("slice_id")
    probabilities = distinct[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float32)
    by_tumor = tumor_probabilities(probabilities).astype(np.float64)
    places = pd.factorize(distinct["place"])[0]
    pooled = RULES[rule](_means(by_tumor, places))
    answer = int(pooled.argmax())
    supporting = distinct.iloc[_strongest(by_tumor[:, answer], places)]
    strange = supporting["review_reasons"].map(
        lambda given: ReviewReason.OUT_OF_DISTRIBUTION.value in given
    )
    reasons = []
    if strange.mean() > 0.5:  # its confidence then means nothing, and is no reason
        reasons.append(StudyReason.OUT_OF_DISTRIBUTION.value)
    elif pooled[answer] < settings.min_confidence:
        reasons.append(StudyReason.LOW_CONFIDENCE.value)
    return {
        "study_key": study_key,
        "series_key": series_key,
        "patient_key": _only(members["patient_key"]),
        "model": distinct["model"].iloc[0],
        "model_version": distinct["model_version"].iloc[0],
        "slices": len(members),
        "classified": len(distinct),
        "tumor": TUMORS[answer],
        "confidence": float(pooled[answer]),
        **{f"p_{tumor}": float(p) for tumor, p in zip(TUMORS, pooled, strict=True)},
        "supporting": supporting["slice_id"].tolist(),
        "rule": rule,
        "planes": _planes(distinct),
        "needs_review": bool(reasons),
        "review_reasons": reasons,
    }


def _means(by_tumor: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean over the slices of each place, (places, 4)."""
    sums = np.zeros((places.max() + 1, by_tumor.shape[1]))
    np.add.at(sums, places, by_tumor)
    means: NDArray[np.float64] = sums / np.bincount(places)[:, None]
    return means


def _strongest(shares: NDArray[np.float64], places: NDArray[np.int64]) -> list[int]:
    """Return where the strongest slices are, one of each place, the strongest first."""
    ranked = np.argsort(-shares, kind="stable")
    _, first = np.unique(places[ranked], return_index=True)
    strongest: list[int] = ranked[np.sort(first)][:SUPPORTING].tolist()
    return strongest


def _planes(answers: pd.DataFrame) -> list[str]:
    """Return the planes of a study, by its headers, or else what most slices of a series show."""
    found = set(answers["header_plane"].dropna())
    if not found:
        series = answers["series_key"].fillna("")
        found = {planes.mode().iloc[0] for _, planes in answers["plane"].groupby(series)}
    return [plane for plane in (*PLANES, OBLIQUE) if plane in found]


def _with_disagreements(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the reasons that depend on other rows: those of other models, and of a study's series."""
    by_group: dict[tuple[Any, Any], set[str]] = {}
    by_study: dict[tuple[Any, str], set[str]] = {}
    for row in rows:
        by_group.setdefault((row["study_key"], row["series_key"]), set()).add(row["tumor"])
        if row["series_key"] is not None:
            by_study.setdefault((row["study_key"], row["model"]), set()).add(row["tumor"])
    for row in rows:
        found = []
        if len(by_group[row["study_key"], row["series_key"]]) > 1:
            found.append(StudyReason.MODELS_DISAGREE.value)
        own = row["series_key"] is None
        if own and _differ(by_study.get((row["study_key"], row["model"]), set())):
            found.append(StudyReason.SERIES_DISAGREE.value)
        row["review_reasons"] = found + row["review_reasons"]
        row["needs_review"] = bool(row["review_reasons"])
    return rows


def _differ(tumors: set[str]) -> bool:
    """Return whether series contradict each other: one that shows no tumour contradicts none."""
    return len(tumors - {NO_TUMOR}) > 1


def _only(keys: Sequence[Any] | pd.Series[Any]) -> str | None:
    """Return the one key that a group has, or None for none or several."""
    found = pd.Series(keys).dropna().unique()
    return str(found[0]) if len(found) == 1 else None
