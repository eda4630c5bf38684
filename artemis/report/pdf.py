"""A page as PDF, printed by the Chromium that is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from artemis.errors import ExportError, MissingExtraError
from artemis.system.files import atomic_path

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SECONDS: Final = 300
_FLAGS: Final = (
    "--headless=new",
    "--disable-gpu",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-extensions",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    # The page asks nothing of any server; this is for the browser itself. No name is resolved,
    # and what has a number goes to a port of this machine on which nothing listens.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
    "--no-pdf-header-footer",
    "--generate-pdf-document-outline",  # headings as bookmarks
)
_NOBODY: Final = "nobody"
_BESIDE: Final = re.compile(r'(<a\b[^<>]*?) href="(?!#|[a-z]+:)[^"]*"')


def find_browser() -> str:
    """Return the path of the browser that prints.

    Raises
    ------
    MissingExtraError
        If none is installed.
    """
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise MissingExtraError(
            f"--pdf: expected a Chromium that can print ({', '.join(BROWSERS)}). Received none on "
            "PATH. Install it (Debian: apt-get install chromium), or open the page in any browser "
            "and print it: it is made for A4."
        )
    return found


def write_pdf(page: Path, target: Path) -> Path:
    """Print a page to PDF, A4 as its style sheet says; return `target`.

    Chromium keeps its sandbox, except as root, whom it refuses one: then it runs as the
    user ``nobody``, on a copy of the page and with nothing else that is its own, where the
    system lets it. The page is Artemis's own, and its policy lets no other script run.

    Parameters
    ----------
    page : Path
        A page of Artemis.
    target : Path
        The PDF. It appears whole or not at all.

    Raises
    ------
    MissingExtraError
        If no Chromium is installed.
    ExportError
        If it fails, or takes more than five minutes.
    """
    browser = find_browser()
    with tempfile.TemporaryDirectory(prefix="artemis-pdf-") as folder:
        scratch = Path(folder)
        source, printed = scratch / "page.html", scratch / "page.pdf"
        source.write_text(_without_links_beside(page.read_text(encoding="utf-8")), encoding="utf-8")
        as_nobody = _give_to_nobody(scratch)
        command = [browser, *_FLAGS, f"--user-data-dir={scratch / 'profile'}"]
        if os.geteuid() == 0:
            command.append("--no-sandbox")
        command += [f"--print-to-pdf={printed}", source.as_uri()]
        _run(command, scratch, page, _NOBODY if as_nobody else None)
        if not printed.is_file() or printed.read_bytes()[:5] != b"%PDF-":
            raise _failed(page, "nothing that is a PDF")
        with atomic_path(target) as temporary:
            shutil.copyfile(printed, temporary)
    return target


def _without_links_beside(text: str) -> str:
    """Return a page whose links to the pages beside it are words alone.

    A PDF is mailed and printed without those, and a link in it would be to the folder, long gone,
    that it was printed in.
    """
    return _BESIDE.sub(r"\1", text)


def _give_to_nobody(scratch: Path) -> bool:
    """Give the scratch folder to ``nobody`` and return True, where this process may."""
    if os.geteuid() != 0:
        return False
    try:
        for path in (scratch, *scratch.iterdir()):
            shutil.chown(path, _NOBODY)
    except (LookupError, OSError):  # no such user, or a container of one user
        return False
    return True


def _run(command: list[str], scratch: Path, page: Path, user: str | None) -> None:
    try:
        answer = subprocess.run(  # noqa: S603 - our own flags; the page's path is a file address
            command,
            cwd=scratch,
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(scratch), "LANG": "C.UTF-8"},
            user=user,
            extra_groups=None if user is None else [],
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except PermissionError:
        if user is None:
            raise _failed(page, "a browser that may not be run") from None
        return _run(command, scratch, page, None)  # it lies where only root may run it
    except subprocess.TimeoutExpired as error:
        raise _failed(page, f"no answer within {_SECONDS} seconds") from error
    except OSError as error:
        raise _failed(page, f"{os.strerror(error.errno or 0)}") from error
    if answer.returncode != 0:
        lines = answer.stderr.decode("utf-8", "replace").strip().splitlines()
        said = f": {lines[-1]}" if lines else ""
        raise _failed(page, f"exit code {answer.returncode}{said}")


def _failed(page: Path, received: str) -> ExportError:
    return ExportError(
        f"{page}: expected a PDF of it from Chromium. Received {received}. The page itself is "
        "whole: open it in a browser and print it."
    )
