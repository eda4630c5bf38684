from __future__ import annotations

import numpy as np
import pytest

from artemis.answers.study_rules import DEFAULT_RULE, RULES, mean_log_odds, mean_of_top, noisy_or

CLEAR = [0.01, 0.01, 0.01, 0.97]
MENINGIOMA = [0.1, 0.8, 0.05, 0.05]


def study(*slices: list[float]) -> np.ndarray:
    return np.array(slices)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_gives_probabilities_and_keeps_a_unanimous_answer(rule: str) -> None:
    pooled = RULES[rule](study(*[MENINGIOMA] * 4))
    assert pooled.shape == (4,)
    assert pooled.sum() == pytest.approx(1)
    assert pooled.argmax() == 1


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_answers_for_a_single_certain_slice(rule: str) -> None:
    pooled = RULES[rule](study([1.0, 0.0, 0.0, 0.0]))
    assert pooled == pytest.approx([1, 0, 0, 0], abs=1e-3)


def test_top_slices_are_those_that_most_probably_show_some_tumour() -> None:
    pooled = mean_of_top(study(CLEAR, MENINGIOMA, CLEAR, [0.2, 0.6, 0.0, 0.2]), 2)
    assert pooled == pytest.approx([0.15, 0.7, 0.025, 0.125])


def test_more_slices_than_there_are_is_the_mean_of_all() -> None:
    slices = study(CLEAR, MENINGIOMA)
    assert mean_of_top(slices, 8) == pytest.approx(slices.mean(axis=0))


def test_noisy_or_is_one_less_the_chance_that_every_slice_is_without_it() -> None:
    pooled = noisy_or(study([0.5, 0, 0, 0.5], [0.5, 0, 0, 0.5]))
    assert pooled == pytest.approx([0.75, 0, 0, 0.25], abs=1e-5)


def test_noisy_or_finds_a_tumour_in_many_slices_that_each_deny_it() -> None:
    assert noisy_or(study(*[[0.1, 0, 0, 0.9]] * 20)).argmax() == 0
    assert RULES[DEFAULT_RULE](study(*[[0.1, 0, 0, 0.9]] * 20)).argmax() == 3


def test_mean_log_odds_is_as_sure_as_the_slices_are() -> None:
    assert mean_log_odds(study(*[[0.7, 0.1, 0.1, 0.1]] * 9)) == pytest.approx([0.7, 0.1, 0.1, 0.1])
    even = mean_log_odds(study([0.9, 0.1, 0, 0], [0.1, 0.9, 0, 0]))
    assert even[:2] == pytest.approx([0.5, 0.5], abs=1e-5)
    certain = mean_log_odds(study([1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]))
    assert certain[:2] == pytest.approx([0.01, 0.99], abs=1e-3)  # a third of a millionth's odds


def test_the_default_finds_eight_slices_of_tumour_among_many_without() -> None:
    pooled = RULES[DEFAULT_RULE](study(*[CLEAR] * 40, *[MENINGIOMA] * 8))
    assert pooled == pytest.approx(MENINGIOMA)
