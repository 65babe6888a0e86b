"""The folder, and two servers that speak S3: moto knows its API, rclone also checks signatures and when they end."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from plaza.core.crypto import Vault
from plaza.core.storage import LocalStorage, Storage
from plaza.core.storage.s3 import S3Storage
from plaza.core.storage.settings import Bucket
from plaza.dev.processes import spawn
from tests.support.clock import ManualClock
from tests.support.command_line import environment

ACCESS_KEY, SECRET_KEY = "an-access-key", "a-secret-key"


def bucket_at(endpoint: str, name: str = "plaza", **given: Any) -> Bucket:
    keys = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}
    return Bucket(**{"name": name, "endpoint": endpoint, "public_endpoint": endpoint, **keys, **given})


def make_bucket(endpoint: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    client.create_bucket(Bucket="plaza")
    client.close()


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    make_bucket(endpoint)
    yield endpoint
    server.stop()


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = Path(sys.executable).with_name("rclone")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", ":memory:"]
    log = tmp_path_factory.mktemp("rclone") / "rclone.log"
    with log.open("wb") as output:
        child = spawn([program, *words], environment=environment({}), output=output)
    try:
        for _ in range(3000):
            assert child.poll() is None, log.read_text()
            with socket.socket() as line:
                if line.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        endpoint = f"http://127.0.0.1:{port}"
        make_bucket(endpoint)
        yield endpoint
    finally:
        child.kill()
        child.wait()


@pytest.fixture
def local(tmp_path: Path, clock: ManualClock) -> LocalStorage:
    return LocalStorage(tmp_path / "storage", Vault("a secret of tests"), clock, "http://localhost")


@asynccontextmanager
async def _open(endpoint: str) -> AsyncIterator[S3Storage]:
    made = S3Storage(bucket_at(endpoint, prefix="some/prefix"))
    yield made
    await made.close()


@pytest.fixture(scope="session")
async def over_moto(moto: str) -> AsyncIterator[S3Storage]:
    """One for all tests, as a process has one: before its first request boto3 reads for half a second what S3 is."""
    async with _open(moto) as storage:
        yield storage


@pytest.fixture(scope="session")
async def over_rclone(rclone: str) -> AsyncIterator[S3Storage]:
    async with _open(rclone) as storage:
        yield storage


@pytest.fixture(params=["local", pytest.param("over_moto", id="moto"), pytest.param("over_rclone", id="rclone")])
def storage(request: pytest.FixtureRequest) -> Storage:
    found: Storage = request.getfixturevalue(request.param)
    return found
