"""Keyed hashes in place of identifiers."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from artemis.errors import WorkspaceError

_KEY_BYTES: Final = 32
_HEX_DIGITS: Final = 16


class IdentityKey:
    """Turns identifiers into keys that cannot be turned back without this secret.

    HMAC-SHA256 (RFC 2104), so that somebody who knows a patient's number cannot
    look it up in the tables without the secret, which never leaves the workspace.

    Parameters
    ----------
    secret : bytes
        32 random bytes.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _KEY_BYTES:
            raise ValueError(f"Expected {_KEY_BYTES} bytes. Received {len(secret)}.")
        self._secret = secret

    def __repr__(self) -> str:
        return "IdentityKey(<secret>)"

    @classmethod
    def load_or_create(cls, path: Path) -> IdentityKey:
        """Read the secret from `path`; make it (mode 0600) where there is none.

        Of several processes that start at once, one makes it and all read the same.

        Raises
        ------
        WorkspaceError
            If the file cannot be read or written, or does not hold 32 bytes.
        """
        try:
            if not path.exists():
                _create(path)
            secret = path.read_bytes()
        except OSError as error:
            raise WorkspaceError(
                f"{path}: expected a key file that can be read or made. "
                f"Received: {error.strerror}. Check the workspace's permissions."
            ) from error
        if len(secret) != _KEY_BYTES:
            raise WorkspaceError(
                f"{path}: expected {_KEY_BYTES} bytes. Received {len(secret)}. Restore it from "
                "a backup, or delete it: then keys of earlier runs no longer match new ones."
            )
        return cls(secret)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that tell this secret from others and do not give it away."""
        message = b"the key itself"  # the message of an identifier holds a zero byte
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()[:_HEX_DIGITS]

    def key(self, value: str | None, domain: str = "") -> str | None:
        """Return 16 hexadecimal digits that stand for `value`, or None for an empty one.

        Parameters
        ----------
        value : str or None
            An identifier; space around it does not count.
        domain : str
            Kind of identifier; equal values of two kinds get different keys.
        """
        value = (value or "").strip(" \0")
        if not value:
            return None
        message = f"{domain}\0{value}".encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()[:_HEX_DIGITS]


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        try:
            # A link never replaces what is there: the first of several processes wins.
            path.hardlink_to(temporary)
        except FileExistsError:
            return
        except OSError:
            # File systems without hard links; the window for a second writer is tiny.
            if not path.exists():
                temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
