"""Where Prefect's address is looked for, and what is said of files that cannot be read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from artemis.errors import PrefectServerError
from flows.api_address import configured_api_url


def test_configured_api_is_found_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    assert configured_api_url() == "http://127.0.0.1:4200/api"


def test_configured_api_is_found_in_the_active_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    (tmp_path / "profiles.toml").write_text(
        'active = "lab"\n[profiles.lab]\nPREFECT_API_URL = "http://lab:4200/api"\n'
        '[profiles.other]\nPREFECT_API_URL = "http://other:4200/api"\n'
    )
    assert configured_api_url() == "http://lab:4200/api"


def test_configured_api_is_found_in_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prefect.toml").write_text('[api]\nurl = "http://here:4200/api"\n')
    assert configured_api_url() == "http://here:4200/api"


def test_configured_api_is_found_in_profiles_that_other_files_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("PREFECT_PROFILES_PATH", raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second", "third"):
        (tmp_path / f"{name}.toml").write_text(
            f"active = 'lab'\n[profiles.lab]\nPREFECT_API_URL = 'http://{name}:4200/api'\n"
        )
    (tmp_path / "pyproject.toml").write_text("[tool.prefect]\nprofiles_path = 'third.toml'\n")
    assert configured_api_url() == "http://third:4200/api"
    (tmp_path / "prefect.toml").write_text("profiles_path = 'second.toml'\n")
    assert configured_api_url() == "http://second:4200/api"
    (tmp_path / ".env").write_text("PREFECT_PROFILES_PATH=first.toml\n")
    assert configured_api_url() == "http://first:4200/api"
    assert prefects_own(tmp_path) == "http://first:4200/api"


def prefects_own(folder: Path) -> str:
    """Return what Prefect itself takes for the address there, or the end of what it says."""
    code = "from prefect.settings import PREFECT_API_URL as url; print(url.value())"
    environment = {k: v for k, v in os.environ.items() if k != "PREFECT_PROFILES_PATH"}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True
    )
    return (answer.stdout or answer.stderr).strip().splitlines()[-1]


def test_unconfigured_means_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    assert configured_api_url() is None


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "prefect.toml",
            b"[api\nurl = 'http://x:y@here/api'",
            "TOML. Received: Expected ']' at the end of a table declaration (at line 1, column 5)",
        ),
        ("prefect.toml", None, "TOML. Received: is a directory"),
        ("pyproject.toml", b"tool = ", "TOML. Received: Invalid value (at end of document)"),
        ("profiles.toml", b"not = [", "TOML. Received: Invalid value (at end of document)"),
        ("profiles.toml", b"active = 'caf\xe9'", "TOML. Received: bytes that are not UTF-8"),
        (".env", b"A=caf\xe9", "lines of NAME=VALUE. Received: bytes that are not UTF-8"),
    ],
)
def test_files_that_cannot_be_read_are_named_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.delenv("PREFECT_PROFILES_PATH", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir() if content is None else (tmp_path / name).write_bytes(content)
    with pytest.raises(PrefectServerError) as raised:
        configured_api_url()
    assert str(raised.value) == (
        f"{tmp_path / name}: expected {said}. Correct it, or move it away; Prefect reads this "
        "file too."
    )


@pytest.mark.parametrize("name", ["prefect.toml", "profiles.toml", ".env"])
def test_prefect_itself_does_not_start_with_such_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    (tmp_path / name).write_bytes(b"A=\xe9")
    assert "Error" in prefects_own(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "prefect.toml",
            "api = 'http://x:y@here/api'",
            "a table as api. Received a value of type str",
        ),
        ("prefect.toml", "[api]\nurl = 4200", "text as api.url. Received a value of type int"),
        (
            "prefect.toml",
            "[api.url]\nhost = 'here'",
            "text as api.url. Received a value of type dict",
        ),
        ("pyproject.toml", "tool = 1", "a table as tool. Received a value of type int"),
        (
            "pyproject.toml",
            "[tool]\nprefect = []",
            "a table as tool.prefect. Received a value of type list",
        ),
        ("profiles.toml", "active = ['lab']", "text as active. Received a value of type list"),
        (
            "profiles.toml",
            "active = 'lab'\nprofiles.lab = 'http://lab:4200/api'",
            "a table as profiles.lab. Received a value of type str",
        ),
    ],
)
def test_settings_of_another_shape_are_named_without_what_they_hold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str, said: str
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("PREFECT_PROFILE", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(PrefectServerError) as raised:
        configured_api_url()
    assert str(raised.value) == (
        f"{tmp_path / name}: expected {said}. Correct it; Prefect reads this file too."
    )


def test_tables_that_say_nothing_of_an_api_are_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("PREFECT_PROFILE", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prefect.toml").write_text("[logging]\nlevel = 'INFO'\n[api]\nurl = ''\n")
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\n")
    (tmp_path / "profiles.toml").write_text("active = 'lab'\n[profiles.lab]\n")
    assert configured_api_url() is None
