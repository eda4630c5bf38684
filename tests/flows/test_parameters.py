"""What a flow says to a parameter that is typed into Prefect's page, or given in Python."""

from __future__ import annotations

from typing import Any

import pytest

from flows.server import PrefectApi


@pytest.mark.slow
def test_a_number_below_one_is_refused_before_anything_is_done(api: PrefectApi) -> None:
    # Imported here, since Prefect reads its API's address once, when it is imported.
    from prefect import Flow
    from prefect.exceptions import ParameterTypeError

    from flows.classify import classify_batch
    from flows.retrain import retrain

    wrong: list[tuple[Flow[..., Any], dict[str, Any]]] = [
        (retrain, {"epochs": 0}),
        (classify_batch, {"batch": "scans", "limit": 0}),
    ]
    for flow, parameters in wrong:
        with pytest.raises(ParameterTypeError, match="greater than or equal to 1"):
            flow.validate_parameters(parameters)
