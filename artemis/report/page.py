"""A page out of a template: strict content security policy, inlined assets, escaped text."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from artemis import RESEARCH_USE, __version__
from artemis.models.evidence_map import CAPTION
from artemis.report import words
from artemis.report.run import limits

_ROOT: Final = Path(__file__).parent
_COMMENTS: Final = re.compile(r"/\*.*?\*/|^ *//[^\n]*", re.DOTALL | re.MULTILINE)

STYLES: Final = (
    "tokens",
    "base",
    "frame",
    "marks",
    "pictures",
    "review",
    "dock",
    "tables",
    "details",
    "plots",
    "model_card",
    "wide",
    "tablet",
    "narrow",
    "print",
)
"""Files of ``assets/style/``, each named by what it serves, in the order of the cascade."""


def render_page(template: str, *, scripts: Sequence[str] = ("page.js",), **context: object) -> str:
    """Return a template as one self-contained page.

    Parameters
    ----------
    template : str
        Name below ``templates/``.
    scripts : sequence of str
        Names below ``assets/``, in the order in which they run.
    **context : object
        What the template shows; a name that it uses and does not get is an error.
    """
    style, script = page_style(), "\n".join(_asset(name) for name in scripts)
    return (
        _environment()
        .get_template(template)
        .render(
            **context,
            style=Markup(style),  # noqa: S704 - our own asset
            script=Markup(script),  # noqa: S704 - our own asset
            policy=content_security_policy(style, script),
            notice=RESEARCH_USE,
            generator=f"Artemis {__version__}",
        )
    )


def content_security_policy(style: str, script: str) -> str:
    """Return a policy that lets a page run this style and script and fetch nothing at all.

    Hashes are of the exact text between the tags (Content Security Policy Level 3, section
    6.7.3.3), so a style attribute, an event handler or any other script is refused.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_digest(style)}'",
            f"script-src '{_digest(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def page_style() -> str:
    """Return the style sheet of every page: the files of `STYLES` joined."""
    return "\n".join(_asset(f"style/{name}.css") for name in STYLES)


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


@cache
def _asset(name: str) -> str:
    """Return a file of ours without comments and indents: of these every page would have a copy."""
    text = (_ROOT / "assets" / name).read_text(encoding="utf-8")
    lines = (line.strip() for line in _COMMENTS.sub("", text).splitlines())
    return "\n".join(line for line in lines if line)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        percent=words.percent,
        number=words.number,
        counted=words.counted,
        sentence=words.sentence,
        tiny=words.tiny,
        visible=words.visible,
        moment=words.moment,
        shortened=words.shortened,
        breakable=words.breakable,
    )
    environment.globals.update(
        category_words=words.CATEGORY_WORDS,
        status_words=words.STATUS_WORDS,
        tumor_words=words.TUMOR_WORDS,
        evidence_caption=CAPTION,
        row_name=limits.ROW_NAME,
        row_sentence=limits.ROW_SENTENCE,
        any_text=limits.ANY_TEXT,
    )
    return environment
