"""The page about one slice, in the design of the report of a batch."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from artemis.batches.explain import Explanation, Overlay
from artemis.report.page import render_page
from artemis.report.run.data import RunData, load_run
from artemis.report.run.evidence import evidence_legend
from artemis.report.run.items import SliceItem
from artemis.report.words import (
    CATEGORY_WORDS,
    DASH,
    QUALITY_WORDS,
    TUMOR_WORDS,
    WITHHELD,
    joined,
    measured,
    sentence,
    visible,
)
from artemis.system.files import write_text_atomic


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the page: its caption, and its ``data:`` address where there is one."""

    caption: str
    alt: str
    address: str | None


def build_explained_page(explanation: Explanation, target: Path) -> Path:
    """Write the page about one slice as one self-contained HTML file; return `target`."""
    write_text_atomic(target, explained_page(explanation))
    return target


def explained_page(explanation: Explanation) -> str:
    """Return the page about one slice as HTML text."""
    data = load_run(explanation.run_dir)
    item = data.items[0]
    return render_page(
        "explained.html.j2",
        data=data,
        record=data.record,
        item=item,
        frames=explanation.frames,
        verdict=verdict(item),
        reasons=[sentence(reason) for reason in item.review_words()],
        pictures=pictures(explanation, data, item),
        legend=evidence_legend() if explanation.overlays else None,
        evidence=evidence_note(explanation),
        facts=facts(explanation, item),
        distances=[
            (visible(model.name), f"{item.answers[model.name].ood_score:.2f}", model.ood_threshold)
            for model in explanation.models
        ],
    )


def verdict(item: SliceItem) -> str:
    """Return every model's answer, and whether a person should look first."""
    words = [
        f"{visible(model)} says {CATEGORY_WORDS[answer.category.name]} "
        f"({answer.said(answer.confidence)})"
        for model, answer in item.answers.items()
    ]
    return f"{'; '.join(words)}. {_look(item)}."


def _look(item: SliceItem) -> str:
    if item.needs_review:
        return "A person should look first"
    first, *others = item.answers
    calling = [visible(model) for model in others if item.answers[model].needs_review]
    if not calling:
        return "Nothing calls for a second look"
    return f"{visible(first)} calls for no second look, {joined(calling)} would have one"


def pictures(explanation: Explanation, data: RunData, item: SliceItem) -> list[Picture]:
    """Return the picture as it is, then each overlay."""
    plain = data.thumbnails.get(item.picture)
    if plain is None:
        return [Picture(f"{sentence(WITHHELD)}.", "", None)]
    return [
        Picture(
            "The slice as it was read, before it is cut to the head.",
            "MRI slice",
            _address(plain),
        ),
        *(_drawn(overlay) for overlay in explanation.overlays),
    ]


def evidence_note(explanation: Explanation) -> str:
    """Return which models map no evidence, or nothing."""
    without = [visible(model.name) for model in explanation.models if not model.evidence_maps]
    return f"{joined(without)} give{'s' * (len(without) == 1)} no evidence maps." if without else ""


def facts(explanation: Explanation, item: SliceItem) -> list[tuple[str, str]]:
    """Return what is known of the slice before any model looked at it, as label and value."""
    # Counted from 0 as in --frame; of a file with one, a number would say nothing.
    place = f"{item.frame}; the file has {explanation.frames}, the first is 0"
    measures = [
        (QUALITY_WORDS[name], DASH if value is None else measured(value))
        for name, value in item.quality.items()
    ]
    return [
        ("Format", visible(str(explanation.slice_row["format"]))),
        *([("Frame", place)] if explanation.frames > 1 else []),
        *([("Place", item.place_words)] if item.volume is not None and item.place_words else []),
        ("Size", item.size or DASH),
        ("Plane by its header", item.header_plane or "the header names none"),
        ("SHA-256 of pixels and frame", item.slice_id),
        *measures,
    ]


def _drawn(overlay: Overlay) -> Picture:
    tumor, model = TUMOR_WORDS[overlay.tumor], visible(overlay.model)
    what = "its rival, on the same scale" if overlay.rival else "its answer"
    caption = f"Evidence of {model} for {tumor}, {what}."
    if overlay.jpeg is None:
        return Picture(f"{caption} No place speaks for it.", "", None)
    return Picture(
        caption, f"MRI slice with the evidence of {model} for {tumor}", _address(overlay.jpeg)
    )


def _address(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode('ascii')}"
