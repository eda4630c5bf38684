"""What ``artemis-cli --help`` lists."""

from __future__ import annotations

from typing import Any, Final

from typer.core import TyperGroup

SHORTLY: Final = {
    "classify-batch": "Classify a folder of scans: predictions and an HTML report.",
    "report": "Write a run's report again, compare two, or give its data.",
    "explain": "Say everything about one image.",
    "export": "Write the answers as DICOM Structured Reports.",
    "merge": "Join the runs of all shards of a batch.",
    "labels": "Import a reviewer's labels; list conflicts, or categories.",
    "models": "List, show, compare, promote and roll back models.",
    "data": "Fetch the public dataset, or audit any.",
    "train": "Train models on labelled pictures.",
    "evaluate": "Measure models on what they have not seen.",
    "retrain": "Train on everything labelled; promote what is no worse.",
    "serve": "Classify the inbox by interval, retrain on a schedule.",
    "benchmark": "Measure this machine, stage by stage.",
    "settings": "List every setting: what it means, and what holds now.",
    "doctor": "Check the installation, and say how to mend it.",
}
"""Every command in the order of its use, in a line that fits a terminal of 80 columns."""


class InOrder(TyperGroup):
    """Lists the commands in that order."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return sorted(super().list_commands(ctx), key=[*SHORTLY].index)
