"""docs/python.md: its blocks run in order, and print what stands below them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
MARK = "--- next block ---"


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
