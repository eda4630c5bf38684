"""Deploy the flow by cron to the configured server; print how many runs it schedules."""

from __future__ import annotations

import sys
import time

from artemis.errors import PrefectServerError
from flows.server import PrefectApi


def main() -> None:
    with PrefectApi() as api:
        deadline = time.monotonic() + 120
        while True:
            try:
                api.wait()
                break
            except PrefectServerError:
                if time.monotonic() > deadline:
                    raise

        from prefect.client.orchestration import get_client
        from prefect.client.schemas.filters import FlowRunFilter
        from prefect.client.schemas.objects import StateType

        from flows.classify import classify_batch

        source = "flows/classify.py:classify_batch"
        deployment = classify_batch.from_source(source=".", entrypoint=source).to_deployment(
            "nightly", cron="* * * * *", parameters={"batch": "inbox"}
        )
        deployment.apply()
        scheduled = FlowRunFilter(state={"type": {"any_": [StateType.SCHEDULED]}})
        with get_client(sync_client=True) as client:
            for _ in range(600):
                runs = client.read_flow_runs(flow_run_filter=scheduled)
                if len(runs) >= 3:
                    break
                time.sleep(0.1)
        sys.stdout.write(f"{len(runs)}\n")


if __name__ == "__main__":
    main()
