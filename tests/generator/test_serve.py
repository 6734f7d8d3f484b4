"""What `rankgen serve` answers, to whom, and what it refuses."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from labelled_in_process import label_in_process
from labelled_in_process import write_candidates as write_overlapping
from made_runs import ODD_IDS, write_candidates, write_labels
from serving import served
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.pages.blocks import Blocks
from rankgen.students.pages.browser import add_queries
from rankgen.students.pages.quick_index import index_of, tau_of
from rankgen.students.pages.server import is_own_name
from rankgen.students.pages.single_queries import open_single_queries, single_view

FAILED = "007"


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    folder = tmp_path_factory.mktemp("runs")
    candidates = write_candidates(folder / "candidates", 12)
    return write_labels(folder / "labels", candidates, failed=[FAILED])


@pytest.fixture(scope="module")
def address(labels: RunDirectory) -> Iterator[str]:
    before = contents(labels.root)
    with served(labels.root) as address:
        yield address
    assert contents(labels.root) == before


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def asked(
    address: str, path: str = "/", method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    """Sends a request as it is written: no path is made tidy on the way."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=named)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def block(address: str, name: str) -> Any:
    """Returns a block as the page's script unpacks it."""
    answer, content = asked(address, f"/report-data/{name}.js")
    assert answer.status == 200
    found = re.fullmatch(r'rankgenBlock\("(\w+)","([A-Za-z0-9+/=]+)"\)\n', content.decode())
    assert found is not None
    assert found[1] == name
    return json.loads(gzip.decompress(base64.b64decode(found[2])))


def test_every_query_as_show_prints_it(address: str, labels: RunDirectory) -> None:
    index = block(address, "index")
    assert [row["id"] for row in index] == sorted(labels_of(labels))
    assert set(ODD_IDS) <= {row["id"] for row in index}
    for row in index:
        (view,) = block(address, row["block"])
        command = ["show", str(labels.root), row["id"], "--json"]
        assert view == json.loads(CliRunner().invoke(app, command).stdout)


def labels_of(run: RunDirectory) -> list[str]:
    return [*run.read("rankings")["query_id"].to_pylist(), FAILED]


@pytest.mark.parametrize("name", ["labels", "sliding"])
def test_the_quick_index_is_that_of_the_report(
    labels: RunDirectory, tmp_path: Path, name: str
) -> None:
    if name == "sliding":
        # Lists that were not just turned round.
        source = write_overlapping(tmp_path / "candidates", 6, 20)
        label_in_process(source, tmp_path / name, 2)
    run = open_single_queries(labels.root if name == "labels" else tmp_path / name)
    rows = index_of(run, lambda count: None)
    views = (single_view(run, row["id"]) for row in rows)
    expected = add_queries(Blocks(tmp_path), views)
    places = ("block", "place")
    assert [{k: v for k, v in row.items() if k not in places} for row in rows] == [
        {k: v for k, v in row.items() if k not in places} for row in expected
    ]


def test_quick_tau_by_hand() -> None:
    import numpy as np

    assert tau_of(np.array([1, 2, 3, 4])) == 1
    assert tau_of(np.array([4, 3, 2, 1])) == -1
    assert tau_of(np.array([2, 1, 3, 4])) == pytest.approx(4 / 6)


def test_the_page_may_load_nothing_else(address: str) -> None:
    answer, content = asked(address)
    assert answer.status == 200
    assert b"<title>labels" in content
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self' 'sha256-")
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("style-src")[0]
    for header in ("X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Resource-Policy"):
        assert header in answer.headers


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", ""])
def test_a_name_that_somebody_points_here_is_refused(address: str, host: str) -> None:
    answer, content = asked(address, Host=host)
    assert answer.status in (400, 421)
    assert b"labels" not in content


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_it_only_reads(address: str, method: str) -> None:
    answer, _ = asked(address, method=method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"


def test_head_says_what_get_would(address: str) -> None:
    answer, content = asked(address, "/report-data/index.js", "HEAD")
    assert (answer.status, content) == (200, b"")
    assert answer.headers["Content-Type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path",
    [
        "/../../../etc/passwd",
        "/report-data/../../etc/passwd",
        "/report-data/%2e%2e%2fplan.json.js",
        "/.rankgen/plan.json",
        "/rankings/train-00000-of-00003.parquet",
        "/report-data/q12.js",
        "/report-data/q-1.js",
        "/report-data/q.js",
        "/report-data/nothing.js",
        "/report-data/q%C2%B2.js",
        "//etc/passwd",
    ],
)
def test_there_is_nothing_else(address: str, path: str) -> None:
    answer, content = asked(address, path)
    assert answer.status == 404
    assert b"root" not in content


def test_another_sites_page_gets_no_data(address: str) -> None:
    for site in ("cross-site", "same-site"):
        answer, _ = asked(address, "/report-data/index.js", Sec_Fetch_Site=site)
        assert answer.status == 403
    answer, _ = asked(address, "/report-data/index.js", Sec_Fetch_Site="same-origin")
    assert answer.status == 200
    assert asked(address, "/", Sec_Fetch_Site="cross-site")[0].status == 200


def test_which_names_are_its_own() -> None:
    for own in ("127.0.0.1:80", "localhost:9000", "[::1]:80", "10.0.0.7", "LOCALHOST"):
        assert is_own_name(own, "127.0.0.1"), own
    assert is_own_name("box.lan:1", "box.lan")
    assert is_own_name(f"{socket.gethostname()}:1", "0.0.0.0")
    for other in ("box.lan", "evil.example:80", "", "[", "localhost.evil.example"):
        assert not is_own_name(other, "127.0.0.1"), other


def test_a_damaged_shard_is_one_answer_and_not_the_end(
    labels: RunDirectory, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path / "labels")
    for path, content in contents(labels.root).items():
        target = run.root / path.relative_to(labels.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    with served(run.root, warns=True) as address:
        for path in run.shard_paths("rankings"):
            path.write_bytes(b"damaged")
        answer, content = asked(address, "/report-data/q5.js")
        assert answer.status == 500
        assert b"cannot be read" in content
        assert asked(address)[0].status == 200


def test_an_unfinished_run_says_so(tmp_path: Path) -> None:
    candidates = write_candidates(tmp_path / "candidates", 12)
    run = write_labels(tmp_path / "labels", candidates, committed=1)
    with served(run.root) as address:
        _, content = asked(address)
    assert b"labels is not finished: 4 of 12 queries are labelled" in content


def test_a_port_that_is_taken(labels: RunDirectory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = CliRunner().invoke(app, ["serve", str(labels.root), "--port", str(port)])
    assert refused.exit_code == 3
    assert f"error: nothing can listen at 127.0.0.1:{port}: " in refused.stderr
    assert "hint: choose another --port, or --port 0 for a free one" in refused.stderr


def test_what_cannot_be_served(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["serve", str(tmp_path)]).exit_code == 2
    assert CliRunner().invoke(app, ["serve", str(tmp_path), "--port", "70000"]).exit_code == 2
