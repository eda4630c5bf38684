"""One embedded Prefect server for all tests that need one, on a database of its own."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flows.server import PrefectApi


@pytest.fixture(scope="session")
def _empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty") / "prefect.db"


@pytest.fixture(scope="session")
def api(_empty_database: Path) -> Iterator[PrefectApi]:
    with PrefectApi() as api:
        api.wait()
        with (
            closing(sqlite3.connect(Path(os.environ["PREFECT_HOME"]) / "prefect.db")) as migrated,
            closing(sqlite3.connect(_empty_database)) as kept,
        ):
            migrated.backup(kept)
            kept.execute("DELETE FROM flow_run")  # of a command that another test ran before
            kept.commit()
        yield api


@pytest.fixture(scope="session")
def new_home(
    api: PrefectApi, _empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Path]:
    """Return what makes a Prefect home whose database has its tables, but nothing in them.

    A server that has to make them first takes twice as long to start.
    """

    def make() -> Path:
        folder = tmp_path_factory.mktemp("home")
        (folder / "prefect.db").write_bytes(_empty_database.read_bytes())
        return folder

    return make
