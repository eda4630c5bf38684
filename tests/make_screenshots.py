"""Make reports/example, one run of the samples, and its pictures: `make screenshots`.

Needs Chromium. The pictures are light.png, dark.png, narrow.png and print.pdf.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from artemis.runs import find_run, read_record

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "reports" / "example"
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def chromium() -> str | None:
    """Return the path of the system's Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


def classify_samples() -> Path:
    """Classify the samples into a passing workspace; return the report."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [Path(sys.executable).with_name("artemis-cli"), "classify-batch", "data/samples"],
            cwd=ROOT,
            env=os.environ | {"ARTEMIS_WORKSPACE": folder, "PREFECT_HOME": f"{folder}/prefect"},
            check=True,
        )
        page = Path(read_record(find_run(Path(folder), "latest")).report or "")
        EXAMPLE.mkdir(parents=True, exist_ok=True)
        # The passing workspace is nobody's business but this script's.
        text = page.read_text(encoding="utf-8").replace(folder, "data")
        (EXAMPLE / "index.html").write_text(text, encoding="utf-8")
    return EXAMPLE / "index.html"


def photograph(browser: Browser, page: Path, name: str, width: int, scheme: str) -> None:
    """Take one picture of the top of the page."""
    view = browser.new_page(viewport={"width": width, "height": 960}, color_scheme=scheme)
    view.goto(page.as_uri())
    view.screenshot(path=EXAMPLE / name)
    view.close()


def main() -> None:
    """Make everything."""
    page = classify_samples()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        photograph(browser, page, "light.png", 1280, "light")
        photograph(browser, page, "dark.png", 1280, "dark")
        photograph(browser, page, "narrow.png", 390, "light")
        view = browser.new_page()
        view.goto(page.as_uri())
        view.pdf(path=EXAMPLE / "print.pdf", format="A4")
        browser.close()


if __name__ == "__main__":
    main()
