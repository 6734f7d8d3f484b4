"""Downloads that fail: what the libraries themselves print of it stays off the terminal."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rankgen.manifests.errors import EnvironmentProblem
from rankgen.retrieval.collections import download_lines, irds
from rankgen.retrieval.collections.hub import _told

REFUSED = "Connection refused"


@pytest.fixture
def nowhere() -> str:
    """An address where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/file"


class Printed(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def printed() -> Iterator[list[str]]:
    """What the libraries print."""
    handler = Printed()
    for name in ("huggingface_hub.utils._http", "ir_datasets"):
        logging.getLogger(name).addHandler(handler)
    yield handler.lines
    for name in ("huggingface_hub.utils._http", "ir_datasets"):
        logging.getLogger(name).removeHandler(handler)


def test_the_tries_of_the_hub_are_a_cause_and_no_lines(nowhere: str, printed: list[str]) -> None:
    from huggingface_hub.utils._http import http_backoff

    def fetch() -> None:
        try:
            http_backoff("HEAD", nowhere, max_retries=1, base_wait_time=0)
        except Exception:
            # As the package `datasets` does, which forgets the cause.
            raise ConnectionError("Couldn't reach it") from None

    for _ in range(2):
        with pytest.raises(EnvironmentProblem) as caught, _told("some/data", "corpus"):
            fetch()
        told = f"hf:some/data cannot be obtained: Couldn't reach it: [Errno 111] {REFUSED}"
        assert caught.value.message == told
    assert printed == []
    # Others of its lines are shown, and a cause is not that of another download.
    logging.getLogger("huggingface_hub.utils._http").warning("Rate limited. Waiting 3s")
    assert printed == ["Rate limited. Waiting 3s"]
    download_lines.keep_out_tries()
    assert download_lines.reason_with_cause(ConnectionError("no more")) == "no more"


def test_the_tries_of_ir_datasets_are_a_cause_and_no_lines(
    nowhere: str, printed: list[str], tmp_path: Path
) -> None:
    from ir_datasets.util.download import Download, RequestsDownload

    irds.irds_query_count("vaswani")
    mirrors = [RequestsDownload(nowhere, tries=2), RequestsDownload(nowhere, tries=1)]
    terms = "Please confirm that you agree to these terms"
    download = Download(mirrors, cache_path=str(tmp_path / "file"), dua=terms)
    with pytest.raises(EnvironmentProblem) as caught:
        list(irds._records("some/data", lambda: [download.path()]))
    assert caught.value.message == (
        f"irds:some/data cannot be obtained: All download sources failed: {REFUSED}"
    )
    assert printed == [terms]
