"""The words of a retraining's page, and the formats of its figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from artemis.labels import TUMORS
from artemis.models.decisions import Check, Verdict
from artemis.models.manifest import Interval
from artemis.models.retrainings import DataSummary
from artemis.report.words import DASH, TUMOR_WORDS, counted, visible

CHECK_WORDS: Final[Mapping[str, str]] = {
    "integrity": "Every check of the training set made",
    "policy_unchanged": "Limits set before the training",
    "leak_slices": "No locked slice trained on",
    "leak_groups": "No group both locked and trained on",
    "leak_near_copies": "No near-copy of a locked slice trained on",
    "locked_whole": "The whole locked set measured on",
    "patients_known": "Patients known",
    "training_categories": "Every category in the training set",
    "training_groups": "Enough groups in the training set",
    "training_labels": "Labels of the training set",
    "change_network": "Change of the network",
    "change_recipe": "Change of the recipe",
    "change_categories": "Change of the categories",
    "change_data": "Change of the amount of data",
    "change_labels": "Change of labels",
    "predictions_valid": "Challenger\u2019s probabilities",
    "predictions_varied": "Every category predicted",
    "challenger_unseen": "Challenger never saw the locked slices",
    "locked_groups": "Enough locked groups",
    "locked_categories": "Every category in the locked set",
    "locked_tumors": "Every tumour type in the locked set",
    "fair_champion": "Champion measured fairly",
    "champion_valid": "Champion\u2019s probabilities",
    "same_slices": "Both models on the same slices",
    "golden_set": "Golden set",
    "golden_categories": "Agreement on the golden set",
    "golden_probabilities": "Closeness on the golden set",
    "plausible_accuracy": "Accuracy not too good to be true",
    "floor_macro_f1": "Least macro F1 without a champion",
    "floor_ece": "Largest calibration error without a champion",
    "floor_chance": "Better than chance",
    "macro_f1": "Macro F1 against the champion",
    "ece": "Calibration error against the champion",
    "champion_unchanged": "Champion still the one compared with",
    **{f"recall_{tumor}": f"Recall of {TUMOR_WORDS[tumor]}" for tumor in TUMORS},
}

METRIC_WORDS: Final[Mapping[str, str]] = {
    "accuracy": "Accuracy, twelve categories",
    "macro_f1": "Macro F1, twelve categories",
    "tumor_accuracy": "Accuracy, tumour type",
    "plane_accuracy": "Accuracy, plane",
    "accuracy_surest_80": "Accuracy on the surest 80%",
    "ece": "Calibration error, lower is better",
    "ece_equal_mass": "Calibration error, bins of equal mass, lower is better",
    "brier": "Brier score, lower is better",
    "nll": "Negative log likelihood, lower is better",
}

DIFFERENCE_WORDS: Final[Mapping[str, str]] = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    **{f"recall_{tumor}": f"Recall, {TUMOR_WORDS[tumor]}" for tumor in TUMORS},
}
"""Differences that are plotted: of figures of which more is better."""

PROVENANCE_WORDS: Final[Mapping[str, str]] = {
    "unseen": "The champion\u2019s figures are its own answers on slices that it never saw.",
    "out_of_fold": "The champion was trained on locked slices; for those, its figures are of "
    "networks of the same recipe that had not seen them (out of fold).",
    "trained_on": "The champion was, or may have been, trained on locked slices, so its figures "
    "are too good and the two cannot be compared fairly.",
}

VARIANT_WORDS: Final[Mapping[str, str]] = {
    "as_is": "Tumour named, picture as it is",
    "blanked": "Tumour named, tumour box blanked",
    "only_box": "Tumour named, only the tumour box left",
    "blanked_none": "\u201cNo tumour\u201d answered, tumour box blanked",
}

START_WORDS: Final[Mapping[str, str]] = {
    "champion": "from the champions\u2019 weights",
    "imagenet": "from ImageNet",
}

INPUT_WORDS: Final[Mapping[str, str]] = {
    "policy": "Policy of the gate",
    "locked_set": "Locked set",
    "golden_set": "Golden set",
    "training_set": "Training set",
}

CONSEQUENCES: Final[Mapping[Verdict, str]] = {
    Verdict.KEEP: "keeps it out",
    Verdict.NEEDS_HUMAN: "needs a person",
}


def groups_words(count: int, of: DataSummary | None) -> str:
    """Return a number of groups, called patients' only where every image's is given."""
    known = of is not None and of.group_unknown == 0
    return counted(count, "patient group" if known else "group")


def whole_data_words(of: DataSummary) -> str:
    """Return of how many groups the images are, and what is known of their patients."""
    words, unknown = f"of {groups_words(of.groups, of)}", of.group_unknown
    if unknown is None:
        return f"{words} (patients, as far as they are known)"
    if not unknown:
        return words
    which, where = (
        ("", "") if unknown == of.images else (f"of {counted(unknown, 'image')} ", " there")
    )
    return (
        f"{words}; {which}neither patient nor group is given, and only copies and slices of one "
        f"study or file are held together{where}"
    )


def check_words(check: Check) -> str:
    """Return the name of a check in words; a name without words of its own is made readable."""
    return CHECK_WORDS.get(check.name) or visible(check.name).replace("_", " ").capitalize()


def with_minus(text: str) -> str:
    """Return a record's words with a minus sign before each negative number, not a hyphen."""
    return re.sub(r"(?<![\w.-])-(?=\d)", "\u2212", visible(text))


def figure(interval: Interval | None) -> str:
    """Return ``0.912 (0.880 to 0.941)``, or a dash for a figure that there is not."""
    if interval is None:
        return DASH
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def signed(interval: Interval | None) -> str:
    """Return a difference with signs, ``+0.012 (+0.003 to +0.027)``, or a dash if there is none."""
    if interval is None:
        return DASH
    value, low, high = (
        f"{end:+.3f}".replace("-", "\u2212")
        for end in (interval.value, interval.low, interval.high)
    )
    return f"{value} ({low} to {high})"
