"""The model card in Debian's Chromium: silent, and complete without scripts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from artemis.models.registry import model_folder

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
    ),
]


def test_the_shipped_page_is_silent_asks_for_nothing_and_fits_a_telephone(tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    page_file = model_folder(tmp_path, "mobilenet_v2") / "MODEL_CARD.html"
    heard: list[str] = []
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        for width, scheme, scripts in ((1280, "light", True), (400, "dark", False)):
            context = chromium.new_context(
                viewport={"width": width, "height": 900},
                color_scheme=scheme,
                java_script_enabled=scripts,
            )
            page = context.new_page()
            page.on("request", lambda request: heard.append(request.url))
            page.on("pageerror", lambda error: heard.append(str(error)))
            page.on("console", lambda message: heard.append(message.text))
            page.goto(page_file.as_uri())
            assert page.locator("main section").count() == 15  # the opening and fourteen parts
            assert page.locator("circle").first.is_visible()
            if scripts:
                assert page.evaluate("document.documentElement.scrollWidth") <= width
            else:
                box = page.locator("main").bounding_box()
                assert box["x"] + box["width"] <= width
            context.close()
        chromium.close()
    assert heard == [page_file.as_uri()] * 2
