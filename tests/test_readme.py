"""The README's figures, excerpt and commands are those of the project as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from artemis.models.manifest import load_manifest
from artemis.models.registry import MODEL_NAMES, model_folder
from artemis.schemas import PREDICTIONS_SCHEMA

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_figures_are_those_of_the_shipped_models(tmp_path: Path, name: str) -> None:
    evaluation = load_manifest(model_folder(tmp_path, name)).evaluation
    row = next(line for line in README.splitlines() if line.startswith(f"| {name} |"))
    for metric in ("accuracy", "macro_f1", "tumor_accuracy", "plane_accuracy", "ece"):
        figure = evaluation.metrics[metric]
        assert f"{figure.value:.3f} ({figure.low:.3f}–{figure.high:.3f})" in row, metric  # noqa: RUF001


def test_excerpt_has_columns_of_the_table() -> None:
    header = next(line for line in README.splitlines() if line.split()[:2] == ["path", "frame"])
    assert set(header.split()) <= set(PREDICTIONS_SCHEMA.names)


def test_pictures_and_links_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_every_column_that_a_manifest_may_have_is_named() -> None:
    from artemis.training.labelled.manifest_file import LABEL_COLUMNS

    assert {name for name in LABEL_COLUMNS if f"`{name}`" not in README} == {"study"}  # of headers


def test_commands_named_exist() -> None:
    import cli

    names = {command.name or command.callback.__name__ for command in cli.app.registered_commands}
    names |= {group.name for group in cli.app.registered_groups}
    names = {name.replace("_", "-") for name in names}
    named = set(re.findall(r"artemis-cli ([a-z][a-z-]+)", README))
    assert named <= names
    assert {"classify-batch", "report", "train", "doctor", "models"} <= named


def test_pandas_example_runs_as_written(tmp_path: Path, samples: Path) -> None:
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    from artemis.predictions import write_part
    from artemis.runs import Counts, create_run, write_record
    from artemis.schemas import SLICES_SCHEMA
    from tests.test_predictions import prediction_row, slice_row
    from tests.test_runs import record

    paths = create_run(tmp_path / "data", "20261123T000000Z-aaaaaa")
    made = record(paths.run_id).model_copy(update={"counts": Counts(slices=1, ok=1)})
    write_record(paths, made)
    write_part(paths.slices / "part-00000.parquet", [slice_row("a")], SLICES_SCHEMA)
    rows = [prediction_row("a", "baseline")]
    write_part(paths.predictions("baseline") / "part-00000.parquet", rows, PREDICTIONS_SCHEMA)
    code = example.group(1) + "\nassert len(frame) == 1, frame"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
