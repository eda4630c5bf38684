"""A real S3 server on loopback, for tests of what a store holds."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import pytest
import requests

ACCESS_KEY, SECRET_KEY = "AKIDOFTHETESTS", "secret-of-the-tests"


def environment(url: str) -> dict[str, str]:
    """Return the variables with which a process reaches the server."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class Requests(logging.Handler):
    """What the server was asked, in its order.

    Attributes
    ----------
    written : list of str
        Keys that were written, with their bucket.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if found := re.search(r'"PUT /(\S+/\S+) HTTP/1.1"', record.getMessage()):
            self.written.append(unquote(found[1]))


@contextmanager
def s3_server() -> Iterator[Requests]:
    """Run a server that this process and those it starts reach; yield what it is asked."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    asked, log = Requests(), logging.getLogger("werkzeug")
    log.addHandler(asked)
    log.setLevel(logging.INFO)
    url = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in environment(url).items():
            patch.setenv(name, value)
        patch.setenv("NO_PROXY", "127.0.0.1")
        try:
            yield asked
        finally:
            log.removeHandler(asked)
            server.stop()


def make_bucket(name: str) -> str:
    """Make a bucket; return the address of a workspace in it."""
    _client().create_bucket(Bucket=name)
    return f"s3://{name}/of/tests"


def objects(bucket: str) -> dict[str, bytes]:
    """Return what a bucket holds, by key."""
    client = _client()
    found = client.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {
        one["Key"]: client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in found
    }


def put(bucket: str, key: str, data: bytes) -> None:
    """Write an object under any key, also one that no file could have."""
    _client().put_object(Bucket=bucket, Key=key, Body=data)


def remove_bucket(bucket: str) -> None:
    """Remove a bucket with everything in it."""
    client = _client()
    for key in objects(bucket):
        client.delete_object(Bucket=bucket, Key=key)
    client.delete_bucket(Bucket=bucket)


@contextmanager
def knowing_nobody() -> Iterator[None]:
    """Let the server refuse every key, as it refuses a wrong one."""
    _reset_rights(0)
    try:
        yield
    finally:
        _reset_rights(1 << 60)


def _reset_rights(asked_before: int) -> None:
    address = f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/reset-auth"
    requests.post(address, data=str(asked_before).encode(), timeout=10).raise_for_status()


def _client() -> Any:
    import boto3

    return boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
