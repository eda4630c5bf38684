"""All of the doctor's checks, those of Prefect among them."""

from __future__ import annotations

import time

from artemis.batches.doctor import Check, examine_installation, examine_models, examine_workspace
from artemis.errors import PrefectServerError
from artemis.settings import Settings
from flows.server import PrefectApi


def examine(settings: Settings) -> list[Check]:
    """Return every check; the Prefect server starts while the others are made."""
    begun = time.monotonic()
    try:
        server = PrefectApi()
    except PrefectServerError as error:  # its settings name no API in a way that can be read
        return [*_of_this_machine(settings), Check("Prefect server", "fail", str(error))]
    with server as api:
        checks = _of_this_machine(settings)
        kind = "embedded server" if api.embedded else f"server at {api.url}"
        try:
            api.wait()
        except PrefectServerError as error:
            return [*checks, Check("Prefect server", "fail", str(error))]
        seconds = time.monotonic() - begun
        return [*checks, Check("Prefect server", "ok", f"{kind} answers after {seconds:.1f} s")]


def _of_this_machine(settings: Settings) -> list[Check]:
    return [*examine_installation(), *examine_models(settings), *examine_workspace(settings)]
