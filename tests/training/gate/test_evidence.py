from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from artemis.labels import PROBABILITY_COLUMNS
from artemis.training.gate.evidence import (
    Provenance,
    fair_evidence,
    relabelled_share,
)
from tests.training.drawn import draw

OWN = draw(slices=24, groups=6)


def table(slice_ids: list[str], *, made: bool = True) -> pd.DataFrame:
    frame = pd.DataFrame({"slice_id": slice_ids, "fold": 0})
    p = np.full((len(slice_ids), 12), 1 / 12 if made else np.nan, dtype=np.float32)
    return frame.join(pd.DataFrame(p, columns=list(PROBABILITY_COLUMNS)))


def test_own_answers_count_on_slices_never_seen() -> None:
    found = fair_evidence(OWN, [], None)
    assert found.provenance is Provenance.UNSEEN
    assert found.probabilities is OWN.probabilities
    assert fair_evidence(OWN, None, table(["other"])).provenance is Provenance.UNSEEN


def test_answers_on_slices_trained_on_are_replaced_slice_by_slice() -> None:
    trained = OWN.slice_ids[[3, 7]].tolist()
    found = fair_evidence(OWN, None, table(["other", *trained[::-1]]))
    assert found.provenance is Provenance.OUT_OF_FOLD
    changed = np.flatnonzero((found.probabilities != OWN.probabilities).any(axis=1))
    assert changed.tolist() == [3, 7]
    assert found.probabilities[changed] == pytest.approx(1 / 12)


@pytest.mark.parametrize("made", [True, False])
def test_slices_without_out_of_fold_answers_cannot_be_compared(made: bool) -> None:
    known = OWN.slice_ids.tolist()
    predictions = table(known[:3], made=made)
    found = fair_evidence(OWN, known[:4] if made else known[:3], predictions)
    assert found.provenance is Provenance.TRAINED_ON


def test_copy_of_a_slice_trained_on_cannot_be_compared_by_the_models_own_answer() -> None:
    first = OWN.groups == OWN.groups[0]
    answered = OWN.slice_ids[first][:-1].tolist()  # the last is a copy, under another name
    seen = [str(OWN.groups[0])]
    assert fair_evidence(OWN, None, table(answered), seen).provenance is Provenance.TRAINED_ON
    whole = table(OWN.slice_ids[first].tolist())
    assert fair_evidence(OWN, None, whole, seen).provenance is Provenance.OUT_OF_FOLD


def test_model_of_which_nothing_is_known_may_have_seen_the_slices() -> None:
    assert fair_evidence(OWN, None, None).provenance is Provenance.TRAINED_ON
    assert fair_evidence(OWN, [str(OWN.slice_ids[0])], None).provenance is Provenance.TRAINED_ON


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": OWN.groups[:5]}, r"expected 24 groups.*Received \[5, 24\] and \(24, 12\)"),
        ({"probabilities": OWN.probabilities[:, :4]}, r"Received \[24\] and \(24, 4\)"),
        (
            {"categories": OWN.categories + 1},
            r"expected category indices 0 to 11. Received 1 to 12",
        ),
    ],
)
def test_evidence_of_another_shape_is_refused(changes: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(OWN, **changes)


def test_share_of_labels_that_changed() -> None:
    before = table(["a", "b", "c", "gone"]).assign(category=[1, 2, 3, 4])
    now, ids = np.array([1, 9, 3, 7]), np.array(["a", "b", "c", "new"])
    assert relabelled_share(now, ids, before) == pytest.approx(1 / 3)
    assert relabelled_share(now[3:], ids[3:], before) == 0
    assert relabelled_share(now, ids, None) is None


def test_secret_in_the_names_of_groups_moves_neither_the_hash_nor_the_draws() -> None:
    """Groups that no manifest names bear their patients' keys, others in each workspace."""
    drawn = draw()
    numbers = pd.factorize(drawn.groups)[0]
    one, other = (
        replace(drawn, groups=np.array([f"patient-{number:012x}" for number in names]))
        for names in (numbers, 5_000 - numbers)
    )
    assert one.locked_set_sha256 == other.locked_set_sha256
    assert one.dealt_groups == other.dealt_groups
    assert pd.Series(one.dealt_groups).groupby(drawn.groups).nunique().max() == 1
    assert drawn.dealt_groups == drawn.groups.tolist()


def test_hash_of_the_locked_set_depends_on_its_labels_and_not_on_its_order() -> None:
    names = ("slice_ids", "groups", "sources", "categories", "probabilities")
    turned = replace(OWN, **{name: getattr(OWN, name)[::-1] for name in names})
    assert turned.locked_set_sha256 == OWN.locked_set_sha256
    assert turned.sorted().slice_ids.tolist() == sorted(OWN.slice_ids.tolist())
    other = replace(OWN, categories=np.roll(OWN.categories, 1))
    assert other.locked_set_sha256 != OWN.locked_set_sha256
