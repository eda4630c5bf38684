"""Flows run from Python, as a notebook does: several in one process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from artemis.errors import ModelError
from artemis.settings import Settings
from flows.interactive import classify
from flows.server import PrefectApi

ROOT = Path(__file__).parents[2]
TWO_BATCHES = """
import sys
from pathlib import Path

from artemis.settings import Settings
from flows.interactive import classify
from flows.server import PrefectApi

settings = Settings(workspace=Path(sys.argv[2]))
for command in ("the first", "the second"):
    with PrefectApi() as api:
        record, recorded = classify(
            api,
            Path(sys.argv[1]),
            settings,
            ["baseline"],
            limit=3,
            command=command,
            verbose=False,
        )
    print(record.command, record.status.value, recorded == record.tasks)
"""


@pytest.mark.slow(seconds=40)
def test_a_second_batch_of_one_process_is_recorded_by_its_own_server(
    samples: Path, tmp_path: Path, new_home: Callable[[], Path]
) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"}
    answer = subprocess.run(
        [sys.executable, "-c", TWO_BATCHES, str(samples), str(tmp_path)],
        cwd=ROOT,
        env=environment | {"PREFECT_HOME": str(new_home())},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.stdout.splitlines() == ["the first completed True", "the second completed True"]
    assert not answer.stderr


def test_a_model_that_is_none_is_named_with_those_there_are(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    with pytest.raises(ModelError, match=r"expected one or more of mobilenet_v2, baseline\."):
        classify(
            PrefectApi(),
            samples,
            Settings(workspace=tmp_path),
            ["mobilenet"],
            limit=None,
            command="",
            verbose=False,
        )
    assert not [*tmp_path.iterdir()]
