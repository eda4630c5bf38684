"""One file over HTTP from a server that breaks off, stalls, redirects, changes and refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artemis import __version__
from artemis.datasets.download import Received, download
from artemis.datasets.web import Policy, checked_url, redirected, retry_delay
from artemis.errors import DownloadError
from tests.datasets.loopback import Answer, Server, make_certificate, serving

BODY = bytes(range(256)) * 800
ETAG = '"first"'
QUICK = Policy(attempts=4, first_delay=0.001, longest_delay=0.002, timeout=20)
NOW = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "file.zip"


def test_file_is_received_and_nothing_else_left(server: Server, target: Path) -> None:
    server.will(Answer(BODY, etag=ETAG))
    seen: list[tuple[int, int | None]] = []
    received = download(f"{server.url}/f", target, QUICK, lambda *at: seen.append(at))
    assert received == Received(len(BODY), len(BODY), resumed=False)
    assert target.read_bytes() == BODY
    assert list(target.parent.iterdir()) == [target]
    assert seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)


def test_server_is_told_who_asks(server: Server, target: Path) -> None:
    server.will(Answer(BODY))
    download(f"{server.url}/f", target, QUICK)
    assert server.asked[0].headers["User-Agent"].startswith(f"Artemis/{__version__} ")
    assert server.asked[0].headers["Accept-Encoding"] == "identity"


def test_broken_off_body_is_resumed_where_it_stopped(server: Server, target: Path) -> None:
    whole = Answer(BODY, etag=ETAG, ranges=True)
    server.will(Answer(BODY, etag=ETAG, ranges=True, stop_after=1000), whole)
    received = download(f"{server.url}/f", target, QUICK)
    assert target.read_bytes() == BODY
    assert received == Received(len(BODY), len(BODY), resumed=True)
    assert server.asked[1].headers["Range"] == "bytes=1000-"
    assert server.asked[1].headers["If-Range"] == ETAG


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_etag_it_starts_over(
    server: Server, target: Path, etag: str | None
) -> None:
    broken = Answer(BODY, etag=etag, ranges=True, stop_after=1000)
    server.will(broken, Answer(BODY, etag=etag, ranges=True))
    received = download(f"{server.url}/f", target, QUICK)
    assert target.read_bytes() == BODY
    assert received == Received(len(BODY), len(BODY) + 1000, resumed=False)
    assert "Range" not in server.asked[1].headers


def test_server_without_ranges_starts_over(server: Server, target: Path) -> None:
    server.will(Answer(BODY, etag=ETAG, stop_after=1000), Answer(BODY, etag=ETAG))
    received = download(f"{server.url}/f", target, QUICK)
    assert server.asked[1].headers["Range"] == "bytes=1000-"
    assert target.read_bytes() == BODY
    assert not received.resumed


def test_changed_etag_in_between_starts_over(server: Server, target: Path) -> None:
    other = bytes(reversed(BODY))
    server.will(
        Answer(BODY, etag=ETAG, ranges=True, stop_after=1000),
        Answer(other, etag='"second"', ranges=True),
    )
    received = download(f"{server.url}/f", target, QUICK)
    assert target.read_bytes() == other
    assert not received.resumed


def test_part_of_a_changed_file_is_not_appended(server: Server, target: Path) -> None:
    """A server that ignores If-Range and continues another file."""
    other = bytes(reversed(BODY))
    spoiled = Answer(
        other[1000:],
        status=206,
        etag='"second"',
        headers={"Content-Range": f"bytes 1000-{len(BODY) - 1}/{len(BODY)}"},
    )
    server.will(
        Answer(BODY, etag=ETAG, ranges=True, stop_after=1000), spoiled, Answer(other, etag=ETAG)
    )
    download(f"{server.url}/f", target, QUICK)
    assert target.read_bytes() == other
    assert "Range" not in server.asked[2].headers


def test_another_part_than_asked_for_is_not_appended(server: Server, target: Path) -> None:
    wrong = Answer(
        BODY[500:], status=206, headers={"Content-Range": f"bytes 500-{len(BODY) - 1}/{len(BODY)}"}
    )
    server.will(
        Answer(BODY, etag=ETAG, ranges=True, stop_after=1000), wrong, Answer(BODY, etag=ETAG)
    )
    download(f"{server.url}/f", target, QUICK)
    assert target.read_bytes() == BODY


def test_shorter_part_than_asked_for_is_continued(server: Server, target: Path) -> None:
    part = Answer(
        BODY[1000:2000],
        status=206,
        headers={"Content-Range": f"bytes 1000-1999/{len(BODY)}"},
    )
    whole = Answer(BODY, etag=ETAG, ranges=True)
    server.will(Answer(BODY, etag=ETAG, ranges=True, stop_after=1000), part, whole)
    download(f"{server.url}/f", target, QUICK)
    assert target.read_bytes() == BODY
    assert server.asked[2].headers["Range"] == "bytes=2000-"


def test_change_after_a_resumed_part_keeps_nothing(server: Server, target: Path) -> None:
    broken = Answer(BODY, etag=ETAG, ranges=True, stop_after=1000)
    server.will(broken, broken, Answer(BODY, etag='"second"', ranges=True))
    received = download(f"{server.url}/f", target, QUICK)
    assert received == Received(len(BODY), len(BODY) + 2000, resumed=False)
    assert target.read_bytes() == BODY


def test_range_that_cannot_be_satisfied_starts_over(server: Server, target: Path) -> None:
    server.will(
        Answer(BODY, etag=ETAG, ranges=True, stop_after=1000), Answer(status=416), Answer(BODY)
    )
    download(f"{server.url}/f", target, QUICK)
    assert target.read_bytes() == BODY


def test_interrupted_download_is_resumed_by_the_next_call(server: Server, target: Path) -> None:
    server.will(Answer(BODY, etag=ETAG, ranges=True))

    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(f"{server.url}/f", target, QUICK, interrupt)
    assert not target.exists()
    kept = target.with_name("file.zip.partial").stat().st_size
    assert 0 < kept < len(BODY)
    received = download(f"{server.url}/f", target, QUICK)
    assert received == Received(len(BODY), len(BODY) - kept, resumed=True)
    assert target.read_bytes() == BODY


def test_complete_partial_file_is_not_asked_for_again(server: Server, target: Path) -> None:
    server.will(Answer(BODY, etag=ETAG, ranges=True))

    def interrupt(done: int, total: int | None) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(f"{server.url}/f", target, QUICK, interrupt)
    assert not target.exists()
    received = download(f"{server.url}/f", target, QUICK)
    assert received == Received(len(BODY), 0, resumed=True)
    assert target.read_bytes() == BODY
    assert len(server.asked) == 1


def test_partial_file_of_another_address_is_not_continued(server: Server, target: Path) -> None:
    server.will(Answer(BODY, etag=ETAG, ranges=True, stop_after=1000))
    with pytest.raises(DownloadError):
        download(f"{server.url}/one", target, Policy(attempts=1))
    server.will(Answer(BODY, etag=ETAG, ranges=True))
    assert not download(f"{server.url}/two", target, QUICK).resumed
    assert target.read_bytes() == BODY


def test_progress_renews_the_patience(server: Server, target: Path) -> None:
    """Three breaks with two attempts: it goes on, for each attempt brought a MiB or more."""
    body = BODY * 25
    part = Answer(body, etag=ETAG, ranges=True, stop_after=5 << 18)
    server.will(part, part, part, Answer(body, etag=ETAG, ranges=True))
    download(f"{server.url}/f", target, Policy(attempts=2, first_delay=0.001))
    assert target.read_bytes() == body
    assert len(server.asked) == 4


def test_bytes_that_cannot_be_kept_are_no_progress(server: Server, target: Path) -> None:
    server.will(Answer(BODY * 25, stop_after=5 << 18))
    with pytest.raises(DownloadError, match="2 attempts failed"):
        download(f"{server.url}/f", target, Policy(attempts=2, first_delay=0.001))
    assert len(server.asked) == 2


def test_server_that_always_breaks_off_is_given_up(server: Server, target: Path) -> None:
    server.will(Answer(BODY, stop_after=1000))
    with pytest.raises(DownloadError, match=r"127.0.0.1/f: expected the whole file.*4 attempts"):
        download(f"{server.url}/f?token=secret", target, QUICK)
    assert len(server.asked) == 4
    assert not target.exists()


def test_message_holds_nothing_secret_of_the_address(server: Server, target: Path) -> None:
    server.will(Answer(status=404))
    address = server.url.replace("//", "//user:word@")
    with pytest.raises(DownloadError, match=r"127.0.0.1/f.*Received HTTP 404 Not Found") as caught:
        download(f"{address}/f?token=secret", target, QUICK)
    assert "secret" not in str(caught.value)
    assert "word@" not in str(caught.value)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_passing_failure_is_tried_again(server: Server, target: Path, status: int) -> None:
    server.will(Answer(status=status, headers={"Retry-After": "0"}), Answer(BODY))
    download(f"{server.url}/f", target, QUICK)
    assert target.read_bytes() == BODY
    assert len(server.asked) == 2


def test_nobody_listening_is_an_error_that_says_where(target: Path) -> None:
    with serving() as gone:
        url = gone.url
    with pytest.raises(DownloadError, match=r"127.0.0.1/f.*4 attempts failed.*Check the"):
        download(f"{url}/f", target, QUICK)


def test_stalled_connection_is_left_and_resumed(server: Server, target: Path) -> None:
    stalled = Answer(BODY, etag=ETAG, ranges=True, stop_after=1000, stalls=True)
    server.will(stalled, Answer(BODY, etag=ETAG, ranges=True))
    received = download(f"{server.url}/f", target, Policy(first_delay=0.001, timeout=0.2))
    assert received == Received(len(BODY), len(BODY), resumed=True)
    assert target.read_bytes() == BODY


def test_redirect_is_followed(server: Server, target: Path) -> None:
    server.will(Answer(status=302, headers={"Location": "/there"}), path="/f")
    server.will(Answer(BODY), path="/there")
    download(f"{server.url}/f", target, QUICK)
    assert target.read_bytes() == BODY


def test_redirect_in_a_circle_is_refused(server: Server, target: Path) -> None:
    server.will(Answer(status=302, headers={"Location": "/f"}))
    with pytest.raises(DownloadError, match="at most 5 redirects"):
        download(f"{server.url}/f", target, QUICK)
    assert len(server.asked) == 6


@pytest.mark.parametrize("location", ["http://example.org/f", "ftp://127.0.0.1/f", "file:///etc"])
def test_redirect_to_anything_but_https_is_refused(
    server: Server, target: Path, location: str
) -> None:
    server.will(Answer(status=302, headers={"Location": location}))
    with pytest.raises(DownloadError, match="expected an https address"):
        download(f"{server.url}/f", target, QUICK)
    assert len(server.asked) == 1


def test_redirect_from_https_to_http_is_refused(
    server: Server, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server.will(Answer(BODY))
    with serving(certificate) as secure:
        secure.will(Answer(BODY), path="/well")
        secure.will(Answer(status=301, headers={"Location": f"{server.url}/f"}), path="/away")
        download(f"{secure.url}/well", target, QUICK)
        with pytest.raises(DownloadError, match=r"a redirect to https. Received one to http:"):
            download(f"{secure.url}/away", target, QUICK)
    assert target.read_bytes() == BODY
    assert server.asked == []


def test_certificate_that_nobody_vouches_for_is_refused(target: Path, tmp_path: Path) -> None:
    with serving(make_certificate(tmp_path)) as secure:
        secure.will(Answer(BODY))
        with pytest.raises(DownloadError, match="certificate"):
            download(f"{secure.url}/f", target, Policy(attempts=1))


@pytest.mark.parametrize("address", ["http://example.org/f", "ftp://a/b", "/etc/passwd", "http:"])
def test_address_that_is_not_https_is_refused(address: str, target: Path) -> None:
    with pytest.raises(DownloadError, match="expected an https address"):
        download(address, target, QUICK)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_an_allowed_address_or_a_named_error(text: str) -> None:
    for address in (text, f"http://{text}"):
        try:
            url = checked_url(address)
        except DownloadError:
            continue
        assert url.scheme == "https" or url.host in {"localhost", "::1"} or url.host[:4] == "127."


@settings(deadline=None)
@given(st.text(max_size=40))
def test_redirect_from_https_stays_there_or_is_a_named_error(location: str) -> None:
    try:
        target = redirected(httpx.URL("https://example.org/f"), location)
    except DownloadError:
        return
    assert target.scheme == "https"


def test_file_larger_than_allowed_is_refused_before_its_body(server: Server, target: Path) -> None:
    server.will(Answer(BODY))
    with pytest.raises(DownloadError, match=f"{len(BODY)} bytes, more than the limit of 1000"):
        download(f"{server.url}/f", target, Policy(max_bytes=1000))
    assert not target.exists()


def test_endless_file_is_refused(server: Server, target: Path) -> None:
    server.will(Answer(BODY, with_length=False))
    with pytest.raises(DownloadError, match="more than 1000 bytes"):
        download(f"{server.url}/f", target, Policy(max_bytes=1000))
    assert target.with_name("file.zip.partial").stat().st_size <= 1000


def test_encoded_body_is_refused(server: Server, target: Path) -> None:
    server.will(Answer(BODY, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(DownloadError, match="the encoding 'gzip'"):
        download(f"{server.url}/f", target, QUICK)


def test_proxy_of_the_environment_is_used(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.will(Answer(BODY))
    monkeypatch.setenv("http_proxy", server.url)
    with serving() as gone:
        unreachable = gone.url
    download(f"{unreachable}/f", target, QUICK)
    assert target.read_bytes() == BODY
    assert server.asked[0].path == f"{unreachable}/f"


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [
        (None, 2.0, 4.0),
        ("50", 50.0, 50.0),
        ("1", 2.0, 4.0),
        ("99999999999999999999", 120.0, 120.0),
        ("Wed, 01 Jan 2025 00:01:00 GMT", 60.0, 60.0),
        ("Wed, 01 Jan 2020 00:00:00 GMT", 2.0, 4.0),
        ("soon", 2.0, 4.0),
    ],
)
def test_delay_doubles_and_honours_retry_after(
    retry_after: str | None, least: float, most: float
) -> None:
    assert least <= retry_delay(3, retry_after, Policy(), NOW) <= most


@settings(deadline=None)
@given(st.integers(1, 10_000), st.none() | st.text(max_size=30))
def test_delay_is_never_longer_than_its_limits(failures: int, retry_after: str | None) -> None:
    assert 0 < retry_delay(failures, retry_after, Policy(), NOW) <= 120.0
