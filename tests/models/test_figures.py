from __future__ import annotations

from artemis.labels import CATEGORY_NAMES, PLANES
from artemis.models.figures import METRICS, confusion_table


def test_figures_of_which_less_is_better_say_so() -> None:
    errors = {name for name in METRICS if name.startswith(("ece", "brier", "nll", "aurc", "heat"))}
    assert {name for name, words in METRICS.items() if "(lower is better)" in words} == errors


def test_a_small_confusion_names_its_columns() -> None:
    table = confusion_table(PLANES, [[3, 1, 0], [0, 4, 0], [0, 0, 5]])
    assert table.head == ("truth / answer", "Coronal", "Sagittal", "Transverse")
    assert table.rows[0] == ("Coronal", "3", "1", "0")


def test_twelve_columns_are_headed_by_the_numbers_of_their_rows() -> None:
    counts = [[10 * row + column for column in range(12)] for row in range(12)]
    table = confusion_table(CATEGORY_NAMES, counts)
    assert table.head == ("truth / answer", *(str(number) for number in range(1, 13)))
    assert [row[0] for row in table.rows][:2] == ["1 Glioma, coronal", "2 Glioma, sagittal"]
    assert table.rows[11] == ("12 No tumour, transverse", *map(str, counts[11]))
