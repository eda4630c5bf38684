"""docs/python.md: its blocks run in order, and print what stands below them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from artemis.batches.explain import explain_image
from artemis.errors import ArtemisError
from artemis.ingest.identity import IdentityKey
from artemis.ingest.plan import PlanEntry, plan_batch
from artemis.ingest.read import read_chunk
from artemis.models import retrainings
from artemis.models.registry import load_model, model_folder
from artemis.predictions import read_run, read_studies, run_parts
from artemis.report.changes.compare import compare_runs
from artemis.reviews.reviewed import import_labels, read_reviewed
from artemis.runs import find_run, read_record
from artemis.settings import IngestSettings, Settings, load_settings

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
MARK = "--- next block ---"
ENTRY = PlanEntry(b"a.png", "png", 0)


@pytest.mark.slow(seconds=30)
def test_examples_print_what_the_page_says(tmp_path: Path, samples: Path) -> None:
    (tmp_path / "data").mkdir()  # a workspace without models of its own
    (tmp_path / "data" / "samples").symlink_to(samples)
    blocks = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == PAGE.count("```python")
    code = f"print({MARK!r})\n".join(code for code, _ in blocks)
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split(f"{MARK}\n") == [printed for _, printed in blocks]


def answer_to(call: Callable[[str | Path], object], path: str | Path) -> str:
    try:
        return repr(call(path))
    except ArtemisError as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize(
    "call",
    [
        load_settings,
        lambda folder: model_folder(folder, "baseline"),
        load_model,
        lambda folder: plan_batch(folder, IngestSettings(), chunk_slices=256),
        lambda root: [
            found.row
            for found in read_chunk(root, [ENTRY], IngestSettings(), IdentityKey(bytes(32)))
        ],
        lambda file: explain_image(file, Settings(), ["baseline"], file),
        lambda workspace: find_run(workspace, "latest"),
        lambda run: find_run(Path("data"), run),
        read_record,
        read_run,
        lambda run: [*run_parts(run)],
        read_studies,
        lambda run: compare_runs(run, run),
        lambda workspace: import_labels("review.csv", workspace),
        lambda file: import_labels(file, Path("data")),
        read_reviewed,
        retrainings.read_record,
    ],
)
def test_what_the_page_calls_takes_text_for_a_path(
    call: Callable[[str | Path], object], tmp_path: Path
) -> None:
    assert answer_to(call, str(tmp_path)) == answer_to(call, tmp_path)
