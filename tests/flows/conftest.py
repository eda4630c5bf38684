"""One embedded Prefect server for all tests that need one, on a database of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flows.server import PrefectApi


@pytest.fixture(scope="session")
def api() -> Iterator[PrefectApi]:
    with PrefectApi() as api:
        api.wait()
        yield api
