"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from s3fs import S3FileSystem

DATA_VARIABLE = "RANKGEN_TEST_DATA"
# How long an example takes depends on what else the machine does. The same commit has the same
# examples everywhere; --hypothesis-profile=explore draws others, to look for more.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real collections; without it the test is skipped, and says so."""
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        pytest.skip(f"{DATA_VARIABLE} is not set: the tests on real collections did not run")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"{DATA_VARIABLE}={named} is not a folder")
    return folder


@pytest.fixture(scope="session")
def one_ray() -> Iterator[None]:
    """One start of Ray for the jobs that all tests with this fixture do in this process.

    Its workers have the environment of that start: a test that changes what they inherit needs a
    Ray of its own.
    """
    from rankgen.generator.shards.cluster import kept_session

    with kept_session():
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the modules that share a Ray at the end, so that no other test finds it running."""
    sharing = {item.path for item in items if "one_ray" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path in sharing)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of an S3 server that answers in this process, over HTTP."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def s3_bucket(s3_endpoint: str) -> Iterator[str]:
    """The URL of a new bucket; this process and those it starts find the server and may write."""
    from s3fs import S3FileSystem

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        bucket = f"runs-{uuid.uuid4().hex}"
        # An instance keeps the server that it was made with.
        S3FileSystem.clear_instance_cache()
        store: S3FileSystem = S3FileSystem()
        store.mkdir(bucket)
        yield f"s3://{bucket}"
        S3FileSystem.clear_instance_cache()


@pytest.fixture
def s3_requests(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Counts, by kind, what this process asks of the same store from here on."""
    from http_listening import serve_in_background
    from moto.server import DomainDispatcherApplication, create_backend_app
    from s3fs import S3FileSystem
    from werkzeug.serving import make_server

    application = DomainDispatcherApplication(create_backend_app)
    seen: Counter[str] = Counter()

    def counting(environ: dict[str, str], start: object) -> object:
        is_listing = "list-type=" in environ["QUERY_STRING"]
        is_copy = "HTTP_X_AMZ_COPY_SOURCE" in environ
        seen["LIST" if is_listing else "COPY" if is_copy else environ["REQUEST_METHOD"]] += 1
        return application(environ, start)

    server = make_server("127.0.0.1", 0, counting, threaded=True)
    serve_in_background(server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    S3FileSystem.clear_instance_cache()
    yield seen
    server.shutdown()
    S3FileSystem.clear_instance_cache()


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own; its size and its mode can be changed by `remount`."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root on Linux may mount: full and read-only disks were not tested")
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting is forbidden here: full and read-only disks were not tested")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
