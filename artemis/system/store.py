"""An object store: what lies at which key, and how it gets there and back.

An object appears whole or not at all, under the name that the file has in a workspace folder.
Credentials, region and endpoint come from where every tool of AWS looks for them
(``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, ``~/.aws`` and so on), never from an address, so
that no address that is logged or recorded holds a secret. Pyarrow's client is imported only
where a store is used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, Final

from artemis.errors import StoreError
from artemis.system.files import atomic_path
from artemis.system.store_errors import said_by_store

_LIKE_AN_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_NAME: Final = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9!_.*'()=+-]+"
_ADDRESS: Final = re.compile(rf"s3://[a-z0-9][a-z0-9.-]+[a-z0-9](?:/{_NAME})*")
_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".pdf": "application/pdf",
}
"""Of what a browser opens from the store."""


def is_address(workspace: str | PurePath) -> bool:
    """Return whether this names a store and no folder; a path that was made of it as well."""
    return _LIKE_AN_ADDRESS.match(str(workspace)) is not None


def given_address(workspace: str | None) -> str | None:
    """Return the address of the store that a command is given, or None for a folder.

    Parameters
    ----------
    workspace : str or None
        The option; else the variable ``ARTEMIS_WORKSPACE`` counts.
    """
    given = workspace or os.environ.get("ARTEMIS_WORKSPACE", "")
    return given if is_address(given) else None


def check_folder(workspace: PurePath) -> None:
    """Raise where a workspace that must be a folder is the address of a store.

    Raises
    ------
    StoreError
        If it is.
    """
    if is_address(workspace):
        raise StoreError(
            f"Workspace: expected a folder. Received {without_secrets(str(workspace))}. A store "
            "is taken by classify-batch, merge and report alone; give --workspace DIR here."
        )


class Store:
    """Objects below an address, by their keys relative to it.

    Parameters
    ----------
    address : str
        Such as ``s3://bucket/prefix``.

    Raises
    ------
    StoreError
        If the address is none.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        if not _ADDRESS.fullmatch(self.address):
            raise StoreError(
                f"Workspace: expected a folder, or a store such as s3://bucket/prefix without "
                f"credentials or options in it. Received {without_secrets(address)}. Use letters, "
                "digits and !_.*'()=+- in its names. "
                "Set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and their like in the environment."
            )
        self._root = self.address.partition("://")[2]

    def check(self) -> None:
        """Raise unless the store answers and can be listed.

        Raises
        ------
        StoreError
            If not: no server, no such bucket, or no right to it.
        """
        self._list("", recursive=False)

    def address_of(self, key: str) -> str:
        """Return an object's whole address."""
        return f"{self.address}/{key}"

    def names(self, prefix: str) -> list[str]:
        """Return what lies directly below a prefix, folders too, in order.

        Raises
        ------
        StoreError
            If the store cannot be listed.
        """
        return sorted({found.base_name for found in self._list(prefix, recursive=False)})

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the size in bytes of every object below a prefix, by key.

        Raises
        ------
        StoreError
            If the store cannot be listed.
        """
        start = len(self._root) + 1
        return {
            found.path[start:]: found.size
            for found in self._list(prefix, recursive=True)
            if found.is_file
        }

    def read(self, key: str) -> bytes | None:
        """Return an object, or None where there is none.

        Raises
        ------
        StoreError
            If the store cannot be read.
        """
        try:
            with self._named(key, "read"), self._client.open_input_stream(self._path(key)) as data:
                return bytes(data.read())
        except FileNotFoundError:
            return None

    def pull(self, key: str, target: Path) -> bool:
        """Write an object to a file, atomically; return whether there is one.

        Raises
        ------
        StoreError
            If the store cannot be read.
        """
        data = self.read(key)
        if data is None:
            return False
        with atomic_path(target) as temporary:
            temporary.write_bytes(data)
        return True

    def push(self, source: Path, key: str) -> None:
        """Write a file to an object, and see that it has arrived.

        Raises
        ------
        StoreError
            If the store cannot be written, or has another size of it.
        """
        data = source.read_bytes()
        kind = _KINDS.get(PurePosixPath(key).suffix)
        with self._named(key, "written"):
            metadata = {"Content-Type": kind} if kind else None
            with self._client.open_output_stream(self._path(key), metadata=metadata) as stream:
                stream.write(data)  # at once, so that what is closed early is still whole
            arrived = self._client.get_file_info(self._path(key)).size
        if arrived != len(data):
            raise StoreError(
                f"{self.address_of(key)}: expected an object of {len(data)} bytes after it was "
                f"written. Received {'none' if arrived is None else f'{arrived} bytes'}. "
                "Start again; if it happens again, look at the store's own log."
            )

    def _list(self, prefix: str, *, recursive: bool) -> list[Any]:
        from pyarrow.fs import FileSelector

        try:
            with self._named(prefix, "listed"):
                selector = FileSelector(self._path(prefix), recursive=recursive)
                return list(self._client.get_file_info(selector))
        except FileNotFoundError:
            return []

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}".rstrip("/")

    @property
    def _client(self) -> Any:
        return _client_of(self.address)

    @contextmanager
    def _named(self, key: str, done: str) -> Iterator[None]:
        """Give errors of the client a name and an advice; absence goes through."""
        from pyarrow import ArrowInvalid

        try:
            yield
        except FileNotFoundError:
            raise
        except (OSError, ArrowInvalid) as error:
            raise StoreError(
                f"{self.address_of(key)}: expected a store where this can be {done}. Received "
                f"{said_by_store(error)}"
            ) from error


@lru_cache(maxsize=8)
def _client_of(address: str) -> Any:
    """Return the client of a store; it holds connections, and asks AWS for the region once."""
    from pyarrow.fs import FileSystem

    # Without the delay every object, however small, is an upload of several requests.
    return FileSystem.from_uri(f"{address}?allow_delayed_open=true")[0]


def without_secrets(address: str) -> str:
    """Return an address as far as it can hold no credentials."""
    if set("@?&;:") & set(address.partition(":")[2]):
        return "an address with more in it"
    return repr(re.sub(":/+", "://", address, count=1))  # a path has lost one of them
