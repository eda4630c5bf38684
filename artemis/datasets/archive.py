"""A repository's zip archive taken apart: one folder of it, within limits, nothing else."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from artemis.datasets.catalogue import labels_of
from artemis.errors import DownloadError

_BLOCK: Final = 1 << 18
_ENCRYPTED: Final = 0x1
_COMPRESSIONS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_COMMIT: Final = re.compile(rb"[0-9a-f]{40}")
# What zipfile and zlib raise on bytes that are no proper archive.
_UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,  # encrypted, or compressed in a way that zipfile does not know
    OverflowError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold.

    Attributes
    ----------
    members : int
        Entries, of the whole archive.
    file_bytes, total_bytes : int
        Size of one picture and of all pictures, unpacked.
    """

    members: int = 50_000
    file_bytes: int = 32 << 20
    total_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What came out of an archive.

    Attributes
    ----------
    hashes : dict of str to str
        SHA-256 by path below the dataset's folder, in the order of path.
    unexpected : tuple of str
        Files of the dataset's folder that are not its pictures; they are left out.
    commit : str or None
        The 40 digits that git writes into the archive's comment; None if there are none.
    """

    hashes: dict[str, str]
    unexpected: tuple[str, ...]
    commit: str | None


def unpack(
    archive: Path,
    folder: str,
    into: Path,
    limits: Limits,
    on_file: Callable[[int, int], None],
) -> Unpacked:
    """Write the pictures of one folder of a repository's archive below `into`.

    An archive with a member that points out of it is refused as a whole, wherever the member
    lies, and so is a link or a device in the dataset's folder. Everything is checked before
    the first byte is written.

    Parameters
    ----------
    archive : Path
        A zip file as ``git archive`` makes it: one top folder, the repository below it.
    folder : str
        Folder of the repository, with forward slashes.
    into : Path
        Where the pictures go; must not hold any of them yet.
    limits : Limits
        What the archive may hold.
    on_file : callable
        Called with the number of pictures written and their total.

    Raises
    ------
    DownloadError
        If the archive cannot be read, is hostile, or is larger than allowed.
    """
    opened = _opened(archive)
    with opened:
        pictures, unexpected = _members(opened, folder, limits)
        hashes = {}
        for path, info in sorted(pictures.items()):
            hashes[path] = _write(opened, info, into / path)
            on_file(len(hashes), len(pictures))
    commit = _COMMIT.fullmatch(opened.comment)
    return Unpacked(hashes, tuple(sorted(unexpected)), commit[0].decode() if commit else None)


def _opened(archive: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except _UNREADABLE as error:
        raise _refusal("a zip archive", f"{error}") from error


def _members(
    archive: zipfile.ZipFile, folder: str, limits: Limits
) -> tuple[dict[str, zipfile.ZipInfo], list[str]]:
    """Return the dataset's pictures by path, and the other files of its folder."""
    infos = archive.infolist()
    if len(infos) > limits.members:
        raise _refusal(f"at most {limits.members} entries", f"{len(infos)}")
    pictures: dict[str, zipfile.ZipInfo] = {}
    unexpected = []
    for info in infos:
        _check_name(info)
        _, _, path = info.filename.partition("/")
        path = path.removeprefix(f"{folder}/") if path.startswith(f"{folder}/") else ""
        if not path or info.is_dir():
            continue
        _check_kind(info, limits)
        labels = labels_of(path)
        if labels is None or labels.plane is None:
            unexpected.append(ascii(path)[1:-1])
            continue
        if path in pictures:
            raise _refusal("every file once", f"{path} twice")
        pictures[path] = info
    total = sum(info.file_size for info in pictures.values())
    if total > limits.total_bytes:
        raise _refusal(f"pictures of at most {limits.total_bytes} bytes", f"{total}")
    return pictures, unexpected


def _check_name(info: zipfile.ZipInfo) -> None:
    # orig_filename is the name before zipfile cuts it at a zero byte
    name = info.orig_filename
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or "\0" in name or _DRIVE.match(name):
        raise _refusal("names below one folder", f"the name {ascii(name)[:200]}")


def _check_kind(info: zipfile.ZipInfo, limits: Limits) -> None:
    name = ascii(info.filename)[:200]
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise _refusal("plain files", f"{name}, a link or device")
    if info.flag_bits & _ENCRYPTED or info.compress_type not in _COMPRESSIONS:
        raise _refusal("plain files", f"{name}, encrypted or compressed in an unusual way")
    if info.file_size > limits.file_bytes:
        raise _refusal(
            f"files of at most {limits.file_bytes} bytes", f"{name} of {info.file_size} bytes"
        )


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with target.open("xb") as stream:
        for block in _blocks(archive, info):
            digest.update(block)
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
    return digest.hexdigest()


def _blocks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a member's content; zipfile stops at the size that was checked before."""
    try:
        with archive.open(info) as stream:
            while block := stream.read(_BLOCK):
                yield block
    except _UNREADABLE as error:
        raise _refusal("a whole archive", f"{ascii(info.filename)[:200]}: {error}") from error


def _refusal(expected: str, received: str) -> DownloadError:
    return DownloadError(
        f"The dataset's archive: expected {expected}. Received {received}. It has been "
        "discarded; run the same command again, or choose another source."
    )
