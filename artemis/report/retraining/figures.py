"""Champion against challenger on the locked slices: figures, recalls, sources, confusions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from artemis.labels import CATEGORIES, CATEGORY_NAMES, TUMORS
from artemis.models.manifest import ClassFigures, Evaluation, Interval, Shortcuts
from artemis.models.retrainings import DataSummary, Outcome
from artemis.report.plots.curves import interval_plot
from artemis.report.retraining.data import RetrainingData
from artemis.report.retraining.words import (
    DIFFERENCE_WORDS,
    METRIC_WORDS,
    PROVENANCE_WORDS,
    VARIANT_WORDS,
    figure,
    groups_words,
    signed,
)
from artemis.report.run.comparison import Matrix, matrix_of
from artemis.report.words import (
    CATEGORY_WORDS,
    DASH,
    TUMOR_WORDS,
    counted,
    joined,
    number,
    sentence,
    visible,
)

Row = tuple[str, ...]


def comparison_view(data: RetrainingData) -> dict[str, Any]:
    """Return what the section on champion and challenger shows, model by model."""
    return {
        "models": [
            {
                "style": f"m{data.models.index(model) % 4}",
                "name": visible(model),
                "intro": _intro(outcome, data.record.data),
                "sides": _sides(outcome),
                "figures": figure_rows(outcome),
                "plot": _plot(model, outcome, data.models.index(model)),
                "tumor_head": class_head(outcome, TUMORS),
                "tumors": class_rows(outcome, TUMORS, TUMOR_WORDS, "per_tumor"),
                "category_head": class_head(outcome, CATEGORY_NAMES),
                "categories": class_rows(outcome, CATEGORY_NAMES, CATEGORY_WORDS, "per_category"),
                "sources": source_rows(outcome),
                "confusions": _confusions(outcome),
                "shortcuts": shortcut_rows(outcome),
            }
            for model, outcome in data.outcomes
        ]
    }


def figure_rows(outcome: Outcome) -> list[Row]:
    """Return name, challenger's figure, and, with a champion, its figure and the difference.

    Those that the gate compared are taken from the decision; of the others there is no
    difference, since an interval of one needs both models' answers.
    """
    figures = outcome.decision.figures
    rows = []
    for name, words in METRIC_WORDS.items():
        ours, theirs = (
            figures.get(f"{whose}_{name}") or (evaluation.metrics.get(name) if evaluation else None)
            for whose, evaluation in (
                ("challenger", outcome.evaluation),
                ("champion", outcome.champion_evaluation),
            )
        )
        rows.append(_beside(outcome, words, ours, theirs, figures.get(f"difference_{name}")))
    return rows


def class_head(outcome: Outcome, names: Sequence[str]) -> list[str]:
    """Return the heads of `class_rows` after a class and its images."""
    if outcome.champion is None:
        return ["Recall", "Precision"]
    difference = ["Difference"] if _compared(outcome, names) else []
    return [
        "Champion\u2019s recall",
        "Challenger\u2019s recall",
        *difference,
        "Champion\u2019s precision",
        "Challenger\u2019s precision",
    ]


def _compared(outcome: Outcome, names: Sequence[str]) -> bool:
    """Return whether the gate took the difference of recall of any of these classes."""
    return any(f"difference_recall_{name}" in outcome.decision.figures for name in names)


def class_rows(
    outcome: Outcome, names: Sequence[str], words: Mapping[str, str], table: str
) -> list[Row]:
    """Return each class's name, images, recall as in `figure_rows`, and precision.

    Parameters
    ----------
    outcome : Outcome
        Of one model.
    names : sequence of str
        Classes in their order; one that the evaluation does not name is left out.
    words : mapping of str to str
        Their names in words.
    table : {'per_tumor', 'per_category'}
        Which figures of the evaluation.
    """
    ours: dict[str, ClassFigures] = getattr(outcome.evaluation, table)
    theirs: dict[str, ClassFigures] = getattr(outcome.champion_evaluation, table, {})
    shown_recalls = 3 if _compared(outcome, names) else 2  # no column of dashes
    rows = []
    for name in names:
        own, other = ours.get(name), theirs.get(name)
        if own is None:
            continue
        change = outcome.decision.figures.get(f"difference_recall_{name}")
        recall = _beside(outcome, "", own.recall, other.recall if other else None, change)
        precision = [figure(one.precision if one else None) for one in (other, own)]
        shown = (
            *recall[1 : 1 + shown_recalls],
            *(precision if outcome.champion else precision[1:]),
        )
        rows.append((sentence(words[name]), number(own.images), *shown))
    return rows


def source_rows(outcome: Outcome) -> list[Row]:
    """Return source, images, groups, and tumour accuracy and macro F1 of each model."""
    theirs = outcome.champion_evaluation.per_source if outcome.champion_evaluation else {}
    rows = []
    for source, own in sorted(outcome.evaluation.per_source.items()):
        other = theirs.get(source)
        pairs = [
            (other.tumor_accuracy if other else None, own.tumor_accuracy),
            (other.tumor_macro_f1 if other else None, own.tumor_macro_f1),
        ]
        shown = [figure(one) for pair in pairs for one in (pair if outcome.champion else pair[1:])]
        rows.append((visible(source), number(own.images), number(own.groups), *shown))
    return rows


def shortcut_rows(outcome: Outcome) -> list[Row]:
    """Return the shortcut tests of each model: what was tested, and what came out."""
    before = outcome.champion_evaluation.shortcuts if outcome.champion_evaluation else None
    theirs, ours = _shortcuts(before), _shortcuts(outcome.evaluation.shortcuts)
    return [
        (test, theirs.get(test, DASH), ours.get(test, DASH))
        if outcome.champion
        else (test, ours[test])
        for test in dict.fromkeys([*ours, *theirs])
    ]


def _shortcuts(found: Shortcuts | None) -> dict[str, str]:
    if found is None:
        return {}
    of = f"({counted(found.images, 'image')})"
    shown = {
        f"{words} {of}": figure(found.tumor_accuracy[name])
        for name, words in VARIANT_WORDS.items()
        if name in found.tumor_accuracy
    }
    for probe in found.probes:
        sources = joined([visible(source) for source in probe.sources])
        tumor = TUMOR_WORDS.get(probe.tumor, visible(probe.tumor))
        test = f"Source read off the features of {tumor}: {sources}"
        chance = f"chance {1 / len(probe.sources):.2f}" if probe.sources else "no source"
        shown[test] = f"{probe.balanced_accuracy:.3f} ({chance})"
    return shown


def tumor_matrix(evaluation: Evaluation) -> Matrix:
    """Return the confusion of tumour types, rows the truth and columns the answer."""
    counts: Counter[tuple[str, str]] = Counter()
    for truth, row in zip(CATEGORIES, evaluation.confusion, strict=True):
        for answer, count in zip(CATEGORIES, row, strict=True):
            counts[truth.tumor, answer.tumor] += count
    return matrix_of(counts, TUMORS, TUMORS, diagonal=True)


def _beside(
    outcome: Outcome,
    words: str,
    ours: Interval | None,
    theirs: Interval | None,
    difference: Interval | None,
) -> Row:
    if outcome.champion is None:
        return words, figure(ours)
    return words, figure(theirs), figure(ours), signed(difference)


def _intro(outcome: Outcome, made_of: DataSummary | None) -> str:
    evaluation = outcome.evaluation
    measured = (
        f"{visible(evaluation.protocol)} Measured on {counted(evaluation.images, 'locked image')} "
        f"of {groups_words(evaluation.groups, made_of)}."
    )
    if outcome.champion is None:
        return f"{measured} There was no champion to compare with."
    provenance = outcome.champion_provenance or ""
    told = PROVENANCE_WORDS.get(provenance) or (
        f"How the champion\u2019s figures came about is recorded as \u201c{visible(provenance)}"
        "\u201d."
    )
    return f"{measured} {told}"


def _sides(outcome: Outcome) -> list[str]:
    challenger = f"Challenger {visible(outcome.version)}"
    if outcome.champion is None:
        return [challenger]
    return [f"Champion {visible(outcome.champion)}", challenger]


def _plot(model: str, outcome: Outcome, order: int) -> Any:
    figures = outcome.decision.figures
    rows = [
        (words, figures[f"difference_{name}"])
        for name, words in DIFFERENCE_WORDS.items()
        if f"difference_{name}" in figures
    ]
    told = "; ".join(f"{words} {signed(one)}" for words, one in rows)
    description = f"Challenger minus champion of {visible(model)}: {told}"
    return interval_plot(rows, description, order) if rows else None


def _confusions(outcome: Outcome) -> list[tuple[str, Matrix]]:
    evaluations = [outcome.evaluation]
    if outcome.champion is not None and outcome.champion_evaluation is not None:
        evaluations.insert(0, outcome.champion_evaluation)
    sides = _sides(outcome)[-len(evaluations) :]
    return [(side, tumor_matrix(one)) for side, one in zip(sides, evaluations, strict=True)]
