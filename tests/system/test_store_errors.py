"""What a store says is wrong, with an advice that fits: as AWS's client words it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from artemis.errors import StoreError
from artemis.system.store import Store
from artemis.system.store_errors import said_by_store
from tests import s3

RIGHTS = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, and what they may do."
BUCKET = "Make the bucket, or correct its name."
ENDPOINT = "Check AWS_ENDPOINT_URL: what answers there is no S3 server, or has no such bucket."
REGION = (
    "Set AWS_DEFAULT_REGION to the region of the bucket, and AWS_ENDPOINT_URL, if it is set, to "
    "that region's."
)
CLOCK = "Set this machine's clock right."
BUSY = "Start again later; if it happens again, look at the store's own log."
FULL = "Make room in the store, or have its quota raised."
OTHER = "Look for this in the store's documentation and in its own log."


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("ACCESS_DENIED", RIGHTS),
        ("INVALID_ACCESS_KEY_ID", RIGHTS),
        ("SIGNATURE_DOES_NOT_MATCH", RIGHTS),
        ("NO_SUCH_BUCKET", BUCKET),
        ("RESOURCE_NOT_FOUND", ENDPOINT),
        ("[code 103]", ENDPOINT),
        ("NETWORK_CONNECTION", "Check AWS_ENDPOINT_URL, and that the server answers."),
        ("REQUEST_TIME_TOO_SKEWED", CLOCK),
        ("SLOW_DOWN", BUSY),
        ("INTERNAL_FAILURE", BUSY),
        ("VALIDATION", OTHER),
    ],
)
def test_the_advice_fits_what_the_store_says(code: str, advice: str) -> None:
    error = OSError(
        f"When listing objects under key 'x/' in bucket 'b': AWS Error {code} during "
        "ListObjectsV2 operation: That is why. (Request ID: 7F)"
    )
    assert said_by_store(error) == f"{code} from ListObjectsV2: That is why. {advice}"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("PermanentRedirect", REGION),
        ("AuthorizationHeaderMalformed", REGION),
        ("ExpiredToken", RIGHTS),
        ("InvalidBucketName", BUCKET),
        ("XMinioStorageFull", FULL),
        ("QuotaExceeded", FULL),
        ("AccountProblem", OTHER),
    ],
)
def test_what_the_client_does_not_know_is_told_by_the_stores_own_name(
    name: str, advice: str
) -> None:
    error = OSError(
        "When uploading: AWS Error UNKNOWN (HTTP status 400) during PutObject operation: Unable "
        f"to parse ExceptionName: {name} Message: That is\nwhy"
    )
    assert said_by_store(error) == f"{name} from PutObject: That is why. {advice}"


@pytest.mark.parametrize(
    ("words", "advice"),
    [("Bucket 'gone' not found", BUCKET), ("Something else went wrong.", OTHER)],
)
def test_what_the_client_says_itself_has_an_advice_too(words: str, advice: str) -> None:
    assert said_by_store(OSError(words)) == f"{words.rstrip('.')}. {advice}"


@contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """Run a server that answers everything alike; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def error_of(name: str, words: str) -> str:
    return f"<?xml version='1.0'?><Error><Code>{name}</Code><Message>{words}</Message></Error>"


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (301, error_of("PermanentRedirect", "Elsewhere."), rf"PermanentRedirect .*\. {REGION}"),
        (403, error_of("AccessDenied", "No."), rf"ACCESS_DENIED .*: No\. {RIGHTS}"),
        (404, "<html>no page</html>", rf"RESOURCE_NOT_FOUND from ListObjectsV2\. {ENDPOINT}"),
    ],
)
def test_a_real_answer_is_told_with_its_advice(
    status: int, body: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(status, body) as url:
        for name, value in s3.environment(url).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with pytest.raises(StoreError, match=message):
            Store(f"s3://bucket/of-{status}").check()
