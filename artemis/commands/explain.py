"""``artemis-cli explain``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artemis.commands.options import AsJson, Workspace, model_names, print_json

if TYPE_CHECKING:
    from artemis.batches.explain import Explanation
    from artemis.runs import ModelRecord

_BAR = 24


def explain(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="One file of any format read.")],
    workspace: Workspace = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--models",
            "--model",
            help="Models to run, separated by commas; all by default.",
            metavar="NAMES",
        ),
    ] = None,
    frame: Annotated[int, typer.Option(min=0, help="Frame, page or slice, from 0.")] = 0,
    rival: Annotated[
        bool, typer.Option("--rival", help="Draw the evidence for the next tumour type too.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the page goes; else beside the reports."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say everything about one image: answers, doubts, and a page with the evidence.

    Nothing of it enters the workspace's runs. Exit code 4: the image cannot be classified.
    """
    import tempfile

    from artemis.batches.explain import explain_image
    from artemis.report.explained import build_explained_page, verdict
    from artemis.report.index import write_index
    from artemis.report.run.data import load_run
    from artemis.runs import reports_root
    from artemis.settings import load_settings

    settings = load_settings(workspace)
    with tempfile.TemporaryDirectory() as scratch:
        found = explain_image(
            image, settings, model_names(model), Path(scratch), frame=frame, rival=rival
        )
        folder = output or reports_root(settings) / "explained" / found.slice_row["slice_id"][:16]
        page = build_explained_page(found, folder / "index.html")
        write_index(settings.workspace / "runs", reports_root(settings))
        if as_json:
            print_json({**found.as_dict(), "report": str(page.resolve())})
        else:
            _print(found, verdict(load_run(found.run_dir).items[0]), page)


def _print(found: Explanation, verdict: str, page: Path) -> None:
    """Print an explanation; with colours and bars on a terminal only."""
    from rich.console import Console
    from rich.text import Text

    from artemis import RESEARCH_USE
    from artemis.answers.review import ReviewReason
    from artemis.batches.explain import top_categories
    from artemis.report.words import CATEGORY_WORDS, UNLIKE, confidence_words

    console = Console(highlight=False)

    def line(name: str, value: str) -> None:
        console.print(Text.assemble((f"{name:<14} ", "bold"), value), soft_wrap=True)

    for name, value in _said_of_slice(found):
        line(name, value)
    line("In short", verdict)
    for model, answer in zip(found.models, found.answers, strict=True):
        console.print(Text(f"\n{model.name} {model.version}", "bold"))
        far = ReviewReason.OUT_OF_DISTRIBUTION in answer["review_reasons"]
        for top in top_categories(answer):
            share = top["probability"]
            said = "" if far else confidence_words(share, model.ece)
            bar = "\u2588" * round(share * _BAR) if console.is_terminal and not far else ""
            words = f"  {CATEGORY_WORDS[top['category']]:<24} {said:>5} "
            console.print(Text.assemble(words, (bar, "blue")), soft_wrap=True)
        if far:
            line("  Confidence", f"{UNLIKE}, so it means nothing here and is not shown")
        for name, value in _said_of(model, answer, far, found.withheld):
            line(f"  {name}", value)
    console.print()
    line("Page", str(page.resolve()))
    console.print(Text(RESEARCH_USE, "italic"), soft_wrap=True)


def _said_of_slice(found: Explanation) -> Iterator[tuple[str, str]]:
    """Yield what is known of the slice itself, whatever models say of it."""
    from artemis.report.words import QUALITY_WORDS, measured, visible

    row = found.slice_row
    yield "Slice", visible(row["path"])
    if found.frames > 1:
        yield "Frame", f"{row['frame']} of 0 to {found.frames - 1}; choose another with --frame"
    if row["volume"] is not None:
        yield "Place", f"slice {row['series_index'] + 1} of volume {row['volume'] + 1}"
    yield "Size", f"{row['width']} x {row['height']} px, {row['format']}"
    yield "Header plane", row["header_plane"] or "the header names none"
    quality = found.as_dict()["quality"].items()
    named = {name: said[0].lower() + said[1:] for name, said in QUALITY_WORDS.items()}
    yield "Quality", "; ".join(f"{named[name]}: {measured(value)}" for name, value in quality)


def _said_of(
    model: ModelRecord, answer: dict[str, Any], far: bool, withheld: bool
) -> list[tuple[str, str]]:
    """Return what is said of an answer besides its confidence, as label and value."""
    from artemis.report.words import (
        CATEGORY_WORDS,
        REVIEW_REASON_WORDS,
        TUMOR_WORDS,
        WITHHELD,
        seen_words,
    )

    reasons = [REVIEW_REASON_WORDS.get(code, code) for code in answer["review_reasons"]]
    plausible = "; ".join(CATEGORY_WORDS[name] for name in answer["set_90"])
    among = f"{plausible} (over all slices, nine such sets in ten hold the truth)"
    where = "farther than" if far else "within"
    score, limit = answer["ood_score"], model.ood_threshold
    evidence = f"for {TUMOR_WORDS[answer['tumor']]}, drawn on the page"
    if withheld:
        evidence = WITHHELD
    seen = seen_words(answer["out_of_fold_category"])
    return [
        *([] if far else [("Plausible", among)]),
        *([("Seen", seen)] if answer["trained_on"] else []),
        ("Review", "; ".join(reasons) or "nothing calls for a second look"),
        ("Doubt", f"{answer['doubt']:.2f}, from 0 (sure) to 1"),
        ("Distance", f"{score:.2f} from the training images, {where} its limit of {limit:.2f}"),
        ("Evidence", evidence if model.evidence_maps else "this model gives no evidence maps"),
    ]
