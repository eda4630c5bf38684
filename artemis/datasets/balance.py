"""How a data set is composed: how even its classes and sources are, and how tied to each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from artemis.datasets.findings import COUNTS_SCHEMA, Finding, Kind, Severity
from artemis.labels import CATEGORY_NAMES
from artemis.said import TUMOR_WORDS

IMBALANCE: Final = 10.0
"""Largest category over a smaller one, from which the smaller one is said to be rare."""

TIED: Final = 0.95
"""Share of a source's pictures of one tumour type from which the two are said to be tied."""

_MIN_PICTURES: Final = 20
_UNKNOWN: Final = "unknown"


def count_table(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of pictures by tumour, plane, source, official split and fold."""
    keys = [name for name in COUNTS_SCHEMA.names if name != "pictures"]
    facts = labels.reindex(columns=keys)
    facts["source"] = facts["source"].fillna(_UNKNOWN)
    sizes = facts.groupby(keys, dropna=False).size()
    counts: pd.DataFrame = sizes.rename("pictures").reset_index()
    counts["fold"] = counts["fold"].astype("Int64")
    counts["official_split"] = counts["official_split"].astype(object)
    return counts.loc[:, list(COUNTS_SCHEMA.names)]


def explained(known: pd.Series[str], guessed: pd.Series[str]) -> float:
    """Return how much of the entropy of `guessed` the knowledge of `known` removes.

    Theil's uncertainty coefficient ``I(K; G) / H(G)``: 0 where the one says nothing about
    the other, 1 where it tells it; 0 where `guessed` has a single value.
    """
    counts = pd.crosstab(known, guessed).to_numpy(dtype=np.float64)
    joint = counts / max(counts.sum(), 1.0)
    entropy = _entropy(joint.sum(axis=0))
    mutual = entropy + _entropy(joint.sum(axis=1)) - _entropy(joint.ravel())
    return float(np.clip(mutual / entropy, 0.0, 1.0)) if entropy > 0 else 0.0


def balance_findings(labels: pd.DataFrame) -> Iterator[Finding]:
    """Yield rare and empty categories, uneven sources, and ties of source and tumour type.

    Parameters
    ----------
    labels : pandas.DataFrame
        ``tumor``, ``plane``, and optionally ``source`` and ``official_split``.
    """
    yield from _rare_categories(labels)
    sources = labels.reindex(columns=["source"])["source"].fillna(_UNKNOWN).astype(str)
    if sources.nunique() < 2:
        return
    yield from _rare_sources(sources)
    tumors = labels["tumor"].astype(str)
    share = explained(sources, tumors)
    yield Finding(
        Kind.SOURCE_TIE,
        Severity.WARNING if share >= 0.25 else Severity.NOTE,
        share,
        f"The source alone removes {share:.0%} of the uncertainty about the tumour type "
        "(Theil\u2019s coefficient; 0% would be no tie). Show every score per source.",
    )
    yield from _tied_sources(sources, tumors)
    if "official_split" in labels:
        splits = labels["official_split"].astype(object)
        yield from _shifted_sources(sources, tumors, splits.where(splits.notna(), _UNKNOWN))


def _rare_categories(labels: pd.DataFrame) -> Iterator[Finding]:
    names = labels["tumor"].astype(str) + "_" + labels["plane"].astype(str)
    counts = names.value_counts().reindex(list(CATEGORY_NAMES), fill_value=0)
    most, largest = int(counts.max()), str(counts.idxmax())
    for name, count in counts.items():
        tumor, _, plane = str(name).rpartition("_")
        words = _words_of(str(name))
        if count == 0:
            sentence = f"No picture is labelled {words}: no model can learn it."
            severity = Severity.ERROR
        elif most > IMBALANCE * count:
            sentence = (
                f"{_pictures(count)} labelled {words}, against {most} of {_words_of(largest)}: "
                f"{most / count:.0f} times fewer."
            )
            severity = Severity.WARNING
        else:
            continue
        yield Finding(
            Kind.CLASS_IMBALANCE,
            severity,
            float(1 - count / most) if most else 1.0,
            sentence,
            tumor=tumor,
            plane=plane,
        )


def _words_of(category: str) -> str:
    tumor, _, plane = category.rpartition("_")
    return f"{TUMOR_WORDS[tumor]}, {plane}"


def _rare_sources(sources: pd.Series[str]) -> Iterator[Finding]:
    counts = sources.value_counts()
    for name, count in counts.items():
        if counts.max() > IMBALANCE * count:
            yield Finding(
                Kind.SOURCE_IMBALANCE,
                Severity.NOTE,
                float(1 - count / counts.max()),
                f"{_pictures(count)} of the source {name}, against {counts.max()} of "
                f"{counts.idxmax()}: scores on it will be uncertain.",
            )


def _tied_sources(sources: pd.Series[str], tumors: pd.Series[str]) -> Iterator[Finding]:
    table = pd.crosstab(sources, tumors)
    for source, row in table.iterrows():
        share = row.max() / row.sum()
        if row.sum() >= _MIN_PICTURES and share >= TIED:
            yield _tie(
                share,
                f"{share:.0%} of the {row.sum()} pictures of the source {source} are labelled",
                row.idxmax(),
            )
    for tumor, column in table.items():
        share = column.max() / column.sum()
        if column.sum() >= _MIN_PICTURES and share >= TIED:
            yield _tie(
                share,
                f"{share:.0%} of the {column.sum()} pictures labelled {TUMOR_WORDS[str(tumor)]} "
                f"come from the source {column.idxmax()}: a model can learn the source instead of",
                tumor,
            )
        absent = [str(source) for source in table.index if column[source] == 0]
        if absent and column.sum() >= _MIN_PICTURES:
            yield Finding(
                Kind.SOURCE_TIE,
                Severity.NOTE,
                0.0,
                f"No picture labelled {TUMOR_WORDS[str(tumor)]} comes from {', '.join(absent)}.",
                tumor=str(tumor),
            )


def _tie(share: float, opening: str, tumor: object) -> Finding:
    words = f"{opening} {TUMOR_WORDS[str(tumor)]}."
    return Finding(Kind.SOURCE_TIE, Severity.WARNING, float(share), words, tumor=str(tumor))


def _shifted_sources(
    sources: pd.Series[str], tumors: pd.Series[str], splits: pd.Series[str]
) -> Iterator[Finding]:
    """Yield tumour types whose test pictures come from sources that none in training has."""
    training, testing = splits == "training", splits == "testing"
    for tumor in sorted(tumors.unique()):
        of = tumors == tumor
        known = set(sources[of & training])
        test = sources[of & testing]
        strange = ~test.isin(known)
        if known and strange.any():
            share = float(strange.mean())
            yield Finding(
                Kind.SOURCE_TIE,
                Severity.WARNING,
                share,
                f"{strange.sum()} of the {len(test)} test pictures labelled {TUMOR_WORDS[tumor]} "
                f"come from sources that no training picture of that label has "
                f"({', '.join(sorted(set(test[strange])))}).",
                tumor=tumor,
            )


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"


def _entropy(shares: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    used = shares[shares > 0]
    return float(-(used * np.log(used)).sum())
