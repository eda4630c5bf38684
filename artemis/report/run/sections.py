"""The declaration of the report: its sections in order, with captions that say how to read them.

To add a section, declare it here, write its builder, and put a template of the same key in
``templates/sections/``. Titles and captions may use the names of `caption_facts` in braces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from artemis.report.run import limits
from artemis.report.run.comparison import models_view
from artemis.report.run.contact import contact_view
from artemis.report.run.data import RunData
from artemis.report.run.distributions import distributions_view
from artemis.report.run.listings import (
    cards_view,
    provenance_view,
    refusals_view,
    review_view,
    table_view,
)
from artemis.report.run.studies import studies_view
from artemis.report.run.truth import truth_view
from artemis.report.words import number, percent, visible


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a section: its title and how to read it."""

    key: str
    title: str
    caption: str


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the report.

    Attributes
    ----------
    key : str
        Identifier on the page, and name of its template.
    title : str
        Heading.
    caption : str
        What to look for and how to read it.
    reading : tuple of str
        What else there is to know, folded away so that the pictures come first.
    build : callable
        Returns what the template shows.
    figures : tuple of Figure
        Figures in their order.
    present : callable
        Whether a run has anything for it; without, the page has no such section.
    """

    key: str
    title: str
    caption: str
    build: Callable[[RunData], dict[str, Any]]
    reading: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    present: Callable[[RunData], bool] = lambda _: True


SECTIONS: Final = (
    Section(
        key="review",
        title="Look at these first",
        caption="Slices that a person should check before anything else is believed, the most "
        "doubtful first. Bars show the three most probable categories of each model, from 0 to "
        "100%; the mark across each is at {min_confidence}.",
        reading=(
            "Most doubtful is where {least_sure}; what is unlike the training images, against its "
            "header or of poor quality comes before the rest. An answer of {first_model} below "
            "{min_confidence}, before it is rounded for print, is sent here{other_answers}. Sets "
            "of plausible categories hold the truth of nine slices in ten, over all slices and "
            "not of each that is doubtful.",
        ),
        build=review_view,
    ),
    Section(
        key="contact",
        title="Contact sheet",
        caption="Every picture on the page, under the category that {first_model} gave it, the "
        "most doubtful first. Look for the one that does not belong: another plane, another "
        "kind of picture, a lesion among slices without. Outlined pictures wait for review; each "
        "leads to its row. Copies are pictured once.",
        build=contact_view,
    ),
    Section(
        key="slices",
        title="Every slice",
        caption="One row for each slice found, in the order of the batch. Confidence is the "
        "calibrated probability of the answer beside it, in whole per cent, fives or tens, as "
        "the model\u2019s calibration error deserves, and not said of a slice unlike the training "
        "images; the Parquet tables hold it exactly. Each row has an address of its own: "
        "follow its number and copy the link.",
        build=table_view,
    ),
    Section(
        key="distributions",
        title="Distributions",
        caption="How the whole batch lies. A batch like the training images is confident, "
        "familiar and even in quality; a shift of a whole plot says more than any one slice.",
        build=distributions_view,
        figures=(
            Figure(
                "confidence",
                "Confidence",
                "Slices by the calibrated confidence of each model in its answer. Most should "
                "stand at the right; what lies left of the dashed line ({min_confidence}) is in "
                "doubt, and sent to review{sent_whose}. Slices unlike the training images are left "
                "out, since their confidence means nothing.{one_scale}",
            ),
            Figure(
                "categories",
                "Categories",
                "How often {each_model} gave each of the twelve categories. {zero_marks}",
            ),
            Figure(
                "planes",
                "Planes",
                "How often {each_model} gave each plane, over all tumour types. A batch of one "
                "kind of series lies where its planes are{planes_apart}.",
            ),
            Figure(
                "strangeness",
                "Out-of-distribution score",
                "How unlike the training images each slice is to each model; further right is "
                "stranger. Right of the dashed line a confident answer means little: it is "
                "shown without its confidence, and what is strange to {first_model} is sent to "
                "review. {training_line}",
            ),
            Figure(
                "quality",
                "Picture quality",
                "Measures of each decoded picture: classified slices in the plain tone, refused "
                "or failed ones in the dark tone on top. A lone bar far from the rest is worth a "
                "look in the table. Axes reach the furthest value; nothing is cut off. Sharpness "
                "is spaced by ratio, since a few pictures are many times sharper than most.",
            ),
        ),
    ),
    Section(
        key="models",
        title="{side_by_side}",
        caption="{agreeing}",
        build=models_view,
    ),
    Section(
        key="truth",
        title="Against the truth",
        caption="How often the answers are right, where the truth is known; tumour and plane are "
        "judged apart, since a model may read one and miss the other. In brackets 95% intervals "
        "(Wilson), as if slices were independent; slices of one patient are not, so the true "
        "intervals are wider. Outlined cells are right answers. If any of these pictures, or "
        "their neighbours, were trained on, the figures flatter.",
        build=truth_view,
        present=lambda data: bool(data.known),
    ),
    Section(
        key="studies",
        title="Series and studies",
        caption="One answer for the slices that belong together: the mean of the slices that "
        "most probably show some tumour, as many as is said with each. Pictures are the slices "
        "that speak most for the answer of {first_model}, most first, each with the probability "
        "of it, however low; none is said of what is unlike the training images. The lines are "
        "the probability of that same answer along the slices, "
        "from first to last, one for each model, in its colour; discs mark the pictured slices. "
        "A tumour is a hill of several slices, or a dip where the answer is no tumour; a lone "
        "peak is doubtful.",
        build=studies_view,
        present=lambda data: bool(data.studies),
    ),
    Section(
        key="refusals",
        title="Refused and failed inputs",
        caption="Refused: readable, but not something these models should classify. Failed: could "
        "not be read. Neither stops a batch, and none is left out of the tables.",
        build=refusals_view,
    ),
    Section(
        key="cards",
        title="Models",
        caption="The exact models that gave these answers; equal hashes are equal weights. "
        "Accuracy and macro F1 (the mean of the categories) go from 0 to 1, higher is better. The "
        "calibration error is how far confidence and the share of right answers lie apart, lower "
        "is better. All are of the data named there, not of this batch.",
        build=cards_view,
    ),
    Section(
        key="provenance",
        title="Provenance",
        caption="All that is needed to make this run again, and where its tables lie. Unfold "
        "what you need. The command and the settings name folders of the machine that it ran on.",
        build=provenance_view,
    ),
)


_TRAINING_LINE: Final = (
    "The outline is where the slices that the model was trained on lie, drawn as many as are "
    "here: bars that follow it are of a batch like the training images, bars as a whole to the "
    "right of it of another scanner, sequence or preparation. Unseen slices of the same kind lie "
    "a little further than the outline, since the model has learnt those that it is of."
)
_NO_TRAINING_LINE: Final = (
    "How far the training images themselves lie is not in this run\u2019s record."
)


def caption_facts(data: RunData) -> Mapping[str, str]:
    """Return the values that titles and captions may name."""
    seen = any(model.seen for model in data.record.models)
    first = visible(data.models[0]) if data.models else "the first model"
    return {
        "min_confidence": percent(data.record.settings.review.min_confidence),
        "first_model": first,
        "training_line": _TRAINING_LINE if seen else _NO_TRAINING_LINE,
        **(_words_of_one(first) if len(data.models) == 1 else _words_of_several(first)),
    }


def _words_of_several(first: str) -> dict[str, str]:
    """Return what captions say of models beside each other."""
    return {
        "least_sure": "the models taken together are least sure",
        "other_answers": "; the others\u2019 answers are sent only where they differ from it",
        "sent_whose": f" where the answer is {first}\u2019s",
        "one_scale": " All panels share one scale.",
        "each_model": "each model",
        "zero_marks": "A long line between two marks is a category on which the models differ as "
        "a whole; a mark at zero, one that a model never gave.",
        "planes_apart": "; marks apart are planes on which the models differ",
        "side_by_side": "The models side by side",
        "agreeing": "The models were trained apart, so where they agree an answer is more likely "
        "to be right, and where they differ at least one of them is wrong. Agreement is not "
        "accuracy: both can make the same mistake.",
    }


def _words_of_one(first: str) -> dict[str, str]:
    """Return what the same captions say of the only model of a run."""
    return {
        "least_sure": f"{first} is least sure",
        "other_answers": "",
        "sent_whose": "",
        "one_scale": "",
        "each_model": first,
        "zero_marks": "A mark at zero is a category that it never gave.",
        "planes_apart": "",
        "side_by_side": "Answers by tumour and plane",
        "agreeing": f"How often {first} gave each tumour type in each plane: what the batch "
        "holds by its answers, be they right or wrong.",
    }


def limit_facts() -> Mapping[str, str]:
    """Return the limits of the page in words."""
    return {
        "cards": number(limits.REVIEW_CARDS),
        "rows": number(limits.TABLE_ROWS),
        "thumbnails": number(limits.THUMBNAILS),
        "disagreements": number(limits.DISAGREEMENT_ROWS),
        "refusals": number(limits.REFUSAL_ROWS),
    }
