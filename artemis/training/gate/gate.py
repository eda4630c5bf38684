"""The gate: whether a challenger takes the champion's place, keeps out, or needs a human.

Pure: evidence and checks in, a decision with its grounds out. `artemis.models.champions.settle`
carries it out and records it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from artemis.labels import TUMORS
from artemis.models.comparison import Agreement
from artemis.models.decisions import Check, Decision, Verdict
from artemis.models.manifest import Interval
from artemis.said import TUMOR_WORDS
from artemis.training.figures.bootstrap import Resampled, recall_key, resample
from artemis.training.gate.evidence import Evidence
from artemis.training.gate.evidence_checks import (
    NEEDED,
    check_champion,
    check_golden,
    check_locked_set,
    check_predictions,
)
from artemis.training.gate.policy import Policy

TRAINING_CHECKS = (
    "policy_unchanged",
    "leak_slices",
    "leak_groups",
    "leak_near_copies",
    "locked_whole",
    "patients_known",
    "training_categories",
    "training_groups",
    "training_labels",
)
"""Checks of `artemis.training.gate.integrity` without which no rule promotes."""

CHANGE_CHECKS = (
    "change_network",
    "change_recipe",
    "change_categories",
    "change_data",
    "change_labels",
    "locked_labels",
)
"""Those that are needed as well where there is a champion."""


def decide(
    policy: Policy,
    *,
    challenger: Evidence,
    champion: Evidence | None,
    golden: Agreement | None,
    integrity: Sequence[Check],
) -> Decision:
    """Compare a challenger with the champion on the same locked slices.

    It is promoted only if every check passes: those given, those of the evidence itself, and
    the comparison (non-inferiority in macro F1 by the lower end of a paired interval, no
    fall of a tumour's recall, no rise of the calibration error, agreement on the golden set),
    or, without a champion, the policy's floors. If one fails that forbids the challenger's
    use, the champion is kept; if others fail, a human is needed.

    Parameters
    ----------
    policy : Policy
        Every threshold.
    challenger : Evidence
        Its own predictions on locked slices, which it never saw.
    champion : Evidence or None
        On the same slices, see `artemis.training.gate.evidence.fair_evidence`; None if there is
        no champion.
    golden : Agreement or None
        Of the two models on the golden set; None if there is none.
    integrity : sequence of Check
        Of the training set and of what changed: `TRAINING_CHECKS`, with a champion
        `CHANGE_CHECKS`, and any others. One that was left out is not passed.

    Returns
    -------
    Decision
        With every check, passed or not, and every figure with its 95 % interval.
    """
    challenger = challenger.sorted()
    checks = [
        _complete(integrity, champion is not None),
        *integrity,
        *check_predictions(challenger),
        *check_locked_set(policy, challenger),
    ]
    if champion is not None:
        champion = champion.sorted()
        checks += [*check_champion(challenger, champion), *check_golden(policy, golden)]
    # Figures of broken predictions, or an interval over a handful of patients, say nothing.
    figures: dict[str, Interval] = {}
    if all(check.passed for check in checks if check.name in NEEDED):
        measured = _resample(policy, challenger)
        figures |= _named("challenger", measured.intervals)
        checks.append(_plausible(policy, measured.value["accuracy"]))
        if champion is None:
            checks += _floors(policy, challenger, measured.intervals)
        else:
            other = _resample(policy, champion)
            differences = measured.minus(other)
            checks += _comparison(policy, differences)
            figures |= _named("champion", other.intervals) | _named("difference", differences)
    verdict = _verdict(checks)
    inputs = {"policy": policy.sha256, "locked_set": challenger.locked_set_sha256}
    if golden is not None:
        inputs["golden_set"] = golden.sha256
    return Decision(
        model=challenger.model,
        challenger=challenger.version,
        champion=champion.version if champion else None,
        verdict=verdict,
        reason=_reason(verdict, checks, figures),
        checks=checks,
        figures=figures,
        inputs=inputs,
    )


def _complete(integrity: Sequence[Check], compared: bool) -> Check:
    made = {check.name for check in integrity}
    needed = (*TRAINING_CHECKS, *(CHANGE_CHECKS if compared else ()))
    missing = [name for name in needed if name not in made]
    return Check(
        name="integrity",
        passed=not missing,
        expected="every check of the training set made",
        received=f"none of {', '.join(missing)}" if missing else "all of them",
        on_failure=Verdict.NEEDS_HUMAN,
    )


def _resample(policy: Policy, evidence: Evidence) -> Resampled:
    return resample(
        evidence.categories,
        evidence.dealt_groups,
        evidence.probabilities,
        resamples=policy.bootstrap.resamples,
        seed=policy.bootstrap.seed,
    )


def _named(whose: str, figures: dict[str, Interval]) -> dict[str, Interval]:
    return {f"{whose}_{name}": figure for name, figure in figures.items()}


def _plausible(policy: Policy, accuracy: float) -> Check:
    limit = policy.suspicion.implausible_accuracy
    return Check(
        name="plausible_accuracy",
        passed=accuracy < limit,
        expected=f"an accuracy below {limit:.3f}; more, on patients never seen, is a leak until "
        "proven otherwise",
        received=f"{accuracy:.3f}",
        on_failure=Verdict.NEEDS_HUMAN,
    )


def _floors(policy: Policy, challenger: Evidence, figures: dict[str, Interval]) -> list[Check]:
    rules = policy.floors
    f1, ece, accuracy = (figures[name] for name in ("macro_f1", "ece", "accuracy"))
    chance = np.bincount(challenger.categories).max() / len(challenger.categories)
    return [
        Check(
            name="floor_macro_f1",
            passed=f1.low >= rules.min_macro_f1,
            expected=f"without a champion, a macro F1 whose interval begins at "
            f"{rules.min_macro_f1:.3f} or above",
            received=f"{f1.value:.3f} ({f1.low:.3f} to {f1.high:.3f})",
        ),
        Check(
            name="floor_ece",
            passed=ece.value <= rules.max_ece,
            expected=f"without a champion, an ECE of at most {rules.max_ece:.3f}",
            received=f"{ece.value:.3f}",
        ),
        Check(
            name="floor_chance",
            passed=accuracy.low >= chance + rules.min_above_chance,
            expected=f"an accuracy whose interval begins {rules.min_above_chance:.2f} or more "
            f"above {chance:.3f}, the share of the commonest category",
            received=f"{accuracy.value:.3f} ({accuracy.low:.3f} to {accuracy.high:.3f})",
        ),
    ]


def _comparison(policy: Policy, differences: dict[str, Interval]) -> list[Check]:
    rules = policy.comparison
    f1, ece = differences["macro_f1"], differences["ece"]
    checks = [
        Check(
            name="macro_f1",
            # The value as well: a skewed resampling must not excuse what was measured.
            passed=min(f1.low, f1.value) > rules.min_macro_f1_difference_low,
            expected="a difference of macro F1 whose interval begins above "
            f"{rules.min_macro_f1_difference_low:+.4f}",
            received=_signed(f1),
        ),
        Check(
            name="ece",
            passed=ece.value <= rules.max_ece_rise,
            expected=f"an ECE that rises by at most {rules.max_ece_rise:.4f}",
            received=_signed(ece),
        ),
    ]
    for tumor in TUMORS:
        fall = differences.get(recall_key(tumor))
        if fall is not None:
            checks.append(
                Check(
                    name=recall_key(tumor),
                    passed=-fall.value <= rules.max_tumor_recall_fall,
                    expected=f"a recall of {TUMOR_WORDS[tumor]} that falls by at most "
                    f"{rules.max_tumor_recall_fall:.3f}",
                    received=_signed(fall),
                )
            )
    return checks


def _signed(figure: Interval) -> str:
    return f"{figure.value:+.4f} ({figure.low:+.4f} to {figure.high:+.4f})"


def _verdict(checks: Sequence[Check]) -> Verdict:
    failed = {check.on_failure for check in checks if not check.passed}
    for verdict in (Verdict.KEEP, Verdict.NEEDS_HUMAN):
        if verdict in failed:
            return verdict
    return Verdict.PROMOTE


def _reason(verdict: Verdict, checks: Sequence[Check], figures: dict[str, Interval]) -> str:
    if verdict is Verdict.PROMOTE:
        measured = (
            f"difference of macro F1 {_signed(figures['difference_macro_f1'])}"
            if "difference_macro_f1" in figures
            else f"macro F1 {figures['challenger_macro_f1'].value:.3f} without a champion"
        )
        return f"Promoted, since all {len(checks)} checks passed: {measured}."
    failed = [check for check in checks if not check.passed]
    # What forbids the challenger comes before what a person could still allow.
    failed.sort(key=lambda check: check.on_failure is not Verdict.KEEP)
    word = "Kept" if verdict is Verdict.KEEP else "Left to a human"
    return f"{word}, since not passed: {'; '.join(map(str, failed))}."
