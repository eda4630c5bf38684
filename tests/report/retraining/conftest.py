"""The page of a retraining, made and parsed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from artemis.models.retrainings import RetrainingRecord
from artemis.report.retraining.data import ChangedAnswer
from artemis.report.retraining.page import build_retraining_page
from tests.report.parsing import Page
from tests.report.retrained import all_changed, record

MakePage = Callable[..., Page]


@pytest.fixture
def make_page(tmp_path: Path) -> MakePage:
    """Return a function that makes and parses the page of a record."""

    def make(
        of: RetrainingRecord | None = None, changed: list[ChangedAnswer] | None = None
    ) -> Page:
        of = of or record()
        path = tmp_path / "page.html"
        rows = all_changed() if changed is None else changed
        path.write_text(build_retraining_page(of, rows), encoding="utf-8")
        return Page(path)

    return make
