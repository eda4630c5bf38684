"""One file over HTTP: resumed where the server allows it, retried, limited, never trusted.

A server that gives a strong ETag and honours ``Range`` lets an interrupted download go on
where it stopped, also in a later process (RFC 9110, sections 13.1.5 and 14). Without either
the file is received from its beginning again, because nothing else tells whether the bytes
at hand are a part of the bytes to come.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx

from artemis import __version__
from artemis.datasets.web import Policy, checked_url, named, redirected, retry_delay
from artemis.errors import DownloadError
from artemis.system.files import write_text_atomic

OnBytes = Callable[[int, int | None], None]

USER_AGENT: Final = f"Artemis/{__version__} (artemis-mri; data fetch)"
_MAX_REDIRECTS: Final = 5
_RESUMED_ENOUGH: Final = 1 << 20
_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


@dataclass(frozen=True, slots=True)
class Received:
    """What a download came to.

    Attributes
    ----------
    size : int
        Bytes of the file.
    received : int
        Bytes that came over the network this time.
    resumed : bool
        Whether bytes of an interrupted attempt were kept.
    """

    size: int
    received: int
    resumed: bool


@dataclass(frozen=True, slots=True)
class _State:
    """What must be known to go on with a partial file."""

    url: str
    etag: str
    total: int | None


class _PassingError(Exception):
    """An attempt failed in a way that another may not."""

    def __init__(self, received: str, retry_after: str | None = None) -> None:
        super().__init__(received)
        self.retry_after = retry_after


def download(
    url: str, target: Path, policy: Policy | None = None, on_bytes: OnBytes | None = None
) -> Received:
    """Receive `url` as the file `target`, which appears when it is complete.

    What has come so far is beside it as ``<target>.partial``, with ``<target>.state.json``.
    Proxies and certificates of the environment (``HTTPS_PROXY``, ``SSL_CERT_FILE``, ...) are
    honoured.

    Parameters
    ----------
    url : str
        An https address, or http on loopback.
    target : Path
        The file; its folder exists.
    policy : Policy, optional
        Patience and limits.
    on_bytes : callable, optional
        Called with the bytes at hand and their total, where it is known.

    Raises
    ------
    DownloadError
        If the server refuses, redirects where it must not, sends too much, or fails too
        often.
    """
    return _Download(url, target, policy or Policy(), on_bytes or (lambda done, total: None)).run()


class _Download:
    """One download over as many attempts as it takes."""

    def __init__(self, url: str, target: Path, policy: Policy, on_bytes: OnBytes) -> None:
        self.url = checked_url(url)
        self.target = target
        self.partial = target.with_name(f"{target.name}.partial")
        self.state_file = target.with_name(f"{target.name}.state.json")
        self.policy = policy
        self.on_bytes = on_bytes
        self.received = 0
        self.resumed = False

    def run(self) -> Received:
        failures = 0
        timeout = httpx.Timeout(self.policy.timeout)
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        with httpx.Client(timeout=timeout, headers=headers) as client:
            while True:
                before = self.received
                try:
                    self._attempt(client)
                    break
                except (_PassingError, httpx.TransportError) as error:
                    got_on = self.resumed and self.received - before >= _RESUMED_ENOUGH
                    failures = 1 if got_on else failures + 1
                    self._wait(failures, error)
        self.partial.replace(self.target)
        self.state_file.unlink(missing_ok=True)
        return Received(self.target.stat().st_size, self.received, self.resumed)

    def _wait(self, failures: int, error: Exception) -> None:
        if failures >= self.policy.attempts:
            raise DownloadError(
                f"{named(self.url)}: expected the whole file. Received: "
                f"{str(error) or type(error).__name__} ({failures} attempts failed). Check the "
                "network and run the same command again; what can be kept has been kept."
            ) from error
        asked = error.retry_after if isinstance(error, _PassingError) else None
        time.sleep(retry_delay(failures, asked, self.policy, datetime.now(UTC)))

    def _attempt(self, client: httpx.Client) -> None:
        state, offset = self._kept()
        if state and state.total == offset:
            self.resumed = True
            return
        headers = {"Range": f"bytes={offset}-", "If-Range": state.etag} if state else {}
        url = self.url
        for _ in range(_MAX_REDIRECTS + 1):
            with client.stream("GET", url, headers=headers) as response:
                if not response.has_redirect_location:
                    self._answer(response, state, offset)
                    return
                url = redirected(url, response.headers["Location"])
        raise DownloadError(
            f"{named(self.url)}: expected at most {_MAX_REDIRECTS} redirects. Received one more, "
            f"to {named(url)}. Try again later, or another source."
        )

    def _kept(self) -> tuple[_State | None, int]:
        """Return what an interrupted attempt left: state and size, or None and 0."""
        with suppress(OSError, ValueError, TypeError):
            state = _State(**json.loads(self.state_file.read_text(encoding="utf-8")))
            offset = self.partial.stat().st_size
            if state.url == str(self.url) and _is_strong(state.etag) and offset:
                return state, offset
        return None, 0

    def _answer(self, response: httpx.Response, state: _State | None, offset: int) -> None:
        status = response.status_code
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and state:
            self.state_file.unlink()
            raise _PassingError("another size than before")
        if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _PassingError(_words(status), response.headers.get("Retry-After"))
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise self._refusal(f"the encoding {response.headers['Content-Encoding']!r}")
        if status == HTTPStatus.PARTIAL_CONTENT and state:
            total = self._checked_range(response, state, offset)
            self.resumed = True
            self._body(response, "ab", offset, total)
        elif status == HTTPStatus.OK:
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
            self._begin(response.headers.get("ETag", ""), total)
            self._body(response, "wb", 0, total)
        else:
            raise self._refusal(_words(status))

    def _checked_range(self, response: httpx.Response, state: _State, offset: int) -> int | None:
        """Return the total of the file whose rest is coming, or start over if it is not that."""
        span = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        total = int(span[3]) if span and span[3] != "*" else state.total
        fits = (
            span is not None
            and int(span[1]) == offset
            and (state.total is None or total == state.total)
            and response.headers.get("ETag", state.etag) == state.etag
        )
        if not fits:
            self.state_file.unlink()
            raise _PassingError("another part of the file than was asked for")
        return total

    def _begin(self, etag: str, total: int | None) -> None:
        """Forget the partial file before its state is replaced, so that they never disagree."""
        self.resumed = False
        self.partial.write_bytes(b"")
        self.state_file.unlink(missing_ok=True)
        if _is_strong(etag):
            state = _State(str(self.url), etag, total)
            write_text_atomic(self.state_file, json.dumps(asdict(state)))

    def _body(self, response: httpx.Response, mode: str, done: int, total: int | None) -> None:
        limit = self.policy.max_bytes if total is None else min(total, self.policy.max_bytes)
        if total is not None and total > limit:
            raise self._refusal(f"{total} bytes, more than the limit of {limit}")
        with self.partial.open(mode) as stream:
            for block in response.iter_raw():
                done += len(block)
                if done > limit:
                    raise self._refusal(f"more than {limit} bytes")
                stream.write(block)
                self.received += len(block)
                self.on_bytes(done, total)
        if total is not None and done < total:
            raise _PassingError(f"{done} of {total} bytes")

    def _refusal(self, received: str) -> DownloadError:
        return DownloadError(
            f"{named(self.url)}: expected a file to download. Received {received}. "
            "Try again later, or another source."
        )


def _is_strong(etag: str) -> bool:
    return etag.isascii() and len(etag) > 2 and etag.startswith('"') and etag.endswith('"')


def _words(status: int) -> str:
    return f"HTTP {status} {httpx.codes.get_reason_phrase(status)}".rstrip()
