"""Time, memory and size of reports, and their speed in Chromium, for docs/performance.md.

``PYTHONPATH=. python tests/measure_report.py 1000 10000 100000``: for each count, a run of so many
slices is written as real Parquet parts, a hundredth of them refused or failed; ``artemis-cli
report`` makes its pages in a process of its own; and Chromium opens it anew for each round. Every
duration is the median of the rounds, taken in the page: from the start of the navigation, or from
an event to the frame after its answer; processor seconds are of the page's main thread. Linux.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, CDPSession, sync_playwright

from artemis.predictions import part_name, write_part
from artemis.runs import RunPaths, create_run, write_record
from artemis.schemas import PREDICTIONS_SCHEMA, SLICES_SCHEMA, THUMBNAILS_SCHEMA
from tests.report.browsing import ARGUMENTS, CHROMIUM
from tests.report.conftest import RUN_ID, run_record, typical_tables

ROUNDS = 3
_A_PART = 1000
_MB = 1e6

OBSERVED = """
window.long = [];
new PerformanceObserver((all) => window.long.push(...all.getEntries().map((one) => one.duration)))
  .observe({ type: "longtask", buffered: true });
window.painted = () => new Promise((go) => requestAnimationFrame(() => setTimeout(go)));
window.answered = async (act) => { // milliseconds from an act to the frame after its answer
  const output = document.querySelector('[data-for="table-slices"] output');
  const begun = performance.now();
  const told = new Promise((go) => {
    const seen = new MutationObserver(() => { seen.disconnect(); go(); });
    seen.observe(document.querySelector("#table-slices"), { childList: true, subtree: true });
    seen.observe(output, { childList: true, characterData: true, subtree: true });
  });
  act();
  await told;
  await painted();
  return performance.now() - begun;
};
window.enter = (name, value) => {
  const field = document.querySelector(`[data-for="table-slices"] [data-f="${name}"]`);
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
};
window.answeredFirst = new Promise((go) => addEventListener("DOMContentLoaded", async () => {
  window.ready = performance.now();
  await answered(() => enter("tumor", "2"));
  window.first = performance.now();
  enter("tumor", "");
  go();
}));
"""
"""Runs before the page's own script: what it waits for is a filter's answer."""

SORT = """(async () => {{ // the second press turns the order round, so that rows move for certain
  const button = document.querySelector('#table-slices th[data-col="{}"] button');
  button.click();
  await painted();
  return answered(() => button.click());
}})()"""

ACTS = {
    "search, one letter": "answered(() => enter('text', 's'))",
    "search, a name": "answered(() => enter('text', 'slice_0012'))",
    "search emptied": "answered(() => enter('text', ''))",
    "filter by tumour": "answered(() => enter('tumor', '1'))",
    "show all": "answered(() => document.querySelector('[data-f=reset]').click())",
    "sort by file": SORT.format(2),
    "sort by confidence": SORT.format(6),
    "next doubtful": "(async () => { const begun = performance.now();"
    " document.querySelector('[data-d=next]').click(); await painted();"
    " return performance.now() - begun; })()",
}


def write(workspace: Path, count: int) -> RunPaths:
    """Write a run of so many slices in parts of a thousand."""
    tables = typical_tables(count - count // 100, rejected=False)
    refused = typical_tables(0).slices
    for number in range(count // 100):
        row = dict(refused[number % len(refused)])
        row["path"] = f"more/{number:05d}_{row['path'].replace('/', '_')}"
        tables.slices.append(row)
    paths = create_run(workspace, RUN_ID)
    write_record(paths, run_record(tables))
    for folder, rows, schema in (
        (paths.slices, tables.slices, SLICES_SCHEMA),
        (paths.thumbnails, tables.thumbnails, THUMBNAILS_SCHEMA),
        *(
            (paths.predictions(name), rows, PREDICTIONS_SCHEMA)
            for name, rows in tables.predictions.items()
        ),
    ):
        for begin in range(0, len(rows), _A_PART):
            write_part(folder / part_name(begin // _A_PART), rows[begin : begin + _A_PART], schema)
    return paths


def build(workspace: Path) -> dict[str, float]:
    """Make the report in a process of its own; return its seconds and its peak memory in MB."""
    command = [sys.executable, "cli.py", "report", "latest", "-w", str(workspace)]
    begun = time.perf_counter()
    process = os.posix_spawn(sys.executable, command, os.environ)
    _, status, used = os.wait4(process, 0)
    if status:
        raise SystemExit("artemis-cli report failed.")
    return {"seconds": time.perf_counter() - begun, "peak MB": used.ru_maxrss * 1024 / _MB}


def sizes(folder: Path) -> dict[str, float]:
    """Return the sizes of the pages of a report, in MB, and how many there are."""
    index = folder / "index.html"
    beside = [page.stat().st_size / _MB for page in folder.glob("slices-*.html")]
    return {
        "report MB": index.stat().st_size / _MB,
        "pages of slices": len(beside),
        "largest MB": max(beside, default=0.0),
        "all MB": sum(beside) + index.stat().st_size / _MB,
    }


def visit(browser: Browser, path: Path) -> dict[str, float]:
    """Open a page once and use it; return milliseconds of each, and what it holds."""
    page = browser.new_page(viewport={"width": 1280, "height": 960})
    page.add_init_script(OBSERVED)
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(path.as_uri())
    page.evaluate("answeredFirst")
    until = processor(tools)
    found = page.evaluate(
        """async () => {
          const nodes = document.querySelectorAll("*").length;
          await lists.get(document.getElementById("table-slices")).ready;
          const read = performance.now();
          await painted();
          return { "DOM ready": window.ready, "first filter answered": window.first,
                   "all rows read": read, "elements at the start": nodes };
        }"""
    )
    page.locator("html.reviewable").wait_for(state="attached")
    opening: dict[str, Any] = page.evaluate(
        "({ 'long tasks while opening': long.length,"
        " 'longest of them': Math.max(0, ...long.splice(0)) })"
    )
    opening["processor until answered, s"] = until
    opening["processor until all read, s"] = processor(tools)
    acts = {name: page.evaluate(act) for name, act in ACTS.items()}
    page.close()
    return {**found, **opening, **acts}


def processor(tools: CDPSession) -> float:
    """Return the seconds that the page's main thread has worked."""
    spent = tools.send("Performance.getMetrics")["metrics"]
    return next(one["value"] for one in spent if one["name"] == "ThreadTime")


def main(*counts: str) -> None:
    """Print what each count gives."""
    for count in map(int, counts):
        with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
            paths = write(Path(scratch), count)
            made = build(Path(scratch))
            folder = Path(scratch) / "reports" / paths.root.name
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            pages = [folder / "index.html", *sorted(folder.glob("slices-*.html"))[1:2]]
            say(f"{count:,} slices", made | sizes(folder))
            for path in pages:
                rounds = [visit(browser, path) for _ in range(ROUNDS)]
                say(
                    f"  {path.name}, milliseconds where nothing else is said",
                    {name: median(one[name] for one in rounds) for name in rounds[0]},
                )
            browser.close()


def say(title: str, found: dict[str, float]) -> None:
    """Print a title and its figures at once."""
    lines = [title, *(f"    {name:<32}{figure:>12,.1f}" for name, figure in found.items())]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent)
    main(*sys.argv[1:])
