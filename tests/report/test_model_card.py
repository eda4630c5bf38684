from __future__ import annotations

import io
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from artemis.models.card.blocks import Card, Failures, Section
from artemis.models.card.contents import build_card, read_card
from artemis.models.card.markdown import render_card
from artemis.models.card.pictures import pictures_path, write_pictures
from artemis.models.manifest import Manifest, Mistake, load_manifest
from artemis.models.registry import MODEL_NAMES, model_folder
from artemis.report.model_card import card_page, publish_card
from artemis.settings import Settings
from tests.models.card.records import HOSTILE, full_manifest, shipped_folder
from tests.report.conftest import jpeg as head
from tests.report.parsing import Page, text

SIZE = 150_000  # characters of a card without pictures


def turned(picture: bytes) -> bytes:
    stream = io.BytesIO()
    Image.open(io.BytesIO(picture)).transpose(Image.Transpose.ROTATE_90).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def shipped() -> Path:
    return shipped_folder()


@pytest.fixture
def full() -> Manifest:
    return full_manifest()


def jpeg() -> bytes:
    stream = io.BytesIO()
    Image.new("L", (32, 32), 90).save(stream, "JPEG")
    return stream.getvalue()


def parsed(tmp_path: Path, source: str) -> Page:
    (tmp_path / "card.html").write_text(source)
    return Page(tmp_path / "card.html")


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_shipped_page_has_no_picture_and_is_small(tmp_path: Path, name: str) -> None:
    page = Page(model_folder(tmp_path, name) / "MODEL_CARD.html")
    assert page.all("img") == []
    assert len(page.source) < SIZE
    assert "For research use only. Not a medical device." in text(page.root)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_shipped_page_is_what_the_code_writes_of_the_record(tmp_path: Path, name: str) -> None:
    folder = model_folder(tmp_path, name)
    shipped = (folder / "MODEL_CARD.html").read_text(encoding="utf-8")
    assert card_page(read_card(folder)) == shipped, "write it anew: artemis-cli models card"


def test_page_and_markdown_tell_the_same_sections(shipped: Path, tmp_path: Path) -> None:
    card = read_card(shipped)
    page = parsed(tmp_path, card_page(card))
    heads = [text(one) for one in page.all("h2")]
    assert heads == [f"{k} {one.title}" for k, one in enumerate(card.sections, 1)]
    links = [one.get("href") for one in page.all("a") if one.get("href") != "#main"]
    assert links == [f"#{one.key}" for one in card.sections]
    assert all(page.by_id(one.key) is not None for one in card.sections)


def test_every_figure_of_the_readouts_has_its_interval(full: Manifest, tmp_path: Path) -> None:
    page = parsed(tmp_path, card_page(build_card(full)))
    accuracy = full.evaluation.metrics["accuracy"]
    (readouts,) = page.all("dl", class_="readouts")
    assert f"Accuracy{accuracy.value:.3f} ({accuracy.low:.3f} to {accuracy.high:.3f})" in text(
        readouts
    ).replace("Accuracy ", "Accuracy")


def test_reliability_is_a_diagram_with_its_counts(full: Manifest, tmp_path: Path) -> None:
    page = parsed(tmp_path, card_page(build_card(full)))
    drawn = page.by_id("calibration").findall(".//figure")
    assert len(drawn) == 2
    for figure, bins in zip(
        drawn,
        (full.evaluation.reliability, full.evaluation.reliability_equal_mass),
        strict=True,
    ):
        assert len(figure.findall(".//circle")) == len(bins)
        counts = [text(row.findall("td")[0]) for row in figure.findall(".//tbody/tr")]
        assert counts == [str(int(one["images"])) for one in bins]


def test_text_from_outside_stays_text(full: Manifest, tmp_path: Path) -> None:
    page = parsed(tmp_path, card_page(build_card(full)))
    assert HOSTILE.replace("\u202e", "⟨U+202E⟩") in text(page.by_id("data"))
    assert page.all("img") == []
    assert len(page.all("script")) == 1
    assert all(not key.startswith("on") for one in page.root.iter() for key in one.attrib)


def test_pictures_are_shown_beside_their_mistake_and_a_warning_with_them(
    full: Manifest,
    tmp_path: Path,
) -> None:
    card = build_card(full)
    (block,) = (one for part in card.sections for one in part.blocks if isinstance(one, Failures))
    first, second = block.mistakes[:2]
    rows: dict[str, Any] = {
        first.slice_id: {
            "path": HOSTILE, "answer_now": first.truth, "jpeg": jpeg(), "overlay": jpeg(),
        },
        second.slice_id: {
            "path": "b.png", "answer_now": second.answer, "jpeg": jpeg(), "overlay": None,
        },
    }  # fmt: skip
    page = parsed(tmp_path, card_page(card, rows))
    shown = page.all("li", class_="card")
    assert [len(one.findall(".//img")) for one in shown[:3]] == [2, 1, 0]
    assert "This workspace keeps no picture of it." in text(shown[2])
    assert shown[2].findall("div[@class='pictures']") == []
    assert "the one that serves says" in text(shown[0])
    assert "the one that serves says" not in text(shown[1])
    assert "must not be passed on" in text(page.root)
    assert "must not be passed on" not in card_page(card)


def test_near_copies_that_were_answered_alike_are_shown_once(tmp_path: Path) -> None:
    def mistake(number: int, answer: str) -> Mistake:
        return Mistake(
            slice_id=f"{number}", group=1, source="a", truth="glioma_coronal", answer=answer,
            confidence=0.9,
        )  # fmt: skip

    wrong = "none_coronal"
    answers = (wrong, wrong, "none_sagittal", wrong)
    mistakes = [mistake(number, answer) for number, answer in enumerate(answers, 1)]
    block = Failures((mistakes[0], *mistakes), ("90%",) * 5)
    created = datetime(2026, 3, 1, tzinfo=UTC)
    card = Card("m", "1", created, "", (), (Section("f", "F", (block,)),), True)
    pictures = {"1": head(5), "2": head(5, quality=50), "3": head(5), "4": turned(head(5))}
    rows = {
        name: {"path": f"{name}.png", "answer_now": wrong, "jpeg": small, "overlay": None}
        for name, small in pictures.items()
    }
    shown = [text(one) for one in parsed(tmp_path, card_page(card, rows)).all("li", class_="card")]
    assert [one.split(" ")[0] for one in shown] == ["1", "3", "4"]
    assert "The data hold this picture 2 times." in shown[0]
    assert "Nearly the same picture, answered alike: no. 2." in shown[0]
    assert "Nearly" not in shown[1] + shown[2]
    table = render_card(card)
    assert "| 1 | 1 | a | Glioma, coronal | No tumour, coronal | 90% | 1, 2 copies |" in table
    assert "| 4 | 1 | a | Glioma, coronal | No tumour, coronal | 90% | 4 |" in table


def test_a_folder_gets_its_page_and_the_workspace_the_one_with_pictures(tmp_path: Path) -> None:
    source = model_folder(tmp_path, "mobilenet_v2")
    folder = Path(shutil.copytree(source, tmp_path / "models" / "mobilenet_v2" / source.name))
    settings = Settings(workspace=tmp_path)
    assert publish_card(folder, settings) is None
    mistake = load_manifest(folder).evaluation.mistakes[0]
    row = {
        "slice_id": mistake.slice_id,
        "path": "a.png",
        "answer_now": mistake.answer,
        "jpeg": jpeg(),
        "overlay": None,
    }
    write_pictures(pictures_path(tmp_path, "mobilenet_v2", source.name), [row])
    target = publish_card(folder, settings)
    assert target == tmp_path / "reports" / "models" / "mobilenet_v2" / source.name / "index.html"
    assert len(Page(target).all("img")) == 1
    assert Page(folder / "MODEL_CARD.html").all("img") == []
