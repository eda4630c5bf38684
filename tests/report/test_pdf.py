from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from artemis.errors import ExportError, MissingExtraError
from artemis.report.pdf import BROWSERS, write_pdf
from artemis.report.run import limits
from artemis.report.run.build import build_report
from tests.report.conftest import typical_tables

MakeRun = Callable[..., Path]
INSTALLED = any(shutil.which(name) for name in BROWSERS)


def fake_browser(folder: Path, script: str) -> None:
    folder.mkdir()
    path = folder / "chromium"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_a_browser_the_message_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match=r"Received none on PATH.*apt-get install chromium"):
        write_pdf(tmp_path / "index.html", tmp_path / "report.pdf")


def test_a_browser_that_fails_is_named_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_browser(tmp_path / "bin", "echo no display >&2; exit 7")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    page = tmp_path / "index.html"
    page.write_text("page")
    with pytest.raises(ExportError, match=r"index\.html: .*exit code 7: no display"):
        write_pdf(page, tmp_path / "report.pdf")
    assert not (tmp_path / "report.pdf").exists()


def test_a_browser_that_prints_nothing_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_browser(tmp_path / "bin", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    page = tmp_path / "index.html"
    page.write_text("page")
    with pytest.raises(ExportError, match="Received nothing that is a PDF"):
        write_pdf(page, tmp_path / "report.pdf")


def test_links_to_pages_beside_it_are_words_in_a_pdf(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TABLE_ROWS", 10)
    monkeypatch.setattr(limits, "SUMMARY_ROWS", 5)
    page = build_report(make_run(typical_tables(30)), tmp_path / "index.html")
    assert 'href="slices-0001.html' in page.read_text(encoding="utf-8")
    fake_browser(tmp_path / "bin", "(echo %PDF-; cat page.html) > page.pdf")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    printed = write_pdf(page, tmp_path / "report.pdf").read_text(encoding="utf-8")
    assert "slices-0001.html" not in printed
    assert ">1 to 34</a>" in printed
    kept = [link for link in re.findall(r'<a [^>]*href="([^"]*)', printed)]
    assert {"#slices", "#review"} < set(kept)
    assert all(link.startswith("#") for link in kept)


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="no Chromium (Debian: apt-get install chromium)")
def test_the_page_is_printed_on_a4_by_a_browser_that_reaches_nothing(
    make_run: MakeRun, tmp_path: Path
) -> None:
    page = build_report(make_run(typical_tables(6)), tmp_path / "index.html")
    data = write_pdf(page, tmp_path / "report.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.count(b"/MediaBox [0 0 594.95996 841.91998]") or data.count(b"/MediaBox [0 0 595")
    assert len(data) > 20_000
    assert b"/Outlines" in data
