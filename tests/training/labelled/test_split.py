from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artemis.errors import TrainingDataError
from artemis.training.labelled.split import (
    check_folds,
    check_leak,
    content_names,
    disjoint,
    make_folds,
    make_groups,
)


def labels(groups: list[str | None], patients: list[str | None] | None = None) -> pd.DataFrame:
    count = len(groups)
    return pd.DataFrame(
        {
            "path": [f"{k}.png" for k in range(count)],
            "group": pd.array(groups, "string"),
            "patient": pd.array(patients or [None] * count, "string"),
        }
    )


def pairs(*found: tuple[int, int]) -> pd.DataFrame:
    return pd.DataFrame(found, columns=["first", "second"], dtype=np.int64)


def test_given_groups_keep_their_names_and_are_joined_by_copies() -> None:
    table = labels(["a", "a", "b", "c", "c"])
    assert make_groups(table, pairs((1, 3))).tolist() == ["a", "a", "b", "a", "a"]


def test_patient_and_copies_join_in_several_steps() -> None:
    table = labels([None] * 5, ["P1", None, "P2", "P1", None])
    groups = make_groups(table, pairs((0, 1), (1, 2)))
    assert groups.nunique() == 2
    assert groups[0] == groups[1] == groups[2] == groups[3]


def test_patient_of_one_picture_is_known_by_another_of_its_groups() -> None:
    groups = make_groups(labels([None] * 3, ["P1", "P0", "P1"]), pairs((0, 1)))
    assert groups.nunique() == 1


def test_names_of_the_content_stand_in_for_made_names_alone() -> None:
    made = make_groups(labels([None] * 3, ["P", None, "P"]), pairs())
    groups = pd.concat([made, pd.Series(["given", "given"])]).set_axis([9, 8, 7, 6, 5])
    slices = pd.Series(["s5", "s3", "s1", "s0", "s2"], index=[9, 8, 7, 6, 5])
    found = content_names(groups, slices)
    assert found.tolist() == ["s1", "s3", "s1", "given", "given"]
    assert found.index.tolist() == [9, 8, 7, 6, 5]


def test_names_of_groups_do_not_show_patients() -> None:
    groups = make_groups(labels([None] * 3, ["DOE^JANE", "DOE^JANE", None]), pairs())
    assert not groups.str.contains("DOE").any()
    assert groups[0].startswith("patient-")
    assert groups[2].startswith("picture-")


def test_name_of_a_patients_group_stays_when_pictures_are_added() -> None:
    before = make_groups(labels([None], ["P1"]), pairs())
    after = make_groups(labels([None] * 3, ["P2", "P1", "P1"]), pairs())
    assert before[0] == after[1] == after[2] != after[0]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_link_ever_leaves_its_group(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 25))
    names = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=count, max_size=count)
    known = st.lists(st.none() | st.sampled_from(["P", "Q", "R"]), min_size=count, max_size=count)
    node = st.integers(0, count - 1)
    table = labels(data.draw(st.just([None] * count) | names), data.draw(known))
    links = data.draw(st.lists(st.tuples(node, node), max_size=12))
    groups = make_groups(table, pairs(*links))
    assert all(groups[a] == groups[b] for a, b in links)
    for column in ("group", "patient"):
        assert groups.groupby(table[column]).nunique().le(1).all()
    again = make_groups(table.assign(group=groups.astype("string")), pairs())
    assert again.tolist() == groups.tolist()


def test_folds_hold_whole_groups_and_every_category() -> None:
    random = np.random.default_rng(0)
    groups = pd.Series(np.repeat(np.arange(120), 4).astype(str))
    categories = np.repeat(random.integers(0, 12, 120), 4)
    folds = make_folds(categories, groups)
    assert set(folds) == set(range(5))
    assert pd.Series(folds).groupby(groups).nunique().max() == 1
    assert all(len(set(categories[folds == fold])) == 12 for fold in range(5))
    assert abs(np.bincount(folds) - 96).max() <= 8


def test_same_seed_gives_the_same_folds_and_another_others() -> None:
    groups = pd.Series(np.arange(60).astype(str))
    categories = np.tile(np.arange(12), 5)
    assert (make_folds(categories, groups) == make_folds(categories, groups)).all()
    assert (make_folds(categories, groups) != make_folds(categories, groups, seed=1)).any()


@pytest.mark.parametrize(
    ("groups", "folds", "message"),
    [
        (["p"] * 12, 5, r"Received 1 groups and 12 pictures\. Add patients, or .* column `fold`"),
        (["p", "q", "r", "s"] * 3, 5, r"at least 5 groups of patients.* Received 4 groups"),
        (["p", "q"] * 6, 1, r"Received 2 groups"),
    ],
)
def test_too_few_patients_for_the_folds_are_named(
    groups: list[str], folds: int, message: str
) -> None:
    with pytest.raises(TrainingDataError, match=message):
        make_folds(np.zeros(12, np.int64), pd.Series(groups), folds)


def test_too_few_pictures_of_every_category_are_named_and_two_folds_are_enough() -> None:
    groups = pd.Series([str(k) for k in range(6)])
    with pytest.raises(TrainingDataError, match=r"Received 6 groups and 1 pictures"):
        make_folds(np.arange(6), groups, 5)
    assert np.bincount(make_folds(np.zeros(6, np.int64), groups, 2)).tolist() == [3, 3]


def test_category_of_one_picture_does_not_stop_the_split() -> None:
    categories = np.array([0] * 20 + [7])
    folds = make_folds(categories, pd.Series([str(k) for k in range(21)]))
    assert np.bincount(folds).min() >= 4


def test_copies_of_what_is_held_out_are_left_out_of_training() -> None:
    groups = pd.Series(["a", "a", "b", "b", "c"])
    held_out = np.array([True, False, False, False, False])
    train = disjoint(groups, np.ones(5, bool), held_out)
    assert train.tolist() == [False, False, True, True, True]


TRAIN = np.array([True, True, False, False, False])
TEST = np.array([False, False, True, True, False])


def test_split_without_a_leak_passes() -> None:
    check_leak(labels(["a", "a", "b", "b", "a"]), pairs((0, 1), (2, 3), (0, 4)), TRAIN, TEST)


@pytest.mark.parametrize(
    ("groups", "copies", "test", "message"),
    [
        ("aabba", pairs((1, 2)), TEST, r"no copies.* Received 1 pairs: 1\.png and 2\.png"),
        ("aabbc", pairs((2, 0)), TEST, r"no copies.* Received 1 pairs: 2\.png and 0\.png"),
        (
            "aabba",
            pairs((0, 1), (1, 2), (2, 3)),
            TEST,
            r"Received 1 pairs: 1\.png and 2\.png\. Scores",
        ),
        (
            "abbca",
            pairs(),
            TEST,
            r"every group of patients.*2 pictures of 1.*parts \[0, 1\]: 1\.png, 2\.png\. Scores",
        ),
        ("aabba", pairs(), TRAIN, r"every picture either trained.*: 0\.png, 1\.png"),
    ],
)
def test_leak_stops_the_training_and_names_the_files(
    groups: str, copies: pd.DataFrame, test: np.ndarray, message: str
) -> None:
    with pytest.raises(TrainingDataError, match=message):
        check_leak(labels(list(groups)), copies, TRAIN, test)


def test_leak_message_does_not_name_the_group() -> None:
    with pytest.raises(TrainingDataError) as caught:
        check_leak(labels(["DOE^JANE"] * 5), pairs(), TRAIN, TEST)
    assert "DOE" not in str(caught.value)


def test_patient_in_two_given_folds_stops_the_training() -> None:
    table = labels([None] * 40, ["P"] * 2 + [None] * 38).assign(fold=[0, 1] * 20)
    own = make_groups(table, pairs())
    with pytest.raises(TrainingDataError, match=r"parts \[0, 1\]: 0\.png, 1\.png\. Scores"):
        check_folds(table, own, own)


def test_of_several_torn_groups_the_pictures_of_the_first_are_named() -> None:
    table = labels([None] * 6, ["P", "Q", "Q", "P", "Q", None]).assign(fold=[0, 1, 2, 1, 1, 0])
    own = make_groups(table, pairs())
    with pytest.raises(
        TrainingDataError, match=r"5 pictures of 2 groups.* \[0, 1\]: 0\.png, 3\.png\. Scores"
    ):
        check_folds(table, own, own)


def test_rows_of_any_index_are_checked_by_their_place() -> None:
    table = (
        labels(["a"] * 2 + ["b"] * 38).assign(fold=[3] * 2 + [4] * 38).set_axis(range(40, 0, -1))
    )
    own = make_groups(table, pairs())
    assert own.index.tolist() == table.index.tolist()
    assert not check_folds(table, own, own).any()
    assert check_folds(table.assign(fold=[3, 4] + [4] * 38), pd.Series(range(40)), own)[
        :3
    ].tolist() == [
        True,
        True,
        False,
    ]


def test_few_copies_that_cross_given_folds_are_marked_and_many_stop() -> None:
    table = labels([None] * 40).assign(fold=[0, 1] * 20)
    own = make_groups(table, pairs())
    crossing = check_folds(table, own, make_groups(table, pairs((0, 1))))
    assert np.flatnonzero(crossing).tolist() == [0, 1]
    many = make_groups(table, pairs((0, 1), (2, 3)))
    with pytest.raises(TrainingDataError, match=r"at most 5% .* Received 4 pictures of 2 groups"):
        check_folds(table, own, many)
