from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from artemis.errors import WorkspaceError
from artemis.ingest.identity import IdentityKey


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "ws" / "identity.key"
    first = IdentityKey.load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == 32
    assert IdentityKey.load_or_create(path).key("x") == first.key("x")
    assert [entry.name for entry in path.parent.iterdir()] == ["identity.key"]


def test_two_workspaces_have_two_secrets(tmp_path: Path) -> None:
    a, b = (IdentityKey.load_or_create(tmp_path / name) for name in "ab")
    assert a.key("x") != b.key("x")


def test_keys_are_the_truncated_hmac() -> None:
    import hashlib
    import hmac

    expected = hmac.new(bytes(32), b"patient_key\0P1", hashlib.sha256).hexdigest()[:16]
    assert IdentityKey(bytes(32)).key(" P1 ", "patient_key") == expected


def test_kinds_of_identifiers_are_kept_apart() -> None:
    key = IdentityKey(bytes(32))
    assert len({key.key("1.2", kind) for kind in ("", "patient", "study", "series")}) == 4


@pytest.mark.parametrize("value", [None, "", "  ", "\0"])
def test_nothing_has_no_key(value: str | None) -> None:
    assert IdentityKey(bytes(32)).key(value) is None


def test_a_damaged_secret_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(b"short")
    with pytest.raises(WorkspaceError, match=r"k: expected 32 bytes. Received 5"):
        IdentityKey.load_or_create(tmp_path / "k")


def test_a_secret_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match="expected a key file that can be read or made"):
        IdentityKey.load_or_create(tmp_path / "file" / "k")


def test_secrets_are_told_apart_by_what_gives_no_identifier_away() -> None:
    one, other = IdentityKey(bytes(32)), IdentityKey(b"k" * 32)
    assert one.fingerprint == IdentityKey(bytes(32)).fingerprint != other.fingerprint
    assert len(bytes.fromhex(one.fingerprint)) == 8
    assert one.key("the key itself") != one.fingerprint


def test_the_secret_is_not_printed() -> None:
    assert repr(IdentityKey(b"s" * 32)) == "IdentityKey(<secret>)"


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from artemis.ingest.identity import IdentityKey;"
        "print(IdentityKey.load_or_create(Path(sys.argv[1])).key('x'))"
    )
    path = str(tmp_path / "k")
    started = [
        subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
        for _ in range(6)
    ]
    assert len({process.communicate()[0] for process in started}) == 1
