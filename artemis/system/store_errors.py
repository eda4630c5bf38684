"""What an object store says is wrong, and what to do about it."""

from __future__ import annotations

import re
from typing import Final

_SAID: Final = re.compile(
    r"AWS Error (\w+|\[code \d+\]).*? during (\w+) operation:\s*(.*?)(?: \(Request ID.*)?$"
)
_OWN_NAME: Final = re.compile(r"Unable to parse ExceptionName: (\w+) Message: (.*)")
"""How AWS's client passes on what it has no code for."""

_NO_BUCKET: Final = re.compile(r"Bucket '.*' not found")
"""How Arrow says so where it asks for a bucket's region."""

_RIGHTS: Final = (
    "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, and what they may do."
)
_BUCKET: Final = "Make the bucket, or correct its name."
_NETWORK: Final = "Check AWS_ENDPOINT_URL, and that the server answers."
_ENDPOINT: Final = (
    "Check AWS_ENDPOINT_URL: what answers there is no S3 server, or has no such bucket."
)
_REGION: Final = (
    "Set AWS_DEFAULT_REGION to the region of the bucket, and AWS_ENDPOINT_URL, if it is set, to "
    "that region's."
)
_CLOCK: Final = "Set this machine's clock right."
_BUSY: Final = "Start again later; if it happens again, look at the store's own log."
_FULL: Final = "Make room in the store, or have its quota raised."
_OTHER: Final = "Look for this in the store's documentation and in its own log."

_CODES: Final = {
    _RIGHTS: (
        *("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "INVALID_CLIENT_TOKEN_ID"),
        *("MISSING_AUTHENTICATION_TOKEN", "UNRECOGNIZED_CLIENT", "CLIENT_SIGNING_FAILURE"),
        *("SIGNATURE_DOES_NOT_MATCH", "INVALID_SIGNATURE", "INCOMPLETE_SIGNATURE"),
        *("ExpiredToken", "InvalidToken"),
    ),
    _BUCKET: ("NO_SUCH_BUCKET", "InvalidBucketName"),
    _NETWORK: ("NETWORK_CONNECTION",),
    _ENDPOINT: ("RESOURCE_NOT_FOUND", "MethodNotAllowed", "[code 103]"),  # 103: no address at all
    _REGION: (
        *("PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"),
        *("IllegalLocationConstraintException", "OPT_IN_REQUIRED"),
    ),
    _CLOCK: ("REQUEST_TIME_TOO_SKEWED", "REQUEST_EXPIRED"),
    _BUSY: (
        *("SLOW_DOWN", "THROTTLING", "SERVICE_UNAVAILABLE", "INTERNAL_FAILURE"),
        "REQUEST_TIMEOUT",
    ),
    _FULL: ("QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"),
}
_ADVICE: Final = {code: advice for advice, codes in _CODES.items() for code in codes}


def said_by_store(error: Exception) -> str:
    """Return what a store or its client said, and an advice, as sentences.

    Parameters
    ----------
    error : Exception
        As Arrow raises it.
    """
    text = str(error).replace("\n", " ").strip()
    said = _SAID.search(text)
    if said is None:
        return f"{text.rstrip('.')}. {_BUCKET if _NO_BUCKET.search(text) else _OTHER}"
    code, operation, words = said.groups()
    if own := _OWN_NAME.search(words):
        code, words = own.groups()
    why = words.strip().rstrip(".")
    return f"{code} from {operation}{f': {why}' if why else ''}. {_ADVICE.get(code, _OTHER)}"
