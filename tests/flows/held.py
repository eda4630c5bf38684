"""A flow that holds on until it is told to end, and then takes its time. Deployed by tests."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from prefect import flow
from prefect.deployments.runner import RunnerDeployment
from prefect.types.entrypoint import EntrypointType


@flow(persist_result=False)
def hold(folder: str) -> None:
    try:
        (Path(folder) / "begun").touch()
        time.sleep(600)
    except BaseException:
        time.sleep(2)
        (Path(folder) / "ended").touch()
        raise


def deployment(folder: str) -> RunnerDeployment:
    return RunnerDeployment.from_flow(
        hold, "held", entrypoint_type=EntrypointType.MODULE_PATH, parameters={"folder": folder}
    )


if __name__ == "__main__":
    from flows.server import PrefectApi
    from flows.serving import serve_until_signal
    from tests.flows import held

    with PrefectApi() as api:
        serve_until_signal([held.deployment(sys.argv[1])], api)
