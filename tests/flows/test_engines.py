from __future__ import annotations

import sys

import pytest

from artemis.batches.engine import Engine
from artemis.errors import EngineError, MissingExtraError
from flows.engines import check_engine, this_machine_towards


def test_address_needs_dask() -> None:
    with pytest.raises(EngineError, match=r"--address: expected --engine dask with it\. Received"):
        check_engine(Engine.LOCAL, "tcp://10.0.0.1:8786")


@pytest.mark.parametrize("address", ["10.0.0.1:8786", "http://10.0.0.1:8786", "tcp://10.0.0.1"])
def test_address_that_is_none_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(EngineError, match=r"such as tcp://10\.0\.0\.1:8786, .* Received '"):
        check_engine(Engine.DASK, address)


def test_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prefect_dask", None)
    with pytest.raises(MissingExtraError, match=r"the extra `dask`\. .* `make dask-setup`"):
        check_engine(Engine.DASK, None)


def test_loopback_scheduler_is_reached_from_loopback() -> None:
    assert this_machine_towards("tcp://127.0.0.1:8786") == "127.0.0.1"


def test_name_that_does_not_resolve_is_named() -> None:
    with pytest.raises(EngineError, match=r"Received 'tcp://no\.such\.invalid:8786': "):
        this_machine_towards("tcp://no.such.invalid:8786")
