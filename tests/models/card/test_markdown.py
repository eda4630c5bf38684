from __future__ import annotations

from pathlib import Path

import pytest

from artemis.models.card.contents import build_card, read_card
from artemis.models.card.markdown import escaped, markdown_table, render_card
from artemis.models.figures import table_of
from artemis.models.manifest import CARD_NAME, Manifest
from artemis.models.registry import MODEL_NAMES, model_folder


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_shipped_card_is_the_one_its_records_give(tmp_path: Path, name: str) -> None:
    folder = model_folder(tmp_path, name)
    assert (folder / CARD_NAME).read_text() == render_card(read_card(folder))


def test_text_from_outside_stays_text(full: Manifest) -> None:
    text = render_card(build_card(full))
    assert "\\</script\\>\\|\\<img src=x onerror=alert(1)\\>\\`\\*\\_\\[a\\](b)⟨U+202E⟩gnp" in text
    assert "<img" not in text.replace("\\<", "")
    assert "\u202e" not in text


def test_names_with_underscores_are_not_escaped() -> None:
    assert escaped("glioma_coronal, _a_ <5%") == "glioma_coronal, \\_a\\_ \\<5%"


def test_a_table_aligns_figures_to_the_right_and_words_to_the_left() -> None:
    table = table_of("caption", ("what", "n"), [("a|b", 3)])
    assert markdown_table(table) == "| what | n |\n|---|---:|\n| a\\|b | 3 |"
    assert markdown_table(table, text=True).splitlines()[1] == "|---|---|"
