"""What a file's header says stays off the console, from the first file of a process on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.ingest.builders import mr, save

PROBED = """
import logging, sys
from pathlib import Path

logging.basicConfig()  # as Prefect has it: warnings of every library reach the console

from artemis.ingest.probe import probe
from artemis.settings import IngestSettings

print(probe(Path(sys.argv[1]), IngestSettings()).study)
"""


def test_the_first_file_that_is_looked_at_says_nothing_of_a_patient(tmp_path: Path) -> None:
    """Importing pydicom makes it talk again, and it is imported when it is first needed."""
    path = save(tmp_path / "a.dcm", mr(StudyInstanceUID="JANE-DOE"))
    answer = subprocess.run(
        [sys.executable, "-c", PROBED, str(path)], capture_output=True, text=True, timeout=60
    )
    assert answer.stdout == "JANE-DOE\n"
    assert answer.stderr == ""
