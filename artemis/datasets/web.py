"""Rules of asking the web for a file: which addresses, which redirects, how patiently."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from secrets import SystemRandom

import httpx

from artemis.errors import DownloadError


@dataclass(frozen=True, slots=True)
class Policy:
    """Patience and limits of a download.

    Attributes
    ----------
    attempts : int
        Attempts in a row that may fail; one that a resumed download got further by 1 MiB
        starts the count anew.
    first_delay, longest_delay : float
        Seconds before the second attempt, doubled before each further one, and their limit;
        each is shortened by up to a half at random.
    longest_retry_after : float
        Seconds that a server's ``Retry-After`` is honoured for, at most.
    timeout : float
        Seconds without any progress after which a connection counts as stalled.
    max_bytes : int
        Largest size of the file.
    """

    attempts: int = 6
    first_delay: float = 1.0
    longest_delay: float = 30.0
    longest_retry_after: float = 120.0
    timeout: float = 30.0
    max_bytes: int = 2 << 30


def checked_url(address: str) -> httpx.URL:
    """Return an address that may be asked: https, or http on loopback.

    Raises
    ------
    DownloadError
        If it is neither.
    """
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise DownloadError(
            f"{address[:200]!r}: expected an https address. Received: {error}. Correct it."
        ) from error
    if url.host and (url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.host))):
        return url
    raise DownloadError(
        f"{named(url)}: expected an https address. Received {url.scheme or 'no scheme'!r}. "
        "Give an https address; http is for loopback only."
    )


def redirected(url: httpx.URL, location: str) -> httpx.URL:
    """Return where a redirect from `url` leads.

    Raises
    ------
    DownloadError
        If it leads to something other than https (or http on loopback), or from https to
        http, even on loopback.
    """
    try:
        target = url.join(location)
    except httpx.InvalidURL as error:
        raise DownloadError(
            f"{named(url)}: expected a redirect to an address. Received: {error}. Try again later."
        ) from error
    if url.scheme == "https" and target.scheme != "https":
        raise DownloadError(
            f"{named(url)}: expected a redirect to https. Received one to "
            f"{target.scheme}://{named(target)}. The network may be tampered with; "
            "try from another one."
        )
    return checked_url(str(target))


def retry_delay(failures: int, retry_after: str | None, policy: Policy, now: datetime) -> float:
    """Return the seconds to wait after `failures` failed attempts in a row.

    Exponential with jitter, or as long as ``Retry-After`` (seconds or a date, RFC 9110,
    section 10.2.3) asks for, whichever is longer, within the limits of `policy`.
    """
    delay = min(policy.longest_delay, policy.first_delay * 2.0 ** min(failures - 1, 60))
    asked = min(_seconds(retry_after, now), policy.longest_retry_after)
    return max(delay * SystemRandom().uniform(0.5, 1.0), asked)


def named(url: httpx.URL) -> str:
    """Return host and path of an address, without what may be secret in it."""
    return f"{url.host}{url.path}"[:300]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _seconds(retry_after: str | None, now: datetime) -> float:
    if retry_after is None:
        return 0.0
    if retry_after.strip().isdecimal():
        return float(retry_after.strip()[:12])
    try:
        date = parsedate_to_datetime(retry_after)
        return max(0.0, (date - now).total_seconds())
    except (ValueError, TypeError):  # no date, or one without a zone
        return 0.0
