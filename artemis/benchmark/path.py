"""The whole path, from a folder to its report, by the command that users run."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from artemis.errors import BenchmarkError, NothingUsableError
from artemis.labels import PROBABILITY_COLUMNS
from artemis.predictions import read_table
from artemis.runs import read_record
from artemis.settings import PREFIX
from artemis.system.processes import own_environment, own_python

_WORDS = 400
_REPORTS = f"{PREFIX}REPORTS"


@dataclass
class WholePath:
    """Runs ``classify-batch`` on a folder, each time as a process of its own.

    Attributes
    ----------
    batch, workspace : Path
        What is classified, and where it is written.
    models : sequence of str
        Names of the models.
    runs : list of Path
        Folders of the runs so far.
    starts : list of float
        Seconds of each command that were not spent on pictures.
    """

    batch: Path
    workspace: Path
    models: Sequence[str]
    runs: list[Path] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        """Run the command once; return the seconds from the first look for files to the report.

        Raises
        ------
        BenchmarkError
            If the command fails; that nothing was classified is said by the run's counts.
        """
        begun = time.perf_counter()
        answer = subprocess.run(  # noqa: S603  # our own interpreter and command
            [
                *own_python("import cli; cli.main()", "classify-batch"),
                *(str(self.batch), "--workspace", str(self.workspace)),
                *("--models", ",".join(self.models), "--json", "--quiet"),
            ],
            capture_output=True,
            env=_without_reports(own_environment()),
            text=True,
            check=False,
        )
        whole = time.perf_counter() - begun
        if answer.returncode not in (0, NothingUsableError.exit_code):
            raise BenchmarkError(
                f"{self.batch}: expected classify-batch to end with 0. Received "
                f"{answer.returncode}: {answer.stderr.strip()[-_WORDS:]}"
            )
        run_dir = self.workspace / "runs" / json.loads(answer.stdout)["run_id"]
        record = read_record(run_dir)
        # The record is closed before the page is written; the page's own time is its end.
        seconds = Path(record.report or "").stat().st_mtime - record.created.timestamp()
        self.runs.append(run_dir)
        self.starts.append(whole - seconds)
        return seconds

    def difference(self) -> float:
        """Return the largest difference of a probability between the first run and any other."""
        first, *others = (read_table(run, "predictions") for run in self.runs)
        columns = list(PROBABILITY_COLUMNS)
        return max(
            (
                float(np.abs(first[columns].to_numpy() - other[columns].to_numpy()).max())
                for other in others
            ),
            default=0.0,
        )


def _without_reports(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment by which reports lie in their workspace, which is removed as a whole.

    Where a user set reports to go they would stay, with pictures of patients, and the list of the
    user's runs would be one of these.
    """
    return {name: value for name, value in environment.items() if name.upper() != _REPORTS}
