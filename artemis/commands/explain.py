"""``artemis-cli explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artemis.commands.options import AsJson, Workspace, model_names, print_json

if TYPE_CHECKING:
    from artemis.explain import Explanation

_BAR = 24


def explain(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="One file of any format read.")],
    workspace: Workspace = None,
    model: Annotated[
        str | None,
        typer.Option(help="Models, separated by commas; all by default.", metavar="NAMES"),
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

    from artemis.explain import explain_image
    from artemis.report.explained import build_explained_page
    from artemis.runs import reports_root
    from artemis.settings import load_settings

    settings = load_settings(workspace)
    with tempfile.TemporaryDirectory() as scratch:
        found = explain_image(
            image, settings, model_names(model), Path(scratch), frame=frame, rival=rival
        )
        folder = output or reports_root(settings) / "explained" / found.slice_row["slice_id"][:16]
        page = build_explained_page(found, folder / "index.html")
        if as_json:
            print_json({**found.as_dict(), "report": str(page.resolve())})
        else:
            _print(found, page)


def _print(found: Explanation, page: Path) -> None:
    """Print an explanation; with colours and bars on a terminal only."""
    from rich.console import Console
    from rich.text import Text

    from artemis import RESEARCH_USE
    from artemis.explain import top_categories
    from artemis.report.words import (
        CATEGORY_WORDS,
        QUALITY_WORDS,
        REVIEW_REASON_WORDS,
        confidence_words,
        visible,
    )
    from artemis.review import ReviewReason

    console, row = Console(highlight=False), found.slice_row

    def line(name: str, value: str) -> None:
        console.print(Text.assemble((f"{name:<14} ", "bold"), value), soft_wrap=True)

    line("Slice", f"{visible(row['path'])}, frame {row['frame']} of {found.frames}")
    line("Size", f"{row['width']} x {row['height']}, {row['format']}")
    line("Header plane", row["header_plane"] or "none")
    quality = found.as_dict()["quality"].items()
    line("Quality", "; ".join(f"{QUALITY_WORDS[k].lower()}: {v:.3g}" for k, v in quality))
    for model, answer in zip(found.models, found.answers, strict=True):
        console.print(Text(f"\n{model.name} {model.version}", "bold"))
        far = ReviewReason.OUT_OF_DISTRIBUTION in answer["review_reasons"]
        for top in top_categories(answer):
            share = top["probability"]
            said = "" if far else confidence_words(share, model.ece)
            bar = "\u2588" * round(share * _BAR) if console.is_terminal and not far else ""
            words = f"  {CATEGORY_WORDS[top['category']]:<24} {said:>5} "
            console.print(Text.assemble(words, (bar, "blue")), soft_wrap=True)
        reasons = [REVIEW_REASON_WORDS.get(code, code) for code in answer["review_reasons"]]
        line("  Review", "; ".join(reasons) or "no reason")
        line("  Distance", f"{answer['ood_score']:.2f}, threshold {model.ood_threshold:.2f}")
        if not model.evidence_maps:
            line("  Evidence", "this model gives no evidence maps")
    console.print()
    line("Page", str(page.resolve()))
    console.print(Text(RESEARCH_USE, "italic"), soft_wrap=True)
