"""A task that ends whatever process works on it, as a decoder that crashes does."""

from __future__ import annotations

import os

from prefect import task


@task(persist_result=False)
def fatal() -> None:
    os._exit(1)
